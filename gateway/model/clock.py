"""The one clock. Business time is Asia/Shanghai and may be moved in the sandbox; real time never is.

Business time decides days, cut-offs, jobs and plans of questions. Real time decides authentication
windows, socket time-outs, leases and metrics, whatever the sandbox clock says.
"""

from __future__ import annotations

import json
import os
import time
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Final, Protocol

SHANGHAI: Final = timezone(timedelta(hours=8), "Asia/Shanghai")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def to_micros(moment: datetime) -> int:
    """Microseconds since 1970 UTC: how both stores keep a moment. Raises ValueError on a naive one."""
    if moment.tzinfo is None:
        raise ValueError("a moment without a time zone")
    return (moment - _EPOCH) // timedelta(microseconds=1)


def from_micros(micros: int) -> datetime:
    """The moment in Asia/Shanghai."""
    return (_EPOCH + timedelta(microseconds=micros)).astimezone(SHANGHAI)


class Clock(Protocol):
    """What everything asks for the time."""

    def now(self) -> datetime:
        """Business time, aware, Asia/Shanghai."""
        ...

    def real(self) -> float:
        """Real unix time in seconds."""
        ...

    def monotonic(self) -> float:
        """Real seconds for measuring durations."""
        ...


class SystemClock:
    """Business time is real time."""

    def now(self) -> datetime:
        """Now in Asia/Shanghai."""
        return datetime.now(SHANGHAI)

    def real(self) -> float:
        """Unix seconds."""
        return time.time()

    def monotonic(self) -> float:
        """Monotonic seconds."""
        return time.perf_counter()

    def today(self) -> date:
        """The business day."""
        return self.now().date()


class SandboxClock(SystemClock):
    """A clock that can be moved, shared with the simulators through a small JSON file.

    The file survives a crash of the gateway, so a restarted gateway goes on at the same business time.
    """

    def __init__(self, path: Path, start: datetime | None = None) -> None:
        self._path = path
        self._business = start or SystemClock().now()
        self._real = self.real()
        self._rate = 1
        if path.exists():
            self._load()
        else:
            self._save()

    @property
    def rate(self) -> int:
        """1: runs at real speed, 0: stands still."""
        return self._rate

    def now(self) -> datetime:
        """Business time: the last setting plus what has passed since."""
        passed = (self.real() - self._real) * self._rate
        return (self._business + timedelta(seconds=passed)).astimezone(SHANGHAI)

    def move(self, business: datetime, rate: int | None = None) -> None:
        """Set business time (aware) and, where given, the rate; simulators see it at once."""
        if business.tzinfo is None:
            raise ValueError("a moment without a time zone")
        self._business, self._real = business, self.real()
        self._rate = self._rate if rate is None else rate
        self._save()

    def _load(self) -> None:
        kept = json.loads(self._path.read_text("utf-8"))
        self._business = datetime.fromisoformat(kept["business"])
        self._real, self._rate = kept["real"], kept["rate"]

    def _save(self) -> None:
        kept = {"business": self._business.astimezone(SHANGHAI).isoformat(), "real": self._real, "rate": self._rate}
        self._path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self._path.with_suffix(".new")
        fresh.write_text(json.dumps(kept), "utf-8")
        os.replace(fresh, self._path)
