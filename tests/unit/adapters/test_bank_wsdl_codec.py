"""A mapped bank is believed no more than any other: what is not certain is unknown, what does not fit is not sent."""

from __future__ import annotations

import socket
from dataclasses import replace
from typing import Any

import pytest
import zeep.exceptions
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from adapters.bank_wsdl import canon, dialect, manifest_of
from adapters.bank_wsdl.codec import MappedCodec
from adapters.bank_wsdl.port import FAILURES
from gateway.delivery.declare import Guarantee
from gateway.model.bank import BankStatus
from gateway.model.refusals import Refusal, dictionary
from gateway.model.verdict import Accepted, Done, Refused, Unknown
from tests.unit.adapters.bank_wsdl_partner import (
    AMOUNT,
    BANK_ACCOUNT,
    CONTEXT,
    FEN,
    MONEY,
    NAME,
    SERVICE,
    SOAP12,
    THEIRS,
    adapter,
    answer,
    document,
    envelope,
    fault,
    head,
    request,
    to_bytes,
    told,
)

codec: Any = adapter().codec
STATUS = {
    "0": BankStatus.RCVD, "1": BankStatus.PDNG, "2": BankStatus.ACSC, "3": BankStatus.RJCT, "4": BankStatus.RVSD,
    "5": BankStatus.RFND, "6": BankStatus.CANC, "7": BankStatus.ACCP, "8": BankStatus.UNKN,
}  # fmt: skip
DONE = {
    "Withhold": "2", "Refund": "245", "PreAuthorise": "27", "CompletePreAuthorisation": "2",
    "VoidPreAuthorisation": "246",
}  # fmt: skip


# -- out ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("operation", THEIRS)
def test_every_request_is_the_banks_message(operation: str) -> None:
    out = codec.encode(operation, request(operation), CONTEXT)
    root = etree.fromstring(out.body.decode("gb18030").partition("?>")[2].encode())
    element = root[-1][0]
    assert root.tag == f"{{{SOAP12}}}Envelope"
    assert element.tag == f"{{{SERVICE}}}{THEIRS[operation]}"
    assert out.headers["Content-Type"] == (
        f'application/soap+xml; charset=GB18030; action="{SERVICE}/{THEIRS[operation]}"'
    )
    said = element.find("sysHead")
    assert said is not None
    assert [child.text for child in said][1:] == [
        "XINYI", "CIB", "01JNDVJ7C0BANKMESSAGE00001", "20250303", "090000", "2.0",
    ]  # fmt: skip
    next(iter(document().bindings.values())).get(THEIRS[operation]).input.deserialize(root)


def test_yuan_days_codes_and_a_rare_name_as_the_bank_writes_them() -> None:
    body = codec.encode("Withhold", request("Withhold"), CONTEXT).body
    assert "䶮".encode("gb18030") in body
    text = body.decode("gb18030")
    for piece in ("<payAmt>2500.05</payAmt>", f"<custNm>{NAME}</custNm>", "<payDate>20250303</payDate>"):
        assert piece in text
    assert "&#" not in text
    signing = codec.encode("SignAgreement", request("SignAgreement"), CONTEXT).body.decode("gb18030")
    for piece in ("<agrKind>3</agrKind><loanKind>L</loanKind>", "<certType>0</certType>", "<maxAmt>20000.00</maxAmt>"):
        assert piece in signing


def test_what_is_empty_is_left_out_and_a_choice_has_one_branch() -> None:
    by_serial = request("QueryAgreement", agreement_no="", sign_serial="SIGN0000001")
    text = codec.encode("QueryAgreement", by_serial, CONTEXT).body.decode("gb18030")
    assert "<openOrderNo>SIGN0000001</openOrderNo>" in text
    assert "agrNo" not in text
    nobody = request("SignAgreement", payer={"acct_no": "", "acct_name": NAME})
    assert "repayAcct" not in codec.encode("SignAgreement", nobody, CONTEXT).body.decode("gb18030")


