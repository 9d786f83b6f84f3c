"""What an answer means: what is not certain is unknown, and an amount that differs is never a success."""

from __future__ import annotations

from typing import Any

import pytest

from adapters.bank_soap.errors import DICTIONARY
from gateway.delivery.declare import Answer
from gateway.model import bank
from gateway.model.bank import BankStatus
from gateway.model.refusals import dictionary
from gateway.model.verdict import Accepted, Done, Refused, Unknown
from tests.unit.adapters.bank_soap_partner import (
    MONEY,
    OPERATIONS,
    QUERIES,
    answer,
    codec,
    decode,
    edited,
    file_of,
    golden_request,
    head,
)

AMOUNTS = {
    "Withhold": {"AmountFen": 250000},
    "Refund": {"RefundFen": 25050},
    "PreAuthorise": {"HeldFen": 300000},
    "CompletePreAuthorisation": {"CapturedFen": 265000},
    "VoidPreAuthorisation": {"ReleasedFen": 300000},
}
DONE = {
    "Withhold": {"ACSC", "ACCC"},
    "Refund": {"ACSC", "ACCC", "RVSD", "RFND"},
    "PreAuthorise": {"ACSC", "ACCC", "ACCP"},
    "CompletePreAuthorisation": {"ACSC", "ACCC"},
    "VoidPreAuthorisation": {"ACSC", "ACCC", "CANC", "RVSD"},
}
PENDING = {"RCVD", "ACCP", "ACSP", "PDNG"}


def money(operation: str, status: str, code: str = "000000", **more: Any) -> Any:
    request = golden_request(operation)
    content = {"ResultHead": head(request.serial, code), "Status": status, **AMOUNTS[operation], **more}
    return codec.decode(operation, request, answer(operation, **content))


@pytest.mark.parametrize("status", list(BankStatus))
@pytest.mark.parametrize("operation", MONEY)
def test_every_status_of_every_money_operation(operation: str, status: BankStatus) -> None:
    verdict = money(operation, status.value)
    if status in DONE[operation]:
        assert isinstance(verdict, Done)
    elif status in PENDING:
        assert isinstance(verdict, Accepted)
    else:  # a rejection without a reason is an unseen one
        assert isinstance(verdict, Unknown)


@pytest.mark.parametrize("operation", MONEY)
def test_a_listed_reason_is_refused_and_keeps_the_banks_words(operation: str) -> None:
    verdict = money(operation, "RJCT", ReasonCode="AC06", ReasonText="账户已冻结")
    assert isinstance(verdict, Refused)
    assert (verdict.code, verdict.text, verdict.reply.reason_code) == ("AC06", "账户已冻结", "AC06")


@pytest.mark.parametrize("reason", ["ZZ99", None])
@pytest.mark.parametrize("operation", MONEY)
def test_an_unseen_reason_is_unknown(operation: str, reason: str | None) -> None:
    assert isinstance(money(operation, "RJCT", ReasonCode=reason), Unknown)


@pytest.mark.parametrize("reason", ["FF10", "ED05", "MS03", "NOAS", "DU04", "DUPL", "AM05"])
def test_technical_failures_and_duplicates_are_asked_first(reason: str) -> None:
    verdict = money("Withhold", "RJCT", ReasonCode=reason)
    assert isinstance(verdict, Unknown)
    assert reason in verdict.reason


# -- RespCode -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("operation", MONEY)
def test_a_bank_that_processed_nothing_is_a_refusal(operation: str) -> None:
    assert money(operation, "RJCT", "900001").code == "900001"


@pytest.mark.parametrize(
    ("code", "status"),
    [("900001", "ACSC"), ("900001", "PDNG"), ("900002", "UNKN"), ("900002", "ACSC"), ("900002", "RJCT"),
     ("999999", "ACSC"), ("999999", "PDNG"), ("999999", "RJCT"), ("ERROR1", "RJCT")],
)  # fmt: skip
def test_codes_that_contradict_or_were_never_seen_are_unknown(code: str, status: str) -> None:
    assert isinstance(money("Withhold", status, code, ReasonCode="AC06" if status == "RJCT" else None), Unknown)


def test_an_open_outcome_that_is_pending_is_accepted() -> None:
    assert isinstance(money("Withhold", "PDNG", "900002"), Accepted)


