"""Exchanges: what came in through a door, under which key, and the first final answer to it.

The unique index over (scope, idem_key) makes a repeated message find the first one; a lease says which instance works
on a running one, so that another may pick it up after a crash (architecture, idea 4).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from gateway.journal.bodies import Bodies
from gateway.journal.store import DuplicateKey, GuardFailed, Row, Store, Unit
from gateway.model.clock import Clock, to_micros
from gateway.model.ids import new_id

RUNNING: Final = "RUNNING"
WAITING: Final = "WAITING"  # for an outcome; its continuation takes it up again
FINAL: Final = "FINAL"
RELEASED: Final = "RELEASED"
LEASE_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True)
class Arrival:
    """A message as a door hands it in. ``fingerprint`` is over the content that must be equal in a repetition."""

    scope: str
    idem_key: str
    door: str
    operation: str
    flow: str
    fingerprint: str
    body: bytes
    hospital: str = ""
    client: str = ""


@dataclass(frozen=True, slots=True)
class Exchange:
    """One exchange as it stands in the journal."""

    exchange_id: str
    scope: str
    idem_key: str
    door: str
    operation: str
    flow: str
    fingerprint: str
    state: str
    outcome: str
    status: int
    hospital: str
    client: str
    request_body: str
    reply_body: str | None
    runs: int
    opened_at: int

    @property
    def final(self) -> bool:
        """Whether its answer will never change again."""
        return self.state == FINAL


class Exchanges:
    """Opens, finds, leases and closes exchanges."""

    def __init__(self, store: Store, bodies: Bodies, clock: Clock, instance: str) -> None:
        self._store, self._bodies, self._clock, self._instance = store, bodies, clock, instance

    async def open(self, arrival: Arrival) -> tuple[Exchange, bool]:
        """Journal the arrival; (exchange, True) when it is new, (the first one, False) when the key is known.

        A key whose message was answered as not sent is taken up again: that is its first time (contract of the doors).
        """
        unit = Unit()
        exchange_id = new_id("X")
        body_id = self._bodies.add(unit, arrival.body, new_id("B"))
        row = self._row(arrival, exchange_id, body_id)
        unit.insert("exchange", row, guard="exchange is new")
        try:
            await self._store.commit(unit)
        except DuplicateKey:
            known = await self.by_key(arrival.scope, arrival.idem_key)
            if known is None:
                raise
            return (known, await self._reopen(known)) if known.fingerprint == arrival.fingerprint else (known, False)
        return _from_row(row), True

    def close(self, unit: Unit, exchange: Exchange, outcome: str, status: int, reply: bytes) -> None:
        """Add the final answer to ``unit``; only a running exchange can be closed."""
        self._end(unit, exchange, FINAL, outcome, status, reply)

    def release(self, unit: Unit, exchange: Exchange, outcome: str, status: int, reply: bytes) -> None:
        """Add an answer that leaves the key free: nothing happened, the same message may come again."""
        self._end(unit, exchange, RELEASED, outcome, status, reply)

    def wait(self, unit: Unit, exchange: Exchange) -> None:
        """Add that a running exchange waits for an outcome; no lease is needed for waiting."""
        unit.run(
            "UPDATE exchange SET state = 'WAITING', lease_owner = '', lease_until = 0 "
            "WHERE exchange_id = :id AND state = 'RUNNING'",
            {"id": exchange.exchange_id},
            expect=None,
        )

    async def resume(self, exchange_id: str) -> Exchange | None:
        """Take a waiting exchange up again; None when it is not waiting (any more)."""
        unit = Unit().run(
            "UPDATE exchange SET state = 'RUNNING', lease_owner = :owner, lease_until = :until, runs = runs + 1 "
            "WHERE exchange_id = :id AND state = 'WAITING' RETURNING *",
            {"owner": self._instance, "until": self._lease_end(), "id": exchange_id},
            expect=None,
            returning=True,
        )
        rows = (await self._store.commit(unit))[0]
        return _from_row(rows[0]) if rows else None

    async def get(self, exchange_id: str) -> Exchange | None:
        """By id."""
        row = await self._store.row("SELECT * FROM exchange WHERE exchange_id = :id", {"id": exchange_id})
        return None if row is None else _from_row(row)

    async def by_key(self, scope: str, idem_key: str) -> Exchange | None:
        """By the sender's key."""
        row = await self._store.row(
            "SELECT * FROM exchange WHERE scope = :scope AND idem_key = :key", {"scope": scope, "key": idem_key}
        )
        return None if row is None else _from_row(row)

    async def request(self, exchange: Exchange) -> bytes:
        """The bytes that came in."""
        return await self._bodies.get(exchange.request_body)

    async def reply(self, exchange: Exchange) -> bytes:
        """The answer that was given; empty while there is none."""
        return b"" if exchange.reply_body is None else await self._bodies.get(exchange.reply_body)

    async def heartbeat(self, exchange_id: str) -> None:
        """Keep the lease while a flow runs."""
        unit = Unit().run(
            "UPDATE exchange SET lease_until = :until WHERE exchange_id = :id AND lease_owner = :owner",
            {"until": self._lease_end(), "id": exchange_id, "owner": self._instance},
            expect=None,
        )
        await self._store.commit(unit)

    async def take_orphans(self, limit: int = 50) -> list[Exchange]:
        """Take running exchanges whose instance is gone: their lease ended, or it was this instance's former life."""
        now = int(self._clock.real() * 1_000_000)
        unit = Unit().run(
            "UPDATE exchange SET lease_owner = :owner, lease_until = :until, runs = runs + 1 WHERE exchange_id IN ("
            "SELECT exchange_id FROM exchange WHERE state = 'RUNNING' AND lease_until < :now "
            "ORDER BY lease_until LIMIT :limit) RETURNING *",
            {"owner": self._instance, "until": self._lease_end(), "now": now, "limit": limit},
            expect=None,
            returning=True,
        )
        return [_from_row(row) for row in (await self._store.commit(unit))[0]]

    async def drop_leases(self) -> None:
        """At the start of a store that only one process may use: whoever held a lease is dead."""
        unit = Unit()
        unit.run("UPDATE exchange SET lease_until = 0 WHERE state = 'RUNNING'", {}, expect=None)
        unit.run("UPDATE due SET lease_until = 0, lease_owner = ''", {}, expect=None)
        await self._store.commit(unit)

    async def _reopen(self, known: Exchange) -> bool:
        if known.state != RELEASED:
            return False
        unit = Unit().run(
            "UPDATE exchange SET state = 'RUNNING', lease_owner = :owner, lease_until = :until "
            "WHERE exchange_id = :id AND state = 'RELEASED'",
            {"owner": self._instance, "until": self._lease_end(), "id": known.exchange_id},
            guard="exchange is released",
        )
        try:
            await self._store.commit(unit)
        except GuardFailed:  # another repetition was faster and runs it
            return False
        return True

    def _end(self, unit: Unit, exchange: Exchange, state: str, outcome: str, status: int, reply: bytes) -> None:
        body_id = self._bodies.add(unit, reply, new_id("B"))
        unit.run(
            "UPDATE exchange SET state = :state, outcome = :outcome, status = :status, reply_body = :body, "
            "closed_at = :at, lease_owner = '', lease_until = 0 "
            "WHERE exchange_id = :id AND state IN ('RUNNING', 'WAITING')",
            {
                "state": state, "outcome": outcome, "status": status, "body": body_id,
                "at": to_micros(self._clock.now()), "id": exchange.exchange_id,
            },
            guard="exchange is running",
        )  # fmt: skip

    def _lease_end(self) -> int:
        return int((self._clock.real() + LEASE_SECONDS) * 1_000_000)

    def _row(self, arrival: Arrival, exchange_id: str, body_id: str) -> dict[str, object]:
        return {
            "exchange_id": exchange_id, "scope": arrival.scope, "idem_key": arrival.idem_key, "door": arrival.door,
            "operation": arrival.operation, "hospital": arrival.hospital, "client": arrival.client,
            "fingerprint": arrival.fingerprint, "flow": arrival.flow, "state": RUNNING, "outcome": "",
            "request_body": body_id, "reply_body": None, "status": 0, "lease_owner": self._instance,
            "lease_until": self._lease_end(), "runs": 0, "opened_at": to_micros(self._clock.now()),
        }  # fmt: skip


def _from_row(row: Row) -> Exchange:
    return Exchange(**{name: row[name] for name in Exchange.__dataclass_fields__})
