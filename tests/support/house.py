"""A house for tests of flows: a real store and delivery, and partners that live in the test's own process.

A partner is an object with `answer(operation, request) -> Reply`; requests and replies are canonical models as JSON, so
no adapter is needed. `Wire` is the transport between them, with faults by operation.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

import orjson
from pydantic import BaseModel

from adapters.insurance import statement
from gateway.delivery.asking import Asker
from gateway.delivery.counterparts import Counterpart, Msgids
from gateway.delivery.declare import Adapter, Answer, Manifest, OperationDecl, Outbound, SendContext
from gateway.delivery.delivery import ASK, CONTINUE, Delivery
from gateway.delivery.transport import NothingLeft, OutcomeLost
from gateway.flows.house import House
from gateway.flows.scheduler import Handler, Scheduler
from gateway.journal.agenda import Due
from gateway.journal.journal import Journal
from gateway.journal.store import Store
from gateway.journal.vault import Vault
from gateway.model.calendar import WorkingCalendar
from gateway.model.clock import SHANGHAI, SandboxClock
from gateway.model.profile import Profiles, load_all
from gateway.model.registry import Agency, Hospital
from gateway.model.verdict import Accepted, Done, Refused, Unknown, Verdict

KEY = b"k" * 32


@dataclass(frozen=True, slots=True)
class Reply:
    """What a partner answers: a verdict's name and the canonical reply."""

    verdict: str = "DONE"
    reply: BaseModel | None = None
    code: str = ""
    text: str = ""


class Partner(Protocol):
    """An outside party in the test's process."""

    name: str
    types: Mapping[str, tuple[type[BaseModel], type[BaseModel]]]

    async def answer(self, operation: str, request: Any) -> Reply:
        """Execute and answer."""
        ...

    def question_for(self, operation: str, request: Any) -> tuple[str, Any] | None:
        """The question about an operation."""
        ...

    def resolve(self, operation: str, request: Any, answer: Verdict[Any]) -> Verdict[Any] | None:
        """What its answer says of the original."""
        ...


class ModelCodec:
    """Canonical models as JSON in both directions."""

    # What flows reach through the platform's codec.
    upload = staticmethod(statement.upload_of)
    detail = staticmethod(statement.detail)
    download = staticmethod(statement.download_of)

    def __init__(self, partner: Partner) -> None:
        self._partner = partner

    def encode(self, operation: str, request: BaseModel, context: SendContext) -> Outbound:
        """The model itself."""
        return Outbound("POST", f"/{operation}", {}, request.model_dump_json(context={"reveal": True}).encode())

    def decode(self, operation: str, request: BaseModel, answer: Answer) -> Verdict[Any]:
        """The partner's word."""
        said = orjson.loads(answer.body)
        reply = None if said["reply"] is None else self.reply_type(operation).model_validate(said["reply"])
        match said["verdict"]:
            case "DONE":
                return Done(reply)
            case "ACCEPTED":
                return Accepted(reply)
            case "REFUSED":
                return Refused(said["code"], said["text"], reply)
        return Unknown(said["text"])

    def request_type(self, operation: str) -> type[BaseModel]:
        """By the partner's table."""
        return self._partner.types[operation][0]

    def reply_type(self, operation: str) -> type[BaseModel]:
        """By the partner's table."""
        return self._partner.types[operation][1]

    def question_for(self, operation: str, request: Any) -> tuple[str, Any] | None:
        """The partner's."""
        return self._partner.question_for(operation, request)

    def resolve(self, operation: str, request: Any, question_reply: Verdict[Any]) -> Verdict[Any] | None:
        """The partner's."""
        return self._partner.resolve(operation, request, question_reply)


@dataclass
class Wire:
    """The transport. A planned fault is used once, before the execution (nothing left, lost) or after it (lost)."""

    partners: dict[str, Partner] = field(default_factory=dict)
    faults: dict[str, list[str]] = field(default_factory=dict)
    sent: list[tuple[str, Any]] = field(default_factory=list)
    before: Callable[[str], Awaitable[None]] | None = None

    def fault(self, operation: str, *kinds: str) -> None:
        """Plan faults: `nothing_left`, `lost_before`, `lost_after`, `dies_after` (the process does), `` for none."""
        self.faults.setdefault(operation, []).extend(kinds)

    async def send(self, url: str, out: Outbound, timeouts: Any, *, fresh: bool) -> Answer:
        """Deliver to the partner that the URL's host names."""
        host, _, operation = url.removeprefix("http://").partition("/")
        if self.before is not None:
            await self.before(operation)
        planned = self.faults.get(operation)
        kind = planned.pop(0) if planned else ""
        if kind == "nothing_left":
            raise NothingLeft("refused")
        if kind == "lost_before":
            raise OutcomeLost("connection closed")
        partner = self.partners[host]
        request = partner.types[operation][0].model_validate_json(out.body)
        self.sent.append((operation, request))
        answer = await partner.answer(operation, request)
        if kind == "lost_after":
            raise OutcomeLost("connection closed")
        if kind == "dies_after":
            raise Killed(operation)
        reply = None if answer.reply is None else answer.reply.model_dump(mode="json", context={"reveal": True})
        said = {"verdict": answer.verdict, "reply": reply, "code": answer.code, "text": answer.text}
        return Answer(200, {}, orjson.dumps(said))

    def count(self, operation: str) -> int:
        """How many requests of an operation reached a partner."""
        return sum(name == operation for name, _ in self.sent)


