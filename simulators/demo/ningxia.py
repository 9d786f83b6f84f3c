"""Ningxia: inpatients of two hospitals, settled on three days, whose fund part is paid out the next working day."""

from __future__ import annotations

from dataclasses import dataclass

from simulators.demo.scenario import Scenario
from simulators.demo.world import DAYS
from simulators.hospital.encounters import Inpatient
from simulators.hospital.people import Person


@dataclass(slots=True)
class Ningxia(Scenario):
    """50 people a hospital: one is cancelled and settled again, one is an outpatient, out of the payout's scope."""

    @staticmethod
    def steps(people: int) -> int:
        """One stay or visit each."""
        return people

    @property
    def people(self) -> list[Person]:
        return self.world.people[self.code]

    async def day(self, number: int) -> None:
        today = [person for place, person in enumerate(self.people) if place % len(DAYS) == number]
        await self.each(today, self._treat, "stay")

    async def _treat(self, person: Person) -> None:
        place = self.people.index(person)
        if place == 1:
            await self.ordinary_visit(person)
            return
        await self._stay(person, settle_twice=place == 0)

    async def _stay(self, person: Person, *, settle_twice: bool) -> None:
        encounter = Inpatient(self.his, person, days=self.his.dice.randrange(3, 15))
        await encounter.admit()
        total = self.his.dice.randrange(350_000, 3_800_000)
        await encounter.upload(self.his.fee_lines(total, self.his.dice.randrange(6, 140)))
        await encounter.discharge()
        await encounter.presettle()
        await encounter.settle(impatient=self._impatient())
        if settle_twice:
            await encounter.cancel()
            await encounter.presettle()
            await encounter.settle()
            self.world.stage.say(
                f"{self.code} 2305 撤销后重新结算，只按新结算拨付", "cancelled by 2305 and settled again: paid once"
            )
        self.world.facts.counts["inpatient stays"] += 1
