"""D.3: deposits held on the line, captured, released, renewed, lapsed."""

from __future__ import annotations

import asyncio
from datetime import datetime
from pathlib import Path

import pytest

from gateway.flows.credit import settlements
from gateway.model.bank import BankStatus, MoneyReply
from tests.support.credit import GUANGZHOU, SHAOYANG, Window, World
from tests.support.parties import Insured, accepted, refused


async def admitted(world: World, window: Window, limit_fen: int = 1_000_000) -> tuple[Window, str, str, Insured]:
    """(the window of Guangzhou, agreement_no, visit_id, person) of a stay without deposit."""
    guangzhou = window.at(GUANGZHOU)
    person = world.person(city="guangzhou", score=None)
    number = await guangzhou.agreement(person, limit_fen)
    return guangzhou, number, await guangzhou.open(number, person, "INPATIENT"), person


async def discharge(world: World, window: Window, visit: str, person: Insured, cash: str) -> dict[str, object]:
    """Settle a stay with this cash part."""
    world.platform.will_settle(person.psn_no, "10000.00", "6000.00", "0.00", cash)
    total = 1_000_000 - 400_000 + int(cash.replace(".", ""))
    world.platform.amounts[person.psn_no]["medfee_sumamt"] = f"{total // 100}.{total % 100:02d}"
    said = await window.settle(visit, f"{total // 100}.{total % 100:02d}")
    assert said.status in (200, 202), said
    return said.body


# -- holding --------------------------------------------------------------------------------------------------------


async def test_a_deposit_is_held_on_the_line_and_at_the_bank(world: World, window: Window) -> None:
    guangzhou, number, visit, _ = await admitted(world, window)
    said = await guangzhou.deposit(visit, "3000.00")
    assert (said.status, said["state"], said["held_amt"]) == (200, "HELD", "3000.00")
    hold = said["holds"][0]
    assert (hold["state"], hold["deposit_no"], hold["expires_at"]) == ("HELD", "D1", "2025-04-02T08:00:00+08:00")
    assert await guangzhou.avail(number) == "7000.00"
    request = world.bank.party.asked("PreAuthorise")[0]
    assert (request.amount_fen, request.valid_days, request.admission_no) == (300_000, 30, visit)


async def test_the_same_deposit_is_held_once(world: World, window: Window) -> None:
    guangzhou, _, visit, _ = await admitted(world, window)
    first = await guangzhou.deposit(visit, "3000.00", key="one")
    assert (await guangzhou.deposit(visit, "3000.00", key="one")).body == first.body
    again = await guangzhou.deposit(visit, "3000.00", key="two")
    assert again["held_amt"] == "3000.00"
    assert (await guangzhou.deposit(visit, "3000.01")).code == "INVALID_AMOUNT"
    assert len(world.bank.did("PreAuthorise")) == 1


async def test_a_further_deposit_is_a_new_hold(world: World, window: Window) -> None:
    guangzhou, _, visit, _ = await admitted(world, window)
    await guangzhou.deposit(visit, "3000.00", "D1")
    said = await guangzhou.deposit(visit, "2000.00", "D2")
    assert [(hold["deposit_no"], hold["amount"]) for hold in said["holds"]] == [("D1", "3000.00"), ("D2", "2000.00")]


async def test_a_deposit_beyond_the_line_is_refused_with_the_excess(world: World, window: Window) -> None:
    guangzhou, number, visit, _ = await admitted(world, window, 300_000)
    said = await guangzhou.deposit(visit, "3000.01")
    assert (said.status, said.code, said["excess_amt"]) == (422, "OVER_LIMIT", "0.01")
    assert (await guangzhou.deposit(visit, "3000.00"))["state"] == "HELD"
    assert await guangzhou.avail(number) == "0.00"
    assert len(world.bank.party.asked("PreAuthorise")) == 1


async def test_deposits_side_by_side_never_hold_more_than_the_line(tmp_path: Path) -> None:
    world = World(tmp_path)
    async with world.gateway() as window:
        guangzhou, number, visit, person = await admitted(world, window)
        other = await guangzhou.open(number, person, "INPATIENT")
        said = await asyncio.gather(
            *(guangzhou.deposit(v, "3000.00", f"D{n}", f"{v}{n}") for v in (visit, other) for n in range(4))
        )
        assert sum(answer.status == 200 for answer in said) == 3
        assert {answer.code for answer in said if answer.status != 200} == {"OVER_LIMIT"}
        assert await guangzhou.avail(number) == "1000.00"
        assert world.bank.line(person.certno).held_fen == 900_000


