"""Operations and attempts: what was to be sent to a partner, and every time it was.

Two indexes carry the guarantees: one operation per (counterpart, name, key), and at most one attempt with ``sole = 1``
per operation. An attempt row is durable before the first byte leaves.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from gateway.journal.bodies import Bodies
from gateway.journal.store import DuplicateKey, Row, Store, Unit
from gateway.model.clock import Clock, from_micros, to_micros
from gateway.model.ids import new_id

OPEN: Final = "OPEN"
SENDING: Final = "SENDING"
CLOSED: Final = "CLOSED"
SETTLED: Final = frozenset({"DONE", "REFUSED", "CLOSED"})


@dataclass(frozen=True, slots=True)
class Draft:
    """An operation before it is journalled."""

    counterpart: str
    name: str
    key: str
    guarantee: str
    exchange_id: str
    subject: str
    fingerprint: str
    request: bytes
    hospital: str = ""
    amount_fen: int | None = None
    continuation: str = ""
    linked_to: str = ""


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation as it stands in the journal."""

    operation_id: str
    counterpart: str
    name: str
    key: str
    guarantee: str
    exchange_id: str
    subject: str
    hospital: str
    amount_fen: int | None
    fingerprint: str
    state: str
    code: str
    reason: str
    request_body: str | None
    reply_body: str | None
    resolved_by: str
    linked_to: str
    owner: str
    continuation: str
    opened_at: int
    sent_at: int | None
    since: int | None
    settled_at: int | None
    questions: int
    next_question_at: int | None

    @property
    def sent(self) -> datetime | None:
        """Business time of the first attempt."""
        return None if self.sent_at is None else from_micros(self.sent_at)


@dataclass(frozen=True, slots=True)
class Stamp:
    """What an attempt row says about the software that made it."""

    endpoint: str
    code_version: str
    config_version: str


