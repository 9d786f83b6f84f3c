"""The real sandbox for tests: gateway and simulators as processes, on ports of their own."""

from __future__ import annotations

import asyncio
import random
import socket
import threading
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any, TypeVar

import aiohttp

from simulators.sandbox.sandbox import Sandbox
from simulators.sandbox.settings import Place

R = TypeVar("R")
_OFFSETS = (0, 11, 12, 13, 14)


def free_port() -> int:
    """A base port whose whole family is free."""
    for _ in range(200):
        base = random.randrange(20000, 60000, 20)
        if all(_is_free(base + offset) for offset in _OFFSETS):
            return base
    raise RuntimeError("no free ports")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


async def eventually(true: Callable[[], bool], seconds: float = 20.0) -> None:
    """Wait until something is so. Raises TimeoutError."""
    async with asyncio.timeout(seconds):
        while not true():  # noqa: ASYNC110 - what is waited for lives in another process
            await asyncio.sleep(0.05)


class Town:
    """A running sandbox, driven from synchronous fixtures and asynchronous tests alike."""

    def __init__(self, data: Path, store: str = "", env: Mapping[str, str] | None = None) -> None:
        self.place = Place(data, free_port(), store)
        self.counters: dict[str, Any] = {}
        self.sandbox = Sandbox(self.place, gateway_env=env)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def start(self) -> Town:
        """Start everything and wait until the gateway is ready."""
        self._thread.start()
        self.do(self.sandbox.start())
        return self

    def stop(self) -> None:
        """Stop every child."""
        self.do(self.sandbox.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def do(self, work: Coroutine[Any, Any, R]) -> R:
        """Run sandbox work on its own loop and wait."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(180)

    async def doing(self, work: Coroutine[Any, Any, R]) -> R:
        """The same from an asynchronous test."""
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))

    @property
    def gateway(self) -> str:
        """The gateway's base URL."""
        return self.place.gateway

    def simulator(self, name: str) -> str:
        """A simulator's base URL."""
        return self.place.simulator(name)

    async def fault(self, session: aiohttp.ClientSession, simulator: str, **fault: Any) -> None:
        """Set one fault."""
        async with session.put(f"{self.simulator(simulator)}/_sim/faults", json=[fault]) as answer:
            assert answer.status == 200, await answer.text()

    async def clear(self, session: aiohttp.ClientSession) -> None:
        """Clear all faults."""
        for name in ("platform", "bank", "credit", "hospital"):
            async with session.delete(f"{self.simulator(name)}/_sim/faults") as answer:
                assert answer.status == 200

    async def effects(self, session: aiohttp.ClientSession, simulator: str) -> list[dict[str, Any]]:
        """What a simulator really executed."""
        async with session.get(f"{self.simulator(simulator)}/_sim/ledger") as answer:
            return list((await answer.json())["effects"])

    async def clock(self, session: aiohttp.ClientSession, now: str, rate: int = 1) -> dict[str, Any]:
        """Move the business clock."""
        async with session.put(f"{self.gateway}/sandbox/clock", json={"now": now, "rate": rate}) as answer:
            assert answer.status == 200, await answer.text()
            return dict(await answer.json())
