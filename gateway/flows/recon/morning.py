"""The morning's reconciliation of each hospital, and what it leaves to ask again."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, time, timedelta
from functools import partial
from typing import Final

from gateway.flows.house import House
from gateway.flows.payout.jobs import alarm, business_day, daily, seed_daily
from gateway.flows.recon.levels import level_of
from gateway.flows.recon.running import reconcile
from gateway.flows.recon.totals import unreconciled_dates
from gateway.flows.scheduler import Handler
from gateway.journal.agenda import Due
from gateway.journal.entities import Act
from gateway.journal.store import Unit

KIND: Final = "recon.totals"
AGAIN: Final = "recon.again"
HOUR: Final = time(7, 0)
# Minutes of business time after a run that got no answer; then the next morning asks and a person is told.
RETRIES: Final = (5, 10, 20, 40)


def hour_of(house: House, hospital_code: str) -> time:
    """When a hospital's day is reconciled: its scheme's hour, 07:00 where no scheme runs."""
    profile = house.profiles.by_pool_area(house.hospital(hospital_code).pool_area, business_day(house))
    return HOUR if profile is None or profile.payout is None else profile.payout.timetable.reconcile


async def totals_due(house: House, due: Due) -> None:
    """07:00 daily: everything up to yesterday that is not reconciled."""
    await daily(house, due, hour_of(house, due.subject), partial(_morning, house, due.subject))


async def _morning(house: House, hospital: str, day: date) -> None:
    if not await reconcile_open(house, hospital, f"job:{KIND}|{day.isoformat()}"):
        await _plan_again(house, hospital, day.isoformat(), 0)


async def reconcile_open(house: House, hospital: str, run: str) -> bool:
    """Every date before today with something unreconciled. False when a question got no answer."""
    days = await unreconciled_dates(house, hospital, business_day(house))
    if not days:
        return True
    act = Act(f"job:{KIND}", f"{hospital}|{run}")
    level = await level_of(house, hospital, run)
    answers = [await reconcile(house, hospital, day, run, act, level) for day in days]
    return all(answers)


async def again_due(house: House, due: Due) -> None:
    """A run that got no answer, again: the same questions under the same keys."""
    if await reconcile_open(house, due.subject, f"job:{KIND}|{due.payload['date']}"):
        return
    await _plan_again(house, due.subject, due.payload["date"], int(due.payload["n"]) + 1)


async def _plan_again(house: House, hospital: str, day: str, number: int) -> None:
    if number >= len(RETRIES):
        act = Act(f"job:{KIND}", f"{hospital}|{day}")
        await alarm(house, "RECON_UNANSWERED", f"{hospital}|{day}", act, "recon.ask_platform", hospital=hospital)
        return
    unit = Unit()
    at = house.clock.now() + timedelta(minutes=RETRIES[number])
    house.journal.agenda.schedule(unit, AGAIN, hospital, at, {"date": day, "n": number})
    await house.journal.commit(unit)


DUE: Final[Mapping[str, Handler]] = {KIND: totals_due, AGAIN: again_due}


async def seed(house: House) -> None:
    """Make sure that every hospital has its next run in the agenda."""
    unit = Unit()
    for code in house.hospitals:
        seed_daily(unit, house, KIND, code, hour_of(house, code))
    if unit:
        await house.journal.commit(unit)
