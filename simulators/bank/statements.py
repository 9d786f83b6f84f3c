"""The day-end statement file: one row per money effect, a head with count and sum (README of the contract, 7)."""

from __future__ import annotations

from dataclasses import astuple

from simulators.bank.books import Books

COLUMNS = (
    "seq", "type", "serial", "batch_no", "bank_txn_no", "orig_serial", "amount_fen", "direction", "payer_acct",
    "payee_acct", "status", "booked_at", "booking_date",
)  # fmt: skip


def statement(books: Books, bank: str, day: str) -> bytes:
    """The file of a bank day (ISO date); sums in fen."""
    rows = [(key, *astuple(movement)) for key, movement in books.statement(day)]
    total = sum(int(row[COLUMNS.index("amount_fen")]) for row in rows)
    head = ("H", bank, day.replace("-", ""), "CNY", len(rows), total)
    lines = [head, COLUMNS, *rows]
    return "".join("|".join(map(str, line)) + "\n" for line in lines).encode()
