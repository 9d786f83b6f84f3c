"""What the bank keeps: rows are values, a change puts another one. Amounts in fen, days as dates of Asia/Shanghai."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

Fields = dict[str, Any]
"""A decoded message body: element name → text, nested fields or a list of fields. Already valid against the XSD."""

Pairs = Sequence[tuple[str, Any]]
"""An answer's own elements in the order of the XSD; None is left out, a list of pairs nests."""


@dataclass(frozen=True, slots=True)
class Account:
    """``kind``: HOSPITAL, AGENCY, LOAN (what a person owes is its negative balance), COLLECTION, CLEARING."""

    acct_no: str
    acct_name: str
    bank_code: str
    bank_name: str
    kind: str
    owner: str
    balance_fen: int = 0

    @property
    def pairs(self) -> Pairs:
        return [
            ("AcctNo", self.acct_no),
            ("AcctName", self.acct_name),
            ("BankCode", self.bank_code),
            ("BankName", self.bank_name),
        ]


@dataclass(frozen=True, slots=True)
class Line:
    """A person's credit line. What is used is the debt on its loan account (``line_no`` is that account's number)."""

    line_no: str
    certno: str
    limit_fen: int
    valid_to: str
    free_days: int
    decision: str
    held_fen: int = 0


@dataclass(frozen=True, slots=True)
class Agreement:
    """``status``: PDNG, ACTV, SUSP, CANC, RJCT; EXPI is derived from ``valid_to``. A limit of 0 was not agreed on."""

    no: str
    certno: str
    payee_id: str
    kind: str
    funding: str
    name: str
    single_fen: int
    day_fen: int
    month_fen: int
    valid_to: str
    status: str
    serials: tuple[str, ...]
    sms_tries: int = 0
    reason: str = ""
    reason_text: str = ""


@dataclass(frozen=True, slots=True)
class Txn:
    """A money operation on a line. ``captured_fen`` and ``released_fen`` only where a hold was completed or voided."""

    no: str
    sender: str
    serial: str
    operation: str
    agreement_no: str
    amount_fen: int
    status: str
    at: str
    booking_date: str = ""
    reason: str = ""
    reason_text: str = ""
    payee_acct: str = ""
    refunded_fen: int = 0
    pre_auth_no: str = ""
    orig_serial: str = ""
    captured_fen: int = 0
    released_fen: int = 0


@dataclass(frozen=True, slots=True)
class Hold:
    """A deposit held on a line. ``status``: HELD, COMPLETED, VOIDED, EXPIRED."""

    no: str
    sender: str
    serial: str
    agreement_no: str
    certno: str
    amount_fen: int
    expires_at: str
    payee_acct: str
    status: str = "HELD"
    captured_fen: int = 0
    released_fen: int = 0

    @property
    def left_fen(self) -> int:
        """What still counts against the line."""
        return self.amount_fen - self.captured_fen - self.released_fen


@dataclass(frozen=True, slots=True)
class Batch:
    """A payout batch; with a ``reason`` the whole of it was turned away."""

    no: str
    sender: str
    serial: str
    payer_acct: str
    biz_date: str
    total_fen: int
    keys: tuple[str, ...]
    at: str
    reason: str = ""
    reason_text: str = ""


@dataclass(frozen=True, slots=True)
class Record:
    """One payment order of a batch. ``status``: ACSP (accepted), ACSC (booked), RJCT, RETURNED (退汇)."""

    key: str
    batch_no: str
    number: int
    serial: str
    payee_acct: str
    amount_fen: int
    hospital: str
    status: str
    reason: str = ""
    reason_text: str = ""
    txn_no: str = ""
    booked_at: str = ""
    booking_date: str = ""
    returned_at: str = ""
    return_txn_no: str = ""


@dataclass(frozen=True, slots=True)
class Receipt:
    """An e-receipt. ``state``: WAITING, HELD, DELIVERED. ``spoilt``: its bytes no longer fit its digests."""

    no: str
    record_key: str
    amount_fen: int
    state: str
    spoilt: bool = False


@dataclass(frozen=True, slots=True)
class Movement:
    """One row of the day-end statement."""

    kind: str
    serial: str
    batch_no: str
    txn_no: str
    orig_serial: str
    amount_fen: int
    direction: str
    payer: str
    payee: str
    status: str
    booked_at: str
    booking_date: str


@dataclass(frozen=True, slots=True)
class Answer:
    """A business answer before it becomes XML; this is what a repeated serial is answered with."""

    pairs: Pairs
    serial: str = ""
    txn_no: str = ""
    refused: bool = False


class Refusal(Exception):
    """A business refusal: ISO reason code and its text. Raised before anything is changed."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(code)
        self.code = code
        self.text = text
