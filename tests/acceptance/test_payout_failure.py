"""Acceptance cases 15, 17, 20 and 22: failed orders, missing and differing receipts, cancellations after the payout."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway.flows.payout.feedback import close_month
from gateway.journal.store import Unit
from gateway.model.bank import BankStatus
from gateway.model.profile import Profiles, load_all
from gateway.model.refusals import Refusal
from tests.support.payouts import AGENCY, ONE, Area, open_area


async def settled_and_paid(area: Area, setl_id: str, base: str, day: str, pay_day: str, **more: Any) -> str:
    """Settle at noon of a day and pay on the pay date; returns the order's number."""
    await area.at(f"{day} 12:00")
    await area.settle(setl_id, base, day, **more)
    await area.at(f"{pay_day} 09:00")
    await area.pay(day)
    return str((await area.order(day))["pay_order_no"])


async def feedback(area: Area, month: str) -> dict[str, Any]:
    """The month's feedback as the agency sees it."""
    return dict((await area.call("GET", f"/v1/feedback/{month}")).resource)


async def test_case_15_a_failed_payout_is_never_paid_again(tmp_path: Path) -> None:
    async with open_area(tmp_path / "x.db", tmp_path) as area:
        for setl_id, base, day, pay_day in (
            ("S1", "8765.43", "2025-03-03", "2025-03-04"),
            ("S2", "12000.01", "2025-03-07", "2025-03-10"),
        ):
            await settled_and_paid(area, setl_id, base, day, pay_day)
        area.bank.reject.add(ONE)
        failed = await settled_and_paid(area, "S4", "20000.00", "2025-03-20", "2025-03-21")
        area.bank.reject.clear()
        assert (await area.order("2025-03-20"))["state"] == "STATUS_FAIL"
        await area.at("2025-03-21 20:30")
        assert (await area.order("2025-03-20"))["state"] == "FAILED"
        with pytest.raises(Refusal, match="NO_SECOND_PAYOUT"):
            await area.call("POST", f"/v1/payout-orders/{failed}/resubmit", {"reason": "账户已更正"}, role="approver")
        await settled_and_paid(area, "S5", "9999.99", "2025-03-31", "2025-04-01")
        await area.at("2025-04-07 12:00")
        march = await feedback(area, "202503")
        (row,) = march["hospitals"]
        assert (row["fixmedins_code"], row["insutype"], row["basis_amt"]) == (ONE, "310", "12459.27")
        assert failed not in {line["pay_order_no"] for line in row["lines"]}
        assert march["pending"] == []
        assert sum(fen for _, fen in area.bank.effects) == 525_926 + 720_001 + 599_999


async def test_the_month_example_of_a_6(tmp_path: Path) -> None:
    """S1, S2 and S3 are March's basis, S4 failed, S5 belongs to April by its booking date."""
    async with open_area(tmp_path / "x.db", tmp_path) as area:
        await settled_and_paid(area, "S1", "8765.43", "2025-03-03", "2025-03-04")
        await area.at("2025-03-07 12:00")
        await area.settle("S2", "12000.01", "2025-03-07")
        await area.at("2025-03-08 12:00")
        await area.settle("S3", "3333.33", "2025-03-08")
        await area.at("2025-03-10 09:00")
        await area.pay("2025-03-07")
        await area.pay("2025-03-08")
        area.bank.reject.add(ONE)
        await settled_and_paid(area, "S4", "20000.00", "2025-03-20", "2025-03-21")
        area.bank.reject.clear()
        await settled_and_paid(area, "S5", "9999.99", "2025-03-31", "2025-04-01")
        await area.at("2025-04-07 12:00")
        march = await feedback(area, "202503")
        assert (march["version"], march["due_date"]) == (1, "2025-04-07")
        assert [row["basis_amt"] for row in march["hospitals"]] == ["14459.27"]
        await area.at("2025-05-06 12:00")
        april = await feedback(area, "202504")
        assert [row["basis_amt"] for row in april["hospitals"]] == ["5999.99"]


async def test_a_6_by_the_months_of_the_claims(tmp_path: Path) -> None:
    """The other attribution: S5, settled on 03-31 and paid on 04-01, is March's (AMB-15)."""
    profile = load_all().by_locality("ningxia")
    assert profile.payout is not None
    handlers = profile.payout.handlers.model_copy(update={"feedback": "claims_in_month"})
    payout = profile.payout.model_copy(update={"handlers": handlers, "attribution": "claims_in_month"})
    profiles = Profiles([profile.model_copy(update={"payout": payout})])
    async with open_area(tmp_path / "x.db", tmp_path, profiles=profiles) as area:
        await settled_and_paid(area, "S1", "8765.43", "2025-03-03", "2025-03-04")
        await settled_and_paid(area, "S5", "9999.99", "2025-03-31", "2025-04-01")
        await area.at("2025-04-07 12:00")
        assert [row["basis_amt"] for row in (await feedback(area, "202503"))["hospitals"]] == ["11259.25"]
        await area.at("2025-05-06 12:00")
        assert (await feedback(area, "202504"))["hospitals"] == []


