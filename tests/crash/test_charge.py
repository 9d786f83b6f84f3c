"""The gateway is killed at every step of a credit charge: relayed settlement, charge at the bank, answer to the HIS."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from itertools import cycle
from typing import Any

from simulators.hospital.credit import CreditVisit, Terms
from simulators.hospital.encounters import Outpatient
from simulators.hospital.national import SettlementReversed
from simulators.hospital.people import Person
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

TERMS = Terms("shaoyang", "bocom", "CREDIT_LOAN", ("OUTPATIENT", "INPATIENT"))


class Patient:
    """A person with a credit agreement; every visit costs 100.00 in cash."""

    def __init__(self, at: Ward, person: Person) -> None:
        self.at, self.person, self.agreement_no = at, person, ""

    async def sign(self) -> None:
        """Consent, application, signing."""
        auth_id = await self.at.his.desk.authorise(self.person, "2025-12-31")
        agreement = await self.at.his.desk.apply(self.person, auth_id, TERMS)
        assert agreement["state"] == "ACTIVE", agreement
        self.agreement_no = agreement["agreement_no"]

    async def arrive(self) -> tuple[Outpatient, CreditVisit]:
        """Registered, treated, everything uploaded; the bill is 200.00, of which 100.00 in cash."""
        amounts = {self.person.psn_no: {"medfee_sumamt": "200.00", "psn_cash_pay": "100.00", "acct_pay": "0.00"}}
        url = f"{self.at.town.simulator('platform')}/_sim/amounts"
        async with self.at.session.put(url, json=amounts) as answer:
            assert answer.status == 200, await answer.text()
        encounter = Outpatient(self.at.his, self.person)
        await encounter.register()
        visit = await self.at.his.open_credit_visit(
            self.agreement_no, self.person, encounter.mdtrt_id, "OUTPATIENT", "11"
        )
        await encounter.upload(self.at.his.fee_lines(20000, 3))
        await encounter.presettle()
        return encounter, visit


async def settle(encounter: Outpatient) -> Any:
    """As a HIS does: the same message until it is answered for good; after a reversal a new one."""
    while True:
        message = await encounter.his.line.message("2207", encounter.settle_input(), encounter.person.insuplc_admdvs)
        try:
            return message, await encounter.his.line.insist(message)
        except SettlementReversed:
            continue


async def verify(at: Ward, encounter: Outpatient, visit: CreditVisit, message: Any, answer: Any) -> str:
    """Ledgers = journal, no effect twice, nothing acknowledged lost."""
    town = at.town
    later = datetime.fromisoformat(await now(town, at.session)) + timedelta(minutes=15)
    await move(town, at.session, later.isoformat())
    shown = await visit.at_rest(20)
    platform = of_visit(await town.effects(at.session, "platform"), encounter.mdtrt_id)
    settled = [effect for effect in platform if effect["operation"] == "2207"]
    undone = [effect for effect in platform if effect["operation"] == "2601"]
    assert len(settled) - len(undone) == 1, platform
    serials = {charge["serial"] for charge in shown["charges"]}
    bank = [e for e in await town.effects(at.session, "bank") if e["operation"] == "Withhold" and e["key"] in serials]
    charged = sum(effect["amount_fen"] for effect in bank)
    assert charged == (10000 if shown["state"] == "SETTLED" else 0), (shown, bank)
    assert len(bank) <= 1
    assert shown["state"] in ("SETTLED", "CHARGE_FAILED")
    assert shown["settlement"]["setl_id"] == answer.output["setlinfo"]["setl_id"]
    again = await encounter.his.line.repeat(message)
    assert again.raw == answer.raw
    return str(shown["state"])


async def test_every_step_of_a_charge(town: Town, sample: int, capsys: Any) -> None:
    async with ward(town) as at:
        patients = [Patient(at, person) for person in people("4305")[:6]]
        await asyncio.gather(*(patient.sign() for patient in patients))
        queue = cycle(patients)

        async def once(kill_at: int) -> tuple[str, int]:
            encounter, visit = await next(queue).arrive()
            async with killed_at(town, at, kill_at) as keeper:
                message, answer = await settle(encounter)
            return await verify(at, encounter, visit, message, answer), keeper.deaths

        await once(0)  # warm
        encounter, visit = await next(queue).arrive()
        await arm(town, at.session, 0)
        message, answer = await settle(encounter)
        passed = await points(town, at.session)
        assert await verify(at, encounter, visit, message, answer) == "SETTLED"
        ends: dict[str, int] = {}
        visited = spread(len(passed), sample)
        deaths = 0
        for kill_at in visited:
            state, died = await once(kill_at)
            ends[state] = ends.get(state, 0) + 1
            deaths += died
        assert_nothing_hangs(town)
        assert_trail_is_whole(town)
    with capsys.disabled():
        print(f"\ncharge: {len(visited)} of {len(passed)} points, {deaths} kills, ends {ends}")  # noqa: T201
    assert deaths >= len(visited) * 0.5