async def test_deposits_are_for_stays_in_cities_that_take_them(world: World, window: Window) -> None:
    person = world.person()
    number = await window.agreement(person)
    waived = await window.open(number, person, "INPATIENT")
    assert (await window.deposit(waived, "100.00")).code == "SCENE_NOT_SUPPORTED"
    guangzhou, number, _, person = await admitted(world, window)
    outpatient = await guangzhou.open(number, person)
    assert (await guangzhou.deposit(outpatient, "100.00")).code == "SCENE_NOT_SUPPORTED"


async def test_another_persons_document_gets_no_deposit(world: World, window: Window) -> None:
    guangzhou, _, visit, person = await admitted(world, window)
    world.platform.know(Insured(person.psn_no, "李四", person.certno, person.insuplc_admdvs))
    said = await guangzhou.deposit(visit, "100.00")
    assert (said.status, said.code) == (422, "IDENTITY_MISMATCH")
    assert world.bank.party.asked("PreAuthorise") == []


async def test_a_refused_deposit_leaves_the_stay_open_and_may_be_asked_again(world: World, window: Window) -> None:
    guangzhou, number, visit, _ = await admitted(world, window)
    world.bank.party.say("PreAuthorise", refused("AM14", "超出协议限额"))
    said = await guangzhou.deposit(visit, "3000.00", key="one")
    assert said.status in (409, 422)
    shown = await guangzhou.view(visit)
    assert (shown["state"], shown["held_amt"], shown["holds"][0]["state"]) == ("OPEN", "0.00", "REFUSED")
    assert await guangzhou.avail(number) == "10000.00"
    assert (await guangzhou.deposit(visit, "3000.00", key="one")).code == said.code
    again = await guangzhou.deposit(visit, "3000.00", key="two")
    assert again["state"] == "HELD"
    assert len({request.serial for request in world.bank.party.asked("PreAuthorise")}) == 2


async def test_a_deposit_that_was_not_sent_is_told_and_never_sent_later(world: World, window: Window) -> None:
    guangzhou, number, visit, _ = await admitted(world, window)
    world.wire.fault("PreAuthorise", "nothing_left")
    said = await guangzhou.deposit(visit, "3000.00")
    assert (said.status, said.code) == (503, "BANK_UNAVAILABLE")
    await guangzhou.site.pass_time(days=1)
    assert world.bank.did("PreAuthorise") == []
    assert await guangzhou.avail(number) == "10000.00"


@pytest.mark.parametrize("fault", ["lost_after", "lost_before"])
async def test_a_deposit_of_unknown_outcome_is_held_until_it_is_found_out(
    world: World, window: Window, fault: str
) -> None:
    guangzhou, number, visit, _ = await admitted(world, window)
    world.wire.fault("PreAuthorise", fault)
    said = await guangzhou.deposit(visit, "3000.00", key="one")
    assert (said.status, said["state"], said["held_amt"]) == (202, "HOLD_PENDING", "3000.00")
    assert (await guangzhou.deposit(visit, "1.00", "D2")).code == "ILLEGAL_STATE"
    await guangzhou.site.pass_time(minutes=20)
    held = fault == "lost_after"
    shown = await guangzhou.view(visit)
    assert shown["state"] == ("HELD" if held else "OPEN")
    assert await guangzhou.avail(number) == ("7000.00" if held else "10000.00")
    assert len(world.bank.did("PreAuthorise")) == int(held)


async def test_a_second_deposit_that_turns_out_refused_leaves_the_first(world: World, window: Window) -> None:
    guangzhou, _, visit, _ = await admitted(world, window)
    await guangzhou.deposit(visit, "3000.00", "D1")
    world.bank.party.say("PreAuthorise", accepted(MoneyReply(status=BankStatus.PDNG)))
    assert (await guangzhou.deposit(visit, "1000.00", "D2"))["state"] == "HOLD_PENDING"
    world.bank.reject(world.bank.party.asked("PreAuthorise")[-1])
    await guangzhou.site.pass_time(seconds=10)
    shown = await guangzhou.view(visit)
    assert (shown["state"], shown["held_amt"]) == ("HELD", "3000.00")


