"""What a mapped bank pushes is read by its own contract and answered in its own words."""

from __future__ import annotations

from typing import Any

import pytest
from lxml import etree

from adapters.bank_wsdl import envelope, mapped
from gateway.model.bank import BankStatus, DeliverReceipt, NotifyTransaction
from gateway.model.refusals import Refusal
from tests.unit.adapters.bank_wsdl_partner import BANK_ACCOUNT, NAME, SERVICE, SOAP12, document, to_bytes

door: Any = mapped("cib").door
KIND = "application/soap+xml; charset=GB18030"
SYS = {
    "tranCode": "YX9001", "chnlNo": "CIB", "orgNo": "XINYI", "msgSeq": "MB1", "tranDate": "20250303",
    "tranTime": "100000", "ver": "2.0",
}  # fmt: skip
EVENT = {
    "noticeNo": "NT1", "eventNo": "E09", "tryNum": 1, "agrNo": "AG1", "bankSeq": "BT1", "sts": "2",
    "tradeAmt": "100.01", "eventTime": "20250303100000", "repayWay": "W", "repaySeq": "WX1",
}  # fmt: skip
RECEIPT = {
    "rcptNo": "HD1", "checkCode": "C1", "orderNo": "PO000001", "bankSeq": "BT1", "bizKind": "PAYOUT",
    "payer": BANK_ACCOUNT, "payee": BANK_ACCOUNT, "ccy": "CNY", "payAmt": "1.00", "amtInWords": "人民币壹元整",
    "tradeTime": "20250303090000", "acctDate": "20250303", "fileKind": "XML", "file": b"<r/>", "fileSize": 4,
    "sha256": "0" * 64, "sm3": "0" * 64,
}  # fmt: skip


def pushed(name: str, body: dict[str, Any], **head: str) -> bytes:
    """A push as the bank writes it."""
    binding = next(iter(document("YxfNoticeService").bindings.values()))
    return to_bytes(binding.get(name).input.serialize(sysHead={**SYS, **head}, body=body).content)


def notice(**change: Any) -> bytes:
    kept = {name: value for name, value in {**EVENT, **change}.items() if value is not None}
    return pushed("tradeNotice", kept)


def read(raw: bytes, kind: str = KIND, action: str = "") -> Any:
    return door.read_notification(raw, kind, action)


def refused(raw: bytes, kind: str = KIND) -> tuple[str, str | None]:
    with pytest.raises(Refusal) as no:
        read(raw, kind)
    return no.value.code, no.value.field


# -- notices --------------------------------------------------------------------------------------------------------


def test_a_repayment_is_read_in_fen_and_our_words() -> None:
    told = read(notice())
    assert isinstance(told, NotifyTransaction)
    assert (told.msg_id, told.notify_no, told.event_type, told.agreement_no) == ("MB1", "NT1", "REPAYMENT", "AG1")
    assert (told.amount_fen, told.channel, told.channel_serial, told.status) == (10001, "WECHAT", "WX1", "ACSC")
    assert told.occurred_at.isoformat() == "2025-03-03T10:00:00+08:00"


@pytest.mark.parametrize(
    ("event", "status", "said", "change"),
    [
        ("E01", "2", BankStatus.ACSC, {"orderNo": "W0000001"}),
        ("E01", "3", BankStatus.RJCT, {"orderNo": "W0000001", "failCode": "YX300002", "failMsg": NAME}),
        ("E07", "9", BankStatus.RVSD, {"orderNo": "PO000001", "batchNo": "BATCH0001"}),
        ("E08", "S", BankStatus.PDNG, {}),
        ("E08", "A", BankStatus.ACSC, {"creditAmt": "6000.00"}),
        ("E08", "C", BankStatus.CANC, {}),
        ("E10", "A", BankStatus.ACSC, {"overDays": 3, "pbcNo": "CB1"}),
    ],
)
def test_every_event_has_the_status_the_flows_know(
    event: str, status: str, said: BankStatus, change: dict[str, Any]
) -> None:
    told = read(notice(eventNo=event, sts=status, **change))
    assert told.status is said
    assert told.agreement_status == ({"S": "SUSP", "A": "ACTV", "C": "CANC"}[status] if event == "E08" else "")


def test_an_event_has_what_it_cannot_do_without() -> None:
    assert refused(notice(agrNo=None)) == ("INVALID_FIELD", "agreement_no")
    assert refused(notice(eventNo="E10")) == ("INVALID_FIELD", "days_overdue")
    assert refused(notice(eventNo="E06")) == ("INVALID_FIELD", "orig_serial")
    assert refused(notice(eventNo="E77")) == ("INVALID_FIELD", "body.eventNo")
    assert refused(notice(sts="Z")) == ("INVALID_FIELD", "body.sts")


