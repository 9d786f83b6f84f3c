"""A running sandbox: starts and stops the gateway and the simulators, moves the clock, kills the gateway on request."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp

from simulators.sandbox.cast import Cast, cast
from simulators.sandbox.children import Child, ChildFailed, require_free
from simulators.sandbox.keys import make_keys
from simulators.sandbox.settings import OFFSETS, Place, description, gateway_settings, simulator_arguments, toml
from simulators.sandbox.store import empty_store

_READY_SECONDS = 60.0
_POLL_SECONDS = 0.1
_JUMP_SECONDS = 600.0


class Sandbox:
    """Gateway and simulators on loopback. An async context manager, or ``start`` and ``stop``.

    ``gateway_env``: extra environment of the gateway process. ``keep``: go on with the data of the last time instead of
    starting with empty ledgers. ``seed``: of the simulators' dice.
    """

    def __init__(
        self, place: Place, *, keep: bool = False, gateway_env: Mapping[str, str] | None = None, seed: int | None = None
    ) -> None:
        self.place = place
        self.cast: Cast = cast()
        self.keep = keep
        self.gateway_env = dict(gateway_env or {})
        self._seed = seed
        self._children: dict[str, Child] = {}

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self, *, wait: bool = True) -> None:
        """Starts everything; with ``wait`` returns when ``/health/ready`` answers 200.

        Raises PortTaken before anything is touched, StoreNotOurs for a database that is not a sandbox's, ChildFailed
        when a child does not come up; nothing is left running then.
        """
        require_free(self.place.ports)
        if self.place.store and not self.keep:
            await empty_store(self.place.store)
        self._prepare()
        try:
            await asyncio.gather(*(self._start_simulator(name) for name in OFFSETS), self._migrate())
            await self._start_gateway()
            self._describe()
            if wait:
                await self.ready()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Stops every child, the gateway first, and frees the ports."""
        gateway = self._children.pop("gateway", None)
        if gateway is not None:
            await gateway.stop()
        await asyncio.gather(*(child.stop() for child in self._children.values()))
        self._children.clear()

    # -- the gateway's life -------------------------------------------------------------------------------------------

    async def kill_gateway(self) -> None:
        """SIGKILL, as a power cut would; the simulators go on."""
        await self._children["gateway"].kill()

    async def stop_gateway(self) -> None:
        """SIGTERM and wait."""
        await self._children["gateway"].stop()

    async def restart_gateway(self, **extra_env: str) -> None:
        """Starts the gateway again on the same data and waits until it is ready."""
        self.gateway_env.update(extra_env)
        await self._start_gateway()
        self._describe()
        await self.ready()

    async def _migrate(self) -> None:
        await self._gateway_child("migrate", "gateway-migrate").run()

    async def _start_gateway(self) -> None:
        self._children["gateway"] = self._gateway_child("serve", "gateway")
        await self._children["gateway"].start()

    def _gateway_child(self, command: str, name: str) -> Child:
        arguments = ["-m", "gateway.cli", command, "--config", str(self.place.config)]
        return Child(name, arguments, self.place.logs / f"{name}.log", {"PYTHONUNBUFFERED": "1", **self.gateway_env})

    async def _start_simulator(self, name: str) -> None:
        place = self.place
        arguments = [
            "-m", "simulators", name, "--port", str(place.ports[name]), "--data", str(place.simulator_data),
            "--clock-file", str(place.clock_file), "--gateway", place.gateway, *simulator_arguments(place, name),
        ]  # fmt: skip
        if self._seed is not None:
            arguments += ["--seed", str(self._seed)]
        child = Child(name, arguments, place.logs / f"{name}.log", {"PYTHONUNBUFFERED": "1"})
        self._children[name] = child
        await child.start()
        await self._answers(f"{place.simulator(name)}/_sim/health", child)

    async def ready(self) -> None:
        """Returns when the gateway says it is ready. Raises ChildFailed when it ends or takes too long."""
        await self._answers(f"{self.place.gateway}/health/ready", self._children["gateway"])

    async def _answers(self, url: str, child: Child) -> None:
        deadline = time.monotonic() + _READY_SECONDS
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session:
            while time.monotonic() < deadline:
                if not child.running:
                    raise ChildFailed(f"{child.name} 已退出 has ended\n{child.tail()}")
                with suppress(aiohttp.ClientError, TimeoutError):
                    async with session.get(url) as answer:
                        if answer.status == 200:
                            return
                await asyncio.sleep(_POLL_SECONDS)
        raise ChildFailed(f"{child.name} 未就绪 not ready within {_READY_SECONDS:.0f} s\n{child.tail()}")

    def failed(self) -> str:
        """The name of a child that has ended by itself, or ""."""
        return next((name for name, child in self._children.items() if not child.running), "")

    def log_tail(self, name: str) -> str:
        return self._children[name].tail()

    # -- files --------------------------------------------------------------------------------------------------------

    def _prepare(self) -> None:
        self.place.data.mkdir(parents=True, exist_ok=True)
        if not self.keep:
            for path in self.place.owned():
                _remove(path)
        for folder in (self.place.gateway_data, self.place.simulator_data, self.place.logs):
            folder.mkdir(parents=True, exist_ok=True)
        make_keys(self.place.keys, ("gateway", *self.cast.banks))
        self.place.config.write_text(toml(gateway_settings(self.place, self.cast)), "utf-8")

    def _describe(self) -> None:
        pids = {name: child.pid for name, child in self._children.items()}
        text = json.dumps(description(self.place, self.cast, pids), ensure_ascii=False, indent=2)
        draft = self.place.description.with_suffix(".tmp")
        draft.write_text(text + "\n", "utf-8")
        os.replace(draft, self.place.description)

    # -- the clock ----------------------------------------------------------------------------------------------------

    async def move_clock(self, session: aiohttp.ClientSession, now: str, rate: int = 1) -> dict[str, Any]:
        """Moves business time to ``now`` (ISO 8601); every job due on the way has run when this returns."""
        timeout = aiohttp.ClientTimeout(total=_JUMP_SECONDS)
        body = {"now": now, "rate": rate}
        async with session.put(f"{self.place.gateway}/sandbox/clock", json=body, timeout=timeout) as answer:
            if answer.status != 200:
                raise ChildFailed(f"PUT /sandbox/clock: {answer.status} {await answer.text()}")
            return dict(await answer.json())


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
