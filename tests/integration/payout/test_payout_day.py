"""A payout from the reconciled claim to its feedback, on both stores, and the resources along the way (R-110)."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.model.refusals import Refusal
from tests.support.payouts import ONE, TWO, open_area


async def test_from_the_claim_to_the_feedback(store_url: str, tmp_path: Path) -> None:
    async with open_area(store_url, tmp_path) as area:
        await area.settle("S1", "8765.43", "2025-03-03")
        await area.settle("S2", "1000.00", "2025-03-03", hospital=TWO)
        await area.settle("OUT", "9.00", "2025-03-03", med_type="11")
        await area.at("2025-03-04 09:00")
        summary = await area.summary("2025-03-03")
        assert (summary["state"], summary["item_count"], summary["sum_amt"]) == ("BUILT", 2, "5859.26")
        area.wire.fault("SubmitPayoutBatch", "nothing_left")
        await area.approve("2025-03-03")
        assert (await area.submit("2025-03-03")).status == 202
        await area.at("2025-03-04 11:00")
        assert [order["state"] for order in (await area.summary("2025-03-03"))["orders"]] == ["PAID", "PAID"]
        assert (await area.summary("2025-03-03"))["state"] == "CLOSED"
        assert sorted(fen for _, fen in area.bank.effects) == [60_000, 525_926]
        assert await area.keys() == {"S1": 1, "S2": 1}
        await area.at("2025-03-05 09:00")
        first = (await area.call("POST", "/v1/feedback/202503", {})).resource
        assert [(row["fixmedins_code"], row["basis_amt"]) for row in first["hospitals"]] == [
            (ONE, "5259.26"), (TWO, "600.00"),
        ]  # fmt: skip
        again = (await area.call("POST", "/v1/feedback/202503", {})).resource
        assert (again["version"], again["hospitals"]) == (1, first["hospitals"])


async def test_the_chain_of_a_settlement_shows_all_four_numbers(store_url: str, tmp_path: Path) -> None:
    async with open_area(store_url, tmp_path) as area:
        await area.settle("S1", "1000.00", "2025-03-03")
        await area.at("2025-03-04 09:00")
        await area.pay("2025-03-03")
        await area.at("2025-03-04 11:00")
        shown = (await area.call("GET", "/v1/settlements/S1", role="hospital", who=ONE)).resource
        order = await area.order("2025-03-03")
        assert shown["state"] == "RECONCILED"
        assert shown["payout"] == {
            "payout_item_id": order["items"][0]["payout_item_id"], "amount": "600.00", "state": "PAID",
            "reason": shown["payout"]["reason"], "summary_no": order["summary_no"],
            "pay_order_no": order["pay_order_no"], "receipt_no": order["receipt_no"],
        }  # fmt: skip
        assert all(shown["payout"][name] for name in ("summary_no", "pay_order_no", "receipt_no"))
        assert shown["psn_no"] == "****6789"


async def test_lists_are_paged_and_a_hospital_sees_its_own(store_url: str, tmp_path: Path) -> None:
    async with open_area(store_url, tmp_path) as area:
        for number in range(5):
            await area.settle(f"S{number}", "10.00", "2025-03-03", hospital=ONE if number else TWO)
        seen: list[str] = []
        cursor = ""
        while True:
            page = (
                await area.call("GET", "/v1/settlements", role="auditor", date="2025-03-03", limit="2", cursor=cursor)
            ).resource
            seen += [row["setl_id"] for row in page["items"]]
            if not page["next_cursor"]:
                break
            cursor = page["next_cursor"]
        assert sorted(seen) == ["S0", "S1", "S2", "S3", "S4"]
        mine = (await area.call("GET", "/v1/settlements", role="hospital", who=TWO, state="ACCEPTED")).resource
        assert [row["setl_id"] for row in mine["items"]] == ["S0"]
        with pytest.raises(Refusal, match="FORBIDDEN"):
            await area.call("GET", "/v1/settlements", role="hospital", who=TWO, fixmedins_code=ONE)
        with pytest.raises(Refusal, match="NOT_FOUND"):
            await area.call("GET", "/v1/settlements/S1", role="hospital", who=TWO)


async def test_a_number_two_hospitals_share_must_be_named_with_its_hospital(tmp_path: Path) -> None:
    async with open_area(tmp_path / "x.db", tmp_path) as area:
        await area.settle("SAME", "10.00", "2025-03-03", hospital=ONE)
        await area.settle("SAME", "20.00", "2025-03-03", hospital=TWO)
        with pytest.raises(Refusal, match="INVALID_FIELD"):
            await area.call("GET", "/v1/settlements/SAME", role="auditor")
        shown = (await area.call("GET", "/v1/settlements/SAME", role="auditor", fixmedins_code=TWO)).resource
        assert shown["medfee_sumamt"] == "20.00"


async def test_a_hospital_sees_its_own_order_and_feedback_alone(tmp_path: Path) -> None:
    async with open_area(tmp_path / "x.db", tmp_path) as area:
        await area.settle("A", "1000.00", "2025-03-03", hospital=ONE)
        await area.settle("B", "2000.00", "2025-03-03", hospital=TWO)
        await area.at("2025-03-04 09:00")
        await area.pay("2025-03-03")
        await area.at("2025-03-04 12:00")
        order_no = (await area.order("2025-03-03", ONE))["pay_order_no"]
        path = f"/v1/payout-orders/{order_no}"
        assert (await area.call("GET", path, role="hospital", who=ONE)).resource["state"] == "PAID"
        with pytest.raises(Refusal, match="FORBIDDEN"):
            await area.call("GET", path, role="hospital", who=TWO)
        await area.call("POST", "/v1/feedback/202503", {})
        shown = (await area.call("GET", "/v1/feedback/202503", role="hospital", who=TWO)).resource
        assert [row["fixmedins_code"] for row in shown["hospitals"]] == [TWO]


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("GET", "/v1/payouts/2025-13-01", "INVALID_FIELD"),
        ("GET", "/v1/payout-orders/NOBODY", "NOT_FOUND"),
        ("GET", "/v1/feedback/2025-3", "INVALID_FIELD"),
        ("GET", "/v1/feedback/202513", "INVALID_FIELD"),
        ("GET", "/v1/settlements/NOBODY", "NOT_FOUND"),
        ("GET", "/v1/reconciliations/today", "INVALID_FIELD"),
    ],
)
async def test_what_cannot_be_found_or_read(tmp_path: Path, method: str, path: str, code: str) -> None:
    async with open_area(tmp_path / "x.db", tmp_path) as area:
        with pytest.raises(Refusal, match=code):
            await area.call(method, path, role="auditor")


async def test_a_summary_belongs_to_its_own_date(tmp_path: Path) -> None:
    async with open_area(tmp_path / "x.db", tmp_path) as area:
        await area.settle("A", "1000.00", "2025-03-03")
        await area.at("2025-03-04 09:00")
        found = await area.summary("2025-03-03")
        body = {"summary_no": found["summary_no"], "content_hash": found["content_hash"]}
        with pytest.raises(Refusal, match="NOT_FOUND"):
            await area.call("POST", "/v1/payouts/2025-03-04/approve", body)
        with pytest.raises(Refusal, match="NOT_FOUND"):
            await area.call("GET", "/v1/payouts/2025-03-03", agency="nobody")
