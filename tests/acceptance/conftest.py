"""One running sandbox per module that asks for one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.sandbox import Town


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """Gateway on SQLite and all simulators."""
    running = Town(tmp_path_factory.mktemp("town")).start()
    yield running
    running.stop()
