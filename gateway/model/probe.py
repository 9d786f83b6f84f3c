"""Named points of the running code at which a crash test may stop the process.

The points are enumerated from the running code: every commit and either side of every send report themselves. Outside
a crash test nothing listens.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

Probe = Callable[[str], None]


class CrashProbe:
    """Counts points, writes their names to ``log`` and kills the process like `kill -9` at point ``at`` (0: never)."""

    def __init__(self, at: int, log: Path | None) -> None:
        self._at, self._seen = at, 0
        self._log = None if log is None else log.open("a", encoding="utf-8", buffering=1)

    def __call__(self, point: str) -> None:
        """One point is reached."""
        self._seen += 1
        if self._log is not None:
            self._log.write(f"{self._seen} {point}\n")
        if self._seen == self._at:
            os.kill(os.getpid(), signal.SIGKILL)
