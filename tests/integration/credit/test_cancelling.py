"""Cancelling: the insurance first, then the money; settling again; D.2 and D.3 from REVERSING on, W2."""

from __future__ import annotations

import pytest

from gateway.flows.api import Caller
from gateway.flows.credit import cancelling
from gateway.model.insurance import NationalReply
from tests.support.credit import GUANGZHOU, Window, World
from tests.support.parties import Insured, refused


async def settled(world: World, window: Window, cash: str = "1000.00") -> tuple[str, str, Insured]:
    """(agreement_no, visit_id, person) of a visit that is settled and charged."""
    person = world.person()
    number = await window.agreement(person, 500_000)
    visit = await window.open(number, person)
    world.platform.will_settle(person.psn_no, "3000.00", "1900.00", "100.00", cash)
    said = await window.settle(visit, "3000.00")
    assert said["state"] == "SETTLED", said
    return number, visit, person


async def test_cancelled_on_the_same_bank_day_is_a_void(world: World, window: Window) -> None:
    number, visit, _ = await settled(world, window)
    said = await window.cancel(visit, "one")
    assert (said.status, said["state"], said["charged_amt"], said["settlement"]) == (200, "REVERSED", "0.00", None)
    assert (said["charges"][0]["state"], said["refunds"][0]["state"]) == ("VOIDED", "SUCCEEDED")
    assert await window.avail(number) == "5000.00"
    assert [effect.operation for effect in world.platform.effects] == ["2207", "2208"]
    assert (await window.cancel(visit, "one")).body == said.body
    assert len(world.bank.did("Refund")) == 1


async def test_cancelled_on_another_day_is_a_refund(world: World, window: Window) -> None:
    _, visit, _ = await settled(world, window)
    await window.site.pass_time(days=1)
    said = await window.cancel(visit)
    assert (said["state"], said["charges"][0]["state"]) == ("REVERSED", "REFUNDED")


async def test_an_insurance_that_will_not_cancel_changes_nothing(world: World, window: Window) -> None:
    _, visit, _ = await settled(world, window)
    word = NationalReply(infcode="-1", err_msg="已清算，不允许撤销", raw="{}")
    world.platform.party.say("2208", refused("CANCEL_NOT_ALLOWED", reply=word))
    said = await window.cancel(visit, "one")
    assert (said.status, said["platform_code"]) == (409, "CANCEL_NOT_ALLOWED")
    shown = await window.view(visit)
    assert (shown["state"], shown["charged_amt"]) == ("SETTLED", "1000.00")
    assert world.bank.did("Refund") == []
    assert (await window.cancel(visit))["state"] == "REVERSED"


async def test_an_unreachable_platform_changes_nothing(world: World, window: Window) -> None:
    _, visit, _ = await settled(world, window)
    world.wire.fault("2208", "nothing_left")
    assert (await window.cancel(visit)).code == "PLATFORM_UNAVAILABLE"
    assert (await window.view(visit))["state"] == "SETTLED"


async def test_a_cancellation_of_unknown_outcome_is_sent_again_and_should_stand(world: World, window: Window) -> None:
    _, visit, _ = await settled(world, window)
    world.wire.fault("2208", "lost_after", "lost_before")
    said = await window.cancel(visit, "one")
    assert said.status in (200, 202)
    await window.site.pass_time(minutes=1)
    again = await window.cancel(visit, "one")
    assert (again.status, again["state"]) == (200, "REVERSED")
    assert len(world.bank.did("Refund")) == 1


async def test_a_cancellation_that_stays_unknown_goes_on_by_itself(
    world: World, window: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cancelling, "PATIENCE", 0.05)
    _, visit, _ = await settled(world, window)
    world.wire.fault("2208", *["lost_before"] * 4)
    said = await window.cancel(visit, "one")
    assert (said.status, said["state"], said["charged_amt"]) == (202, "REVERSING", "1000.00")
    assert (await window.cancel(visit, "two")).code == "IN_PROGRESS"
    await window.site.pass_time(minutes=2)
    assert (await window.view(visit))["state"] == "REVERSED"
    assert len(world.bank.did("Refund")) == 1