def test_a_batch_carries_its_rows_count_and_sum() -> None:
    text = codec.encode("SubmitPayoutBatch", request("SubmitPayoutBatch"), CONTEXT).body.decode("gb18030")
    assert "<totalNum>3</totalNum><totalAmt>6.00</totalAmt>" in text
    assert text.count("<row>") == 3
    assert codec.encode("SubmitPayoutBatch", request("SubmitPayoutBatch"), CONTEXT).body.count(b"H35050000001") == 3


@pytest.mark.parametrize(
    ("operation", "change", "place"),
    [
        ("Withhold", {"agreement_no": "协议"}, "agrNo"),
        ("Withhold", {"payer_name": "有|竖线"}, "custNm"),
        ("Withhold", {"payer_name": "控制\x01符"}, "message"),
        ("Withhold", {"amount_fen": 10**15}, "payAmt"),
        ("Withhold", {"agreement_no": ""}, "agrNo"),
        ("SignAgreement", {"id_type": "77"}, "body.certType"),
        ("QueryAgreement", {"agreement_no": "AG1", "sign_serial": "SIGN0000001"}, "message"),
        ("CompletePreAuthorisation", {"final": False}, "final"),
    ],
)
def test_what_does_not_fit_is_refused_by_name_and_nothing_is_sent(
    operation: str, change: dict[str, Any], place: str
) -> None:
    with pytest.raises(Refusal) as refused:
        codec.encode(operation, request(operation, **change), CONTEXT)
    assert (refused.value.code, refused.value.field) == ("INVALID_FIELD", place)
    assert not any(str(value) in str(refused.value) for value in change.values() if value)


@pytest.mark.parametrize("encoding", ["gbk", "gb2312"])
def test_a_name_the_encoding_lacks_is_not_sent_at_all(encoding: str) -> None:
    """Never a question mark, never a character reference: the bank would see another person (facts 7.3)."""
    found = dialect.load("cib")
    narrow = MappedCodec(replace(found, channel=found.channel.model_copy(update={"encoding": encoding})))
    with pytest.raises(Refusal) as refused:
        narrow.encode("Withhold", request("Withhold"), CONTEXT)
    assert (refused.value.code, refused.value.field) == ("INVALID_FIELD", "custNm")
    assert "䶮" not in str(refused.value)
    common = narrow.encode("Withhold", request("Withhold", payer_name="张三"), CONTEXT)
    assert common.body.decode(encoding).startswith(f"<?xml version='1.0' encoding='{encoding.upper()}'?>")


def test_an_operation_the_bank_lacks_is_not_sent() -> None:
    found = dialect.load("cib")
    less = replace(found, operations={k: v for k, v in found.operations.items() if k != "GetReceipt"})
    with pytest.raises(Refusal, match="GetReceipt"):
        MappedCodec(less).encode("GetReceipt", request("GetReceipt"), CONTEXT)


# -- back -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", STATUS)
@pytest.mark.parametrize("operation", MONEY)
def test_every_status_of_every_money_operation(operation: str, status: str) -> None:
    verdict = told(operation, {"tradeSts": status, **AMOUNT[operation]})
    if status in DONE[operation]:
        assert isinstance(verdict, Done)
        assert (verdict.reply.status, verdict.reply.amount_fen) == (STATUS[status], FEN)
    elif status in "017":
        assert isinstance(verdict, Accepted)
    else:  # unknown, closed, or rejected without a reason
        assert isinstance(verdict, Unknown)


@pytest.mark.parametrize("operation", MONEY)
def test_a_status_nobody_agreed_on_is_unknown(operation: str) -> None:
    assert told(operation, {"tradeSts": "9", **AMOUNT[operation]}) == Unknown("unreadable body.tradeSts")


@pytest.mark.parametrize("operation", MONEY)
def test_another_amount_or_none_is_unknown(operation: str) -> None:
    more = {name: "2500.06" for name in AMOUNT[operation] if name.endswith("Amt")}
    assert told(operation, {"tradeSts": "2", **AMOUNT[operation], **more}) == Unknown("amount differs")
    assert told(operation, {"tradeSts": "2"}) == Unknown("the answer names no amount")


