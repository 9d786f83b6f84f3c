"""A journal on a fresh SQLite file, with a clock that stands still until it is moved."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path

from gateway.journal.journal import Journal
from gateway.journal.migrate import upgrade
from gateway.journal.sqlite import SqliteStore
from gateway.journal.vault import Vault
from gateway.model.clock import SHANGHAI

START = datetime(2025, 3, 3, 8, 0, tzinfo=SHANGHAI)
KEY = b"k" * 32


class StillClock:
    """A clock for tests: business and real time move only when told."""

    def __init__(self, now: datetime = START) -> None:
        self.business, self.seconds = now, 1_740_000_000.0

    def now(self) -> datetime:
        """Business time."""
        return self.business

    def real(self) -> float:
        """Real time."""
        return self.seconds

    def monotonic(self) -> float:
        """The same as real time."""
        return self.seconds

    def pass_(self, **delta: float) -> None:
        """Let business and real time pass together."""
        step = timedelta(**delta)
        self.business += step
        self.seconds += step.total_seconds()


def new_store(path: Path) -> SqliteStore:
    """A migrated store in a file."""
    upgrade(f"sqlite:///{path}")
    return SqliteStore(path)


@asynccontextmanager
async def open_journal(path: Path, clock: StillClock | None = None, instance: str = "I1") -> AsyncIterator[Journal]:
    """A journal that is open inside the block."""
    store = new_store(path)
    await store.open()
    try:
        yield Journal(store, Vault(KEY), clock or StillClock(), instance)
    finally:
        await store.close()
