"""The shared business clock follows the gateway's file and nothing else."""

from __future__ import annotations

import json
import time
from datetime import datetime, timedelta
from pathlib import Path

from simulators.common.clock import SHANGHAI, BusinessClock


def write(path: Path, business: str, rate: int, *, ago: float = 0) -> None:
    fresh = path.with_suffix(".tmp")
    fresh.write_text(json.dumps({"business": business, "real": time.time() - ago, "rate": rate}))
    fresh.replace(path)


def test_without_a_file_it_is_real_time(tmp_path: Path) -> None:
    for clock in (BusinessClock(), BusinessClock(tmp_path / "none.json")):
        assert abs(clock.now() - datetime.now(SHANGHAI)) < timedelta(seconds=1)


def test_it_runs_stands_still_and_goes_back_as_the_file_says(tmp_path: Path) -> None:
    path = tmp_path / "clock.json"
    clock = BusinessClock(path)
    write(path, "2025-03-03T08:00:00+08:00", 0)
    assert clock.now() == clock.now() == datetime(2025, 3, 3, 8, tzinfo=SHANGHAI)
    write(path, "2025-03-03T08:00:00+08:00", 1, ago=60)
    assert timedelta(seconds=60) <= clock.now() - datetime(2025, 3, 3, 8, tzinfo=SHANGHAI) < timedelta(seconds=65)
    write(path, "2025-03-01T00:00:00Z", 0)
    assert clock.now() == datetime(2025, 3, 1, 8, tzinfo=SHANGHAI)
    assert clock.now().utcoffset() == timedelta(hours=8)


def test_a_foreign_file_is_not_obeyed_and_a_missing_one_means_real_time(tmp_path: Path) -> None:
    path = tmp_path / "clock.json"
    clock = BusinessClock(path)
    write(path, "2025-03-03T08:00:00+08:00", 0)
    before = clock.now()
    path.write_text("not a clock")
    assert clock.now() == before
    path.unlink()
    assert clock.now().year == datetime.now(SHANGHAI).year


async def test_sleeping_until_a_business_moment_follows_a_jump(tmp_path: Path) -> None:
    path = tmp_path / "clock.json"
    write(path, "2025-03-03T08:00:00+08:00", 0)
    clock = BusinessClock(path)
    write(path, "2025-03-03T09:00:01+08:00", 0)
    await clock.sleep_until_business(datetime(2025, 3, 3, 9, tzinfo=SHANGHAI))
    assert clock.now() >= datetime(2025, 3, 3, 9, tzinfo=SHANGHAI)