# -- amounts --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lie", [1, -1])
@pytest.mark.parametrize("operation", MONEY)
def test_an_amount_that_differs_is_never_a_success(operation: str, lie: int) -> None:
    name, true = next(iter(AMOUNTS[operation].items()))
    done = "ACCP" if operation == "PreAuthorise" else "ACSC"
    assert money(operation, done, **{name: true + lie}) == Unknown("amount differs")


@pytest.mark.parametrize("operation", MONEY)
def test_a_success_without_an_amount_is_unknown(operation: str) -> None:
    done = "ACCP" if operation == "PreAuthorise" else "ACSC"
    assert isinstance(money(operation, done, **dict.fromkeys(AMOUNTS[operation])), Unknown)


def test_a_pending_answer_may_leave_the_amount_out_but_not_change_it() -> None:
    assert isinstance(money("Withhold", "PDNG", AmountFen=None), Accepted)
    assert isinstance(money("Withhold", "PDNG", AmountFen=250001), Unknown)


@pytest.mark.parametrize("total", [25049, 250001])
def test_refunds_never_add_up_to_more_than_the_charge(total: int) -> None:
    assert isinstance(money("Refund", "ACSC", RefundedTotalFen=total), Unknown)
    assert isinstance(money("Refund", "ACSC", RefundedTotalFen=250000), Done)


def test_a_capture_that_is_not_final_releases_nothing() -> None:
    request = golden_request("CompletePreAuthorisation").model_copy(update={"final": False})
    content = {"ResultHead": head(request.serial), "Status": "ACSC", "CapturedFen": 265000}
    told = answer("CompletePreAuthorisation", **content, ReleasedFen=35000)
    assert isinstance(codec.decode("CompletePreAuthorisation", request, told), Unknown)
    assert isinstance(
        codec.decode("CompletePreAuthorisation", request, answer("CompletePreAuthorisation", **content)), Done
    )


def batch(**more: Any) -> Any:
    request = golden_request("SubmitPayoutBatch")
    content = {"ResultHead": head(request.serial), "BatchStatus": "ACCP", **more}
    return codec.decode("SubmitPayoutBatch", request, answer("SubmitPayoutBatch", **content))


def rejected(serial: str) -> dict[str, Any]:
    return {"Record": [{"RecordNo": 2, "RecSerial": serial, "ReasonCode": "BE01"}]}


@pytest.mark.parametrize(
    "content",
    [
        {"AcceptedFen": 1445926},
        {"AcceptedCount": 1},
        {"AcceptedCount": 2, "RejectedRecords": rejected("PO64010020250302000000000002")},
        {"AcceptedFen": 1445927, "RejectedRecords": rejected("PO64010020250302000000000002")},
        {"RejectedRecords": rejected("PO64010020250302000000000003")},
    ],
)
def test_a_batch_answer_that_does_not_add_up_is_unknown(content: dict[str, Any]) -> None:
    assert isinstance(batch(**content), Unknown)


@pytest.mark.parametrize("status", ["RCVD", "ACCP"])
def test_a_batch_that_was_taken_is_accepted(status: str) -> None:
    assert isinstance(batch(BatchStatus=status, AcceptedCount=2, AcceptedFen=1445927), Accepted)
    assert isinstance(batch(BatchStatus=status), Accepted)


def test_a_batch_rejected_for_an_unseen_reason_is_unknown() -> None:
    assert isinstance(batch(BatchStatus="RJCT", ReasonCode="ZZ99"), Unknown)


# -- the answer must be about the request ---------------------------------------------------------------------------


@pytest.mark.parametrize("operation", [op for op in OPERATIONS if op not in QUERIES])
@pytest.mark.parametrize("serial", ["A00000000000000000", None])
def test_an_answer_about_another_serial_is_unknown(operation: str, serial: str | None) -> None:
    own = golden_request(operation).serial
    line = f"<ns0:Serial>{own}</ns0:Serial>"
    other = f"<ns0:Serial>{serial}</ns0:Serial>" if serial else ""
    assert isinstance(decode(operation, edited(operation, (line, other))), Unknown)


