"""A store that reports every commit to a probe, for crash tests in the sandbox."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.journal.store import Params, Row, Store, Unit
from gateway.model.probe import Probe


class ProbedStore:
    """Passes everything on; a commit reports itself before and after."""

    def __init__(self, store: Store, probe: Probe) -> None:
        self._store, self._probe = store, probe

    @property
    def name(self) -> str:
        """The store's own name."""
        return self._store.name

    async def open(self) -> None:
        """Open the store."""
        await self._store.open()

    async def close(self) -> None:
        """Close the store."""
        await self._store.close()

    async def commit(self, unit: Unit) -> list[Sequence[Row]]:
        """Commit between two points named after the unit's first guard."""
        name = unit.statements[0].guard.split(" (")[0] if unit.statements else "empty"
        self._probe(f"commit:before:{name}")
        result = await self._store.commit(unit)
        self._probe(f"commit:after:{name}")
        return result

    async def rows(self, sql: str, params: Params | None = None) -> list[Row]:
        """Read."""
        return await self._store.rows(sql, params)

    async def row(self, sql: str, params: Params | None = None) -> Row | None:
        """Read one."""
        return await self._store.row(sql, params)

    async def claim_due(self, now: int, real_now: int, lease_until: int, owner: str, limit: int) -> list[Row]:
        """Take due rows; an idle look at the agenda is no point of a flow."""
        return await self._store.claim_due(now, real_now, lease_until, owner, limit)
