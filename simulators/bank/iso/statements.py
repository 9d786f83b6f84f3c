"""camt.053: the day-end statement of what moved at this bank, one statement for every account it moved on."""

from __future__ import annotations

from collections.abc import Iterable

from simulators.bank.books import Books
from simulators.bank.iso.advices import Entry, elements, own_account
from simulators.bank.iso.documents import STATEMENT, Elements, Fen, document, yuan
from simulators.bank.rows import Movement

_KINDS = {
    "PAYOUT": "PAYOUT",
    "PAYOUT_RETURN": "PAYOUT_RETURN",
    "WITHHOLD": "WITHHOLD",
    "REFUND": "REFUND",
    "REVERSAL": "REFUND",
    "REPAYMENT": "REPAYMENT",
}


def statement(books: Books, day: str, at: str) -> bytes:
    """The document of a bank day (ISO date)."""
    rows = [(key, movement) for key, movement in books.statement(day) if movement.kind in _KINDS]
    accounts = sorted({_account(movement) for _, movement in rows})
    head = [("MsgId", f"ST{day.replace('-', '')}"), ("CreDtTm", at)]
    made = [("Stmt", _of_account(books, number, day, rows)) for number in accounts]
    return document(STATEMENT, [("GrpHdr", head), *(made or [("Stmt", _empty(books, day))])])


def _account(movement: Movement) -> str:
    """Whose entry it is: the agency's of a payout, the hospital's of a charge, the person's of a repayment."""
    if movement.kind in ("PAYOUT", "REFUND", "REVERSAL"):
        return movement.payer
    return movement.payee


def _of_account(books: Books, number: str, day: str, rows: Iterable[tuple[str, Movement]]) -> Elements:
    own = [(key, movement) for key, movement in rows if _account(movement) == number]
    account = books.accounts[number]
    return [
        ("Id", f"{number[-20:]}-{day.replace('-', '')}"),
        ("Acct", own_account(account)),
        *_balances(_balance(books, number, day, before=True), _balance(books, number, day, before=False), day),
        ("TxsSummry", [("TtlNtries", [("NbOfNtries", len(own)), ("Sum", yuan(sum(m.amount_fen for _, m in own)))])]),
        *(("Ntry", elements(_entry(books, key, movement))) for key, movement in own),
    ]


def _empty(books: Books, day: str) -> Elements:
    """A day without entries has a statement all the same: of the bank's own clearing account."""
    account = books.accounts["CLEARING"]
    return [("Id", f"CLEARING-{day.replace('-', '')}"), ("Acct", own_account(account)), *_balances(0, 0, day)]


def _balance(books: Books, number: str, day: str, *, before: bool) -> int:
    """The balance at a day's end, or at its beginning: today's without what was booked since."""
    since = (m for m in books.movements.values() if m.booking_date > day or (before and m.booking_date == day))
    moved = [m for m in since if m.kind in (*_KINDS, "COMPLETION")]
    gained = sum(m.amount_fen for m in moved if m.payee == number)
    return books.accounts[number].balance_fen - gained + sum(m.amount_fen for m in moved if m.payer == number)


def _balances(opening: int, closing: int, day: str) -> list[tuple[str, Elements]]:
    return [("Bal", _one(code, fen, day)) for code, fen in (("OPBD", opening), ("CLBD", closing))]


def _one(code: str, fen: int, day: str) -> Elements:
    return [
        ("Tp", [("CdOrPrtry", [("Cd", code)])]),
        ("Amt", Fen(abs(fen))),
        ("CdtDbtInd", "DBIT" if fen < 0 else "CRDT"),
        ("Dt", [("Dt", day)]),
    ]


def _entry(books: Books, key: str, movement: Movement) -> Entry:
    kind = _KINDS[movement.kind]
    end_to_end = movement.orig_serial if kind == "REFUND" else movement.serial
    return Entry(
        kind=kind,
        number=f"E{key}",
        account=books.accounts[_account(movement)],
        amount_fen=movement.amount_fen,
        booking_date=movement.booking_date,
        moment=movement.booked_at,
        references=[
            ("AcctSvcrRef", movement.txn_no),
            ("PmtInfId", movement.batch_no),
            ("InstrId", movement.serial if kind == "REFUND" else ""),
            ("EndToEndId", end_to_end),
        ],
    )
