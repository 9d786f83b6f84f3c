"""The timetable of the payout: which due rows there are, what they do, and the recurring ones at start (D.6)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import date
from functools import partial
from typing import Final

from gateway.flows.house import House
from gateway.flows.payout import closing, fetching, outcomes, statuses, submitting
from gateway.flows.payout.building import build
from gateway.flows.payout.feedback import feedback_due_row, seed_feedback
from gateway.flows.payout.jobs import business_day, daily, seed_daily
from gateway.flows.payout.leaving import sweep
from gateway.flows.payout.scheme import scheme_of, schemes
from gateway.flows.scheduler import Handler
from gateway.journal.agenda import Due
from gateway.journal.entities import Act
from gateway.journal.store import Unit

BUILD: Final = "payout.build"
CLOSE: Final = "payout.close"


async def build_due(house: House, due: Due) -> None:
    """08:30: one summary for every open settlement date whose pay date has come, on working days."""
    hour = scheme_of(house, due.subject, business_day(house)).payout.timetable.build
    await daily(house, due, hour, partial(_build, house, due.subject))


async def _build(house: House, agency_id: str, day: date) -> None:
    scheme = scheme_of(house, agency_id, business_day(house))
    if not scheme.calendar.is_working_day(business_day(house)):
        return
    act = scheme.act("job:payout.build", f"{agency_id}|{day.isoformat()}")
    await _move_unapproved(house, agency_id, act)
    # After a stop today's build runs late: what was reconciled before it is in it (AMB-31).
    await build(house, agency_id, act, at_once=day == business_day(house))


async def _move_unapproved(house: House, agency_id: str, act: Act) -> None:
    """A summary nobody approved on its pay date is paid on this one: content and approvals stay, claims may leave."""
    today = business_day(house).isoformat()
    waiting = await house.journal.entities.find(
        "summary", "state IN ('BUILT', 'PREPARED') AND pay_date < :today AND agency = :agency",
        today=today, agency=agency_id,
    )  # fmt: skip
    for one in waiting:
        summary = await sweep(house, one.id, act)
        if summary.state in ("BUILT", "PREPARED"):
            unit = Unit()
            house.journal.entities.move(unit, summary, "deferred", act, columns={"pay_date": today})
            await house.journal.commit(unit)


async def close_due(house: House, due: Due) -> None:
    """20:00: what failed without a receipt has failed for good."""
    hour = scheme_of(house, due.subject, business_day(house)).payout.timetable.close
    await daily(house, due, hour, partial(closing.close_day, house, due.subject))


DUE: Final[Mapping[str, Handler]] = {
    BUILD: build_due,
    CLOSE: close_due,
    "payout.submit": submitting.submit_due,
    "payout.status": statuses.status_due,
    "payout.receipts": fetching.receipts_due,
    "payout.feedback": feedback_due_row,
}

CONTINUATIONS: Final[Mapping[str, Callable[[House, str], Awaitable[None]]]] = {
    outcomes.CONTINUATION: outcomes.go_on,
}


async def seed(house: House) -> None:
    """Make sure that every agency's recurring rows exist; a restart moves none of them."""
    for scheme in schemes(house, business_day(house)):
        hours = scheme.payout.timetable
        unit = Unit()
        seed_daily(unit, house, BUILD, scheme.agency.id, hours.build)
        seed_daily(unit, house, CLOSE, scheme.agency.id, hours.close)
        await house.journal.commit(unit)
        await seed_feedback(house, scheme)
