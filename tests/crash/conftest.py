"""How many points a run of the crash tests visits."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.support.sandbox import Town


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """Gateway on SQLite and all simulators."""
    running = Town(tmp_path_factory.mktemp("town")).start()
    yield running
    running.stop()


@pytest.fixture(scope="session")
def sample() -> int:
    """Points per flow: a spread sample in `make test`, all of them in `make soak`."""
    wanted = os.environ.get("XINYI_SOAK_POINTS", "8")
    return 10_000 if wanted == "all" else int(wanted)
