"""What all scenarios share: several patients at a time, credit pay from consent to charge, ordinary visits."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from simulators.demo.stage import Bar
from simulators.demo.world import World
from simulators.hospital.books import BookedSettlement, fen
from simulators.hospital.credit import CreditVisit, StillMoving, Terms, yuan
from simulators.hospital.encounters import Encounter, Outpatient
from simulators.hospital.his import His
from simulators.hospital.people import Person
from simulators.hospital.v1 import V1Refused

_AT_A_TIME = 4
_SETTLE_TRIES = 6
_WINDOW_PATIENCE, _EVENING_PATIENCE = 8.0, 15.0
"""Real seconds a cashier waits for a charge, and the evening clerk."""
_EVENING_TRIES, _EVENING_PAUSE = 4, 2.0
_IMPATIENT_EVERY = 7
_CHARGED = frozenset({"SETTLED"})


@dataclass(slots=True)
class Open:
    """A credit visit whose charge had no last word yet when its patient left the window."""

    encounter: Encounter
    visit: CreditVisit
    setl_id: str
    cash: int


@dataclass(slots=True)
class Scenario:
    """One hospital's part of the story. Subclasses say who is treated on which day."""

    world: World
    code: str
    bar: Bar
    agreements: dict[str, str] = field(default_factory=dict)
    """psn_no → agreement_no of the people who may pay by credit."""
    waiting: list[Open] = field(default_factory=list)
    _served: int = 0

    @property
    def his(self) -> His:
        return self.world.his[self.code]

    async def open_doors(self) -> None:
        """Signs in at the gateway."""
        await self.his.line.sign_in()

    async def enrol(self) -> None:
        """Agreements of those who want to pay by credit."""

    async def day(self, number: int) -> None:
        """The patients of day 0, 1 or 2."""
        raise NotImplementedError

    async def each(self, people: Iterable[Person], treat: Callable[[Person], Awaitable[None]], what: str) -> None:
        """Treats people, a few at a time; one patient's trouble is not the others'."""
        window = asyncio.Semaphore(_AT_A_TIME)

        async def one(person: Person) -> None:
            async with window:
                await self.world.guarded(f"{self.code} {what} {person.psn_no[-6:]}", treat(person))
            self.bar.step()

        async with asyncio.TaskGroup() as group:
            for person in people:
                group.create_task(one(person))

    # -- credit pay ---------------------------------------------------------------------------------------------------

    async def sign_up(self, person: Person, terms: Terms) -> dict[str, Any]:
        """Consent, application, signing; keeps the agreement when it is active."""
        auth_id = await self.his.desk.authorise(person, "2025-12-31")
        agreement: dict[str, Any] = await self.his.desk.apply(person, auth_id, terms)
        if agreement["state"] == "ACTIVE":
            self.agreements[person.psn_no] = str(agreement["agreement_no"])
            self.world.facts.counts["agreements"] += 1
        return agreement

    async def settle_by_relay(self, encounter: Encounter, visit: CreditVisit) -> Open:
        """The HIS sends 2207 or 2304 as ever; the gateway charges the line after it (contracts.md section 3)."""
        settled = await encounter.settle(impatient=self._impatient())
        cash = settled.booked.amounts["psn_cash_pay"]
        if settled.creditpay is None:
            raise ValueError(f"no creditpay in the answer to {settled.message.msgid}")
        self.world.facts.counts[f"creditpay {settled.creditpay['charge_status']}"] += 1
        return Open(encounter, visit, settled.booked.setl_id, cash)

    async def settle_by_v1(self, encounter: Encounter, visit: CreditVisit) -> Open:
        """The HIS asks ``/v1`` for settlement and charge in one call."""
        bill = (self.his.number("BILL"), encounter.total)
        for attempt in range(_SETTLE_TRIES):
            try:
                shown = await visit.settle(encounter.settle_infno, encounter.settle_input(), bill, str(attempt))
            except V1Refused as refusal:
                if refusal.code != "SETTLEMENT_REVERSED":
                    raise
                continue
            if shown["state"] != "OPEN":  # an insurance of unknown outcome was reversed: OPEN again, settle again
                booked = self._book_visit(encounter, shown)
                return Open(encounter, visit, booked.setl_id, booked.amounts["psn_cash_pay"])
        raise ValueError(f"visit {visit.visit_id} was reversed {_SETTLE_TRIES} times")

    def _book_visit(self, encounter: Encounter, shown: dict[str, Any]) -> BookedSettlement:
        person, at = encounter.person, self.world.clock.now().isoformat(timespec="seconds")
        return self.his.books.book_visit(encounter.settle_infno, shown, at, person.insutype, person.insuplc_admdvs)

    async def finish(self, case: Open) -> None:
        """Books the charge once its outcome is known; a pending or failed one waits for the evening."""
        try:
            shown = await case.visit.at_rest(_WINDOW_PATIENCE)
        except StillMoving:
            self._leave_for_the_evening(case, "charge pending at the window")
            return
        if shown["state"] in _CHARGED:
            self._book(case, shown)
        else:
            self._leave_for_the_evening(case, "charge failed at the window")

    def _leave_for_the_evening(self, case: Open, why: str) -> None:
        self.waiting.append(case)
        self.world.facts.counts[why] += 1

    def _book(self, case: Open, shown: dict[str, Any]) -> None:
        self.his.books.charge(
            case.visit.visit_id, case.setl_id, case.cash, charged=fen(shown["charged_amt"]),
            topped_up=fen(shown["topup_amt"]), otherwise=fen(shown["other_amt"]),
        )  # fmt: skip

    async def is_refused(self, person: Person, terms: Terms, code: str) -> bool:
        """Applies for somebody a rule refuses; True when it was ``code``. Raises ValueError when nobody refused."""
        try:
            agreement = await self.sign_up(person, terms)
        except V1Refused as refusal:
            return refusal.code == code
        if agreement["state"] == "REJECTED":
            return True
        raise ValueError(f"{code} expected, agreement is {agreement['state']}")

    async def evening(self) -> None:
        """Looks again at the charges that had no good end during the day, several at a time."""
        cases, self.waiting = self.waiting, []
        async with asyncio.TaskGroup() as group:
            for case in cases:
                what = f"{self.code} evening {case.visit.visit_id}"
                group.create_task(self.world.guarded(what, self._finish_in_the_evening(case)))

    async def _finish_in_the_evening(self, case: Open) -> None:
        """By now the outcome is certain; a failed charge is tried again as an attempt of its own, then cash."""
        shown = await case.visit.at_rest(_EVENING_PATIENCE)
        for attempt in range(_EVENING_TRIES):
            if shown["state"] in _CHARGED or (attempt and shown.get("fail_code") != "BANK_UNAVAILABLE"):
                break
            await asyncio.sleep(_EVENING_PAUSE if attempt else 0)
            shown = await self._charge_again(case, attempt)
        if shown["state"] in _CHARGED:
            self.world.facts.counts["charged by the evening"] += 1
        else:
            shown = await self._pay_otherwise(case, shown)
        self._book(case, shown)

    async def _charge_again(self, case: Open, attempt: int) -> dict[str, Any]:
        encounter, bill = case.encounter, (self.his.number("BILL"), case.encounter.total)
        await case.visit.settle(encounter.settle_infno, encounter.settle_input(), bill, f"evening-{attempt}")
        return await case.visit.at_rest(_EVENING_PATIENCE)

    async def _pay_otherwise(self, case: Open, shown: dict[str, Any]) -> dict[str, Any]:
        """The line did not pay: the patient pays the rest at the window, in cash."""
        rest = case.cash - fen(shown["topup_amt"])
        shown = await case.visit.close(rest)
        self.world.facts.counts["paid in cash instead"] += 1
        self.world.stage.say(f"{self.code} 代扣未成，窗口现金 {yuan(rest)}", "charge failed, paid in cash")
        return shown

    # -- without credit -----------------------------------------------------------------------------------------------

    async def ordinary_visit(self, person: Person) -> None:
        """An outpatient visit paid at the window: only relayed."""
        visit = Outpatient(self.his, person)
        await visit.register()
        await visit.upload(self.his.fee_lines(self.his.dice.randrange(8_000, 120_000), 3))
        await visit.presettle()
        await visit.settle(impatient=self._impatient())
        self.world.facts.counts["visits"] += 1

    def _impatient(self) -> bool:
        self._served += 1
        return self._served % _IMPATIENT_EVERY == 0
