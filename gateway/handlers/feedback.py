"""Monthly feedback: which proven daily payouts are deducted from which month (R-124, AMB-15, AMB-26, M1, M2).

Every receipted amount becomes exactly one PAID or LATE_RECEIPT line over all months, every return one RETURN line.
What a COMPUTED month has reported stays there; what arrives later is a line of the next month that is still open.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from typing import Literal

from gateway.handlers.base import NOTE, PASS, Decision, Reason, allow, handler
from gateway.model.calendar import WorkingCalendar
from gateway.model.money import format_yuan
from gateway.model.profile import LocalityProfile
from gateway.model.profile_payout import Payout

Kind = Literal["PAID", "LATE_RECEIPT", "RETURN"]


@dataclass(frozen=True, slots=True)
class PaidOrder:
    """One order's share of one insurance type, in fen: what its receipt proves, and what months have reported of it.

    `booking_date` is the receipt's and None without a live one; `reported_in` and `return_reported_in` name the month
    (yyyymm) whose feedback has carried the line, the one being rebuilt included.
    """

    pay_order_no: str
    fixmedins_code: str
    insutype: str
    setl_date: date
    pay_date: date
    amount_fen: int
    state: str
    booking_date: date | None = None
    receipt_no: str = ""
    returned: bool = False
    reported_in: str | None = None
    return_reported_in: str | None = None


@dataclass(frozen=True, slots=True)
class FeedbackLine:
    """A deduction line in fen; RETURN is negative."""

    kind: Kind
    pay_order_no: str
    amount_fen: int
    receipt_no: str


@dataclass(frozen=True, slots=True)
class HospitalFeedback:
    """A hospital's deduction basis for one insurance type: the sum of its lines, in fen."""

    fixmedins_code: str
    insutype: str
    lines: tuple[FeedbackLine, ...]

    @property
    def basis_fen(self) -> int:
        """What the month's formula deducts."""
        return sum(line.amount_fen for line in self.lines)


@dataclass(frozen=True, slots=True)
class Feedback:
    """A month's feedback; `pending` are orders sent for this month or before that nothing has settled yet (M2)."""

    month: str
    hospitals: tuple[HospitalFeedback, ...]
    pending: tuple[str, ...]


def month_of(day: date) -> str:
    """Return yyyymm."""
    return f"{day:%Y%m}"


def month_after(month: str) -> date:
    """Return the first day of the month after yyyymm."""
    year, number = int(month[:4]), int(month[4:])
    return date(year + number // 12, number % 12 + 1, 1)


def feedback_due(month: str, payout: Payout, calendar: WorkingCalendar) -> date:
    """Return the day the feedback of a month is due: the profile's day of the next one, deferred over holidays."""
    return calendar.on_or_after(month_after(month).replace(day=payout.feedback_day))


UNSETTLED = frozenset({"SUBMITTED", "UNKNOWN", "STATUS_OK", "STATUS_FAIL", "RECEIPT_PENDING"})
"""States of a sent order that a receipt may still prove; FAILED is none: it falls into the month (R-134)."""


def _lines(order: PaidOrder, month: str, own_month: str) -> list[FeedbackLine]:
    """The lines of one order in this month's feedback: none before its own month, none twice."""
    if order.booking_date is None or own_month > month:
        return []
    lines = []
    if order.reported_in in (None, month):
        kind: Kind = "PAID" if own_month == month else "LATE_RECEIPT"
        lines.append(FeedbackLine(kind, order.pay_order_no, order.amount_fen, order.receipt_no))
    if order.returned and order.return_reported_in in (None, month):
        lines.append(FeedbackLine("RETURN", order.pay_order_no, -order.amount_fen, order.receipt_no))
    return lines


def _collect(month: str, orders: Iterable[PaidOrder], belongs_to: Callable[[PaidOrder], date]) -> Decision[Feedback]:
    """Gather the month's lines; `belongs_to` is the day that decides an order's month."""
    ordered = sorted(orders, key=lambda order: (order.fixmedins_code, order.insutype, order.pay_order_no))
    hospitals = []
    for (code, insutype), group in groupby(ordered, key=lambda order: (order.fixmedins_code, order.insutype)):
        lines = [line for order in group for line in _lines(order, month, month_of(belongs_to(order)))]
        if lines:
            hospitals.append(HospitalFeedback(code, insutype, tuple(lines)))
    feedback = Feedback(month, tuple(hospitals), _pending(month, ordered, belongs_to))
    total = sum(hospital.basis_fen for hospital in hospitals)
    reasons = [Reason("feedback.basis", PASS, f"{month} 扣款依据合计 {format_yuan(total)} 元", "R-124")]
    if feedback.pending:
        detail = f"{len(feedback.pending)} 笔无有效回单，暂不扣减"
        reasons.append(Reason("feedback.pending", NOTE, detail, "AMB-26"))
    return allow(feedback, *reasons)


def _pending(month: str, orders: Sequence[PaidOrder], belongs_to: Callable[[PaidOrder], date]) -> tuple[str, ...]:
    open_orders = [order for order in orders if order.booking_date is None and order.state in UNSETTLED]
    return tuple(dict.fromkeys(order.pay_order_no for order in open_orders if month_of(belongs_to(order)) <= month))


@handler("feedback", "by_pay_date")
def by_pay_date(month: str, orders: Iterable[PaidOrder], profile: LocalityProfile) -> Decision[Feedback]:
    """Attribute a payout to the month of its receipt's booking date; an open one to that of its pay date (AMB-15).

    The profile's `attribution` has the last word: with `claims_in_month` this is that handler.
    """
    if profile.payout is not None and profile.payout.attribution == "claims_in_month":
        return claims_in_month(month, orders, profile)
    return _collect(month, orders, lambda order: order.booking_date or order.pay_date)


@handler("feedback", "claims_in_month")
def claims_in_month(month: str, orders: Iterable[PaidOrder], profile: LocalityProfile) -> Decision[Feedback]:
    """Attribute a payout to the month of the claims it pays; the two bases differ by timing only (AMB-15)."""
    return _collect(month, orders, lambda order: order.setl_date)


def spread_actual(items: Sequence[int], actual_fen: int) -> tuple[int, ...]:
    """Return item amounts in fen that sum to what a receipt really proves: the difference is taken from the last item.

    A difference larger than the last item goes on to the one before; more money than ordered stays on the last.
    """
    amounts, missing = list(items), sum(items) - actual_fen
    for index in reversed(range(len(amounts))):
        taken = min(missing, amounts[index])
        amounts[index] -= taken
        missing -= taken
        if missing == 0:
            break
    return tuple(amounts)
