"""What the bank pushes: which entry is which event, what an event cannot do without, how it is acknowledged."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from adapters.bank_iso20022 import door, signature
from gateway.model.bank import DeliverReceipt, NotifyTransaction
from gateway.model.refusals import Refusal
from tests.unit.adapters.bank_iso_judge import assert_valid
from tests.unit.adapters.bank_iso_partner import (
    KINDS,
    PUSHES,
    file_of,
    reasoned,
    report,
    transaction,
)

RECEIPT = file_of("DeliverReceipt", "pushed")[0]
RETURN = file_of("NotifyTransaction.payout_return", "pushed")[0]
REPAID = file_of("NotifyTransaction.repayment", "pushed")[0]
REFUNDED = file_of("NotifyTransaction.refund", "pushed")[0]
CHARGED = file_of("NotifyTransaction.withhold", "pushed")[0]


def take(body: bytes, kind: str = KINDS["xml"], digest: str | None = None) -> Any:
    """The notice, on a channel without keys."""
    stated = {"Content-Digest": signature.digest_of(body) if digest is None else digest}
    return door.read_notification(body, kind, "", door.guard(None, stated, 0.0))


def refused(body: bytes, kind: str = KINDS["xml"], digest: str | None = None) -> tuple[str, str]:
    with pytest.raises(Refusal) as found:
        take(body, kind, digest)
    assert found.value.__context__ is None
    return found.value.code, found.value.field or ""


def changed(raw: bytes, old: str, new: str) -> bytes:
    assert old.encode() in raw, old
    return raw.replace(old.encode(), new.encode())


def without(raw: bytes, name: str) -> bytes:
    """The document without the last element of a name."""
    start = raw.rindex(f"<iso:{name}>".encode())
    return raw[:start] + raw[raw.index(f"</iso:{name}>".encode(), start) + len(name) + 7 :]


# -- receipts -------------------------------------------------------------------------------------------------------


def test_a_booked_payout_is_its_receipt_in_the_bytes_it_came_in() -> None:
    found = take(RECEIPT)
    assert isinstance(found, DeliverReceipt)
    receipt = found.receipt
    assert (receipt.content, receipt.sha256) == (RECEIPT, hashlib.sha256(RECEIPT).hexdigest())
    assert (receipt.biz_type, receipt.currency, receipt.amount_fen, receipt.format) == ("PAYOUT", "CNY", 100, "XML")
    assert (receipt.payer.acct_no.reveal(), receipt.payee.acct_no.reveal()) == ("6222000064000001", "6222064000100001")
    assert (receipt.payer.bank_code, receipt.payee.acct_name.reveal()) == ("301871000017", "银川市沙盒第一医院")
    assert receipt.orig_serial == "PO0000000001"


def test_a_receipt_that_was_changed_on_its_way_says_so_by_its_digest() -> None:
    stated = signature.digest_of(RECEIPT)
    found = take(changed(RECEIPT, ">1.00<", ">9.00<"), digest=stated)
    assert found.receipt.sha256 == hashlib.sha256(RECEIPT).hexdigest()
    assert hashlib.sha256(found.receipt.content).hexdigest() != found.receipt.sha256


@pytest.mark.parametrize("digest", ["", "sha-256=abc", "sha-512=:AAAA:", "md5=:AAAA:"])
def test_a_receipt_without_a_digest_is_refused(digest: str) -> None:
    assert refused(RECEIPT, digest=digest) == ("INVALID_FIELD", "Content-Digest")


def test_entry_and_transaction_agree_on_the_amount() -> None:
    first = RECEIPT.index(b">1.00<")
    assert refused(RECEIPT[:first] + b">2.00<" + RECEIPT[first + 6 :]) == ("INVALID_FIELD", "Amt")


def test_a_receipt_in_another_currency_is_a_persons_business() -> None:
    assert take(changed(RECEIPT, 'Ccy="CNY"', 'Ccy="USD"')).receipt.currency == "USD"


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        (">CNAPS<", ">CHIPS<", "ClrSysId"),
        (">301871000017<", ">30187100001X<", "MmbId"),
        (">2025-03-03<", ">20250303<", "Dt"),
        (">1.00<", ">1.001<", "Amt"),
        (">1.00<", ">0.00<", "Amt"),
        ('Ccy="CNY"', 'Ccy=""', "Ccy"),
        (">BOOK<", ">INFO<", "Sts"),
        (">DMCT<", ">XBCT<", "BkTxCd"),
        (">DBIT<", ">CRDT<", "BkTxCd"),
    ],
)
def test_what_a_receipt_says_wrongly_is_named(old: str, new: str, field: str) -> None:
    assert refused(changed(RECEIPT, old, new)) == ("INVALID_FIELD", field)


@pytest.mark.parametrize(
    "name",
    ["MsgId", "CreDtTm", "Ownr", "Svcr", "BookgDt", "BkTxCd", "NtryDtls", "EndToEndId", "CdtrAcct", "CdtrAgt", "Cdtr"],
)
def test_what_a_receipt_cannot_do_without(name: str) -> None:
    raw = RECEIPT
    while f"<iso:{name}>".encode() in raw:
        raw = without(raw, name)
    assert refused(raw)[0] == "INVALID_FIELD"


def test_one_message_is_about_one_transaction() -> None:
    entry = RECEIPT[RECEIPT.index(b"<iso:Ntry>") : RECEIPT.index(b"</iso:Ntry>") + 11]
    assert refused(RECEIPT.replace(entry, entry + entry)) == ("INVALID_FIELD", "Ntry")
    details = RECEIPT[RECEIPT.index(b"<iso:TxDtls>") : RECEIPT.index(b"</iso:TxDtls>") + 13]
    assert refused(RECEIPT.replace(details, details + details)) == ("INVALID_FIELD", "TxDtls")


# -- notices --------------------------------------------------------------------------------------------------------


def test_a_payout_not_booked_yet_is_no_receipt() -> None:
    found = take(changed(RECEIPT, ">BOOK<", ">PDNG<"))
    assert isinstance(found, NotifyTransaction)
    assert (found.event_type, found.status, found.orig_serial, found.batch_no) == (
        "PAYOUT_RECORD", "PDNG", "PO0000000001", "B0000001",
    )  # fmt: skip


def test_returned_money_is_another_booking_with_its_own_number() -> None:
    found = take(RETURN)
    assert (found.event_type, found.status, found.reason_code) == ("PAYOUT_RETURN", "RVSD", "AC04")
    assert (found.orig_serial, found.batch_no, found.amount_fen) == ("PO0000000001", "B0000001", 100)
    assert refused(without(RETURN, "PmtInfId")) == ("INVALID_FIELD", "PmtInfId")
    assert refused(without(RETURN, "EndToEndId")) == ("INVALID_FIELD", "EndToEndId")


def test_a_refund_is_known_by_our_reversal_and_not_by_the_charge() -> None:
    found = take(REFUNDED)
    assert (found.event_type, found.orig_serial, found.amount_fen) == ("REFUND", "R0000001", 50)
    assert refused(without(REFUNDED, "InstrId")) == ("INVALID_FIELD", "InstrId")
    assert refused(changed(REFUNDED, ">true<", ">yes<")) == ("INVALID_FIELD", "RvslInd")
    assert take(CHARGED).orig_serial == "W0000001"


def test_a_repayment_names_its_channel_and_agreement() -> None:
    found = take(REPAID)
    assert (found.event_type, found.channel, found.channel_serial, found.amount_fen) == (
        "REPAYMENT", "UNIONPAY", "UP20250303000001", 500,
    )  # fmt: skip
    assert refused(changed(REPAID, ">UNIONPAY<", ">PIGEON<")) == ("INVALID_FIELD", "TechInptChanl")
    for name in ("TxId", "MndtId"):
        assert refused(without(REPAID, name)) == ("INVALID_FIELD", name)


@pytest.mark.parametrize("raw", [RETURN, REPAID, REFUNDED, CHARGED])
def test_a_notice_in_another_currency_is_refused(raw: bytes) -> None:
    assert refused(changed(raw, 'Ccy="CNY"', 'Ccy="USD"')) == ("INVALID_FIELD", "Ccy")


def test_a_status_is_told_for_one_order_of_a_batch() -> None:
    order = transaction("PO1", "RJCT", "1.00", reason="AC04", text="账户 6222053010000001 已销户")
    raw = report(order, original="B1", message="pain.001.001.09", group="PART")
    assert_valid(raw)
    found = take(raw)
    assert (found.event_type, found.status, found.orig_serial, found.batch_no) == ("PAYOUT_RECORD", "RJCT", "PO1", "B1")
    assert (found.notify_no, found.reason_code) == ("MR1", "AC04")
    assert "6222053010000001" not in found.reason_text
    others = {
        report(transaction(), group="ACSC"): "OrgnlMsgNmId",
        report(order, order, original="B1", message="pain.001.001.09"): "TxInfAndSts",
        report(original="B1", message="pain.001.001.09", group="RJCT", inside=reasoned("AM10")): "TxInfAndSts",
        report(transaction("PO1", None), original="B1", message="pain.001.001.09"): "TxSts",
    }
    assert {raw: refused(raw)[1] for raw in others} == others


# -- mandates -------------------------------------------------------------------------------------------------------


def notice(**change: Any) -> bytes:
    content = {
        "MsgId": "N1", "NtfctnId": "N1", "OccrdDtTm": "2025-03-03T08:00:00+08:00", "MndtId": "AG1", "Sts": "SUSP",
        "CdtLine": {"Lmt": "5000.00", "Ccy": "CNY"}, **change,
    }  # fmt: skip
    return json.dumps({"MndtNtfctn": {k: v for k, v in content.items() if v is not None}}, ensure_ascii=False).encode()


def test_a_changed_mandate_and_a_default() -> None:
    found = take(notice(), KINDS["json"])
    assert (found.event_type, found.status, found.agreement_status, found.credit_limit_fen) == (
        "AGREEMENT", "PDNG", "SUSP", 500000,
    )  # fmt: skip
    default = {"Amt": "12.34", "DaysOvrdue": 31, "CdtBureauRef": "CB1"}
    found = take(notice(Dflt=default, Sts="ACTV"), KINDS["json"])
    assert (found.event_type, found.amount_fen, found.days_overdue, found.cb_ref) == ("DEFAULT", 1234, 31, "CB1")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"MndtId": None}, "MndtId"),
        ({"MndtId": ""}, "MndtId"),
        ({"Sts": "DEAD"}, "Sts"),
        ({"OccrdDtTm": "2025-03-03T08:00:00"}, "OccrdDtTm"),
        ({"CdtLine": {"Lmt": 5000}}, "Lmt"),
        ({"CdtLine": {"Lmt": "5000.001"}}, "Lmt"),
        ({"CdtLine": {"Lmt": "-1.00"}}, "Lmt"),
        ({"CdtLine": {"Lmt": "1.00", "Ccy": "USD"}}, "Ccy"),
        ({"Dflt": {"Amt": "0.00", "DaysOvrdue": 1, "CdtBureauRef": "C"}}, "Amt"),
        ({"Dflt": {"Amt": "1.00", "DaysOvrdue": "1", "CdtBureauRef": "C"}}, "DaysOvrdue"),
        ({"530102199001019990": 1}, "MndtNtfctn"),
    ],
)
def test_what_a_mandate_notice_says_wrongly_is_named(change: dict[str, Any], field: str) -> None:
    assert refused(notice(**change), KINDS["json"]) == ("INVALID_FIELD", field)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (notice().replace(b'"Sts"', b'"Sts": "ACTV", "Sts"'), KINDS["json"]),
        (b'{"MndtInitnReq":{}}', KINDS["json"]),
        (b'{"MndtNtfctn":{},"Ack":{}}', KINDS["json"]),
        (b"[]", KINDS["json"]),
        (RECEIPT, KINDS["json"]),
        (notice(), KINDS["xml"]),
        (RECEIPT, "text/plain"),
        (RECEIPT, ""),
        (file_of("Withhold", "sent")[0], KINDS["xml"]),
        (b"", KINDS["xml"]),
    ],
)
def test_what_is_no_push_of_this_channel_is_malformed(body: bytes, kind: str) -> None:
    assert refused(body, kind)[0] == "MALFORMED"


# -- answers --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", PUSHES)
def test_a_push_is_acknowledged_by_its_number(case: str) -> None:
    body, kind = file_of(case, "pushed")
    found = take(body, KINDS[kind])
    for word in ("OK", "RETRY"):
        said = json.loads(door.ack(found, word, KINDS[kind]))
        assert said == {"Ack": {"Sts": word, "OrgnlNtfctnId": found.notify_no}}
    if isinstance(found, DeliverReceipt):
        assert json.loads(door.ack(found, "MISMATCH"))["Ack"]["Sts"] == "MISMATCH"
    else:
        with pytest.raises(ValueError, match="acknowledgement"):
            door.ack(found, "MISMATCH")


def test_a_refusal_says_what_a_person_reads_and_that_nothing_was_done() -> None:
    status, body = door.fault_for(Refusal("INVALID_FIELD", "x", field="Amt"), "X123", KINDS["xml"])
    said = json.loads(body)["MsgRjct"]
    assert (status, said["Cd"], said["Retry"]) == (400, "INVALID_FIELD", "NO")
    assert said["Txt"].endswith("[INVALID_FIELD|X123]")
    status, body = door.fault("INTERNAL", "账户 6222053010000001", "QUERY_FIRST")
    said = json.loads(body)["MsgRjct"]
    assert (status, said["Retry"]) == (500, "QUERY_FIRST")
    assert "6222053010000001" not in said["Txt"]


def test_every_answer_carries_its_digest_and_is_json() -> None:
    body, headers = door.sealed(b"{}", None, 0.0)
    assert headers == {"Content-Digest": signature.digest_of(body)}
    assert door.media_type(KINDS["xml"]) == "application/json; charset=utf-8"


def test_there_is_no_wsdl() -> None:
    with pytest.raises(KeyError):
        door.wsdl("notify", "http://127.0.0.1/soap/bank/iso")
