"""A gateway that dies at any commit of any flow: the next life ends where the first would have, with the same effects.

Every flow is run once to count its commits, then once for each of them: dying instead of it and dying right after it.
What was there before the flow is prepared once and copied.
"""

from __future__ import annotations

import copy
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway.model.bank import BankStatus, MoneyReply
from tests.support.credit import GUANGZHOU, SHAOYANG, Window, World
from tests.support.parties import accepted
from tests.support.site import Dead

Facts = dict[str, Any]


@dataclass(frozen=True)
class Story:
    """A flow: what is there before, the call that may be cut off, and what must be true in the end."""

    name: str
    before: Callable[[World, Window], Awaitable[Facts]]
    call: Callable[[World, Window, Facts], Awaitable[Any]]
    after: Callable[[World, Window, Facts], Awaitable[None]]
    hospital: str = SHAOYANG
    minutes: int = 30


# -- stories --------------------------------------------------------------------------------------------------------


async def consented(world: World, window: Window) -> Facts:
    person = world.person(city=window.city, score="72.00")
    auth = await window.authorise(person)
    return {"person": person, "body": window.application(person, auth["auth_id"])}


async def apply(_world: World, window: Window, facts: Facts) -> Any:
    return await window.post("/v1/agreements", facts["body"], "apply")


async def active(world: World, window: Window, facts: Facts) -> None:
    said = await apply(world, window, facts)
    if said.status == 503:  # the signing was cut off before it left: final NOT_FOUND, and the person applies anew
        assert world.bank.did("SignAgreement") == []
        said = await window.post("/v1/agreements", facts["body"], "apply-again")
    assert (said.status, said["state"]) == (200, "ACTIVE")
    assert len(world.bank.did("SignAgreement")) == 1
    assert [row.state for row in await window.entities("agreement") if row["live"]] == ["ACTIVE"]


async def with_leg(world: World, window: Window) -> Facts:
    person = world.person()
    number = await window.agreement(person, 500_000)
    visit = await window.open(number, person)
    await window.leg(visit, "L1", "800.00")
    world.platform.will_settle(person.psn_no, "3000.00", "1900.00", "100.00", "1000.00")
    return {"person": person, "number": number, "visit": visit}


async def settle(_world: World, window: Window, facts: Facts) -> Any:
    return await window.settle(facts["visit"], "3000.00", "settle")


async def settled_once(world: World, window: Window, facts: Facts) -> None:
    """A settlement cut off in mid-air is reversed; then the hospital settles again under a new key."""
    said = await settle(world, window, facts)
    if said.code == "SETTLEMENT_REVERSED":
        said = await window.settle(facts["visit"], "3000.00", "settle-again")
    shown = await window.view(facts["visit"])
    if shown["state"] == "CHARGE_FAILED":  # the withholding was cut off before it left: final NOT_FOUND
        assert shown["charges"][-1]["state"] == "NOT_RECEIVED"
        assert world.bank.did("Withhold") == []
        shown = (await window.settle(facts["visit"], "3000.00", "charge-again")).body
    assert (shown["state"], shown["charged_amt"], shown["held_amt"]) == ("SETTLED", "1000.00", "0.00"), said
    assert await window.avail(facts["number"]) == "4000.00"
    assert len(world.platform.settled) == 1
    assert [effect.amount_fen for effect in world.bank.did("Withhold")] == [100_000]


async def settled_before(world: World, window: Window) -> Facts:
    facts = await with_leg(world, window)
    await settle(world, window, facts)
    return facts


async def cancel(_world: World, window: Window, facts: Facts) -> Any:
    return await window.cancel(facts["visit"], "cancel")


async def refunded_once(world: World, window: Window, facts: Facts) -> None:
    await cancel(world, window, facts)
    shown = await window.view(facts["visit"])
    if shown["state"] == "REVERSING":  # the refund was cut off before it left: the hospital has it tried anew
        assert world.bank.did("Refund") == []
        shown = (await window.cancel(facts["visit"], "cancel-again")).body
    assert (shown["state"], shown["charged_amt"]) == ("REVERSED", "0.00")
    assert [effect.amount_fen for effect in world.bank.did("Refund")] == [100_000]
    assert world.platform.settled == {}
    assert await window.avail(facts["number"]) == "5000.00"


async def stay(world: World, window: Window) -> Facts:
    person = world.person(city="guangzhou", score=None)
    number = await window.agreement(person, 1_000_000)
    return {"person": person, "number": number, "visit": await window.open(number, person, "INPATIENT")}


async def deposit(_world: World, window: Window, facts: Facts) -> Any:
    return await window.deposit(facts["visit"], "3000.00", "D1", "deposit")


async def held_once(world: World, window: Window, facts: Facts) -> None:
    await deposit(world, window, facts)
    shown = await window.view(facts["visit"])
    if shown["state"] == "OPEN":  # cut off before it left
        assert world.bank.did("PreAuthorise") == []
        shown = (await window.deposit(facts["visit"], "3000.00", "D1", "deposit-again")).body
    assert (shown["state"], shown["held_amt"]) == ("HELD", "3000.00")
    assert world.bank.line(facts["person"].certno).held_fen == 300_000
    assert await window.avail(facts["number"]) == "7000.00"


