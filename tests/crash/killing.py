"""Killing the gateway at a numbered point of its own running code, and what must be true afterwards.

The points are not listed here: the gateway's probe counts every commit and either side of every send since it was
armed, so a new step of a flow is a new point by itself.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import aiohttp

from tests.support.his import Ward
from tests.support.sandbox import Town

FLOW_SECONDS = 90.0


@dataclass(slots=True)
class Keeper:
    """Starts a killed gateway again at once, as a supervisor would, and lets business time run on after it.

    ``deaths`` counts. After a kill the clock goes forward a minute every half second, so that settling times pass.
    """

    town: Town
    session: aiohttp.ClientSession
    deaths: int = 0
    _task: asyncio.Task[None] | None = None

    async def watch(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(0.05)
            if self.town.sandbox.failed() == "gateway":
                self.deaths += 1
                await self.town.doing(self.town.sandbox.restart_gateway())
                await asyncio.sleep(0.3)
            elif self.deaths:
                await self._let_time_pass()

    async def _let_time_pass(self) -> None:
        await asyncio.sleep(0.4)
        with suppress(aiohttp.ClientError):
            async with self.session.get(f"{self.town.gateway}/sandbox/clock") as answer:
                here = datetime.fromisoformat((await answer.json())["now"])
            body = {"now": (here + timedelta(minutes=1)).isoformat()}
            async with self.session.put(f"{self.town.gateway}/sandbox/clock", json=body) as answer:
                await answer.read()

    async def __aenter__(self) -> Keeper:
        self._task = asyncio.create_task(self.watch())
        return self

    async def __aexit__(self, *_error: object) -> None:
        assert self._task is not None
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task


async def insist(session: aiohttp.ClientSession, method: str, url: str, **more: Any) -> Any:
    """A call that is repeated until somebody answers."""
    while True:
        try:
            async with session.request(method, url, **more) as answer:
                assert answer.status == 200, await answer.text()
                return await answer.json()
        except aiohttp.ClientError:
            await asyncio.sleep(0.1)


async def arm(town: Town, session: aiohttp.ClientSession, at: int) -> None:
    """Count points from now; die at the ``at``-th (0: never)."""
    await insist(session, "PUT", f"{town.gateway}/sandbox/crash", json={"at": at})


async def points(town: Town, session: aiohttp.ClientSession) -> list[str]:
    """The points passed since the probe was armed."""
    found = await insist(session, "GET", f"{town.gateway}/sandbox/crash")
    return list(found["points"])


async def move(town: Town, session: aiohttp.ClientSession, to: str) -> None:
    """Move the clock although the gateway may die on the way; asked again, it goes on from where it was."""
    await insist(session, "PUT", f"{town.gateway}/sandbox/clock", json={"now": to, "rate": 1})


async def now(town: Town, session: aiohttp.ClientSession) -> str:
    """Business time."""
    return str((await insist(session, "GET", f"{town.gateway}/sandbox/clock"))["now"])


@asynccontextmanager
async def killed_at(town: Town, at_ward: Ward, at: int) -> AsyncIterator[Keeper]:
    """Arm the probe, keep the gateway alive around the flow, and disarm it afterwards."""
    async with Keeper(town, at_ward.session) as keeper:
        await arm(town, at_ward.session, at)
        async with asyncio.timeout(FLOW_SECONDS):
            yield keeper
        await arm(town, at_ward.session, 0)


def rows(town: Town, sql: str) -> list[dict[str, Any]]:
    """Read the gateway's own journal from outside."""
    with sqlite3.connect(f"file:{town.place.data / 'xinyi.db'}?mode=ro", uri=True) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute(sql)]


def assert_nothing_hangs(town: Town) -> None:
    """Every exchange is answered for good or freed; every open outcome has an owner."""
    open_ones = rows(town, "SELECT exchange_id, operation, state FROM exchange WHERE state IN ('RUNNING', 'WAITING')")
    assert open_ones == []
    owned = {row["subject"] for row in rows(town, "SELECT subject FROM task WHERE state IN ('OPEN', 'TAKEN')")}
    still_open = "state IN ('SENDING', 'UNKNOWN') AND guarantee <> 'query'"
    for op in rows(town, f"SELECT operation_id, name, state FROM operation WHERE {still_open}"):
        assert op["operation_id"] in owned, op


def assert_trail_is_whole(town: Town) -> None:
    """The hash chain of every thing leads to its head, whatever crashed."""
    heads: dict[tuple[str, str], tuple[int, str]] = {}
    for row in rows(town, "SELECT kind, entity_id, seq, prev_hash, hash FROM trail ORDER BY kind, entity_id, seq"):
        key = (row["kind"], row["entity_id"])
        seq, head = heads.get(key, (0, "0" * 64))
        assert (row["seq"], row["prev_hash"]) == (seq + 1, head), row
        heads[key] = (row["seq"], row["hash"])
    for kind in {kind for kind, _ in heads}:
        for thing in rows(town, f"SELECT id, version, head FROM {kind}"):
            assert heads[kind, thing["id"]] == (thing["version"], thing["head"])


def spread(count: int, wanted: int) -> list[int]:
    """``wanted`` of the points 1…count, spread evenly, the first and the last among them."""
    if wanted >= count:
        return list(range(1, count + 1))
    return sorted({1 + round(place * (count - 1) / (wanted - 1)) for place in range(wanted)})


def of_visit(effects: list[dict[str, Any]], mdtrt_id: str) -> list[dict[str, Any]]:
    """The platform's effects on one visit."""
    return [effect for effect in effects if effect["detail"].get("mdtrt_id") == mdtrt_id]
