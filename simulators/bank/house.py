"""A further bank in the simulator: books of its own and a door in its own words, over the same services.

What is common to every such bank is here: running a request under the faults in force, turning it away, the day-end
file, and what it pushes. A subclass reads its own messages into the services' fields and writes their answers.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, ClassVar

from aiohttp import web

from simulators.bank.books import Brand
from simulators.bank.receipts import Seal
from simulators.bank.rows import Answer, Fields, Pairs
from simulators.bank.service import QUERIES, Bank, MsgIdReused, lie
from simulators.bank.settings import Settings
from simulators.bank.statements import statement
from simulators.common.faults import Fault
from simulators.common.journal import Drawer, Table
from simulators.common.server import Call, SimulatorApp
from simulators.common.wire import Reply

GRACE = timedelta(seconds=2)
"""What handling a request may take in itself, also where ``settling_minutes`` is 0."""
REFUSE: ContextVar[Callable[[Call, Fault], Reply]] = ContextVar("refuse")
"""How the bank whose request is under way answers the fault ``reject``."""


class TurnedAway(Exception):
    """Not executed, answered as a fault. ``code`` is ours; the bank's door has its own words for it."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(code)
        self.code = code
        self.text = text


@dataclass(frozen=True, slots=True)
class Ask:
    """One request in the services' words. ``text`` is the message as it came, readable; ``more`` is the door's own."""

    operation: str
    sender: str
    msg_id: str
    key: str
    fields: Fields = field(repr=False)
    text: str = field(repr=False)
    more: Any = None


class House:
    """One more bank. ``name`` is its path here and at the gateway; accounts are shared by all banks."""

    name: ClassVar[str]
    brand: ClassVar[Brand]
    settings: ClassVar[Settings] = Settings()

    def __init__(self, sim: SimulatorApp, accounts: Table[Any], seal: Seal | None) -> None:
        self.sim = sim
        drawer = Drawer(sim.journal, self.name, {"accounts": accounts})
        self.bank = Bank(drawer, sim.clock, sim.ledger, sim.timers, self._push, seal, self.brand, self.name)

    def seed(self) -> None:
        self.bank.books.begin(self.settings)

    def routes(self, app: web.Application) -> None:
        app.router.add_post(f"/{self.name}", self._take)
        app.router.add_get(f"/{self.name}", self._wsdl)
        app.router.add_get(f"/{self.name}/statements/{{day}}", self._statement)

    # -- a subclass's own words ---------------------------------------------------------------------------------------

    def read(self, request: web.Request, body: bytes) -> Ask:
        """Raises TurnedAway."""
        raise NotImplementedError

    def answer(self, ask: Ask, answer: Answer, at: str, duplicate: bool) -> Reply:
        raise NotImplementedError

    def fault(self, away: TurnedAway, *, server: bool = False) -> Reply:
        raise NotImplementedError

    def contract(self, address: str) -> bytes:
        """The WSDL with the address it was asked at."""
        raise NotImplementedError

    async def post(self, operation: str, pairs: Pairs) -> str:
        """Sends NotifyTransaction or DeliverReceipt; returns OK, RETRY, MISMATCH, or an empty text."""
        raise NotImplementedError

    # -- the door -----------------------------------------------------------------------------------------------------

    async def _wsdl(self, request: web.Request) -> web.Response:
        if "wsdl" not in {name.lower() for name in request.query}:
            raise web.HTTPNotFound(text="POST SOAP here; the WSDL is at ?wsdl")
        body = self.contract(f"{request.scheme}://{request.host}/{self.name}")
        return web.Response(body=body, content_type="text/xml", charset="utf-8")

    async def _take(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        try:
            ask = self.read(request, body)
        except TurnedAway as away:
            self.sim.note_refused(request, "", "", body, code=away.code)
            return self.fault(away).response()
        arrived = self.sim.clock.now()
        REFUSE.set(lambda call, fault: self._refused(call, ask, fault))

        def handle(call: Call) -> Reply:
            patience = timedelta(minutes=self.bank.books.settings.settling_minutes) + GRACE
            if self.sim.clock.now() - arrived > patience:
                # By now the caller may have been told "not found" for good.
                return self._turned_away(call, TurnedAway("EXPIRED_IN_QUEUE", "排队超时，未处理"))
            return self._handle(call, ask)

        return await self.sim.run(request, ask.operation, ask.key, handle, body=ask.text.encode())

    def _handle(self, call: Call, ask: Ask) -> Reply:
        try:
            answer, at, duplicate = self.bank.handle(call, {"SenderId": ask.sender, "MsgId": ask.msg_id}, ask.fields)
        except MsgIdReused:
            return self._turned_away(call, TurnedAway("REPLAYED", "同一报文编号内容不同"))
        if call.lie_fen:
            told = lie(ask.operation, answer.pairs, call.lie_fen)
            answer = Answer(told, answer.serial, answer.txn_no, answer.refused)
        return self.answer(ask, answer, at, duplicate)

    def _turned_away(self, call: Call, away: TurnedAway) -> Reply:
        call.verdict = "refused"
        call.detail["code"] = away.code
        return self.fault(away)

    def _refused(self, call: Call, ask: Ask, fault: Fault) -> Reply:
        """The fault ``reject``: kept like any refusal; a question can only be refused as a whole."""
        if ask.operation in QUERIES:
            return self._turned_away(call, TurnedAway(fault.code or "REJECTED", fault.message or "查询被拒绝"))
        with self.sim.step():
            if self.bank.knows(ask.sender, ask.fields["Serial"]):
                # What has been answered before cannot be refused any more.
                return self._handle(call, ask)
            made = self.bank.refuse_by_fault(ask.operation, ask.sender, ask.fields, fault.code, fault.message)
        return self.answer(ask, *made)

    async def _statement(self, request: web.Request) -> web.StreamResponse:
        return await statement_file(self.sim, self.bank, self.name, request)

    # -- pushes -------------------------------------------------------------------------------------------------------

    def _push(self, operation: str, payload: dict[str, Any], **when: Any) -> None:
        self.sim.push(operation, {**payload, "bank": self.name}, **when)


async def statement_file(sim: SimulatorApp, bank: Bank, name: str, request: web.Request) -> web.StreamResponse:
    """The day-end file of a bank; 404 before its day switch."""
    day = request.match_info["day"]
    try:
        asked = date.fromisoformat(f"{day[:4]}-{day[4:6]}-{day[6:]}").isoformat()
    except ValueError as error:
        raise web.HTTPNotFound(text="YYYYMMDD") from error

    def handle(call: Call) -> Reply:
        call.verdict = "query"
        if not bank.books.day_is_over(asked):
            text = "对账文件尚未生成 not made before the day switch\n"
            return Reply(text.encode(), 404, "text/plain; charset=utf-8")
        return Reply(statement(bank.books, name, asked), content_type="text/plain; charset=utf-8")

    return await sim.run(request, "Statement", day, handle, body=b"")