# -- discharge ------------------------------------------------------------------------------------------------------


async def test_less_than_the_deposit_is_captured_and_the_rest_released(world: World, window: Window) -> None:
    guangzhou, number, visit, person = await admitted(world, window)
    await guangzhou.deposit(visit, "3000.00")
    said = await discharge(world, guangzhou, visit, person, "2650.00")
    assert (said["state"], said["charged_amt"], said["held_amt"]) == ("SETTLED", "2650.00", "0.00")
    hold = (await guangzhou.view(visit))["holds"][0]
    assert (hold["state"], hold["captured_amt"], hold["released_amt"]) == ("CAPTURED", "2650.00", "350.00")
    assert await guangzhou.avail(number) == "7350.00"
    assert [effect.amount_fen for effect in world.bank.did("CompletePreAuthorisation")] == [265_000]
    entries = [(row["type"], row["held_amt"]) for row in (await guangzhou.view(visit))["entries"]]
    assert ("CAPTURE", "-2650.00") in entries
    assert ("RELEASE", "-350.00") in entries


async def test_more_than_the_deposit_is_one_extra_charge(world: World, window: Window) -> None:
    guangzhou, number, visit, person = await admitted(world, window)
    await guangzhou.deposit(visit, "3000.00")
    said = await discharge(world, guangzhou, visit, person, "3400.00")
    assert (said["state"], said["charged_amt"]) == ("SETTLED", "3400.00")
    charges = (await guangzhou.view(visit))["charges"]
    assert [(charge["kind"], charge["amount"]) for charge in charges] == [("CAPTURE", "3000.00"), ("EXTRA", "400.00")]
    assert await guangzhou.avail(number) == "6600.00"


async def test_nothing_to_pay_releases_the_whole_deposit(world: World, window: Window) -> None:
    guangzhou, number, visit, person = await admitted(world, window)
    await guangzhou.deposit(visit, "3000.00")
    said = await discharge(world, guangzhou, visit, person, "0.00")
    assert (said["state"], said["charged_amt"], said["held_amt"]) == ("SETTLED", "0.00", "0.00")
    assert [effect.amount_fen for effect in world.bank.did("VoidPreAuthorisation")] == [300_000]
    assert await guangzhou.avail(number) == "10000.00"


async def test_the_oldest_deposit_is_captured_first(world: World, window: Window) -> None:
    guangzhou, number, visit, person = await admitted(world, window)
    for place, amount in enumerate(("1000.00", "2000.00", "500.00")):
        await guangzhou.deposit(visit, amount, f"D{place}")
    said = await discharge(world, guangzhou, visit, person, "1700.00")
    assert said["state"] == "SETTLED"
    holds = (await guangzhou.view(visit))["holds"]
    assert [(hold["state"], hold["captured_amt"], hold["released_amt"]) for hold in holds] == [
        ("CAPTURED", "1000.00", "0.00"), ("CAPTURED", "700.00", "1300.00"), ("RELEASED", "0.00", "500.00"),
    ]  # fmt: skip
    assert await guangzhou.avail(number) == "8300.00"
    line = world.bank.line(person.certno)
    assert (line.used_fen, line.held_fen) == (170_000, 0)


async def test_the_part_beyond_deposit_and_line_is_the_patients(world: World, window: Window) -> None:
    guangzhou, number, visit, person = await admitted(world, window, 300_000)
    await guangzhou.deposit(visit, "3000.00")
    said = await discharge(world, guangzhou, visit, person, "3400.00")
    assert (said["state"], said["charged_amt"], said["remaining_amt"]) == ("CHARGE_FAILED", "3000.00", "400.00")
    assert said["fail_code"] == "OVER_LIMIT"
    await guangzhou.topup(visit, "400.00")
    settled = await guangzhou.settle(visit, "9400.00")
    assert (settled["state"], settled["charged_amt"], settled["topup_amt"]) == ("SETTLED", "3000.00", "400.00")
    assert len(world.platform.settled) == 1
    assert await guangzhou.avail(number) == "0.00"


async def test_the_part_beyond_may_be_paid_at_the_window(world: World, window: Window) -> None:
    guangzhou, _, visit, person = await admitted(world, window, 300_000)
    await guangzhou.deposit(visit, "3000.00")
    await discharge(world, guangzhou, visit, person, "3400.00")
    said = await guangzhou.close(visit, "400.00")
    assert (said["state"], said["charged_amt"], said["other_amt"]) == ("CLOSED_OTHER", "3000.00", "400.00")


