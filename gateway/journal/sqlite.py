"""SQLite behind the store interface: WAL, full sync, one writer thread that commits waiting units together."""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from gateway.journal.store import DuplicateKey, GuardFailed, Params, Row, StoreUnavailable, Unit

_BATCH = 64  # the knee of the curve: more units in one commit gain nothing
_READERS = 2


@dataclass(slots=True)
class _Waiting:
    unit: Unit
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[list[Sequence[Row]]]


Observer = Callable[[int, float], None]


class SqliteStore:
    """One file, one process. ``observe`` gets (units, seconds) of every commit."""

    name = "sqlite"

    def __init__(self, path: Path, observe: Observer | None = None) -> None:
        self._path = path
        self._observe = observe
        self._queue: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._writer: threading.Thread | None = None
        self._local = threading.local()
        self._readers = ThreadPoolExecutor(_READERS, "journal-read")
        self._connections: list[sqlite3.Connection] = []

    async def open(self) -> None:
        """Start the writer. Raises StoreUnavailable when the file cannot be opened."""
        try:
            writer = self._connect()
        except sqlite3.Error as error:
            raise StoreUnavailable(str(error)) from error
        self._writer = threading.Thread(target=self._write_loop, args=(writer,), name="journal-write", daemon=True)
        self._writer.start()

    async def close(self) -> None:
        """Commit what is queued, then close the file."""
        if self._writer is not None:
            self._queue.put(None)
            await asyncio.to_thread(self._writer.join)
            self._writer = None
        self._readers.shutdown(wait=True)
        for connection in self._connections:
            connection.close()
        self._connections.clear()

    async def commit(self, unit: Unit) -> list[Sequence[Row]]:
        """Queue the unit for the next group commit and wait until it is on disk."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[list[Sequence[Row]]] = loop.create_future()
        if self._writer is None:
            raise StoreUnavailable("the store is closed")
        self._queue.put(_Waiting(unit, loop, future))
        return await future

    async def rows(self, sql: str, params: Params | None = None) -> list[Row]:
        """Read outside the event loop; readers do not wait for the writer (WAL)."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._readers, self._read, sql, params or {})

    async def row(self, sql: str, params: Params | None = None) -> Row | None:
        """The first row or None."""
        found = await self.rows(sql, params)
        return found[0] if found else None

    async def claim_due(self, now: int, real_now: int, lease_until: int, owner: str, limit: int) -> list[Row]:
        """Take free due rows, earliest first."""
        unit = Unit().run(
            "UPDATE due SET lease_owner = :owner, lease_until = :until, runs = runs + 1 WHERE due_id IN ("
            "SELECT due_id FROM due WHERE due_at <= :now AND lease_until < :real ORDER BY due_at, due_id LIMIT :limit) "
            "RETURNING due_id, kind, subject, payload, due_at, runs",
            {"owner": owner, "until": lease_until, "now": now, "real": real_now, "limit": limit},
            expect=None,
            returning=True,
        )
        taken = (await self.commit(unit))[0]
        return sorted(taken, key=lambda row: (row["due_at"], row["due_id"]))

    # -- in threads ---------------------------------------------------------------------------------------------

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False, cached_statements=512)
        connection.row_factory = _as_dict
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=10000", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")
        self._connections.append(connection)
        return connection

    def _read(self, sql: str, params: Params) -> list[Row]:
        if not hasattr(self._local, "connection"):
            self._local.connection = self._connect()
        try:
            found: list[Row] = self._local.connection.execute(sql, params).fetchall()
        except sqlite3.OperationalError as error:
            raise StoreUnavailable(str(error)) from error
        return found

    def _write_loop(self, connection: sqlite3.Connection) -> None:
        while True:
            batch, last = self._next_batch()
            if batch:
                self._commit_batch(connection, batch)
            if last:
                return

    def _next_batch(self) -> tuple[list[_Waiting], bool]:
        """The waiting units, at least one; True when the store is closing."""
        first = self._queue.get()
        if first is None:
            return [], True
        batch = [first]
        while len(batch) < _BATCH:
            try:
                more = self._queue.get_nowait()
            except queue.Empty:
                break
            if more is None:
                return batch, True
            batch.append(more)
        return batch, False

    def _commit_batch(self, connection: sqlite3.Connection, batch: list[_Waiting]) -> None:
        started = time.perf_counter()
        outcomes: list[list[Sequence[Row]] | Exception] = []
        try:
            connection.execute("BEGIN IMMEDIATE")
            outcomes.extend(_run_unit(connection, waiting.unit) for waiting in batch)
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            _roll_back(connection)
            outcomes = [StoreUnavailable(str(error))] * len(batch)
        if self._observe is not None:
            self._observe(len(batch), time.perf_counter() - started)
        _answer(batch, outcomes)


def _run_unit(connection: sqlite3.Connection, unit: Unit) -> list[Sequence[Row]] | Exception:
    """Run one unit behind a savepoint. Errors that concern the unit alone are its answer; others end the batch."""
    connection.execute("SAVEPOINT unit")
    try:
        result = _run_statements(connection, unit)
    except GuardFailed as refused:
        connection.execute("ROLLBACK TO unit")
        connection.execute("RELEASE unit")
        return refused
    connection.execute("RELEASE unit")
    return result


def _run_statements(connection: sqlite3.Connection, unit: Unit) -> list[Sequence[Row]]:
    result: list[Sequence[Row]] = []
    for statement in unit.statements:
        try:
            cursor = connection.execute(statement.sql, statement.params)
            rows = cursor.fetchall() if statement.returning else ()
        except sqlite3.IntegrityError as error:
            raise DuplicateKey(statement.guard) from error
        touched = len(rows) if statement.returning else cursor.rowcount
        if statement.expect is not None and touched != statement.expect:
            raise GuardFailed(statement.guard)
        if statement.returning:
            result.append(rows)
    return result


def _roll_back(connection: sqlite3.Connection) -> None:
    if connection.in_transaction:
        connection.execute("ROLLBACK")


def _answer(batch: list[_Waiting], outcomes: Sequence[list[Sequence[Row]] | Exception]) -> None:
    """Wake the waiters, once per event loop."""
    loops: dict[asyncio.AbstractEventLoop, list[tuple[_Waiting, list[Sequence[Row]] | Exception]]] = {}
    for waiting, outcome in zip(batch, outcomes, strict=True):
        loops.setdefault(waiting.loop, []).append((waiting, outcome))
    for loop, answers in loops.items():
        if not loop.is_closed():
            loop.call_soon_threadsafe(_wake, answers)


def _wake(answers: list[tuple[_Waiting, list[Sequence[Row]] | Exception]]) -> None:
    for waiting, outcome in answers:
        if waiting.future.done():
            continue
        if isinstance(outcome, Exception):
            waiting.future.set_exception(outcome)
        else:
            waiting.future.set_result(outcome)


def _as_dict(cursor: sqlite3.Cursor, values: tuple[object, ...]) -> Row:
    return {column[0]: value for column, value in zip(cursor.description, values, strict=True)}
