"""What a summary holds and who approves it: editions, supplements, two persons, the frozen hash (D.6, P4, P6, P9)."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.journal.store import DuplicateKey, Unit
from gateway.model.refusals import Refusal
from tests.support.payouts import ONE, Area, open_area


async def two_built(area: Area) -> None:
    """Two settlements of one hospital, built on 03-04."""
    await area.settle("A", "1000.00", "2025-03-03")
    await area.settle("B", "500.00", "2025-03-03")
    await area.at("2025-03-04 09:00")


@pytest.mark.parametrize("roles", [(), ("preparer",), ("preparer", "approver")])
async def test_a_claim_leaves_and_the_next_edition_begins_unapproved(tmp_path: Path, roles: tuple[str, ...]) -> None:
    async with open_area(tmp_path / "x.db", tmp_path) as area:
        await two_built(area)
        first = await area.summary("2025-03-03")
        if roles:
            await area.approve("2025-03-03", *roles)  # type: ignore[arg-type]
        await area.cancel("B")
        second = await area.summary("2025-03-03")
        assert (second["state"], second["version"], second["sum_amt"]) == ("BUILT", 2, "600.00")
        assert second["content_hash"] != first["content_hash"]
        assert (second["prepared_by"], second["approved_by"]) == (None, None)
        assert second["orders"][0]["pay_order_no"] == first["orders"][0]["pay_order_no"]
        assert await area.keys() == {"A": 0}
        states = {item["setl_id"]: item["state"] for item in second["orders"][0]["items"]}
        assert states == {"A": "IN_SUMMARY", "B": "CANCELLED"}
        body = {"summary_no": first["summary_no"], "content_hash": first["content_hash"]}
        with pytest.raises(Refusal, match="HASH_CHANGED"):
            await area.call("POST", "/v1/payouts/2025-03-03/approve", body)
        await area.pay("2025-03-03")
        assert [fen for _, fen in area.bank.effects] == [60_000]


async def test_a_claim_that_left_unseen_is_found_before_the_sending(tmp_path: Path) -> None:
    """The cancellation's own call to the payout was lost: approve and submit look for themselves, the store guards."""
    async with open_area(tmp_path / "x.db", tmp_path) as area:
        await two_built(area)
        await area.approve("2025-03-03")
        from gateway.journal.entities import Act

        claim = await area.house.journal.entities.first("claim", "setl_id = 'B'")
        assert claim is not None
        unit = Unit()
        area.house.journal.entities.move(unit, claim, "cancelled", Act("hospital:test"))
        await area.house.journal.commit(unit)
        with pytest.raises(Refusal, match="ILLEGAL_STATE"):
            await area.submit("2025-03-03")
        assert area.bank.effects == []
        assert (await area.summary("2025-03-03"))["version"] == 2


async def test_the_last_claim_leaves_and_the_summary_closes(tmp_path: Path) -> None:
    async with open_area(tmp_path / "x.db", tmp_path) as area:
        await area.settle("A", "1000.00", "2025-03-03")
        await area.at("2025-03-04 09:00")
        await area.cancel("A")
        summary = await area.summary("2025-03-03")
        assert (summary["state"], summary["item_count"], summary["sum_amt"]) == ("CLOSED", 0, "0.00")
        assert [order["state"] for order in summary["orders"]] == ["CANCELLED"]
        assert await area.keys() == {}


async def test_a_cancellation_after_the_sending_changes_nothing(tmp_path: Path) -> None:
    async with open_area(tmp_path / "x.db", tmp_path) as area:
        await two_built(area)
        await area.pay("2025-03-03")
        await area.cancel("B")
        await area.at("2025-03-04 12:00")
        assert [(o["state"], o["sum_amt"]) for o in (await area.summary("2025-03-03"))["orders"]] == [
            ("PAID", "900.00")
        ]


async def test_reconciled_after_the_build_waits_for_the_next_build_as_a_supplement(tmp_path: Path) -> None:
    async with open_area(tmp_path / "x.db", tmp_path) as area:
        await area.settle("A", "1000.00", "2025-03-03")
        await area.at("2025-03-04 09:00")
        await area.settle("LATE", "500.00", "2025-03-03")
        await area.call("POST", "/v1/reconciliations/2025-03-03", {}, role="operator")
        await area.pay("2025-03-03")
        await area.at("2025-03-05 09:00")
        first, second = (await area.day("2025-03-03"))["summaries"]
        assert (first["supplement"], second["supplement"]) == (0, 1)
        assert (second["pay_date"], second["sum_amt"]) == ("2025-03-05", "300.00")
        assert first["orders"][0]["pay_order_no"] != second["orders"][0]["pay_order_no"]
        await area.pay("2025-03-03", number=1)
        assert sorted(fen for _, fen in area.bank.effects) == [30_000, 60_000]


async def test_the_preparer_may_build_the_supplement_before_the_cutoff(tmp_path: Path) -> None:
    async with open_area(tmp_path / "x.db", tmp_path) as area:
        await area.settle("A", "1000.00", "2025-03-03")
        await area.at("2025-03-04 09:00")
        await area.settle("LATE", "500.00", "2025-03-03")
        await area.call("POST", "/v1/reconciliations/2025-03-03", {}, role="operator")
        answer = (await area.call("POST", "/v1/payouts/2025-03-03/build", {})).resource
        assert (answer["supplement"], answer["pay_date"], answer["sum_amt"]) == (1, "2025-03-04", "300.00")
        again = (await area.call("POST", "/v1/payouts/2025-03-03/build", {})).resource
        assert again["built"] == []
        assert len(again["summaries"]) == 2


