"""Repayments and what else a bank tells by itself."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.flows.api import Caller
from gateway.flows.credit import bank_events
from gateway.model.bank import AgreementReply, BankStatus, NotifyTransaction
from gateway.model.refusals import Refusal
from tests.support.credit import Said, Window, World
from tests.support.house import Reply
from tests.support.parties import done

BANK = Caller(id="bocom", role="bank", bank="bocom")


async def indebted(world: World, window: Window, cash: str = "1000.00") -> str:
    """An agreement whose line is used by this amount."""
    person = world.person()
    number = await window.agreement(person, 500_000)
    visit = await window.open(number, person)
    world.platform.will_settle(person.psn_no, "3000.00", "1900.00", "100.00", cash)
    assert (await window.settle(visit, "3000.00"))["state"] == "SETTLED"
    return number


def repayment(number: str, amount: str, serial: str = "WX1", **more: str) -> dict[str, str]:
    """The body of a repayment."""
    return {
        "agreement_no": number, "channel": "WECHAT", "channel_serial": serial, "amount": amount,
        "paid_at": "2025-03-05T10:00:00+08:00", **more,
    }  # fmt: skip


async def repay(window: Window, number: str, amount: str, serial: str = "WX1", key: str = "") -> Said:
    """A repayment's answer."""
    return await window.post("/v1/repayments", repayment(number, amount, serial), key, BANK)


async def test_a_repayment_frees_the_line(world: World, window: Window) -> None:
    number = await indebted(world, window)
    said = await repay(window, number, "500.00")
    assert (said.status, said["used_amt"], said["avail_amt"]) == (200, "500.00", "4500.00")
    assert said["repayment_no"].startswith("RP")


async def test_a_channels_serial_counts_once(world: World, window: Window) -> None:
    number = await indebted(world, window)
    first = await repay(window, number, "500.00")
    again = await repay(window, number, "500.00")
    assert (again["repayment_no"], again["used_amt"]) == (first["repayment_no"], "500.00")
    assert (await repay(window, number, "400.00")).code == "INVALID_AMOUNT"
    assert (await repay(window, number, "100.00", "WX2"))["used_amt"] == "400.00"


async def test_more_than_the_debt_takes_nothing_off_the_line(world: World, window: Window) -> None:
    number = await indebted(world, window)
    said = await repay(window, number, "1000.01")
    assert (said["used_amt"], said["avail_amt"]) == ("0.00", "5000.00")


async def test_only_the_agreements_bank_repays(world: World, window: Window) -> None:
    number = await indebted(world, window)
    other = Caller(id="cib", role="bank", bank="cib")
    said = await window.post("/v1/repayments", repayment(number, "1.00"), caller=other)
    assert said.code == "FORBIDDEN"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"channel": "CASH"}, "INVALID_FIELD"),
        ({"amount": "0.00"}, "INVALID_AMOUNT"),
        ({"amount": 1}, "INVALID_AMOUNT"),
        ({"paid_at": "2025-03-05T10:00:00"}, "INVALID_FIELD"),
    ],
)
async def test_a_repayment_that_says_nonsense_is_no_body(
    world: World, window: Window, change: dict[str, Any], code: str
) -> None:
    number = await indebted(world, window)
    with pytest.raises(Refusal, match=code):
        await window.post("/v1/repayments", {**repayment(number, "1.00"), **change}, caller=BANK)


# -- events ---------------------------------------------------------------------------------------------------------


def event(window: Window, kind: str, number: str, **more: Any) -> NotifyTransaction:
    """A notice of the bank."""
    return NotifyTransaction(
        msg_id="M1", notify_no=more.pop("notify_no", "N1"), event_type=kind, agreement_no=number,
        status=BankStatus.ACSC, occurred_at=window.site.clock.now(), **more,
    )  # fmt: skip


async def test_a_repayment_by_event_and_by_call_counts_once(world: World, window: Window) -> None:
    number = await indebted(world, window)
    house = window.site.house
    told = event(window, "REPAYMENT", number, bank_txn_no="WX1", amount_fen=50_000)
    assert await bank_events.take(house, "bocom", told, "X1")
    assert await bank_events.take(house, "bocom", told, "X2")
    assert (await repay(window, number, "500.00"))["used_amt"] == "500.00"


async def test_an_event_about_nobodys_agreement_is_not_ours(world: World, window: Window) -> None:
    number = await indebted(world, window)
    house = window.site.house
    assert not await bank_events.take(house, "bocom", event(window, "REPAYMENT", "AGX", bank_txn_no="1"), "X1")
    assert not await bank_events.take(house, "cib", event(window, "REPAYMENT", number, bank_txn_no="1"), "X1")
    assert not await bank_events.take(house, "bocom", event(window, "WITHHOLD", number), "X1")


def stands(status: str, limit_fen: int = 500_000) -> Reply:
    """How an agreement stands at the bank."""
    word = {"ACTV": BankStatus.ACSC, "SUSP": BankStatus.ACSC}.get(status, BankStatus.CANC)
    return done(
        AgreementReply(status=word, agreement_no="AG000001", agreement_status=status, credit_limit_fen=limit_fen)
    )


async def test_an_agreement_is_suspended_resumed_and_ended_by_the_bank(world: World, window: Window) -> None:
    person = world.person()
    number = await window.agreement(person, 500_000)
    house = window.site.house
    for place, (status, state) in enumerate((("SUSP", "SUSPENDED"), ("ACTV", "ACTIVE"), ("CANC", "CLOSED"))):
        world.bank.party.say("QueryAgreement", stands(status))
        assert await bank_events.take(house, "bocom", event(window, "AGREEMENT", number, notify_no=f"N{place}"), "X1")
        assert (await window.get(f"/v1/agreements/{number}"))["state"] == state
    await window.site.pass_time(seconds=5)
    assert window.events().count("agreement.changed") == 5
    assert world.bank.party.asked("CancelAgreement") == []


async def test_a_new_limit_is_taken_over_up_to_the_cap(world: World, window: Window) -> None:
    person = world.person()
    number = await window.agreement(person, 500_000)
    world.bank.party.say("QueryAgreement", stands("ACTV", 800_000))
    assert await bank_events.take(window.site.house, "bocom", event(window, "AGREEMENT", number), "X1")
    shown = await window.get(f"/v1/agreements/{number}")
    assert (shown["credit_limit"], shown["bank_offer"]) == ("8000.00", "8000.00")


async def test_a_bank_that_does_not_answer_repeats_its_notice(world: World, window: Window) -> None:
    person = world.person()
    number = await window.agreement(person, 500_000)
    world.wire.fault("QueryAgreement", "lost_before")
    with pytest.raises(Refusal, match="BANK_UNAVAILABLE"):
        await bank_events.take(window.site.house, "bocom", event(window, "AGREEMENT", number), "X1")


async def test_a_default_is_kept_and_told_and_marks_nobody(world: World, window: Window) -> None:
    number = await indebted(world, window)
    told = event(window, "DEFAULT", number, amount_fen=100_000, cb_ref="CB-1")
    assert await bank_events.take(window.site.house, "bocom", told, "X1")
    assert (await window.site.house.journal.whose("CB-1"))[0]["kind"] == "agreement"
    assert "BANK_DEFAULT" in await window.tasks()
    assert (await window.get(f"/v1/agreements/{number}"))["state"] == "ACTIVE"
