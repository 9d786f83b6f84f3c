"""The timetable: recurring rows, once per date, resumed after a stop, and what the metrics read of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.flows import payout, recon
from gateway.flows.payout.jobs import DONE, date_of, keep_going, may_run
from gateway.flows.payout.scheme import scheme_of
from gateway.journal.agenda import Due
from gateway.journal.store import GuardFailed
from gateway.model.refusals import Refusal
from tests.support.house import moment
from tests.support.payouts import AGENCY, ONE, TWO, Area, open_area


async def agenda(area: Area) -> dict[tuple[str, str], str]:
    """(kind, subject) → due time."""
    rows = await area.house.journal.store.rows("SELECT kind, subject, due_at FROM due")
    from gateway.model.clock import from_micros

    return {(row["kind"], row["subject"]): f"{from_micros(row['due_at']):%Y-%m-%d %H:%M}" for row in rows}


async def test_the_recurring_rows_and_a_restart_that_moves_none(tmp_path: Path) -> None:
    async with open_area(tmp_path / "x.db", tmp_path) as area:
        expected = {
            ("recon.totals", ONE): "2025-03-04 07:00",
            ("recon.totals", TWO): "2025-03-04 07:00",
            ("payout.build", AGENCY): "2025-03-03 08:30",
            ("payout.close", AGENCY): "2025-03-03 20:00",
            ("payout.feedback", AGENCY): "2025-03-05 08:30",
        }
        assert await agenda(area) == expected
        area.clock.move(moment("2025-03-03 23:00"), 0)
        await recon.seed(area.house)
        await payout.seed(area.house)
        assert await agenda(area) == expected


async def test_each_job_runs_once_per_date_and_plans_the_next(tmp_path: Path) -> None:
    async with open_area(tmp_path / "x.db", tmp_path) as area:
        await area.at("2025-03-08 12:00")
        rows = await area.house.journal.store.rows(
            "SELECT job, business_date, result FROM job_run WHERE scope = :s", {"s": AGENCY}
        )
        builds = sorted(row["business_date"] for row in rows if row["job"] == "payout.build")
        assert builds == [f"2025-03-0{day}" for day in range(3, 9)]
        assert {row["result"] for row in rows} == {DONE}
        assert (await agenda(area))["payout.build", AGENCY] == "2025-03-09 08:30"
        assert (await agenda(area))["payout.feedback", AGENCY] == "2025-04-07 08:30"


async def test_a_job_done_is_not_done_again_one_cut_off_is(tmp_path: Path) -> None:
    async with open_area(tmp_path / "x.db", tmp_path) as area:
        day = moment("2025-03-04 08:00").date()
        assert await may_run(area.house, "job", "scope", day)
        assert await may_run(area.house, "job", "scope", day)
        from gateway.flows.payout.jobs import finish
        from gateway.journal.store import Unit

        unit = Unit()
        finish(unit, "job", "scope", day)
        await area.house.journal.commit(unit)
        assert not await may_run(area.house, "job", "scope", day)


async def test_a_gateway_down_over_the_morning_catches_up_the_same_day(tmp_path: Path) -> None:
    async with open_area(tmp_path / "x.db", tmp_path) as area:
        await area.settle("A", "1000.00", "2025-03-03")
        area.clock.move(moment("2025-03-04 11:00"), 0)
        await area.at("2025-03-04 11:01")
        assert (await area.summary("2025-03-03"))["pay_date"] == "2025-03-04"


async def test_a_gateway_down_over_the_cutoff_pays_the_next_working_day(tmp_path: Path) -> None:
    async with open_area(tmp_path / "x.db", tmp_path, start="2025-03-07 08:00") as area:
        await area.settle("A", "1000.00", "2025-03-06")
        area.clock.move(moment("2025-03-07 18:00"), 0)
        await area.at("2025-03-10 09:00")
        assert (await area.summary("2025-03-06"))["pay_date"] == "2025-03-10"


async def test_weekends_build_nothing(tmp_path: Path) -> None:
    async with open_area(tmp_path / "x.db", tmp_path, start="2025-03-07 12:00") as area:
        await area.settle("A", "1000.00", "2025-03-07")
        await area.at("2025-03-09 23:00")
        assert (await area.day("2025-03-07"))["summaries"] == []
        await area.at("2025-03-10 09:00")
        assert (await area.summary("2025-03-07"))["pay_date"] == "2025-03-10"


async def test_gauges(tmp_path: Path) -> None:
    async with open_area(tmp_path / "x.db", tmp_path) as area:
        area.platform.differs.add((TWO, "2025-03-03"))
        await area.settle("A", "1000.00", "2025-03-03")
        await area.settle("A2", "1.00", "2025-03-03")
        await area.settle("B", "1000.00", "2025-03-03", hospital=TWO)
        await area.at("2025-03-04 14:00")
        found = await payout.gauges(area.house)
        assert (found["payout_items"], found["payout_fen"]) == ({"IN_SUMMARY": 2}, {"IN_SUMMARY": 60_060})
        assert found["payout_cutoff_seconds"] == 3600.0
        assert (found["recon_breaks_open"], found["tasks_open"]) == (1, {"RECON_BREAK": 1})
        await area.at("2025-03-04 16:00")
        assert (await payout.gauges(area.house))["payout_cutoff_seconds"] == 0.0
        area.clock.move(moment("2025-03-08 10:00"), 0)
        assert (await payout.gauges(area.house))["payout_cutoff_seconds"] is None


async def test_lost_races_are_run_again_but_not_for_ever() -> None:
    tries = []

    async def loses() -> None:
        tries.append(1)
        raise GuardFailed("somebody was faster")

    with pytest.raises(Refusal, match="IN_PROGRESS"):
        await keep_going(loses)
    assert len(tries) == 8


async def test_an_agency_nobody_knows(tmp_path: Path) -> None:
    async with open_area(tmp_path / "x.db", tmp_path) as area:
        with pytest.raises(Refusal, match="NOT_FOUND"):
            scheme_of(area.house, "nobody", moment("2025-03-03 08:00").date())


def test_a_daily_row_keeps_its_date_however_late_it_runs() -> None:
    due = Due("D1", "payout.build", AGENCY, {"date": "2025-03-03"}, moment("2025-03-05 08:00"), 3)
    assert date_of(due).isoformat() == "2025-03-03"