@pytest.mark.parametrize("fault", ["lost_after", "lost_before"])
async def test_nothing_is_released_before_a_capture_is_known(world: World, window: Window, fault: str) -> None:
    guangzhou, number, visit, person = await admitted(world, window)
    await guangzhou.deposit(visit, "3000.00", "D1")
    await guangzhou.deposit(visit, "1000.00", "D2")
    world.wire.fault("CompletePreAuthorisation", fault)
    said = await discharge(world, guangzhou, visit, person, "2650.00")
    assert (said["state"], said["held_amt"]) == ("CHARGE_PENDING", "4000.00")
    assert world.bank.party.asked("VoidPreAuthorisation") == []
    await guangzhou.site.pass_time(minutes=20)
    shown = await guangzhou.view(visit)
    if fault == "lost_after":
        assert (shown["state"], shown["charged_amt"]) == ("SETTLED", "2650.00")
        assert await guangzhou.avail(number) == "7350.00"
    else:
        assert (shown["state"], shown["held_amt"]) == ("CHARGE_FAILED", "4000.00")
        again = await guangzhou.settle(visit, "8650.00")
        assert (again["state"], again["charged_amt"], again["held_amt"]) == ("SETTLED", "2650.00", "0.00")
    assert len(world.bank.did("CompletePreAuthorisation")) == 1


async def test_a_release_of_unknown_outcome_keeps_the_visit_open_until_it_is_known(
    world: World, window: Window
) -> None:
    guangzhou, number, visit, person = await admitted(world, window)
    await guangzhou.deposit(visit, "3000.00")
    world.wire.fault("VoidPreAuthorisation", "lost_after")
    said = await discharge(world, guangzhou, visit, person, "0.00")
    assert (said["state"], said["held_amt"]) == ("CHARGE_PENDING", "3000.00")
    await guangzhou.site.pass_time(minutes=1)
    assert (await guangzhou.view(visit))["state"] == "SETTLED"
    assert await guangzhou.avail(number) == "10000.00"


async def test_a_release_that_could_not_be_sent_is_sent_a_minute_later(world: World, window: Window) -> None:
    guangzhou, _, visit, person = await admitted(world, window)
    await guangzhou.deposit(visit, "3000.00")
    world.wire.fault("VoidPreAuthorisation", "nothing_left", "nothing_left")
    assert (await discharge(world, guangzhou, visit, person, "0.00"))["state"] == "CHARGE_PENDING"
    await guangzhou.site.pass_time(minutes=2)
    assert (await guangzhou.view(visit))["state"] == "SETTLED"


async def test_a_release_the_bank_refuses_is_a_task_and_ends_with_the_hold(world: World, window: Window) -> None:
    guangzhou, number, visit, person = await admitted(world, window)
    await guangzhou.deposit(visit, "3000.00")
    world.bank.party.say("VoidPreAuthorisation", refused("PTNA"))
    assert (await discharge(world, guangzhou, visit, person, "0.00"))["state"] == "CHARGE_PENDING"
    assert "HOLD_NOT_RELEASED" in await guangzhou.tasks()
    await guangzhou.site.pass_time(days=31)
    assert (await guangzhou.view(visit))["state"] == "SETTLED"
    assert await guangzhou.avail(number) == "10000.00"


async def test_a_refused_capture_leaves_the_deposit_for_the_next_attempt(world: World, window: Window) -> None:
    guangzhou, _, visit, person = await admitted(world, window)
    await guangzhou.deposit(visit, "3000.00")
    world.bank.party.say("CompletePreAuthorisation", refused("AC06", "账户已冻结"))
    said = await discharge(world, guangzhou, visit, person, "2650.00")
    assert (said["state"], said["held_amt"]) == ("CHARGE_FAILED", "3000.00")
    paid = await guangzhou.close(visit, "2650.00")
    assert (paid["state"], paid["held_amt"]) == ("CLOSED_OTHER", "0.00")
    assert len(world.bank.did("VoidPreAuthorisation")) == 1


