"""PostgreSQL behind the store interface: any number of gateway processes may share it.

Waiting units are committed together: one transaction, each unit behind a savepoint, so that a bad one fails alone. A
few committers work side by side, so that a slow round trip of one batch does not hold up the next.
"""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import asyncpg

from gateway.journal.sqlite import Observer
from gateway.journal.store import DuplicateKey, GuardFailed, Params, Row, Statement, StoreUnavailable, Unit

_BATCH: Final = 64
_COMMITTERS: Final = 4
_POOL: Final = 12
_DEADLOCKS: Final = 10
_NAME: Final = re.compile(r"(?<![:\w]):([a-z_][a-z0-9_]*)")
_LOST: Final = (OSError, asyncpg.PostgresConnectionError, asyncpg.InterfaceError, TimeoutError)


@dataclass(slots=True)
class _Waiting:
    unit: Unit
    future: asyncio.Future[list[Sequence[Row]]]


class _UnitRefused(Exception):
    """Carries a unit's own failure out of its savepoint."""

    def __init__(self, refused: GuardFailed) -> None:
        self.refused = refused


class PostgresqlStore:
    """One database, any number of processes. ``observe`` gets (units, seconds) of every commit."""

    name = "postgresql"

    def __init__(self, url: str, observe: Observer | None = None) -> None:
        self._url, self._observe = url, observe
        self._pool: asyncpg.Pool | None = None
        self._queue: asyncio.Queue[_Waiting] = asyncio.Queue()
        self._committers: list[asyncio.Task[None]] = []

    async def open(self) -> None:
        """Connect. Raises StoreUnavailable."""
        try:
            self._pool = await asyncpg.create_pool(
                self._url, min_size=_COMMITTERS, max_size=_POOL, command_timeout=60, statement_cache_size=512
            )
        except (*_LOST, asyncpg.PostgresError) as error:
            raise StoreUnavailable(str(error)) from error
        self._committers = [asyncio.create_task(self._commit_loop()) for _ in range(_COMMITTERS)]

    async def close(self) -> None:
        """Commit what is queued, then disconnect."""
        if self._pool is None:
            return
        await self._queue.join()
        for committer in self._committers:
            committer.cancel()
        await asyncio.gather(*self._committers, return_exceptions=True)
        await self._pool.close()
        self._pool = None

    async def commit(self, unit: Unit) -> list[Sequence[Row]]:
        """Queue the unit for the next group commit and wait until it is durable."""
        if self._pool is None:
            raise StoreUnavailable("the store is closed")
        future: asyncio.Future[list[Sequence[Row]]] = asyncio.get_running_loop().create_future()
        self._queue.put_nowait(_Waiting(unit, future))
        return await future

    async def rows(self, sql: str, params: Params | None = None) -> list[Row]:
        """Read."""
        text, names = _positional(sql)
        if self._pool is None:
            raise StoreUnavailable("the store is closed")
        try:
            found = await self._pool.fetch(text, *_values(names, params or {}))
        except (*_LOST, asyncpg.PostgresError) as error:
            raise StoreUnavailable(str(error)) from error
        return [dict(row) for row in found]

    async def row(self, sql: str, params: Params | None = None) -> Row | None:
        """The first row or None."""
        found = await self.rows(sql, params)
        return found[0] if found else None

    async def claim_due(self, now: int, real_now: int, lease_until: int, owner: str, limit: int) -> list[Row]:
        """Take free due rows, earliest first; rows another instance is just taking are skipped."""
        unit = Unit().run(
            "UPDATE due SET lease_owner = :owner, lease_until = :until, runs = runs + 1 WHERE due_id IN ("
            "SELECT due_id FROM due WHERE due_at <= :now AND lease_until < :real ORDER BY due_at, due_id "
            "LIMIT :limit FOR UPDATE SKIP LOCKED) RETURNING due_id, kind, subject, payload, due_at, runs",
            {"owner": owner, "until": lease_until, "now": now, "real": real_now, "limit": limit},
            expect=None,
            returning=True,
        )
        taken = (await self.commit(unit))[0]
        return sorted(taken, key=lambda row: (row["due_at"], row["due_id"]))

    # -- group commit -------------------------------------------------------------------------------------------

    async def _commit_loop(self) -> None:
        while True:
            batch = [await self._queue.get()]
            while len(batch) < _BATCH and not self._queue.empty():
                batch.append(self._queue.get_nowait())
            try:
                await self._commit_batch(batch)
            finally:
                for _ in batch:
                    self._queue.task_done()

    async def _run_batch(self, batch: list[_Waiting]) -> list[list[Sequence[Row]] | Exception]:
        """The units' outcomes. A batch that deadlocked with another committer's was rolled back and runs again."""
        assert self._pool is not None
        for left in reversed(range(_DEADLOCKS)):
            try:
                async with self._pool.acquire() as connection, connection.transaction():
                    return [await _run_unit(connection, waiting.unit) for waiting in batch]
            except asyncpg.DeadlockDetectedError:
                if left == 0:
                    raise
                await asyncio.sleep(random.uniform(0.005, 0.05))
        raise AssertionError("unreachable")

    async def _commit_batch(self, batch: list[_Waiting]) -> None:
        started = time.perf_counter()
        try:
            outcomes = await self._run_batch(batch)
        except (*_LOST, asyncpg.PostgresError) as error:
            outcomes = [StoreUnavailable(str(error))] * len(batch)
        if self._observe is not None:
            self._observe(len(batch), time.perf_counter() - started)
        for waiting, outcome in zip(batch, outcomes, strict=True):
            if waiting.future.done():
                continue
            if isinstance(outcome, Exception):
                waiting.future.set_exception(outcome)
            else:
                waiting.future.set_result(outcome)


