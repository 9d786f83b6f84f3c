"""Every kind of fault over a real socket: what was executed, what was not, what reached the client."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar

import aiohttp
import orjson
import pytest
from aiohttp import web

from simulators.common.clock import SHANGHAI
from simulators.common.journal import Table
from simulators.common.server import Call, Options, SimulatorApp
from simulators.common.wire import Reply


class Counter(SimulatorApp):
    """The smallest simulator: ``POST /add`` adds one effect, and pushes to whoever listens."""

    name = "counter"
    switches: ClassVar[dict[str, str]] = {"loud": "answers in capitals"}

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        self.pushed: list[dict[str, Any]] = []
        self.rows: Table[dict[str, Any]] = self.journal.table("rows")
        self.on_push("Notify", self._take)

    def routes(self, app: web.Application) -> None:
        app.router.add_post("/add", self._add)

    def seed_state(self) -> None:
        self.rows.put("first", {"n": 0})

    async def _take(self, payload: dict[str, Any]) -> bool:
        self.pushed.append(payload)
        return True

    async def _add(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        key = request.query.get("key", "k")

        def handle(call: Call) -> Reply:
            call.effect(100, "H1", note="added")
            self.rows.put(key, {"n": len(self.rows)})
            self.push("Notify", {"key": key}, cause="add")
            if key == "broken":
                raise web.HTTPConflict
            amount = 100 + call.lie_fen
            return Reply(orjson.dumps({"amount": amount, "rejected": list(call.rejected_records), "pad": "x" * 400}))

        return await self.run(request, "add", key, handle, body=body)


@pytest.fixture
async def sim(tmp_path: Path) -> AsyncIterator[Counter]:
    made = Counter(Options(port=0, data=tmp_path, seed=1))
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def set_faults(client: aiohttp.ClientSession, sim: Counter, *faults: dict[str, Any]) -> None:
    async with client.put(f"{sim.url}/_sim/faults", json=list(faults)) as answer:
        assert answer.status == 200, await answer.text()


async def add(client: aiohttp.ClientSession, sim: Counter, key: str = "k", timeout: float = 5) -> tuple[int, bytes]:
    limit = aiohttp.ClientTimeout(total=timeout)
    async with client.post(f"{sim.url}/add", params={"key": key}, data=b"raw body", timeout=limit) as answer:
        return answer.status, await answer.read()


async def effects(client: aiohttp.ClientSession, sim: Counter) -> list[dict[str, Any]]:
    async with client.get(f"{sim.url}/_sim/ledger") as answer:
        rows: list[dict[str, Any]] = (await answer.json())["effects"]
        return rows


async def requests(client: aiohttp.ClientSession, sim: Counter) -> list[dict[str, Any]]:
    async with client.get(f"{sim.url}/_sim/requests") as answer:
        rows: list[dict[str, Any]] = (await answer.json())["requests"]
        return rows


async def test_without_faults_the_effect_and_the_raw_body_are_listed(
    sim: Counter, client: aiohttp.ClientSession
) -> None:
    status, body = await add(client, sim)
    assert status == 200
    assert orjson.loads(body)["amount"] == 100
    effect = (await effects(client, sim))[0]
    assert (effect["seq"], effect["operation"], effect["key"], effect["amount_fen"]) == (1, "add", "k", 100)
    assert effect["detail"] == {"note": "added"}
    assert datetime.fromisoformat(effect["at"]).utcoffset() == datetime.now(SHANGHAI).utcoffset()
    request = (await requests(client, sim))[0]
    assert (request["verdict"], request["body"], request["path"]) == ("executed", "raw body", "/add")


@pytest.mark.parametrize(
    ("kind", "executed", "outcome"),
    [
        ("drop_before", 0, "disconnected"),
        ("drop_after", 1, "disconnected"),
        ("http_500_before", 0, "500"),
        ("http_500_after", 1, "500"),
        ("garbage", 1, "unreadable"),
        ("half_reply", 1, "disconnected"),
        ("reject", 0, "refused"),
    ],
)
async def test_a_fault_leaves_the_operation_done_or_undone_as_its_name_says(
    sim: Counter, client: aiohttp.ClientSession, kind: str, executed: int, outcome: str
) -> None:
    await set_faults(client, sim, {"operation": "add", "nth": 1, "kind": kind})
    assert await _outcome(client, sim) == outcome
    assert len(await effects(client, sim)) == executed
    seen = (await requests(client, sim))[0]
    assert seen["fault"] == kind
    assert seen["verdict"] == {"reject": "refused"}.get(kind, "executed" if executed else "fault")
    # one-shot: the next one is served
    assert (await add(client, sim, "next"))[0] == 200


async def _outcome(client: aiohttp.ClientSession, sim: Counter) -> str:
    try:
        status, body = await add(client, sim)
    except (aiohttp.ServerDisconnectedError, aiohttp.ClientPayloadError, ConnectionResetError):
        return "disconnected"
    if status != 200:
        return {500: "500", 422: "refused"}[status]
    try:
        orjson.loads(body)
    except orjson.JSONDecodeError:
        return "unreadable"
    return "whole"


async def test_a_dropped_connection_carries_not_one_byte_of_an_answer(
    sim: Counter, client: aiohttp.ClientSession
) -> None:
    await set_faults(client, sim, {"operation": "add", "kind": "drop_after"})
    reader, writer = await asyncio.open_connection("127.0.0.1", sim.listener.port)
    writer.write(b"POST /add HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi")
    received = b""
    with contextlib.suppress(ConnectionResetError):
        received = await reader.read()
    writer.close()
    assert received == b""
    assert len(await effects(client, sim)) == 1


async def test_half_a_reply_announces_the_whole_and_sends_half(sim: Counter, client: aiohttp.ClientSession) -> None:
    await set_faults(client, sim, {"operation": "add", "kind": "half_reply"})
    reader, writer = await asyncio.open_connection("127.0.0.1", sim.listener.port)
    writer.write(b"POST /add HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi")
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    length = next(
        int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")
    )
    assert 0 < len(body) == length // 2


async def test_delays_come_before_or_after_the_effect(sim: Counter, client: aiohttp.ClientSession) -> None:
    await set_faults(
        client,
        sim,
        {"operation": "add", "nth": 1, "kind": "delay_before", "seconds": 0.4},
        {"operation": "add", "nth": 2, "kind": "delay_after", "seconds": 0.4},
    )
    with pytest.raises(TimeoutError):
        await add(client, sim, "a", timeout=0.15)
    assert await effects(client, sim) == []
    await asyncio.sleep(0.4)  # the caller gave up; the operation is executed all the same
    assert [e["key"] for e in await effects(client, sim)] == ["a"]
    with pytest.raises(TimeoutError):
        await add(client, sim, "b", timeout=0.15)
    assert [e["key"] for e in await effects(client, sim)] == ["a", "b"]


async def test_slow_drip_ends_whole(sim: Counter, client: aiohttp.ClientSession) -> None:
    await set_faults(client, sim, {"operation": "add", "kind": "slow_drip", "seconds": 0.4})
    began = time.monotonic()
    status, body = await add(client, sim)
    assert status == 200
    assert orjson.loads(body)["amount"] == 100
    assert time.monotonic() - began >= 0.35


async def test_refuse_connection_finds_the_very_next_caller_refused(
    sim: Counter, client: aiohttp.ClientSession
) -> None:
    await set_faults(client, sim, {"operation": "add", "nth": 1, "kind": "refuse_connection", "seconds": 0.5})
    with pytest.raises(aiohttp.ClientConnectorError):
        await add(client, sim)
    await asyncio.sleep(0.6)
    assert (await add(client, sim))[0] == 200
    assert len(await effects(client, sim)) == 1


async def test_refuse_connection_for_the_second_call_answers_the_first_and_cuts_the_others(
    sim: Counter, client: aiohttp.ClientSession
) -> None:
    idle_reader, idle_writer = await asyncio.open_connection("127.0.0.1", sim.listener.port)
    await set_faults(client, sim, {"operation": "add", "nth": 2, "kind": "refuse_connection", "seconds": 0.4})
    assert (await add(client, sim))[0] == 200
    with contextlib.suppress(ConnectionResetError):
        assert await idle_reader.read() == b""
    idle_writer.close()
    with pytest.raises(aiohttp.ClientConnectorError):
        await add(client, sim)
    await asyncio.sleep(0.5)
    assert (await add(client, sim))[0] == 200


async def test_a_lie_changes_the_answer_and_not_the_ledger(sim: Counter, client: aiohttp.ClientSession) -> None:
    await set_faults(client, sim, {"operation": "add", "kind": "lie", "fen": 7})
    assert orjson.loads((await add(client, sim))[1])["amount"] == 107
    assert (await effects(client, sim))[0]["amount_fen"] == 100


async def test_reject_of_one_record_lets_the_rest_through(sim: Counter, client: aiohttp.ClientSession) -> None:
    await set_faults(client, sim, {"operation": "add", "kind": "reject", "record": "H9", "code": "E1"})
    status, body = await add(client, sim)
    assert (status, orjson.loads(body)["rejected"]) == (200, ["H9"])


async def test_nth_counts_from_when_the_fault_was_set(sim: Counter, client: aiohttp.ClientSession) -> None:
    await add(client, sim)
    await set_faults(client, sim, {"operation": "add", "nth": 2, "kind": "http_500_before"})
    assert [(await add(client, sim))[0] for _ in range(3)] == [200, 500, 200]


async def test_probability_is_repeatable_with_a_seed_and_cleared_by_delete(
    sim: Counter, client: aiohttp.ClientSession
) -> None:
    async def play() -> list[int]:
        url = f"{sim.url}/_sim/faults?seed=42"
        async with client.put(
            url, json=[{"operation": "add", "probability": 0.5, "kind": "http_500_before"}]
        ) as answer:
            assert answer.status == 200
        return [(await add(client, sim))[0] for _ in range(20)]

    first = await play()
    assert set(first) == {200, 500}
    assert await play() == first
    async with client.delete(f"{sim.url}/_sim/faults"):
        pass
    assert [(await add(client, sim))[0] for _ in range(5)] == [200] * 5


async def test_several_faults_strike_together(sim: Counter, client: aiohttp.ClientSession) -> None:
    await set_faults(
        client,
        sim,
        {"operation": "add", "kind": "delay_before", "seconds": 0.2},
        {"operation": "*", "kind": "drop_after"},
    )
    began = time.monotonic()
    assert await _outcome(client, sim) == "disconnected"
    assert time.monotonic() - began >= 0.2
    assert len(await effects(client, sim)) == 1


async def test_pushes_are_doubled_or_late_in_business_time(sim: Counter, client: aiohttp.ClientSession) -> None:
    await set_faults(client, sim, {"operation": "add", "nth": 1, "kind": "duplicate_push"})
    await add(client, sim, "twice")
    await asyncio.sleep(0.2)
    assert [p["key"] for p in sim.pushed] == ["twice", "twice"]
    await set_faults(client, sim, {"operation": "Notify", "kind": "late_push", "seconds": 3600})
    await add(client, sim, "late")
    await asyncio.sleep(0.2)
    assert len(sim.pushed) == 2
    assert [t.payload["key"] for t in sim.timers.waiting("push:Notify")] == ["late"]


async def test_a_handler_that_breaks_leaves_neither_state_nor_effect(
    sim: Counter, client: aiohttp.ClientSession
) -> None:
    assert (await add(client, sim, "broken"))[0] == 409
    assert await effects(client, sim) == []
    assert "broken" not in sim.rows


@pytest.mark.parametrize(
    "fault",
    [
        {"operation": "add", "kind": "no_such"},
        {"operation": "add", "kind": "drop_after", "nth": 1, "probability": 0.5},
        {"operation": "add", "kind": "drop_after", "nth": 0},
        {"operation": "add", "kind": "drop_after", "probability": 2},
        {"operation": "add", "kind": "drop_after", "second": 2},
    ],
)
async def test_a_fault_that_is_not_on_the_menu_is_refused(
    sim: Counter, client: aiohttp.ClientSession, fault: dict[str, Any]
) -> None:
    async with client.put(f"{sim.url}/_sim/faults", json=[fault]) as answer:
        assert answer.status == 422


async def test_state_effects_requests_and_timers_survive_a_restart(tmp_path: Path) -> None:
    first = Counter(Options(port=0, data=tmp_path))
    await first.start()
    async with aiohttp.ClientSession() as client:
        await set_faults(client, first, {"operation": "Notify", "kind": "late_push", "seconds": 3600})
        await add(client, first, "kept")
    # no stop(): what kill -9 leaves, with a line torn in the middle
    with (tmp_path / "counter.jsonl").open("ab") as file:
        file.write(b'[["rows","torn",{"n"')
    second = Counter(Options(port=0, data=tmp_path))
    await second.start()
    try:
        assert [t.payload["key"] for t in second.timers.waiting("push:Notify")] == ["kept"]
        async with aiohttp.ClientSession() as client:
            assert [e["key"] for e in await effects(client, second)] == ["kept"]
            assert len(await requests(client, second)) == 1
            await add(client, second, "after")
            assert [e["seq"] for e in await effects(client, second)] == [1, 2]
        assert "torn" not in second.rows
    finally:
        await second.stop()
        await first.stop()


async def test_reset_and_variants(sim: Counter, client: aiohttp.ClientSession) -> None:
    async with client.put(f"{sim.url}/_sim/variants", json={"loud": True}) as answer:
        assert (await answer.json())["variants"]["loud"]["value"] is True
    async with client.put(f"{sim.url}/_sim/variants", json={"quiet": True}) as answer:
        assert answer.status == 422
    await add(client, sim)
    async with client.post(f"{sim.url}/_sim/reset") as answer:
        assert answer.status == 200
    assert await effects(client, sim) == []
    assert await requests(client, sim) == []
    assert sim.variants["loud"] is False
    assert list(sim.rows.keys()) == ["first"]


async def test_timers_follow_a_jump_of_the_clock_in_due_order(tmp_path: Path) -> None:
    clock_file = tmp_path / "clock.json"
    moment = {"business": "2025-03-03T08:00:00+08:00", "real": time.time(), "rate": 0}
    clock_file.write_text(json.dumps(moment))
    sim = Counter(Options(port=0, data=tmp_path / "data", clock_file=clock_file))
    await sim.start()
    try:
        with sim.step():
            sim.push("Notify", {"key": "later"}, business=7200)
            sim.push("Notify", {"key": "sooner"}, business=3600)
        await asyncio.sleep(0.15)
        assert sim.pushed == []
        fresh = tmp_path / "clock.tmp"
        fresh.write_text(json.dumps({**moment, "business": "2025-03-03T11:00:00+08:00"}))
        fresh.replace(clock_file)
        await asyncio.sleep(0.2)
        assert [p["key"] for p in sim.pushed] == ["sooner", "later"]
        assert sim.clock.now() == datetime(2025, 3, 3, 11, tzinfo=SHANGHAI)
    finally:
        await sim.stop()
