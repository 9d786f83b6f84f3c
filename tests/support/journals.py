"""A journal on a fresh store of either kind, with a clock that stands still until it is moved."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path

from gateway.journal.journal import Journal
from gateway.journal.migrate import upgrade
from gateway.journal.postgresql import PostgresqlStore
from gateway.journal.sqlite import SqliteStore
from gateway.journal.store import Store
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


@cache
def _migrated_file() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="xinyi-sqlite-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    upgrade(f"sqlite:///{folder / 'template.db'}")
    return folder / "template.db"


def new_store(place: Path | str) -> Store:
    """A migrated store: a path is a new SQLite file, a URL an existing migrated database."""
    if isinstance(place, str) and place.startswith("postgresql"):
        return PostgresqlStore(place)
    path = Path(str(place).removeprefix("sqlite:///"))
    if not path.exists():
        shutil.copy(_migrated_file(), path)
    return SqliteStore(path)


@asynccontextmanager
async def open_journal(
    place: Path | str, clock: StillClock | None = None, instance: str = "I1"
) -> AsyncIterator[Journal]:
    """A journal that is open inside the block."""
    store = new_store(place)
    await store.open()
    try:
        yield Journal(store, Vault(KEY), clock or StillClock(), instance)
    finally:
        await store.close()