async def _run_unit(connection: asyncpg.Connection, unit: Unit) -> list[Sequence[Row]] | Exception:
    """One unit behind a savepoint; what concerns it alone is its answer, other errors end the batch."""
    try:
        async with connection.transaction():
            return await _run_statements(connection, unit)
    except _UnitRefused as refused:
        return refused.refused


async def _run_statements(connection: asyncpg.Connection, unit: Unit) -> list[Sequence[Row]]:
    result: list[Sequence[Row]] = []
    for statement in unit.statements:
        rows, touched = await _run_statement(connection, statement)
        if statement.expect is not None and touched != statement.expect:
            raise _UnitRefused(GuardFailed(statement.guard))
        if statement.returning:
            result.append(rows)
    return result


async def _run_statement(connection: asyncpg.Connection, statement: Statement) -> tuple[list[Row], int]:
    text, names = _positional(statement.sql)
    values = _values(names, statement.params)
    try:
        if statement.returning:
            rows: list[Row] = [dict(row) for row in await connection.fetch(text, *values)]
            return rows, len(rows)
        return [], _touched(await connection.execute(text, *values))
    except asyncpg.IntegrityConstraintViolationError as error:
        raise _UnitRefused(DuplicateKey(statement.guard)) from error
    except asyncpg.exceptions.SerializationError as error:
        raise _UnitRefused(GuardFailed(statement.guard)) from error


def _touched(tag: str) -> int:
    """Rows of a command tag such as `UPDATE 1` or `INSERT 0 1`."""
    last = tag.rsplit(" ", 1)[-1]
    return int(last) if last.isdigit() else 0


@lru_cache(maxsize=4096)
def _positional(sql: str) -> tuple[str, tuple[str, ...]]:
    """`:name` parameters as `$1`, each name once."""
    names: list[str] = []

    def number(match: re.Match[str]) -> str:
        if match[1] not in names:
            names.append(match[1])
        return f"${names.index(match[1]) + 1}"

    return _NAME.sub(number, sql), tuple(names)


def _values(names: Sequence[str], params: Params) -> list[Any]:
    return [params[name] for name in names]
