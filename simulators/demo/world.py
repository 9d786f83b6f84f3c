"""The stage set of the story: the running sandbox, the hospitals' HIS, the agency's people, the invented insured."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

import aiohttp

from simulators.common.clock import SHANGHAI, BusinessClock
from simulators.demo.stage import Stage
from simulators.hospital.credit import StillMoving
from simulators.hospital.his import His
from simulators.hospital.national import NationalRefused, NoFinalAnswer
from simulators.hospital.people import Person, invent
from simulators.hospital.v1 import V1Client, V1NoAnswer, V1Refused
from simulators.sandbox.sandbox import Sandbox
from simulators.sandbox.settings import Place

SHAOYANG, GUANGZHOU = "H43050000001", "H44010000001"
NINGXIA = ("H64000100001", "H64000100002")
HOSPITALS = (SHAOYANG, GUANGZHOU, *NINGXIA)
DAYS = (date(2025, 3, 3), date(2025, 3, 4), date(2025, 3, 5))
"""Days on which people are treated and settled; the payouts follow a working day later."""

FAILURES = (NationalRefused, NoFinalAnswer, V1Refused, V1NoAnswer, StillMoving, ValueError, KeyError)
"""What can go wrong with one patient without ending the story; the report names it and the demo exits 1."""


class Sims:
    """The simulators' ``/_sim`` controls."""

    def __init__(self, place: Place, session: aiohttp.ClientSession) -> None:
        self._place = place
        self._session = session

    async def ask(self, method: str, simulator: str, path: str, body: Any = None) -> Any:
        """One control call. Raises aiohttp.ClientResponseError when the simulator refuses it."""
        url = f"{self._place.simulator(simulator)}/_sim/{path}"
        async with self._session.request(method, url, json=body) as answer:
            answer.raise_for_status()
            return await answer.json()

    async def effects(self, simulator: str) -> list[dict[str, Any]]:
        return list((await self.ask("GET", simulator, "ledger"))["effects"])

    async def requests(self, simulator: str, operation: str = "") -> list[dict[str, Any]]:
        query = f"?operation={operation}" if operation else ""
        return list((await self.ask("GET", simulator, f"requests{query}"))["requests"])


_STEP, _STEP_EVERY_SECONDS = timedelta(minutes=10), 1.0


@dataclass(slots=True)
class Facts:
    """What happened on the way, for the report."""

    counts: Counter[str] = field(default_factory=Counter)
    faults: list[tuple[str, str, str]] = field(default_factory=list)
    """(simulator, operation, kind) of every fault that struck."""
    problems: list[str] = field(default_factory=list)
    failed_orders: dict[str, int] = field(default_factory=dict)
    """pay_order_no → fen of orders the bank refused for good."""
    resubmit_code: str = ""
    feedback: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class World:
    """Everything an act needs."""

    sandbox: Sandbox
    session: aiohttp.ClientSession
    sims: Sims
    stage: Stage
    dice: random.Random
    clock: BusinessClock
    his: dict[str, His]
    people: dict[str, list[Person]]
    staff: dict[str, V1Client]
    """``/v1`` clients of preparer, approver, operator, auditor."""
    facts: Facts = field(default_factory=Facts)

    async def move_to(self, day: date, hour: int, minute: int = 0) -> None:
        """Moves the sandbox clock; all jobs due on the way have run afterwards."""
        moment = datetime(day.year, day.month, day.day, hour, minute, tzinfo=SHANGHAI)
        await self.sandbox.move_clock(self.session, moment.isoformat())

    async def while_the_day_passes(self, work: Awaitable[Any], until_hour: int = 19) -> None:
        """Does the work of a day while business time goes on in steps of ten minutes: what has to settle, settles.

        Never beyond ``until_hour``: the bank's cut-off and the day's close have acts of their own.
        """
        task = asyncio.ensure_future(work)
        while True:
            done, _ = await asyncio.wait({task}, timeout=_STEP_EVERY_SECONDS)
            if done:
                break
            later = self.clock.now() + _STEP
            if later.hour < until_hour:
                await self.sandbox.move_clock(self.session, later.isoformat())
        await task

    def when(self) -> str:
        return f"{self.clock.now():%m-%d %H:%M}"

    async def guarded(self, what: str, work: Awaitable[Any]) -> None:
        """Runs one patient's case; what goes wrong is noted, the others go on."""
        try:
            await work
        except FAILURES as error:
            text = f"{what}: {type(error).__name__} {error}"
            self.facts.problems.append(text)
            self.stage.warn(text)


def make_world(sandbox: Sandbox, session: aiohttp.ClientSession, stage: Stage, people: int, seed: int) -> World:
    """Sets the stage: ``people`` invented insured shared between the hospitals, all from one seed."""
    clock = BusinessClock(sandbox.place.clock_file)
    gateway = sandbox.place.gateway
    his = {
        code: His(sandbox.cast.hospital(code).institution(), gateway, clock, session, random.Random(f"{seed}-{code}"))
        for code in HOSPITALS
    }
    staff = {role: V1Client(f"sandbox-{role}", gateway, session) for role in sandbox.cast.roles}
    dice = random.Random(seed)
    invented = invent_people(sandbox, people, dice)
    return World(sandbox, session, Sims(sandbox.place, session), stage, dice, clock, his, invented, staff)


def invent_people(sandbox: Sandbox, count: int, dice: random.Random) -> dict[str, list[Person]]:
    """``count`` people shared evenly; each is insured in the hospital's own pooling area."""
    shares: dict[str, list[Person]] = {code: [] for code in HOSPITALS}
    for number in range(count):
        code = HOSPITALS[number % len(HOSPITALS)]
        shares[code].append(invent(dice, sandbox.cast.hospital(code).pool_area, number + 1))
    return shares


def order_by(rows: Sequence[Mapping[str, Any]], name: str) -> dict[str, Mapping[str, Any]]:
    """Rows by one of their fields."""
    return {str(row[name]): row for row in rows}
