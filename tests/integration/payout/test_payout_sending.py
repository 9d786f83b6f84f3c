"""Sending: not sent, unknown, refused, the cut-off, batches, and that nothing is sent twice (G, D.6, P1, P7, P8)."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.flows.payout.receipts import take_receipt
from gateway.journal.entities import Act
from gateway.model.bank import BankStatus
from gateway.model.refusals import Refusal
from tests.support.house import moment
from tests.support.payouts import ONE, TWO, Area, open_area


async def built(area: Area, *bases: tuple[str, str, str]) -> None:
    """Settle on 03-03 and wait for the build of 03-04."""
    for setl_id, base, hospital in bases or (("A", "1000.00", ONE), ("B", "2000.00", TWO)):
        await area.settle(setl_id, base, "2025-03-03", hospital=hospital)
    await area.at("2025-03-04 09:00")


async def states(area: Area, day: str = "2025-03-03") -> dict[str, str]:
    """State of each hospital's order."""
    return {order["fixmedins_code"]: order["state"] for order in (await area.summary(day))["orders"]}


async def test_not_sent_waits_under_the_same_numbers_and_goes_out_the_next_minute(tmp_path: Path) -> None:
    async with open_area(tmp_path / "x.db", tmp_path) as area:
        await built(area)
        await area.approve("2025-03-03")
        number = (await area.order("2025-03-03"))["pay_order_no"]
        area.wire.fault("SubmitPayoutBatch", "nothing_left")
        answer = await area.submit("2025-03-03")
        assert answer.status == 202
        assert (answer.resource["state"], await states(area)) == ("APPROVED", {ONE: "IN_SUMMARY", TWO: "IN_SUMMARY"})
        assert await area.keys() == {"A": 0, "B": 0}
        await area.at("2025-03-04 09:02")
        assert (await area.order("2025-03-03"))["pay_order_no"] == number
        assert len(area.bank.effects) == 2
        assert await area.keys() == {"A": 1, "B": 1}


async def test_not_sent_until_the_cutoff_is_deferred_and_still_the_first_submission(tmp_path: Path) -> None:
    async with open_area(tmp_path / "x.db", tmp_path) as area:
        await built(area)
        await area.at("2025-03-04 14:57")
        area.wire.fault("SubmitPayoutBatch", *["nothing_left"] * 10)
        await area.approve("2025-03-03")
        await area.at("2025-03-04 15:10")
        summary = await area.summary("2025-03-03")
        assert (summary["state"], summary["pay_date"]) == ("DEFERRED", "2025-03-05")
        assert summary["approved_by"] == "sandbox-approver"
        area.wire.faults.clear()
        await area.at("2025-03-05 09:00")
        assert len(area.bank.effects) == 2
        assert (await area.order("2025-03-03"))["pay_date"] == "2025-03-05"


async def test_deferred_as_often_as_needed_until_first_sent(tmp_path: Path) -> None:
    async with open_area(tmp_path / "x.db", tmp_path) as area:
        await built(area)
        area.wire.fault("SubmitPayoutBatch", *["nothing_left"] * 50)
        area.clock.move(moment("2025-03-04 14:56"), 0)
        await area.approve("2025-03-03")
        for day, pay_date in (("2025-03-04", "2025-03-05"), ("2025-03-05", "2025-03-06"), ("2025-03-07", "2025-03-10")):
            area.clock.move(moment(f"{day} 14:57"), 0)
            await area.at(f"{day} 16:00")
            summary = await area.summary("2025-03-03")
            assert (summary["state"], summary["pay_date"], summary["version"]) == ("DEFERRED", pay_date, 1)
            with pytest.raises(Refusal, match="CUTOFF_PASSED"):
                await area.submit("2025-03-03")
        assert "CUTOFF_MISSED" in await area.tasks()
        area.wire.faults.clear()
        await area.at("2025-03-10 12:00")
        assert {order["pay_date"] for order in (await area.summary("2025-03-03"))["orders"]} == {"2025-03-10"}
        assert len(area.bank.effects) == 2
        assert "CUTOFF_MISSED" not in await area.tasks()


async def test_a_claim_leaves_a_deferred_summary(tmp_path: Path) -> None:
    async with open_area(tmp_path / "x.db", tmp_path) as area:
        await built(area)
        await area.at("2025-03-04 14:59:59")
        area.wire.fault("SubmitPayoutBatch", *["nothing_left"] * 9)
        await area.approve("2025-03-03")
        await area.at("2025-03-04 15:30")
        area.wire.faults.clear()
        await area.cancel("B", TWO)
        summary = await area.summary("2025-03-03")
        assert (summary["state"], summary["version"], summary["sum_amt"]) == ("BUILT", 2, "600.00")
        await area.at("2025-03-05 12:00")
        assert area.bank.effects == []
        await area.pay("2025-03-03")
        assert [fen for _, fen in area.bank.effects] == [60_000]


