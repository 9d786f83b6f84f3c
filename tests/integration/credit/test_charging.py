"""D.2 from SETTLING on, and D.4: every word a bank can say about a charge, and what becomes of the visit."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gateway.flows.credit import bank_events, settlements
from gateway.model.bank import BankStatus, MoneyReply, NotifyTransaction
from gateway.model.insurance import NationalReply
from gateway.model.refusals import Refusal
from tests.support.credit import SHAOYANG, Window, World
from tests.support.parties import UNREADABLE, Insured, accepted, done, refused


async def treated(
    world: World, window: Window, cash: str = "1000.00", limit_fen: int = 500_000
) -> tuple[str, str, Insured]:
    """(agreement_no, visit_id, person): one leg held for the cash part, the platform's amounts set."""
    person = world.person()
    number = await window.agreement(person, limit_fen)
    visit = await window.open(number, person)
    await window.leg(visit, "L1", cash, fee="3000.00")
    world.platform.will_settle(person.psn_no, "3000.00", "1900.00", "100.00", cash)
    return number, visit, person


async def attempts(window: Window, operation: str) -> int:
    """How often an operation was put on the wire."""
    row = await window.site.house.journal.store.row(
        "SELECT COUNT(*) AS n FROM attempt JOIN operation USING (operation_id) WHERE name = :name", {"name": operation}
    )
    return 0 if row is None else int(row["n"])


def v1_holds(shown: dict[str, Any], cash: int) -> bool:
    """V1: charged + top-ups + other = the cash part, to the fen."""
    fen = [int(shown[name].replace(".", "")) for name in ("charged_amt", "topup_amt", "other_amt")]
    return sum(fen) == cash


async def test_one_charge_per_settlement(world: World, window: Window) -> None:
    number, visit, _ = await treated(world, window)
    said = await window.settle(visit, "3000.00")
    assert (said.status, said["state"]) == (200, "SETTLED")
    assert (said["charged_amt"], said["held_amt"], said["remaining_amt"]) == ("1000.00", "0.00", "0.00")
    settlement = said["settlement"]
    assert (settlement["medfee_sumamt"], settlement["fund_pay_sumamt"], settlement["acct_pay"]) == (
        "3000.00", "1900.00", "100.00",
    )  # fmt: skip
    assert (settlement["psn_cash_pay"], settlement["hosp_recon_diff"]) == ("1000.00", "0.00")
    charge = said["charges"][0]
    assert (charge["state"], charge["amount"], charge["kind"]) == ("SUCCEEDED", "1000.00", "WITHHOLD")
    assert charge["interest_free_until"] == "2025-04-22"
    assert [effect.amount_fen for effect in world.bank.did("Withhold")] == [100_000]
    assert await window.avail(number) == "4000.00"
    await window.site.pass_time(seconds=5)
    assert window.events(visit) == ["charge.final", "visit.final"]


async def test_the_bank_gets_amounts_and_numbers_and_nothing_medical(world: World, window: Window) -> None:
    _, visit, person = await treated(world, window)
    await window.settle(visit, "3000.00", diagnosis="J06.900")
    request = world.bank.party.asked("Withhold")[0]
    assert request.payee.acct_no.reveal() == f"6222{SHAOYANG[1:]}"
    assert (request.visit_no, request.bill_no, request.amount_fen) == (visit, "B1", 100_000)
    assert request.payer_name.reveal() == person.psn_name
    assert "J06" not in request.model_dump_json(context={"reveal": True})
    assert world.bank.effects[-1].key == request.serial


async def test_fund_and_account_never_touch_the_line(world: World, window: Window) -> None:
    number, visit, person = await treated(world, window, "0.00")
    world.platform.will_settle(person.psn_no, "3000.00", "2900.00", "100.00", "0.00")
    said = await window.settle(visit, "3000.00")
    assert (said["state"], said["charges"]) == ("SETTLED", [])
    assert await window.avail(number) == "5000.00"