@pytest.mark.parametrize("fault", ["lost_after", "lost_before"])
async def test_a_refund_of_unknown_outcome_is_asked_after(world: World, window: Window, fault: str) -> None:
    number, visit, _ = await settled(world, window)
    world.wire.fault("Refund", fault)
    said = await window.cancel(visit, "one")
    assert (said.status, said["state"], said["refunds"][0]["state"]) == (202, "REVERSING", "UNKNOWN")
    await window.site.pass_time(minutes=20)
    shown = await window.view(visit)
    if fault == "lost_after":
        assert shown["state"] == "REVERSED"
    else:  # the bank never got it: a person looks, and the hospital may have it tried anew
        assert (shown["state"], shown["refunds"][0]["state"]) == ("REVERSING", "NOT_RECEIVED")
        assert "REFUND_REFUSED" in await window.tasks()
        assert (await window.cancel(visit))["state"] == "REVERSED"
    assert len(world.bank.did("Refund")) == 1
    assert await window.avail(number) == "5000.00"


async def test_a_refund_that_could_not_be_sent_is_sent_a_minute_later(world: World, window: Window) -> None:
    _, visit, _ = await settled(world, window)
    world.wire.fault("Refund", "nothing_left")
    assert (await window.cancel(visit)).status == 202
    await window.site.pass_time(minutes=2)
    assert (await window.view(visit))["state"] == "REVERSED"
    assert len(world.bank.did("Refund")) == 1


async def test_a_refused_refund_is_a_task_and_a_new_attempt_has_a_serial_of_its_own(
    world: World, window: Window
) -> None:
    _, visit, _ = await settled(world, window)
    world.bank.party.say("Refund", refused("AM04", "收款账户余额不足"))
    said = await window.cancel(visit, "one")
    assert (said.status, said["state"]) == (202, "REVERSING")
    assert "REFUND_REFUSED" in await window.tasks()
    await window.site.pass_time(days=1)
    assert len(world.bank.party.asked("Refund")) == 1
    assert (await window.cancel(visit, "two"))["state"] == "REVERSED"
    serials = {request.serial for request in world.bank.party.asked("Refund")}
    assert len(serials) == 2
    assert len(world.bank.did("Refund")) == 1


async def test_a_charge_whose_outcome_is_open_is_not_cancelled(world: World, window: Window) -> None:
    person = world.person()
    number = await window.agreement(person, 500_000)
    visit = await window.open(number, person)
    world.platform.will_settle(person.psn_no, "3000.00", "1900.00", "100.00", "1000.00")
    world.wire.fault("Withhold", "lost_after")
    await window.settle(visit, "3000.00")
    said = await window.cancel(visit)
    assert (said.status, said.code) == (409, "ORIGINAL_UNKNOWN")
    await window.site.pass_time(minutes=1)
    assert (await window.cancel(visit))["state"] == "REVERSED"


async def test_only_what_is_settled_can_be_cancelled(world: World, window: Window) -> None:
    person = world.person()
    number = await window.agreement(person, 500_000)
    visit = await window.open(number, person)
    assert (await window.cancel(visit)).code == "ILLEGAL_STATE"


async def test_a_failed_charge_is_cancelled_without_a_refund(world: World, window: Window) -> None:
    person = world.person()
    number = await window.agreement(person, 500_000)
    visit = await window.open(number, person)
    world.platform.will_settle(person.psn_no, "3000.00", "1900.00", "100.00", "1000.00")
    world.bank.party.say("Withhold", refused("AM04"))
    await window.settle(visit, "3000.00")
    assert (await window.cancel(visit))["state"] == "REVERSED"
    assert world.bank.party.asked("Refund") == []