class Killed(BaseException):
    """The process is gone: nothing after this line happens."""


class CrashingStore:
    """A store that dies instead of its n-th commit, or right after it."""

    def __init__(self, inner: Store) -> None:
        self._inner = inner
        self.commits = 0
        self.die_at: int | None = None
        self.after = False
        self.dead = False

    @property
    def name(self) -> str:
        """The store's."""
        return self._inner.name

    async def open(self) -> None:
        """Nothing: the inner one is open."""

    async def close(self) -> None:
        """Nothing: the inner one belongs to the test."""

    async def commit(self, unit: Any) -> Any:
        """The n-th commit kills."""
        self._must_live()
        self.commits += 1
        here = self.die_at == self.commits
        if here and not self.after:
            self._die()
        done = await self._inner.commit(unit)
        if here:
            self._die()
        return done

    def _die(self) -> None:
        self.dead = True
        raise Killed(f"commit {self.commits}")

    def _must_live(self) -> None:
        """Other tasks of a dead process do nothing either."""
        if self.dead:
            raise Killed("dead already")

    async def rows(self, sql: str, params: Any = None) -> Any:
        """Read."""
        self._must_live()
        return await self._inner.rows(sql, params)

    async def row(self, sql: str, params: Any = None) -> Any:
        """Read one."""
        self._must_live()
        return await self._inner.row(sql, params)

    async def claim_due(self, now: int, real_now: int, lease_until: int, owner: str, limit: int) -> Any:
        """Take due rows."""
        self._must_live()
        return await self._inner.claim_due(now, real_now, lease_until, owner, limit)


def still_clock(path: Path, start: datetime) -> SandboxClock:
    """A clock that stands until it is moved."""
    clock = SandboxClock(path, start)
    clock.move(start, 0)
    return clock


def moment(text: str) -> datetime:
    """`2025-03-04 08:30` or with seconds and milliseconds, in Asia/Shanghai."""
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI)


def counterpart(partner: Partner, kind: str, operations: Mapping[str, OperationDecl], **more: Any) -> Counterpart:
    """A partner under its name, with its manifest."""
    manifest = Manifest(id=partner.name, kind=kind, version="1", operations=operations, **more)
    return Counterpart(partner.name, Adapter(manifest, ModelCodec(partner)), f"http://{partner.name}")


def build_house(
    store: Store,
    clock: SandboxClock,
    wire: Wire,
    counterparts: Mapping[str, Counterpart],
    *,
    hospitals: Mapping[str, Hospital],
    agencies: Mapping[str, Agency],
    profiles: Profiles | None = None,
    calendar: WorkingCalendar | None = None,
    instance: str = "I1",
) -> House:
    """A house over an open store."""
    journal = Journal(store, Vault(KEY), clock, instance)
    msgids = Msgids(clock)
    delivery = Delivery(journal, counterparts, wire, msgids)  # type: ignore[arg-type]
    return House(
        clock=clock, journal=journal, delivery=delivery, asker=Asker(delivery),
        profiles=profiles or load_all(), calendar=calendar or WorkingCalendar.load(), hospitals=hospitals,
        agencies=agencies, msgids=msgids,
    )  # fmt: skip


def scheduler_of(
    house: House,
    handlers: Mapping[str, Handler],
    continuations: Mapping[str, Callable[[House, str], Awaitable[None]]],
) -> Scheduler:
    """A scheduler with the questions and continuations of delivery besides the given handlers."""

    async def ask(house: House, due: Due) -> None:
        await house.asker.run_due(due)

    async def go_on(house: House, due: Due) -> None:
        kind, _, subject = due.subject.partition(":")
        await continuations[kind](house, subject)

    return Scheduler(house, {ASK: ask, CONTINUE: go_on, **handlers})