async def test_a_cash_part_above_the_hold_takes_the_rest_from_what_is_free(world: World, window: Window) -> None:
    number, visit, person = await treated(world, window, "1000.00", 120_000)
    world.platform.will_settle(person.psn_no, "3000.00", "1700.00", "100.00", "1200.00")
    said = await window.settle(visit, "3000.00")
    assert (said["state"], said["charged_amt"]) == ("SETTLED", "1200.00")
    assert await window.avail(number) == "0.00"


async def test_one_fen_over_the_limit_charges_nothing(world: World, window: Window) -> None:
    number, visit, person = await treated(world, window, "1000.00", 120_000)
    world.platform.will_settle(person.psn_no, "3000.00", "1699.99", "100.00", "1200.01")
    said = await window.settle(visit, "3000.00")
    assert (said.status, said["state"], said["fail_code"]) == (200, "CHARGE_FAILED", "OVER_LIMIT")
    assert (said["charged_amt"], said["remaining_amt"], said["held_amt"]) == ("0.00", "1200.01", "0.00")
    assert world.bank.did("Withhold") == []
    assert "超出可用额度 0.01 元" in [reason["detail"] for reason in said["reasons"]]
    assert await window.avail(number) == "1200.00"


async def test_the_excess_topped_up_after_the_settlement_lets_it_be_charged(world: World, window: Window) -> None:
    _, visit, person = await treated(world, window, "1000.00", 120_000)
    world.platform.will_settle(person.psn_no, "3000.00", "1649.50", "100.00", "1250.50")
    await window.settle(visit, "3000.00")
    assert (await window.topup(visit, "1250.51")).code == "INVALID_AMOUNT"
    await window.topup(visit, "50.50")
    said = await window.settle(visit, "3000.00")
    assert (said["state"], said["charged_amt"], said["topup_amt"]) == ("SETTLED", "1200.00", "50.50")
    assert v1_holds(said.body, 125_050)
    assert len(world.platform.settled) == 1


async def test_top_ups_pay_first(world: World, window: Window) -> None:
    _, visit, person = await treated(world, window, "1250.50", 100_000)
    await window.topup(visit, "250.50", "L1")
    world.platform.will_settle(person.psn_no, "3000.00", "1749.50", "0.00", "1250.50")
    said = await window.settle(visit, "3000.00")
    assert (said["state"], said["charged_amt"]) == ("SETTLED", "1000.00")
    assert v1_holds(said.body, 125_050)


async def test_the_same_key_settles_and_charges_once(world: World, window: Window) -> None:
    _, visit, _ = await treated(world, window)
    first = await window.settle(visit, "3000.00", "one")
    assert (await window.settle(visit, "3000.00", "one")).body == first.body
    other = await window.settle(visit, "3000.00", "two")
    assert (other.status, other.code) == (409, "ILLEGAL_STATE")
    assert len(world.platform.settled) == len(world.bank.did("Withhold")) == 1


async def test_two_windows_settling_at_once_charge_once(world: World, window: Window) -> None:
    _, visit, _ = await treated(world, window)
    said = await asyncio.gather(*(window.settle(visit, "3000.00", f"window-{n}") for n in range(4)))
    assert sorted(answer.status for answer in said) == [200, 409, 409, 409]
    assert len(world.platform.settled) == len(world.bank.did("Withhold")) == 1


# -- the insurance --------------------------------------------------------------------------------------------------


async def test_an_insurance_that_refuses_leaves_the_visit_open_with_its_holds(world: World, window: Window) -> None:
    _, visit, _ = await treated(world, window)
    word = NationalReply(infcode="-1", err_msg="未查询到费用明细", raw="{}")
    world.platform.party.say("2207", refused("NO_FEES", reply=word))
    said = await window.settle(visit, "3000.00", "one")
    assert (said.status, said.code, said["platform_code"]) == (422, "INVALID_FIELD", "NO_FEES")
    assert said["detail"] == "未查询到费用明细"
    shown = await window.view(visit)
    assert (shown["state"], shown["held_amt"]) == ("OPEN", "1000.00")
    assert (await window.settle(visit, "3000.00", "one")).code == said.code
    assert (await window.settle(visit, "3000.00"))["state"] == "SETTLED"


