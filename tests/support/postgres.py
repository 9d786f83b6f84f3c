"""A PostgreSQL for the tests: the one named by XINYI_TEST_POSTGRES, one on 127.0.0.1:5432, or one started here."""

from __future__ import annotations

import asyncio
import atexit
import os
import shutil
import socket
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pgserver

from gateway.journal.migrate import upgrade
from gateway.model.ids import new_id

_LOCAL = "postgresql://postgres:postgres@127.0.0.1:5432/postgres"


@cache
def server_url() -> str:
    """The address of a server on which databases may be created."""
    named = os.environ.get("XINYI_TEST_POSTGRES")
    if named:
        return named
    if _usable(_LOCAL):
        return _LOCAL
    folder = Path(tempfile.mkdtemp(prefix="xinyi-pg-"))
    server = pgserver.get_server(folder, cleanup_mode="stop")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    atexit.register(server.cleanup)
    return str(server.get_uri())


@cache
def template() -> str:
    """The name of a migrated database that new ones are copied from."""
    name = f"xinyi_template_{os.getpid()}"
    _run(f"CREATE DATABASE {name}")
    upgrade(database_url(name))
    atexit.register(_drop, name)
    return name


def new_database() -> str:
    """The address of a fresh migrated database."""
    name = new_id("xinyi_").lower()
    _run(f"CREATE DATABASE {name} TEMPLATE {template()}")
    return database_url(name)


def drop_database(url: str) -> None:
    """Remove a database made by `new_database`."""
    _drop(urlsplit(url).path.lstrip("/"))


def database_url(name: str) -> str:
    """The server's address with another database."""
    return urlunsplit(urlsplit(server_url())._replace(path=f"/{name}"))


def _drop(name: str) -> None:
    with suppress(OSError, asyncpg.PostgresError):
        _run(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def _run(sql: str) -> None:
    async def work() -> None:
        connection = await asyncpg.connect(server_url())
        try:
            await connection.execute(sql)
        finally:
            await connection.close()

    _own_loop(work)


def _own_loop(work: object) -> None:
    """Run outside any loop the test may be in."""
    import threading

    failed: list[BaseException] = []

    def target() -> None:
        try:
            asyncio.run(work())  # type: ignore[operator]
        except (OSError, asyncpg.PostgresError) as error:
            failed.append(error)

    thread = threading.Thread(target=target)
    thread.start()
    thread.join()
    if failed:
        raise failed[0]


def _usable(url: str) -> bool:
    place = urlsplit(url)
    with socket.socket() as probe:
        probe.settimeout(0.3)
        if probe.connect_ex((place.hostname or "", place.port or 5432)) != 0:
            return False
    try:
        _probe(url)
    except (OSError, asyncpg.PostgresError):
        return False
    return True


def _probe(url: str) -> None:
    async def work() -> None:
        await (await asyncpg.connect(url)).close()

    _own_loop(work)