def test_an_answer_about_another_order_is_unknown() -> None:
    verdict = told("Withhold", {"tradeSts": "2", "payAmt": "2500.05"}, orderNo="W9999999")
    assert verdict == Unknown("the answer is about another serial")
    missing = envelope("Withhold", head(orderNo=None), {"tradeSts": "2", "payAmt": "2500.05"})
    assert isinstance(codec.decode("Withhold", request("Withhold"), answer(to_bytes(missing))), Unknown)


def test_a_business_refusal_has_the_unified_reason_and_the_banks_text() -> None:
    verdict = told("Withhold", {"tradeSts": "3"}, retCode="YX300002", retMsg="额度不足")
    assert isinstance(verdict, Refused)
    assert (verdict.code, verdict.text) == ("AM14", "额度不足")
    explained = codec.explain("Withhold", verdict.code)
    assert explained is not None
    assert explained.unified_code in dictionary()


@pytest.mark.parametrize("code", ["YX600001", "YX600004", "YX800001"])
def test_duplicates_and_technical_failures_are_asked_first(code: str) -> None:
    assert isinstance(told("Withhold", {"tradeSts": "3"}, retCode=code), Unknown)


@pytest.mark.parametrize("code", ["YX999999", "YX100001"])
def test_a_code_nobody_listed_is_unknown_whatever_the_status(code: str) -> None:
    for status in STATUS:
        verdict = told("Withhold", {"tradeSts": status, "payAmt": "2500.05"}, retCode=code)
        assert isinstance(verdict, Unknown), status


@pytest.mark.parametrize("status", [one for one in STATUS if one != "3"])
def test_a_reason_beside_anything_but_a_rejection_contradicts_itself(status: str) -> None:
    assert isinstance(told("Withhold", {"tradeSts": status, "payAmt": "2500.05"}, retCode="YX300002"), Unknown)


def test_busy_is_refused_and_taken_is_accepted() -> None:
    busy = told("Withhold", {"tradeSts": "3"}, retCode="YX900001", retMsg="系统繁忙")
    assert isinstance(busy, Refused)
    assert busy.code == "900001"
    assert isinstance(told("Withhold", {"tradeSts": "1"}, retCode="YX000001"), Accepted)
    assert isinstance(told("Withhold", {"tradeSts": "2", "payAmt": "2500.05"}, retCode="YX000001"), Unknown)


def test_agreements_signed_waiting_for_a_code_and_declined() -> None:
    signed = told("SignAgreement", {"agrSts": "A", "agrNo": "AG1", "smsFlag": "N", "creditAmt": "8000.00"})
    assert isinstance(signed, Done)
    assert (signed.reply.agreement_no, signed.reply.credit_limit_fen, signed.reply.status) == ("AG1", 800_000, "ACSC")
    waiting = told("SignAgreement", {"agrSts": "P", "agrNo": "AG1", "smsFlag": "Y"})
    assert isinstance(waiting, Accepted)
    assert waiting.reply.need_sms
    declined = told("SignAgreement", {"agrSts": "R", "smsFlag": "N"}, retCode="YX200005", retMsg="审批未通过")
    assert isinstance(declined, Refused)
    assert declined.code == "NARR"


def test_questions_find_and_do_not_find() -> None:
    absent = told("QueryTransaction", {}, retCode="YX100001", orderNo=None)
    assert isinstance(absent, Done)
    assert absent.reply.found is False
    trade = {"oriOrderNo": "W0000001", "tranKind": "PAY", "tradeSts": "2", "tradeAmt": "2500.05"}
    found = told("QueryTransaction", trade)
    assert (found.reply.found, found.reply.orig_status, found.reply.orig_amount_fen) == (True, "ACSC", FEN)
    for wrong in ({"oriOrderNo": "W0000002"}, {"tranKind": "RFD"}):
        assert isinstance(told("QueryTransaction", {**trade, **wrong}), Unknown)
    assert isinstance(told("QueryTransaction", trade, retCode="YX300002"), Unknown)
    assert isinstance(told("QueryTransaction", {}, retCode="YX900001"), Unknown)
    unseen = told("QueryTransaction", {**trade, "tradeSts": "3", "failCode": "YX999999"})
    assert unseen.reply.orig_reason == "YX999999"


