"""What a pain.002 means for the operation it answers: tables of statuses, and amounts that must agree.

Rule of every line here: what is not certain is Unknown, which is asked after and never sent again (W1, P8). A status
that is empty, unlisted or told for another transaction is not certain.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from adapters.bank_iso20022.errors import meaning
from adapters.bank_iso20022.report import Report, Transaction
from adapters.bank_iso20022.standard import (
    GROUP_STATUSES,
    NOT_RECEIVED,
    ORDERS,
    PENDING,
    RETURNED,
    SAME_DAY,
    SETTLED,
    STATUSES,
)
from gateway.model import bank
from gateway.model.bank import BankStatus as Status
from gateway.model.verdict import Accepted, Done, Refused, Unknown, Verdict

Scrub = Callable[[str], str]


def status_of(said: Transaction) -> Status:
    """A transaction's status in our words; a reversal within the bank's day is RVSD, an unlisted status UNKN."""
    found = STATUSES.get(said.status, Status.UNKN)
    return Status.RVSD if found in SETTLED and said.marked(SAME_DAY) else found


def group_status(report: Report) -> Status:
    """The status of the whole message; UNKN where it has none or an unlisted one."""
    return GROUP_STATUSES.get(report.status, Status.UNKN)


def about(report: Report, serial: str, operation: str) -> str:
    """Why a report is not about our message; empty where it is."""
    if report.original != serial or report.message != ORDERS.get(operation, ""):
        return "the answer is about another message"
    return "the answer is about another block" if report.block not in ("", serial) else ""


# -- one payment ----------------------------------------------------------------------------------------------------

# Which field of the request says what was asked.
_ASKED: Final[Mapping[str, str]] = MappingProxyType({"Withhold": "amount_fen", "Refund": "refund_fen"})


def asked_fen(operation: str, request: Any) -> int:
    """The amount in fen a money operation was about."""
    return int(getattr(request, _ASKED[operation]))


def single(report: Report, operation: str, serial: str) -> Transaction | None:
    """The one transaction of a report about one payment; None where it lists none. Raises ValueError otherwise.

    The report of a reversal names the charge that is undone, so our own serial is its OrgnlInstrId.
    """
    if not report.transactions:
        return None
    found = report.transactions[0]
    if len(report.transactions) > 1:
        raise ValueError("more than one transaction")
    ours = found.instruction if operation == "Refund" else found.end_to_end
    if ours != serial or found.instruction not in ("", serial):
        raise ValueError("the answer is about another transaction")
    return found


def payment(operation: str, request: Any, report: Report, bank_id: str, scrub: Scrub) -> Verdict[Any]:
    """The verdict of a withholding or a refund."""
    wrong = about(report, request.serial, operation)
    if wrong:
        return Unknown(wrong)
    try:
        said = single(report, operation, request.serial)
    except ValueError as error:
        return Unknown(str(error))
    if said is None:
        return _unlisted(operation, report, bank_id, scrub)
    return _listed(operation, request, report, said, bank_id, scrub)


def _unlisted(operation: str, report: Report, bank_id: str, scrub: Scrub) -> Verdict[Any]:
    """The message has a status and its transaction none: enough for a rejection, never for a success."""
    status = group_status(report)
    reply = bank.MoneyReply(
        status=status, reason_code=report.code, reason_text=scrub(report.text), bank_time=report.created
    )
    if status is Status.RJCT:
        return rejected(operation, reply, bank_id)
    if status in PENDING and report.status != "PART":
        return Accepted(reply)
    return Unknown(f"group status {report.status or '(none)'} without its transaction")


def _listed(
    operation: str, request: Any, report: Report, said: Transaction, bank_id: str, scrub: Scrub
) -> Verdict[Any]:
    """The transaction's own status counts; a group that contradicts it makes both worthless."""
    status = status_of(said)
    if _contradicts(report, said):
        return Unknown(f"group status {report.status} beside {said.status or '(none)'}")
    reply = _money_reply(said, status, report, scrub)
    if status is Status.RJCT:
        return rejected(operation, reply, bank_id)
    asked = asked_fen(operation, request)
    if status in SETTLED or status is Status.RVSD:
        return Done(reply) if said.amount_fen == asked else Unknown(_differs(said))
    if status in PENDING:
        return Accepted(reply) if said.amount_fen in (None, asked) else Unknown(_differs(said))
    return Unknown(f"transaction status {said.status or '(none)'}")


def _differs(said: Transaction) -> str:
    return "the answer names no amount" if said.amount_fen is None else "amount differs"


