"""Shared fixtures: every test that takes ``store_url`` runs on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.postgres import drop_database, new_database


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A fresh migrated store of each kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'xinyi.db'}"
        return
    url = new_database()
    yield url
    drop_database(url)
