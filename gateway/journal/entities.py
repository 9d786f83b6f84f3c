"""Things with a state machine: created, read and moved, each move with its immutable trail row in the same unit.

A move is guarded by the version it leaves, so of two writers one fails and reads again. The trail of an entity is
a hash chain: every row carries the hash of the one before, the entity the hash of its last.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

import orjson

from gateway.journal.store import Row, Store, Unit
from gateway.journal.vault import Vault
from gateway.model.clock import Clock, to_micros
from gateway.model.machines import MACHINES

_COMMON: Final = frozenset(
    {"id", "state", "version", "head", "hospital", "data", "sealed", "profile_version", "created_at", "updated_at"}
)
GENESIS: Final = "0" * 64


@dataclass(frozen=True, slots=True)
class Act:
    """Who does something, under which key, inside which exchange, by which edition of the rules."""

    actor: str
    key: str = ""
    exchange_id: str = ""
    profile_version: str = ""


@dataclass(frozen=True, slots=True)
class Entity:
    """One thing as it was read. ``data`` holds no personal data; ``sealed`` does, decrypted on reading."""

    kind: str
    id: str
    state: str
    version: int
    head: str
    hospital: str
    columns: Mapping[str, Any]
    data: Mapping[str, Any]
    sealed: Mapping[str, Any] = field(default_factory=dict, repr=False)
    profile_version: str = ""
    created_at: int = 0
    updated_at: int = 0

    def __getitem__(self, name: str) -> Any:
        """A column of its own, else an entry of ``data``; KeyError when there is neither."""
        return self.columns[name] if name in self.columns else self.data[name]

    def get(self, name: str, default: Any = None) -> Any:
        """Like [] with a default."""
        return self.columns[name] if name in self.columns else self.data.get(name, default)


def trail_hash(prev_hash: str, row: Mapping[str, Any]) -> str:
    """SHA-256 over the previous hash and the row's own content; anyone can recompute it from an export."""
    kept = {name: value for name, value in row.items() if name not in ("hash", "prev_hash")}
    return hashlib.sha256(prev_hash.encode() + orjson.dumps(kept, option=orjson.OPT_SORT_KEYS)).hexdigest()


