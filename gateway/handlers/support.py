"""Special working capital of a hospital and the reward for a verified report (R-026, R-061 … R-063, AMB-05, AMB-08)."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from gateway.handlers.base import PASS, REFUSE, Decision, Reason, allow, refuse
from gateway.model.money import format_yuan, half_up_yuan, round_down
from gateway.model.profile import LocalityProfile

REWARD_RATE: Final = Decimal("0.05")
"""Share of the verified amount, Hunan's rules III 12 (R-062)."""


@dataclass(frozen=True, slots=True)
class CapitalRequest:
    """A hospital's request in fen; `base_fen` is last year's average monthly payment, None where nobody knows it."""

    amount_fen: int
    base_fen: int | None
    grade: str
    live: bool
    commitment_id: str


@dataclass(frozen=True, slots=True)
class CapitalCap:
    """What the grade allows, in fen: never more than the share of the base, so a rest of a fen is cut off."""

    base_fen: int
    ratio: Decimal
    cap_fen: int


def working_capital(request: CapitalRequest, profile: LocalityProfile) -> Decision[CapitalCap]:
    """Return the cap if the request is within it. Refuses NOT_LIVE, COMMITMENT_MISSING, RULES_MISSING or ABOVE_CAP."""
    rules = profile.credit.working_capital if profile.credit else None
    if not request.live:
        return refuse("NOT_LIVE", Reason("capital.live", REFUSE, "机构功能未上线", "R-026"))
    if not request.commitment_id:
        return refuse("COMMITMENT_MISSING", Reason("capital.commitment", REFUSE, "未签承诺书", "R-026"))
    ratio = rules.ratio_by_grade.get(request.grade) if rules else None
    if ratio is None or request.base_fen is None:
        return refuse("RULES_MISSING", Reason("capital.rules", REFUSE, "未配置该等级比例或基数", "AMB-05"))
    cap = CapitalCap(request.base_fen, ratio, round_down(request.base_fen, ratio))
    if not 0 < request.amount_fen <= cap.cap_fen:
        detail = f"上限 {format_yuan(cap.cap_fen)} 元"
        return refuse("ABOVE_CAP", Reason("capital.cap", REFUSE, detail, "R-026"), value=cap)
    detail = f"{format_yuan(cap.base_fen)} × {ratio} = {format_yuan(cap.cap_fen)}"
    return allow(cap, Reason("capital.cap", PASS, detail, "R-026"))


def reward(verified_fen: int, rate: Decimal = REWARD_RATE) -> Decision[int]:
    """Return the reward in fen: a share of the verified amount, half-up to whole yuan (R-062, AMB-08)."""
    amount = half_up_yuan(verified_fen, rate)
    return allow(amount, Reason("report.reward", PASS, f"按查实金额奖励 {format_yuan(amount)} 元", "R-062"))
