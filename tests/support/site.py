"""One life of a gateway for tests of flows: runner and scheduler over a file, in-process parties outside (see `house`).

A crash ends a life: from that commit on the process is dead, whichever of its tasks tries. The next life goes on with
the same file, the same clock and the same parties.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from pydantic import BaseModel, SecretStr

from gateway.delivery.declare import OperationDecl
from gateway.flows.house import House
from gateway.flows.runner import Flow, OnRefusal, Runner
from gateway.flows.scheduler import Handler
from gateway.model.bank import Account
from gateway.model.clock import SHANGHAI, SandboxClock
from gateway.model.masked import AccountNo, PersonName
from gateway.model.profile import Profiles
from gateway.model.registry import Agency, Hospital
from gateway.model.verdict import Verdict
from tests.support.house import CrashingStore, Killed, Reply, Wire, build_house, counterpart, scheduler_of, still_clock
from tests.support.journals import new_store

START = datetime(2025, 3, 3, 8, 0, tzinfo=SHANGHAI)
Types = Mapping[str, tuple[type[BaseModel], type[BaseModel]]]


@dataclass
class Party:
    """A party outside. ``serve`` executes; ``say`` plans answers that are given instead of executing."""

    name: str
    kind: str
    types: Types
    operations: Mapping[str, OperationDecl]
    serve: Callable[[str, Any], Reply]
    questions: Callable[[str, Any], tuple[str, Any] | None] = lambda _operation, _request: None
    resolves: Callable[[str, Any, Verdict[Any]], Verdict[Any] | None] = lambda _o, _r, _a: None
    capabilities: Mapping[str, Any] = field(default_factory=dict)
    planned: dict[str, list[Reply]] = field(default_factory=dict)
    requests: list[tuple[str, Any]] = field(default_factory=list)

    def say(self, operation: str, *replies: Reply) -> None:
        """Give these answers to the next requests of an operation."""
        self.planned.setdefault(operation, []).extend(replies)

    def asked(self, operation: str) -> list[Any]:
        """The requests of an operation that arrived, in order."""
        return [request for name, request in self.requests if name == operation]

    async def answer(self, operation: str, request: Any) -> Reply:
        """One request."""
        self.requests.append((operation, request))
        waiting = self.planned.get(operation)
        return waiting.pop(0) if waiting else self.serve(operation, request)

    def question_for(self, operation: str, request: Any) -> tuple[str, Any] | None:
        """The question that finds out what became of a request."""
        return self.questions(operation, request)

    def resolve(self, operation: str, request: Any, answer: Verdict[Any]) -> Verdict[Any] | None:
        """What its answer says of the original."""
        return self.resolves(operation, request, answer)


class MortalStore(CrashingStore):
    """A crashing store that stays dead, for every task of its process."""

    dead = False

    async def commit(self, unit: Any) -> Any:
        """Commit, or die."""
        self._alive()
        try:
            return await super().commit(unit)
        except Killed:
            self.dead = True
            raise Dead from None

    async def rows(self, sql: str, params: Any = None) -> Any:
        """Read while alive."""
        self._alive()
        return await super().rows(sql, params)

    async def row(self, sql: str, params: Any = None) -> Any:
        """Read one while alive."""
        self._alive()
        return await super().row(sql, params)

    def _alive(self) -> None:
        if self.dead:
            raise Dead


class Dead(Exception):
    """The process is gone. An ordinary exception, so that it ends tasks and not the test's event loop."""


def hospital(code: str, locality: str, pool_area: str, level: int = 3, callback_url: str = "") -> Hospital:
    """A hospital of the registry with an account of its own."""
    account = Account(acct_no=AccountNo(f"6222{code[1:]}"), acct_name=PersonName(f"医院{code}"), bank_code="3" * 12)
    return Hospital(
        code=code, name=f"医院{code}", pool_area=pool_area, locality=locality, level=level, paasid=code,
        token=SecretStr(f"sandbox-{code}"), callback_url=callback_url, account=account,
    )  # fmt: skip


@dataclass
class Site:
    """One life. Use as ``async with``; ``wire`` is shared by all lives, as the parties are."""

    path: Path
    wire: Wire
    parties: Sequence[Party]
    hospitals: Sequence[Hospital]
    flows: Mapping[str, Flow]
    on_refusal: Mapping[str, OnRefusal]
    due: Mapping[str, Handler]
    continuations: Mapping[str, Callable[[House, str], Any]]
    agencies: Sequence[Agency] = ()
    store_url: str = ""  # a migrated database; without one a file beside the clock
    profiles: Profiles | None = None
    start: datetime = START
    dies_at: int = 0
    dies_after: bool = False
    instance: str = "I1"

    async def __aenter__(self) -> Site:
        """Open the file; the clock stands where the last life left it."""
        clock_file = self.path / "clock.json"
        self.clock = SandboxClock(clock_file) if clock_file.exists() else still_clock(clock_file, self.start)
        self._inner = new_store(self.store_url or self.path / "journal.db")
        await self._inner.open()
        self.store = MortalStore(self._inner)
        self.store.die_at, self.store.after = self.dies_at or None, self.dies_after
        self.wire.partners.update({party.name: party for party in self.parties})
        self.house = build_house(
            self.store, self.clock, self.wire,
            {p.name: counterpart(p, p.kind, p.operations, capabilities=p.capabilities) for p in self.parties},
            hospitals={known.code: known for known in self.hospitals},
            agencies={known.id: known for known in self.agencies}, profiles=self.profiles, instance=self.instance,
        )  # fmt: skip
        self.runner = Runner(self.house, self.flows, self.on_refusal)
        self.scheduler = scheduler_of(self.house, self.due, {**self.continuations, "exchange": self._resume})
        return self

    async def __aexit__(self, *_error: object) -> None:
        """Close the file; what was running stays journalled."""
        if not self.store.dead:
            await self.runner.drain(5)
        await self._inner.close()

    async def _resume(self, _house: House, exchange_id: str) -> None:
        await self.runner.resume(exchange_id)

    async def recover(self) -> None:
        """What a restarted instance does first: judge cut-off attempts, take up orphans, run them to their end."""
        await self.house.journal.exchanges.drop_leases()
        await self.house.delivery.recover()
        await self.runner.adopt_orphans()
        await self.runner.drain(20)

    async def pass_time(self, **delta: float) -> None:
        """Let business time pass; everything that becomes due runs at its own time."""
        await self.until(self.clock.now() + timedelta(**delta))

    async def until(self, moment: datetime) -> None:
        """Move the business clock forward to a moment."""
        await self.scheduler.move_clock(self.clock, moment, 0)