@pytest.mark.parametrize(
    ("operation", "old", "new"),
    [
        ("QueryTransaction", "<ns0:OrigSerial>W", "<ns0:OrigSerial>X"),
        ("QueryTransaction", "<ns0:OrigTxCode>Withhold<", "<ns0:OrigTxCode>Refund<"),
        ("QueryPayoutBatch", "<ns0:BatchNo>DP", "<ns0:BatchNo>DQ"),
        ("GetReceipt", "<ns0:OrigSerial>PO", "<ns0:OrigSerial>PX"),
        ("QueryTransaction", "<ns0:OrigStatus>ACSC</ns0:OrigStatus>", ""),
        ("QueryAgreement", "<ns0:AgreementStatus>ACTV</ns0:AgreementStatus>", ""),
        ("QueryPayoutBatch", "<ns0:BatchStatus>PART</ns0:BatchStatus>", ""),
        ("QueryPayoutBatch", "<ns0:AmountFen>920001<", "<ns0:AmountFen>920002<"),
        (
            "QueryPayoutBatch",
            "<ns0:RecSerial>PO64010020250302000000000002",
            "<ns0:RecSerial>PO64010020250302000000000001",
        ),
        ("GetReceipt", "<ns0:Size>39<", "<ns0:Size>40<"),
    ],
)
def test_questions_answered_beside_the_point_change_nothing(operation: str, old: str, new: str) -> None:
    assert isinstance(decode(operation, edited(operation, (old, new))), Unknown)


@pytest.mark.parametrize("operation", QUERIES)
def test_not_found_beside_an_error_code_is_no_answer(operation: str) -> None:
    failed = ("<ns0:RespCode>000000<", "<ns0:RespCode>900001<")
    assert isinstance(decode(operation, edited(operation, failed)), Unknown)


def test_an_agreement_question_by_number_wants_that_agreement() -> None:
    request = bank.QueryAgreement(serial="Q0000001", agreement_no="AG999")
    told = Answer(200, {}, file_of("QueryAgreement", "response.xml"))
    assert isinstance(codec.decode("QueryAgreement", request, told), Unknown)


def test_a_question_is_answered_when_nothing_was_found() -> None:
    request = golden_request("QueryTransaction")
    verdict = codec.decode(
        "QueryTransaction", request, answer("QueryTransaction", ResultHead=head(), QueryResult="NOT_FOUND")
    )
    assert isinstance(verdict, Done)
    assert (verdict.reply.found, verdict.reply.status) == (False, "UNKN")


@pytest.mark.parametrize(("status", "kind"), [("PREPARING", Done), ("NONE", Done), ("READY", Unknown)])
def test_a_receipt_that_is_not_there_yet(status: str, kind: type) -> None:
    request = golden_request("GetReceipt")
    verdict = codec.decode("GetReceipt", request, answer("GetReceipt", ResultHead=head(), ReceiptStatus=status))
    assert isinstance(verdict, kind)


# -- faults and HTTP ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("soap", ["1.1", "1.2"])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_client_fault_was_not_processed_and_a_server_fault_is_unknown(operation: str, soap: str) -> None:
    client = decode(operation, file_of("Fault", f"client-{soap}.xml"), 400 if soap == "1.2" else 500)
    server = decode(operation, file_of("Fault", f"server-{soap}.xml"), 500)
    assert client.code == "BANK_CLIENT_FAULT"
    assert "INVALID_FIELD" in client.text
    assert isinstance(server, Unknown)


def test_a_client_fault_that_says_query_first_is_unknown() -> None:
    raw = file_of("Fault", "client-1.1.xml").replace(b"<Retry>NO<", b"<Retry>QUERY_FIRST<")
    assert isinstance(decode("Withhold", raw, 500), Unknown)


@pytest.mark.parametrize("code", ["soap:Server", "soap:Client.Authentication", "soap:MustUnderstand", "ns:Weird", ""])
def test_faults_of_other_stacks_follow_their_class(code: str) -> None:
    raw = (
        '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><s:Fault>'
        f"<faultcode>{code}</faultcode><faultstring>x</faultstring></s:Fault></s:Body></s:Envelope>"
    ).encode()
    refused = code in ("soap:Client.Authentication", "soap:MustUnderstand")
    assert isinstance(decode("Withhold", raw, 500), Refused if refused else Unknown)