async def test_a_discharge_while_a_deposit_is_unknown_waits_for_it_and_then_captures_it(
    world: World, window: Window
) -> None:
    guangzhou, number, visit, person = await admitted(world, window)
    world.wire.fault("PreAuthorise", "lost_after")
    await guangzhou.deposit(visit, "3000.00")
    world.wire.fault("QueryTransaction", "lost_before")
    said = await discharge(world, guangzhou, visit, person, "2650.00")
    assert said["state"] == "CHARGE_PENDING"
    assert world.bank.party.asked("Withhold") == []
    await guangzhou.site.pass_time(minutes=1)
    assert (await guangzhou.view(visit))["state"] == "SETTLED"
    assert await guangzhou.avail(number) == "7350.00"


@pytest.mark.parametrize(("fault", "state"), [("lost_after", "HELD"), ("lost_before", "OPEN")])
async def test_a_refused_discharge_goes_back_to_where_the_deposit_now_stands(
    world: World, window: Window, monkeypatch: pytest.MonkeyPatch, fault: str, state: str
) -> None:
    monkeypatch.setattr(settlements, "PATIENCE", 0.05)
    guangzhou, _, visit, person = await admitted(world, window)
    world.wire.fault("PreAuthorise", fault)
    await guangzhou.deposit(visit, "3000.00")
    world.platform.will_settle(person.psn_no, "8650.00", "6000.00", "0.00", "2650.00")
    world.wire.fault("2304", "lost_after")
    world.wire.fault("2601", *["lost_before"] * 8)
    assert (await guangzhou.settle(visit, "8650.00"))["state"] == "SETTLING"
    await guangzhou.site.pass_time(hours=1)
    assert (await guangzhou.view(visit))["state"] == state


async def test_a_deposit_covers_the_first_part_of_the_legs(world: World, window: Window) -> None:
    guangzhou, _, visit, _ = await admitted(world, window, 400_000)
    await guangzhou.deposit(visit, "3000.00")
    said = await guangzhou.leg(visit, "L1", "3500.00")
    assert (said["decision"], said["held_amt"], said["avail_amt"]) == ("go", "3500.00", "500.00")
    assert (await guangzhou.leg(visit, "L2", "500.01"))["decision"] == "over_limit"


# -- giving up ------------------------------------------------------------------------------------------------------


async def test_an_admission_that_is_cancelled_releases_its_deposit(world: World, window: Window) -> None:
    guangzhou, number, visit, _ = await admitted(world, window)
    await guangzhou.deposit(visit, "3000.00")
    await guangzhou.relay("2404", visit, "H44010000001202503030800000001")
    shown = await guangzhou.view(visit)
    assert (shown["state"], shown["held_amt"]) == ("RELEASED", "0.00")
    assert await guangzhou.avail(number) == "10000.00"


async def test_a_cancelled_admission_waits_for_an_unknown_deposit(world: World, window: Window) -> None:
    guangzhou, number, visit, _ = await admitted(world, window)
    world.wire.fault("PreAuthorise", "lost_after")
    await guangzhou.deposit(visit, "3000.00")
    await guangzhou.relay("2404", visit, "H44010000001202503030800000001")
    assert (await guangzhou.view(visit))["state"] == "HOLD_PENDING"
    await guangzhou.site.pass_time(minutes=1)
    assert (await guangzhou.view(visit))["state"] == "RELEASED"
    assert await guangzhou.avail(number) == "10000.00"


async def test_a_stay_paid_otherwise_gives_its_deposit_back(world: World, window: Window) -> None:
    guangzhou, number, visit, _ = await admitted(world, window)
    await guangzhou.deposit(visit, "3000.00")
    world.wire.fault("VoidPreAuthorisation", "lost_after")
    said = await guangzhou.close(visit, "2650.00")
    assert said["state"] == "HELD"
    await guangzhou.site.pass_time(minutes=1)
    assert (await guangzhou.view(visit))["state"] == "CLOSED_OTHER"
    assert await guangzhou.avail(number) == "10000.00"


# -- renewal --------------------------------------------------------------------------------------------------------


