"""A payout day whose process dies at every single commit, and starts again: the bank pays every order exactly once."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.flows.api import Caller
from gateway.flows.payout import approving, submitting
from gateway.journal.entities import Act
from gateway.journal.store import Store
from gateway.model.clock import SandboxClock
from gateway.model.refusals import Refusal
from tests.support.house import CrashingStore, Killed, Wire, moment, still_clock
from tests.support.journals import new_store
from tests.support.payouts import ONE, TWO, Area, PayoutBank, Platform, area_over

DAY = "2025-03-03"


@dataclass
class Outside:
    """What no crash of ours touches: the file, the clock's file, the bank and the platform."""

    store: Store
    clock: SandboxClock
    bank: PayoutBank
    platform: Platform
    wire: Wire
    lives: int = 0

    async def life(self, die_at: int | None = None, *, after: bool = False) -> tuple[Area, CrashingStore]:
        """A fresh process over the same outside."""
        self.lives += 1
        store = CrashingStore(self.store)
        area = area_over(
            store, self.clock, bank=self.bank, platform=self.platform, wire=self.wire, instance=f"I{self.lives}"
        )
        await area.house.journal.exchanges.drop_leases()
        await area.house.delivery.recover()
        await area.seed()
        store.commits, store.die_at, store.after = 0, die_at, after
        return area, store


@asynccontextmanager
async def outside(folder: Path, template: Path) -> AsyncIterator[Outside]:
    """The world on the evening of the settlements."""
    shutil.copy(template, folder / "x.db")
    store = new_store(folder / "x.db")
    await store.open()
    clock = still_clock(folder / "clock.json", moment("2025-03-03 12:00"))
    bank, platform = PayoutBank(clock), Platform()
    try:
        yield Outside(store, clock, bank, platform, Wire({"bocom": bank, "insurance": platform}))
    finally:
        await store.close()


@pytest.fixture
async def template(tmp_path: Path) -> Path:
    """A store with the settlements of a day."""
    store = new_store(tmp_path / "t.db")
    await store.open()
    area = area_over(store, still_clock(tmp_path / "t.json", moment("2025-03-03 12:00")))
    await area.seed()
    await area.settle("A", "1000.00", DAY)
    await area.settle("B", "500.00", DAY)
    await area.settle("C", "250.00", DAY, hospital=TWO)
    await area.settle("OUT", "70.00", DAY, med_type="11")
    await store.close()
    return tmp_path / "t.db"


async def morning(area: Area) -> None:
    """Reconciliation and build."""
    await area.at("2025-03-04 09:00")


async def approvals(area: Area) -> None:
    """Two persons, each under the key of their own call."""
    summary = await area.house.journal.entities.first("summary", "biz_date = :day", day=DAY)
    assert summary is not None
    for role in ("preparer", "approver"):
        caller = Caller(id=f"sandbox-{role}", role=role)  # type: ignore[arg-type]
        act = Act(caller.actor, f"K-{role}", f"X-{role}")
        await approving.approve(area.house, summary.id, summary["content_hash"], caller, act)


async def submission(area: Area) -> None:
    """A person's submit, the job's own, statuses and receipts."""
    summary = await area.house.journal.entities.first("summary", "biz_date = :day", day=DAY)
    assert summary is not None
    await submitting.submit(area.house, summary.id, Act("approver:x", "K-submit", "X-submit"))
    await area.at("2025-03-04 12:00")


async def evening(area: Area) -> None:
    """The day's close."""
    await area.at("2025-03-04 21:00")


async def month_end(area: Area) -> None:
    """The month's feedback."""
    await area.call("POST", "/v1/feedback/202503", {})


STEPS = {
    "morning": (morning,),
    "approvals": (morning, approvals),
    "submission": (morning, approvals, submission),
    "evening": (morning, approvals, submission, evening),
    "month_end": (morning, approvals, submission, evening, month_end),
}


