"""Credit pay for a HIS that speaks the national envelope alone: the hooks around relayed messages."""

from __future__ import annotations

import pytest

from gateway.flows.credit import hooks
from gateway.model.insurance import NationalMessage
from tests.support.credit import GUANGZHOU, Window, World
from tests.support.parties import Insured, refused

MSGID = "H430500000012025030308000000{:02d}"


async def opened(world: World, window: Window, limit_fen: int = 500_000) -> tuple[str, str, Insured]:
    """(agreement_no, visit_id, person); the platform's amounts are set."""
    person = world.person()
    number = await window.agreement(person, limit_fen)
    visit = await window.open(number, person)
    world.platform.will_settle(person.psn_no, "3000.00", "1900.00", "100.00", "1000.00")
    return number, visit, person


async def test_an_estimate_is_held(world: World, window: Window) -> None:
    number, visit, person = await opened(world, window)
    await window.leg(visit, "L1", "800.00")
    await window.relay("2206", visit, MSGID.format(1))
    shown = await window.view(visit)
    assert (shown["held_amt"], shown["presettle_amt"]) == ("1000.00", "1000.00")
    world.platform.will_settle(person.psn_no, "3000.00", "2300.00", "100.00", "600.00")
    await window.relay("2206", visit, MSGID.format(2))
    assert (await window.view(visit))["held_amt"] == "800.00"
    await window.topup(visit, "300.00")
    assert await window.avail(number) == "4500.00"


async def test_an_estimate_over_the_limit_reminds_and_holds_what_was_held(world: World, window: Window) -> None:
    _, visit, _ = await opened(world, window, 90_000)
    await window.leg(visit, "L1", "800.00")
    await window.relay("2206", visit, MSGID.format(1))
    assert (await window.view(visit))["held_amt"] == "800.00"
    await window.site.pass_time(seconds=2)
    assert window.events(visit) == ["visit.over_limit"]


async def test_a_relayed_settlement_is_charged_and_says_so(world: World, window: Window) -> None:
    number, visit, _ = await opened(world, window)
    said = await window.relay("2207", visit, MSGID.format(1))
    paid = said["creditpay"]
    assert (paid["visit_id"], paid["charge_status"], paid["charged_amt"]) == (visit, "CHARGED", "1000.00")
    assert paid["bank_txn_no"] == world.bank.did("Withhold")[0].party
    assert "1000.00" in paid["message"]
    assert (await window.view(visit))["state"] == "SETTLED"
    assert await window.avail(number) == "4000.00"


async def test_the_same_message_again_is_answered_the_same(world: World, window: Window) -> None:
    _, visit, _ = await opened(world, window)
    first = await window.relay("2207", visit, MSGID.format(1))
    assert await window.relay("2207", visit, MSGID.format(1)) == first
    assert len(world.bank.did("Withhold")) == 1


async def test_an_unknown_charge_answers_pending_at_once_and_goes_on(world: World, window: Window) -> None:
    _, visit, _ = await opened(world, window)
    world.wire.fault("Withhold", "lost_after")
    said = await window.relay("2207", visit, MSGID.format(1))
    assert (said["creditpay"]["charge_status"], said["creditpay"]["charged_amt"]) == ("PENDING", "0.00")
    await window.site.pass_time(minutes=1)
    assert (await window.view(visit))["state"] == "SETTLED"
    assert await window.relay("2207", visit, MSGID.format(1)) == said
    assert window.events(visit) == ["charge.pending", "charge.final", "visit.final"]


async def test_a_failed_charge_leaves_the_insurance_settled(world: World, window: Window) -> None:
    _, visit, _ = await opened(world, window, 90_000)
    said = await window.relay("2207", visit, MSGID.format(1))
    assert (said["creditpay"]["charge_status"], said["raw"]) == ("FAILED", '{"infcode": "0"}')
    assert "1000.00" in said["creditpay"]["message"]
    assert len(world.platform.settled) == 1


async def test_nothing_to_pay_is_not_credit(world: World, window: Window) -> None:
    _, visit, person = await opened(world, window)
    world.platform.will_settle(person.psn_no, "3000.00", "2900.00", "100.00", "0.00")
    said = await window.relay("2207", visit, MSGID.format(1))
    assert (said["creditpay"]["charge_status"], said["creditpay"]["charged_amt"]) == ("NOT_CREDIT", "0.00")


async def test_a_refused_settlement_leaves_the_visit_open(world: World, window: Window) -> None:
    _, visit, _ = await opened(world, window)
    await window.leg(visit, "L1", "800.00")
    world.platform.party.say("2207", refused("NO_FEES"))
    await window.relay("2207", visit, MSGID.format(1))
    shown = await window.view(visit)
    assert (shown["state"], shown["held_amt"]) == ("OPEN", "800.00")
    assert (await window.relay("2207", visit, MSGID.format(2)))["creditpay"]["charge_status"] == "CHARGED"


async def test_a_reversed_settlement_leaves_the_visit_open(world: World, window: Window) -> None:
    _, visit, _ = await opened(world, window)
    world.wire.fault("2207", "lost_after")
    said = await window.relay("2207", visit, MSGID.format(1))
    assert said["refusal"] == "SETTLEMENT_REVERSED"
    assert (await window.view(visit))["state"] == "OPEN"
    assert (await window.relay("2207", visit, MSGID.format(2)))["creditpay"]["charge_status"] == "CHARGED"
    assert len(world.bank.did("Withhold")) == 1


async def test_a_further_settlement_of_the_encounter_is_relayed_plainly(world: World, window: Window) -> None:
    _, visit, person = await opened(world, window)
    await window.relay("2207", visit, MSGID.format(1))
    world.platform.will_settle(person.psn_no, "50.00", "0.00", "0.00", "50.00")
    said = await window.relay("2207", visit, MSGID.format(2))
    assert said.get("creditpay") is None
    assert len(world.bank.did("Withhold")) == 1


