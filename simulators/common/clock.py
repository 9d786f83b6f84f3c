"""The shared business clock of the sandbox, read from the file that the gateway alone writes.

The file holds ``{"business": ISO 8601, "real": epoch seconds, "rate": 1|0}``; business time now is
``business + (real now - real) * rate``. Without a file business time is real time. Business times are Asia/Shanghai.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

SHANGHAI = ZoneInfo("Asia/Shanghai")
_POLL_SECONDS = 0.05


class BusinessClock:
    """Business time; cheap enough to ask on every request (one ``stat`` a call, a read only when the file changed)."""

    def __init__(self, path: Path | str | None = None) -> None:
        self._path = None if path is None else os.fspath(path)
        self._stamp: tuple[int, int] | None = None
        self._business: datetime | None = None
        self._real = 0.0
        self._rate = 1.0

    def now(self) -> datetime:
        """Business time now, aware, Asia/Shanghai."""
        self._refresh()
        if self._business is None:
            return datetime.now(SHANGHAI)
        return self._business + timedelta(seconds=(time.time() - self._real) * self._rate)

    async def sleep_until_business(self, moment: datetime) -> None:
        """Returns once business time has reached ``moment``; follows every jump of the clock within 50 ms."""
        while self.now() < moment:  # noqa: ASYNC110 - another process moves the clock; there is nothing to be woken by
            await asyncio.sleep(_POLL_SECONDS)

    def _refresh(self) -> None:
        if self._path is None:
            return
        try:
            status = os.stat(self._path)
        except FileNotFoundError:
            self._business, self._stamp = None, None
            return
        stamp = (status.st_ino, status.st_mtime_ns)
        if stamp != self._stamp:
            self._load(stamp)

    def _load(self, stamp: tuple[int, int]) -> None:
        if self._path is None:
            return
        try:
            content = json.loads(Path(self._path).read_bytes())
            business = datetime.fromisoformat(content["business"]).astimezone(SHANGHAI)
            real, rate = content["real"] * 1.0, content["rate"] * 1.0
        except (OSError, ValueError, KeyError, TypeError):
            return  # half a file cannot appear (rename), a foreign one is not obeyed: the last reading stays
        self._business, self._real, self._rate, self._stamp = business, real, rate, stamp
