"""The scheduler: due rows run once, at their own business time, also when the sandbox clock jumps over them."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from gateway.flows.house import House
from gateway.flows.scheduler import Scheduler
from gateway.journal.agenda import Due
from gateway.journal.journal import Journal
from gateway.journal.store import Unit
from gateway.journal.vault import Vault
from gateway.model.clock import SandboxClock
from gateway.model.refusals import Refusal
from tests.support.journals import KEY, START, new_store
from tests.support.plain_house import plain_house


@pytest.fixture
def clock(tmp_path: Path) -> SandboxClock:
    moved = SandboxClock(tmp_path / "clock.json", START)
    moved.move(START, 0)
    return moved


@pytest.fixture
async def house(store_url: str, clock: SandboxClock):
    store = new_store(store_url)
    await store.open()
    yield plain_house(Journal(store, Vault(KEY), clock, "I1"))
    await store.close()


async def schedule(house: House, subject: str, at: datetime) -> None:
    unit = Unit()
    house.journal.agenda.schedule(unit, "note", subject, at)
    await house.journal.commit(unit)


class Notes:
    """Notes what ran and when; may schedule more or refuse."""

    def __init__(self) -> None:
        self.ran: list[tuple[str, datetime]] = []
        self.refuse = 0
        self.daily = False

    async def __call__(self, house: House, due: Due) -> None:
        if self.refuse:
            self.refuse -= 1
            raise Refusal("CALENDAR_MISSING")
        self.ran.append((due.subject, house.clock.now()))
        if self.daily:
            await schedule(house, due.subject, due.due_at + timedelta(days=1))


async def test_a_jump_runs_everything_due_at_its_own_time_and_in_order(house: House, clock: SandboxClock) -> None:
    notes = Notes()
    for hours in (30, 2, 26):
        await schedule(house, f"+{hours}", START + timedelta(hours=hours))
    ran = await Scheduler(house, {"note": notes}).move_clock(clock, START + timedelta(hours=27), 0)
    assert ran == 2
    assert notes.ran == [("+2", START + timedelta(hours=2)), ("+26", START + timedelta(hours=26))]
    assert clock.now() == START + timedelta(hours=27)


async def test_a_daily_job_runs_on_every_day_of_a_long_jump(house: House, clock: SandboxClock) -> None:
    notes = Notes()
    notes.daily = True
    await schedule(house, "job", START + timedelta(hours=1))
    await Scheduler(house, {"note": notes}).move_clock(clock, START + timedelta(days=30), 0)
    assert [at for _, at in notes.ran] == [START + timedelta(hours=1, days=day) for day in range(30)]


async def test_the_clock_may_go_back_and_nothing_runs_twice(house: House, clock: SandboxClock) -> None:
    notes = Notes()
    scheduler = Scheduler(house, {"note": notes})
    await schedule(house, "once", START + timedelta(hours=1))
    await scheduler.move_clock(clock, START + timedelta(hours=2), 0)
    await scheduler.move_clock(clock, START, 0)
    assert clock.now() == START
    await scheduler.move_clock(clock, START + timedelta(hours=3), 0)
    assert len(notes.ran) == 1


async def test_a_refused_run_comes_again_later_and_is_counted(house: House, clock: SandboxClock) -> None:
    notes = Notes()
    notes.refuse = 2
    scheduler = Scheduler(house, {"note": notes})
    await schedule(house, "job", START + timedelta(hours=1))
    await scheduler.move_clock(clock, START + timedelta(hours=2), 0)
    assert notes.ran == [("job", START + timedelta(hours=1, minutes=2))]
    assert scheduler.failed == 2


async def test_a_broken_handler_does_not_stop_the_others(house: House, clock: SandboxClock) -> None:
    notes = Notes()

    async def broken(_house: House, _due: Due) -> None:
        raise ZeroDivisionError

    unit = Unit()
    house.journal.agenda.schedule(unit, "broken", "b", START)
    await house.journal.commit(unit)
    await schedule(house, "fine", START)
    scheduler = Scheduler(house, {"note": notes, "broken": broken})
    await scheduler.move_clock(clock, START, 0)
    assert [subject for subject, _ in notes.ran] == ["fine"]
    assert scheduler.failed == 1


async def test_at_normal_speed_a_slow_row_holds_up_no_other(house: House) -> None:
    gate, done = asyncio.Event(), asyncio.Event()

    async def note(_house: House, due: Due) -> None:
        if due.subject == "slow":
            await gate.wait()
        else:
            done.set()

    await schedule(house, "slow", START - timedelta(hours=1))
    scheduler = Scheduler(house, {"note": note})
    stopping = asyncio.Event()
    running = asyncio.create_task(scheduler.run_forever(stopping))
    await asyncio.sleep(0.2)
    await schedule(house, "quick", START)
    await asyncio.wait_for(done.wait(), 5)
    gate.set()
    stopping.set()
    await running
    await scheduler.drain(5)
    assert await house.journal.agenda.next_at() is None


async def test_a_job_runs_once_per_scope_and_date_over_all_instances(house: House) -> None:
    other = Journal(house.journal.store, Vault(KEY), house.clock, "I2")
    begun = await asyncio.gather(
        *(journal.agenda.begin_job("build", "A1", "2025-03-04") for journal in (house.journal, other) * 5)
    )
    assert sum(begun) == 1
    assert await other.agenda.begin_job("build", "A1", "2025-03-05")


def test_the_sandbox_clock_survives_a_restart_and_tells_the_simulators(tmp_path: Path) -> None:
    first = SandboxClock(tmp_path / "c.json", START)
    first.move(START + timedelta(days=1), 0)
    second = SandboxClock(tmp_path / "c.json", START)
    assert second.now() == START + timedelta(days=1)
    assert second.rate == 0
    with pytest.raises(ValueError, match="time zone"):
        second.move(datetime(2025, 1, 1), 1)  # noqa: DTZ001