def test_a_batch_is_what_its_rows_say() -> None:
    row = {"orderNo": "PO000001", "payAmt": "1.00", "tradeSts": "2", "bankSeq": "BT9", "acctDate": "20250303"}
    back = {"orderNo": "PO000002", "payAmt": "2.00", "tradeSts": "9", "failCode": "YX400004"}
    body = {"batchNo": "BATCH0001", "batchSts": "40", "totalNum": 2, "totalAmt": "3.00"}
    asked = request("QueryPayoutBatch")
    returned = told("QueryPayoutBatch", {**body, "rows": {"row": [row, {**back, "backTime": "20250305100000"}]}}, asked)
    assert isinstance(returned, Done)
    assert [(r.status, r.reason_code) for r in returned.reply.records] == [("ACSC", ""), ("ACSC", "AC04")]
    assert returned.reply.records[1].returned_at is not None
    assert told("QueryPayoutBatch", {**body, "rows": {"row": [row, back]}}, asked) == Unknown("unreadable returned_at")
    wrong_sum = {**body, "totalAmt": "3.01", "rows": {"row": [row, {**back, "backTime": "20250305100000"}]}}
    assert told("QueryPayoutBatch", wrong_sum, asked) == Unknown("amount differs")
    assert isinstance(told("QueryPayoutBatch", {"batchNo": "BATCH0002"}, asked, retCode="YX100001"), Unknown)


def test_rows_refused_singly_must_be_rows_that_were_sent() -> None:
    asked = request("SubmitPayoutBatch")
    body = {"batchSts": "20", "bankBatchNo": "BB1", "okNum": 2, "okAmt": "4.00"}
    fails = {"row": [{"orderNo": "PO000002", "failCode": "YX400002", "failMsg": "户名不符"}]}
    taken = told("SubmitPayoutBatch", {**body, "fails": fails}, asked)
    assert isinstance(taken, Accepted)
    assert [(r.rec_serial, r.reason_code) for r in taken.reply.rejected] == [("PO000002", "BE01")]
    assert told("SubmitPayoutBatch", {**body, "okAmt": "4.01", "fails": fails}, asked) == Unknown("amount differs")
    other = {"row": [{"orderNo": "PO000009", "failCode": "YX400002"}]}
    assert isinstance(told("SubmitPayoutBatch", {**body, "fails": other}, asked), Unknown)


def receipt(**change: Any) -> dict[str, Any]:
    return {
        "rcptSts": "Y",
        "rcpt": {
            "rcptNo": "HD1", "checkCode": "C1", "orderNo": "PO000001", "bankSeq": "BT1", "bizKind": "PAYOUT",
            "payer": BANK_ACCOUNT, "payee": BANK_ACCOUNT, "ccy": "CNY", "payAmt": "1.00", "amtInWords": "人民币壹元整",
            "tradeTime": "20250303090000", "acctDate": "20250303", "fileKind": "XML", "file": b"<r/>", "fileSize": 4,
            "sha256": "0" * 64, "sm3": "0" * 64, "seal": b"seal", **change,
        },
    }  # fmt: skip


def test_a_receipt_is_read_whole() -> None:
    verdict = told("GetReceipt", receipt())
    assert isinstance(verdict, Done)
    found = verdict.reply.receipt
    assert (found.amount_fen, found.content, found.seal_signature) == (100, b"<r/>", "c2VhbA==")
    assert found.payee.acct_no.reveal() == "6222035050000001"
    assert told("GetReceipt", receipt(fileSize=5)) == Unknown("unreadable @size")
    assert isinstance(told("GetReceipt", {"rcptSts": "Y"}), Unknown)
    assert told("GetReceipt", {"rcptSts": "N"}).reply.receipt_status == "NONE"
    assert isinstance(told("GetReceipt", receipt(orderNo="PO000002")), Unknown)


def test_names_and_numbers_in_the_banks_text_are_masked() -> None:
    text = f"{NAME} 350502199001019990 13800001234 余额不足"
    verdict = told("Withhold", {"tradeSts": "3"}, retCode="YX300001", retMsg=text)
    assert isinstance(verdict, Refused)
    for hidden in (NAME, "350502199001019990", "13800001234"):
        assert hidden not in verdict.text
    assert "余额不足" in verdict.text


