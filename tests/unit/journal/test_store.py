"""The store: a unit becomes true as a whole or not at all, and a bad one fails alone."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from gateway.journal.postgresql import PostgresqlStore
from gateway.journal.sqlite import SqliteStore
from gateway.journal.store import DuplicateKey, GuardFailed, Store, StoreUnavailable, Unit
from tests.support.journals import new_store


def key_row(key: str, order: str = "P1") -> Unit:
    return Unit().insert("payout_key", {"settlement_key": key, "pay_order_no": order, "ever_sent": 0}, guard="key")


@pytest.fixture
async def store(store_url: str):
    opened = new_store(store_url)
    await opened.open()
    yield opened
    await opened.close()


async def count(store: Store) -> int:
    row = await store.row("SELECT COUNT(*) AS n FROM payout_key")
    assert row is not None
    return int(row["n"])


async def test_a_bad_row_fails_alone_in_a_group_commit(store: Store) -> None:
    await store.commit(key_row("K0"))
    units = [key_row(f"K{number % 40}") for number in range(80)]
    results = await asyncio.gather(*(store.commit(unit) for unit in units), return_exceptions=True)
    assert sum(isinstance(result, DuplicateKey) for result in results) == 41
    assert await count(store) == 40


async def test_concurrent_units_share_commits(store_url: str) -> None:
    sizes: list[int] = []
    store = new_store(store_url)
    store._observe = lambda units, _seconds: sizes.append(units)  # type: ignore[attr-defined]
    await store.open()
    await asyncio.gather(*(store.commit(key_row(f"K{number}")) for number in range(100)))
    await store.close()
    assert sum(sizes) == 100
    assert len(sizes) < 100


async def test_a_unit_is_all_or_nothing(store: Store) -> None:
    unit = key_row("A").extend(key_row("B")).extend(key_row("A"))
    with pytest.raises(DuplicateKey) as refused:
        await store.commit(unit)
    assert refused.value.guard == "key"
    assert await count(store) == 0


async def test_a_guard_that_touches_no_row_refuses_the_unit(store: Store) -> None:
    unit = key_row("A").run("UPDATE payout_key SET ever_sent = 1 WHERE settlement_key = 'Z'", {}, guard="is there")
    with pytest.raises(GuardFailed) as refused:
        await store.commit(unit)
    assert refused.value.guard == "is there"
    assert await count(store) == 0


async def test_rows_of_returning_statements_come_back_in_order(store: Store) -> None:
    unit = key_row("A").run(
        "UPDATE payout_key SET ever_sent = 1 WHERE ever_sent = 0 RETURNING settlement_key", {}, returning=True
    )
    assert await store.commit(unit) == [[{"settlement_key": "A"}]]


async def test_what_was_committed_is_there_after_reopening(store_url: str) -> None:
    first = new_store(store_url)
    await first.open()
    await first.commit(key_row("A"))
    await first.close()
    second = new_store(store_url)
    await second.open()
    assert await count(second) == 1
    await second.close()


async def test_a_closed_store_accepts_nothing(store: Store) -> None:
    await store.close()
    with pytest.raises(StoreUnavailable):
        await store.commit(key_row("A"))


async def test_a_missing_table_is_told_as_unavailable_not_as_a_guard(store: Store) -> None:
    with pytest.raises(StoreUnavailable):
        await store.commit(Unit().run("UPDATE no_such_table SET a = 1", {}))
    with pytest.raises(StoreUnavailable):
        await store.rows("SELECT * FROM no_such_table")
    await store.commit(key_row("A"))
    assert await count(store) == 1


async def test_a_store_that_cannot_be_opened_is_told(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable):
        await SqliteStore(tmp_path / "no" / "such" / "folder.db").open()
    with pytest.raises(StoreUnavailable):
        await PostgresqlStore("postgresql://nobody@127.0.0.1:1/none").open()


async def test_a_full_disk_fails_the_commit_and_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    store = new_store(tmp_path / "x.db")
    await store.open()
    await store.commit(key_row("A"))
    await store.commit(Unit().run("PRAGMA max_page_count = 1", {}, expect=None))
    big = Unit().insert("body", {"body_id": "B", "content": b"x" * 5_000_000, "created_at": 0})
    with pytest.raises(StoreUnavailable):
        await store.commit(big)
    assert await count(store) == 1
    await store.close()


async def test_due_rows_are_taken_once_and_in_order(store: Store) -> None:
    for name, at in (("late", 50), ("early", 10), ("later", 99)):
        await store.commit(
            Unit().run(
                "INSERT INTO due (due_id, kind, subject, due_at) VALUES (:n, 'k', :n, :at)", {"n": name, "at": at}
            )
        )
    first = await store.claim_due(60, 1000, 2000, "me", 10)
    assert [row["subject"] for row in first] == ["early", "late"]
    assert await store.claim_due(60, 1500, 2500, "you", 10) == []
    again = await store.claim_due(60, 2001, 3000, "you", 10)
    assert [row["runs"] for row in again] == [2, 2]


@pytest.mark.parametrize("statement", ["INSERT INTO agreement", "hold"])
def test_names_in_guards_fall_back_to_the_statement(statement: str) -> None:
    assert Unit().run(statement, {}).statements[0].guard == statement
    assert not Unit()
