"""Runs flows: one exchange, one run at a time, picked up again after a crash, answered once.

A flow is a coroutine `(house, exchange, body) -> Reply`. It can run again from its first line, because deliveries
answer from the journal and every state change is guarded by the state it leaves (architecture, idea 4).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

import structlog

from gateway.flows.house import House
from gateway.journal.exchanges import FINAL, LEASE_SECONDS, Arrival, Exchange
from gateway.journal.store import GuardFailed, StoreUnavailable, Unit
from gateway.model.refusals import Refusal

RACES: Final = 5  # how often a flow may lose a race before its exchange is left for recovery
PATIENCE: Final = 20.0  # seconds of real time a repeated message waits for the first one
FIRST_PATIENCE: Final = 90.0  # a first message waits for the partner's own time-outs
_log = structlog.get_logger("flows")


class Ending(Enum):
    """What a flow's reply does to its exchange."""

    FINAL = "final"
    RELEASED = "released"  # answered as not sent: the same message may come again
    WAITING = "waiting"  # the outcome is not known; the continuation goes on
    CLOSED = "closed"  # the flow has closed it in a unit of its own


@dataclass(frozen=True, slots=True)
class Reply:
    """What the door sends back."""

    status: int
    body: bytes
    outcome: str = "ok"
    ending: Ending = Ending.FINAL


Flow = Callable[[House, Exchange, bytes], Awaitable[Reply]]
OnRefusal = Callable[[Exchange, Refusal], Reply]


@dataclass(frozen=True, slots=True)
class Handled:
    """What became of an arrival. ``reply`` is None while the first one runs or waits for an outcome."""

    exchange: Exchange
    reply: Reply | None
    replayed: bool = False


class KeyReused(Exception):
    """The key is known with other content; the door names the differences from the first request's bytes."""

    def __init__(self, exchange: Exchange, first: bytes) -> None:
        super().__init__(exchange.exchange_id)
        self.exchange, self.first = exchange, first


class Runner:
    """Starts flows for arrivals, resumes waiting ones, adopts orphans."""

    def __init__(self, house: House, flows: Mapping[str, Flow], on_refusal: Mapping[str, OnRefusal]) -> None:
        self._house, self._flows, self._on_refusal = house, flows, on_refusal
        self._running: dict[str, asyncio.Task[Reply]] = {}
        self.recovered = 0

    async def handle(self, arrival: Arrival) -> Handled:
        """Journal the arrival and answer it: by running its flow, or with what the first one was answered.

        Raises KeyReused, and StoreUnavailable when it could not be journalled (then nothing happened).
        """
        exchange, fresh = await self._house.journal.exchanges.open(arrival)
        if exchange.fingerprint != arrival.fingerprint:
            raise KeyReused(exchange, await self._house.journal.exchanges.request(exchange))
        if fresh:
            task = self._start(exchange, arrival.body)
            return await self._wait_own(exchange, task, FIRST_PATIENCE)
        if exchange.final:
            return await self._replay(exchange)
        return await self._wait_foreign(exchange)

    async def resume(self, exchange_id: str) -> Reply | None:
        """Let a waiting exchange go on, because an outcome became known."""
        exchange = await self._house.journal.exchanges.resume(exchange_id)
        if exchange is None:
            return None
        body = await self._house.journal.exchanges.request(exchange)
        return await self._start(exchange, body)

    async def adopt_orphans(self) -> int:
        """Take up exchanges whose instance died; returns how many."""
        orphans = await self._house.journal.exchanges.take_orphans()
        for exchange in orphans:
            if exchange.exchange_id not in self._running:
                _log.info("flow taken up again", exchange_id=exchange.exchange_id, flow=exchange.flow)
                self.recovered += 1
                self._start(exchange, await self._house.journal.exchanges.request(exchange))
        return len(orphans)

    async def drain(self, seconds: float) -> None:
        """Let running flows finish; what does not in time stays journalled and is taken up by whoever comes next."""
        if self._running:
            await asyncio.wait(list(self._running.values()), timeout=seconds)

    async def heartbeat(self) -> None:
        """Keep the leases of what runs here."""
        for exchange_id in list(self._running):
            await self._house.journal.exchanges.heartbeat(exchange_id)

    @property
    def busy(self) -> int:
        """How many flows run in this process."""
        return len(self._running)

    # -- one exchange -------------------------------------------------------------------------------------------

    def _start(self, exchange: Exchange, body: bytes) -> asyncio.Task[Reply]:
        task = asyncio.create_task(self._run(exchange, body), name=f"flow {exchange.flow}")
        self._running[exchange.exchange_id] = task
        task.add_done_callback(lambda _done: self._running.pop(exchange.exchange_id, None))
        return task

    async def _run(self, exchange: Exchange, body: bytes) -> Reply:
        try:
            reply = await self._run_again_if_overtaken(exchange, body)
        except Refusal as refusal:
            reply = self._on_refusal[exchange.door](exchange, refusal)
        except StoreUnavailable:
            _log.error("store unavailable, exchange left for recovery", exchange_id=exchange.exchange_id)
            raise
        await self._end(exchange, reply)
        return reply

    async def _run_again_if_overtaken(self, exchange: Exchange, body: bytes) -> Reply:
        """A flow that lost a race to another writer reads again from its first line."""
        for left in reversed(range(RACES)):
            try:
                return await self._flows[exchange.flow](self._house, exchange, body)
            except GuardFailed as overtaken:
                if left == 0:
                    raise
                _log.info("overtaken, again", exchange_id=exchange.exchange_id, guard=overtaken.guard)
                await asyncio.sleep(0.02)
        raise AssertionError("unreachable")

    async def _end(self, exchange: Exchange, reply: Reply) -> None:
        exchanges = self._house.journal.exchanges
        unit = Unit()
        match reply.ending:
            case Ending.FINAL:
                exchanges.close(unit, exchange, reply.outcome, reply.status, reply.body)
            case Ending.RELEASED:
                exchanges.release(unit, exchange, reply.outcome, reply.status, reply.body)
            case Ending.WAITING:
                exchanges.wait(unit, exchange)
            case Ending.CLOSED:
                return
        try:
            await self._house.journal.commit(unit)
        except GuardFailed:  # another instance took the exchange over and answered it; its answer stands
            _log.warning("exchange was closed elsewhere", exchange_id=exchange.exchange_id)

    async def _wait_own(self, exchange: Exchange, task: asyncio.Task[Reply], seconds: float) -> Handled:
        try:
            reply = await asyncio.wait_for(asyncio.shield(task), seconds)
        except TimeoutError:
            return Handled(exchange, None)
        return Handled(exchange, None if reply.ending is Ending.WAITING else reply)

    async def _wait_foreign(self, exchange: Exchange) -> Handled:
        """A repetition waits, bounded, for the first one's final answer."""
        clock = self._house.clock
        deadline = clock.monotonic() + PATIENCE
        while clock.monotonic() < deadline:
            task = self._running.get(exchange.exchange_id)
            if task is not None:
                await asyncio.wait([task], timeout=deadline - clock.monotonic())
            fresh = await self._house.journal.exchanges.get(exchange.exchange_id)
            if fresh is not None and fresh.state in (FINAL, "RELEASED"):
                return await self._replay(fresh)
            await asyncio.sleep(0.2)
        return Handled(exchange, None)

    async def _replay(self, exchange: Exchange) -> Handled:
        body = await self._house.journal.exchanges.reply(exchange)
        return Handled(exchange, Reply(exchange.status, body, exchange.outcome, Ending.CLOSED), replayed=True)


HEARTBEAT_SECONDS: Final = LEASE_SECONDS / 3
