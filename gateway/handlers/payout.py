"""The daily payout of one claim: whether, how much, on which day, and until when it may be sent (R-110 … R-122)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Final, Literal

from gateway.handlers.base import NOTE, PASS, REFUSE, Decision, Reason, allow, handler, refuse
from gateway.model.calendar import WorkingCalendar
from gateway.model.clock import SHANGHAI
from gateway.model.money import format_yuan, half_even, half_up
from gateway.model.profile import LocalityProfile
from gateway.model.profile_payout import Payout

Label = Literal["IN_SUMMARY", "OUT_OF_SCOPE", "ZERO_SKIPPED", "NEGATIVE_EXCLUDED", "CANCELLED"]

ROUNDING: Final[Mapping[str, Callable[[int, Decimal], int]]] = {"half_up": half_up, "half_even": half_even}


@dataclass(frozen=True, slots=True)
class Claim:
    """A reconciled settlement as the payout looks at it. Amounts in fen.

    `hosp_lv` and `pool_area` are the platform's word where it gave one and win over the profile's. `paid_before_fen`:
    what daily payouts of the same mdtrt_id already got, for profiles that resettle by delta (AMB-25).
    """

    fixmedins_code: str
    insutype: str
    med_type: str
    insuplc_admdvs: str
    setl_date: date
    amounts: Mapping[str, int]
    refund: bool = False
    valid: bool = True
    hosp_lv: int | None = None
    pool_area: str = ""
    provider_grade: str = ""
    paid_before_fen: int = 0


@dataclass(frozen=True, slots=True)
class PayoutAmount:
    """The label of D.6 with base, ratio and amount in fen; an amount other than 0 only for IN_SUMMARY."""

    label: Label
    base_fen: int
    ratio: Decimal
    amount_fen: int
    reason: str


def base_of(amounts: Mapping[str, int], insutype: str, payout: Payout) -> int:
    """Return the basic-fund payment of a settlement in fen: the funds of its insurance type (R-111, AMB-12)."""
    return sum(amounts.get(name, 0) for name in payout.base_fields.get(insutype, ()))


def in_pool_area(insuplc_admdvs: str, pool_area: str) -> bool:
    """Say whether a person insured there belongs to a pooling area: 640104 belongs to 640100, not to 640200."""
    prefix = pool_area
    while prefix.endswith("00"):
        prefix = prefix[:-2]
    return bool(prefix) and insuplc_admdvs.startswith(prefix)


def _out_of_scope(claim: Claim, profile: LocalityProfile, payout: Payout) -> tuple[str, str] | None:
    """(reason, requirement) for which a claim goes to the monthly settlement alone."""
    hospital = profile.locality.hospital(claim.fixmedins_code)
    level = claim.hosp_lv if claim.hosp_lv is not None else hospital.level if hospital else 0
    area = claim.pool_area or profile.pool_area(claim.fixmedins_code)
    local = in_pool_area(claim.insuplc_admdvs, area)
    live = profile.effective_on(claim.setl_date) and hospital is not None and hospital.enabled_on(claim.setl_date)
    checks = (
        (not live, "结算日机构未开通即时结算", "R-144"),
        (claim.insutype not in payout.insutypes, f"险种 {claim.insutype} 不在范围", "R-111"),
        (level < payout.scope.min_hospital_level, f"机构等级 {level} 低于 {payout.scope.min_hospital_level}", "R-112"),
        (not claim.med_type.startswith(payout.scope.med_types), f"医疗类别 {claim.med_type} 不在范围", "R-112"),
        (payout.scope.in_pool_area_only and not local, "非本统筹区参保", "R-112"),
        (payout.pace_by_grade.get(claim.provider_grade) == "monthly_only", "机构信用等级仅按月结算", "R-068"),
    )
    return next(((reason, requirement) for failed, reason, requirement in checks if failed), None)


@handler("amount", "ratio_per_record")
def ratio_per_record(claim: Claim, profile: LocalityProfile) -> Decision[PayoutAmount]:
    """Return label and amount of one claim: base × daily ratio, rounded per record (R-116, R-125, AMB-13, AMB-34)."""
    payout = profile.payout
    if payout is None:
        return refuse("NOT_LIVE", Reason("payout.scheme", REFUSE, "该统筹区未开通即时结算", "R-144"))
    base = base_of(claim.amounts, claim.insutype, payout)

    def labelled(label: Label, reason: str, requirement: str, amount: int = 0) -> Decision[PayoutAmount]:
        what = PASS if label == "IN_SUMMARY" else NOTE
        found = PayoutAmount(label, base, payout.daily_ratio, amount, reason)
        return allow(found, Reason("payout.amount", what, reason, requirement))

    if claim.refund or base < 0:
        return labelled("NEGATIVE_EXCLUDED", "退费或负数记录不进日拨付", "AMB-24")
    if not claim.valid:
        return labelled("CANCELLED", "结算已撤销", "D.6")
    outside = _out_of_scope(claim, profile, payout)
    if outside is not None:
        return labelled("OUT_OF_SCOPE", *outside)
    amount = ROUNDING[payout.rounding](base, payout.daily_ratio)
    if payout.resettle == "delta":
        amount = max(0, amount - claim.paid_before_fen)
    if amount == 0:
        return labelled("ZERO_SKIPPED", "应拨金额为零", "AMB-34")
    detail = f"{format_yuan(base)} × {payout.daily_ratio} = {format_yuan(amount)}"
    return labelled("IN_SUMMARY", detail, "R-116", amount)


@dataclass(frozen=True, slots=True)
class PayDate:
    """The day a claim is paid on; `late`: its settlement date's regular build has passed, so it needs a later one."""

    pay_date: date
    late: bool


