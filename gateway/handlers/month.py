"""The monthly settlement: its formula, its audit deductions and its deadlines (R-126 … R-136, AMB-16 … AMB-18)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from gateway.handlers.base import NOTE, PASS, REFUSE, Decision, Reason, allow, handler, refuse
from gateway.handlers.feedback import month_after
from gateway.model.calendar import WorkingCalendar
from gateway.model.clock import SHANGHAI
from gateway.model.money import format_yuan, half_up
from gateway.model.profile import LocalityProfile
from gateway.model.profile_payout import Month


@dataclass(frozen=True, slots=True)
class MonthFacts:
    """The operands of one hospital and insurance type, in fen.

    `base_fen` is the month's fund amount with refund rows in it (AMB-24), `claims_fen` the claims audited without them.
    """

    base_fen: int
    audit_deduct_fen: int
    daily_basis_fen: int
    proc_advance_fen: int
    carried_in_fen: int = 0
    claims_fen: int | None = None

    @property
    def audited_fen(self) -> int:
        """What an audit can take away at most (M4)."""
        return max(0, self.base_fen if self.claims_fen is None else self.claims_fen)


@dataclass(frozen=True, slots=True)
class MonthResult:
    """The month's result in fen: what is paid, and what a negative one carries into the next month (M3)."""

    after_ratio_fen: int
    formula_fen: int
    month_pay_fen: int
    carried_out_fen: int


@handler("month", "formula")
def formula(facts: MonthFacts, profile: LocalityProfile) -> Decision[MonthResult]:
    """Return base × month ratio − audit − daily − advances − carried in; never a negative payment (R-133, AMB-17).

    The ratio is rounded once per hospital and insurance type (AMB-34). Refuses INVALID_AMOUNT for a negative audit
    deduction, advance or carry, and for audit deductions above the claims audited (M4).
    """
    payout = profile.payout
    if payout is None:
        return refuse("NOT_LIVE", Reason("month.scheme", REFUSE, "该统筹区未开通即时结算", "R-144"))
    if min(facts.audit_deduct_fen, facts.proc_advance_fen, facts.carried_in_fen) < 0:
        return refuse("INVALID_AMOUNT", Reason("month.operands", REFUSE, "扣款、垫付与结转不得为负", "R-133"))
    if facts.audit_deduct_fen > facts.audited_fen:
        return refuse("INVALID_AMOUNT", Reason("month.audit", REFUSE, "审核扣款超过申报金额", "M4"))
    after_ratio = half_up(facts.base_fen, payout.month.ratio)
    result = after_ratio - facts.audit_deduct_fen - facts.daily_basis_fen - facts.proc_advance_fen
    net = result - facts.carried_in_fen
    found = MonthResult(after_ratio, result, max(0, net), max(0, -net))
    detail = (
        f"{format_yuan(facts.base_fen)} × {payout.month.ratio} − {format_yuan(facts.audit_deduct_fen)}"
        f" − {format_yuan(facts.daily_basis_fen)} − {format_yuan(facts.proc_advance_fen)}"
        f" − 结转 {format_yuan(facts.carried_in_fen)} = {format_yuan(net)}"
    )
    reasons = [Reason("month.formula", PASS, detail, "R-133")]
    if net < 0:
        detail = f"结果为负，本月不付，结转 {format_yuan(found.carried_out_fen)} 元"
        reasons.append(Reason("month.carry", NOTE, detail, "AMB-17"))
    return allow(found, *reasons)


@dataclass(frozen=True, slots=True)
class AuditLine:
    """One line of the audit chain in fen: first pass, appealed, granted at review, waived at conciliation."""

    amount_fen: int
    appealed_fen: int = 0
    upheld_fen: int = 0
    waived_fen: int = 0


def audit_deduction(line: AuditLine) -> Decision[int]:
    """Return what is deducted in the end: first pass − appeal granted − waived (R-130, R-131).

    Refuses INVALID_AMOUNT where a later step exceeds the one before it.
    """
    left = line.amount_fen - line.upheld_fen
    in_order = 0 <= line.upheld_fen <= line.appealed_fen <= line.amount_fen and 0 <= line.waived_fen <= left
    if not in_order:
        return refuse("INVALID_AMOUNT", Reason("audit.chain", REFUSE, "申诉、支持或减免金额超过上一步", "R-131"))
    deduct = left - line.waived_fen
    return allow(deduct, Reason("audit.chain", PASS, f"最终扣款 {format_yuan(deduct)} 元", "R-131"))


def apply_deadline(month: str, terms: Month, calendar: WorkingCalendar) -> date:
    """Return the last day to apply for a month's fees, inclusive (R-126); deferred only if the profile says so."""
    day = month_after(month).replace(day=terms.apply_day)
    return calendar.on_or_after(day) if terms.apply_deferred else day


def in_time(applied_at: datetime, month: str, terms: Month, calendar: WorkingCalendar) -> bool:
    """Say whether an application at that moment is in time: to 23:59:59 of the deadline, Asia/Shanghai (AMB-16)."""
    return applied_at.astimezone(SHANGHAI).date() <= apply_deadline(month, terms, calendar)


def computable_from(month: str, terms: Month, calendar: WorkingCalendar) -> datetime:
    """Return the moment from which the month may be computed: the day after the deadline, 00:00 (R-132)."""
    day = apply_deadline(month, terms, calendar) + timedelta(days=1)
    return datetime(day.year, day.month, day.day, tzinfo=SHANGHAI)


def pay_by(approved_on: date | None, month: str, terms: Month, calendar: WorkingCalendar) -> date:
    """Return the last day of payment: so many working days after approval, and never past the month's own cap.

    Without an approval yet it is the cap: so many working days after the application deadline (R-135, R-136, AMB-18).
    """
    cap = calendar.add_working_days(apply_deadline(month, terms, calendar), terms.total_working_days)
    if approved_on is None:
        return cap
    return min(cap, calendar.add_working_days(approved_on, terms.pay_working_days))


def appeal_until(issued_on: date, terms: Month, calendar: WorkingCalendar) -> date:
    """Return the last day on which a hospital may appeal a first-pass line; later the line is final (R-130)."""
    return calendar.add_working_days(issued_on, terms.appeal_working_days)
