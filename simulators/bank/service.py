"""The bank behind its door: idempotency, refusals and which product answers what. Knows nothing of SOAP or HTTP."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any

from simulators.bank.agreements import Agreements
from simulators.bank.books import BOCOM, Books, Brand
from simulators.bank.charges import Charges
from simulators.bank.holds import Holds
from simulators.bank.notices import Notices, Push
from simulators.bank.payouts import Payouts
from simulators.bank.receipts import Receipts, Seal
from simulators.bank.rows import Agreement, Answer, Fields, Line, Pairs, Refusal
from simulators.bank.txns import Txns
from simulators.common.clock import BusinessClock
from simulators.common.journal import Journal, Table
from simulators.common.ledger import Ledger
from simulators.common.server import Call
from simulators.common.timers import Timers

QUERIES = frozenset({"QueryAgreement", "QueryTransaction", "QueryPayoutBatch", "GetReceipt"})
_STATUS_NAMES = {
    "SignAgreement": "AgreementStatus",
    "CancelAgreement": "AgreementStatus",
    "SubmitPayoutBatch": "BatchStatus",
}
_LIES = {
    "SignAgreement": "CreditLimitFen",
    "QueryAgreement": "CreditLimitFen",
    "Withhold": "AmountFen",
    "QueryTransaction": "OrigAmountFen",
    "Refund": "RefundFen",
    "PreAuthorise": "HeldFen",
    "CompletePreAuthorisation": "CapturedFen",
    "VoidPreAuthorisation": "ReleasedFen",
    "SubmitPayoutBatch": "AcceptedFen",
    "QueryPayoutBatch": "AmountFen",
    "GetReceipt": "AmountFen",
}
"""The amount of each answer that the fault ``lie`` changes."""
_FOUR = re.compile(r"[A-Z0-9]{4}")
Handler = Callable[[Call, Fields], Answer]


class MsgIdReused(Exception):
    """The same sender has used this MsgId for other content."""


class Bank:
    """All products on one set of books. ``name`` tells its timers from those of another bank of the simulator."""

    def __init__(
        self, journal: Journal, clock: BusinessClock, ledger: Ledger, timers: Timers, push: Push, seal: Seal | None,
        brand: Brand = BOCOM, name: str = "",
    ) -> None:  # fmt: skip
        self._name = name
        self.books = Books(journal, clock, ledger, brand)
        self.notices = Notices(self.books, journal, push)
        self.agreements = Agreements(self.books, journal, self._agreement_changed)
        self.txns = Txns(self.books, journal, self.notices)
        self.holds = Holds(
            self.books, journal, self.agreements, self.txns, partial(_add_at, timers, self._kind("expire_hold"))
        )
        self.charges = Charges(
            self.books,
            self.agreements,
            self.txns,
            self.notices,
            self.holds.seen,
            partial(_add_later, timers, self._kind("book_withholding")),
        )
        self.receipts = Receipts(self.books, journal, push, seal)
        book_later = partial(_add_later, timers, self._kind("book_batch"))
        self.payouts = Payouts(self.books, journal, self.notices, self.receipts.issue, book_later)
        self.receipts.payouts = self.payouts
        self._answers: Table[dict[str, Any]] = journal.table("answers")
        self._messages: Table[str] = journal.table("messages")

    def _kind(self, timer: str) -> str:
        return f"{timer}.{self._name}" if self._name else timer

    def due(self) -> dict[str, Callable[[str], None]]:
        """What this bank does later by itself, by kind of timer."""
        return {
            self._kind("expire_hold"): self.holds.expire,
            self._kind("book_withholding"): self.charges.book_pending,
            self._kind("book_batch"): self.payouts.book,
        }

    # -- one request --------------------------------------------------------------------------------------------------

    def handle(self, call: Call, header: dict[str, str], fields: Fields) -> tuple[Answer, str, bool]:
        """Runs one operation; returns its answer, the BankTime it was given at, and whether it is a stored one.

        Raises MsgIdReused before anything is done.
        """
        sender = header["SenderId"]
        print_ = fingerprint(call.operation, fields)
        self._know(f"{sender}|{header['MsgId']}", print_)
        if call.operation in QUERIES:
            call.verdict = "query"
            return self._handler(call.operation, sender)(call, fields), self._time(), False
        key = f"{sender}|{fields['Serial']}"
        stored = self._answers.get(key)
        if stored is not None and stored["print"] != print_:
            call.verdict = "refused"
            return self.refusal(call.operation, fields, Refusal("DU04", "流水号已用于其他内容")), self._time(), False
        if stored is not None and self.books.settings.dedup:
            call.verdict = "duplicate"
            answer = Answer(stored["pairs"], fields["Serial"], stored["txn_no"], stored["refused"])
            return answer, stored["at"], True
        answer, at = self._decide(call, sender, fields), self._time()
        self._keep(key, print_, answer, at)
        return answer, at, False

    def _decide(self, call: Call, sender: str, fields: Fields) -> Answer:
        try:
            return self._handler(call.operation, sender)(call, fields)
        except Refusal as refusal:
            call.verdict = "refused"
            return self.refuse(call.operation, sender, fields, refusal)

    def _keep(self, key: str, print_: str, answer: Answer, at: str) -> None:
        row = {"print": print_, "pairs": answer.pairs, "txn_no": answer.txn_no, "refused": answer.refused, "at": at}
        self._answers.put(key, row)

    def _know(self, key: str, print_: str) -> None:
        known = self._messages.get(key)
        if known is not None and known != print_:
            raise MsgIdReused
        if known is None:
            self._messages.put(key, print_)

    def _handler(self, operation: str, sender: str) -> Handler:
        handlers: dict[str, Handler] = {
            "SignAgreement": self.agreements.sign,
            "CancelAgreement": self.agreements.cancel,
            "QueryAgreement": self.agreements.query,
            "GetReceipt": self.receipts.get,
        }
        if operation in handlers:
            return handlers[operation]
        of_sender: dict[str, Callable[[Call, str, Fields], Answer]] = {
            "Withhold": self.charges.withhold,
            "Refund": self.charges.refund,
            "QueryTransaction": self.charges.query,
            "PreAuthorise": self.holds.authorise,
            "CompletePreAuthorisation": self.holds.complete,
            "VoidPreAuthorisation": self.holds.void,
            "SubmitPayoutBatch": self.payouts.submit,
            "QueryPayoutBatch": self.payouts.query,
        }
        handler = of_sender[operation]
        return lambda call, fields: handler(call, sender, fields)

    # -- refusals -----------------------------------------------------------------------------------------------------

    def refuse(self, operation: str, sender: str, fields: Fields, refusal: Refusal) -> Answer:
        """Turns an operation away and remembers it, so that a question is answered RJCT and not NOT_FOUND."""
        if operation == "SignAgreement":
            self.agreements.refused(fields, refusal)
        elif operation == "SubmitPayoutBatch":
            self.payouts.refused(sender, fields, refusal)
        elif operation != "CancelAgreement":
            self.txns.refused(operation, sender, fields, refusal)
        return self.refusal(operation, fields, refusal)

    def knows(self, sender: str, serial: str) -> bool:
        """Whether the serial was answered before."""
        return f"{sender}|{serial}" in self._answers

    def refuse_by_fault(
        self, operation: str, sender: str, fields: Fields, code: str, text: str
    ) -> tuple[Answer, str, bool]:
        """A business refusal asked for by a fault: kept like any other, a repetition of the serial included.

        Four characters are a reason code; any other code goes into the text.
        """
        reason = code if _FOUR.fullmatch(code) else "NARR"
        refusal = Refusal(reason, text or (f"业务拒绝 {code}" if reason != code else "业务拒绝"))
        answer, at = self.refuse(operation, sender, fields, refusal), self._time()
        self._keep(f"{sender}|{fields['Serial']}", fingerprint(operation, fields), answer, at)
        return answer, at, False

    def refusal(self, operation: str, fields: Fields, refusal: Refusal) -> Answer:
        pairs: list[tuple[str, Any]] = [
            (_STATUS_NAMES.get(operation, "Status"), "RJCT"),
            ("ReasonCode", refusal.code),
            ("ReasonText", refusal.text),
        ]
        if operation == "SignAgreement":
            pairs.append(("NeedSms", False))
        return Answer(pairs, fields.get("Serial", ""), refused=True)

    def _time(self) -> str:
        return self.books.now().isoformat(timespec="milliseconds")

    # -- by the bank itself -------------------------------------------------------------------------------------------

    def _agreement_changed(self, agreement: Agreement, line: Line) -> None:
        content = {
            "BankTxnNo": self.books.number("BT"),
            "AgreementNo": agreement.no,
            "Status": agreement.status,
            "CreditLimitFen": line.limit_fen,
        }
        self.notices.tell("AGREEMENT", "Agreement", content)

    def default(self, agreement_no: str, amount_fen: int, days: int) -> str:
        """An overdue debt reported to the credit bureau (R-022); returns the bureau's reference. Raises Refusal."""
        agreement = self.agreements.table.get(agreement_no)
        if agreement is None:
            raise Refusal("MD01", "协议不存在")
        reference = self.books.number("CB")
        content = {
            "BankTxnNo": self.books.number("BT"),
            "AgreementNo": agreement_no,
            "Status": agreement.status if agreement.status in ("ACTV", "SUSP") else "ACTV",
            "AmountFen": amount_fen,
            "BookingDate": self.books.bank_day(),
            "DaysOverdue": days,
            "CbRef": reference,
        }
        self.notices.tell("DEFAULT", "Default", content)
        return reference


def fingerprint(operation: str, fields: Fields) -> str:
    """Of the business fields: what must be equal for a repetition to count as one."""
    text = json.dumps([operation, fields], ensure_ascii=False, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def lie(operation: str, pairs: Pairs, fen: int) -> Pairs:
    """The answer with its amount off by ``fen``. Told once: what is stored for a repetition is what was done."""
    told: list[tuple[str, Any]] = []
    for name, value in pairs:
        if isinstance(value, list | tuple):
            told.append((name, lie(operation, value, fen)))
        else:
            told.append((name, max(1, value + fen) if name == _LIES.get(operation) else value))
    return told


def _add_at(timers: Timers, kind: str, key: str, at: datetime) -> None:
    timers.add(kind, {"key": key}, at=at)


def _add_later(timers: Timers, kind: str, key: str, seconds: float) -> None:
    timers.add(kind, {"key": key}, business=seconds)
