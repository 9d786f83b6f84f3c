"""What every credit flow starts from: a visit with its agreement and the locality's rules, and who acts on it."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar

from gateway.flows.api import Caller
from gateway.flows.house import House
from gateway.handlers.base import Reason
from gateway.journal.entities import Act, Entity
from gateway.journal.exchanges import Exchange
from gateway.journal.journal import NO_ROOM, Line
from gateway.journal.store import GuardFailed, Unit
from gateway.model.profile import LocalityProfile
from gateway.model.profile_credit import Credit
from gateway.model.refusals import Refusal
from gateway.model.registry import Hospital

T = TypeVar("T")

SYSTEM: Final = "system"
RACES: Final = 25  # so many lost races in a row are no race any more
LIVE_HOLDS: Final = frozenset({"CREATED", "SUBMITTED", "UNKNOWN", "HELD", "CAPTURING", "RELEASING"})
MOVING: Final = frozenset({"SETTLING", "CHARGE_PENDING", "HOLD_PENDING", "REVERSING"})


class NoRoom(Exception):
    """The line has less room than a hold or a charge needs (I1)."""


@dataclass(frozen=True, slots=True)
class Case:
    """A visit as it was read, with what its rules are found by. Flows read it anew after every change."""

    house: House
    visit: Entity
    agreement: Entity
    profile: LocalityProfile
    act: Act

    @property
    def credit(self) -> Credit:
        """The credit rules. Raises Refusal NOT_LIVE where the locality has none (any more)."""
        return credit_of(self.profile)

    @property
    def hospital(self) -> Hospital:
        """The hospital of the visit."""
        return self.house.hospital(self.visit.hospital)

    async def line(self) -> Line:
        """The agreement's line as it is now."""
        return await self.house.journal.line(self.agreement.id)

    async def holds(self, *states: str) -> list[Entity]:
        """The visit's holds in these states (all without any), oldest first."""
        found = await self.house.journal.entities.find("hold", "visit_id = :visit", visit=self.visit.id)
        return [hold for hold in in_order(found) if not states or hold.state in states]

    async def charges(self) -> list[Entity]:
        """The visit's charges and refunds, oldest first."""
        return in_order(await self.house.journal.entities.find("charge", "visit_id = :visit", visit=self.visit.id))


def in_order(found: list[Entity]) -> list[Entity]:
    """As they were made: by their place in the visit, since a clock may stand still."""
    return sorted(found, key=lambda thing: (thing["seq"], thing.created_at, thing.id))


async def load(house: House, visit_id: str, act: Act) -> Case:
    """The case of a visit. Raises Refusal NOT_FOUND."""
    visit = await visit_by_id(house, visit_id)
    agreement = await house.journal.entities.get("agreement", visit["agreement_id"])
    if agreement is None:
        raise Refusal("NOT_FOUND", field="agreement_no")
    profile = house.profiles.by_locality(agreement["locality"])
    return Case(house, visit, agreement, profile, replace(act, profile_version=profile.version))


async def visit_by_id(house: House, visit_id: str) -> Entity:
    """The visit. Raises Refusal NOT_FOUND."""
    visit = await house.journal.entities.get("visit", visit_id)
    if visit is None:
        raise Refusal("NOT_FOUND", field="visit_id")
    return visit


async def own_case(house: House, visit_id: str, caller: Caller, exchange: Exchange | None) -> Case:
    """The case of a caller's own visit. Raises Refusal NOT_FOUND or FORBIDDEN."""
    case = await load(house, visit_id, act_of(caller, exchange))
    caller.must_own(case.visit.hospital)
    return case


async def agreement_by_number(house: House, number: str) -> Entity:
    """An agreement by its number at the bank or its application.

    Raises Refusal NOT_FOUND, and INVALID_FIELD for a number that two banks have given.
    """
    entities = house.journal.entities
    own = await entities.get("agreement", number)
    found = [own] if own is not None else await entities.find("agreement", "agreement_no = :number", number=number)
    if len(found) > 1:
        raise Refusal("INVALID_FIELD", "协议号不唯一，请改用 application_id", field="agreement_no")
    if not found:
        raise Refusal("NOT_FOUND", field="agreement_no")
    return found[0]


def act_of(caller: Caller, exchange: Exchange | None) -> Act:
    """Who acts, under which key; GET calls have no exchange and change nothing."""
    if exchange is None:
        return Act(caller.actor)
    return Act(caller.actor, exchange.idem_key, exchange.exchange_id)


def in_exchange(exchange_id: str, actor: str = SYSTEM) -> Act:
    """An act of the gateway's own inside a known exchange."""
    return Act(actor, exchange_id, exchange_id)


def credit_of(profile: LocalityProfile) -> Credit:
    """The credit part of a profile. Raises Refusal NOT_LIVE."""
    if profile.credit is None:
        raise Refusal("NOT_LIVE", "该地市未开通信用支付", field="locality")
    return profile.credit


async def again_when_lost(step: Callable[[], Awaitable[T]]) -> T:
    """Run a step that reads, decides and commits; again when another writer was faster.

    Raises NoRoom when the line refused the step (I1), GuardFailed when the race never ends.
    """
    lost: GuardFailed | None = None
    for tries in range(RACES):
        try:
            return await step()
        except GuardFailed as refused:
            if refused.guard == NO_ROOM:
                raise NoRoom from refused
            lost = refused
        await asyncio.sleep(secrets.randbelow(1 + tries) / 1000)  # apart, so that not all of them lose again
    raise lost or GuardFailed("no step")


async def move_visit(case: Case, event: str, unit: Unit | None = None, **data: Any) -> Entity:
    """Move the visit alone (with what ``unit`` already holds) and make it durable."""
    unit = unit if unit is not None else Unit()
    moved = case.house.journal.entities.move(unit, case.visit, event, case.act, data=data)
    await case.house.journal.commit(unit)
    return moved


def kept(reasons: tuple[Reason, ...]) -> list[dict[str, str]]:
    """Reasons as an entity keeps them."""
    return [reason.as_dict() for reason in reasons]


def reasons_of(rows: list[Mapping[str, str]]) -> tuple[Reason, ...]:
    """Reasons as they were kept."""
    return tuple(Reason(**row) for row in rows)
