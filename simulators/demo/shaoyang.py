"""Shaoyang: outpatient credit. Legs, an over-limit reminder with its top-up, one charge per settlement, a refund."""

from __future__ import annotations

from dataclasses import dataclass

from simulators.demo.scenario import Scenario
from simulators.hospital.credit import CreditVisit, Terms, yuan
from simulators.hospital.encounters import Outpatient
from simulators.hospital.people import Person

_TERMS = Terms("shaoyang", "bocom", "CREDIT_LOAN", ("OUTPATIENT", "INPATIENT"))
_KINDS = ("REGISTRATION", "LAB", "EXAM", "DRUG")
_SMALL_LINE = 100_000
_BIG_CASH = 125_050
_BIG_FEE = 300_000
_BIG_LEGS = ((120_000, 40_000), (180_000, 85_050))
"""(fee, estimated self-pay) of the visit that goes over its limit by 250.50 (R-013, R-014)."""


def _wants_credit(place: int) -> bool:
    return place % 5 != 4


@dataclass(slots=True)
class Shaoyang(Scenario):
    """50 people by default: four in five pay by credit, one of them carries a dishonesty mark and may not."""

    refund_of: tuple[Outpatient, CreditVisit] | None = None

    @staticmethod
    def steps(people: int) -> int:
        """An agreement for four in five, a visit for everybody."""
        return people + sum(_wants_credit(place) for place in range(people))

    @property
    def people(self) -> list[Person]:
        return self.world.people[self.code]

    async def enrol(self) -> None:
        """One is marked, one has a small line; the others get what bank and credit platform make of them."""
        marked, tight = self.people[0], self.people[1]
        scores = {marked.certno: {"scheme": "shaoyang", "score": "72.00", "mark": True, "score_date": "2025-02-28"}}
        await self.world.sims.ask("PUT", "credit", "scores", scores)
        line = {"limit": yuan(_SMALL_LINE), "valid_to": "2025-12-31", "free_days": 50, "decision": "offer"}
        await self.world.sims.ask("PUT", "bank", "lines", {tight.certno: line})
        forced = {"medfee_sumamt": yuan(_BIG_FEE), "psn_cash_pay": yuan(_BIG_CASH), "acct_pay": "0.00"}
        await self.world.sims.ask("PUT", "platform", "amounts", {tight.psn_no: forced})
        applicants = [person for place, person in enumerate(self.people) if _wants_credit(place)]
        await self.each(applicants, self._apply, "agreement")

    async def _apply(self, person: Person) -> None:
        if person is not self.people[0]:
            agreement = await self.sign_up(person, _TERMS)
            if agreement["state"] != "ACTIVE":
                raise ValueError(f"agreement is {agreement['state']}")
            return
        if await self.is_refused(person, _TERMS, "BARRED_DISHONEST"):
            self.world.stage.say(
                "一名失信人员被拒绝签约", "a person with a dishonesty mark is refused: BARRED_DISHONEST"
            )

    async def day(self, number: int) -> None:
        """Seven in ten come on the first day."""
        if number == 1:
            await self._refund()
        today = [person for place, person in enumerate(self.people) if max(0, place % 10 - 7) == number]
        await self.each(today, self._treat, "visit")

    async def _treat(self, person: Person) -> None:
        if person.psn_no not in self.agreements:
            await self.ordinary_visit(person)
            return
        await self._credit_visit(person, self.people.index(person))

    async def _credit_visit(self, person: Person, place: int) -> None:
        encounter = Outpatient(self.his, person)
        await encounter.register()
        agreement = self.agreements[person.psn_no]
        visit = await self.his.open_credit_visit(agreement, person, encounter.mdtrt_id, "OUTPATIENT", "11")
        for number, (fee, estimate) in enumerate(self._legs(place)):
            await self._leg(encounter, visit, number, fee, estimate)
        await encounter.presettle()
        by_v1 = place % 5 == 3
        case = await (self.settle_by_v1 if by_v1 else self.settle_by_relay)(encounter, visit)
        await self.finish(case)
        self.world.facts.counts["credit visits"] += 1
        if place == 2:
            self.refund_of = (encounter, visit)

    def _legs(self, place: int) -> tuple[tuple[int, int], ...]:
        if place == 1:
            return _BIG_LEGS
        fees = [self.his.dice.randrange(3_000, 60_000) for _ in range(self.his.dice.choice((2, 3)))]
        return tuple((fee, fee * 45 // 100) for fee in fees)

    async def _leg(self, encounter: Outpatient, visit: CreditVisit, number: int, fee: int, estimate: int) -> None:
        kind = _KINDS[number % len(_KINDS)]
        await encounter.upload(self.his.fee_lines(fee, 2))
        answer = await visit.leg(f"L{number + 1}", kind, fee, estimate)
        self.world.facts.counts["legs"] += 1
        if answer.go:
            return
        self.world.facts.counts["over-limit reminders"] += 1
        await visit.top_up(self.his.number("TU"), f"L{number + 1}", answer.excess)
        excess = yuan(answer.excess)
        self.world.stage.say(f"超额提醒：补缴 {excess} 元后继续", f"over-limit reminder: {excess} topped up by WeChat")

    async def _refund(self) -> None:
        """The next day one visit is refunded: 2208 at the insurance, then the bank gives the charge back."""
        if self.refund_of is None:
            return
        encounter, visit = self.refund_of
        await encounter.cancel()
        shown = await visit.at_rest()
        if shown["state"] != "REVERSED":
            raise ValueError(f"visit {visit.visit_id} is {shown['state']} after 2208")
        charged = self.his.books.charges[visit.visit_id].charged
        self.his.books.refund(visit.visit_id, charged)
        self.world.facts.counts["refunds"] += 1
        self.world.stage.say(
            f"2208 退费：信用支付 {yuan(charged)} 元原路退回", f"2208 refund: {yuan(charged)} back to the credit line"
        )
