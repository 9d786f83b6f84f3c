"""The hospitals' callback receiver over a real socket."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from simulators.common.server import Options
from simulators.hospital.app import Hospitals
from simulators.hospital.callbacks import SIGNATURE_HEADER, TIMESTAMP_HEADER, sign

CODE = "H43050000001"
EVENT = {
    "event_id": "E-1", "type": "charge.final", "occurred_at": "2025-03-03T09:00:00+08:00", "resource": "visit/V1",
    "data": {"charge_status": "CHARGED", "charged_amt": "30.50"},
}  # fmt: skip


@pytest.fixture
async def sim(tmp_path: Path) -> AsyncIterator[Hospitals]:
    made = Hospitals(Options(port=0, data=tmp_path))
    await made.start()
    yield made
    await made.stop()


async def call_back(sim: Hospitals, event: Any, *, token: str = f"sandbox-{CODE}", age: int = 0) -> tuple[int, Any]:
    body, timestamp = json.dumps(event).encode(), str(int(time.time()) - age)
    headers = {SIGNATURE_HEADER: sign(token, timestamp, body), TIMESTAMP_HEADER: timestamp}
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{sim.url}/callbacks/{CODE}", data=body, headers=headers) as answer,
    ):
        return answer.status, await answer.json()


async def seen(sim: Hospitals, query: str = "") -> list[dict[str, Any]]:
    async with aiohttp.ClientSession() as session, session.get(f"{sim.url}/_sim/callbacks{query}") as answer:
        rows: list[dict[str, Any]] = (await answer.json())["callbacks"]
        return rows


async def test_a_signed_event_is_taken_once(sim: Hospitals) -> None:
    assert await call_back(sim, EVENT) == (200, {"event_id": "E-1", "duplicate": False})
    assert await call_back(sim, EVENT) == (200, {"event_id": "E-1", "duplicate": True})
    rows = await seen(sim)
    assert [(row["event_id"], row["fixmedins_code"], row["type"]) for row in rows] == [("E-1", CODE, "charge.final")]
    assert rows[0]["data"] == EVENT["data"]


async def test_an_event_id_belongs_to_its_content(sim: Hospitals) -> None:
    await call_back(sim, EVENT)
    assert (await call_back(sim, EVENT | {"data": {}}))[0] == 409


async def test_a_foreign_token_and_an_old_timestamp_are_refused(sim: Hospitals) -> None:
    assert await call_back(sim, EVENT, token="sandbox-H43050000002") == (401, {"code": "SIGNATURE_INVALID"})
    assert await call_back(sim, EVENT, age=301) == (401, {"code": "TIMESTAMP_EXPIRED"})
    assert await seen(sim) == []


async def test_events_are_shown_by_type_and_hospital(sim: Hospitals) -> None:
    await call_back(sim, EVENT)
    await call_back(sim, EVENT | {"event_id": "E-2", "type": "payout.paid"})
    assert [row["event_id"] for row in await seen(sim, "?type=payout.paid")] == ["E-2"]
    assert await seen(sim, "?fixmedins_code=H64000100001") == []


async def test_a_fault_names_the_events_type(sim: Hospitals) -> None:
    async with aiohttp.ClientSession() as session:
        faults = [{"operation": "charge.final", "nth": 1, "kind": "http_500_before"}]
        async with session.put(f"{sim.url}/_sim/faults", json=faults) as answer:
            assert answer.status == 200
    with pytest.raises(aiohttp.ContentTypeError):
        await call_back(sim, EVENT)
    assert await seen(sim) == []
    assert (await call_back(sim, EVENT))[1]["duplicate"] is False
