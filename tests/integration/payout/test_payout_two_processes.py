"""Two gateway processes over one PostgreSQL: jobs, people and the bank's answers at the same moment."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from gateway.flows.payout import submitting
from gateway.flows.payout.building import build
from gateway.flows.payout.closing import close_day
from gateway.flows.payout.receipts import take_receipt
from gateway.journal.entities import Act
from gateway.model.refusals import Refusal
from tests.support.house import moment, still_clock
from tests.support.journals import new_store
from tests.support.payouts import AGENCY, ONE, TWO, Area, area_over
from tests.support.postgres import drop_database, new_database

ACT = Act("job:test")


@pytest.fixture
def database() -> Iterator[str]:
    """A fresh migrated database."""
    url = new_database()
    yield url
    drop_database(url)


@pytest.fixture
async def two(database: str, tmp_path: Path) -> AsyncIterator[tuple[Area, Area]]:
    """Two processes with connections of their own and the same partners."""
    stores = [new_store(database), new_store(database)]
    for store in stores:
        await store.open()
    clock = still_clock(tmp_path / "clock.json", moment("2025-03-03 12:00"))
    first = area_over(stores[0], clock, instance="I1")
    second = area_over(stores[1], clock, bank=first.bank, platform=first.platform, wire=first.wire, instance="I2")
    await first.seed()
    yield first, second
    for store in stores:
        await store.close()


async def settled(area: Area) -> None:
    """A dozen settlements of two hospitals, reconciled."""
    for number in range(6):
        await area.settle(f"A{number}", "1000.00", "2025-03-03", hospital=ONE)
        await area.settle(f"B{number}", "200.00", "2025-03-03", hospital=TWO)
    await area.at("2025-03-04 08:00")
    area.clock.move(moment("2025-03-04 08:30"), 0)


async def test_one_summary_one_submission_one_proof(two: tuple[Area, Area]) -> None:
    one, other = two
    await settled(one)
    built = await asyncio.gather(*(build(area.house, AGENCY, ACT) for area in (one, other, one, other)))
    assert sum(len(numbers) for numbers in built) == 1
    (number,) = [numbers[0] for numbers in built if numbers]
    await one.approve("2025-03-03")
    found = await asyncio.gather(
        *(submitting.submit(area.house, number, ACT) for area in (one, other) * 3), return_exceptions=True
    )
    assert all(not isinstance(outcome, BaseException) or isinstance(outcome, Refusal) for outcome in found)
    assert one.wire.count("SubmitPayoutBatch") == 1
    assert sorted(fen for _, fen in one.bank.effects) == [72_000, 360_000]
    receipts = list(one.bank.receipts.values())
    await asyncio.gather(*(take_receipt(area.house, "bocom", r, ACT) for r in receipts for area in (one, other)))
    day = one.clock.now().date()
    await asyncio.gather(*(close_day(area.house, AGENCY, day) for area in (one, other)))
    summary = await other.summary("2025-03-03")
    assert (summary["state"], {order["state"] for order in summary["orders"]}) == ("CLOSED", {"PAID"})
    shown = (await one.call("GET", "/v1/receipts", date="2025-03-04")).resource["items"]
    assert sorted(row["repeats"] for row in shown) == [1, 1]


async def test_a_claim_leaving_while_it_is_being_sent_is_either_out_or_paid(two: tuple[Area, Area]) -> None:
    one, other = two
    await settled(one)
    (number,) = await build(one.house, AGENCY, ACT)
    await one.approve("2025-03-03")
    await asyncio.gather(submitting.submit(one.house, number, ACT), other.cancel("A0"), return_exceptions=True)
    sent = dict(one.bank.effects)
    order = await one.order("2025-03-03", ONE)
    left = {item["setl_id"]: item["state"] for item in order["items"]}
    if sent:
        assert sent[order["pay_order_no"]] == int(order["sum_amt"].replace(".", ""))
    if left["A0"] == "CANCELLED":
        assert order["sum_amt"] == "3000.00"
        assert (await one.keys()).get("A0") is None
    else:
        assert (await one.keys())["A0"] == 1


async def test_feedback_by_two_at_once_tells_every_line_once(two: tuple[Area, Area]) -> None:
    one, other = two
    await settled(one)
    await build(one.house, AGENCY, ACT)
    await one.pay("2025-03-03")
    await one.at("2025-03-04 12:00")
    await asyncio.gather(*(area.call("POST", "/v1/feedback/202503", {}) for area in (one, other)))
    shown = (await one.call("GET", "/v1/feedback/202503")).resource
    assert (shown["version"], [row["basis_amt"] for row in shown["hospitals"]]) == (1, ["3600.00", "720.00"])
