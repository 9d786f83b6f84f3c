"""Insurance settlements and their cancellations, each sent at most once and reversed when their outcome is unknown.

Used by the relay and by `/v1` alike; what the bank has to do afterwards is the credit flows' business.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.flows.house import House
from gateway.journal.entities import Act, Entity
from gateway.model.insurance import NationalMessage, NationalReply, Settlement


@dataclass(frozen=True, slots=True)
class Settled:
    """The platform settled; ``claim`` is ACCEPTED in the journal."""

    claim: Entity
    settlement: Settlement
    reply: NationalReply


@dataclass(frozen=True, slots=True)
class Declined:
    """The platform refused, nothing happened; ``reply`` is what it said."""

    claim: Entity
    code: str
    reply: NationalReply | None


@dataclass(frozen=True, slots=True)
class Unsent:
    """Nothing reached the platform."""

    claim: Entity
    reason: str


@dataclass(frozen=True, slots=True)
class Reversed:
    """The outcome was unknown and the message has been reversed for certain (SETTLEMENT_REVERSED from then on)."""

    claim: Entity


@dataclass(frozen=True, slots=True)
class Pending:
    """The outcome is still unknown; the continuation goes on when it is known."""

    claim: Entity
    operation_id: str


Outcome = Settled | Declined | Unsent | Reversed | Pending


async def settle(house: House, message: NationalMessage, act: Act, continuation: str, patience: float) -> Outcome:
    """Settle (2207, 2304, 2102) under the message's msgid; ``patience`` is how many real seconds to wait for certainty."""
    raise SystemExit(house, message, act, continuation, patience)
