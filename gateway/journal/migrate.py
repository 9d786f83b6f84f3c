"""Brings the schema of a store to this version; the same migrations for both stores."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.ext.asyncio import create_async_engine

R = TypeVar("R")

SCRIPTS: Final = Path(__file__).parent / "migrations"
_LOCK: Final = 0x58494E5949  # two starting instances migrate one after the other


def _config(connection: sa.Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    config.attributes["connection"] = connection
    return config


def upgrade(store: str) -> tuple[str, str]:
    """Migrate; returns the revisions before and after. ``store`` is `sqlite:///…` or `postgresql://…`."""
    return _with_connection(store, _upgrade)


def is_current(store: str) -> bool:
    """Whether the store stands at the newest revision."""
    return _with_connection(store, _is_current)


def _upgrade(connection: sa.Connection) -> tuple[str, str]:
    before = MigrationContext.configure(connection).get_current_revision() or ""
    command.upgrade(_config(connection), "head")
    return before, MigrationContext.configure(connection).get_current_revision() or ""


def _is_current(connection: sa.Connection) -> bool:
    here = MigrationContext.configure(connection).get_current_revision()
    return here == ScriptDirectory.from_config(_config(connection)).get_current_head()


def _with_connection(store: str, work: Callable[[sa.Connection], R]) -> R:
    """Run ``work`` in a transaction; PostgreSQL is reached through the same driver as on the hot path."""
    if store.startswith("postgresql://"):
        return asyncio.run(_with_postgresql(store, work))
    engine = sa.create_engine(store)
    try:
        with engine.begin() as connection:
            return work(connection)
    finally:
        engine.dispose()


async def _with_postgresql(store: str, work: Callable[[sa.Connection], R]) -> R:
    engine = create_async_engine(store.replace("postgresql://", "postgresql+asyncpg://", 1))
    try:
        async with engine.begin() as connection:
            await connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
            return await connection.run_sync(work)
    finally:
        await engine.dispose()
