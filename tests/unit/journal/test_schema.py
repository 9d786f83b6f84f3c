"""The migrations make exactly the schema that the code believes in."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex, CreateTable

from gateway.journal.migrate import is_current, upgrade
from gateway.journal.schema import metadata
from gateway.model.machines import MACHINES


def test_migrations_and_schema_agree(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'x.db'}"
    before, after = upgrade(url)
    assert (before, bool(after)) == ("", True)
    with sa.create_engine(url).connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    assert is_current(url)


def test_migrating_twice_changes_nothing(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'x.db'}"
    _, first = upgrade(url)
    assert upgrade(url) == (first, first)


def test_every_machine_has_its_table_and_every_kind_its_machine() -> None:
    kinds = {name for name, table in metadata.tables.items() if "head" in table.c}
    assert kinds == set(MACHINES)


def test_the_schema_can_be_made_on_postgresql_too() -> None:
    dialect = postgresql.dialect()
    for table in metadata.sorted_tables:
        assert "CREATE TABLE" in str(CreateTable(table).compile(dialect=dialect))
        for index in table.indexes:
            assert "INDEX" in str(CreateIndex(index).compile(dialect=dialect))


def test_the_rules_of_the_store_are_unique_indexes() -> None:
    attempt = metadata.tables["attempt"]
    sole = next(index for index in attempt.indexes if index.name == "uq_attempt_sole")
    assert sole.unique
    assert metadata.tables["payout_key"].primary_key.columns.keys() == ["settlement_key"]
