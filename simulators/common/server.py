"""The frame of a simulator: its HTTP server, the ``/_sim`` controls and the one way an operation is run.

A concrete simulator subclasses ``SimulatorApp``, adds its routes in ``routes`` and calls ``run`` for each request of
its counterpart. ``run`` applies the faults, keeps the ledger and writes the journal; the handler given to it is a plain
function (no ``await``), so a request is one step: all of its state and effects are kept, or none.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar

import aiohttp
import orjson
from aiohttp import web

from simulators.common.clock import BusinessClock
from simulators.common.controls import add_controls
from simulators.common.faults import Fault, Faults, Kind, Plan
from simulators.common.journal import Journal
from simulators.common.ledger import Ledger, RequestRecord
from simulators.common.listener import Listener
from simulators.common.timers import Timer, Timers
from simulators.common.variants import Variants
from simulators.common.wire import SERVER_ERROR, Reply, hang_up, send_damaged

_MAX_BODY = 64 * 1024 * 1024
_PUSH_RETRY_SECONDS = (1, 2, 4, 8, 16, 32, 60)


@dataclass(slots=True)
class Call:
    """One request while its handler runs. The handler sets ``verdict`` (``executed`` by default; ``query``,
    ``duplicate``, ``refused``) and calls ``effect`` for what it really did."""

    operation: str
    key: str
    at: datetime
    lie_fen: int
    """To be added to the amounts of the answer, and of the answer alone (fault ``lie``)."""
    rejected_records: dict[str, Fault]
    """Records of a batch that are to be refused, by the party they are for (fault ``reject`` with ``record``)."""
    _ledger: Ledger
    verdict: str = "executed"
    detail: dict[str, Any] = field(default_factory=dict)

    def effect(self, amount_fen: int, party: str, *, operation: str = "", key: str = "", **detail: Any) -> int:
        """Notes something really done; returns its ``seq``. Operation and key are the request's unless given."""
        return self._ledger.effect(operation or self.operation, key or self.key, amount_fen, party, detail)


Handler = Callable[[Call], Reply]
PushSender = Callable[[dict[str, Any]], Awaitable[bool]]
"""Delivers one push; True when the receiver took it (or refused it for good), False to try again."""


@dataclass(frozen=True, slots=True)
class Options:
    """How a simulator is started."""

    port: int
    data: Path
    clock_file: Path | None = None
    gateway: str = "http://127.0.0.1:8800"
    host: str = "127.0.0.1"
    seed: int | None = None


