"""The bank's memory of money operations on credit lines."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from simulators.bank.books import Books
from simulators.bank.notices import Notices
from simulators.bank.rows import Fields, Movement, Refusal, Txn
from simulators.common.journal import Journal

_EVENTS = {
    "Withhold": "WITHHOLD",
    "Refund": "REFUND",
    "PreAuthorise": "PREAUTH",
    "CompletePreAuthorisation": "COMPLETION",
    "VoidPreAuthorisation": "VOID",
}


def _load(row: dict[str, Any]) -> Txn:
    return Txn(**row)


class Txns:
    """All money operations on lines, by the bank's number and by the caller's serial."""

    def __init__(self, books: Books, journal: Journal, notices: Notices) -> None:
        self._books = books
        self._notices = notices
        self.table = journal.table("txns", load=_load)
        self._by_serial: dict[tuple[str, str], list[str]] = {}
        self.table.watch(self._index)

    def _index(self, key: str, old: Txn | None, new: Txn | None) -> None:
        if old is None and new is not None:
            self._by_serial.setdefault((new.sender, new.serial), []).append(key)
        elif new is None and old is not None:
            self._by_serial[(old.sender, old.serial)].remove(key)

    def find(self, sender: str, serial: str) -> Txn | None:
        """The newest operation under a serial (there are several only where ``dedup`` is off)."""
        numbers = self._by_serial.get((sender, serial))
        return self.table[numbers[-1]] if numbers else None

    def new(self, operation: str, sender: str, serial: str, agreement_no: str, amount_fen: int, status: str) -> Txn:
        """An operation of this moment, not kept yet; booked today unless it is open or refused."""
        booked = status not in ("RJCT", "PDNG")
        return Txn(
            no=self._books.number("BT"),
            sender=sender,
            serial=serial,
            operation=operation,
            agreement_no=agreement_no,
            amount_fen=amount_fen,
            status=status,
            at=self._books.now().isoformat(timespec="milliseconds"),
            booking_date=self._books.bank_day() if booked else "",
        )

    def add(self, txn: Txn, cause: str = "") -> None:
        """Keeps a new operation and tells of it when it is done."""
        self.table.put(txn.no, txn)
        if txn.status not in ("RJCT", "PDNG"):
            self.tell(txn, sync=not cause)

    def tell(self, txn: Txn, *, sync: bool) -> None:
        content = {
            "OrigSerial": txn.serial,
            "BankTxnNo": txn.no,
            "AgreementNo": txn.agreement_no,
            "Status": txn.status,
            "ReasonCode": txn.reason,
            "AmountFen": txn.amount_fen,
            "BookingDate": txn.booking_date,
        }
        self._notices.tell(_EVENTS[txn.operation], txn.operation, content, sync=sync)

    def refused(self, operation: str, sender: str, fields: Fields, refusal: Refusal) -> None:
        """Keeps an operation that was turned away: a question by its serial is answered RJCT."""
        amount = int(fields.get("RefundFen") or fields["AmountFen"])
        txn = self.new(operation, sender, fields["Serial"], fields.get("AgreementNo", ""), amount, "RJCT")
        self.table.put(txn.no, replace(txn, reason=refusal.code, reason_text=refusal.text))

    def movement(self, txn: Txn, kind: str, direction: str, payer: str, payee: str) -> None:
        """The operation's row of the day-end statement."""
        self._books.record(
            Movement(
                kind=kind,
                serial=txn.serial,
                batch_no="",
                txn_no=txn.no,
                orig_serial=txn.orig_serial,
                amount_fen=txn.amount_fen,
                direction=direction,
                payer=payer,
                payee=payee,
                status=txn.status,
                booked_at=txn.at,
                booking_date=txn.booking_date,
            )
        )