def test_a_receipt_is_read_whole() -> None:
    told = read(pushed("receiptNotice", {"noticeNo": "NT2", "rcpt": RECEIPT}, tranCode="YX9002"))
    assert isinstance(told, DeliverReceipt)
    assert (told.receipt.amount_fen, told.receipt.content) == (100, b"<r/>")
    wrong = pushed("receiptNotice", {"noticeNo": "NT2", "rcpt": {**RECEIPT, "fileSize": 5}}, tranCode="YX9002")
    assert refused(wrong) == ("INVALID_FIELD", "@size")


# -- what is no push ------------------------------------------------------------------------------------------------


GOOD = notice()


@pytest.mark.parametrize(
    ("raw", "kind", "code"),
    [
        (GOOD, "text/xml; charset=GB18030", "MALFORMED"),
        (GOOD, "application/soap+xml; charset=utf-8", "MALFORMED"),
        (b"", KIND, "MALFORMED"),
        (GOOD[:-5], KIND, "MALFORMED"),
        (GOOD.replace(b"tradeNotice", b"tradeNotices"), KIND, "MALFORMED"),
        (GOOD.replace(SERVICE.encode(), b"urn:xinyi:bank-channel:v1"), KIND, "MALFORMED"),
        (GOOD.replace(b"?>", b"?><!DOCTYPE a>", 1), KIND, "MALFORMED"),
        (GOOD.replace(b"100.01", b"100.011"), KIND, "INVALID_FIELD"),
        (GOOD.replace(b"YX9001", b"YX9002"), KIND, "INVALID_FIELD"),
        (GOOD, f'{KIND}; action="{SERVICE}/receiptNotice"', "INVALID_FIELD"),
    ],
)
def test_what_is_no_push_of_the_bank_is_refused(raw: bytes, kind: str, code: str) -> None:
    assert refused(raw, kind)[0] == code


@pytest.mark.parametrize("charset", ["GB18030", "gbk", '"gb2312"'])
def test_the_encodings_name_may_be_that_of_a_part_of_it(charset: str) -> None:
    kind = f'application/soap+xml; charset={charset}; action="{SERVICE}/tradeNotice"'
    assert read(GOOD, kind).notify_no == "NT1"


def test_a_refusal_repeats_nothing_of_the_message() -> None:
    with pytest.raises(Refusal) as no:
        read(notice(failMsg=NAME, tradeAmt="1.001"))
    assert NAME not in str(no.value)
    assert no.value.field == "tradeAmt"


# -- answers --------------------------------------------------------------------------------------------------------


def body_of(raw: bytes) -> etree._Element:
    assert raw.startswith(b"<?xml version='1.0' encoding='GB18030'?>")
    return envelope.opened(raw, envelope.SINGLE, "gb18030").content


@pytest.mark.parametrize(("word", "code"), [("OK", "YX000000"), ("RETRY", "YX900001"), ("MISMATCH", "YX700002")])
def test_acknowledgements_are_the_banks(word: str, code: str) -> None:
    receipt = read(pushed("receiptNotice", {"noticeNo": "NT2", "rcpt": RECEIPT}, tranCode="YX9002"))
    answer = body_of(door.ack(receipt, word, KIND))
    assert answer.tag == f"{{{SERVICE}}}receiptNoticeResponse"
    assert (answer.findtext("ret/retCode"), answer.findtext("ret/noticeNo")) == (code, "NT2")
    assert body_of(door.ack(read(GOOD), "OK")).tag == f"{{{SERVICE}}}tradeNoticeResponse"


def test_an_acknowledgement_nobody_knows_is_none() -> None:
    with pytest.raises(ValueError, match=r"ret\.retCode"):
        door.ack(read(GOOD), "MAYBE")


@pytest.mark.parametrize("code", ["INVALID_FIELD", "SIGNATURE_INVALID", "OVERLOADED", "REPLAYED"])
def test_refusals_are_senders_faults_in_the_banks_words(code: str) -> None:
    status, raw = door.fault_for(Refusal(code, field="body.payAmt"), "X123", "text/xml")
    fault = body_of(raw)
    assert (status, fault.tag) == (400, f"{{{SOAP12}}}Fault")
    assert fault.findtext(".//errCode") == code
    assert "X123" in str(fault.findtext(".//errMsg"))
    assert door.media_type("text/xml") == KIND


def test_the_wsdl_of_both_directions() -> None:
    address = "http://127.0.0.1:8800/soap/bank/cib"
    for which, port in (("notify", "YxfNoticePort"), ("bank", "YxfPort")):
        root = etree.fromstring(door.wsdl(which, address))
        assert root.find("{http://schemas.xmlsoap.org/wsdl/}portType").get("name") == port  # type: ignore[union-attr]
        assert root.find(".//{*}address").get("location") == address  # type: ignore[union-attr]
    with pytest.raises(KeyError):
        door.wsdl("other", address)