async def test_an_unreachable_platform_is_told_and_nothing_changed(world: World, window: Window) -> None:
    _, visit, _ = await treated(world, window)
    world.wire.fault("2207", "nothing_left")
    said = await window.settle(visit, "3000.00")
    assert (said.status, said.code) == (503, "PLATFORM_UNAVAILABLE")
    assert (await window.view(visit))["state"] == "OPEN"
    assert (await window.settle(visit, "3000.00"))["state"] == "SETTLED"


async def test_a_settlement_of_unknown_outcome_is_reversed_and_may_be_settled_anew(
    world: World, window: Window
) -> None:
    _, visit, _ = await treated(world, window)
    world.wire.fault("2207", "lost_after")
    said = await window.settle(visit, "3000.00", "one")
    assert (said.status, said.code) == (409, "SETTLEMENT_REVERSED")
    assert (await window.settle(visit, "3000.00", "one")).code == "SETTLEMENT_REVERSED"
    assert (await window.view(visit))["held_amt"] == "1000.00"
    assert (await window.settle(visit, "3000.00", "two"))["state"] == "SETTLED"
    assert [effect.operation for effect in world.platform.effects] == ["2207", "2601", "2207"]
    assert len(world.bank.did("Withhold")) == 1


async def test_a_settlement_that_stays_unknown_is_pending_and_goes_on_by_itself(
    world: World, window: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settlements, "PATIENCE", 0.05)
    _, visit, _ = await treated(world, window)
    world.wire.fault("2207", "lost_after")
    world.wire.fault("2601", "lost_before", "lost_before")
    said = await window.settle(visit, "3000.00", "one")
    assert (said.status, said["state"]) == (202, "SETTLING")
    busy = await window.settle(visit, "3000.00", "two")
    assert (busy.status, busy.code) == (409, "IN_PROGRESS")
    await window.site.pass_time(minutes=1)
    shown = await window.view(visit)
    assert (shown["state"], shown["held_amt"]) == ("OPEN", "1000.00")
    assert (await window.settle(visit, "3000.00", "one")).code == "SETTLEMENT_REVERSED"
    assert (await window.settle(visit, "3000.00", "three"))["state"] == "SETTLED"
    assert len(world.bank.did("Withhold")) == 1


async def test_a_bill_that_does_not_tie_is_refused_before_anything_happens(world: World, window: Window) -> None:
    _, visit, _ = await treated(world, window)
    said = await window.settle(visit, "3000.01", medfee_sumamt="3000.00")
    assert (said.status, said.code) == (422, "SPLIT_MISMATCH")
    assert world.platform.effects == []
    assert (await window.view(visit))["state"] == "OPEN"


async def test_a_bill_that_turns_out_not_to_tie_is_settled_and_not_charged(world: World, window: Window) -> None:
    _, visit, _ = await treated(world, window)
    said = await window.settle(visit, "3000.01")
    assert (said.status, said["state"], said["fail_code"]) == (200, "CHARGE_FAILED", "SPLIT_MISMATCH")
    assert said["settlement"]["hosp_recon_diff"] == "0.01"
    assert any(reason["requirement"] == "R-048" for reason in said["reasons"])
    assert world.bank.did("Withhold") == []
    again = await window.settle(visit, "3000.00")
    assert (again["state"], again["charged_amt"]) == ("SETTLED", "1000.00")


