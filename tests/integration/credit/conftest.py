"""A world of parties and a gateway over a fresh store of either kind, for every test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.credit import Window, World


@pytest.fixture
def world(tmp_path: Path, store_url: str) -> World:
    """All parties; every test runs over both stores."""
    return World(tmp_path, store_url)


@pytest.fixture
async def window(world: World) -> AsyncIterator[Window]:
    """The window of the Shaoyang hospital."""
    async with world.gateway() as found:
        yield found