async def play(world: Outside, name: str, die_at: int, *, after: bool) -> bool:
    """Play up to the step that dies, die in it, live again to the end. False when the step was over before."""
    *before, dying = STEPS[name]
    area, _ = await world.life()
    for step in before:
        await step(area)
    area, _ = await world.life(die_at, after=after)
    survived = True
    try:
        await dying(area)
    except Killed:
        survived = False
    area, _ = await world.life()
    for step in (*STEPS[name][-1:], *(s for s in STEPS["month_end"] if s not in STEPS[name])):
        await step(area)
    await holds(world, area)
    return not survived


async def holds(world: Outside, area: Area) -> None:
    """Each order is at the bank once or never, and our books say which; everything ties (P1, P4, R2, M1)."""
    serials = [serial for serial, _ in world.bank.effects]
    assert len(serials) == len(set(serials)), "paid twice"
    summary = await area.summary(DAY)
    assert (summary["item_count"], summary["sum_amt"], summary["version"]) == (3, "1050.00", 1)
    states = {order["pay_order_no"]: order["state"] for order in summary["orders"]}
    assert {number for number, state in states.items() if state == "PAID"} == set(serials)
    assert set(states.values()) <= {"PAID", "FAILED"}
    assert summary["state"] == "CLOSED"
    assert await area.keys() == {"A": 1, "B": 1, "C": 1}
    feedback = (await area.call("GET", "/v1/feedback/202503")).resource
    basis = sum(int(row["basis_amt"].replace(".", "")) for row in feedback["hospitals"])
    assert basis == sum(fen for _, fen in world.bank.effects)
    assert [row["setl_id"] for row in (await area.day(DAY))["excluded"]] == ["OUT"]


@pytest.mark.parametrize("name", list(STEPS))
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_dying_at_every_commit(tmp_path: Path, template: Path, name: str, after: bool) -> None:
    died = 0
    for number in range(1, 200):
        folder = tmp_path / f"{number}"
        folder.mkdir()
        async with outside(folder, template) as world:
            if not await play(world, name, number, after=after):
                break
        died += 1
    assert died >= 1


async def test_dying_while_the_bank_is_answering(tmp_path: Path, template: Path) -> None:
    async with outside(tmp_path, template) as world:
        area, _ = await world.life()
        await morning(area)
        await approvals(area)
        world.wire.fault("SubmitPayoutBatch", "dies_after")
        with pytest.raises(Killed):
            await submission(area)
        area, _ = await world.life()
        for step in (submission, evening, month_end):
            await step(area)
        await holds(world, area)
        assert len(world.bank.effects) == 2


async def test_two_instances_race_on_the_same_jobs(tmp_path: Path, template: Path) -> None:
    """Two processes over one store build, submit and close at the same moment."""
    import asyncio

    from gateway.flows.payout.building import build
    from gateway.flows.payout.closing import close_day
    from tests.support.payouts import AGENCY

    async with outside(tmp_path, template) as world:
        one, _ = await world.life()
        two, _ = await world.life()
        await one.at("2025-03-04 08:00")
        world.clock.move(moment("2025-03-04 08:30"), 0)
        act = Act("job:payout.build")
        built = await asyncio.gather(build(one.house, AGENCY, act), build(two.house, AGENCY, act))
        assert sorted(len(numbers) for numbers in built) == [0, 1]
        await approvals(one)
        number = next(numbers[0] for numbers in built if numbers)
        outcomes = await asyncio.gather(
            *(submitting.submit(area.house, number, act) for area in (one, two, one)), return_exceptions=True
        )
        assert all(not isinstance(found, Exception) or isinstance(found, Refusal) for found in outcomes)
        assert len(world.bank.effects) == 2
        await one.at("2025-03-04 12:00")
        day = world.clock.now().date()
        await asyncio.gather(close_day(one.house, AGENCY, day), close_day(two.house, AGENCY, day))
        await one.call("POST", "/v1/feedback/202503", {})
        await holds(world, one)
        assert len(world.bank.effects) == 2
        assert {order["fixmedins_code"] for order in (await one.summary(DAY))["orders"]} == {ONE, TWO}