async def held_twice(world: World, window: Window) -> Facts:
    facts = await stay(world, window)
    await window.deposit(facts["visit"], "3000.00", "D1")
    await window.deposit(facts["visit"], "500.00", "D2")
    world.platform.will_settle(facts["person"].psn_no, "8650.00", "6000.00", "0.00", "2650.00")
    return facts


async def discharge(_world: World, window: Window, facts: Facts) -> Any:
    return await window.settle(facts["visit"], "8650.00", "discharge")


async def captured_once(world: World, window: Window, facts: Facts) -> None:
    said = await discharge(world, window, facts)
    if said.code == "SETTLEMENT_REVERSED":
        await window.settle(facts["visit"], "8650.00", "discharge-again")
    shown = await window.view(facts["visit"])
    if shown["state"] == "CHARGE_FAILED":
        assert world.bank.did("CompletePreAuthorisation") == []
        shown = (await window.settle(facts["visit"], "8650.00", "capture-again")).body
    await window.site.pass_time(days=40)  # a void that was cut off ends with its hold
    shown = await window.view(facts["visit"])
    assert (shown["state"], shown["charged_amt"], shown["held_amt"]) == ("SETTLED", "2650.00", "0.00")
    assert [effect.amount_fen for effect in world.bank.did("CompletePreAuthorisation")] == [265_000]
    assert await window.avail(facts["number"]) == "7350.00"
    for hold in shown["holds"]:
        parts = [int(hold[name].replace(".", "")) for name in ("captured_amt", "released_amt")]
        assert sum(parts) == int(hold["amount"].replace(".", ""))


async def pending(world: World, window: Window) -> Facts:
    facts = await with_leg(world, window)
    world.bank.party.say("Withhold", accepted(MoneyReply(status=BankStatus.PDNG)))
    await settle(world, window, facts)
    request = world.bank.party.asked("Withhold")[0]
    world.bank.serve("Withhold", request)
    return facts


async def pay_cash(_world: World, window: Window, facts: Facts) -> Any:
    said = await window.close(facts["visit"], "1000.00", "cash")
    await window.site.pass_time(minutes=10)
    return said


async def never_both(world: World, window: Window, facts: Facts) -> None:
    await window.close(facts["visit"], "1000.00", "cash")
    shown = await window.view(facts["visit"])
    if shown["state"] == "SETTLED":  # the bank's word came before the patient's cash was noted
        assert (shown["charged_amt"], shown["other_amt"]) == ("1000.00", "0.00")
        return
    if shown["state"] == "CHARGE_PENDING":  # the refund was cut off before it left; a person has the case
        assert world.bank.did("Refund") == []
        assert "REFUND_REFUSED" in await window.tasks()
        return
    assert (shown["state"], shown["charged_amt"], shown["other_amt"]) == ("CLOSED_OTHER", "0.00", "1000.00")
    assert [effect.amount_fen for effect in world.bank.did("Refund")] == [100_000]


async def leg(_world: World, window: Window, facts: Facts) -> Any:
    return await window.leg(facts["visit"], "L2", "300.00", key="leg")


async def held_leg_once(world: World, window: Window, facts: Facts) -> None:
    assert (await leg(world, window, facts))["decision"] == "go"
    assert await window.avail(facts["number"]) == "3900.00"


async def renewal_due(world: World, window: Window) -> Facts:
    facts = await stay(world, window)
    await window.deposit(facts["visit"], "3000.00", "D1")
    await window.site.pass_time(days=26, hours=23)
    return facts


async def renew(_world: World, window: Window, _facts: Facts) -> Any:
    await window.site.pass_time(hours=2)
    if window.site.store.dead:  # the scheduler outlives what it runs
        raise Dead


async def renewed_once(world: World, window: Window, facts: Facts) -> None:
    await renew(world, window, facts)
    await window.site.pass_time(hours=1)
    shown = await window.view(facts["visit"])
    live = [hold for hold in shown["holds"] if hold["state"] == "HELD"]
    if shown["state"] == "LAPSED":  # the new hold was cut off before it left: final NOT_FOUND is a refusal
        assert len(world.bank.did("PreAuthorise")) == 1
    else:
        assert shown["state"] == "HELD"
        assert len(world.bank.did("PreAuthorise")) == 2
    held = world.bank.line(facts["person"].certno).held_fen
    assert held == sum(int(hold["amount"].replace(".", "")) for hold in live)
    assert shown["held_amt"] == f"{held // 100}.{held % 100:02d}"


async def relay_settle(_world: World, window: Window, facts: Facts) -> Any:
    return await window.relay("2207", facts["visit"], "H43050000001202503030800000001")