async def test_approved_before_its_pay_date_it_leaves_on_the_morning_of_that_day(tmp_path: Path) -> None:
    async with open_area(tmp_path / "x.db", tmp_path) as area:
        area.clock.move(area.clock.now().replace(day=4, hour=16), 0)
        await area.settle("A", "1000.00", "2025-03-03")
        await area.at("2025-03-04 16:01")
        assert (await area.day("2025-03-03"))["summaries"] == []
        await area.at("2025-03-05 08:31")
        summary = await area.summary("2025-03-03")
        assert summary["pay_date"] == "2025-03-05"


async def test_a_receipt_proves_an_order_whose_outcome_is_unknown(tmp_path: Path) -> None:
    async with open_area(tmp_path / "x.db", tmp_path) as area:
        await built(area, ("A", "1000.00", ONE))
        await area.approve("2025-03-03")
        area.wire.fault("SubmitPayoutBatch", "lost_after")
        await area.submit("2025-03-03")
        order = await area.order("2025-03-03")
        assert order["state"] == "UNKNOWN"
        await take_receipt(area.house, "bocom", area.bank.receipts[order["pay_order_no"]], Act("bank:bocom"))
        assert (await area.order("2025-03-03"))["state"] == "PAID"


@pytest.mark.parametrize("fault", ["lost_before", "lost_after"])
async def test_an_unknown_outcome_is_asked_after_and_never_sent_again(tmp_path: Path, fault: str) -> None:
    async with open_area(tmp_path / "x.db", tmp_path) as area:
        await built(area)
        await area.approve("2025-03-03")
        area.wire.fault("SubmitPayoutBatch", fault)
        answer = await area.submit("2025-03-03")
        assert (answer.status, set((await states(area)).values())) == (202, {"UNKNOWN"})
        await area.submit("2025-03-03")
        await area.at("2025-03-04 12:00")
        assert area.wire.count("SubmitPayoutBatch") == (1 if fault == "lost_after" else 0)
        if fault == "lost_after":
            assert set((await states(area)).values()) == {"PAID"}
            assert len(area.bank.effects) == 2
            return
        assert set((await states(area)).values()) == {"UNKNOWN"}
        await area.at("2025-03-04 20:30")
        assert set((await states(area)).values()) == {"FAILED"}
        await area.at("2025-03-06 12:00")
        assert area.bank.effects == []


async def test_a_final_not_found_before_the_settling_time_is_still_unknown(tmp_path: Path) -> None:
    async with open_area(tmp_path / "x.db", tmp_path) as area:
        await built(area)
        await area.approve("2025-03-03")
        area.wire.fault("SubmitPayoutBatch", "lost_before")
        await area.submit("2025-03-03")
        await area.at("2025-03-04 09:05")
        order = await area.house.journal.entities.first("payout_order", "hospital = :h", h=ONE)
        assert order is not None
        assert (order.state, order.get("not_found")) == ("UNKNOWN", None)
        await area.at("2025-03-04 10:00")
        order = await area.house.journal.entities.get("payout_order", order.id)
        assert order is not None
        assert (order.state, order.get("not_found")) == ("UNKNOWN", True)


async def test_a_batch_refused_as_a_whole_fails_at_the_days_close(tmp_path: Path) -> None:
    async with open_area(tmp_path / "x.db", tmp_path) as area:
        await built(area)
        area.bank.refuse = "AM04"
        await area.pay("2025-03-03")
        order = await area.order("2025-03-03")
        assert (order["state"], order["tx_sts"], order["sts_rsn"]) == ("STATUS_FAIL", "RJCT", "AM04")
        area.bank.refuse = ""
        await area.at("2025-03-04 20:30")
        assert set((await states(area)).values()) == {"FAILED"}
        assert (await area.summary("2025-03-03"))["state"] == "CLOSED"
        await area.at("2025-03-07 12:00")
        assert area.wire.count("SubmitPayoutBatch") == 1


async def test_an_order_refused_singly_fails_alone(tmp_path: Path) -> None:
    async with open_area(tmp_path / "x.db", tmp_path) as area:
        await built(area)
        area.bank.reject.add(TWO)
        await area.pay("2025-03-03")
        await area.at("2025-03-04 10:30")
        assert await states(area) == {ONE: "PAID", TWO: "STATUS_FAIL"}


async def test_a_status_never_makes_paid(tmp_path: Path) -> None:
    async with open_area(tmp_path / "x.db", tmp_path) as area:
        area.bank.issue = False
        await built(area)
        await area.pay("2025-03-03")
        await area.at("2025-03-20 12:00")
        assert set((await states(area)).values()) == {"STATUS_OK"}


