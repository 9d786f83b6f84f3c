"""Acceptance cases 8, 9 and 12: the cut-off, National Day 2025 and the due dates of the feedback."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.flows.payout.feedback import due_date
from gateway.flows.payout.scheme import scheme_of
from gateway.model.refusals import Refusal
from tests.support.house import moment
from tests.support.payouts import AGENCY, open_area

NATIONAL_DAY = {
    "2025-09-26": "2025-09-28", "2025-09-27": "2025-09-28", "2025-09-28": "2025-09-29", "2025-09-29": "2025-09-30",
    **dict.fromkeys(("2025-09-30", *(f"2025-10-0{n}" for n in range(1, 9))), "2025-10-09"),
    "2025-10-09": "2025-10-10", "2025-10-10": "2025-10-11", "2025-10-11": "2025-10-13",
}  # fmt: skip


@pytest.mark.parametrize(("when", "sent"), [("2025-03-04 14:59:59.999", True), ("2025-03-04 15:00:00.000", False)])
async def test_case_8_strictly_before_the_cutoff(tmp_path: Path, when: str, sent: bool) -> None:
    async with open_area(tmp_path / "x.db", tmp_path) as area:
        await area.settle("A", "1000.00", "2025-03-03")
        await area.at("2025-03-04 09:00")
        await area.approve("2025-03-03", "preparer")
        await area.at(when)
        await area.approve("2025-03-03", "approver")
        if sent:
            await area.submit("2025-03-03")
            assert len(area.bank.effects) == 1
            return
        with pytest.raises(Refusal, match="CUTOFF_PASSED"):
            await area.submit("2025-03-03")
        summary = await area.summary("2025-03-03")
        assert (summary["state"], summary["pay_date"], area.bank.effects) == ("DEFERRED", "2025-03-05", [])
        await area.at("2025-03-05 09:00")
        assert (await area.summary("2025-03-03"))["state"] == "SUBMITTED"
        rows = await area.house.journal.store.rows(
            "SELECT attempt_no FROM attempt a JOIN operation o "
            "ON o.operation_id = a.operation_id WHERE o.name = 'SubmitPayoutBatch'"
        )
        assert [row["attempt_no"] for row in rows] == [1]


async def test_case_8_the_clock_may_be_in_utc(tmp_path: Path) -> None:
    async with open_area(tmp_path / "x.db", tmp_path) as area:
        await area.settle("A", "1000.00", "2025-03-03")
        await area.at("2025-03-04 09:00")
        await area.approve("2025-03-03", "preparer")
        from datetime import UTC, datetime

        area.clock.move(datetime(2025, 3, 4, 6, 59, 59, tzinfo=UTC), 0)
        await area.approve("2025-03-03", "approver")
        await area.submit("2025-03-03")
        assert len(area.bank.effects) == 1


async def test_case_8_a_submission_in_flight_at_the_cutoff_is_refused_by_the_store(tmp_path: Path) -> None:
    """The hour is looked at, then it strikes, then the attempt is journalled: the store says no (P7)."""
    async with open_area(tmp_path / "x.db", tmp_path) as area:
        await area.settle("A", "1000.00", "2025-03-03")
        await area.at("2025-03-04 09:00")
        await area.approve("2025-03-03")
        area.clock.move(moment("2025-03-04 14:59:59"), 0)
        begin = area.house.journal.operations.begin

        def late(*args: object, **named: object) -> None:
            area.clock.move(moment("2025-03-04 15:00:00"), 0)
            begin(*args, **named)  # type: ignore[arg-type]

        area.house.journal.operations.begin = late  # type: ignore[method-assign]
        with pytest.raises(Refusal, match="CUTOFF_PASSED"):
            await area.submit("2025-03-03")
        assert area.bank.effects == []
        assert (await area.summary("2025-03-03"))["state"] == "DEFERRED"


async def test_case_9_national_day_2025(tmp_path: Path) -> None:
    async with open_area(tmp_path / "x.db", tmp_path, start="2025-09-26 08:00") as area:
        for day in NATIONAL_DAY:
            await area.at(f"{day} 12:00")
            await area.settle(f"S{day}", "100.00", day)
            for number in range(len(NATIONAL_DAY)):
                await _approve_built(area, list(NATIONAL_DAY)[number])
        await area.at("2025-10-13 09:00")
        await _approve_built(area, "2025-10-11")
        await area.at("2025-10-13 12:00")
        paid = {day: (await area.order(day))["pay_date"] for day in NATIONAL_DAY}
        assert paid == NATIONAL_DAY
        assert sum(date == "2025-10-09" for date in paid.values()) == 9
        assert len(area.bank.effects) == len(NATIONAL_DAY)


async def _approve_built(area, day: str) -> None:  # type: ignore[no-untyped-def]
    summaries = (await area.day(day))["summaries"]
    if summaries and summaries[0]["state"] == "BUILT":
        await area.approve(day)


@pytest.mark.parametrize(
    ("month", "due"),
    [
        ("202503", "2025-04-07"),
        ("202506", "2025-07-07"),
        ("202509", "2025-10-09"),
        ("202604", "2026-05-06"),
        ("202609", "2026-10-08"),
    ],
)
async def test_case_12_feedback_due_dates(tmp_path: Path, month: str, due: str) -> None:
    async with open_area(tmp_path / "x.db", tmp_path) as area:
        scheme = scheme_of(area.house, AGENCY, moment("2025-03-03 08:00").date())
        assert due_date(scheme, month).isoformat() == due


async def test_case_12_what_is_paid_on_the_due_date_belongs_to_the_next_month(tmp_path: Path) -> None:
    async with open_area(tmp_path / "x.db", tmp_path, start="2025-09-26 08:00") as area:
        await area.at("2025-09-26 12:00")
        await area.settle("SEP", "1000.00", "2025-09-26")
        await area.at("2025-09-28 09:00")
        await area.pay("2025-09-26")
        await area.at("2025-09-30 12:00")
        await area.settle("LATE", "2000.00", "2025-09-30")
        await area.at("2025-10-09 08:45")
        await area.pay("2025-09-30")
        await area.at("2025-10-09 21:00")
        september = (await area.call("GET", "/v1/feedback/202509")).resource
        assert september["due_date"] == "2025-10-09"
        assert [row["basis_amt"] for row in september["hospitals"]] == ["600.00"]
        await area.at("2025-11-06 09:00")
        october = (await area.call("GET", "/v1/feedback/202510")).resource
        assert [row["basis_amt"] for row in october["hospitals"]] == ["1200.00"]


async def test_a_year_without_a_calendar_pays_nothing_and_calls_a_person(tmp_path: Path) -> None:
    async with open_area(tmp_path / "x.db", tmp_path, start="2026-12-31 08:00") as area:
        await area.settle("A", "1000.00", "2026-12-31")
        await area.at("2027-01-04 10:00")
        assert (await area.day("2026-12-31"))["summaries"] == []
        assert "CALENDAR_MISSING" in await area.tasks()
        with pytest.raises(Refusal, match="CALENDAR_MISSING"):
            await area.call("POST", "/v1/payouts/2026-12-31/build", {})