# -- the bank's words -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["lost_after", "lost_before"])
async def test_an_unknown_charge_is_pending_stays_held_and_is_found_out(
    world: World, window: Window, fault: str
) -> None:
    number, visit, _ = await treated(world, window)
    world.wire.fault("Withhold", fault)
    said = await window.settle(visit, "3000.00", "one")
    assert (said.status, said["state"], said["charges"][0]["state"]) == (202, "CHARGE_PENDING", "UNKNOWN")
    assert (said["held_amt"], said["avail_amt"]) == ("1000.00", "4000.00")
    await window.site.pass_time(seconds=2)
    assert window.events(visit)[0] == "charge.pending"
    await window.site.pass_time(minutes=30)
    found = await window.settle(visit, "3000.00", "one")
    done_ = fault == "lost_after"
    assert (found.status, found["state"]) == (200, "SETTLED" if done_ else "CHARGE_FAILED")
    assert found["charges"][0]["state"] == ("SUCCEEDED" if done_ else "NOT_RECEIVED")
    assert len(world.bank.did("Withhold")) == int(done_)
    assert await attempts(window, "Withhold") == 1
    assert await window.avail(number) == ("4000.00" if done_ else "5000.00")


async def test_not_found_counts_only_after_the_settling_time(world: World, window: Window) -> None:
    _, visit, _ = await treated(world, window)
    world.wire.fault("Withhold", "lost_before")
    await window.settle(visit, "3000.00")
    await window.site.pass_time(minutes=9)
    assert world.bank.party.asked("QueryTransaction")
    assert (await window.view(visit))["state"] == "CHARGE_PENDING"
    await window.site.pass_time(minutes=2)
    assert (await window.view(visit))["state"] == "CHARGE_FAILED"


async def test_a_question_that_fails_changes_nothing(world: World, window: Window) -> None:
    _, visit, _ = await treated(world, window)
    world.wire.fault("Withhold", "lost_after")
    world.wire.fault("QueryTransaction", "lost_before", "nothing_left", "lost_before")
    await window.settle(visit, "3000.00")
    await window.site.pass_time(seconds=7)
    assert (await window.view(visit))["state"] == "CHARGE_PENDING"
    await window.site.pass_time(seconds=30)
    assert (await window.view(visit))["state"] == "SETTLED"


async def test_a_charge_the_bank_works_on_is_pending(world: World, window: Window) -> None:
    _, visit, _ = await treated(world, window)
    world.bank.party.say("Withhold", accepted(MoneyReply(status=BankStatus.PDNG)))
    said = await window.settle(visit, "3000.00")
    assert (said.status, said["state"], said["charges"][0]["state"]) == (202, "CHARGE_PENDING", "SUBMITTED")
    request = world.bank.party.asked("Withhold")[0]
    world.bank.serve("Withhold", request)
    await window.site.pass_time(seconds=5)
    assert (await window.view(visit))["state"] == "SETTLED"


async def test_an_unreadable_answer_is_an_unknown_outcome(world: World, window: Window) -> None:
    _, visit, _ = await treated(world, window)
    world.bank.party.say("Withhold", UNREADABLE)
    said = await window.settle(visit, "3000.00")
    assert (said["state"], said["charges"][0]["state"]) == ("CHARGE_PENDING", "UNKNOWN")


async def test_a_refused_charge_fails_and_may_be_tried_anew_as_a_linked_operation(world: World, window: Window) -> None:
    number, visit, _ = await treated(world, window)
    world.bank.party.say("Withhold", refused("AM04", "余额不足"))
    said = await window.settle(visit, "3000.00")
    assert (said.status, said["state"], said["held_amt"]) == (200, "CHARGE_FAILED", "0.00")
    assert (said["charges"][0]["state"], said["remaining_amt"]) == ("REJECTED", "1000.00")
    assert await window.avail(number) == "5000.00"
    again = await window.settle(visit, "3000.00")
    assert (again["state"], [charge["state"] for charge in again["charges"]]) == ("SETTLED", ["REJECTED", "SUCCEEDED"])
    operations = await window.site.house.journal.operations.find("name = 'Withhold'", order="opened_at")
    assert operations[1].linked_to == operations[0].operation_id
    assert operations[0].key != operations[1].key
    assert len(world.platform.settled) == 1