async def test_a_hold_is_renewed_three_days_before_its_end_the_new_one_first(world: World, window: Window) -> None:
    guangzhou, number, visit, _ = await admitted(world, window)
    await guangzhou.deposit(visit, "3000.00")
    await guangzhou.site.until(datetime.fromisoformat("2025-03-30T07:59:59+08:00"))
    assert len(world.bank.did("PreAuthorise")) == 1
    await guangzhou.site.until(datetime.fromisoformat("2025-03-30T08:00:01+08:00"))
    assert [e.operation for e in world.bank.effects[-2:]] == ["PreAuthorise", "VoidPreAuthorisation"]
    shown = await guangzhou.view(visit)
    assert (shown["state"], shown["held_amt"]) == ("HELD", "3000.00")
    assert [hold["state"] for hold in shown["holds"]] == ["RELEASED", "HELD"]
    assert await guangzhou.avail(number) == "7000.00"
    await guangzhou.site.until(datetime.fromisoformat("2025-04-10T08:00:00+08:00"))
    assert (await guangzhou.view(visit))["held_amt"] == "3000.00"


async def test_without_room_for_both_the_old_one_is_voided_first(world: World, window: Window) -> None:
    guangzhou, number, visit, _ = await admitted(world, window, 400_000)
    await guangzhou.deposit(visit, "3000.00")
    await guangzhou.site.until(datetime.fromisoformat("2025-03-31T08:00:00+08:00"))
    assert [e.operation for e in world.bank.effects[-2:]] == ["VoidPreAuthorisation", "PreAuthorise"]
    shown = await guangzhou.view(visit)
    assert (shown["state"], shown["held_amt"]) == ("HELD", "3000.00")
    assert await guangzhou.avail(number) == "1000.00"


async def test_a_renewal_the_bank_refuses_is_a_lapse_with_a_task(world: World, window: Window) -> None:
    guangzhou, number, visit, person = await admitted(world, window)
    await guangzhou.deposit(visit, "3000.00")
    world.bank.party.say("PreAuthorise", refused("AC06"))
    await guangzhou.site.until(datetime.fromisoformat("2025-03-31T08:00:00+08:00"))
    shown = await guangzhou.view(visit)
    assert (shown["state"], shown["held_amt"]) == ("LAPSED", "3000.00")
    assert "HOLD_LAPSED" in await guangzhou.tasks()
    assert guangzhou.events(visit) == ["hold.lapsing"]
    said = await discharge(world, guangzhou, visit, person, "2650.00")
    assert (said["state"], said["charged_amt"]) == ("SETTLED", "2650.00")
    assert await guangzhou.avail(number) == "7350.00"


async def test_a_lapsed_hold_is_gone_at_its_end_and_a_new_deposit_may_be_held(world: World, window: Window) -> None:
    guangzhou, number, visit, _ = await admitted(world, window)
    await guangzhou.deposit(visit, "3000.00")
    world.bank.party.say("PreAuthorise", refused("AC06"))
    await guangzhou.site.until(datetime.fromisoformat("2025-04-02T08:00:01+08:00"))
    shown = await guangzhou.view(visit)
    assert (shown["state"], shown["held_amt"], shown["holds"][0]["state"]) == ("LAPSED", "0.00", "LAPSED")
    assert await guangzhou.avail(number) == "10000.00"
    assert (await guangzhou.deposit(visit, "2000.00", "D2"))["state"] == "HELD"


@pytest.mark.parametrize("limit", [1_000_000, 400_000])
@pytest.mark.parametrize("operation", ["PreAuthorise", "VoidPreAuthorisation"])
async def test_a_renewal_whose_outcome_is_lost_ends_with_one_hold(
    world: World, window: Window, limit: int, operation: str
) -> None:
    guangzhou, _, visit, person = await admitted(world, window, limit)
    await guangzhou.deposit(visit, "3000.00")
    world.wire.fault(operation, "lost_after")
    await guangzhou.site.until(datetime.fromisoformat("2025-03-31T08:00:00+08:00"))
    shown = await guangzhou.view(visit)
    assert (shown["state"], shown["held_amt"]) == ("HELD", "3000.00")
    assert world.bank.line(person.certno).held_fen == 300_000
    assert len(world.bank.did("PreAuthorise")) == 2


async def test_what_is_waived_is_charged_at_discharge_like_a_visit(world: World, window: Window) -> None:
    person = world.person()
    number = await window.agreement(person, 500_000)
    visit = await window.open(number, person, "INPATIENT")
    world.platform.will_settle(person.psn_no, "10000.00", "7000.00", "500.00", "2500.00")
    said = await window.settle(visit, "10000.00")
    assert (said["state"], said["charged_amt"]) == ("SETTLED", "2500.00")
    assert world.platform.effects[-1].operation == "2304"
    assert window.code == SHAOYANG
