"""Acceptance cases 1–7: what a daily payout is, to the fen, and what never becomes one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway.model.money import InvalidAmount, parse_yuan
from tests.support.payouts import ONE, TWO, Area, open_area, settle

TABLE = {
    "0.01": "0.01", "0.02": "0.01", "0.03": "0.02", "12.34": "7.40", "100.01": "60.01", "1234.56": "740.74",
    "7777.77": "4666.66", "10000.05": "6000.03", "500000.01": "300000.01",
}  # fmt: skip


def items_of(summary: dict[str, Any]) -> dict[str, str]:
    """setl_id → amount over all orders."""
    return {item["setl_id"]: item["amount"] for order in summary["orders"] for item in order["items"]}


async def excluded(area: Area, day: str) -> dict[str, str]:
    """setl_id → label."""
    return {row["setl_id"]: row["label"] for row in (await area.day(day))["excluded"]}


async def test_case_1_rounding_per_record(tmp_path: Path) -> None:
    async with open_area(tmp_path / "x.db", tmp_path) as area:
        for number, base in enumerate(TABLE):
            await area.settle(f"S{number}", base, "2025-03-03")
        await area.at("2025-03-04 09:00")
        amounts = items_of(await area.summary("2025-03-03"))
        assert [amounts[f"S{number}"] for number in range(len(TABLE))] == list(TABLE.values())


def test_case_1_three_decimals_are_no_amount() -> None:
    with pytest.raises(InvalidAmount):
        parse_yuan("0.005")


async def test_case_2_the_sum_of_rounded_items(tmp_path: Path) -> None:
    async with open_area(tmp_path / "x.db", tmp_path) as area:
        await area.settle("A", "12000.01", "2025-03-03")
        await area.settle("B", "3333.33", "2025-03-03")
        await area.at("2025-03-04 09:00")
        summary = await area.summary("2025-03-03")
        assert items_of(summary) == {"A": "7200.01", "B": "2000.00"}
        assert summary["sum_amt"] == summary["orders"][0]["sum_amt"] == "9200.01"


async def test_cases_3_and_4_zero_and_refund_rows_enter_no_order(tmp_path: Path) -> None:
    async with open_area(tmp_path / "x.db", tmp_path) as area:
        await area.settle("ZERO", "0.00", "2025-03-03")
        await area.settle("BACK", "-500.00", "2025-03-03", refund=True)
        await area.settle("PAY", "1000.00", "2025-03-03")
        await area.at("2025-03-04 09:00")
        assert await excluded(area, "2025-03-03") == {"ZERO": "ZERO_SKIPPED", "BACK": "NEGATIVE_EXCLUDED"}
        summary = await area.summary("2025-03-03")
        assert (summary["item_count"], summary["sum_amt"]) == (1, "600.00")
        await area.pay("2025-03-03")
        assert [fen for _, fen in area.bank.effects] == [60_000]
        assert await area.keys() == {"PAY": 1}


async def test_case_5_the_funds_in_scope_make_the_base(tmp_path: Path) -> None:
    async with open_area(tmp_path / "x.db", tmp_path) as area:
        employee = {"hifob_pay": "800.00", "cvlserv_pay": "200.00", "acct_pay": "300.00", "fund_pay_sumamt": "6000.00"}
        resident = {"hifmi_pay": "1000.00", "maf_pay": "500.00", "fund_pay_sumamt": "5500.00"}
        await area.settle("E", "5000.00", "2025-03-03", amounts=employee)
        await area.settle("R", "4000.00", "2025-03-03", insutype="390", amounts=resident)
        await area.at("2025-03-04 09:00")
        assert items_of(await area.summary("2025-03-03")) == {"E": "3480.00", "R": "2400.00"}


async def test_case_7_the_same_number_at_two_hospitals_is_two_settlements(tmp_path: Path) -> None:
    async with open_area(tmp_path / "x.db", tmp_path) as area:
        await area.settle("SX0001", "1000.00", "2025-03-03", hospital=ONE)
        await area.settle("SX0001", "2000.00", "2025-03-03", hospital=TWO)
        await area.at("2025-03-04 09:00")
        orders = (await area.summary("2025-03-03"))["orders"]
        assert {order["fixmedins_code"]: order["sum_amt"] for order in orders} == {ONE: "600.00", TWO: "1200.00"}


async def test_case_7_a_contradicted_settlement_is_held_out(tmp_path: Path) -> None:
    async with open_area(tmp_path / "x.db", tmp_path) as area:
        claim = await area.settle("SX0001", "1000.00", "2025-03-03")
        await area.settle("OTHER", "50.00", "2025-03-03")
        unit_of_work = area.house.journal.entities
        from gateway.journal.entities import Act
        from gateway.journal.store import Unit

        unit = Unit()
        unit_of_work.move(unit, claim, "contradicted", Act("hospital:test"), columns={"conflict": 1})
        await area.house.journal.commit(unit)
        await area.at("2025-03-04 09:00")
        assert await excluded(area, "2025-03-03") == {"SX0001": "CONFLICT"}
        assert items_of(await area.summary("2025-03-03")) == {"OTHER": "30.00"}


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"med_type": "11"}, "医疗类别"),
        ({"insured": "110101"}, "非本统筹区"),
        ({"insutype": "510"}, "险种"),
    ],
)
async def test_r_112_what_is_out_of_scope_goes_to_the_month_alone(
    tmp_path: Path, more: dict[str, Any], reason: str
) -> None:
    async with open_area(tmp_path / "x.db", tmp_path) as area:
        await area.settle("OUT", "1000.00", "2025-03-03", **more)
        await area.at("2025-03-04 09:00")
        shown = await area.day("2025-03-03")
        assert shown["summaries"] == []
        assert [(row["label"], reason in row["reason"]) for row in shown["excluded"]] == [("OUT_OF_SCOPE", True)]


async def test_r_112_the_platforms_word_on_the_level_wins(tmp_path: Path) -> None:
    async with open_area(tmp_path / "x.db", tmp_path) as area:
        area.platform.levels[TWO] = "1"
        await area.settle("A", "1000.00", "2025-03-03", hospital=ONE)
        await area.settle("B", "1000.00", "2025-03-03", hospital=TWO)
        await area.at("2025-03-04 09:00")
        assert await excluded(area, "2025-03-03") == {"B": "OUT_OF_SCOPE"}


async def test_the_insuring_area_is_read_from_the_message_when_the_claim_does_not_hold_it(tmp_path: Path) -> None:
    async with open_area(tmp_path / "x.db", tmp_path) as area:
        from gateway.delivery.delivery import Order
        from gateway.model.insurance import NationalMessage

        claim = await settle(area.house, "A", "1000.00", "2025-03-03", insured=None)
        area.wire.fault("2304", "lost_before")
        message = NationalMessage(infno="2304", fixmedins_code=ONE, insuplc_admdvs="110101")
        await area.house.delivery.deliver(Order("insurance", "2304", claim.id, message, "", ""))
        await area.at("2025-03-04 09:00")
        assert await excluded(area, "2025-03-03") == {"A": "OUT_OF_SCOPE"}