# -- unreadable -----------------------------------------------------------------------------------------------------


GOOD = to_bytes(envelope("Withhold", head(), {"tradeSts": "2", "payAmt": "2500.05"}))


def decoded(raw: bytes, status: int = 200) -> Any:
    return codec.decode("Withhold", request("Withhold"), answer(raw, status))


def test_the_answer_the_others_are_spoilt_from_is_good() -> None:
    assert isinstance(decoded(GOOD), Done)


@pytest.mark.parametrize(
    "raw",
    [
        b"", b" ", b"\x00\xff", b"<html>bad gateway</html>", GOOD[:-10], GOOD + b"<x/>",
        GOOD.decode("gb18030").encode("utf-8").replace(b"GB18030", b"UTF-8"),
        GOOD.replace(b"?>", b'?><!DOCTYPE e [<!ENTITY x "2500.05">]>', 1).replace(b"2500.05<", b"&x;<"),
        GOOD.replace(b"?>", b"?><!DOCTYPE e>", 1),
        GOOD.replace(b"<payAmt>", b'<payAmt xmlns:i="http://www.w3.org/2001/XMLSchema-instance" i:nil="true">'),
        GOOD.replace(b"2500.05", b"2500.050"), GOOD.replace(b"2500.05", b"2.50005e3"), GOOD.replace(b"2500.05", b"NaN"),
        GOOD.replace(b"payBillResponse", b"refundBillResponse"), GOOD.replace(b"payBillResponse", b"payBill"),
        GOOD.replace(b"<tradeSts>2</tradeSts>", b""), GOOD.replace(b"<tradeSts>2</tradeSts>", b"<tradeSts/>"),
        GOOD.replace(b"<tradeSts>2</tradeSts>", b"<tradeSts>2</tradeSts><tradeSts>2</tradeSts>"),
        GOOD.replace(b"<tradeSts>2</tradeSts>", b"<tradeSts>2</tradeSts><more>1</more>"),
        GOOD.replace(b"<retHead>", b'<retHead odd="1">'), GOOD.replace(b"20250303", b"20251303"),
        GOOD.replace(b"090001", b"996161"), GOOD.replace(SOAP12.encode(), b"http://schemas.xmlsoap.org/soap/envelope/"),
        b"<?xml version='1.0' encoding='GB18030'?>" + b"<a>" * 3000,
    ],
)  # fmt: skip
def test_whatever_cannot_be_read_is_unknown(raw: bytes) -> None:
    assert isinstance(decoded(raw), Unknown)


def test_an_empty_body_or_two_of_them_are_unknown() -> None:
    empty = f'<?xml version="1.0" encoding="GB18030"?><e:Envelope xmlns:e="{SOAP12}"><e:Body/></e:Envelope>'
    assert isinstance(decoded(empty.encode()), Unknown)
    root = envelope("Withhold", head(), {"tradeSts": "2", "payAmt": "2500.05"})
    root[0].append(etree.fromstring(etree.tostring(root[0][0])))
    assert isinstance(decoded(to_bytes(root)), Unknown)


@pytest.mark.parametrize("status", [201, 202, 302, 400, 404, 500, 502, 503])
def test_a_good_answer_with_another_http_status_is_unknown(status: int) -> None:
    assert decoded(GOOD, status) == Unknown(f"HTTP {status}")


@pytest.mark.parametrize("cut", range(0, len(GOOD), 37))
def test_no_piece_of_an_answer_is_an_answer(cut: int) -> None:
    assert isinstance(decoded(GOOD[:cut]), Unknown)


@given(st.binary(max_size=200), st.integers(0, len(GOOD)))
def test_decode_never_raises(noise: bytes, at: int) -> None:
    assert isinstance(decoded(GOOD[:at] + noise + GOOD[at:]), Done | Accepted | Refused | Unknown)
    assert isinstance(decoded(noise), Unknown)


