"""Annual clearing: what is still due after a year of daily, monthly and advance payments (R-137 … R-139, AMB-19)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from gateway.handlers.base import NOTE, PASS, REFUSE, Decision, Reason, allow, handler, refuse
from gateway.model.money import format_yuan, half_up


@dataclass(frozen=True, slots=True)
class YearFacts:
    """A hospital's year in fen: the determined amount and the sums its twelve monthly computations used (AMB-34)."""

    annual_det_fen: int
    month_net_fen: int
    daily_paid_fen: int
    proc_advance_fen: int
    deposit_fen: int
    grade: str


@dataclass(frozen=True, slots=True)
class YearResult:
    """The year's result in fen; a negative one is a receivable from the hospital, never a payment (Y4)."""

    deposit_kept_fen: int
    annual_pay_fen: int
    receivable_fen: int


@handler("year", "formula")
def formula(facts: YearFacts, keep_ratio_by_grade: Mapping[str, Decimal]) -> Decision[YearResult]:
    """Return determined − (net monthly + daily + advances) − deposit kept by grade (R-139).

    An open carry needs no operand: the net monthly sum already contains what was paid too much. Refuses RULES_MISSING
    where the year's rules have no ratio for the hospital's grade (R-137), INVALID_AMOUNT for a negative operand.
    """
    ratio = keep_ratio_by_grade.get(facts.grade)
    if ratio is None:
        detail = f"年度规则未配置等级 {facts.grade or '（无）'} 的质量保证金比例"
        return refuse("RULES_MISSING", Reason("year.rules", REFUSE, detail, "R-137"))
    if min(facts.annual_det_fen, facts.deposit_fen, facts.month_net_fen, facts.proc_advance_fen) < 0:
        return refuse("INVALID_AMOUNT", Reason("year.operands", REFUSE, "年度金额不得为负", "R-139"))
    kept = half_up(facts.deposit_fen, ratio)
    gross = facts.month_net_fen + facts.daily_paid_fen + facts.proc_advance_fen
    due = facts.annual_det_fen - gross - kept
    detail = (
        f"{format_yuan(facts.annual_det_fen)} − ({format_yuan(facts.month_net_fen)} + "
        f"{format_yuan(facts.daily_paid_fen)} + {format_yuan(facts.proc_advance_fen)}) − {format_yuan(kept)}"
        f" = {format_yuan(due)}"
    )
    reasons = [Reason("year.formula", PASS, detail, "R-139")]
    if due < 0:
        reasons.append(Reason("year.receivable", NOTE, f"应收医院 {format_yuan(-due)} 元，不作拨付", "Y4"))
    return allow(YearResult(kept, max(0, due), max(0, -due)), *reasons)
