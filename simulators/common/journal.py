"""Durable memory of a simulator: tables in memory, every committed step one line of an append-only file.

A step (one request) is written with a single ``write`` before its answer leaves, so what was answered survives
``kill -9`` of the simulator (not the loss of power, which no simulator promises). A torn last line is cut off at the
next start.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Generic, TypeVar

import orjson

T = TypeVar("T")
Watcher = Callable[[str, T | None, T | None], None]


def _same(row: Any) -> Any:
    return row


class Table(Generic[T]):
    """Rows by key. Rows are values: ``put`` another, never change one in place (a rollback puts the old one back)."""

    def __init__(self, name: str, journal: Journal, load: Callable[[Any], T], dump: Callable[[T], Any]) -> None:
        self.name = name
        self.load = load
        self.dump = dump
        self._journal = journal
        self._rows: dict[str, T] = {}
        self._watchers: list[Watcher[T]] = []

    def watch(self, watcher: Watcher[T]) -> None:
        """Calls ``watcher(key, old, new)`` on every change, loading and rollback included: for indexes."""
        self._watchers.append(watcher)

    def get(self, key: str) -> T | None:
        return self._rows.get(key)

    def __getitem__(self, key: str) -> T:
        return self._rows[key]

    def __contains__(self, key: object) -> bool:
        return key in self._rows

    def __len__(self) -> int:
        return len(self._rows)

    def keys(self) -> Iterator[str]:
        return iter(self._rows)

    def values(self) -> Iterator[T]:
        return iter(self._rows.values())

    def items(self) -> Iterator[tuple[str, T]]:
        return iter(self._rows.items())

    def put(self, key: str, row: T) -> None:
        self._journal.note(self, key, self._rows.get(key), row)
        self.place(key, row)

    def delete(self, key: str) -> None:
        if key in self._rows:
            self._journal.note(self, key, self._rows[key], None)
            self.place(key, None)

    def place(self, key: str, row: T | None) -> None:
        """Changes memory only; for loading and for rollback."""
        old = self._rows.get(key)
        if row is None:
            self._rows.pop(key, None)
        else:
            self._rows[key] = row
        for watcher in self._watchers:
            watcher(key, old, row)

    def clear(self) -> None:
        """Empties memory only; ``Journal.reset`` empties the file."""
        for key in list(self._rows):
            self.place(key, None)


class Journal:
    """All tables of one simulator and their file. Use: make the tables, ``open()``, then change and ``commit()``."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = -1
        self._tables: dict[str, Table[Any]] = {}
        self._pending: list[tuple[Table[Any], str, Any, Any]] = []

    def table(self, name: str, load: Callable[[Any], T] = _same, dump: Callable[[T], Any] = _same) -> Table[T]:
        """A table of rows that ``dump`` makes JSON (dataclasses are JSON already) and ``load`` makes rows again."""
        table = Table(name, self, load, dump)
        self._tables[name] = table
        return table

    def open(self) -> None:
        """Reads the file, if there is one, and goes on writing to it."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        good = 0
        with self._path.open("rb") as lines:
            for line in lines:
                if not line.endswith(b"\n") or not self._replay(line):
                    break
                good += len(line)
        os.ftruncate(self._file, good)

    def _replay(self, line: bytes) -> bool:
        try:
            changes = orjson.loads(line)
        except orjson.JSONDecodeError:
            return False
        for name, key, row in changes:
            table = self._tables[name]
            table.place(key, None if row is None else table.load(row))
        return True

    def note(self, table: Table[Any], key: str, old: Any, new: Any) -> None:
        self._pending.append((table, key, old, new))

    def commit(self) -> None:
        """Writes what changed since the last commit as one line."""
        if not self._pending:
            return
        changes = [(t.name, key, None if new is None else t.dump(new)) for t, key, _, new in self._pending]
        self._pending.clear()
        _write_all(self._file, orjson.dumps(changes) + b"\n")

    def rollback(self) -> None:
        """Takes back what changed since the last commit."""
        for table, key, old, _ in reversed(self._pending):
            table.place(key, old)
        self._pending.clear()

    def reset(self) -> None:
        """Empties every table and the file."""
        self._pending.clear()
        for table in self._tables.values():
            table.clear()
        os.ftruncate(self._file, 0)

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


class Drawer(Journal):
    """A journal's tables for one of several parties in it: names of their own, except ``shared`` ones; the same file,
    steps and reset, which stay the whole journal's."""

    def __init__(self, whole: Journal, name: str, shared: Mapping[str, Table[Any]]) -> None:
        self._whole = whole
        self._name = name
        self._shared = shared

    def table(self, name: str, load: Callable[[Any], T] = _same, dump: Callable[[T], Any] = _same) -> Table[T]:
        found = self._shared.get(name)
        return self._whole.table(f"{self._name}.{name}", load, dump) if found is None else found


class Lines:
    """An append-only file of lines, for what is only ever read back whole (the requests received)."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = -1
        self.count = 0

    def open(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        good = 0
        with self._path.open("rb") as lines:
            for line in lines:
                if line.endswith(b"\n"):
                    good += len(line)
                    self.count += 1
        os.ftruncate(self._file, good)

    def append(self, line: bytes) -> None:
        self.count += 1
        _write_all(self._file, line + b"\n")

    def __iter__(self) -> Iterator[bytes]:
        with self._path.open("rb") as lines:
            for line in lines:
                yield line.rstrip(b"\n")

    def reset(self) -> None:
        os.ftruncate(self._file, 0)
        self.count = 0

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def _write_all(file: int, data: bytes) -> None:
    written = os.write(file, data)
    while written < len(data):
        data = data[written:]
        written = os.write(file, data)
