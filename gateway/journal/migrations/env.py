"""Alembic's environment: the connection is handed in by `gateway.journal.migrate`, nothing is read from an ini file."""

from __future__ import annotations

from alembic import context

from gateway.journal.schema import metadata

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata, render_as_batch=False)
with context.begin_transaction():
    context.run_migrations()
