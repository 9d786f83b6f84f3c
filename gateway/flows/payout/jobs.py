"""Recurring jobs: once per scope and business date over all replicas, and again where a crash cut one off.

A due row drives a job, a `job_run` row says that it is done. The work itself is idempotent, so a job that was cut
off is simply run again from its first line.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import date, datetime, time, timedelta
from typing import Any, Final, TypeVar

import orjson

from gateway.flows.house import House
from gateway.journal.agenda import Due
from gateway.journal.entities import Act
from gateway.journal.store import DuplicateKey, GuardFailed, Unit
from gateway.model.clock import SHANGHAI, to_micros
from gateway.model.ids import new_id
from gateway.model.refusals import Refusal

R = TypeVar("R")
DAY: Final = timedelta(days=1)
DONE: Final = "DONE"
CALENDAR_RETRY: Final = timedelta(hours=1)
_RACES: Final = 8


async def keep_going(run: Callable[[], Awaitable[R]]) -> R:
    """Run, and run again from the first line after a lost race: somebody else moved what was read.

    Raises Refusal IN_PROGRESS when the race goes on and on.
    """
    for _ in range(_RACES):
        try:
            return await run()
        except GuardFailed as lost:
            last = lost
    raise Refusal("IN_PROGRESS", last.guard) from last


def business_day(house: House) -> date:
    """The business day, Asia/Shanghai."""
    return house.clock.now().astimezone(SHANGHAI).date()


def moment(day: date, hour: time) -> datetime:
    """That hour of that day in Asia/Shanghai."""
    return datetime.combine(day, hour, SHANGHAI)


def add_if_absent(unit: Unit, kind: str, subject: str, at: datetime, payload: Mapping[str, Any]) -> None:
    """Add a due row unless the agenda has one of this kind and subject: a restart moves nothing."""
    unit.run(
        "INSERT INTO due (due_id, kind, subject, payload, due_at) VALUES (:id, :kind, :subject, :payload, :at) "
        "ON CONFLICT (kind, subject) DO NOTHING",
        {
            "id": new_id("D"), "kind": kind, "subject": subject, "payload": orjson.dumps(payload).decode(),
            "at": to_micros(at),
        },
        expect=None,
    )  # fmt: skip


def seed_daily(unit: Unit, house: House, kind: str, subject: str, hour: time) -> None:
    """Make sure that a daily job has its next run in the agenda."""
    day = business_day(house)
    if house.clock.now() >= moment(day, hour):
        day += DAY
    add_if_absent(unit, kind, subject, moment(day, hour), {"date": day.isoformat()})


def date_of(due: Due) -> date:
    """The business date a daily row is about, however late it runs."""
    return date.fromisoformat(due.payload["date"])


async def daily(house: House, due: Due, hour: time, work: Callable[[date], Awaitable[None]]) -> None:
    """Do the day's work unless it is done, then plan the next day's run. A missing calendar stops the job for an hour.

    A refusal of the work goes through: the scheduler runs the row again.
    """
    day = date_of(due)
    try:
        if await may_run(house, due.kind, due.subject, day):
            await work(day)
    except Refusal as refusal:
        if refusal.code != "CALENDAR_MISSING":
            raise
        await calendar_missing(house, due, refusal)
        return
    unit = Unit()
    finish(unit, due.kind, due.subject, day)
    house.journal.agenda.schedule(
        unit, due.kind, due.subject, moment(day + DAY, hour), {"date": (day + DAY).isoformat()}
    )
    await house.journal.commit(unit)


async def may_run(house: House, job: str, scope: str, day: date) -> bool:
    """Whether the job of this date is still to be done: never begun, or begun and cut off."""
    if await house.journal.agenda.begin_job(job, scope, day.isoformat()):
        return True
    row = await house.journal.store.row(
        "SELECT result FROM job_run WHERE job = :job AND scope = :scope AND business_date = :day",
        {"job": job, "scope": scope, "day": day.isoformat()},
    )
    return row is None or row["result"] != DONE


def finish(unit: Unit, job: str, scope: str, day: date) -> None:
    """Add that the job of this date is done."""
    unit.run(
        "UPDATE job_run SET result = 'DONE' WHERE job = :job AND scope = :scope AND business_date = :day",
        {"job": job, "scope": scope, "day": day.isoformat()},
        expect=None,
    )


async def calendar_missing(house: House, due: Due, refusal: Refusal) -> None:
    """R-121 fails closed: nothing is done on a guessed day; a person imports the year, the job tries every hour."""
    await alarm(
        house, "CALENDAR_MISSING", str(refusal.facts.get("year", due.kind)), Act(f"job:{due.kind}", due.subject),
        "calendar.import_year",
    )  # fmt: skip
    unit = Unit()
    at = house.clock.now() + CALENDAR_RETRY
    house.journal.agenda.schedule(unit, due.kind, due.subject, at, due.payload)
    await house.journal.commit(unit)


async def alarm(house: House, kind: str, subject: str, act: Act, suggested: str, *, hospital: str = "") -> None:
    """Raise a task in a unit of its own; nothing happens when one is open for the subject already."""
    unit = Unit()
    await house.journal.raise_task(unit, kind, subject, act, suggested=suggested, hospital=hospital)
    if not unit:
        return
    try:
        await house.journal.commit(unit)
    except DuplicateKey:  # another instance raised the same task at this moment
        return


async def close_task(house: House, unit: Unit, kind: str, subject: str, act: Act) -> None:
    """Add the end of an open task whose cause is gone."""
    task = await house.journal.entities.first("task", "open_for = :key", key=f"{kind}|{subject}")
    if task is not None:
        house.journal.entities.move(unit, task, "closed", act, columns={"open_for": None})
