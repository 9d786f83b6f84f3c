"""Named points of the running code at which a crash test may stop the process.

The points are enumerated from the running code: every commit and either side of every send report themselves. Only the
sandbox has a probe; elsewhere nothing listens.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Final

Probe = Callable[[str], None]
_KEPT: Final = 10_000


class CrashProbe:
    """Counts points since it was armed and kills the process like `kill -9` at point ``at`` (0: only counts)."""

    def __init__(self, kill: Callable[[int, int], None] = os.kill) -> None:
        self._at, self._kill = 0, kill
        self.points: list[str] = []

    def arm(self, at: int) -> None:
        """Start counting anew; at the ``at``-th point from now the process ends."""
        self._at = at
        self.points.clear()

    def __call__(self, point: str) -> None:
        """One point is reached."""
        if len(self.points) < _KEPT:
            self.points.append(point)
        if len(self.points) == self._at:
            self._kill(os.getpid(), signal.SIGKILL)
