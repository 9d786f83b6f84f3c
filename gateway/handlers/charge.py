"""Charging a settlement's cash part: bill split, holds before extra charge, refund or void (R-048, R-075, AMB-34)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Literal

from gateway.handlers.base import NOTE, PASS, REFUSE, Decision, Reason, allow, refuse
from gateway.model.clock import SHANGHAI
from gateway.model.money import format_yuan
from gateway.model.profile import LocalityProfile


def hosp_recon_diff(his_total_fen: int, amounts: Mapping[str, int], *, fund_includes_acct: bool) -> int:
    """Return HIS total − (fund + account + cash + hospital part) in fen; 0 means the hospital's bill ties (R-048).

    Where the fund total contains the account payment it is not added again. A shared family account is inside acct_pay
    in some provinces and beside it in others; beside it is taken only if it is what closes the bill.
    """
    paid = sum(amounts.get(name, 0) for name in ("fund_pay_sumamt", "psn_cash_pay", "hosp_part_amt"))
    if not fund_includes_acct:
        paid += amounts.get("acct_pay", 0)
    difference = his_total_fen - paid
    shared = amounts.get("acct_mulaid_pay", 0)
    return 0 if shared and difference == shared else difference


def check_split(his_total_fen: int, amounts: Mapping[str, int], profile: LocalityProfile) -> Decision[int]:
    """Return 0 if HIS total and settlement tie to the fen. Refuses SPLIT_MISMATCH with the difference."""
    difference = hosp_recon_diff(his_total_fen, amounts, fund_includes_acct=profile.platform.fund_includes_acct)
    if difference:
        detail = f"院内账单与结算相差 {format_yuan(difference)} 元"
        reason = Reason("charge.split", REFUSE, detail, "R-048")
        return refuse("SPLIT_MISMATCH", reason, value=difference, hosp_recon_diff=format_yuan(difference))
    return allow(0, Reason("charge.split", PASS, "院内账单与结算一致", "R-048"))


@dataclass(frozen=True, slots=True)
class Hold:
    """A live hold at the bank, in fen; `placed_at` orders them."""

    hold_id: str
    held_fen: int
    placed_at: datetime


@dataclass(frozen=True, slots=True)
class Capture:
    """What to take from one hold and what to release of it; together they are the hold (H2)."""

    hold_id: str
    capture_fen: int
    release_fen: int


@dataclass(frozen=True, slots=True)
class ChargePlan:
    """How the cash part is charged, in fen: captures oldest hold first, one extra charge, what the patient must pay."""

    need_fen: int
    captures: tuple[Capture, ...]
    extra_fen: int
    excess_fen: int

    @property
    def charged_fen(self) -> int:
        """What the line is charged in all."""
        return sum(capture.capture_fen for capture in self.captures) + self.extra_fen


def plan_charge(
    cash_fen: int, holds: Iterable[Hold], avail_fen: int, profile: LocalityProfile, *, paid_fen: int = 0
) -> Decision[ChargePlan]:
    """Plan the charge of a settlement's cash part less what was paid by other means.

    Holds are captured oldest first and their rest released; what exceeds them is one extra charge against avail (V2,
    H3). Beyond that it is OVER_LIMIT and nothing is charged, unless the profile allows a partial charge (AMB-29).
    """
    need = max(0, cash_fen - paid_fen)
    left, captures = need, []
    for hold in sorted(holds, key=lambda hold: (hold.placed_at, hold.hold_id)):
        taken = min(left, hold.held_fen)
        captures.append(Capture(hold.hold_id, taken, hold.held_fen - taken))
        left -= taken
    extra = min(left, max(0, avail_fen))
    plan = ChargePlan(need, tuple(captures), extra, left - extra)
    if plan.excess_fen == 0:
        detail = f"押金转付 {format_yuan(need - extra)} 元，另扣 {format_yuan(extra)} 元"
        return allow(plan, Reason("charge.plan", PASS, detail, "R-075"))
    detail = f"超出可用额度 {format_yuan(plan.excess_fen)} 元"
    if profile.credit is not None and profile.credit.allow_partial:
        return allow(plan, Reason("charge.partial", NOTE, detail, "AMB-29"))
    reason = Reason("charge.limit", REFUSE, detail, "R-013")
    return refuse("OVER_LIMIT", reason, value=plan, excess_amt=format_yuan(plan.excess_fen))


def bank_day(moment: datetime, day_switch: time) -> date:
    """Return the bank's day of a moment: from the day switch on it is already the next day's."""
    local = moment.astimezone(SHANGHAI)
    return local.date() + timedelta(days=1) if local.timetz().replace(tzinfo=None) >= day_switch else local.date()


def void_or_refund(
    charged_at: datetime, now: datetime, day_switch: time, amount_fen: int, charged_fen: int, refunded_fen: int = 0
) -> Decision[Literal["VOID", "REFUND"]]:
    """Return VOID for a full give-back within the charge's bank day, else REFUND (D.4).

    Refuses EXCEEDS_CAPTURED for more than is left of the charge (W2).
    """
    if not 0 < amount_fen <= charged_fen - refunded_fen:
        detail = f"可退 {format_yuan(charged_fen - refunded_fen)} 元"
        return refuse("EXCEEDS_CAPTURED", Reason("refund.amount", REFUSE, detail, "W2"))
    same_day = bank_day(charged_at, day_switch) == bank_day(now, day_switch)
    if same_day and amount_fen == charged_fen:
        return allow("VOID", Reason("refund.day", PASS, "银行日切前全额撤销", "D.4"))
    return allow("REFUND", Reason("refund.day", PASS, "日切后或部分金额，按退款办理", "D.4"))