class Entities:
    """Reads and writes entities of every kind."""

    def __init__(self, store: Store, vault: Vault, clock: Clock) -> None:
        self._store, self._vault, self._clock = store, vault, clock

    def create(
        self,
        unit: Unit,
        kind: str,
        entity_id: str,
        event: str,
        act: Act,
        *,
        hospital: str = "",
        columns: Mapping[str, Any] | None = None,
        data: Mapping[str, Any] | None = None,
        sealed: Mapping[str, Any] | None = None,
    ) -> Entity:
        """Add a new entity and its first trail row to ``unit``; a second one of the same id raises DuplicateKey."""
        state = MACHINES[kind].after(None, event)
        now = to_micros(self._clock.now())
        fresh = Entity(
            kind, entity_id, state, 1, GENESIS, hospital, dict(columns or {}), dict(data or {}), dict(sealed or {}),
            act.profile_version, now, now,
        )  # fmt: skip
        head = self._add_trail(unit, fresh, event, "", act, {**fresh.columns, **fresh.data})
        fresh = replace(fresh, head=head)
        row = {
            "id": entity_id, "state": state, "version": 1, "head": head, "hospital": hospital,
            "data": orjson.dumps(fresh.data).decode(), "sealed": self._seal(kind, entity_id, fresh.sealed),
            "profile_version": act.profile_version, "created_at": now, "updated_at": now, **fresh.columns,
        }  # fmt: skip
        unit.insert(kind, row, guard=f"{kind} is new")
        return fresh

    def move(
        self,
        unit: Unit,
        entity: Entity,
        event: str,
        act: Act,
        *,
        columns: Mapping[str, Any] | None = None,
        data: Mapping[str, Any] | None = None,
        sealed: Mapping[str, Any] | None = None,
    ) -> Entity:
        """Add a transition to ``unit``. Raises Refusal ILLEGAL_STATE; the commit raises GuardFailed on a lost race."""
        state = MACHINES[entity.kind].after(entity.state, event)
        changed_columns, changed_data = dict(columns or {}), dict(data or {})
        now = to_micros(self._clock.now())
        moved = replace(
            entity,
            state=state,
            version=entity.version + 1,
            columns={**entity.columns, **changed_columns},
            data={**entity.data, **changed_data},
            sealed={**entity.sealed, **(sealed or {})},
            updated_at=now,
        )
        head = self._add_trail(unit, moved, event, entity.state, act, {**changed_columns, **changed_data})
        moved = replace(moved, head=head)
        assignments = "".join(f", {name} = :{name}" for name in changed_columns)
        params: dict[str, Any] = {
            **changed_columns, "id": entity.id, "was": entity.state, "old_version": entity.version, "state": state,
            "version": moved.version, "head": head, "data": orjson.dumps(moved.data).decode(), "updated_at": now,
        }  # fmt: skip
        if sealed:
            assignments += ", sealed = :sealed"
            params["sealed"] = self._seal(entity.kind, entity.id, moved.sealed)
        unit.run(
            f"UPDATE {entity.kind} SET state = :state, version = :version, head = :head, data = :data, "
            f"updated_at = :updated_at{assignments} WHERE id = :id AND state = :was AND version = :old_version",
            params,
            guard=f"{entity.kind} {entity.state}",
        )
        return moved

    async def get(self, kind: str, entity_id: str) -> Entity | None:
        """The entity, or None."""
        row = await self._store.row(f"SELECT * FROM {kind} WHERE id = :id", {"id": entity_id})
        return None if row is None else self.read(kind, row)

    async def find(
        self, kind: str, where: str = "1 = 1", /, order: str = "id", limit: int = 0, **params: Any
    ) -> list[Entity]:
        """Entities by a condition over the kind's indexed columns."""
        tail = f" LIMIT {int(limit)}" if limit else ""
        rows = await self._store.rows(f"SELECT * FROM {kind} WHERE {where} ORDER BY {order}{tail}", params)
        return [self.read(kind, row) for row in rows]

    async def first(self, kind: str, where: str, /, order: str = "id", **params: Any) -> Entity | None:
        """The first match or None."""
        found = await self.find(kind, where, order=order, limit=1, **params)
        return found[0] if found else None

    async def trail(self, kind: str, entity_id: str) -> list[Row]:
        """All trail rows of an entity in order."""
        return await self._store.rows(
            "SELECT * FROM trail WHERE kind = :kind AND entity_id = :id ORDER BY seq", {"kind": kind, "id": entity_id}
        )

    def read(self, kind: str, row: Row) -> Entity:
        """An entity from its row. Raises VaultError when its sealed part was altered."""
        sealed: dict[str, Any] = {}
        if row["sealed"] is not None:
            sealed = orjson.loads(self._vault.open(bytes(row["sealed"]), f"{kind}:{row['id']}"))
        return Entity(
            kind, row["id"], row["state"], row["version"], row["head"], row["hospital"],
            {name: value for name, value in row.items() if name not in _COMMON},
            orjson.loads(row["data"]), sealed, row["profile_version"], row["created_at"], row["updated_at"],
        )  # fmt: skip

    def _seal(self, kind: str, entity_id: str, sealed: Mapping[str, Any]) -> bytes | None:
        if not sealed:
            return None
        return self._vault.seal(orjson.dumps(sealed), f"{kind}:{entity_id}")

    def _add_trail(
        self, unit: Unit, entity: Entity, event: str, from_state: str, act: Act, changes: Mapping[str, Any]
    ) -> str:
        row = {
            "kind": entity.kind, "entity_id": entity.id, "seq": entity.version, "event": event,
            "from_state": from_state, "to_state": entity.state, "actor": act.actor, "key": act.key,
            "exchange_id": act.exchange_id, "profile_version": act.profile_version,
            "at": to_micros(self._clock.now()), "real_at": int(self._clock.real() * 1_000_000),
            "changes": orjson.dumps(changes, option=orjson.OPT_SORT_KEYS).decode(),
        }  # fmt: skip
        row["hash"] = trail_hash(entity.head, row)
        row["prev_hash"] = entity.head
        unit.insert("trail", row, guard=f"trail of {entity.kind}")
        return str(row["hash"])
