"""Brings the schema of a store to this version; the same migrations for both stores."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

SCRIPTS: Final = Path(__file__).parent / "migrations"


def _config(connection: sa.Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    config.attributes["connection"] = connection
    return config


def sync_url(store: str) -> str:
    """The address of a store as SQLAlchemy's synchronous engines read it."""
    return store.replace("postgresql://", "postgresql+psycopg://", 1)


def upgrade(store: str) -> tuple[str, str]:
    """Migrate; returns the revisions before and after. ``store`` is `sqlite:///…` or `postgresql://…`."""
    engine = sa.create_engine(sync_url(store))
    try:
        with engine.begin() as connection:
            before = MigrationContext.configure(connection).get_current_revision() or ""
            command.upgrade(_config(connection), "head")
            after = MigrationContext.configure(connection).get_current_revision() or ""
    finally:
        engine.dispose()
    return before, after


def is_current(store: str) -> bool:
    """Whether the store stands at the newest revision."""
    engine = sa.create_engine(sync_url(store))
    try:
        with engine.connect() as connection:
            here = MigrationContext.configure(connection).get_current_revision()
            return here == ScriptDirectory.from_config(_config(connection)).get_current_head()
    finally:
        engine.dispose()