@pytest.mark.parametrize("status", [201, 202, 204, 301, 302, 400, 401, 403, 404, 409, 429, 500, 502, 503, 504])
def test_any_other_http_status_than_200_is_unknown(status: int) -> None:
    good = file_of("Withhold", "response.xml")
    assert decode("Withhold", good, status) == Unknown(f"HTTP {status}")
    assert isinstance(decode("Withhold", b"", status), Unknown)
    assert isinstance(decode("Withhold", b"<html><body>Bad gateway</body></html>", status), Unknown)


# -- agreements -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("status", "kind"), [("ACTV", Done), ("PDNG", Accepted), ("RJCT", Unknown)])
def test_signing(status: str, kind: type) -> None:
    request = golden_request("SignAgreement")
    content = {"ResultHead": head(request.serial), "AgreementStatus": status, "NeedSms": False}
    assert isinstance(codec.decode("SignAgreement", request, answer("SignAgreement", **content)), kind)


@pytest.mark.parametrize("reason", ["NARR", "DUPL", "MD02", "BE01"])
def test_a_declined_signing_is_refused(reason: str) -> None:
    request = golden_request("SignAgreement")
    content = {
        "ResultHead": head(request.serial), "AgreementStatus": "RJCT", "ReasonCode": reason, "NeedSms": False,
    }  # fmt: skip
    assert codec.decode("SignAgreement", request, answer("SignAgreement", **content)).code == reason


def test_an_agreement_with_debt_cannot_end() -> None:
    request = golden_request("CancelAgreement")
    content = {"ResultHead": head(request.serial), "AgreementStatus": "RJCT", "ReasonCode": "NARR"}
    verdict = codec.decode("CancelAgreement", request, answer("CancelAgreement", **content))
    assert verdict.code == "NARR"
    assert codec.explain("CancelAgreement", "NARR").unified_code == "HAS_ARREARS"


# -- people ---------------------------------------------------------------------------------------------------------


def test_the_banks_words_lose_the_people_they_name() -> None:
    request = golden_request("Withhold")
    text = "付款人阿依古丽·䶮（43050219900101001X，13800000001）账号 6222600000000000018 与户名邵阳市示例医院不符"
    verdict = money("Withhold", "RJCT", ReasonCode="BE01", ReasonText=text)
    for hidden in (request.payer_name.reveal(), "43050219900101001X", "13800000001", "6222600000000000018"):
        assert hidden not in verdict.text
        assert hidden not in repr(verdict)
    assert "付款人阿*" in verdict.text


def test_a_fault_loses_the_people_it_names() -> None:
    raw = file_of("Fault", "client-1.1.xml").replace("不符合接口合同".encode(), "阿依古丽·䶮 13800000001".encode())
    verdict = decode("Withhold", raw, 500)
    assert "阿依古丽" not in verdict.text
    assert "13800000001" not in verdict.text


# -- the dictionary -------------------------------------------------------------------------------------------------

LISTED = """
    AC01 AC03 AC04 AC05 AC06 AC13 AG01 AM01 AM02 AM04 AM05 AM09 AM10 AM12 AM14 AM21 ARDT BE01 CH03 CURR CUST DT01 DU01
    DU02 DU03 DU04 DU05 DUPL ED05 FF01 FF10 FRAD LEGL MD01 MD02 MD05 MD06 MD07 MD09 MD16 MD17 MS02 MS03 NARR NOAS NOOR
    PTNA RF01 TD03 TECH TM01 900001 900002 BANK_CLIENT_FAULT NOT_FOUND
"""


@pytest.mark.parametrize("code", LISTED.split())
@pytest.mark.parametrize("operation", ["Withhold", "SubmitPayoutBatch"])
def test_every_code_of_the_facts_is_explained(operation: str, code: str) -> None:
    row = codec.explain(operation, code)
    assert row is not None
    assert row.unified_code in dictionary()


def test_every_unified_code_is_in_the_register_and_every_operation_exists() -> None:
    for (_bank, operation, _code), row in DICTIONARY.items():
        assert row.unified_code in dictionary(), row
        assert operation in (*OPERATIONS, "*")


def test_the_closest_row_wins_and_an_unseen_code_has_none() -> None:
    assert codec.explain("Refund", "AM02").unified_code == "EXCEEDS_CAPTURED"
    assert codec.explain("CompletePreAuthorisation", "AM02").unified_code == "EXCEEDS_HELD"
    assert codec.explain("Withhold", "AM02").unified_code == "OVER_LIMIT"
    assert codec.explain("Withhold", "ZZ99") is None
