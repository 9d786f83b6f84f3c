"""What is due when, in business time: plans of questions, timers of flows, and the daily jobs.

A due row survives a crash and is taken by one instance at a time. A daily job leaves a row per scope and business
date, whose primary key says that it ran once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from gateway.journal.store import DuplicateKey, Store, Unit
from gateway.model.clock import Clock, from_micros, to_micros
from gateway.model.ids import new_id


@dataclass(frozen=True, slots=True)
class Due:
    """One thing to do: ``kind`` names the handler, ``subject`` what it is about."""

    due_id: str
    kind: str
    subject: str
    payload: Mapping[str, Any]
    due_at: datetime
    runs: int


class Agenda:
    """Schedules, takes and finishes due rows."""

    def __init__(self, store: Store, clock: Clock, instance: str) -> None:
        self._store, self._clock, self._instance = store, clock, instance

    def schedule(
        self, unit: Unit, kind: str, subject: str, at: datetime, payload: Mapping[str, Any] | None = None
    ) -> None:
        """Add (or move) the one due row of kind and subject. ``at`` is business time."""
        unit.run(
            "INSERT INTO due (due_id, kind, subject, payload, due_at) VALUES (:id, :kind, :subject, :payload, :at) "
            "ON CONFLICT (kind, subject) DO UPDATE SET due_at = excluded.due_at, payload = excluded.payload, "
            "lease_owner = '', lease_until = 0",
            {
                "id": new_id("D"),
                "kind": kind,
                "subject": subject,
                "payload": orjson.dumps(payload or {}).decode(),
                "at": to_micros(at),
            },
            guard="due",
        )

    def finish(self, unit: Unit, kind: str, subject: str) -> None:
        """Remove a due row; nothing happens when it is gone already."""
        unit.run(
            "DELETE FROM due WHERE kind = :kind AND subject = :subject", {"kind": kind, "subject": subject}, expect=None
        )

    def finish_taken(self, unit: Unit, due: Due) -> None:
        """Remove a taken row unless it was scheduled anew meanwhile."""
        unit.run(
            "DELETE FROM due WHERE due_id = :id AND lease_owner = :owner",
            {"id": due.due_id, "owner": self._instance},
            expect=None,
        )

    async def take(self, lease_seconds: float = 60.0, limit: int = 32) -> list[Due]:
        """Take what is due now and nobody works on, earliest first."""
        real = int(self._clock.real() * 1_000_000)
        rows = await self._store.claim_due(
            to_micros(self._clock.now()), real, real + int(lease_seconds * 1_000_000), self._instance, limit
        )
        return [
            Due(r["due_id"], r["kind"], r["subject"], orjson.loads(r["payload"]), from_micros(r["due_at"]), r["runs"])
            for r in rows
        ]

    async def next_at(self) -> datetime | None:
        """When the next row is due, leased or not."""
        row = await self._store.row("SELECT MIN(due_at) AS at FROM due", {})
        return None if row is None or row["at"] is None else from_micros(row["at"])

    async def begin_job(self, job: str, scope: str, business_date: str) -> bool:
        """True for the one instance that may run the job for this scope and date."""
        unit = Unit().insert(
            "job_run",
            {
                "job": job, "scope": scope, "business_date": business_date, "instance": self._instance,
                "at": to_micros(self._clock.now()), "result": "RUNNING",
            },
            guard="job ran",
        )  # fmt: skip
        try:
            await self._store.commit(unit)
        except DuplicateKey:
            return False
        return True
