"""An independent SOAP stack that knows only the WSDL understands us, and we understand it (contracts, chapter 5)."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import pytest
import zeep
from lxml import etree

from adapters.bank_soap import door
from gateway.delivery.declare import SendContext
from gateway.model import bank
from gateway.model.clock import SHANGHAI
from gateway.model.verdict import Accepted, Done, Refused
from tests.unit.adapters.bank_soap_partner import (
    CONTEXT,
    NOW,
    OPERATIONS,
    answer,
    binding,
    body_of,
    codec,
    document,
    file_of,
    golden_request,
    head,
    plain,
    read_request,
    schema,
)

V12 = SendContext(0.0, NOW, "n", "M1", {"sender_id": "XINYI", "receiver_id": "BOCOM", "soap_version": "1.2"})


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize(("context", "soap"), [(CONTEXT, "11"), (V12, "12")])
def test_the_partner_reads_every_request(operation: str, context: SendContext, soap: str) -> None:
    """Read into typed values and written again by the partner, the message is the same element by element."""
    made = codec.encode(operation, asked_of_zeep(operation), context)
    assert schema().validate(body_of(made.body))
    values = read_request(operation, made.body, soap)
    assert values["Header"]["TxCode"] == operation
    assert values["Header"]["CreatedAt"] == NOW
    again = binding("bank", soap).get(operation).input.serialize(**values)
    again_bytes = etree.tostring(again.content)
    assert dict_of(plain(again_bytes)) == dict_of(plain(made.body))


def asked_of_zeep(operation: str) -> Any:
    """zeep 4.3 cannot read a choice whose branch of several elements stands before the one that was taken."""
    request = golden_request(operation)
    by_number = {"agreement_no": "AG000000000001", "sign_serial": ""}
    return request.model_copy(update=by_number) if operation == "QueryAgreement" else request


def dict_of(tree: Any) -> Any:
    """Moments compare as moments: the partner writes them without milliseconds that are zero."""
    name, content = tree
    if isinstance(content, list):
        return (name, [dict_of(child) for child in content])
    return (name, datetime.fromisoformat(content) if name in ("CreatedAt", "BankTime") else content)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_the_action_of_a_request_is_the_wsdls(operation: str) -> None:
    expected = binding().get(operation).soapaction
    eleven = codec.encode(operation, golden_request(operation), CONTEXT).headers
    twelve = codec.encode(operation, golden_request(operation), V12).headers
    assert eleven == {"Content-Type": "text/xml; charset=utf-8", "SOAPAction": f'"{expected}"'}
    assert twelve == {"Content-Type": f'application/soap+xml; charset=utf-8; action="{expected}"'}


def test_the_manifest_declares_the_operations_of_the_wsdl() -> None:
    assert set(OPERATIONS) == set(document().port_types[f"{{{'urn:xinyi:bank-channel:v1'}}}BankPort"].operations)


# -- answers the partner writes -------------------------------------------------------------------------------------

MONEY_ANSWERS = {
    "Withhold": {"Status": "ACSC", "AmountFen": 250000, "BookingDate": date(2025, 3, 3), "FeeFen": 10},
    "Refund": {"Status": "RVSD", "RefundFen": 25050, "RefundedTotalFen": 25050},
    "PreAuthorise": {"Status": "ACCP", "HeldFen": 300000, "PreAuthNo": "PA1", "CreditAvailableFen": -5},
    "CompletePreAuthorisation": {"Status": "ACCC", "CapturedFen": 265000, "ReleasedFen": 35000},
    "VoidPreAuthorisation": {"Status": "CANC", "ReleasedFen": 300000},
}


@pytest.mark.parametrize("soap", ["11", "12"])
@pytest.mark.parametrize("operation", MONEY_ANSWERS)
def test_money_answers_of_the_partner_are_done(operation: str, soap: str) -> None:
    request = golden_request(operation)
    told = answer(operation, soap, ResultHead=head(request.serial, BankTxnNo="BT1"), **MONEY_ANSWERS[operation])
    verdict = codec.decode(operation, request, told)
    assert isinstance(verdict, Done)
    asked = request.refund_fen if operation == "Refund" else request.amount_fen
    assert verdict.reply.amount_fen == asked
    assert verdict.reply.bank_txn_no == "BT1"
    assert verdict.reply.bank_time == NOW


def test_a_hold_says_what_is_held_and_until_when() -> None:
    request = golden_request("PreAuthorise")
    ends = datetime(2025, 4, 2, 9, 0, tzinfo=SHANGHAI)
    told = answer("PreAuthorise", ResultHead=head(request.serial), ExpiresAt=ends, **MONEY_ANSWERS["PreAuthorise"])
    reply = codec.decode("PreAuthorise", request, told).reply
    assert (reply.pre_auth_no, reply.held_fen, reply.expires_at) == ("PA1", 300000, ends)
    assert reply.credit_available_fen == -5  # a lowered limit


def test_a_signing_that_wants_a_code_is_accepted_and_says_so() -> None:
    request = golden_request("SignAgreement")
    told = answer(
        "SignAgreement", ResultHead=head(request.serial), AgreementNo="AG1", AgreementStatus="PDNG", NeedSms=True
    )
    verdict = codec.decode("SignAgreement", request, told)
    assert isinstance(verdict, Accepted)
    assert (verdict.reply.need_sms, verdict.reply.agreement_no) == (True, "AG1")


def test_zero_free_days_are_not_the_same_as_none_told() -> None:
    request = golden_request("SignAgreement")
    told = {"ResultHead": head(request.serial), "AgreementStatus": "ACTV", "NeedSms": False}
    silent = codec.decode("SignAgreement", request, answer("SignAgreement", **told)).reply
    zero = codec.decode("SignAgreement", request, answer("SignAgreement", **told, FreeDays=0)).reply
    assert (silent.free_days, zero.free_days) == (None, 0)


def test_a_rejected_batch_is_refused_with_the_banks_reason() -> None:
    request = golden_request("SubmitPayoutBatch")
    told = answer(
        "SubmitPayoutBatch",
        ResultHead=head(request.serial),
        BatchStatus="RJCT",
        ReasonCode="AM10",
        ReasonText="合计不符",
    )
    verdict = codec.decode("SubmitPayoutBatch", request, told)
    assert isinstance(verdict, Refused)
    assert (verdict.code, verdict.text) == ("AM10", "合计不符")
    assert verdict.reply.status == bank.BankStatus.RJCT


# -- notices the partner sends --------------------------------------------------------------------------------------


def create(name: str, **content: Any) -> bytes:
    client = zeep.Client(str(document("notify").location))
    return etree.tostring(client.create_message(client.service, name, **content))


def notice_head(name: str) -> dict[str, Any]:
    return {
        "MsgId": "BK1", "SenderId": "BOCOM", "ReceiverId": "XINYI", "CreatedAt": NOW, "TxCode": name, "Version": "1.0",
    }  # fmt: skip


def test_a_notice_of_the_partner_is_read_and_the_partner_reads_the_ack() -> None:
    raw = create(
        "NotifyTransaction", Header=notice_head("NotifyTransaction"), NotifyNo="NT1", EventType="REPAYMENT",
        BankTxnNo="BT1", AgreementNo="AG1", Status="ACSC", AmountFen=50000, BookingDate=date(2025, 3, 4),
        OccurredAt=NOW, Attempt=2, Channel="WECHAT", ChannelSerial="WX-1",
    )  # fmt: skip
    notice = door.read_notification(raw, "text/xml", "")
    assert notice == bank.NotifyTransaction.model_validate(
        {
            "msg_id": "BK1", "notify_no": "NT1", "event_type": "REPAYMENT", "bank_txn_no": "BT1",
            "agreement_no": "AG1", "status": "ACSC", "amount_fen": 50000, "booking_date": "2025-03-04",
            "occurred_at": NOW, "attempt": 2, **extra(notice),
        }
    )  # fmt: skip
    reply = binding("notify").get("NotifyTransaction").output.deserialize(etree.fromstring(door.ack(notice, "RETRY")))
    assert (reply.Ack, reply.NotifyNo) == ("RETRY", "NT1")


def extra(notice: bank.NotifyTransaction) -> dict[str, Any]:
    """Fields the canonical notice may have taken up; here the wire's own values."""
    known = {"channel": "WECHAT", "channel_serial": "WX-1"}
    return {name: value for name, value in known.items() if name in type(notice).model_fields}


