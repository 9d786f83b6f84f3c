"""The whole sandbox: ready, described, usable; it survives the gateway's death and frees its ports when it stops."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from simulators.sandbox.children import ChildFailed, PortTaken, free_base_port, require_free
from simulators.sandbox.sandbox import Sandbox
from simulators.sandbox.settings import OFFSETS, Place


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path / "var", port=free_base_port())


async def test_a_sandbox_is_ready_described_and_empty(place: Place) -> None:
    async with Sandbox(place) as sandbox, aiohttp.ClientSession() as session:
        shown = json.loads(place.description.read_text("utf-8"))
        assert set(shown["pids"]) == {"gateway", *OFFSETS}
        async with session.get(f"{shown['gateway']}/sandbox/clock") as answer:
            assert (await answer.json())["now"].startswith("2025-03-03T08:00")
        for url in shown["simulators"].values():
            async with session.get(f"{url}/_sim/ledger") as answer:
                assert (await answer.json())["effects"] == []
        moved = await sandbox.move_clock(session, "2025-03-04T09:30:00+08:00")
        assert moved["now"].startswith("2025-03-04T09:30")
        async with session.get(f"{place.simulator('bank')}/_sim/health") as answer:
            assert (await answer.json())["business_time"].startswith("2025-03-04T09:30")
    require_free(place.ports)


async def test_the_gateway_may_die_and_come_back_on_the_same_data(place: Place) -> None:
    async with Sandbox(place) as sandbox, aiohttp.ClientSession() as session:
        await sandbox.move_clock(session, "2025-03-10T10:00:00+08:00")
        before = json.loads(place.description.read_text("utf-8"))["pids"]
        await sandbox.kill_gateway()
        assert sandbox.failed() == "gateway"
        await sandbox.restart_gateway()
        after = json.loads(place.description.read_text("utf-8"))["pids"]
        assert after["gateway"] != before["gateway"]
        assert {name: after[name] for name in OFFSETS} == {name: before[name] for name in OFFSETS}
        async with session.get(f"{place.gateway}/sandbox/clock") as answer:
            assert (await answer.json())["now"].startswith("2025-03-10T10:00")


async def test_a_gateway_that_cannot_start_leaves_nothing_running(place: Place) -> None:
    with pytest.raises(ChildFailed, match="store"):
        await Sandbox(place, gateway_env={"XINYI_STORE": "nonsense://"}).start()
    require_free(place.ports)


@pytest.fixture
def program(place: Place) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "simulators", "sandbox", "--port", str(place.port), "--data", str(place.data)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    yield process
    if process.poll() is None:
        process.kill()
    process.wait()


def answers(url: str) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.5)
        host, port = url.removeprefix("http://").split(":")
        return probe.connect_ex((host, int(port))) == 0


def read_until_ready(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    text = ""
    for line in process.stdout:
        text += line
        if "Ctrl-C" in line:
            break
    return text


async def all_ports_free(place: Place, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            require_free(place.ports)
        except PortTaken:
            await asyncio.sleep(0.1)
        else:
            return True
    return False


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_the_program_stops_every_child_and_frees_the_ports(
    place: Place, program: subprocess.Popen[str], number: signal.Signals
) -> None:
    text = await asyncio.to_thread(read_until_ready, program)
    assert "sandbox-H64000100001" in text
    assert answers(place.gateway)
    program.send_signal(number)
    assert await asyncio.to_thread(program.wait, 20) == 0
    require_free(place.ports)


@pytest.mark.skipif(sys.platform != "linux", reason="the death signal is Linux's")
async def test_the_ports_are_freed_even_when_the_program_is_killed(
    place: Place, program: subprocess.Popen[str]
) -> None:
    await asyncio.to_thread(read_until_ready, program)
    program.kill()
    assert await all_ports_free(place, 30)
