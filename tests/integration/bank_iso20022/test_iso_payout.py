"""A daily payout over ISO 20022 in a running sandbox: pain.001, pain.002, camt.054 as its receipt, a return."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import pytest

from simulators.hospital.encounters import Inpatient
from simulators.hospital.v1 import V1Client
from simulators.sandbox.cast import cast
from tests.support.his import Ward, people, ward
from tests.support.sandbox import Town

HOSPITALS = ("H64000100001", "H64000100002")
SETTLED, PAID_ON = "2025-03-03", "2025-03-04"


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """The sandbox, its agency's account at the bank that speaks ISO 20022."""
    [agency] = cast().agencies
    row = {"id": agency.id, "pool_area": agency.pool_area, "bank": "iso", "payer_account": agency.account.table()}
    running = Town(tmp_path_factory.mktemp("town"), env={"XINYI_AGENCIES": json.dumps([row])}).start()
    yield running
    running.stop()


async def stay(at: Ward, number: int) -> None:
    encounter = Inpatient(at.his, people("64")[number], days=0)
    await encounter.admit()
    await encounter.upload(at.his.fee_lines(100000 + number, 4))
    await encounter.discharge()
    await encounter.presettle()
    await encounter.settle()


async def summary(client: V1Client) -> dict[str, Any]:
    """The day's summary once it is built."""
    async with asyncio.timeout(30):
        while True:
            shown = await client.get(f"/v1/payouts/{SETTLED}")
            if shown["summaries"]:
                return dict(shown["summaries"][0])
            await asyncio.sleep(0.2)


async def states(client: V1Client, wanted: dict[str, str]) -> dict[str, Any]:
    """Orders by hospital once they are in the wanted states."""
    async with asyncio.timeout(30):
        while True:
            orders = {order["fixmedins_code"]: order for order in (await summary(client))["orders"]}
            if {code: orders[code]["state"] for code in wanted} == wanted:
                return orders
            await asyncio.sleep(0.2)


async def control(town: Town, session: aiohttp.ClientSession, path: str, content: Any) -> None:
    async with session.post(f"{town.simulator('bank')}/_sim/{path}", json=content) as answer:
        assert answer.status == 200, await answer.text()


async def test_a_payout_is_proven_by_its_camt_054_and_returned_by_another(town: Town) -> None:
    async with AsyncExitStack() as stack:
        wards = [await stack.enter_async_context(ward(town, code, seed=9)) for code in HOSPITALS]
        session = wards[0].session
        clients = {name: V1Client(f"sandbox-{name}", town.gateway, session) for name in ("preparer", "approver")}
        for number, at in enumerate(wards, 1):
            await stay(at, number)
        await town.clock(session, f"{PAID_ON}T08:59:00+08:00")
        await town.fault(
            session, "bank", operation="SubmitPayoutBatch", kind="reject", record=HOSPITALS[1], code="AC04"
        )
        built = await summary(clients["approver"])
        body = {"summary_no": built["summary_no"], "content_hash": built["content_hash"]}
        for name, client in clients.items():
            await client.post(f"/v1/payouts/{SETTLED}/approve", body, f"approve-{name}")
        await clients["approver"].post(f"/v1/payouts/{SETTLED}/submit", body, "submit")
        paid, failed = HOSPITALS
        orders = await states(clients["approver"], {paid: "PAID", failed: "STATUS_FAIL"})
        assert (orders[failed]["tx_sts"], orders[failed]["sts_rsn"]) == ("RJCT", "AC04")
        assert orders[paid]["receipt_no"].startswith("HDBTK")

        number = orders[paid]["pay_order_no"]
        booked = [e for e in await town.effects(session, "bank") if e["operation"] == "SubmitPayoutBatch"]
        assert [(e["key"], f"{e['amount_fen'] / 100:.2f}") for e in booked] == [(number, orders[paid]["sum_amt"])]
        await control(town, session, "bounce", {"pay_order_no": number})
        for hours in range(1, 4):
            await asyncio.sleep(1.2)
            await town.clock(session, f"{PAID_ON}T{12 + hours}:00:00+08:00")
        await states(clients["approver"], {paid: "RETURNED"})


async def test_every_message_went_to_the_iso_bank_and_none_elsewhere(town: Town) -> None:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{town.simulator('bank')}/_sim/requests") as answer,
    ):
        paths = {row["path"] for row in (await answer.json())["requests"]}
    assert "/iso/credit-transfers" in paths
    assert "/iso/payment-status-requests" in paths
    assert not [path for path in paths if path.startswith("/bocom")]
