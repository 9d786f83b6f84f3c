"""Holding the self-pay estimate leg by leg while a patient goes from test to pharmacy (R-013, R-014, R-046, D.2).

The visit's hold is max(Σ accepted legs, last psn_cash_pay of 2206) − top-ups. A leg that does not fit holds nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from gateway.handlers.base import PASS, REFUSE, Decision, Reason, allow
from gateway.model.money import format_yuan


@dataclass(frozen=True, slots=True)
class HoldFacts:
    """The visit and its line before the event, in fen. `over`: the last leg did not fit and the patient was told."""

    avail_fen: int
    held_fen: int = 0
    accepted_fen: int = 0
    presettle_fen: int = 0
    topup_fen: int = 0
    over: bool = False

    @property
    def target_fen(self) -> int:
        """What the visit's hold should be."""
        return max(0, max(self.accepted_fen, self.presettle_fen) - self.topup_fen)


@dataclass(frozen=True, slots=True)
class LegDecision:
    """`go` with the new hold, or `over_limit` with the excess and the old hold; `after` is the visit's new state."""

    decision: Literal["go", "over_limit"]
    hold_fen: int
    delta_fen: int
    excess_fen: int
    remind: bool
    after: HoldFacts


def _judge(before: HoldFacts, wanted: HoldFacts, refused: HoldFacts) -> Decision[LegDecision]:
    """Accept `wanted` if its extra hold fits into what is free; else stay as `refused` and remind once per crossing."""
    delta = wanted.target_fen - before.held_fen
    excess = max(0, delta - max(0, before.avail_fen)) if delta > 0 else 0
    if excess == 0:
        after = replace(wanted, held_fen=wanted.target_fen, avail_fen=before.avail_fen - delta, over=False)
        detail = f"占用 {format_yuan(after.held_fen)} 元，可用 {format_yuan(after.avail_fen)} 元"
        go = LegDecision("go", after.held_fen, delta, 0, False, after)
        return allow(go, Reason("leg.limit", PASS, detail, "R-046"))
    over = LegDecision("over_limit", before.held_fen, delta, excess, not before.over, replace(refused, over=True))
    return allow(over, Reason("leg.limit", REFUSE, f"超出可用额度 {format_yuan(excess)} 元", "R-013"))


def decide_leg(before: HoldFacts, estimate_fen: int) -> Decision[LegDecision]:
    """Decide a new leg by its self-pay estimate: fund and account parts never touch the line (R-047)."""
    return _judge(before, replace(before, accepted_fen=before.accepted_fen + estimate_fen), before)


def decide_presettle(before: HoldFacts, cash_fen: int) -> Decision[LegDecision]:
    """Decide a relayed 2206: its psn_cash_pay replaces the last one; it never frees what accepted legs hold."""
    return _judge(before, replace(before, presettle_fen=cash_fen), before)


def decide_topup(before: HoldFacts, leg_estimate_fen: int, amount_fen: int) -> Decision[LegDecision]:
    """Decide a leg that was over the limit again, now that the patient has paid part of it by other means (R-014).

    Paid is paid: the top-up counts also where it is too small, and the leg stays over the limit by the rest.
    """
    paid = replace(before, topup_fen=before.topup_fen + amount_fen)
    return _judge(before, replace(paid, accepted_fen=before.accepted_fen + leg_estimate_fen), paid)
