"""Guangzhou (R-073 … R-078) and acceptance case 33: deposits from the line, settled at discharge."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date, datetime
from pathlib import Path

import pytest

from gateway.model.clock import SHANGHAI
from tests.support.credit import GUANGZHOU, Window, World
from tests.support.parties import Insured, Line, refused


@pytest.fixture
def world(tmp_path: Path) -> World:
    """All parties."""
    return World(tmp_path)


@pytest.fixture
async def ward(world: World) -> AsyncIterator[Window]:
    """The hospital's window; the day is 2025-03-01."""
    async with world.gateway(start=datetime(2025, 3, 1, 9, 0, tzinfo=SHANGHAI)) as found:
        yield found.at(GUANGZHOU)


async def admitted(world: World, ward: Window) -> tuple[str, str, Insured]:
    """(agreement_no, visit_id, person) with a line of 10,000.00 and a deposit of 3,000.00."""
    person = world.person(city="guangzhou", score=None)
    number = await ward.agreement(person, 1_000_000)
    visit = await ward.open(number, person, "INPATIENT")
    said = await ward.deposit(visit, "3000.00")
    assert said["state"] == "HELD"
    return number, visit, person


@pytest.mark.parametrize(("day", "state"), [("2022-06-30", "SCENE_NOT_SUPPORTED"), ("2022-07-01", "OPEN")])
async def test_r073_stays_since_july_2022(tmp_path: Path, day: str, state: str) -> None:
    world = World(tmp_path)
    start = datetime.fromisoformat(f"{day}T09:00:00+08:00")
    async with world.gateway(start=start) as window:
        ward = window.at(GUANGZHOU)
        person = world.person(city="guangzhou", score=None)
        world.bank.lines[person.certno] = Line(1_000_000, 50, date(2023, 12, 31))
        products = ["OUTPATIENT"] if state != "OPEN" else ["OUTPATIENT", "INPATIENT"]
        number = str((await ward.apply(person, products=products))["agreement_no"])
        said = await ward.try_open(number, person, "INPATIENT")
        assert (said.code or said["state"]) == state


async def test_r074_the_deposit_is_taken_from_the_line(world: World, ward: Window) -> None:
    number, visit, _ = await admitted(world, ward)
    shown = await ward.get(f"/v1/agreements/{number}")
    assert (shown["held_amt"], shown["avail_amt"]) == ("3000.00", "7000.00")
    assert shown["held_by"] == [{"visit_id": visit, "amount": "3000.00"}]


@pytest.mark.parametrize(
    ("cash", "captured", "released", "extra", "avail"),
    [
        ("2650.00", "2650.00", "350.00", 0, "7350.00"),
        ("3400.00", "3000.00", "0.00", 40_000, "6600.00"),
        ("0.00", "0.00", "3000.00", 0, "10000.00"),
    ],
)
async def test_case_33_capture_release_and_extra_charge(
    world: World, ward: Window, cash: str, captured: str, released: str, extra: int, avail: str
) -> None:
    number, visit, person = await admitted(world, ward)
    fen = 600_000 + int(cash.replace(".", ""))
    total = f"{fen // 100}.{fen % 100:02d}"
    world.platform.will_settle(person.psn_no, total, "6000.00", "0.00", cash)
    said = await ward.settle(visit, total)
    hold = said["holds"][0]
    assert (said["state"], hold["captured_amt"], hold["released_amt"]) == ("SETTLED", captured, released)
    assert [effect.amount_fen for effect in world.bank.did("Withhold")] == ([extra] if extra else [])
    assert await ward.avail(number) == avail
    line = world.bank.line(person.certno)
    assert (line.held_fen, line.used_fen) == (0, int(cash.replace(".", "")))


async def test_case_33_a_long_stay_is_renewed_by_the_thirtieth_day(world: World, ward: Window) -> None:
    _, visit, person = await admitted(world, ward)
    await ward.site.until(datetime(2025, 3, 31, 9, 0, tzinfo=SHANGHAI))
    shown = await ward.view(visit)
    assert (shown["state"], shown["held_amt"]) == ("HELD", "3000.00")
    assert world.bank.line(person.certno).held_fen == 300_000
    assert len(world.bank.did("PreAuthorise")) == 2


async def test_case_33_a_refused_renewal_lapses_and_alarms_the_staff(world: World, ward: Window) -> None:
    _, visit, _ = await admitted(world, ward)
    world.bank.party.say("PreAuthorise", refused("AC06"))
    await ward.site.until(datetime(2025, 3, 31, 9, 0, tzinfo=SHANGHAI))
    assert (await ward.view(visit))["state"] == "LAPSED"
    assert "HOLD_LAPSED" in await ward.tasks()
    assert "hold.lapsing" in ward.events(visit)


async def test_r076_capture_and_release_are_two_entries(world: World, ward: Window) -> None:
    _, visit, person = await admitted(world, ward)
    world.platform.will_settle(person.psn_no, "8650.00", "6000.00", "0.00", "2650.00")
    said = await ward.settle(visit, "8650.00")
    entries = {(row["type"], row["held_amt"], row["used_amt"]) for row in said["entries"]}
    assert {("CAPTURE", "-2650.00", "2650.00"), ("RELEASE", "-350.00", "0.00")} <= entries


async def test_r077_the_banks_limit_and_days_are_stored_unchanged(world: World, ward: Window) -> None:
    person = world.person(city="guangzhou", score=None)
    world.bank.lines[person.certno] = Line(1_200_000, 56)
    said = await ward.apply(person)
    assert (said["credit_limit"], said["free_days"]) == ("12000.00", 56)


@pytest.mark.parametrize(("area", "code"), [("440106", ""), ("440300", "NOT_ELIGIBLE_REGION")])
async def test_r078_only_the_citys_own_insured(world: World, ward: Window, area: str, code: str) -> None:
    assert (await ward.apply(world.person(city="guangzhou", score=None, area=area))).code == code
