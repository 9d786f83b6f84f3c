"""Matching an e-receipt with the order it proves: the receipt, not the status, is the proof (R-123, D.7)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Final, Literal

from gateway.handlers.base import PASS, REFUSE, Decision, Reason, allow
from gateway.model.calendar import WorkingCalendar
from gateway.model.masked import AccountNo
from gateway.model.money import InvalidAmount, parse_words

Match = Literal["MATCHED", "ORPHAN", "MISMATCH", "DUPLICATE_SUSPECT"]

BOOKING_WINDOW: Final = 2
"""Working days after the pay date in which a receipt may be booked (D.7)."""


@dataclass(frozen=True, slots=True)
class ReceiptFacts:
    """A verified receipt; amount in fen, accounts as the bank wrote them, words possibly empty."""

    receipt_no: str
    amount_fen: int
    payer: AccountNo
    payee: AccountNo
    booking_date: date
    currency: str = "CNY"
    amount_in_words: str = ""


@dataclass(frozen=True, slots=True)
class OrderFacts:
    """The order the receipt names; `proven_by` is the number of the live receipt it already has."""

    pay_order_no: str
    amount_fen: int
    payer: AccountNo
    payee: AccountNo
    pay_date: date
    proven_by: str = ""


@dataclass(frozen=True, slots=True)
class MatchResult:
    """The receipt's state of D.7; `differences` names the fields that differ."""

    state: Match
    differences: tuple[str, ...] = ()


def words_agree(amount_fen: int, words: str) -> bool:
    """Say whether the amount in words is the amount in figures; a receipt without words agrees."""
    if not words:
        return True
    try:
        return parse_words(words) == amount_fen
    except InvalidAmount:
        return False


def _same_account(left: AccountNo, right: AccountNo) -> bool:
    """Banks print accounts in groups; only letters and digits are compared."""
    return _plain(left) == _plain(right)


def _plain(account: AccountNo) -> str:
    return "".join(sign for sign in account.reveal() if sign.isalnum())


def match_receipt(receipt: ReceiptFacts, order: OrderFacts | None, calendar: WorkingCalendar) -> Decision[MatchResult]:
    """Return what a verified receipt is: MATCHED proves the order, everything else waits for two persons (R1, R4).

    Raises Refusal CALENDAR_MISSING where the booking window reaches a year without a table.
    """
    if order is None:
        return _quarantine("ORPHAN", "未找到对应付款指令")
    if order.proven_by and order.proven_by != receipt.receipt_no:
        return _quarantine("DUPLICATE_SUSPECT", "该付款指令已有另一张有效回单")
    last = calendar.add_working_days(order.pay_date, BOOKING_WINDOW)
    checks = {
        "currency": receipt.currency == "CNY",
        "amount": receipt.amount_fen == order.amount_fen,
        "amount_in_words": words_agree(receipt.amount_fen, receipt.amount_in_words),
        "payer": _same_account(receipt.payer, order.payer),
        "payee": _same_account(receipt.payee, order.payee),
        "booking_date": order.pay_date <= receipt.booking_date <= last,
    }
    differences = tuple(name for name, equal in checks.items() if not equal)
    if differences:
        return _quarantine("MISMATCH", f"回单与付款指令不一致：{'、'.join(differences)}", differences)
    return allow(MatchResult("MATCHED"), Reason("receipt.match", PASS, "回单与付款指令一致", "R-123"))


def _quarantine(state: Match, detail: str, differences: tuple[str, ...] = ()) -> Decision[MatchResult]:
    return allow(MatchResult(state, differences), Reason("receipt.match", REFUSE, detail, "D.7"))