async def test_an_order_of_two_insurance_types_is_told_by_type(tmp_path: Path) -> None:
    async with open_area(tmp_path / "x.db", tmp_path) as area:
        await area.settle("E", "1000.00", "2025-03-03")
        await area.settle("R", "500.00", "2025-03-03", insutype="390")
        await area.at("2025-03-04 09:00")
        await area.pay("2025-03-03")
        await area.at("2025-04-07 12:00")
        rows = (await feedback(area, "202503"))["hospitals"]
        assert [(row["insutype"], row["basis_amt"]) for row in rows] == [("310", "600.00"), ("390", "300.00")]
        assert len({line["pay_order_no"] for row in rows for line in row["lines"]}) == 1


async def test_case_17_success_without_a_receipt_is_not_deducted_and_never_lost(tmp_path: Path) -> None:
    async with open_area(tmp_path / "x.db", tmp_path) as area:
        area.bank.issue = False
        order_no = await settled_and_paid(area, "S1", "8765.43", "2025-03-03", "2025-03-04")
        area.bank.issue = True
        await settled_and_paid(area, "S2", "12000.01", "2025-03-07", "2025-03-10")
        await settled_and_paid(area, "S3", "3333.33", "2025-03-10", "2025-03-11")
        assert (await area.order("2025-03-03"))["state"] == "STATUS_OK"
        await area.at("2025-04-07 12:00")
        march = await feedback(area, "202503")
        assert [row["basis_amt"] for row in march["hospitals"]] == ["9200.01"]
        assert [(row["pay_order_no"], row["state"]) for row in march["pending"]] == [(order_no, "RECEIPT_PENDING")]

        unit = Unit()  # the month is computed without it, acknowledged as unproven
        close_month(unit, area.house, AGENCY, "202503", ONE, "310")
        await area.house.journal.commit(unit)
        await area.at("2025-04-25 10:00")
        booked = area.clock.now().date().replace(month=3, day=4)
        area.bank.receipts[order_no] = area.bank.receipt_for(order_no, booking=booked)
        await area.at("2025-05-06 12:00")
        assert (await area.order("2025-03-03"))["state"] == "PAID"
        assert (await feedback(area, "202503"))["version"] == 1
        (row,) = (await feedback(area, "202504"))["hospitals"]
        assert [(line["kind"], line["amount"]) for line in row["lines"]] == [("LATE_RECEIPT", "5259.26")]
        await area.at("2025-06-06 12:00")
        assert (await feedback(area, "202505"))["hospitals"] == []


async def test_a_receipt_before_the_month_is_computed_makes_its_next_edition(tmp_path: Path) -> None:
    async with open_area(tmp_path / "x.db", tmp_path) as area:
        area.bank.issue = False
        order_no = await settled_and_paid(area, "S1", "8765.43", "2025-03-03", "2025-03-04")
        await area.at("2025-04-07 12:00")
        assert (await feedback(area, "202503"))["hospitals"] == []
        booked = area.clock.now().date().replace(month=3, day=4)
        area.bank.receipts[order_no] = area.bank.receipt_for(order_no, booking=booked)
        await area.at("2025-04-08 12:00")
        march = await feedback(area, "202503")
        assert (march["version"], march["hospitals"][0]["basis_amt"], march["pending"]) == (2, "5259.26", [])
        again = (await area.call("POST", "/v1/feedback/202503", {})).resource
        assert (again["version"], again["hospitals"][0]["basis_amt"]) == (2, "5259.26")