class SimulatorApp:
    """Base of every simulator; ``name`` names its files under the data folder."""

    name: ClassVar[str] = "simulator"
    switches: ClassVar[dict[str, str]] = {}
    """Variants of this simulator: snake-case name → one line of explanation."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.clock = BusinessClock(options.clock_file)
        self.journal = Journal(options.data / f"{self.name}.jsonl")
        self.ledger = Ledger(self.journal, options.data / f"{self.name}-requests.jsonl", self.clock)
        self.timers = Timers(self.journal, self.clock)
        self.variants = Variants(self.journal, self.switches)
        self.faults = Faults(options.seed)
        self.app = web.Application(client_max_size=_MAX_BODY)
        self._runner = web.AppRunner(self.app, access_log=None, handle_signals=False, shutdown_timeout=2.0)
        self.listener = Listener(self._runner, options.host, options.port)
        self._session: aiohttp.ClientSession | None = None
        self._senders: dict[str, PushSender] = {}

    # -- what a concrete simulator fills in -------------------------------------------------------------------------

    def routes(self, app: web.Application) -> None:
        """Adds the counterpart's own routes and the simulator's own ``/_sim`` controls."""

    def refusal(self, call: Call, fault: Fault) -> Reply:
        """The business refusal a ``reject`` fault asks for (``fault.code``, ``.message``), in the party's words."""
        return Reply(orjson.dumps({"code": fault.code or "REJECTED", "message": fault.message or "业务拒绝"}), 422)

    def seed_state(self) -> None:
        """Puts the initial rows; called on an empty state (first start and reset), inside a step."""

    # -- running operations -------------------------------------------------------------------------------------------

    async def run(
        self, request: web.Request, operation: str, key: str, handler: Handler, *, body: bytes
    ) -> web.StreamResponse:
        """Runs one operation under the faults in force and returns what aiohttp is to send (which may be nothing)."""
        plan = self.faults.draw(operation)
        if plan.delay_before:
            await asyncio.sleep(plan.delay_before)
        call = Call(operation, key, self.clock.now(), plan.lie_fen, dict(plan.rejected_records), self.ledger)
        if plan.before is not None:
            response = self._not_executed(request, call, plan, plan.before, body)
        else:
            response = await self._executed(request, call, plan, handler, body)
        if plan.close_for:
            await self._close_after(request, response, plan.close_for)
        return response

    async def _executed(
        self, request: web.Request, call: Call, plan: Plan, handler: Handler, body: bytes
    ) -> web.StreamResponse:
        with self.step():
            reply = handler(call)
        self._note(request, call, plan, body)
        if plan.delay_after:
            await asyncio.sleep(plan.delay_after)
        if plan.after is not None:
            return await send_damaged(request, reply, plan.after)
        return reply.response()

    def _not_executed(
        self, request: web.Request, call: Call, plan: Plan, fault: Fault, body: bytes
    ) -> web.StreamResponse:
        call.verdict = "refused" if fault.kind is Kind.REJECT else "fault"
        self._note(request, call, plan, body)
        if fault.kind is Kind.DROP_BEFORE:
            return hang_up(request)
        return (SERVER_ERROR if fault.kind is Kind.HTTP_500_BEFORE else self.refusal(call, fault)).response()

    async def _close_after(self, request: web.Request, response: web.StreamResponse, seconds: float) -> None:
        """This caller gets its answer; the next one finds the door closed."""
        response.force_close()
        await response.prepare(request)
        await response.write_eof()
        await self.listener.refuse(seconds, keep=request.transport)

    @contextmanager
    def step(self) -> Iterator[None]:
        """All state changes inside are kept together, or none; no ``await`` inside."""
        try:
            yield
        except BaseException:
            self.journal.rollback()
            raise
        self.journal.commit()

    def _note(self, request: web.Request, call: Call, plan: Plan, body: bytes) -> None:
        text = body.decode("utf-8", "replace")
        record = RequestRecord(call.operation, call.key, call.verdict, text, request.path, plan.names, call.detail)
        self.ledger.request(record, time.time())

    def note_refused(self, request: web.Request, operation: str, key: str, body: bytes, **detail: Any) -> None:
        """Writes down a request that was turned away before it became an operation (bad signature, unreadable)."""
        text = body.decode("utf-8", "replace")
        self.ledger.request(RequestRecord(operation, key, "refused", text, request.path, "", detail), time.time())

    # -- pushes towards the gateway -----------------------------------------------------------------------------------

    def on_push(self, operation: str, sender: PushSender) -> None:
        """Registers how pushes of ``operation`` are delivered."""
        self._senders[operation] = sender
        self.timers.on(f"push:{operation}", self._push)

    def push(
        self, operation: str, payload: dict[str, Any], *, cause: str = "", real: float = 0, business: float = 0
    ) -> None:
        """Adds a push to the step under way, ``real`` and ``business`` seconds from now; faults double or delay it."""
        plan = self.faults.draw_push(operation, cause)
        for _ in range(plan.copies):
            self.timers.add(f"push:{operation}", payload, business=business + plan.late_by, real=real)

    async def _push(self, timer: Timer) -> float | None:
        sender = self._senders[timer.kind.removeprefix("push:")]
        try:
            taken = await sender(timer.payload)
        except (aiohttp.ClientError, TimeoutError, OSError):
            taken = False
        return None if taken else _PUSH_RETRY_SECONDS[min(timer.attempts, len(_PUSH_RETRY_SECONDS) - 1)]

    @property
    def session(self) -> aiohttp.ClientSession:
        """The HTTP client for pushes; lives as long as the simulator."""
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30))
        return self._session

    # -- life ---------------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Loads the state and listens. Raises OSError when the port is taken."""
        self.journal.open()
        self.ledger.open()
        if not self.variants.seeded:
            self._seed()
        add_controls(self)
        self.routes(self.app)
        await self._runner.setup()
        await self.listener.open()
        self.timers.start()

    def _seed(self) -> None:
        with self.step():
            self.variants.mark_seeded()
            self.seed_state()

    def reset(self) -> None:
        """Back to the state of a first start: no effects, requests, faults, variants, timers."""
        self.faults.clear()
        self.journal.reset()
        self.ledger.reset()
        self._seed()

    async def stop(self) -> None:
        await self.timers.stop()
        await self.listener.close()
        await self._runner.cleanup()
        if self._session is not None:
            await self._session.close()
        self.journal.close()
        self.ledger.close()

    @property
    def url(self) -> str:
        return f"http://{self.options.host}:{self.listener.port}"