def _contradicts(report: Report, said: Transaction) -> bool:
    """All rejected, or all settled, is said of every transaction; of one, PART is true whatever it says."""
    whole = GROUP_STATUSES.get(report.status)
    own = STATUSES.get(said.status)
    if whole is Status.RJCT or own is Status.RJCT:
        return report.status not in ("", "PART") and whole is not own
    return whole in SETTLED and own not in SETTLED


def _money_reply(said: Transaction, status: Status, report: Report, scrub: Scrub) -> bank.MoneyReply:
    return bank.MoneyReply(
        status=status,
        reason_code=said.code if status is not Status.RVSD else "",
        reason_text=scrub(said.text),
        bank_txn_no=said.bank_txn_no,
        bank_time=report.created,
        amount_fen=said.amount_fen or 0,
        booking_date=said.booking_date,
    )


def rejected(operation: str, reply: bank.BankReply, bank_id: str) -> Verdict[Any]:
    """Refused only where the dictionary says that nothing was booked; an unseen reason is unknown."""
    doubt = _doubt(operation, reply.reason_code, bank_id)
    return Unknown(doubt) if doubt else Refused(reply.reason_code, reply.reason_text, reply)


def _doubt(operation: str, code: str, bank_id: str) -> str:
    """Why a rejection with this reason is not certain; empty where it is."""
    known = meaning(operation, code, bank_id)
    if known is None:
        return f"rejected with the unseen reason {code or '(none)'}"
    return "" if known.verdict == "refused" else f"rejected with {code}: to be asked first"


# -- a batch --------------------------------------------------------------------------------------------------------


def batch(request: bank.SubmitPayoutBatch, report: Report, bank_id: str, scrub: Scrub) -> Verdict[Any]:
    """The first word about a batch: taken (some orders refused singly), turned away as a whole, or not certain."""
    wrong = about(report, request.serial, "SubmitPayoutBatch") or _batch_disagreement(request, report)
    if wrong:
        return Unknown(wrong)
    refused = [said for said in report.transactions if said.status == "RJCT"]
    status = group_status(report)
    reply = bank.PayoutBatchReply(
        status=status,
        reason_code=report.code or (refused[0].code if status is Status.RJCT and refused else ""),
        reason_text=scrub(report.text),
        bank_time=report.created,
        accepted_count=0 if status is Status.RJCT else len(request.records) - len(refused),
        rejected=tuple(
            bank.RejectedRecord(rec_serial=one.end_to_end, reason_code=one.code, reason_text=scrub(one.text))
            for one in refused
        ),
    )
    if status is Status.RJCT:
        return _all_rejected(reply, bank_id)
    if status in PENDING | SETTLED:
        return Accepted(reply)
    return Unknown(f"group status {report.status or '(none)'}")


def _all_rejected(reply: bank.PayoutBatchReply, bank_id: str) -> Verdict[Any]:
    """Every order was refused, each for a reason that says nothing was booked; one that does not leaves all open."""
    for one in reply.rejected:
        doubt = _doubt("SubmitPayoutBatch", one.reason_code, bank_id)
        if doubt:
            return Unknown(doubt)
    return rejected("SubmitPayoutBatch", reply, bank_id)


def _batch_disagreement(request: bank.SubmitPayoutBatch, report: Report) -> str:
    """Count, sums and orders of the answer must be those of the batch that was sent."""
    sent = {record.rec_serial: record.amount_fen for record in request.records}
    if report.count not in (None, len(sent)) or report.sum_fen not in (None, request.total_fen):
        return "count or amount differs"
    wrong = _wrong_records(sent, report)
    if wrong:
        return wrong
    refused = [one.end_to_end for one in report.transactions if one.status == "RJCT"]
    if report.status == "RJCT":
        whole = not report.transactions or len(refused) == len(report.transactions) == len(sent)
        return "" if whole else "a rejected group in part accepted"
    if report.status == "PART" and not report.transactions:
        return "group status PART without its transactions"
    if refused and report.status not in ("PART", ""):
        return f"group status {report.status} beside rejected records"
    return _tally_disagreement(sent, refused, report)


def _wrong_records(sent: Mapping[str, int], report: Report) -> str:
    """Every transaction of a report must be an order of ours, once, with its amount where one is told."""
    named = {one.end_to_end for one in report.transactions}
    if len(named) != len(report.transactions) or not named <= sent.keys():
        return "transactions that were not sent"
    told = [one for one in report.transactions if one.amount_fen is not None]
    return "amount differs" if any(one.amount_fen != sent[one.end_to_end] for one in told) else ""