@pytest.mark.parametrize(
    "failure",
    [
        zeep.exceptions.XMLParseError("x"), zeep.exceptions.ValidationError("x"), zeep.exceptions.Fault("x"),
        zeep.exceptions.TransportError("x"), zeep.exceptions.LookupError("x"), IndexError("x"), KeyError("x"),
        TypeError("x"), AttributeError("x"), ValueError("x"), ArithmeticError("x"), AssertionError("x"),
        RecursionError("x"), NotImplementedError("x"), OSError("x"), etree.XMLSyntaxError("x", 1, 1, 1),
    ],
)  # fmt: skip
def test_any_exception_of_zeep_on_a_reply_is_unknown(failure: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    message = dialect.load("cib").operations["Withhold"].wire.answer

    def broken(*_given: object, **_named: object) -> None:
        raise failure

    assert isinstance(failure, FAILURES)
    monkeypatch.setattr(type(message.element), "parse", broken)
    assert decoded(GOOD) == Unknown(f"the answer: zeep: {type(failure).__name__}")


def test_zeep_opens_no_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_given: object, **_named: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    fresh = MappedCodec(dialect.load("cib"))
    fresh.encode("Withhold", request("Withhold"), CONTEXT)
    assert isinstance(fresh.decode("Withhold", request("Withhold"), answer(GOOD)), Done)


# -- faults ---------------------------------------------------------------------------------------------------------


def test_a_senders_fault_was_not_processed_and_a_receivers_is_unknown() -> None:
    refused = decoded(fault("INVALID_FIELD", "字段有误"), 400)
    assert isinstance(refused, Refused)
    assert (refused.code, refused.text) == ("BANK_CLIENT_FAULT", "INVALID_FIELD 字段有误")
    assert isinstance(decoded(fault("SYS", "系统异常", kind="e:Receiver"), 500), Unknown)
    assert isinstance(decoded(fault("SYS", "?", kind="e:DataEncodingUnknown"), 500), Unknown)


def test_a_bank_that_did_not_promise_it_is_asked_after_any_fault() -> None:
    careful = MappedCodec(replace(dialect.load("cib"), sender_refuses=False))
    verdict = careful.decode("Withhold", request("Withhold"), answer(fault("INVALID_FIELD", "字段有误"), 400))
    assert isinstance(verdict, Unknown)


def test_a_faults_text_shows_nobody() -> None:
    refused = decoded(fault("BAD", f"{NAME} 350502199001019990"), 400)
    assert isinstance(refused, Refused)
    assert NAME not in refused.text
    assert "350502199001019990" not in refused.text


# -- the manifest ---------------------------------------------------------------------------------------------------


def test_guarantees_are_the_references_and_the_rest_is_the_maps() -> None:
    from adapters.bank_soap import ADAPTER

    manifest = manifest_of(dialect.load("cib"))
    reference = ADAPTER.manifest.operations
    assert {name: row.guarantee for name, row in manifest.operations.items()} == {
        name: row.guarantee for name, row in reference.items()
    }
    assert manifest.operations["Withhold"].guarantee is Guarantee.AT_MOST_ONCE
    assert {row.settling_seconds for row in manifest.operations.values()} == {900}
    assert not any(row.resend_after_not_found for row in manifest.operations.values())
    told_ = manifest.capabilities
    assert (told_["day_switch"], told_["encoding"], told_["security"]) == ("22:30", "gb18030", "wsse")
    assert (told_["lacks"], told_["only"]) == ([], {"CompletePreAuthorisation": {"final": True}})
    assert set(canon.ASKED_BY.values()) == {row.question for row in reference.values()} - {""}
    assert all(reference[name].question == asked for name, asked in canon.ASKED_BY.items())


def test_what_a_question_says_about_its_original_is_the_same_for_every_bank() -> None:
    name, question = codec.question_for("Withhold", request("Withhold"))
    assert (name, question.orig_serial, question.orig_tx_code) == (
        "QueryTransaction", request("Withhold").serial, "Withhold",
    )  # fmt: skip
    absent = told("QueryTransaction", {}, retCode="YX100001", orderNo=None)
    assert codec.resolve("Withhold", request("Withhold"), absent).code == "NOT_FOUND"
