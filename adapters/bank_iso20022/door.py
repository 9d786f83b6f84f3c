"""Bank → gateway: camt.054 advices and receipts, pain.002 statuses, JSON mandate notices; acknowledged in JSON. Pure.

The web layer has already bounded the size. `guard` carries what a message came with: on a signed channel what is not
signed is refused before it is read, and answers are signed as well. Function names are those every bank's door has.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NoReturn

from adapters.bank_iso20022 import advice, report, signature, tree, wire
from adapters.bank_iso20022.mandates import STATUS
from adapters.bank_iso20022.outcome import status_of
from adapters.bank_iso20022.standard import ADVICE, CREDIT_TRANSFER, SINGLE, STATUS_REPORT
from adapters.bank_iso20022.text import Unfit
from gateway.model import bank
from gateway.model.bank import BankStatus as Status
from gateway.model.bank import DeliverReceipt, NotifyTransaction
from gateway.model.keys import ChannelKeys
from gateway.model.masked import mask_text
from gateway.model.refusals import Refusal, cashier_text
from gateway.model.xml import Limits, Unreadable

Notice = NotifyTransaction | DeliverReceipt

_JSON: Final = "application/json"
_XML: Final = frozenset({"application/xml", "text/xml"})
_STATES: Final = {**STATUS, "SUSP": Status.PDNG}  # (BankTxnNo, Status) tells two notices apart, so these differ
_RECEIPT: Final = Limits(6 * 1024 * 1024, SINGLE.markup)


@dataclass(frozen=True, slots=True)
class Guard:
    """What a message came with. ``keys`` None: no signature was agreed on. ``real_now`` is Unix seconds."""

    keys: ChannelKeys | None
    headers: Mapping[str, str]
    real_now: float

    def check(self, body: bytes) -> None:
        """Raises BadSignature."""
        if self.keys is not None:
            signature.verify(body, self.headers, self.keys, self.real_now)

    @property
    def digest(self) -> str:
        """The SHA-256 the message says it has, in hexadecimal; empty where it says none."""
        return signature.stated_digest(self.headers)


def guard(keys: ChannelKeys | None, headers: Mapping[str, str], real_now: float) -> Guard:
    """For `read_notification`: header names in any case, ``real_now`` real time in Unix seconds."""
    return Guard(keys, {name.lower(): value for name, value in headers.items()}, real_now)


def read_notification(body: bytes, content_type: str, _action: str = "", guard: Guard | None = None) -> Notice:
    """The canonical notice, or the receipt where a payout was booked.

    Raises Refusal MALFORMED (no message of the channel), INVALID_FIELD (names the element) and, with keys,
    SIGNATURE_INVALID or TIMESTAMP_EXPIRED.
    """
    try:
        if guard is not None:
            guard.check(body)
        return _read(body, _media(content_type), guard)
    except signature.BadSignature as bad:
        refused = Refusal(bad.code, bad.reason)
    except Unreadable as unreadable:
        refused = Refusal("MALFORMED", unreadable.reason)
    except Unfit as unfit:
        refused = Refusal("INVALID_FIELD", f"{unfit.field}: 不符合接口合同", field=unfit.field)
    raise refused


def _read(body: bytes, media: str, guard: Guard | None) -> Notice:
    if media == _JSON:
        return _mandate(wire.read(body, SINGLE, wire.MandateNotice))
    if media not in _XML:
        raise Unreadable("内容类型")
    document = tree.read(body, _RECEIPT)
    if document.message == ADVICE:
        return _advice(document.root, body, guard)
    if document.message == STATUS_REPORT:
        return _status(report.read(document.root))
    raise Unreadable("另一方向的报文")


# -- camt.054 -------------------------------------------------------------------------------------------------------


def _advice(root: tree.View, body: bytes, guard: Guard | None) -> Notice:
    """A booked payout is its receipt; a receipt without a digest could have been cut on its way."""
    found = advice.read(root)
    if found.event != advice.PAYOUT or found.status is not Status.ACSC:
        return advice.notice(found)
    stated = signature.stated_digest({signature.DIGEST: signature.digest_of(body)}) if guard is None else guard.digest
    if not stated:
        raise Unfit("Content-Digest")
    return DeliverReceipt(msg_id=found.msg_id, notify_no=found.notice_id, receipt=advice.receipt(found, body, stated))


# -- pain.002 -------------------------------------------------------------------------------------------------------


def _status(said: report.Report) -> NotifyTransaction:
    """The status of one order of a batch, told by the bank itself."""
    if said.message != CREDIT_TRANSFER or len(said.transactions) != 1:
        raise Unfit("OrgnlMsgNmId" if said.message != CREDIT_TRANSFER else "TxInfAndSts")
    order = said.transactions[0]
    if not order.end_to_end or not order.status:
        raise Unfit("OrgnlEndToEndId" if not order.end_to_end else "TxSts")
    return NotifyTransaction(
        msg_id=said.msg_id,
        notify_no=said.msg_id,
        event_type="PAYOUT_RECORD",
        orig_serial=order.end_to_end,
        batch_no=said.original,
        bank_txn_no=order.bank_txn_no,
        status=status_of(order),
        reason_code=order.code,
        reason_text=mask_text(order.text),
        amount_fen=order.amount_fen or 0,
        booking_date=order.booking_date,
        occurred_at=said.created,
    )


# -- mandates -------------------------------------------------------------------------------------------------------


def _mandate(said: wire.MandateNotice) -> NotifyTransaction:
    """A changed mandate or line, or a default reported to the credit bureau."""
    default, reason = said.default, said.reason
    return bank.NotifyTransaction(
        msg_id=said.msg_id,
        notify_no=said.notice_id,
        event_type="AGREEMENT" if default is None else "DEFAULT",
        agreement_no=said.mandate,
        agreement_status=said.status,
        bank_txn_no=said.transaction or "",
        status=_STATES[said.status],
        reason_code="" if reason is None else reason.code,
        reason_text="" if reason is None else mask_text(reason.text),
        credit_limit_fen=None if said.line is None else said.line.limit_fen,
        days_overdue=None if default is None else default.days,
        amount_fen=0 if default is None else default.amount_fen,
        occurred_at=said.occurred,
        cb_ref="" if default is None else default.reference,
    )


# -- answers --------------------------------------------------------------------------------------------------------


def ack(message: Notice, ack: str = "OK", _content_type: str = "") -> bytes:
    """The acknowledgement: OK, RETRY, and MISMATCH for a receipt. Raises ValueError for what the contract forbids."""
    if ack not in ("OK", "RETRY") and not (ack == "MISMATCH" and isinstance(message, DeliverReceipt)):
        raise ValueError("the contract does not allow this acknowledgement")
    said = {"Sts": ack, "OrgnlNtfctnId": message.notify_no}
    return wire.write(wire.Acknowledgement.model_validate(said))


def fault(code: str, said: str, retry: str = "NO", _content_type: str = "") -> tuple[int, bytes]:
    """HTTP status and MsgRjct. ``retry`` NO: nothing was done (400); QUERY_FIRST: unknown (500)."""
    content = {"Cd": code, "Txt": mask_text(said)[:210], "Retry": retry}
    return (400 if retry == "NO" else 500), wire.write(wire.Rejection.model_validate(content))


def fault_for(refusal: Refusal, exchange_id: str, _content_type: str = "") -> tuple[int, bytes]:
    """One of our refusals: nothing was done, the register's Chinese text, code and exchange id in it."""
    return fault(refusal.code, cashier_text(refusal.code, exchange_id, refusal.field or ""))


def sealed(body: bytes, keys: ChannelKeys | None, real_now: float) -> tuple[bytes, dict[str, str]]:
    """An answer of ours as it leaves, with further HTTP headers: its digest, and its signature where there are keys."""
    return body, signature.seal(body, keys, real_now)


def media_type(_content_type: str = "") -> str:
    """Content-Type of every answer of this door."""
    return f"{_JSON}; charset=utf-8"


def wsdl(which: str, base_url: str) -> NoReturn:
    """This bank has no WSDL: raises KeyError, whatever is asked for."""
    raise KeyError(f"{which} at {base_url}")


def _media(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()