async def relayed_once(world: World, window: Window, facts: Facts) -> None:
    said = await relay_settle(world, window, facts)
    if said.get("refusal") == "SETTLEMENT_REVERSED":
        said = await window.relay("2207", facts["visit"], "H43050000001202503030800000002")
    shown = await window.view(facts["visit"])
    if shown["state"] == "CHARGE_FAILED":
        assert world.bank.did("Withhold") == []
        assert said["creditpay"]["charge_status"] in ("PENDING", "FAILED")
        return
    assert (shown["state"], shown["charged_amt"]) == ("SETTLED", "1000.00")
    assert said["creditpay"]["visit_id"] == facts["visit"]
    assert len(world.platform.settled) == len(world.bank.did("Withhold")) == 1


async def relay_cancel(_world: World, window: Window, facts: Facts) -> Any:
    shown = await window.view(facts["visit"])
    if "setl_id" not in facts:
        facts["setl_id"] = shown["settlement"]["setl_id"]
    return await window.relay("2208", facts["visit"], "H43050000001202503030800000003", setl_id=facts["setl_id"])


async def relayed_before(world: World, window: Window) -> Facts:
    facts = await with_leg(world, window)
    await relay_settle(world, window, facts)
    facts["setl_id"] = (await window.view(facts["visit"]))["settlement"]["setl_id"]
    return facts


async def relay_refunded_once(world: World, window: Window, facts: Facts) -> None:
    said = await relay_cancel(world, window, facts)
    shown = await window.view(facts["visit"])
    if shown["state"] == "REVERSING":
        assert world.bank.did("Refund") == []
        shown = (await window.cancel(facts["visit"], "cancel-again")).body
    assert (shown["state"], shown["charged_amt"]) == ("REVERSED", "0.00"), said
    assert len(world.bank.did("Refund")) == 1
    assert world.platform.settled == {}


STORIES = [
    Story("apply", consented, apply, active),
    Story("leg", with_leg, leg, held_leg_once),
    Story("settle", with_leg, settle, settled_once),
    Story("cancel", settled_before, cancel, refunded_once),
    Story("deposit", stay, deposit, held_once, GUANGZHOU),
    Story("discharge", held_twice, discharge, captured_once, GUANGZHOU),
    Story("cash", pending, pay_cash, never_both),
    Story("relay-settle", with_leg, relay_settle, relayed_once),
    Story("relay-cancel", relayed_before, relay_cancel, relay_refunded_once),
    Story("renewal", renewal_due, renew, renewed_once, GUANGZHOU),
]


# -- lives ----------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def life(world: World, hospital: str, **more: Any) -> AsyncIterator[Window]:
    """One life of the gateway, seen from a hospital."""
    async with world.gateway(**more) as window:
        yield window.at(hospital)


def copied(world: World, to: Path) -> World:
    """The same parties with the same memory, over a copy of the gateway's file."""
    shutil.copytree(world.path, to)
    twin = copy.deepcopy(world)
    twin.path = to
    return twin


async def cut_off(story: Story, world: World, facts: Facts, at: int, after: bool) -> bool:
    """Run the call in a life that dies at a commit; False when it got to its end."""
    async with life(world, story.hospital, dies_at=at, dies_after=after) as window:
        try:
            await story.call(world, window, facts)
        except Dead:
            return True
        return window.site.store.dead


async def conclude(story: Story, world: World, facts: Facts) -> None:
    """The next life: recovers, is asked again, and must have ended the same."""
    async with life(world, story.hospital, instance="I2") as window:
        await window.site.recover()
        await window.site.pass_time(minutes=story.minutes)
        await story.after(world, window, facts)
        await lines_agree(window)


async def lines_agree(window: Window) -> None:
    """The line's book adds up to the line, and nobody is held for by a visit that is over (I1, V3)."""
    journal = window.site.house.journal
    for agreement in await window.entities("agreement"):
        row = await journal.store.row(
            "SELECT COALESCE(SUM(held_fen), 0) AS held, COALESCE(SUM(used_fen), 0) AS used FROM line_entry "
            "WHERE agreement_id = :id",
            {"id": agreement.id},
        )
        line = await journal.line(agreement.id)
        assert row is not None
        assert (line.held_fen, line.used_fen) == (row["held"], row["used"])


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """A dying process logs tracebacks by the hundred; rendering them is most of the work."""
    with capture_logs():
        yield


@pytest.mark.parametrize("after", [False, True], ids=["instead", "after"])
@pytest.mark.parametrize("story", STORIES, ids=[story.name for story in STORIES])
async def test_a_flow_cut_off_at_any_commit_ends_once(story: Story, after: bool, tmp_path: Path) -> None:
    base = World(tmp_path / "base")
    base.path.mkdir()
    async with life(base, story.hospital) as window:
        facts = await story.before(base, window)
    for at in range(1, 60):
        world = copied(base, tmp_path / f"life-{at}")
        died = await cut_off(story, world, copy.deepcopy(facts), at, after)
        await conclude(story, world, facts)
        if not died:
            assert at > 1
            return
    pytest.fail("more commits than anybody meant")
