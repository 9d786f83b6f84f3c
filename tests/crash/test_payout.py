"""The gateway is killed at every step of a daily payout: reconciled, built, approved by two, submitted, proven."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from datetime import date, datetime, timedelta
from typing import Any

import aiohttp
import pytest

from simulators.hospital.encounters import Inpatient
from simulators.hospital.v1 import V1Client, V1Refused
from tests.crash.killing import (
    arm,
    assert_nothing_hangs,
    assert_trail_is_whole,
    killed_at,
    move,
    now,
    points,
    spread,
)
from tests.support.his import Ward, people, ward
from tests.support.sandbox import Town

HOSPITALS = ("H64000100001", "H64000100002")
# Working days of spring 2025 that follow one another; a run settles on one and pays on the next.
HOLIDAYS = {date(2025, 4, 4), date(2025, 5, 1), date(2025, 5, 2), date(2025, 5, 5), date(2025, 6, 2)}


def next_day(day: date) -> date:
    """The next ordinary working day (weekends and the holidays above left out; make-up days are not needed here)."""
    day += timedelta(days=1)
    return day if day.weekday() < 5 and day not in HOLIDAYS else next_day(day)


class Agency:
    """The preparer, the approver and an auditor who looks."""

    def __init__(self, town: Town, session: aiohttp.ClientSession) -> None:
        self.people = {
            role: V1Client(f"sandbox-{role}", town.gateway, session) for role in ("preparer", "approver", "auditor")
        }

    async def summary(self, day: date) -> dict[str, Any]:
        """The day's summary once it is built."""
        async with asyncio.timeout(30):
            while True:
                shown = await self.people["auditor"].get(f"/v1/payouts/{day}")
                if shown["summaries"]:
                    return dict(shown["summaries"][0])
                await asyncio.sleep(0.2)

    async def pay(self, day: date) -> None:
        """Approve as two persons and submit."""
        summary = await self.summary(day)
        body = {"summary_no": summary["summary_no"], "content_hash": summary["content_hash"]}
        for role in ("preparer", "approver"):
            await self.people[role].post(f"/v1/payouts/{day}/approve", body, f"approve-{day}-{role}")
        await self.people["approver"].post(f"/v1/payouts/{day}/submit", body, f"submit-{day}")


async def one_stay(at: Ward, number: int) -> None:
    residents = people("64")
    person = residents[number % len(residents)]
    encounter = Inpatient(at.his, person, days=0)
    await encounter.admit()
    await encounter.upload(at.his.fee_lines(100000 + number, 4))
    await encounter.discharge()
    await encounter.presettle()
    await encounter.settle()


async def verify(town: Town, agency: Agency, session: aiohttp.ClientSession, day: date) -> dict[str, str]:
    """Every order is at the bank once or not at all, and says so; nobody can send it again."""
    summary = await agency.summary(day)
    booked = [e for e in await town.effects(session, "bank") if e["operation"] == "SubmitPayoutBatch"]
    ends: dict[str, str] = {}
    for order in summary["orders"]:
        mine = [effect for effect in booked if effect["key"] == order["pay_order_no"]]
        assert len(mine) <= 1, mine
        assert bool(mine) == (order["state"] == "PAID"), (order, mine)
        assert not mine or f"{mine[0]['amount_fen'] / 100:.2f}" == order["sum_amt"]
        ends[order["pay_order_no"]] = order["state"]
        with pytest.raises(V1Refused, match="NO_SECOND_PAYOUT"):
            await agency.people["approver"].post(
                f"/v1/payout-orders/{order['pay_order_no']}/resubmit",
                {"reason": "try"},
                f"again-{order['pay_order_no']}",
            )
    return ends


async def test_every_step_of_a_payout(town: Town, sample: int, capsys: Any) -> None:
    async with AsyncExitStack() as stack:
        wards = [await stack.enter_async_context(ward(town, code, seed=9)) for code in HOSPITALS]
        session = wards[0].session
        agency = Agency(town, session)
        day = date(2025, 3, 3)
        number = 0
        ends: dict[str, int] = {}

        async def once(kill_at: int | None) -> tuple[int, list[str]]:
            nonlocal day, number
            settled, day = day, next_day(day)
            for at in wards:
                number += 1
                await one_stay(at, number)
            deaths, passed = 0, []

            async def the_day() -> None:
                await move(town, session, f"{day}T08:59:00+08:00")
                await agency.pay(settled)

            if kill_at is None:
                await arm(town, session, 0)
                await the_day()
                passed = await points(town, session)
            else:
                async with killed_at(town, wards[0], kill_at) as keeper:
                    await the_day()
                deaths = keeper.deaths
            await asyncio.sleep(1.0)  # the bank pushes its receipts within two seconds of real time
            later = datetime.fromisoformat(await now(town, session)) + timedelta(hours=2)
            await move(town, session, later.isoformat())
            await asyncio.sleep(1.2)
            await move(town, session, f"{day}T21:00:00+08:00")
            for state in (await verify(town, agency, session, settled)).values():
                ends[state] = ends.get(state, 0) + 1
            # the next run's settlements are of this evening
            return deaths, passed

        _, passed = await once(None)
        assert ends == {"PAID": 2}
        visited = spread(len(passed), sample)
        deaths = 0
        for kill_at in visited:
            try:
                died, _ = await once(kill_at)
            except (AssertionError, V1Refused) as error:
                raise AssertionError(f"killed at {kill_at} {passed[kill_at - 1]}: {error}") from error
            deaths += died
        assert_nothing_hangs(town)
        assert_trail_is_whole(town)
    with capsys.disabled():
        print(f"\npayout: {len(visited)} of {len(passed)} points, {deaths} kills, orders {ends}")  # noqa: T201
    assert deaths >= len(visited) * 0.5
    assert ends["PAID"] > 0
