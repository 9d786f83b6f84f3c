"""Any order of anything, with anything going wrong: in the end gateway, bank and platform say the same, to the fen."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from gateway.flows.api import Caller
from gateway.journal.entities import Entity
from gateway.model.money import format_yuan
from tests.support.credit import GUANGZHOU, Said, Window, World
from tests.support.parties import Insured, refused

BANK = Caller(id="bocom", role="bank", bank="bocom")
LOST = ("lost_before", "lost_after")
FAULTS = {
    **dict.fromkeys(
        ("Withhold", "Refund", "PreAuthorise", "CompletePreAuthorisation", "VoidPreAuthorisation", "QueryTransaction",
         "2207", "2304", "callback"), (*LOST, "nothing_left"),
    ),
    **dict.fromkeys(("2208", "2305", "2601"), LOST),
}  # fmt: skip
REFUSALS = ("Withhold", "PreAuthorise", "CompletePreAuthorisation")
LIMIT = 1_000_000


@dataclass
class Ward:
    """One person's visits at a hospital, and dice."""

    world: World
    window: Window
    dice: random.Random
    person: Insured
    number: str
    visits: list[str] = field(default_factory=list)
    count: int = 0

    def amount(self, most: int = 400_000) -> str:
        """An amount in yuan."""
        return format_yuan(self.dice.randrange(1, most))

    def next(self, prefix: str) -> str:
        """A fresh number."""
        self.count += 1
        return f"{prefix}{self.count}"

    async def step(self) -> None:
        """Something happens; perhaps something goes wrong."""
        if self.dice.random() < 0.35:
            operation = self.dice.choice(sorted(FAULTS))
            self.world.wire.fault(operation, self.dice.choice(FAULTS[operation]))
        if self.dice.random() < 0.1:
            self.world.bank.party.say(self.dice.choice(REFUSALS), refused("AM04", "余额不足"))
        if not self.visits or self.dice.random() < 0.15:
            await self.open()
            return
        await self.dice.choice(self.acts())(self.dice.choice(self.visits))

    def acts(self) -> list[Callable[[str], Awaitable[Said | None]]]:
        """What may happen to a visit."""
        return [
            self.leg, self.topup, self.deposit, self.deposit, self.settle, self.settle, self.settle, self.cancel,
            self.close, self.repay, self.wait, self.wait, self.leave,
        ]  # fmt: skip

    async def open(self) -> None:
        scene = self.dice.choice(("OUTPATIENT", "INPATIENT"))
        self.visits.append(await self.window.open(self.number, self.person, scene))

    async def leg(self, visit: str) -> Said:
        return await self.window.leg(visit, self.next("L"), self.amount())

    async def topup(self, visit: str) -> Said:
        shown = await self.window.view(visit)
        over = [leg for leg in shown["legs"] if leg["decision"] == "over_limit"]
        if over:
            return await self.window.topup(visit, over[0]["excess_amt"], over[0]["leg_no"], self.next("T"))
        return await self.window.topup(visit, self.amount(5_000), None, self.next("T"))

    async def deposit(self, visit: str) -> Said:
        return await self.window.deposit(visit, self.amount(), self.next("D"))

    async def settle(self, visit: str) -> Said:
        shown = await self.window.view(visit)
        if shown["settlement"] is not None:
            return await self.window.settle(visit, shown["settlement"]["medfee_sumamt"], self.next("K"))
        cash = self.dice.choice((0, self.dice.randrange(1, 500_000)))
        total, paid = format_yuan(cash + 10_000), format_yuan(cash)
        self.world.platform.will_settle(self.person.psn_no, total, "100.00", "0.00", paid)
        return await self.window.settle(visit, total, self.next("K"))

    async def cancel(self, visit: str) -> Said:
        return await self.window.cancel(visit, self.next("C"))

    async def close(self, visit: str) -> Said:
        shown = await self.window.view(visit)
        return await self.window.close(visit, shown["remaining_amt"], self.next("P"))

    async def repay(self, _visit: str) -> Said | None:
        shown = await self.window.get(f"/v1/agreements/{self.number}")
        used = int(shown["used_amt"].replace(".", ""))
        owed = min(used, self.world.bank.line(self.person.certno).used_fen)
        if owed <= 0:
            return None
        part = self.dice.randrange(1, owed + 1)
        self.world.bank.repay(self.person.certno, part)
        body = {
            "agreement_no": self.number, "channel": "WECHAT", "channel_serial": self.next("W"),
            "amount": format_yuan(part), "paid_at": "2025-03-05T10:00:00+08:00",
        }  # fmt: skip
        return await self.window.post("/v1/repayments", body, caller=BANK)

    async def wait(self, _visit: str) -> None:
        await self.window.site.pass_time(seconds=self.dice.choice((1, 10, 600, 7200, 90_000)))

    async def leave(self, visit: str) -> None:
        shown = await self.window.view(visit)
        if shown["scene"] == "INPATIENT" and self.dice.random() < 0.5:
            await self.window.relay("2404", visit, f"{GUANGZHOU}2025030308{self.next(''):0>8}")

    # -- the end ----------------------------------------------------------------------------------------------------

    async def come_to_rest(self) -> None:
        """Nothing goes wrong any more, refused refunds are tried anew, and time passes until every hold is over."""
        self.world.wire.faults.clear()
        self.world.bank.party.planned.clear()
        for _ in range(3):
            await self.window.site.pass_time(days=2)
            for visit in self.visits:
                if (await self.window.view(visit))["state"] == "REVERSING":
                    await self.cancel(visit)
        await self.window.site.pass_time(days=35)
        self.world.bank.expire()

    async def check(self) -> None:
        """Everybody says the same."""
        journal = self.window.site.house.journal
        agreement = (await self.window.entities("agreement"))[0]
        line, bank = await journal.line(agreement.id), self.world.bank.line(self.person.certno)
        holds, charges = await self.window.entities("hold"), await self.window.entities("charge")
        assert (line.used_fen, line.held_fen) == (bank.used_fen, _own(holds) + bank.held_fen)
        assert 0 <= line.used_fen + line.held_fen <= LIMIT
        for hold in holds:
            assert hold["captured_fen"] + hold["released_fen"] <= hold["amount_fen"]
            if hold.state in ("CAPTURED", "RELEASED", "LAPSED"):
                assert hold["captured_fen"] + hold["released_fen"] == hold["amount_fen"], hold.id
        for charge in charges:
            assert charge["refunded_fen"] <= charge["amount_fen"]
            if charge.state in ("SUCCEEDED", "VOIDED", "REFUNDED", "PART_REFUNDED"):
                done = [effect for effect in self.world.bank.effects if effect.key == charge["serial"]]
                assert [effect.amount_fen for effect in done] == [charge["amount_fen"]]
        keys = [effect.key for effect in self.world.bank.effects]
        assert len(keys) == len(set(keys))
        for visit in self.visits:
            await self.check_visit(visit)

    async def check_visit(self, visit: str) -> None:
        """V1, V3 and the platform's word."""
        shown = await self.window.view(visit)
        assert shown["state"] not in ("SETTLING", "HOLD_PENDING", "CHARGE_PENDING", "REVERSING"), shown
        live = [s for s in self.world.platform.settled.values() if s.mdtrt_id == shown["mdtrt_id"]]
        assert len(live) == int(shown["settlement"] is not None), shown
        if shown["state"] in ("SETTLED", "CLOSED_OTHER") and shown["settlement"] is not None:
            parts = [int(shown[name].replace(".", "")) for name in ("charged_amt", "topup_amt", "other_amt")]
            cash = int(shown["settlement"]["psn_cash_pay"].replace(".", ""))
            assert sum(parts) == cash or (parts[0] == 0 and parts[1] > cash), shown
        if shown["state"] in ("SETTLED", "CLOSED_OTHER", "RELEASED", "REVERSED"):
            assert shown["held_amt"] == "0.00", shown


def _own(holds: list[Entity]) -> int:
    """Reservations at the gateway alone."""
    return sum(hold["amount_fen"] for hold in holds if hold["hold_kind"] == "LEGS" and hold.state == "HELD")


async def play(path: Path, seed: int, steps: int) -> None:
    """One story."""
    world, dice = World(path), random.Random(seed)
    with capture_logs():
        async with world.gateway() as found:
            window = found.at(GUANGZHOU)
            person = world.person(city="guangzhou", score=None)
            ward = Ward(world, window, dice, person, await window.agreement(person, LIMIT))
            for _ in range(steps):
                await ward.step()
            await ward.come_to_rest()
            await ward.check()


@pytest.mark.parametrize("seed", range(8))
async def test_any_order_of_anything_ends_balanced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    for module in ("settlements", "cancelling"):
        monkeypatch.setattr(f"gateway.flows.credit.{module}.PATIENCE", 0.01)
    await play(tmp_path, seed, 40)
