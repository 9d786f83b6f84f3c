"""Guangzhou: deposits from the credit line, captured and released at discharge; ordinary visits beside them."""

from __future__ import annotations

from dataclasses import dataclass, field

from simulators.demo.scenario import Scenario
from simulators.hospital.credit import CreditVisit, Terms, yuan
from simulators.hospital.encounters import Inpatient
from simulators.hospital.people import Person

_TERMS = Terms("guangzhou", "bocom", "CREDIT_LOAN", ("INPATIENT", "OUTPATIENT"))
_DEPOSIT = 300_000
_LINE = 1_000_000
_EXACT = {0: 265_000, 1: 340_000}
"""Cash parts of R-075: 2,650.00 (release 350.00) and 3,400.00 (400.00 extra), by place in the ward."""


@dataclass(slots=True)
class Stay:
    """A patient on the ward: admitted on the first day, discharged on the last."""

    person: Person
    encounter: Inpatient
    visit: CreditVisit
    place: int


@dataclass(slots=True)
class Guangzhou(Scenario):
    """Two in five of 50 people are admitted with a deposit from their line."""

    ward: list[Stay] = field(default_factory=list)

    @staticmethod
    def steps(people: int) -> int:
        """Agreement, admission and discharge of a patient; one visit of everybody else."""
        patients = sum(place % 5 < 2 for place in range(people))
        return 3 * patients + people - patients

    @property
    def people(self) -> list[Person]:
        return self.world.people[self.code]

    @property
    def patients(self) -> list[Person]:
        return [person for place, person in enumerate(self.people) if place % 5 < 2]

    async def enrol(self) -> None:
        """Lines of 10,000.00 for the two whose figures are fixed, then agreements for everybody on the ward."""
        line = {"limit": yuan(_LINE), "valid_to": "2025-12-31", "free_days": 56, "decision": "offer"}
        await self.world.sims.ask("PUT", "bank", "lines", {person.certno: line for person in self.patients})
        await self.each(self.patients, self._apply, "agreement")

    async def _apply(self, person: Person) -> None:
        agreement = await self.sign_up(person, _TERMS)
        if agreement["state"] != "ACTIVE":
            raise ValueError(f"agreement is {agreement['state']}")

    async def day(self, number: int) -> None:
        """Day 0 admissions, day 2 discharges; visitors without credit every day."""
        if number == 0:
            await self.each(self.patients, self._admit, "admission")
            held = yuan(_DEPOSIT * len(self.ward))
            self.world.stage.say(f"{len(self.ward)} 人入院，押金占用共 {held} 元", f"{held} held as deposits")
        visitors = [person for place, person in enumerate(self.people) if place % 5 == number + 2]
        await self.each(visitors, self.ordinary_visit, "visit")
        if number == 2:
            await self.each([stay.person for stay in self.ward], self._discharge, "discharge")

    async def _admit(self, person: Person) -> None:
        encounter = Inpatient(self.his, person, days=0)
        await encounter.admit()
        agreement = self.agreements[person.psn_no]
        visit = await self.his.open_credit_visit(agreement, person, encounter.mdtrt_id, "INPATIENT", "21")
        shown = await visit.deposit(self.his.number("YJ"), _DEPOSIT)
        if shown["state"] != "HELD":
            raise ValueError(f"deposit: visit is {shown['state']}")
        self.ward.append(Stay(person, encounter, visit, self.patients.index(person)))
        self.world.facts.counts["deposits"] += 1

    async def _discharge(self, person: Person) -> None:
        stay = next(stay for stay in self.ward if stay.person is person)
        encounter, total = stay.encounter, self.his.dice.randrange(500_000, 1_400_000)
        if stay.place in _EXACT:
            forced = {"medfee_sumamt": yuan(total), "psn_cash_pay": yuan(_EXACT[stay.place]), "acct_pay": "0.00"}
            await self.world.sims.ask("PUT", "platform", "amounts", {person.psn_no: forced})
        await encounter.upload(self.his.fee_lines(total, self.his.dice.randrange(8, 130)))
        await encounter.discharge()
        await encounter.presettle()
        by_v1 = stay.place % 4 == 3
        case = await (self.settle_by_v1 if by_v1 else self.settle_by_relay)(encounter, stay.visit)
        await self.finish(case)
        self.world.facts.counts["stays with deposit"] += 1