async def test_another_person_is_not_the_visits_business(world: World, window: Window) -> None:
    _, visit, _ = await opened(world, window)
    other = world.person("李四")
    world.platform.will_settle(other.psn_no, "50.00", "0.00", "0.00", "50.00")
    shown = await window.view(visit)
    house = window.site.house
    message = NationalMessage(infno="2207", fixmedins_code=window.code, psn_no=other.psn_no, mdtrt_id=shown["mdtrt_id"])
    assert await hooks.visit_of(house, message) is None
    assert await hooks.visit_of(house, message.model_copy(update={"psn_no": shown["psn_no"]})) is not None
    elsewhere = message.model_copy(update={"psn_no": shown["psn_no"], "fixmedins_code": GUANGZHOU})
    assert await hooks.visit_of(house, elsewhere) is None


async def setl_id(window: Window, visit: str) -> str:
    """The live settlement of a visit."""
    return str((await window.view(visit))["settlement"]["setl_id"])


async def test_a_relayed_cancellation_gives_the_charge_back(world: World, window: Window) -> None:
    number, visit, _ = await opened(world, window)
    await window.relay("2207", visit, MSGID.format(1))
    live = await setl_id(window, visit)
    said = await window.relay("2208", visit, MSGID.format(2), setl_id=live)
    paid = said["creditpay"]
    assert (paid["visit_id"], paid["refunded_amt"], paid["charged_amt"]) == (visit, "1000.00", "0.00")
    assert (await window.view(visit))["state"] == "REVERSED"
    assert await window.avail(number) == "5000.00"
    again = await window.relay("2207", visit, MSGID.format(3))
    assert again["creditpay"]["charge_status"] == "CHARGED"


async def test_a_refused_cancellation_leaves_visit_and_charge(world: World, window: Window) -> None:
    _, visit, _ = await opened(world, window)
    await window.relay("2207", visit, MSGID.format(1))
    world.platform.party.say("2208", refused("CANCEL_NOT_ALLOWED"))
    await window.relay("2208", visit, MSGID.format(2), setl_id=await setl_id(window, visit))
    assert (await window.view(visit))["state"] == "SETTLED"
    assert world.bank.did("Refund") == []


async def test_a_cancellation_while_the_charge_is_open_is_put_off(world: World, window: Window) -> None:
    _, visit, _ = await opened(world, window)
    world.wire.fault("Withhold", "lost_after")
    await window.relay("2207", visit, MSGID.format(1))
    live = await setl_id(window, visit)
    said = await window.relay("2208", visit, MSGID.format(2), setl_id=live)
    assert said["refusal"] == "ORIGINAL_UNKNOWN"
    assert [effect.operation for effect in world.platform.effects] == ["2207"]
    await window.site.pass_time(minutes=1)
    await window.relay("2208", visit, MSGID.format(2), setl_id=live)
    assert (await window.view(visit))["state"] == "REVERSED"


async def test_a_refund_of_unknown_outcome_goes_on_by_itself(world: World, window: Window) -> None:
    _, visit, _ = await opened(world, window)
    await window.relay("2207", visit, MSGID.format(1))
    world.wire.fault("Refund", "lost_after")
    said = await window.relay("2208", visit, MSGID.format(2), setl_id=await setl_id(window, visit))
    assert said["creditpay"]["charge_status"] == "PENDING"
    await window.site.pass_time(minutes=1)
    assert (await window.view(visit))["state"] == "REVERSED"
    assert len(world.bank.did("Refund")) == 1


async def test_a_settlement_reversed_after_its_charge_is_refunded(world: World, window: Window) -> None:
    number, visit, _ = await opened(world, window)
    await window.relay("2207", visit, MSGID.format(1))
    found = await window.site.house.journal.entities.get("visit", visit)
    assert found is not None
    for _ in range(2):
        await hooks.settlement_undone(window.site.house, found, "X2601")
    assert (await window.view(visit))["state"] == "REVERSED"
    assert await window.avail(number) == "5000.00"
    assert len(world.bank.did("Refund")) == 1


@pytest.mark.parametrize("answer", ["done", "unknown"])
async def test_a_discharge_by_relay_captures_the_deposit(world: World, window: Window, answer: str) -> None:
    guangzhou = window.at(GUANGZHOU)
    person = world.person(city="guangzhou", score=None)
    number = await guangzhou.agreement(person, 1_000_000)
    visit = await guangzhou.open(number, person, "INPATIENT")
    await guangzhou.deposit(visit, "3000.00")
    world.platform.will_settle(person.psn_no, "8650.00", "6000.00", "0.00", "2650.00")
    await guangzhou.relay("2303", visit, "H44010000001202503030800000001")
    if answer == "unknown":
        world.wire.fault("CompletePreAuthorisation", "lost_after")
    said = await guangzhou.relay("2304", visit, "H44010000001202503030800000002")
    assert said["creditpay"]["charge_status"] == ("CHARGED" if answer == "done" else "PENDING")
    await guangzhou.site.pass_time(minutes=1)
    assert (await guangzhou.view(visit))["state"] == "SETTLED"
    assert await guangzhou.avail(number) == "7350.00"


async def test_the_insurance_is_never_held_up_by_an_unreachable_bank(world: World, window: Window) -> None:
    _, visit, _ = await opened(world, window)
    world.wire.fault("Withhold", "nothing_left")
    said = await window.relay("2207", visit, MSGID.format(1))
    assert (said["creditpay"]["charge_status"], said["raw"]) == ("FAILED", '{"infcode": "0"}')
