"""The operator's page speaks of what exists: its queries run on the schema, its series and jobs are the product's."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator

import pytest
import sqlalchemy as sa
import yaml

from docs import make_operations
from docs.sections import DOCS, ROOT
from gateway.flows.registry import DUE
from gateway.journal.schema import metadata
from gateway.web.metrics import Metrics

PAGE = (DOCS / "operations.md").read_text("utf-8")
QUERIES = re.findall(r"```sql\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sqlite3.Connection]:
    path = tmp_path_factory.mktemp("operations") / "xinyi.db"
    engine = sa.create_engine(f"sqlite:///{path}")
    metadata.create_all(engine)
    engine.dispose()
    connection = sqlite3.connect(path)
    yield connection
    connection.close()


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.splitlines()[0].strip("- "))
def test_query_runs_on_the_schema(database: sqlite3.Connection, query: str) -> None:
    named = dict.fromkeys(re.findall(r":([a-z_]+)", re.sub(r"^--.*$", "", query, flags=re.MULTILINE)), "")
    rows = database.execute(query, named)
    assert rows.description
    assert rows.fetchall() == []


def test_page_has_queries() -> None:
    assert len(QUERIES) >= 8


def test_series_that_are_named_are_exposed() -> None:
    named = set(re.findall(r"xinyi_[a-z_]+", PAGE))
    exposed = Metrics().expose().decode()
    assert named
    assert sorted(name for name in named if f"# TYPE {name}" not in exposed) == []


def test_every_alert_is_explained_and_nothing_else() -> None:
    content = yaml.safe_load((ROOT / "ops/prometheus/rules.yml").read_text("utf-8"))
    names = {rule["alert"] for group in content["groups"] for rule in group["rules"]}
    assert make_operations.ALERTS.keys() == names


def test_jobs_that_are_named_have_a_handler() -> None:
    table = PAGE.partition("## The daily jobs")[2].partition("```")[0]
    named = [kind for row in re.findall(r"\| ([^|]*) \|\n", table)[2:] for kind in re.findall(r"`([a-z._]+)`", row)]
    assert {"recon.totals", "payout.build", "payout.close"} <= set(named)
    assert [kind for kind in named if kind not in DUE and kind != "ask"] == []


def test_tables_that_are_named_exist() -> None:
    named = re.findall(r"(?:table|in) `([a-z_]+)`", PAGE)
    assert named
    assert [name for name in named if name not in metadata.tables] == []
