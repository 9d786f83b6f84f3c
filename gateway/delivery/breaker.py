"""A circuit breaker per endpoint: a dead partner is told from a slow one without tying up every caller."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

FAILURES_TO_OPEN: Final = 10
OPEN_SECONDS: Final = 5.0


@dataclass(slots=True)
class Breaker:
    """Opens after so many failures in a row; after a pause one trial call may pass, and another one if that is lost."""

    failures: int = 0
    open_until: float = 0.0
    trial_until: float = 0.0

    def allows(self, now: float) -> bool:
        """Whether a call may be sent at monotonic second ``now``; asked right before it is sent."""
        if self.failures < FAILURES_TO_OPEN:
            return True
        if now < self.open_until or now < self.trial_until:
            return False
        self.trial_until = now + OPEN_SECONDS
        return True

    def unused(self) -> None:
        """A call that was allowed was not sent after all; the trial is free again."""
        self.trial_until = 0.0

    def succeeded(self) -> None:
        """The partner answered, whatever it said."""
        self.failures, self.trial_until = 0, 0.0

    def failed(self, now: float) -> None:
        """The partner did not answer."""
        self.failures += 1
        self.trial_until = 0.0
        if self.failures >= FAILURES_TO_OPEN:
            self.open_until = now + OPEN_SECONDS

    def is_open(self, now: float) -> bool:
        """For health and metrics."""
        return self.failures >= FAILURES_TO_OPEN and now < self.open_until
