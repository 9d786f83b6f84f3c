"""A payout from the reconciled claim to its receipt, day by day (D.5, D.6, D.7)."""

from __future__ import annotations

from pathlib import Path

from tests.support.payouts import ONE, TWO, open_area


async def test_a_settlement_is_reconciled_built_approved_sent_and_proven(tmp_path: Path) -> None:
    async with open_area(tmp_path / "x.db", tmp_path) as area:
        await area.settle("S1", "8765.43", "2025-03-03")
        await area.settle("S2", "1000.00", "2025-03-03", hospital=TWO)
        await area.at("2025-03-04 09:00")
        summary = await area.summary("2025-03-03")
        assert (summary["state"], summary["item_count"], summary["sum_amt"]) == ("BUILT", 2, "5859.26")
        assert summary["pay_date"] == "2025-03-04"
        paid = await area.pay("2025-03-03")
        assert paid["state"] == "SUBMITTED"
        assert [order["state"] for order in paid["orders"]] == ["SUBMITTED", "SUBMITTED"]
        await area.at("2025-03-04 11:00")
        order = await area.order("2025-03-03", ONE)
        assert order["state"] == "PAID"
        assert order["receipt_no"]
        assert (await area.summary("2025-03-03"))["state"] == "CLOSED"
        assert sorted(fen for _, fen in area.bank.effects) == [60_000, 525_926]
        assert await area.keys() == {"S1": 1, "S2": 1}