@pytest.mark.parametrize(("cash", "avail"), [("700.00", "4300.00"), ("1300.00", "3700.00")])
async def test_settled_again_with_another_amount(world: World, window: Window, cash: str, avail: str) -> None:
    number, visit, person = await settled(world, window)
    await window.cancel(visit)
    total = {"700.00": "2700.00", "1300.00": "3300.00"}[cash]
    world.platform.will_settle(person.psn_no, total, "1900.00", "100.00", cash)
    said = await window.settle(visit, total)
    assert (said["state"], said["charged_amt"], said["remaining_amt"]) == ("SETTLED", cash, "0.00")
    assert await window.avail(number) == avail
    assert [charge["state"] for charge in said["charges"]] == ["VOIDED", "SUCCEEDED"]
    line = world.bank.line(person.certno)
    assert line.used_fen == int(cash.replace(".", ""))


async def test_the_first_key_does_not_settle_a_cancelled_visit_again(world: World, window: Window) -> None:
    person = world.person()
    number = await window.agreement(person, 500_000)
    visit = await window.open(number, person)
    world.platform.will_settle(person.psn_no, "3000.00", "1900.00", "100.00", "1000.00")
    world.wire.fault("Withhold", "lost_after")
    assert (await window.settle(visit, "3000.00", "one")).status == 202
    await window.site.pass_time(minutes=1)
    await window.cancel(visit)
    again = await window.settle(visit, "3000.00", "one")
    assert again["state"] == "REVERSED"
    assert len(world.bank.did("Withhold")) == 1
    assert await window.avail(number) == "5000.00"


async def test_what_was_paid_at_the_window_goes_back_there(world: World, window: Window) -> None:
    person = world.person()
    number = await window.agreement(person, 100_000)
    visit = await window.open(number, person)
    world.platform.will_settle(person.psn_no, "3000.00", "1749.50", "0.00", "1250.50")
    await window.settle(visit, "3000.00")
    await window.topup(visit, "250.50")
    await window.settle(visit, "3000.00")
    said = await window.cancel(visit)
    assert (said["state"], said["topup_amt"], said["other_amt"]) == ("REVERSED", "0.00", "0.00")
    kept = (await window.entities("visit"))[0]["reversed"][0]
    assert [row["amount_fen"] for row in kept["topups"]] == [25_050]


async def test_a_repaid_debt_is_not_refunded_below_nothing(world: World, window: Window) -> None:
    number, visit, _ = await settled(world, window)
    body = {
        "agreement_no": number, "channel": "WECHAT", "channel_serial": "WX1", "amount": "1000.00",
        "paid_at": "2025-03-04T10:00:00+08:00",
    }  # fmt: skip
    await window.post("/v1/repayments", body, caller=Caller(id="bank", role="bank", bank="bocom"))
    assert (await window.cancel(visit))["state"] == "REVERSED"
    shown = await window.get(f"/v1/agreements/{number}")
    assert (shown["used_amt"], shown["avail_amt"]) == ("0.00", "5000.00")


async def test_a_cancelled_stay_is_open_again_and_asks_for_a_new_deposit(world: World, window: Window) -> None:
    guangzhou = window.at(GUANGZHOU)
    person = world.person(city="guangzhou", score=None)
    number = await guangzhou.agreement(person, 1_000_000)
    visit = await guangzhou.open(number, person, "INPATIENT")
    await guangzhou.deposit(visit, "3000.00")
    world.platform.will_settle(person.psn_no, "9400.00", "6000.00", "0.00", "3400.00")
    await guangzhou.settle(visit, "9400.00")
    said = await guangzhou.cancel(visit)
    assert (said["state"], said["charged_amt"], said["held_amt"]) == ("OPEN", "0.00", "0.00")
    assert sorted(effect.amount_fen for effect in world.bank.did("Refund")) == [40_000, 300_000]
    assert await guangzhou.avail(number) == "10000.00"
    assert (await guangzhou.deposit(visit, "3000.00", "D2"))["state"] == "HELD"
    world.platform.will_settle(person.psn_no, "8650.00", "6000.00", "0.00", "2650.00")
    assert (await guangzhou.settle(visit, "8650.00"))["charged_amt"] == "2650.00"
    assert await guangzhou.avail(number) == "7350.00"
