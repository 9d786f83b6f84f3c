"""The gateway is killed at every step of a stay's deposit and of its capture and release at discharge."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from itertools import cycle
from typing import Any

from simulators.hospital.credit import CreditVisit, Terms
from simulators.hospital.encounters import Inpatient
from simulators.hospital.national import SettlementReversed
from simulators.hospital.people import Person
from simulators.hospital.v1 import V1Refused
from tests.crash.killing import (
    arm,
    assert_nothing_hangs,
    assert_trail_is_whole,
    killed_at,
    move,
    now,
    of_visit,
    points,
    spread,
)
from tests.support.his import Ward, people, ward
from tests.support.sandbox import Town

TERMS = Terms("guangzhou", "bocom", "CREDIT_LOAN", ("OUTPATIENT", "INPATIENT"))
CASH = 26500
DEPOSIT = 30000


async def sign(at: Ward, person: Person) -> str:
    auth_id = await at.his.desk.authorise(person, "2025-12-31")
    agreement = await at.his.desk.apply(person, auth_id, TERMS)
    assert agreement["state"] == "ACTIVE", agreement
    return str(agreement["agreement_no"])


async def admit(at: Ward, person: Person, agreement_no: str) -> tuple[Inpatient, CreditVisit]:
    encounter = Inpatient(at.his, person, days=0)
    await encounter.admit()
    return encounter, await at.his.open_credit_visit(agreement_no, person, encounter.mdtrt_id, "INPATIENT", "21")


async def stay(at: Ward, encounter: Inpatient, visit: CreditVisit, person: Person) -> bool:
    """Deposit held, treated, discharged and settled by 2304; False when the bank never held the deposit."""
    shown = await visit.deposit(at.his.number("YJ"), DEPOSIT)
    amounts = {person.psn_no: {"medfee_sumamt": "1000.00", "psn_cash_pay": "265.00", "acct_pay": "0.00"}}
    async with at.session.put(f"{at.town.simulator('platform')}/_sim/amounts", json=amounts) as answer:
        assert answer.status == 200, await answer.text()
    await encounter.upload(at.his.fee_lines(100000, 5))
    await encounter.discharge()
    await encounter.presettle()
    while True:
        message = await encounter.his.line.message("2304", encounter.settle_input(), person.insuplc_admdvs)
        try:
            await encounter.his.line.insist(message)
        except SettlementReversed:
            continue
        return bool(shown["state"] == "HELD")


async def verify(at: Ward, encounter: Inpatient, visit: CreditVisit) -> str:
    """Held = captured + released, the captured sum once at the bank, one live settlement."""
    town = at.town
    later = datetime.fromisoformat(await now(town, at.session)) + timedelta(minutes=15)
    await move(town, at.session, later.isoformat())
    shown = await visit.at_rest(20)
    platform = of_visit(await town.effects(at.session, "platform"), encounter.mdtrt_id)
    settled = sum(effect["operation"] == "2304" for effect in platform)
    assert settled - sum(effect["operation"] == "2601" for effect in platform) == 1, platform
    mine = {charge["serial"] for charge in shown["charges"]}
    effects = [e for e in await town.effects(at.session, "bank") if e["key"] in mine]
    moved = sum(e["amount_fen"] for e in effects if e["operation"] in ("Withhold", "CompletePreAuthorisation"))
    assert moved == (CASH if shown["state"] == "SETTLED" else moved), (shown, effects)
    assert moved <= CASH
    assert len({(e["operation"], e["key"]) for e in effects}) == len(effects), effects
    assert shown["state"] in ("SETTLED", "CHARGE_FAILED"), shown
    ended = str(shown["state"])
    if ended == "CHARGE_FAILED":  # the cash part is paid at the window, then nothing of the line is kept
        assert moved < CASH, (shown, effects)
        await visit.close(CASH - moved)
        await move(town, at.session, (later + timedelta(minutes=15)).isoformat())
        shown = await visit.at_rest(20)
        assert shown["state"] == "CLOSED_OTHER", shown
    for hold in shown["holds"]:
        assert hold["state"] not in ("HELD", "CAPTURING", "RELEASING", "CREATED", "SUBMITTED", "UNKNOWN"), shown
    assert shown["held_amt"] == "0.00", shown
    return ended


async def test_every_step_of_a_deposit(town: Town, sample: int, capsys: Any) -> None:
    async with ward(town, "H44010000001") as at:
        patients = people("4401")[:6]
        numbers = await asyncio.gather(*(sign(at, person) for person in patients))
        queue = cycle(zip(patients, numbers, strict=True))

        async def once(kill_at: int | None) -> tuple[str, int, list[str]]:
            person, agreement_no = next(queue)
            encounter, visit = await admit(at, person, agreement_no)
            deaths, passed = 0, []
            if kill_at is None:
                await arm(town, at.session, 0)
                await stay(at, encounter, visit, person)
                passed = await points(town, at.session)
            else:
                async with killed_at(town, at, kill_at) as keeper:
                    await stay(at, encounter, visit, person)
                deaths = keeper.deaths
            state = await verify(at, encounter, visit)
            return state, deaths, passed

        state, _, passed = await once(None)
        assert state == "SETTLED"
        visited = spread(len(passed), sample)
        ends: dict[str, int] = {}
        deaths = 0
        for kill_at in visited:
            try:
                state, died, _ = await once(kill_at)
            except (AssertionError, V1Refused) as error:
                raise AssertionError(f"killed at {kill_at} {passed[kill_at - 1]}: {error}") from error
            ends[state] = ends.get(state, 0) + 1
            deaths += died
        assert_nothing_hangs(town)
        assert_trail_is_whole(town)
    with capsys.disabled():
        print(f"\ndeposit: {len(visited)} of {len(passed)} points, {deaths} kills, ends {ends}")  # noqa: T201
    assert deaths >= len(visited) * 0.5
