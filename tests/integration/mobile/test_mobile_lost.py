"""Mobile payment that did not arrive, or whose gateway died: never twice, and payable again once that is certain."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import aiohttp
import pytest

from tests.integration.mobile.test_mobile_payment import CODE, Counter, told, until
from tests.support.his import ward
from tests.support.sandbox import Town


@pytest.fixture
async def desk(town: Town) -> AsyncIterator[Counter]:
    async with ward(town, CODE) as hospital:
        found = Counter(hospital)
        yield found
        await found.control("variants", "DELETE")
        await found.control("faults", "DELETE")


async def later(desk: Counter, minutes: int) -> None:
    """Move business time on, so that the plan of questions becomes due."""
    async with desk.ward.session.get(f"{desk.ward.town.gateway}/sandbox/clock") as answer:
        now = datetime.fromisoformat((await answer.json())["now"])
    await desk.ward.town.clock(desk.ward.session, (now + timedelta(minutes=minutes)).isoformat())


async def answered(desk: Counter, body: bytes) -> dict[str, Any]:
    """Repeat a message until its answer is final."""
    final: dict[str, Any] = {}

    async def is_final() -> bool:
        final.update(await desk.send(body))
        return "IN_PROGRESS" not in str(final["err_msg"])

    await until(is_final, 40)
    return final


@pytest.mark.parametrize("infno", ["6202", "6401"])
async def test_not_received_counts_after_the_settling_time_and_it_may_be_tried_anew(desk: Counter, infno: str) -> None:
    order = await desk.uploaded()
    await desk.control("faults", body=[{"operation": infno, "kind": "drop_before", "nth": 1}])
    body = desk.message(infno, order)
    first = asyncio.create_task(desk.send(body))
    await asyncio.sleep(1)
    assert "IN_PROGRESS" in (await desk.call("6202", **order))["err_msg"]  # nothing else of the order meanwhile
    assert await desk.state(order) == "1"
    await first
    for _ in range(4):
        await later(desk, 6)
    said = await answered(desk, body)
    assert "[NOT_FOUND|" in said["err_msg"]
    assert await desk.effects(infno, order) == []
    assert (await desk.done("6202", **order))["ordStas"] == "6"
    assert await desk.effects("6202", order) == [20000]


async def test_a_lost_refund_is_found_by_the_status_that_moved_on(desk: Counter) -> None:
    order = await desk.uploaded()
    await desk.done("6202", **order)
    await desk.control("faults", body=[{"operation": "6203", "kind": "drop_after", "nth": 1}])
    refund = {"appRefdSn": "R9", "totlRefdAmt": "200.00", "refdType": "ALL"}
    assert (await desk.done("6203", **order, **refund))["ordStas"] == "7"
    assert await desk.effects("6203", order) == [20000]


async def test_what_was_not_sent_is_sent_under_the_same_number(desk: Counter) -> None:
    order = await desk.uploaded()
    await desk.control("faults", body=[{"operation": "6202", "kind": "refuse_connection", "seconds": 4, "nth": 1}])
    body = desk.message("6202", order)
    refused = await desk.send(body)
    assert "PLATFORM_UNAVAILABLE" in refused["err_msg"]
    await asyncio.sleep(5)
    paid: dict[str, Any] = {}

    async def is_paid() -> bool:
        paid.update(await desk.send(body))
        return str(paid["infcode"]) == "0"

    await until(is_paid, 60)
    assert paid["output"]["data"]["ordStas"] == "6"
    assert await desk.effects("6202", order) == [20000]


async def test_a_gateway_killed_while_a_payment_is_under_way_pays_once(desk: Counter, town: Town) -> None:
    order = await desk.uploaded()
    await desk.control("faults", body=[{"operation": "6202", "kind": "delay_after", "seconds": 2, "nth": 1}])
    body = desk.message("6202", order)
    cut = asyncio.create_task(desk.send(body))
    await asyncio.sleep(0.7)
    await town.doing(town.sandbox.kill_gateway())
    with pytest.raises(aiohttp.ClientError):
        await cut
    await town.doing(town.sandbox.restart_gateway())
    assert (await answered(desk, body))["output"]["data"]["ordStas"] == "6"
    await told(desk, order, "6")
    assert await desk.effects("6202", order) == [20000]
