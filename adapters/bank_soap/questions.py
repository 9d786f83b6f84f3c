"""Which question finds out what became of an operation, and what its answer says about the original.

None means that the question changed nothing: it failed, the bank still works on it, or its answer cannot be right. So a
wrong amount in an answer never settles anything; the day-end file does (state-machines D.4).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from adapters.bank_soap.outcome import DONE, asked_fen
from gateway.delivery.declare import NOT_FOUND
from gateway.model import bank
from gateway.model.bank import BankStatus as Status
from gateway.model.ids import new_id
from gateway.model.verdict import Accepted, Done, Refused, Verdict

MONEY: Final = frozenset({"Withhold", "Refund", "PreAuthorise", "CompletePreAuthorisation", "VoidPreAuthorisation"})
_FINAL_RECORDS: Final = frozenset({Status.ACSC, Status.ACCC, Status.RJCT, Status.CANC})
# A charge that was given back later was made: its status and `refunded_total_fen` say how it stands now.
_GIVEN_BACK: Final = frozenset({Status.RVSD, Status.RFND})


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


# -- money ----------------------------------------------------------------------------------------------------------


def _money(operation: str, request: Any, told: bank.TransactionReply) -> Verdict[Any] | None:
    status = told.orig_status
    if status is Status.RJCT or (status is Status.CANC and operation == "PreAuthorise"):
        # A hold that was cancelled holds nothing: for us it is as good as never made.
        return Refused(told.orig_reason or status.value, told.reason_text, _money_reply(operation, told, 0))
    if status not in DONE[operation] | _GIVEN_BACK:
        return None
    asked = asked_fen(operation, request)
    if told.orig_amount_fen != asked or not _hold_agrees(operation, told, asked):
        return None
    return Done(_money_reply(operation, told, asked))


def _hold_agrees(operation: str, told: bank.TransactionReply, asked: int) -> bool:
    """H2: a hold is what is still held, captured and released together; a completion captured what it was asked to."""
    if operation == "PreAuthorise":
        return told.held_fen + told.captured_fen + told.released_fen in (0, asked)
    if operation == "CompletePreAuthorisation":
        return told.captured_fen in (0, asked)
    return True


def _money_reply(operation: str, told: bank.TransactionReply, amount: int) -> bank.MoneyReply:
    """The reply the original would have had, from what the question told."""
    untouched = not told.captured_fen and not told.released_fen
    held = told.held_fen or (amount if operation == "PreAuthorise" and untouched else 0)
    made = bank.MoneyReply(
        status=told.orig_status or Status.UNKN,
        reason_code=told.orig_reason,
        reason_text=told.reason_text,
        bank_txn_no=told.bank_txn_no,
        bank_time=told.bank_time,
        amount_fen=amount,
        booking_date=told.booking_date,
        refunded_total_fen=told.refunded_fen,
        pre_auth_no=told.pre_auth_no,
        held_fen=held,
        captured_fen=amount if operation == "CompletePreAuthorisation" else told.captured_fen,
        released_fen=amount if operation == "VoidPreAuthorisation" else told.released_fen,
    )
    # The contract tells when a hold ends; taken up as soon as the canonical answer has a word for it.
    ends = getattr(told, "expires_at", None)
    return made if ends is None else made.model_copy(update={"expires_at": ends})


# -- agreements -----------------------------------------------------------------------------------------------------


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


# -- payouts --------------------------------------------------------------------------------------------------------


def _batch(_operation: str, request: bank.SubmitPayoutBatch, told: bank.PayoutStateReply) -> Verdict[Any] | None:
    """The batch as such; how each record stands is for the flow to read in the question's own reply."""
    if told.batch_status == "RJCT" and not told.records:
        return Refused(told.reason_code or "RJCT", told.reason_text, _batch_reply(told))
    sent = {record.rec_serial for record in request.records}
    if told.total_count != len(sent) or not {record.rec_serial for record in told.records} <= sent:
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
        bank_txn_no=told.bank_txn_no,
        bank_time=told.bank_time,
        bank_batch_no=getattr(told, "bank_batch_no", ""),
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