class Operations:
    """Journals operations, attempts and verdicts."""

    def __init__(self, store: Store, bodies: Bodies, clock: Clock, instance: str) -> None:
        self._store, self._bodies, self._clock, self._instance = store, bodies, clock, instance

    async def open(self, draft: Draft) -> Operation:
        """The operation of this key, journalled now if it is new."""
        known = await self.by_key(draft.counterpart, draft.name, draft.key)
        if known is not None:
            return known
        unit = Unit()
        fresh = self.add(unit, draft)
        try:
            await self._store.commit(unit)
        except DuplicateKey:
            known = await self.by_key(draft.counterpart, draft.name, draft.key)
            if known is None:
                raise
            return known
        return fresh

    def add(self, unit: Unit, draft: Draft) -> Operation:
        """Add a new operation to ``unit``; a second one of the same key raises DuplicateKey."""
        body_id = self._bodies.add(unit, draft.request, new_id("B"))
        row = {
            "operation_id": new_id("O"), "counterpart": draft.counterpart, "name": draft.name, "key": draft.key,
            "guarantee": draft.guarantee, "exchange_id": draft.exchange_id, "subject": draft.subject,
            "hospital": draft.hospital, "amount_fen": draft.amount_fen, "fingerprint": draft.fingerprint,
            "state": OPEN, "code": "", "reason": "", "request_body": body_id, "reply_body": None, "resolved_by": "",
            "linked_to": draft.linked_to, "owner": "", "continuation": draft.continuation,
            "opened_at": to_micros(self._clock.now()), "sent_at": None, "since": None, "settled_at": None,
            "questions": 0, "next_question_at": None,
        }  # fmt: skip
        unit.insert("operation", row, guard="operation is new")
        return Operation(**row)  # type: ignore[arg-type]

    def begin(self, unit: Unit, op: Operation, attempt_no: int, *, sole: bool, body_hash: str, stamp: Stamp) -> None:
        """Add an attempt to ``unit``. The store refuses a second sole one (guard ``sole attempt``)."""
        now = to_micros(self._clock.now())
        unit.run(
            "UPDATE operation SET state = 'SENDING', sent_at = COALESCE(sent_at, :now) "
            "WHERE operation_id = :id AND state IN ('OPEN', 'SENDING', 'NOT_SENT', 'UNKNOWN', 'ACCEPTED')",
            {"id": op.operation_id, "now": now},
            guard="operation may be sent",
        )
        unit.insert(
            "attempt",
            {
                "operation_id": op.operation_id, "attempt_no": attempt_no, "sole": 1 if sole else None,
                "body_hash": body_hash, "endpoint": stamp.endpoint, "code_version": stamp.code_version,
                "config_version": stamp.config_version, "instance": self._instance, "started_at": now,
                "real_at": int(self._clock.real() * 1_000_000),
            },
            guard="sole attempt",
        )  # fmt: skip

    def end(self, unit: Unit, op: Operation, attempt_no: int, verdict: str, *, reason: str, took_us: int) -> None:
        """Add the verdict of an attempt alone. NotSent frees the place of the sole attempt."""
        unit.run(
            "UPDATE attempt SET verdict = :verdict, reason = :reason, took_us = :took, "
            "sole = CASE WHEN :verdict = 'NOT_SENT' THEN NULL ELSE sole END "
            "WHERE operation_id = :id AND attempt_no = :no AND verdict = ''",
            {"verdict": verdict, "reason": reason[:500], "took": took_us, "id": op.operation_id, "no": attempt_no},
            guard="attempt is open",
        )

    def settle(
        self, unit: Unit, op: Operation, verdict: str, *, code: str, reason: str, reply: bytes | None, by: str
    ) -> None:
        """Add the operation's verdict; one that is DONE, REFUSED or CLOSED never changes again."""
        body_id = None if reply is None else self._bodies.add(unit, reply, new_id("B"))
        now = to_micros(self._clock.now())
        unit.run(
            "UPDATE operation SET state = :state, code = :code, reason = :reason, resolved_by = :by, "
            "reply_body = COALESCE(:body, reply_body), "
            "since = CASE WHEN :state IN ('UNKNOWN', 'ACCEPTED') THEN COALESCE(since, :now) ELSE since END, "
            "settled_at = CASE WHEN :state IN ('DONE', 'REFUSED', 'CLOSED') THEN :now ELSE settled_at END, "
            "next_question_at = NULL "
            "WHERE operation_id = :id AND state NOT IN ('DONE', 'REFUSED', 'CLOSED')",
            {
                "state": verdict, "code": code, "reason": reason[:500], "by": by, "body": body_id, "now": now,
                "id": op.operation_id,
            },
            guard="operation is not settled",
        )  # fmt: skip

    def note_question(self, unit: Unit, op: Operation, asked: int, next_at: datetime | None, owner: str) -> None:
        """Add the state of the plan of questions: how many were asked, when the next is due, who owns the case."""
        unit.run(
            "UPDATE operation SET questions = :asked, next_question_at = :next, owner = :owner "
            "WHERE operation_id = :id",
            {
                "asked": asked,
                "next": None if next_at is None else to_micros(next_at),
                "owner": owner,
                "id": op.operation_id,
            },
        )

    def free_sole(self, unit: Unit, op: Operation) -> None:
        """Free the place of the sole attempt after a final "not received", where the manifest allows a re-send."""
        unit.run(
            "UPDATE attempt SET sole = NULL WHERE operation_id = :id AND sole = 1", {"id": op.operation_id}, expect=None
        )

    async def attempts(self, operation_id: str) -> list[Row]:
        """All attempts in order."""
        return await self._store.rows(
            "SELECT * FROM attempt WHERE operation_id = :id ORDER BY attempt_no", {"id": operation_id}
        )

    async def get(self, operation_id: str) -> Operation | None:
        """By id."""
        row = await self._store.row("SELECT * FROM operation WHERE operation_id = :id", {"id": operation_id})
        return None if row is None else Operation(**row)

    async def by_key(self, counterpart: str, name: str, key: str) -> Operation | None:
        """By the partner's key."""
        row = await self._store.row(
            "SELECT * FROM operation WHERE counterpart = :c AND name = :n AND key = :k",
            {"c": counterpart, "n": name, "k": key},
        )
        return None if row is None else Operation(**row)

    async def find(self, where: str, /, order: str = "operation_id", **params: object) -> list[Operation]:
        """By a condition over indexed columns."""
        rows = await self._store.rows(f"SELECT * FROM operation WHERE {where} ORDER BY {order}", params)
        return [Operation(**row) for row in rows]

    async def request(self, op: Operation) -> bytes:
        """The canonical request, as JSON."""
        return b"" if op.request_body is None else await self._bodies.get(op.request_body)

    async def reply(self, op: Operation) -> bytes:
        """The canonical reply, as JSON; empty while there is none."""
        return b"" if op.reply_body is None else await self._bodies.get(op.reply_body)
