"""Empties a PostgreSQL store for a fresh sandbox, and never one that a sandbox did not fill itself."""

from __future__ import annotations

import asyncpg

_MARK = "xinyi_sandbox"


class StoreNotOurs(Exception):
    """The database holds tables, and no sandbox marked them as its own."""


async def empty_store(url: str) -> None:
    """Drops what an earlier sandbox left in the schema ``public`` and marks it as a sandbox's.

    Raises StoreNotOurs when the schema has tables without the mark: somebody's real data is never dropped.
    """
    connection = await asyncpg.connect(url)
    try:
        rows = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        names = {row["tablename"] for row in rows}
        if names and _MARK not in names:
            raise StoreNotOurs(
                "数据库中已有非沙盒的数据表，不清空 the database holds tables no sandbox made; use --keep"
            )
        if names:
            await connection.execute("DROP SCHEMA public CASCADE")
            await connection.execute("CREATE SCHEMA public")
        await connection.execute(f"CREATE TABLE {_MARK} (made_at timestamptz NOT NULL DEFAULT now())")
    finally:
        await connection.close()