async def test_case_20_a_differing_receipt_waits_for_two_persons(tmp_path: Path) -> None:
    async with open_area(tmp_path / "x.db", tmp_path) as area:
        area.bank.issue = False
        await area.settle("S2", "12000.01", "2025-03-03")
        await area.settle("S3", "3333.33", "2025-03-03")
        await area.at("2025-03-04 09:00")
        await area.pay("2025-03-03")
        order_no = (await area.order("2025-03-03"))["pay_order_no"]
        area.bank.receipts[order_no] = area.bank.receipt_for(order_no, number="R1", amount_fen=920_000)
        await area.at("2025-03-04 12:00")
        (receipt,) = (await area.call("GET", "/v1/receipts", pay_order_no=order_no)).resource["items"]
        assert (receipt["state"], receipt["differences"]) == ("MISMATCH", ["amount"])
        assert (await area.order("2025-03-03"))["state"] == "STATUS_OK"
        await area.at("2025-04-07 12:00")
        assert (await feedback(area, "202503"))["hospitals"] == []

        body = {"decision": "accept_actual", "reason": "银行确认实付金额"}
        first = await area.call("POST", "/v1/receipts/R1/decisions", body, role="preparer")
        assert (first.status, first.resource["code"]) == (202, "AWAITING_SECOND_PERSON")
        with pytest.raises(Refusal, match="SAME_PERSON"):
            await area.call("POST", "/v1/receipts/R1/decisions", body, role="preparer")
        second = await area.call("POST", "/v1/receipts/R1/decisions", body, role="operator")
        assert (second.status, second.resource["state"]) == (200, "ACCEPTED_ACTUAL")
        order = await area.order("2025-03-03")
        assert (order["state"], order["paid_amt"]) == ("PAID", "9200.00")
        assert [(item["setl_id"], item["paid_amt"]) for item in order["items"]] == [
            ("S2", "7200.01"),
            ("S3", "1999.99"),
        ]
        await area.at("2025-04-07 13:00")
        (row,) = (await feedback(area, "202503"))["hospitals"]
        assert row["basis_amt"] == "9200.00"
        assert "RECEIPT_QUARANTINED" not in await area.tasks()


async def test_case_22_a_claim_cancelled_after_its_payout_makes_no_negative_item(tmp_path: Path) -> None:
    async with open_area(tmp_path / "x.db", tmp_path) as area:
        await settled_and_paid(area, "OLD", "10000.00", "2025-03-03", "2025-03-04")
        await area.at("2025-03-10 12:00")
        await area.cancel("OLD")
        await area.settle("OLD", "-10000.00", "2025-03-10", refund=True)
        await settled_and_paid(area, "NEW", "9000.00", "2025-03-11", "2025-03-12")
        assert (await area.order("2025-03-03"))["state"] == "PAID"
        assert [row["label"] for row in (await area.day("2025-03-10"))["excluded"]] == ["NEGATIVE_EXCLUDED"]
        assert (await area.order("2025-03-11"))["sum_amt"] == "5400.00"
        assert sorted(fen for _, fen in area.bank.effects) == [540_000, 600_000]


async def test_a_failed_order_with_a_valid_receipt_is_paid_after_all(tmp_path: Path) -> None:
    async with open_area(tmp_path / "x.db", tmp_path) as area:
        area.bank.reject.add(ONE)
        order_no = await settled_and_paid(area, "S1", "1000.00", "2025-03-03", "2025-03-04")
        await area.at("2025-03-04 21:00")
        assert (await area.order("2025-03-03"))["state"] == "FAILED"
        from gateway.flows.payout.receipts import take_receipt
        from gateway.journal.entities import Act

        await area.at("2025-03-06 10:00")
        receipt = area.bank.receipt_for(order_no, booking=area.clock.now().date().replace(day=5))
        kept = await take_receipt(area.house, "bocom", receipt, Act("bank:bocom"))
        assert kept.state == "MATCHED"
        assert (await area.order("2025-03-03"))["state"] == "PAID"
        await area.at("2025-04-07 12:00")
        assert [row["basis_amt"] for row in (await feedback(area, "202503"))["hospitals"]] == ["600.00"]


async def test_money_that_comes_back_nets_to_nothing_each_line_once(tmp_path: Path) -> None:
    async with open_area(tmp_path / "x.db", tmp_path) as area:
        order_no = await settled_and_paid(area, "S1", "1000.00", "2025-03-03", "2025-03-04")
        await area.at("2025-04-07 12:00")
        assert [row["basis_amt"] for row in (await feedback(area, "202503"))["hospitals"]] == ["600.00"]
        unit = Unit()
        close_month(unit, area.house, AGENCY, "202503", ONE, "310")
        await area.house.journal.commit(unit)
        area.bank.set_status(order_no, BankStatus.ACSC, area.clock.now())
        from gateway.flows.payout.statuses import refresh
        from gateway.journal.entities import Act

        await refresh(area.house, (await area.summary("2025-03-03"))["summary_no"], Act("test"))
        assert (await area.order("2025-03-03"))["state"] == "RETURNED"
        await area.at("2025-05-06 12:00")
        (row,) = (await feedback(area, "202504"))["hospitals"]
        assert [(line["kind"], line["amount"]) for line in row["lines"]] == [("RETURN", "-600.00")]
        assert "PAYOUT_RETURNED" in await area.tasks()
