"""The store behind the journal: what both SQLite and PostgreSQL implement.

A write is a `Unit`: statements that become true together or not at all. Units of concurrent requests are committed
together (group commit), each behind its own savepoint, so that a bad one fails alone. A reply leaves only after
`commit` has returned: then its rows are on disk.

SQL here is the common subset of both stores with ``:name`` parameters; guards are affected-row counts and unique
indexes, never a read before a write.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

Row = Mapping[str, Any]
Params = Mapping[str, Any]


class StoreError(Exception):
    """Base of what a store raises."""


class GuardFailed(StoreError):
    """A statement did not change the number of rows it must: somebody else was faster, or a rule of the store said no.

    ``guard`` is the name the writer gave to the statement.
    """

    def __init__(self, guard: str) -> None:
        super().__init__(guard)
        self.guard = guard


class DuplicateKey(GuardFailed):
    """A unique index or a check of the schema refused a row."""


class StoreUnavailable(StoreError):
    """The store could not make the write durable (disk full, connection lost). Nothing of the unit is certain."""


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement of a unit. ``expect`` is the number of rows it must touch, None for any."""

    sql: str
    params: Params
    expect: int | None = 1
    guard: str = ""
    returning: bool = False


@dataclass(slots=True)
class Unit:
    """Everything that must become true together."""

    statements: list[Statement] = field(default_factory=list)

    def run(
        self, sql: str, params: Params, *, expect: int | None = 1, guard: str = "", returning: bool = False
    ) -> Unit:
        """Add a statement."""
        self.statements.append(Statement(sql, params, expect, guard or sql[:60], returning))
        return self

    def insert(self, table: str, row: Params, *, guard: str = "") -> Unit:
        """Add an INSERT of one row; a duplicate raises `DuplicateKey` under ``guard``."""
        columns = ", ".join(row)
        values = ", ".join(f":{name}" for name in row)
        return self.run(f"INSERT INTO {table} ({columns}) VALUES ({values})", row, guard=guard or table)

    def extend(self, other: Unit | None) -> Unit:
        """Add all statements of another unit."""
        if other is not None:
            self.statements.extend(other.statements)
        return self

    def __bool__(self) -> bool:
        return bool(self.statements)


class Store(Protocol):
    """Durable memory. All methods may be called from any task of the event loop."""

    @property
    def name(self) -> str:
        """`sqlite` or `postgresql`."""
        ...

    async def open(self) -> None:
        """Connect. Raises StoreUnavailable."""
        ...

    async def close(self) -> None:
        """Finish what is queued and disconnect."""
        ...

    async def commit(self, unit: Unit) -> list[Sequence[Row]]:
        """Make a unit durable; rows of its ``returning`` statements come back in order.

        Raises GuardFailed (or DuplicateKey) when the unit was refused alone, StoreUnavailable when nothing is certain.
        """
        ...

    async def rows(self, sql: str, params: Params | None = None) -> list[Row]:
        """Read rows."""
        ...

    async def row(self, sql: str, params: Params | None = None) -> Row | None:
        """Read the first row or None."""
        ...

    async def claim_due(self, now: int, real_now: int, lease_until: int, owner: str, limit: int) -> list[Row]:
        """Take due rows whose lease is free, earliest first; no other instance gets them while the lease lasts."""
        ...
