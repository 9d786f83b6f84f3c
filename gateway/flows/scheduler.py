"""Does what is due, in business time: questions, continuations, timers and the daily jobs.

When the sandbox clock jumps forward, everything due in between runs at its own due time and in order before the jump
is over. Clock moves and the ordinary ticks exclude one another.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import Final

import structlog

from gateway.flows.house import House
from gateway.journal.agenda import Due
from gateway.journal.store import GuardFailed, StoreError, Unit
from gateway.model.clock import SandboxClock
from gateway.model.refusals import Refusal

Handler = Callable[[House, Due], Awaitable[None]]
TICK_SECONDS: Final = 0.1
RETRY_SECONDS: Final = 60
AT_ONCE: Final = 64  # due rows of one instance under way; the rest waits its turn in the journal
LEASE_SECONDS: Final = 300.0
_log = structlog.get_logger("scheduler")


class Scheduler:
    """Takes due rows and runs their handlers. ``failed`` counts runs that ended in an error."""

    def __init__(self, house: House, handlers: Mapping[str, Handler]) -> None:
        self._house, self._handlers = house, handlers
        self._lock = asyncio.Lock()
        self._under_way: set[asyncio.Task[None]] = set()
        self.failed = 0

    async def run_forever(self, stopping: asyncio.Event) -> None:
        """Tick until told to stop. A slow partner holds up its own row, never the others."""
        while not stopping.is_set():
            try:
                async with self._lock:
                    await self._start_due()
            except StoreError as error:
                self.failed += 1
                _log.error("agenda unreadable", error=str(error))
            try:
                await asyncio.wait_for(stopping.wait(), TICK_SECONDS)
            except TimeoutError:
                continue

    async def drain(self, seconds: float) -> None:
        """Let what is under way finish; the leases of the rest run out."""
        if self._under_way:
            await asyncio.wait(list(self._under_way), timeout=seconds)

    async def move_clock(self, clock: SandboxClock, to: datetime, rate: int | None) -> int:
        """Move the sandbox clock; on the way forward every due row runs at its own time. Returns how many ran."""
        ran = 0
        async with self._lock:
            while to > clock.now():
                next_at = await self._house.journal.agenda.next_at()
                if next_at is None or next_at > to:
                    break
                clock.move(max(next_at, clock.now()), rate)
                ran_now = await self._run_due()
                if ran_now == 0:  # under way already, here or elsewhere: wait for ours, then look again
                    if not self._under_way:
                        break
                    await asyncio.wait(list(self._under_way))
                ran += ran_now
            clock.move(to, rate)
            ran += await self._run_due()
        return ran

    async def _start_due(self) -> None:
        room = AT_ONCE - len(self._under_way)
        if room <= 0:
            return
        for due in await self._house.journal.agenda.take(LEASE_SECONDS, room):
            task = asyncio.create_task(self._run(due), name=f"due {due.kind}")
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)

    async def _run_due(self) -> int:
        """Everything due at this moment, also what becomes due by it; earliest due time first."""
        ran = 0
        while True:
            taken = await self._house.journal.agenda.take(LEASE_SECONDS, AT_ONCE)
            if not taken:
                return ran
            for same_time in _by_time(taken):
                await asyncio.gather(*(self._run(due) for due in same_time))
            ran += len(taken)

    async def _run(self, due: Due) -> None:
        """Run one handler. A refusal or a lost race comes again later; any other error is told and comes again too."""
        try:
            await self._handlers[due.kind](self._house, due)
        except (Refusal, GuardFailed) as refused:
            _log.warning("due refused, later again", kind=due.kind, subject=due.subject, error=str(refused))
            await self._later(due)
        except Exception as error:  # noqa: BLE001 - the one place where a broken handler must not stop all others
            _log.error("due failed, later again", kind=due.kind, subject=due.subject, exc_info=error)
            await self._later(due)
        else:
            unit = Unit()
            self._house.journal.agenda.finish_taken(unit, due)
            await self._house.journal.commit(unit)

    async def _later(self, due: Due) -> None:
        self.failed += 1
        at = self._house.clock.now() + timedelta(seconds=RETRY_SECONDS)
        unit = Unit()
        self._house.journal.agenda.schedule(unit, due.kind, due.subject, at, due.payload)
        await self._house.journal.commit(unit)


def _by_time(taken: list[Due]) -> list[list[Due]]:
    groups: list[list[Due]] = []
    for due in taken:
        if groups and groups[-1][0].due_at == due.due_at:
            groups[-1].append(due)
        else:
            groups.append([due])
    return groups