async def test_a_charge_that_was_not_sent_is_told_and_never_sent_later(world: World, window: Window) -> None:
    _, visit, _ = await treated(world, window)
    world.wire.fault("Withhold", "nothing_left")
    said = await window.settle(visit, "3000.00")
    assert (said["state"], said["fail_code"], said["charges"][0]["state"]) == (
        "CHARGE_FAILED", "BANK_UNAVAILABLE", "REJECTED",
    )  # fmt: skip
    await window.close(visit, "1000.00")
    await window.site.pass_time(days=2)
    assert world.bank.did("Withhold") == []


async def test_money_goes_out_on_a_fresh_connection_and_questions_need_not(world: World, window: Window) -> None:
    fresh: dict[str, bool] = {}
    send = world.wire.send

    async def watch(url: str, out: Any, timeouts: Any, *, fresh: bool) -> Any:
        seen[url.rpartition("/")[2]] = fresh
        return await send(url, out, timeouts, fresh=fresh)

    seen = fresh
    _, visit, _ = await treated(world, window)
    window.site.house.delivery._transport = type("Watched", (), {"send": staticmethod(watch)})()
    world.wire.fault("Withhold", "lost_after")
    await window.settle(visit, "3000.00")
    await window.site.pass_time(seconds=3)
    assert fresh["Withhold"] is True
    assert fresh["QueryTransaction"] is False


# -- paid otherwise -------------------------------------------------------------------------------------------------


async def test_paid_at_the_window_after_a_failed_charge(world: World, window: Window) -> None:
    _, visit, _ = await treated(world, window)
    world.bank.party.say("Withhold", refused("AM04"))
    await window.settle(visit, "3000.00")
    short = await window.close(visit, "999.99")
    assert (short.status, short.code, short["remaining_amt"]) == (422, "INVALID_AMOUNT", "1000.00")
    said = await window.close(visit, "1000.00")
    assert (said["state"], said["other_amt"], said["remaining_amt"]) == ("CLOSED_OTHER", "1000.00", "0.00")
    assert v1_holds(said.body, 100_000)


async def test_paid_at_the_window_and_then_charged_after_all_is_refunded(world: World, window: Window) -> None:
    number, visit, _ = await treated(world, window)
    world.wire.fault("Withhold", "lost_after")
    world.wire.fault("QueryTransaction", "lost_before")
    await window.settle(visit, "3000.00")
    noted = await window.close(visit, "1000.00")
    assert (noted.status, noted["state"]) == (202, "CHARGE_PENDING")
    assert (await window.close(visit, "1000.00")).code == "ILLEGAL_STATE"
    await window.site.pass_time(minutes=1)
    shown = await window.view(visit)
    assert (shown["state"], shown["charged_amt"], shown["other_amt"]) == ("CLOSED_OTHER", "0.00", "1000.00")
    assert [effect.amount_fen for effect in world.bank.did("Refund")] == [100_000]
    assert shown["charges"][0]["state"] == "VOIDED"
    assert await window.avail(number) == "5000.00"


async def test_paid_at_the_window_and_never_charged_releases_and_nothing_else(world: World, window: Window) -> None:
    number, visit, _ = await treated(world, window)
    world.wire.fault("Withhold", "lost_before")
    await window.settle(visit, "3000.00")
    await window.close(visit, "1000.00")
    await window.site.pass_time(minutes=30)
    shown = await window.view(visit)
    assert (shown["state"], shown["other_amt"], shown["held_amt"]) == ("CLOSED_OTHER", "1000.00", "0.00")
    assert world.bank.did("Withhold") == world.bank.did("Refund") == []
    assert await window.avail(number) == "5000.00"


