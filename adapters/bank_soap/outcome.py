"""What an answer of the bank means, once it could be read: tables of statuses, and amounts that must agree.

Rule of every line here: what is not certain is Unknown, which is asked after and never sent again (W1, P8).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from adapters.bank_soap.binding import Values
from adapters.bank_soap.errors import ANY, BANK_CLIENT_FAULT, meaning
from adapters.bank_soap.soap import Fault
from gateway.model import bank
from gateway.model.bank import BankStatus as Status
from gateway.model.verdict import Accepted, Done, Refused, Unknown, Verdict

PROCESSED: Final = "000000"
QUERIES: Final = frozenset({"QueryAgreement", "QueryTransaction", "QueryPayoutBatch", "GetReceipt"})
_SETTLED: Final = frozenset({Status.ACSC, Status.ACCC})

# Final success by operation. RVSD is a full refund before the day switch; ACCP of a pre-authorisation is the hold.
DONE: Final[Mapping[str, frozenset[Status]]] = MappingProxyType(
    {
        "SignAgreement": frozenset({Status.ACSC}),
        "CancelAgreement": frozenset({Status.CANC}),
        "Withhold": _SETTLED,
        "Refund": _SETTLED | {Status.RVSD, Status.RFND},
        "PreAuthorise": _SETTLED | {Status.ACCP},
        "CompletePreAuthorisation": _SETTLED,
        "VoidPreAuthorisation": _SETTLED | {Status.CANC, Status.RVSD},
        "SubmitPayoutBatch": frozenset(),
    }
)
PENDING: Final = frozenset({Status.RCVD, Status.ACCP, Status.ACSP, Status.PDNG})


def of_fault(fault: Fault, text: str = "") -> Verdict[Any]:
    """Client: not processed. Server, or a peer that says "query first": unknown. ``text`` is free of people."""
    said = fault.code or "fault"
    if fault.client and fault.retry != "QUERY_FIRST":
        return Refused(BANK_CLIENT_FAULT, f"{said} {text}".strip())
    return Unknown(f"fault {said} of the bank" if fault.client else f"server fault {said} of the bank")


def judge(operation: str, request: Any, reply: Any, said: Values, bank_id: str = ANY) -> Verdict[Any]:
    """The verdict of an answer that keeps the contract. ``said`` holds what belongs to the wire alone."""
    if not _echoes(operation, request, said):
        return Unknown("the answer is about another serial")
    if operation in QUERIES:
        return _answered(operation, request, reply, said)
    code = said["@resp_code"]
    if reply.status is Status.RJCT:
        return _rejected(operation, code, reply, bank_id)
    known = meaning(operation, code, bank_id)
    if code == PROCESSED and reply.status in DONE[operation]:
        differs = disagreement(operation, request, reply, said)
        return Unknown(differs) if differs else Done(reply)
    if reply.status in PENDING and (code == PROCESSED or (known is not None and known.verdict == "accepted")):
        differs = disagreement(operation, request, reply, said, pending=True)
        return Unknown(differs) if differs else Accepted(reply)
    return Unknown(f"status {reply.status} with RespCode {code}")


def _echoes(operation: str, request: Any, said: Values) -> bool:
    """An answer names the serial it is about; of queries it is what they asked for."""
    if operation == "QueryPayoutBatch":
        return bool(said["@batch_no"] == request.batch_no)
    if operation == "QueryTransaction":
        same_kind = said.get("@orig_tx_code", request.orig_tx_code) == request.orig_tx_code
        return same_kind and bool(said.get("@orig_serial", request.orig_serial) == request.orig_serial)
    return operation in QUERIES or bool(said.get("@serial") == request.serial)


def _rejected(operation: str, resp_code: str, reply: bank.BankReply, bank_id: str) -> Verdict[Any]:
    """Refused only where the dictionary says that nothing was booked; an unseen reason is unknown."""
    reason = reply.reason_code if resp_code == PROCESSED else resp_code
    known = meaning(operation, reason, bank_id)
    if known is None:
        return Unknown(f"rejected with the unseen reason {reason or '(none)'}")
    if known.verdict != "refused":
        return Unknown(f"rejected with {reason}: to be asked first")
    return Refused(reply.reason_code or reason, reply.reason_text, reply)


# -- amounts --------------------------------------------------------------------------------------------------------

# Which field of the request says what was asked, which field of the reply says what was done.
_ASKED: Final[Mapping[str, str]] = MappingProxyType(
    {
        "Withhold": "amount_fen",
        "Refund": "refund_fen",
        "PreAuthorise": "amount_fen",
        "CompletePreAuthorisation": "amount_fen",
        "VoidPreAuthorisation": "amount_fen",
    }
)


def asked_fen(operation: str, request: Any) -> int:
    """The amount in fen a money operation was about."""
    return int(getattr(request, _ASKED[operation]))


def disagreement(operation: str, request: Any, reply: Any, said: Values, *, pending: bool = False) -> str:
    """Why the amounts of an answer cannot be right; empty where they agree. A pending answer may name none yet."""
    if operation == "SubmitPayoutBatch":
        return _batch_disagreement(request, reply, said)
    if operation not in _ASKED or (pending and not reply.amount_fen):
        return ""
    if not reply.amount_fen:
        return "the answer names no amount"
    if reply.amount_fen != asked_fen(operation, request):
        return "amount differs"
    check = _MORE.get(operation)
    return check(request, reply) if check is not None else ""


def _refund_disagreement(request: bank.Refund, reply: bank.MoneyReply) -> str:
    """W2: refunds of one charge never exceed it."""
    total = reply.refunded_total_fen
    return "" if not total or request.refund_fen <= total <= request.orig_amount_fen else "refunded total differs"


def _completion_disagreement(request: bank.CompletePreAuthorisation, reply: bank.MoneyReply) -> str:
    """What is not final releases nothing (contract, Final)."""
    return "released although not final" if reply.released_fen and not request.final else ""


_MORE: Final[Mapping[str, Callable[[Any, Any], str]]] = MappingProxyType(
    {"Refund": _refund_disagreement, "CompletePreAuthorisation": _completion_disagreement}
)


def _batch_disagreement(batch: bank.SubmitPayoutBatch, reply: bank.PayoutBatchReply, said: Values) -> str:
    """What was accepted and what was rejected singly must be the batch that was sent, in count and in fen."""
    amounts = {record.rec_serial: record.amount_fen for record in batch.records}
    rejected = {record.rec_serial for record in reply.rejected}
    if len(rejected) != len(reply.rejected) or not rejected <= amounts.keys():
        return "rejected records that were not sent"
    if reply.accepted_count and reply.accepted_count != len(amounts) - len(rejected):
        return "count of accepted records differs"
    left = batch.total_fen - sum(amounts[serial] for serial in rejected)
    return "amount differs" if said.get("@accepted_fen", left) != left else ""


# -- questions ------------------------------------------------------------------------------------------------------


def _answered(operation: str, request: Any, reply: Any, said: Values) -> Verdict[Any]:
    """A question is answered or it changes nothing: NOT_FOUND beside an error code is no answer."""
    code = said["@resp_code"]
    if code != PROCESSED:
        return Unknown(f"question not answered, RespCode {code}")
    wrong = _ANSWERED[operation](request, reply, said)
    return Unknown(wrong) if wrong else Done(reply)


def _agreement_answer(request: bank.QueryAgreement, reply: bank.AgreementReply, _said: Values) -> str:
    if reply.found and not reply.agreement_status:
        return "found without a status"
    asked = request.agreement_no
    return "the answer is about another agreement" if asked and reply.agreement_no not in ("", asked) else ""


def _transaction_answer(_request: bank.QueryTransaction, reply: bank.TransactionReply, _said: Values) -> str:
    return "found without a status" if reply.found and reply.orig_status is None else ""


def _batch_answer(request: bank.QueryPayoutBatch, reply: bank.PayoutStateReply, said: Values) -> str:
    if not reply.found:
        return ""
    if not reply.batch_status:
        return "found without a status"
    if len({record.rec_serial for record in reply.records}) != len(reply.records):
        return "a record twice"
    complete = len(reply.records) == reply.total_count > 0
    return "amount differs" if complete and said.get("@total_fen") != said["@Records"] else ""


def _receipt_answer(request: bank.GetReceipt, reply: bank.ReceiptReply, _said: Values) -> str:
    receipt = reply.receipt
    if receipt is None:
        return "READY without a receipt" if reply.receipt_status == "READY" else ""
    pairs = (
        (request.receipt_no, receipt.receipt_no),
        (request.bank_txn_no, receipt.bank_txn_no),
        (request.orig_serial, receipt.orig_serial),
    )
    # A bank may leave the serial out; a receipt about another one is not ours.
    return "the receipt is about another payment" if any(ask and got not in ("", ask) for ask, got in pairs) else ""


_ANSWERED: Final[Mapping[str, Callable[[Any, Any, Values], str]]] = MappingProxyType(
    {
        "QueryAgreement": _agreement_answer,
        "QueryTransaction": _transaction_answer,
        "QueryPayoutBatch": _batch_answer,
        "GetReceipt": _receipt_answer,
    }
)
