"""What a simulator does later by itself: receipts, notifications, status walks. Persisted: a restart forgets none."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from simulators.common.clock import BusinessClock
from simulators.common.journal import Journal

_POLL_SECONDS = 0.05
_AT_ONCE = 32
_AFTER_ERROR_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Timer:
    """A due action, once ``due`` (business time, ISO 8601) and ``not_before`` (real, epoch seconds) have both come."""

    number: int
    kind: str
    payload: dict[str, Any]
    due: str
    not_before: float
    attempts: int = 0

    @property
    def due_at(self) -> datetime:
        return datetime.fromisoformat(self.due)


Action = Callable[[Timer], Awaitable[float | None]]
"""Does what was due. Returns None when done, or the real seconds after which to try again."""


def _load(row: dict[str, Any]) -> Timer:
    return Timer(**row)


class Timers:
    """The list of due actions, looked at every 50 ms; earlier due times start first."""

    def __init__(self, journal: Journal, clock: BusinessClock) -> None:
        self._journal = journal
        self._table = journal.table("_timers", load=_load)
        self._clock = clock
        self._actions: dict[str, Action] = {}
        self._running: dict[str, asyncio.Task[None]] = {}
        self._loop: asyncio.Task[None] | None = None
        self._last = 0
        self._table.watch(self._count)

    def _count(self, key: str, old: Timer | None, new: Timer | None) -> None:
        self._last = max(self._last, int(key))

    def on(self, kind: str, action: Action) -> None:
        """Registers what to do when a timer of ``kind`` is due."""
        self._actions[kind] = action

    def add(
        self, kind: str, payload: dict[str, Any], *, at: datetime | None = None, business: float = 0, real: float = 0
    ) -> Timer:
        """Adds a timer to the step under way: ``at`` a business time or ``business`` seconds, and ``real`` ones, on."""
        due = (at or self._clock.now()) + timedelta(seconds=business)
        timer = Timer(self._last + 1, kind, payload, due.isoformat(), time.time() + real if real else 0.0)
        self._table.put(str(timer.number), timer)
        return timer

    def waiting(self, kind: str) -> list[Timer]:
        """The timers of a kind not yet done, by due time."""
        return sorted((t for t in self._table.values() if t.kind == kind), key=lambda t: (t.due_at, t.number))

    def drop(self, number: int) -> None:
        self._table.delete(str(number))

    def start(self) -> None:
        self._loop = asyncio.create_task(self._poll())

    async def stop(self) -> None:
        tasks = [task for task in (self._loop, *self._running.values()) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._running.clear()

    async def _poll(self) -> None:
        while True:
            if len(self._table):
                self._start_due()
            await asyncio.sleep(_POLL_SECONDS)

    def _start_due(self) -> None:
        now, real = self._clock.now(), time.time()
        ready = [
            t for k, t in self._table.items() if k not in self._running and t.not_before <= real and t.due_at <= now
        ]
        room = max(0, _AT_ONCE - len(self._running))
        for timer in sorted(ready, key=lambda t: (t.due_at, t.number))[:room]:
            key = str(timer.number)
            task = asyncio.create_task(self._run(key, timer))
            self._running[key] = task
            task.add_done_callback(partial(self._ended, key, timer))

    async def _run(self, key: str, timer: Timer) -> None:
        self._settle(key, timer, await self._actions[timer.kind](timer))

    def _settle(self, key: str, timer: Timer, again: float | None) -> None:
        if key not in self._table:
            return  # dropped or reset meanwhile
        if again is None:
            self._table.delete(key)
        else:
            self._table.put(key, replace(timer, attempts=timer.attempts + 1, not_before=time.time() + again))
        self._journal.commit()

    def _ended(self, key: str, timer: Timer, task: asyncio.Task[None]) -> None:
        """An action that broke is shown and tried again, never lost and never in a tight loop."""
        self._running.pop(key, None)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            asyncio.get_running_loop().call_exception_handler(
                {"message": f"timer {timer.kind} failed", "exception": error, "task": task}
            )
            self._settle(key, timer, _AFTER_ERROR_SECONDS)