async def test_a_refund_of_unknown_outcome_keeps_the_visit_pending_until_it_is_found_out(
    world: World, window: Window
) -> None:
    _, visit, _ = await treated(world, window)
    world.wire.fault("Withhold", "lost_after")
    world.wire.fault("Refund", "lost_after")
    await window.settle(visit, "3000.00")
    await window.close(visit, "1000.00")
    await window.site.pass_time(minutes=5)
    assert (await window.view(visit))["state"] == "CLOSED_OTHER"
    assert len(world.bank.did("Refund")) == 1


# -- arrears --------------------------------------------------------------------------------------------------------


async def test_a_patient_who_leaves_unpaid_is_in_arrears_until_he_pays(world: World, window: Window) -> None:
    _, visit, _ = await treated(world, window)
    world.bank.party.say("Withhold", refused("AM04"))
    await window.settle(visit, "3000.00")
    said = await window.close(visit, "0.00", "left")
    assert (said["state"], said["remaining_amt"]) == ("ARREARS", "1000.00")
    assert (await window.close(visit, "0.00", "left"))["state"] == "ARREARS"
    paid = await window.close(visit, "1000.00")
    assert (paid["state"], paid["other_amt"]) == ("SETTLED", "1000.00")


async def test_a_failed_charge_nobody_looks_after_becomes_arrears_a_day_later(world: World, window: Window) -> None:
    _, visit, _ = await treated(world, window)
    world.bank.party.say("Withhold", refused("AM04"))
    await window.settle(visit, "3000.00")
    await window.site.pass_time(hours=23)
    assert (await window.view(visit))["state"] == "CHARGE_FAILED"
    await window.site.pass_time(hours=2)
    assert (await window.view(visit))["state"] == "ARREARS"


# -- limits ---------------------------------------------------------------------------------------------------------


async def test_a_limit_cut_below_what_is_held_honours_the_hold_and_nothing_beyond(world: World, window: Window) -> None:
    number, visit, person = await treated(world, window, "1000.00", 200_000)
    journal = window.site.house.journal
    agreement = (await window.entities("agreement"))[0]
    world.bank.line(person.certno).limit_fen = 60_000
    event = NotifyTransaction(
        msg_id="M1", notify_no="N1", event_type="AGREEMENT", agreement_no=number, status=BankStatus.ACSC,
        occurred_at=window.site.clock.now(),
    )  # fmt: skip
    assert await bank_events.take(window.site.house, "bocom", event, "X1")
    line = await journal.line(agreement.id)
    assert (line.limit_fen, line.held_fen, line.avail_fen) == (60_000, 100_000, -40_000)
    assert (await window.leg(visit, "L2", "0.01"))["decision"] == "over_limit"
    world.bank.line(person.certno).limit_fen = 200_000
    said = await window.settle(visit, "3000.00")
    assert (said["state"], said["charged_amt"]) == ("SETTLED", "1000.00")


async def test_a_settlement_without_a_total_is_no_body(world: World, window: Window) -> None:
    _, visit, _ = await treated(world, window)
    body = {"infno": "2207", "input": {}, "his_bill_no": "B1"}
    with pytest.raises(Refusal, match="INVALID_FIELD"):
        await window.post(f"/v1/visits/{visit}/settle", body)


async def test_an_answer_whose_money_is_done_twice_would_not_be_believed(world: World, window: Window) -> None:
    """The bank here executes every request it gets: that it got one is the gateway's doing (W1)."""
    _, visit, _ = await treated(world, window)
    world.bank.party.say("Withhold", done(MoneyReply(status=BankStatus.ACSC, amount_fen=100_000, bank_txn_no="BT9")))
    await window.settle(visit, "3000.00")
    await window.site.pass_time(days=1)
    assert len(world.bank.party.asked("Withhold")) == 1
