"""Which question finds out what became of an operation, and what its answer says about the original.

None means that the question changed nothing: it failed, the bank still works on it, or its answer cannot be right. So a
wrong amount in an answer never settles anything; the day-end file does (state-machines D.4).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from adapters.bank_iso20022.outcome import asked_fen
from adapters.bank_iso20022.standard import SETTLED
from gateway.delivery.declare import NOT_FOUND
from gateway.model import bank
from gateway.model.bank import BankStatus as Status
from gateway.model.ids import new_id
from gateway.model.verdict import Accepted, Done, Refused, Verdict

MONEY: Final = frozenset({"Withhold", "Refund"})
_FINAL_RECORDS: Final = SETTLED | {Status.RJCT, Status.CANC}


def question_for(operation: str, request: Any) -> tuple[str, Any] | None:
    """The question as (operation, request); None for an operation that is a question itself.

    Every question is a message of its own, so its serial is fresh; the original's serial is what it asks for.
    """
    serial = new_id("Q")
    if operation in MONEY:
        ask = bank.QueryTransaction(serial=serial, orig_serial=request.serial, orig_tx_code=operation)
        return "QueryTransaction", ask
    if operation == "SignAgreement":
        return "QueryAgreement", bank.QueryAgreement(serial=serial, sign_serial=request.serial)
    if operation == "CancelAgreement":
        return "QueryAgreement", bank.QueryAgreement(serial=serial, agreement_no=request.agreement_no)
    if operation == "SubmitPayoutBatch":
        return "QueryPayoutBatch", bank.QueryPayoutBatch(serial=serial, batch_no=request.serial)
    return None


def resolve(operation: str, request: Any, answer: Verdict[Any]) -> Verdict[Any] | None:
    """What the question's verdict says about the original; see `gateway.delivery.declare.Codec.resolve`."""
    if not isinstance(answer, Done) or answer.reply is None:
        return None
    reply = answer.reply
    if not reply.found:
        return Refused(NOT_FOUND, "the bank does not know it")
    return _RESOLVERS[operation](operation, request, reply)


def _money(operation: str, request: Any, told: bank.TransactionReply) -> Verdict[Any] | None:
    """A status report is the bank's final word on a rejection, whatever its reason."""
    status = told.orig_status
    if status is Status.RJCT:
        return Refused(told.orig_reason or status.value, told.reason_text, _money_reply(told))
    settled = status in SETTLED or (operation == "Refund" and status is Status.RVSD)
    return Done(_money_reply(told)) if settled and told.orig_amount_fen == asked_fen(operation, request) else None


def _money_reply(told: bank.TransactionReply) -> bank.MoneyReply:
    """The reply the original would have had, from what the question told."""
    return bank.MoneyReply(
        status=told.orig_status or Status.UNKN,
        reason_code=told.orig_reason,
        reason_text=told.reason_text,
        bank_txn_no=told.bank_txn_no,
        bank_time=told.bank_time,
        amount_fen=told.orig_amount_fen,
        booking_date=told.booking_date,
    )


def _signing(_operation: str, _request: Any, told: bank.AgreementReply) -> Verdict[Any] | None:
    if told.agreement_status in ("ACTV", "SUSP"):
        return Done(told)
    if told.agreement_status == "PDNG":
        # The bank waits for the patient's code: the flow has to know, the outcome is still open.
        return Accepted(told) if told.need_sms else None
    return Refused(told.reason_code or told.agreement_status, told.reason_text, told)


def _cancelling(_operation: str, _request: Any, told: bank.AgreementReply) -> Verdict[Any] | None:
    """An agreement that still lives was not cancelled: after the settling time the request was never received."""
    if told.agreement_status in ("CANC", "EXPI"):
        return Done(told)
    return Refused(NOT_FOUND, f"the agreement is still {told.agreement_status}")


def _batch(_operation: str, request: bank.SubmitPayoutBatch, told: bank.PayoutStateReply) -> Verdict[Any] | None:
    """The batch as such; how each order stands is for the flow to read in the question's own reply."""
    if told.status is Status.RJCT and not told.records:
        return Refused(told.reason_code or told.status.value, told.reason_text, _batch_reply(told))
    sent = {record.rec_serial: record.amount_fen for record in request.records}
    ours = all(one.rec_serial in sent and one.amount_fen in (0, sent[one.rec_serial]) for one in told.records)
    if told.total_count != len(sent) or not ours:
        return None
    complete = len(told.records) == told.total_count
    final = complete and all(record.status in _FINAL_RECORDS for record in told.records)
    return Done(_batch_reply(told)) if final else Accepted(_batch_reply(told))


def _batch_reply(told: bank.PayoutStateReply) -> bank.PayoutBatchReply:
    refused = [record for record in told.records if record.status is Status.RJCT]
    return bank.PayoutBatchReply(
        status=told.status,
        reason_code=told.reason_code,
        reason_text=told.reason_text,
        bank_time=told.bank_time,
        accepted_count=len(told.records) - len(refused),
        rejected=tuple(
            bank.RejectedRecord(rec_serial=r.rec_serial, reason_code=r.reason_code, reason_text=r.reason_text)
            for r in refused
        ),
    )


_RESOLVERS: Final[Mapping[str, Callable[[str, Any, Any], Verdict[Any] | None]]] = MappingProxyType(
    {
        **dict.fromkeys(MONEY, _money),
        "SignAgreement": _signing,
        "CancelAgreement": _cancelling,
        "SubmitPayoutBatch": _batch,
    }
)