async def test_after_the_cutoff_the_preparers_build_waits_like_everybody(tmp_path: Path) -> None:
    async with open_area(tmp_path / "x.db", tmp_path) as area:
        await area.at("2025-03-04 15:30")
        await area.settle("LATE", "500.00", "2025-03-03")
        await area.call("POST", "/v1/reconciliations/2025-03-03", {}, role="operator")
        assert (await area.call("POST", "/v1/payouts/2025-03-03/build", {})).resource["built"] == []
        await area.at("2025-03-05 09:00")
        assert (await area.summary("2025-03-03"))["pay_date"] == "2025-03-05"


async def test_two_persons_and_no_fewer(tmp_path: Path) -> None:
    async with open_area(tmp_path / "x.db", tmp_path) as area:
        await two_built(area)
        summary = await area.summary("2025-03-03")
        body = {"summary_no": summary["summary_no"], "content_hash": summary["content_hash"]}
        path = "/v1/payouts/2025-03-03/approve"
        with pytest.raises(Refusal, match="ILLEGAL_STATE"):
            await area.call("POST", path, body, role="approver")
        await area.call("POST", path, body, role="preparer", who="li")
        with pytest.raises(Refusal, match="SAME_PERSON"):
            await area.call("POST", path, body, role="preparer", who="li")
        with pytest.raises(Refusal, match="SAME_PERSON"):
            await area.call("POST", path, body, role="approver", who="li")
        with pytest.raises(Refusal, match="HASH_CHANGED"):
            await area.call("POST", path, {**body, "content_hash": "0" * 64}, role="approver", who="wang")
        shown = (await area.call("POST", path, body, role="approver", who="wang")).resource
        assert (shown["state"], shown["prepared_by"], shown["approved_by"]) == ("APPROVED", "li", "wang")


async def test_rows_changed_behind_the_rules_are_not_sent(tmp_path: Path) -> None:
    """Somebody changed an amount in the database: hash and rows do not tie, nothing leaves, a person is called (P4)."""
    async with open_area(tmp_path / "x.db", tmp_path) as area:
        await two_built(area)
        await area.approve("2025-03-03")
        unit = Unit().run("UPDATE payout_item SET amount_fen = amount_fen + 1 WHERE setl_id = 'A'", {})
        await area.house.journal.commit(unit)
        with pytest.raises(Refusal, match="HASH_CHANGED"):
            await area.submit("2025-03-03")
        assert area.bank.effects == []
        assert "PAYOUT_CONTENT" in await area.tasks()


async def test_p1_the_store_refuses_a_second_order_for_a_settlement(tmp_path: Path) -> None:
    async with open_area(tmp_path / "x.db", tmp_path) as area:
        await two_built(area)
        rows = await area.house.journal.store.rows("SELECT settlement_key FROM payout_key")
        row = {"settlement_key": rows[0]["settlement_key"], "pay_order_no": "P-OTHER", "ever_sent": 0}
        with pytest.raises(DuplicateKey):
            await area.house.journal.commit(Unit().insert("payout_key", row, guard="P1"))


async def test_p2_a_failed_claim_enters_no_later_summary(tmp_path: Path) -> None:
    async with open_area(tmp_path / "x.db", tmp_path) as area:
        area.bank.reject.add(ONE)
        await two_built(area)
        await area.pay("2025-03-03")
        await area.at("2025-03-04 21:00")
        area.bank.reject.clear()
        from gateway.flows.payout.claims import mark_ready

        unit = Unit()
        mark_ready(unit, area.house, "640100", "2025-03-03", ONE)
        await area.house.journal.commit(unit)
        await area.at("2025-03-10 09:00")
        assert len((await area.day("2025-03-03"))["summaries"]) == 1
        assert (await area.call("POST", "/v1/payouts/2025-03-03/build", {})).resource["built"] == []
        assert area.bank.effects == []


async def test_the_same_content_has_the_same_numbers_on_any_machine(tmp_path: Path) -> None:
    numbers = []
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        async with open_area(folder / "x.db", folder) as area:
            await two_built(area)
            summary = await area.summary("2025-03-03")
            items = [item["payout_item_id"] for item in summary["orders"][0]["items"]]
            numbers.append(
                (summary["summary_no"], summary["content_hash"], summary["orders"][0]["pay_order_no"], items)
            )
    assert numbers[0] == numbers[1]


async def test_resubmit_is_refused_for_everybody_and_kept(tmp_path: Path) -> None:
    from gateway.flows.payout import gauges

    async with open_area(tmp_path / "x.db", tmp_path) as area:
        for role, number in (("approver", "P1"), ("operator", "P1"), ("hospital", "nonsense")):
            with pytest.raises(Refusal, match="NO_SECOND_PAYOUT"):
                await area.call(
                    "POST",
                    f"/v1/payout-orders/{number}/resubmit",
                    {"reason": "再试"},
                    role=role,
                    who=ONE,  # type: ignore[arg-type]
                )
        rows = await area.house.journal.store.rows("SELECT actor, detail FROM access_log")
        assert sorted(row["detail"] for row in rows) == ["P1: 再试", "P1: 再试", "nonsense: 再试"]
        assert (await gauges(area.house))["payout_resubmits_refused"] == 3