def calendar_of(payout: Payout) -> WorkingCalendar:
    """Return the working calendar a profile names, with the bank's overlay (AMB-28)."""
    return WorkingCalendar.load(payout.bank_calendar, name=payout.calendar)


def _missed_build(reconciled_at: datetime, day: date, payout: Payout) -> bool:
    return reconciled_at >= datetime.combine(day, payout.timetable.build, SHANGHAI)


@handler("date", "next_working_day")
def next_working_day(
    setl_date: date, reconciled_at: datetime, profile: LocalityProfile, calendar: WorkingCalendar
) -> Decision[PayDate]:
    """Return the first working day after the settlement date and not before the claim's reconciliation (R-113, AMB-31).

    Reconciled at or after that day's build it waits for the next working day's. Raises Refusal CALENDAR_MISSING.
    """
    payout = profile.payout
    if payout is None:
        return refuse("NOT_LIVE", Reason("payout.scheme", REFUSE, "该统筹区未开通即时结算", "R-144"))
    regular = calendar.next_working_day(setl_date)
    reconciled_on = reconciled_at.astimezone(SHANGHAI).date()
    day = calendar.on_or_after(max(reconciled_on, regular))
    if _missed_build(reconciled_at, day, payout):
        day = calendar.next_working_day(day)
    detail = f"{setl_date.isoformat()} 结算，{day.isoformat()} 支付"
    return allow(PayDate(day, late=day != regular), Reason("payout.date", PASS, detail, "R-121"))


def cutoff_at(day: date, payout: Payout) -> datetime:
    """Return the moment from which on a payout of that day is late, Asia/Shanghai (AMB-14)."""
    return datetime.combine(day, payout.cutoff_time, SHANGHAI)


def check_cutoff(at: datetime, pay_date: date, profile: LocalityProfile, calendar: WorkingCalendar) -> Decision[date]:
    """Return the day if a submission at that moment is in time: on its pay date, strictly before the cut-off (R-119).

    Refuses CUTOFF_PASSED with `defer_to`, the next working day: still the first submission. Refuses ILLEGAL_STATE
    before the pay date has come or on a day that is not worked.
    """
    payout = profile.payout
    if payout is None:
        return refuse("NOT_LIVE", Reason("payout.scheme", REFUSE, "该统筹区未开通即时结算", "R-144"))
    today = at.astimezone(SHANGHAI).date()
    if today < pay_date or (today == pay_date and not calendar.is_working_day(today)):
        reason = Reason("payout.cutoff", REFUSE, f"支付日为 {pay_date.isoformat()}，尚未到可提交时间", "R-121")
        return refuse("ILLEGAL_STATE", reason, value=pay_date)
    if today > pay_date or at >= cutoff_at(today, payout):
        # A summary left over from an earlier day may still make today's cut-off.
        today_open = calendar.is_working_day(today) and at < cutoff_at(today, payout)
        later = today if today_open else calendar.next_working_day(today)
        reason = Reason("payout.cutoff", REFUSE, f"已过截止时间，顺延至 {later.isoformat()}", "R-119")
        return refuse("CUTOFF_PASSED", reason, value=later, defer_to=later.isoformat())
    return allow(today, Reason("payout.cutoff", PASS, f"早于 {payout.cutoff_time:%H:%M} 提交", "R-119"))
