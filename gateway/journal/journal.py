"""The journal: everything durable behind one object, handed to delivery and flows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from gateway.journal.agenda import Agenda
from gateway.journal.bodies import Bodies
from gateway.journal.entities import Act, Entities, Entity
from gateway.journal.exchanges import Exchanges
from gateway.journal.operations import Operations
from gateway.journal.store import Row, Store, Unit
from gateway.journal.vault import Vault
from gateway.model.clock import Clock, to_micros
from gateway.model.ids import new_id

NO_ROOM: Final = "room on the line"


@dataclass(frozen=True, slots=True)
class Line:
    """A credit line as it stands. ``avail_fen`` is derived, never stored (I2)."""

    limit_fen: int
    used_fen: int
    held_fen: int

    @property
    def avail_fen(self) -> int:
        """Limit less used less held, in fen; may be negative after the limit was cut."""
        return self.limit_fen - self.used_fen - self.held_fen


class Journal:
    """Durable memory of one gateway instance."""

    def __init__(self, store: Store, vault: Vault, clock: Clock, instance: str) -> None:
        self.store, self.vault, self.clock, self.instance = store, vault, clock, instance
        self.bodies = Bodies(store, vault, clock)
        self.exchanges = Exchanges(store, self.bodies, clock, instance)
        self.operations = Operations(store, self.bodies, clock, instance)
        self.entities = Entities(store, vault, clock)
        self.agenda = Agenda(store, clock, instance)

    async def commit(self, unit: Unit) -> list[Any]:
        """Make a unit durable (see Store.commit)."""
        return list(await self.store.commit(unit))

    def index(self, unit: Unit, kind: str, entity_id: str, **numbers: str) -> None:
        """Make an entity findable by business numbers (``setl_id="…"``); empty ones are left out."""
        for name, value in numbers.items():
            if value:
                unit.run(
                    "INSERT INTO business_key (value, name, kind, entity_id) VALUES (:value, :name, :kind, :id) "
                    "ON CONFLICT (value, name, kind, entity_id) DO NOTHING",
                    {"value": value, "name": name, "kind": kind, "id": entity_id},
                    expect=None,
                )

    async def whose(self, value: str) -> list[Row]:
        """What a business number belongs to: rows with name, kind and entity_id."""
        return await self.store.rows(
            "SELECT name, kind, entity_id FROM business_key WHERE value = :value ORDER BY kind, entity_id",
            {"value": value},
        )

    def explain(self, unit: Unit, exchange_id: str, subject: str, reasons: Iterable[Any]) -> None:
        """Keep a handler's reasons (rule, decision, detail, requirement) with the exchange."""
        now = to_micros(self.clock.now())
        for seq, why in enumerate(reasons):
            row = {
                "reason_id": new_id("R"), "exchange_id": exchange_id, "seq": seq, "subject": subject, "at": now,
                "rule": why.rule, "decision": why.decision, "detail": why.detail, "requirement": why.requirement,
            }  # fmt: skip
            unit.insert("reason", row)

    async def reasons(self, subject: str) -> list[Row]:
        """All reasons kept about a subject, oldest first."""
        return await self.store.rows(
            "SELECT * FROM reason WHERE subject = :subject ORDER BY at, exchange_id, seq", {"subject": subject}
        )

    def move_line(
        self, unit: Unit, agreement_id: str, subject: str, why: str, exchange_id: str, *, held: int = 0, used: int = 0
    ) -> None:
        """Move a credit line by signed fen. More use than room fails the unit with guard `NO_ROOM` (I1)."""
        params = {"id": agreement_id, "held": held, "used": used}
        need = " AND limit_fen - used_fen - held_fen >= :need" if held + used > 0 else ""
        if need:
            params["need"] = held + used
        unit.run(
            "UPDATE agreement SET held_fen = held_fen + :held, used_fen = used_fen + :used WHERE id = :id" + need,
            params,
            guard=NO_ROOM,
        )
        unit.insert(
            "line_entry",
            {
                "entry_id": new_id("L"), "agreement_id": agreement_id, "subject": subject, "held_fen": held,
                "used_fen": used, "why": why, "exchange_id": exchange_id, "at": to_micros(self.clock.now()),
            },
        )  # fmt: skip

    async def line(self, agreement_id: str) -> Line:
        """The line of an agreement; zeros when there is none."""
        row = await self.store.row(
            "SELECT limit_fen, used_fen, held_fen FROM agreement WHERE id = :id", {"id": agreement_id}
        )
        return Line(0, 0, 0) if row is None else Line(row["limit_fen"], row["used_fen"], row["held_fen"])

    async def raise_task(
        self,
        unit: Unit,
        task_kind: str,
        subject: str,
        act: Act,
        *,
        suggested: str,
        due_date: str = "",
        hospital: str = "",
    ) -> Entity | None:
        """Add a task for a person; None when one of this kind is open for the subject already."""
        open_for = f"{task_kind}|{subject}"
        if await self.store.row("SELECT id FROM task WHERE open_for = :key", {"key": open_for}):
            return None
        return self.entities.create(
            unit, "task", new_id("T"), "raised", act, hospital=hospital,
            columns={
                "task_kind": task_kind, "subject": subject, "owner": "", "due_date": due_date, "open_for": open_for,
            },
            data={"suggested_action": suggested},
        )  # fmt: skip

    def log_access(self, unit: Unit, psn_no: str, actor: str, purpose: str, authority: str, detail: str) -> None:
        """Add a row of the access log: who looked at or passed on a person's data, why, and by what right."""
        unit.insert(
            "access_log",
            {
                "access_id": new_id("A"), "psn_no": psn_no, "actor": actor, "purpose": purpose,
                "authority": authority, "detail": detail, "at": to_micros(self.clock.now()),
            },
        )  # fmt: skip
