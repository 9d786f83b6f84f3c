"""Events for the hospitals' own systems: queued with the change they tell of, delivered in order per resource.

An event is a due row written in the unit of its change, so it exists if and only if the change does. The hospital takes
it once by ``event_id``; it is sent again by a plan and becomes a task for a person after it (v1, hospital callbacks).
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import structlog

from gateway.delivery.delivery import Order
from gateway.flows.house import House
from gateway.flows.scheduler import Handler
from gateway.journal.agenda import Due
from gateway.journal.entities import Act
from gateway.journal.store import Unit
from gateway.model.callback import CallbackEvent, CallbackType
from gateway.model.clock import to_micros
from gateway.model.verdict import Done, Refused

KIND: Final = "callback"
PLAN: Final = (1, 2, 4, 8, 16, 32, 300, 600, 1800, 3600, 7200)
DAY: Final = 86_400
_WAIT_TURN: Final = 60
_log = structlog.get_logger("callbacks")
_tick = itertools.count()


def counterpart_of(house: House, hospital: str) -> str:
    """The name of a hospital's callback counterpart: every hospital has an address and a secret of its own."""
    return f"{house.callback}:{hospital}"


def enqueue(
    unit: Unit, house: House, hospital: str, kind: CallbackType, resource_id: str, data: Mapping[str, Any]
) -> None:
    """Add an event to ``unit``; a hospital without a callback address is told nothing.

    ``data`` holds JSON values without personal or medical content; amounts are strings with two decimals.
    """
    known = house.hospitals.get(hospital)
    if known is None or not known.callback_url:
        return
    subject = f"{_queue(hospital, resource_id)}{_place(house)}"
    payload = {
        "hospital": hospital,
        "type": kind.value,
        "resource": resource_id,
        "occurred_at": house.clock.now().isoformat(),
        "data": dict(data),
        "tries": 0,
        "refusals": 0,
    }
    house.journal.agenda.schedule(unit, KIND, subject, house.clock.now(), payload)


def _queue(hospital: str, resource_id: str) -> str:
    """The queue of one resource; hexadecimal, so that every collation sorts its events by their place alone."""
    return hashlib.sha256(f"{hospital}|{resource_id}".encode()).hexdigest()[:24]


def _place(house: House) -> str:
    """Twenty digits that grow: microseconds of real time, then a counter for events of the same moment."""
    return f"{int(house.clock.real() * 1_000_000):016d}{next(_tick) % 10_000:04d}"


async def run(house: House, due: Due) -> None:
    """Deliver one event if it is the first of its resource, else let it wait for its turn."""
    first = await _first_of(house, due.subject[:24])
    if first is not None and first != due.subject:
        await _again(house, due, _WAIT_TURN, due.payload)
        return
    name = counterpart_of(house, due.payload["hospital"])
    if name not in house.delivery.counterparts:
        _log.warning("no callback counterpart", hospital=due.payload["hospital"])
        await _done(house, due)
        return
    verdict = await house.delivery.deliver(_order(name, due))
    if isinstance(verdict, Done):
        await _done(house, due)
    else:
        await _later(house, due, refused=isinstance(verdict, Refused))


def _order(name: str, due: Due) -> Order:
    payload = due.payload
    event = CallbackEvent(
        event_id=due.subject,
        type=CallbackType(payload["type"]),
        occurred_at=datetime.fromisoformat(payload["occurred_at"]),
        resource=payload["resource"],
        data=payload["data"],
    )
    # A refusal ends an operation; the next try is a new one about the same event.
    key = due.subject if not payload["refusals"] else f"{due.subject}-{payload['refusals']}"
    return Order(name, "callback", key, event, "", payload["resource"], payload["hospital"])


async def _first_of(house: House, queue: str) -> str | None:
    row = await house.journal.store.row(
        "SELECT MIN(subject) AS subject FROM due WHERE kind = :kind AND subject BETWEEN :low AND :high",
        {"kind": KIND, "low": queue + "0" * 20, "high": queue + "9" * 20},
    )
    return None if row is None else row["subject"]


async def _done(house: House, due: Due) -> None:
    """The event is gone; the next one of the resource is due at once."""
    unit = Unit()
    house.journal.agenda.finish(unit, KIND, due.subject)
    unit.run(
        "UPDATE due SET due_at = :now WHERE kind = :kind AND due_at > :now AND subject = ("
        "SELECT MIN(subject) FROM due WHERE kind = :kind AND subject > :own AND subject <= :high)",
        {
            "now": to_micros(house.clock.now()),
            "kind": KIND,
            "own": due.subject,
            "high": due.subject[:24] + "9" * 20,
        },
        expect=None,
    )
    await house.journal.commit(unit)


async def _later(house: House, due: Due, *, refused: bool) -> None:
    """Back off by the plan; past its end a person has the case and it is tried once a day."""
    tries = due.payload["tries"] + 1
    payload = {**due.payload, "tries": tries, "refusals": due.payload["refusals"] + int(refused)}
    if tries == len(PLAN):
        unit = Unit()
        await house.journal.raise_task(
            unit, "CALLBACK_FAILED", due.subject, Act("system", due.subject), suggested="callback.check_address",
            hospital=payload["hospital"],
        )  # fmt: skip
        await house.journal.commit(unit)
    await _again(house, due, PLAN[tries] if tries < len(PLAN) else DAY, payload)


async def _again(house: House, due: Due, seconds: int, payload: Mapping[str, Any]) -> None:
    unit = Unit()
    at = house.clock.now() + timedelta(seconds=seconds)
    house.journal.agenda.schedule(unit, KIND, due.subject, at, payload)
    await house.journal.commit(unit)


DUE: Final[Mapping[str, Handler]] = {KIND: run}
