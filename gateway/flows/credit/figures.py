"""The money of a visit, computed from what is kept and never stored a second time (V1, in fen)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from gateway.journal.entities import Entity

REFUND = "REFUND"
_TAKEN = frozenset({"SUCCEEDED", "PART_REFUNDED", "REFUNDED", "VOIDED"})
_DECIDED = frozenset({"SUCCEEDED", "REJECTED", "NOT_RECEIVED", "VOIDED", "PART_REFUNDED", "REFUNDED"})
_HOLDING = frozenset({"CREATED", "SUBMITTED", "UNKNOWN", "HELD", "CAPTURING", "RELEASING"})


@dataclass(frozen=True, slots=True)
class Figures:
    """A visit's money: cash part of the live settlement, and who has paid it."""

    cash_fen: int
    charged_fen: int
    topup_fen: int
    other_fen: int
    held_fen: int

    @property
    def remaining_fen(self) -> int:
        """What is still to be paid; never below zero."""
        return max(0, self.cash_fen - self.charged_fen - self.topup_fen - self.other_fen)

    @property
    def overpaid_fen(self) -> int:
        """What was taken from the line beyond the cash part: it goes back (acceptance 32)."""
        over = self.charged_fen + self.topup_fen + self.other_fen - self.cash_fen
        return max(0, min(over, self.charged_fen))


def figures(visit: Entity, holds: Iterable[Entity], charges: Iterable[Entity]) -> Figures:
    """The visit's money as its holds and charges make it."""
    settlement: dict[str, Any] | None = visit.get("settlement")
    return Figures(
        cash_fen=0 if settlement is None else settlement["cash_fen"],
        charged_fen=sum(net(charge) for charge in charges),
        topup_fen=topups(visit),
        other_fen=other(visit),
        held_fen=sum(left(hold) for hold in holds),
    )


def net(charge: Entity) -> int:
    """What a charge has taken from the line and not given back; 0 for a refund and while nothing is certain."""
    if charge["charge_kind"] == REFUND or charge.state not in _TAKEN:
        return 0
    return int(charge["amount_fen"]) - int(charge["refunded_fen"])


def left(hold: Entity) -> int:
    """What a hold still takes up of the line."""
    if hold.state not in _HOLDING:
        return 0
    return int(hold["amount_fen"]) - int(hold["captured_fen"]) - int(hold["released_fen"])


def decided(charge: Entity) -> bool:
    """Whether the bank's word on a charge is final."""
    return charge.state in _DECIDED


def topups(visit: Entity) -> int:
    """What the patient has topped up."""
    return sum(row["amount_fen"] for row in visit.get("topups", ()))


def other(visit: Entity) -> int:
    """What the patient has paid by other means at the window, once that is settled."""
    paid = visit.get("paid")
    return 0 if paid is None else int(paid["amount_fen"])


def accepted_legs(visit: Entity, but: str = "") -> int:
    """Self-pay estimates of the legs that were let go on, one leg left out."""
    return sum(row["estimate_fen"] for row in visit.get("legs", ()) if row["go"] and row["leg_no"] != but)