def _tally_disagreement(sent: Mapping[str, int], refused: list[str], report: Report) -> str:
    if not report.tallies:
        return ""
    no = [tally for tally in report.tallies if tally.status == "RJCT"]
    if sum(tally.count for tally in no) != len(refused) or sum(t.count for t in report.tallies) != len(sent):
        return "count differs"
    lost = sum(sent[serial] for serial in refused)
    told = sum(tally.sum_fen or 0 for tally in report.tallies if tally.status != "RJCT")
    whole = all(tally.sum_fen is not None for tally in report.tallies)
    return "amount differs" if whole and told != sum(sent.values()) - lost else ""


# -- questions ------------------------------------------------------------------------------------------------------


def never_received(report: Report) -> bool:
    """The one form in which the bank says that it never got a message: no status anywhere, and the reason for it."""
    alone = len(report.reasons) == 1 and report.reasons[0].own and report.reasons[0].code == NOT_RECEIVED
    return alone and not report.status and not report.transactions and not report.tallies


def transaction_state(request: bank.QueryTransaction, report: Report, scrub: Scrub) -> Verdict[Any]:
    """What a status question about one payment brought: an answer about it, or nothing at all."""
    wrong = about(report, request.orig_serial, request.orig_tx_code)
    if wrong:
        return Unknown(wrong)
    if never_received(report):
        return Done(bank.TransactionReply(status=Status.UNKN, found=False, bank_time=report.created))
    try:
        said = single(report, request.orig_tx_code, request.orig_serial)
    except ValueError as error:
        return Unknown(str(error))
    if said is None:
        return _state_of_group(report, scrub)
    if not said.status or _contradicts(report, said):
        return Unknown(f"group status {report.status or '(none)'} beside {said.status or '(none)'}")
    status = status_of(said)
    return Done(
        bank.TransactionReply(
            status=status,
            found=True,
            orig_status=status,
            orig_reason=said.code if status is Status.RJCT else "",
            reason_text=scrub(said.text),
            orig_amount_fen=said.amount_fen or 0,
            bank_txn_no=said.bank_txn_no,
            bank_time=report.created,
            booking_date=said.booking_date,
        )
    )


def _state_of_group(report: Report, scrub: Scrub) -> Verdict[Any]:
    """The message's own status answers for its only payment, a success aside: that needs an amount."""
    if not report.status:
        return Unknown("the question was answered without a status")
    status = group_status(report)
    return Done(
        bank.TransactionReply(
            status=status, found=True, orig_status=status, orig_reason=report.code, reason_text=scrub(report.text),
            bank_time=report.created,
        )
    )  # fmt: skip


def batch_state(request: bank.QueryPayoutBatch, report: Report, scrub: Scrub) -> Verdict[Any]:
    """Where the orders of a batch stand: the truth is each order's own (PART says only that there are several)."""
    wrong = about(report, request.batch_no, "SubmitPayoutBatch")
    if wrong:
        return Unknown(wrong)
    if never_received(report):
        return Done(bank.PayoutStateReply(status=Status.UNKN, found=False, bank_time=report.created))
    wrong = _state_disagreement(report)
    if wrong:
        return Unknown(wrong)
    return Done(
        bank.PayoutStateReply(
            status=group_status(report),
            reason_code=report.code,
            reason_text=scrub(report.text),
            bank_time=report.created,
            found=True,
            batch_status=report.status,
            total_count=report.count or len(report.transactions),
            records=tuple(_record(said, scrub) for said in report.transactions),
        )
    )


def _state_disagreement(report: Report) -> str:
    if not report.status:
        return "the question was answered without a status"
    named = {said.end_to_end for said in report.transactions}
    if "" in named or len(named) != len(report.transactions):
        return "a transaction twice or without its number"
    if report.count is not None and report.count < len(report.transactions):
        return "count differs"
    if report.transactions and (report.count is None or report.count == len(report.transactions)):
        told = sum(said.amount_fen or 0 for said in report.transactions)
        return "" if report.sum_fen == told else "amount differs"
    return ""


def _record(said: Transaction, scrub: Scrub) -> bank.PayoutRecordState:
    status = STATUSES.get(said.status, Status.UNKN)
    return bank.PayoutRecordState(
        rec_serial=said.end_to_end,
        status=status,
        reason_code="" if said.code == RETURNED else said.code,
        reason_text=scrub(said.text),
        bank_txn_no=said.bank_txn_no,
        booking_date=said.booking_date,
        returned_at=said.returned_at,
        amount_fen=said.amount_fen or 0,
    )