def test_a_receipt_of_the_partner_arrives_byte_for_byte() -> None:
    content = bytes(range(256)) * 40
    account = {"AcctNo": "6400-0001", "AcctName": "支出户", "BankCode": "301871000014", "BankName": "交通银行"}
    receipt = {
        "ReceiptNo": "ER1", "VerifyCode": "V1", "BankTxnNo": "BT1", "BizType": "PAYOUT", "Payer": account,
        "Payee": account, "Currency": "CNY", "AmountFen": 1, "AmountInWords": "人民币壹分", "TxnTime": NOW,
        "BookingDate": date(2025, 3, 3), "Format": "PDF", "Content": content, "Size": len(content),
        "Sha256": "0" * 64, "Sm3": "f" * 64,
    }  # fmt: skip
    raw = create("DeliverReceipt", Header=notice_head("DeliverReceipt"), NotifyNo="NR1", Receipt=receipt)
    read = door.read_notification(raw, "text/xml", "").receipt
    assert read.content == content
    assert (read.sha256, read.sm3) == ("0" * 64, "f" * 64)  # judged by a rule, not at the door
    assert type(read).model_validate_json(read.model_dump_json(context={"reveal": True})) == read


@pytest.mark.parametrize("soap", ["1.1", "1.2"])
def test_the_partner_understands_our_faults(soap: str) -> None:
    status, raw = door.fault("MALFORMED", "报文无法解析", "NO", soap)
    with pytest.raises(zeep.exceptions.Fault) as caught:
        binding("notify", soap.replace(".", "")).process_error(etree.fromstring(raw), None)
    assert caught.value.code.endswith("Client" if soap == "1.1" else "Sender")
    assert caught.value.detail.findtext(".//{*}Code") == "MALFORMED"
    assert status == (500 if soap == "1.1" else 400)


@pytest.mark.parametrize("which", ["bank", "notify"])
def test_the_wsdl_we_serve_is_importable_and_names_our_address(which: str, tmp_path: Any) -> None:
    file = tmp_path / f"{which}.wsdl"
    file.write_bytes(door.wsdl(which, 'http://127.0.0.1:8800/soap/bank/cib?a=1&b="2"'))
    ports = zeep.wsdl.Document(str(file), zeep.Transport()).services.popitem()[1].ports
    assert {port.binding_options["address"] for port in ports.values()} == {
        'http://127.0.0.1:8800/soap/bank/cib?a=1&b="2"'
    }
    assert len(ports) == 2


def test_the_xsd_we_serve_is_the_one_inside_the_wsdl() -> None:
    assert etree.XMLSchema(etree.fromstring(door.xsd())).validate(body_of(file_of("Withhold", "request.xml")))