async def test_a_batch_still_worked_on_is_polled_until_it_has_a_status(tmp_path: Path) -> None:
    async with open_area(tmp_path / "x.db", tmp_path) as area:
        area.bank.keep_open, area.bank.issue = True, False
        await built(area, ("A", "1000.00", ONE))
        await area.pay("2025-03-03")
        await area.at("2025-03-04 09:30")
        order = await area.order("2025-03-03")
        assert (order["state"], order["tx_sts"]) == ("SUBMITTED", "PDNG")
        area.bank.set_status(order["pay_order_no"], BankStatus.ACSC)
        await area.at("2025-03-04 11:00")
        assert (await area.order("2025-03-03"))["state"] == "STATUS_OK"


async def test_submit_again_answers_and_sends_nothing(tmp_path: Path) -> None:
    async with open_area(tmp_path / "x.db", tmp_path) as area:
        await built(area)
        await area.pay("2025-03-03")
        answer = await area.submit("2025-03-03")
        assert (answer.status, answer.resource["state"]) == (200, "SUBMITTED")
        await area.at("2025-03-05 12:00")
        assert (await area.submit("2025-03-03")).status == 200
        assert len(area.bank.effects) == 2


async def test_submit_without_two_approvals_is_refused(tmp_path: Path) -> None:
    async with open_area(tmp_path / "x.db", tmp_path) as area:
        await built(area)
        with pytest.raises(Refusal, match="ILLEGAL_STATE"):
            await area.submit("2025-03-03")
        await area.approve("2025-03-03", "preparer")
        with pytest.raises(Refusal, match="ILLEGAL_STATE"):
            await area.submit("2025-03-03")
        await area.at("2025-03-05 12:00")
        assert area.bank.effects == []


async def test_an_unapproved_summary_moves_its_pay_date_and_keeps_its_content(tmp_path: Path) -> None:
    async with open_area(tmp_path / "x.db", tmp_path) as area:
        await built(area)
        before = await area.summary("2025-03-03")
        await area.approve("2025-03-03", "preparer")
        await area.at("2025-03-05 09:00")
        after = await area.summary("2025-03-03")
        assert (after["state"], after["pay_date"]) == ("PREPARED", "2025-03-05")
        assert (after["content_hash"], after["version"]) == (before["content_hash"], 1)
        await area.approve("2025-03-03", "approver")
        await area.submit("2025-03-03")
        assert len(area.bank.effects) == 2


async def test_an_order_not_sent_at_the_cutoff_is_deferred_alone_under_its_number(tmp_path: Path) -> None:
    """Two batches of one record each: the first leaves, the second does not until the cut-off."""
    async with open_area(tmp_path / "x.db", tmp_path, max_records=1) as area:
        await built(area)
        await area.at("2025-03-04 14:58")
        area.wire.fault("SubmitPayoutBatch", "", *["nothing_left"] * 9)
        await area.approve("2025-03-03")
        await area.at("2025-03-04 15:10")
        summary = await area.summary("2025-03-03")
        waiting = [order for order in summary["orders"] if order["state"] == "IN_SUMMARY"]
        assert (summary["state"], len(waiting), len(area.bank.effects)) == ("SUBMITTED", 1, 1)
        assert waiting[0]["pay_date"] == "2025-03-05"
        area.wire.faults.clear()
        await area.at("2025-03-05 12:00")
        assert {serial for serial, _ in area.bank.effects} == {o["pay_order_no"] for o in summary["orders"]}
        assert len(area.bank.effects) == 2
        assert (await area.summary("2025-03-03"))["state"] == "CLOSED"


async def test_a_claim_leaving_a_half_sent_summary_takes_its_unsent_order_along(tmp_path: Path) -> None:
    async with open_area(tmp_path / "x.db", tmp_path, max_records=1) as area:
        await built(area, ("A", "1000.00", ONE), ("B1", "2000.00", TWO), ("B2", "300.00", TWO))
        area.wire.fault("SubmitPayoutBatch", "", *["nothing_left"] * 400)
        await area.pay("2025-03-03")
        left = [o for o in (await area.summary("2025-03-03"))["orders"] if o["state"] == "IN_SUMMARY"]
        assert len(left) == 1
        gone = left[0]["items"][0]
        await area.cancel(gone["setl_id"], left[0]["fixmedins_code"])
        summary = await area.summary("2025-03-03")
        assert {o["state"] for o in summary["orders"] if o["pay_order_no"] == left[0]["pay_order_no"]} == {"CANCELLED"}
        area.wire.faults.clear()
        await area.at("2025-03-05 09:00")
        again = (await area.day("2025-03-03"))["summaries"]
        others = [item["setl_id"] for item in left[0]["items"][1:]]
        entered = [item["setl_id"] for one in again[1:] for order in one["orders"] for item in order["items"]]
        assert entered == others
        assert len(area.bank.effects) == 1
