"""Entities: every move leaves its trail row in the same commit, guarded by the version it leaves."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from gateway.journal.entities import GENESIS, Act, trail_hash
from gateway.journal.journal import NO_ROOM, Journal
from gateway.journal.store import DuplicateKey, GuardFailed, Unit
from gateway.journal.vault import Vault, VaultError
from gateway.model.refusals import Refusal
from tests.support.journals import StillClock, open_journal

ACT = Act("operator:li", "K1", "X1", "p1")


@pytest.fixture
async def journal(store_url: str):
    async with open_journal(store_url) as opened:
        yield opened


async def agreement(journal: Journal, limit: int = 1000, **more: object):
    unit = Unit()
    columns = {
        "agreement_no": "N1", "psn_no": "P", "bank": "bocom", "scheme": "s", "locality": "l", "live": 1,
        "limit_fen": limit, **more,
    }  # fmt: skip
    made = journal.entities.create(
        unit, "agreement", "A1", "applied", ACT, columns=columns, data={"products": ["OUTPATIENT"]},
        sealed={"mobile": "13812345678"},
    )  # fmt: skip
    await journal.commit(unit)
    return made


async def test_what_is_created_reads_back_with_its_sealed_part(journal: Journal) -> None:
    await agreement(journal)
    read = await journal.entities.get("agreement", "A1")
    assert read is not None
    assert (read.state, read["bank"], read["products"], read.sealed["mobile"]) == (
        "APPLIED", "bocom", ["OUTPATIENT"], "13812345678",
    )  # fmt: skip
    assert "13812345678" not in repr(read)
    assert read.get("nothing", 5) == 5
    row = await journal.store.row("SELECT * FROM agreement")
    assert row is not None
    assert b"13812345678" not in bytes(row["sealed"])


async def test_a_move_writes_its_trail_in_a_hash_chain(journal: Journal) -> None:
    made = await agreement(journal)
    unit = Unit()
    graded = journal.entities.move(unit, made, "graded", ACT, data={"grade": "B"})
    signed = journal.entities.move(unit, graded, "signed", ACT, columns={"limit_fen": 500}, sealed={"acct_no": "62"})
    await journal.commit(unit)
    trail = await journal.entities.trail("agreement", "A1")
    assert [(row["from_state"], row["to_state"]) for row in trail] == [
        ("", "APPLIED"), ("APPLIED", "GRADED"), ("GRADED", "ACTIVE"),
    ]  # fmt: skip
    previous = GENESIS
    for row in trail:
        assert row["prev_hash"] == previous
        assert trail_hash(previous, row) == row["hash"]
        previous = row["hash"]
    read = await journal.entities.get("agreement", "A1")
    assert read is not None
    assert (read.head, read["limit_fen"], read.sealed["acct_no"]) == (previous, 500, "62")
    assert signed.version == 3


async def test_an_altered_trail_row_no_longer_fits_its_hash(journal: Journal) -> None:
    await agreement(journal)
    row = dict((await journal.entities.trail("agreement", "A1"))[0])
    row["to_state"] = "ACTIVE"
    assert trail_hash(GENESIS, row) != row["hash"]


async def test_of_two_writers_one_fails(journal: Journal) -> None:
    made = await agreement(journal)
    first, second = Unit(), Unit()
    journal.entities.move(first, made, "graded", ACT)
    journal.entities.move(second, made, "barred", ACT)
    results = await asyncio.gather(journal.commit(first), journal.commit(second), return_exceptions=True)
    assert [isinstance(result, GuardFailed) for result in results] == [False, True]
    assert len(await journal.entities.trail("agreement", "A1")) == 2


async def test_a_move_the_table_does_not_know_is_refused_by_name(journal: Journal) -> None:
    made = await agreement(journal)
    with pytest.raises(Refusal) as refused:
        journal.entities.move(Unit(), made, "signed", ACT)
    assert refused.value.code == "ILLEGAL_STATE"
    assert refused.value.facts == {"state": "APPLIED", "event": "signed"}


async def test_one_live_agreement_per_person_bank_and_scheme(journal: Journal) -> None:
    await agreement(journal)
    unit = Unit()
    journal.entities.create(
        unit, "agreement", "A2", "applied", ACT,
        columns={"agreement_no": "N2", "psn_no": "P", "bank": "bocom", "scheme": "s", "locality": "l", "live": 1},
    )  # fmt: skip
    with pytest.raises(DuplicateKey):
        await journal.commit(unit)


async def test_a_line_never_gives_more_than_it_has(journal: Journal) -> None:
    await agreement(journal, limit=5000)

    def hold(number: int) -> Unit:
        unit = Unit()
        journal.move_line(unit, "A1", f"V{number}", "leg", "X", held=100)
        return unit

    results = await asyncio.gather(*(journal.commit(hold(n)) for n in range(80)), return_exceptions=True)
    refused = [result.guard for result in results if isinstance(result, GuardFailed)]
    assert refused == [NO_ROOM] * 30
    assert (await journal.line("A1")).avail_fen == 0
    unit = Unit()
    journal.move_line(unit, "A1", "V1", "captured", "X", held=-100, used=100)
    journal.move_line(unit, "A1", "V2", "released", "X", held=-100)
    await journal.commit(unit)
    line = await journal.line("A1")
    assert (line.used_fen, line.held_fen, line.avail_fen) == (100, 4800, 100)
    entries = await journal.store.row("SELECT SUM(held_fen) AS held, SUM(used_fen) AS used FROM line_entry")
    assert entries == {"held": 4800, "used": 100}
    assert (await journal.line("none")).avail_fen == 0


async def test_a_line_cannot_release_more_than_is_held(journal: Journal) -> None:
    await agreement(journal)
    unit = Unit()
    journal.move_line(unit, "A1", "V1", "released", "X", held=-1)
    with pytest.raises(DuplicateKey):
        await journal.commit(unit)


async def test_one_open_task_per_kind_and_subject(journal: Journal) -> None:
    unit = Unit()
    first = await journal.raise_task(unit, "UNKNOWN_OUTCOME", "O1", ACT, suggested="ask")
    await journal.commit(unit)
    assert first is not None
    assert await journal.raise_task(Unit(), "UNKNOWN_OUTCOME", "O1", ACT, suggested="ask") is None


async def test_business_numbers_reasons_and_access_are_found_again(journal: Journal) -> None:
    unit = Unit()
    journal.index(unit, "claim", "H|M", setl_id="S1", msgid="")
    journal.index(unit, "claim", "H|M", setl_id="S1")
    journal.log_access(unit, "P", "hospital:H", "CREDIT_QUERY", "A1", "score")

    class Why:
        rule, decision, detail, requirement = "grade", "B", "72 in [65, 85)", "R-003"

    journal.explain(unit, "X1", "A1", [Why, Why])
    await journal.commit(unit)
    assert await journal.whose("S1") == [{"name": "setl_id", "kind": "claim", "entity_id": "H|M"}]
    assert [row["requirement"] for row in await journal.reasons("A1")] == ["R-003", "R-003"]
    logged = await journal.store.row("SELECT purpose, authority FROM access_log WHERE psn_no = 'P'")
    assert logged == {"purpose": "CREDIT_QUERY", "authority": "A1"}


async def test_finding_by_condition(journal: Journal) -> None:
    await agreement(journal)
    found = await journal.entities.find("agreement", "psn_no = :psn", psn="P")
    assert [entity.id for entity in found] == ["A1"]
    assert await journal.entities.first("agreement", "psn_no = :psn", psn="Q") is None
    assert await journal.entities.get("agreement", "A9") is None


def test_a_vault_opens_only_what_it_sealed_where_it_was_sealed() -> None:
    vault = Vault(b"1" * 32)
    for content in (b"", b"short", b"long " * 500):
        assert vault.open(vault.seal(content, "row 1"), "row 1") == content
    sealed = vault.seal(b"long " * 500, "row 1")
    assert len(sealed) < 500
    for wrong, context in ((sealed, "row 2"), (sealed[:-1] + b"x", "row 1"), (b"", "row 1")):
        with pytest.raises(VaultError):
            vault.open(wrong, context)


def test_a_vault_reads_its_key_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("MTExMTExMTExMTExMTExMTExMTExMTExMTExMTExMTE=\n")
    vault = Vault.from_file(tmp_path / "key")
    assert Vault(b"1" * 32).open(vault.seal(b"x", "c"), "c") == b"x"


def test_the_clock_of_the_tests_moves_when_told() -> None:
    clock = StillClock()
    before = clock.now()
    clock.pass_(minutes=5)
    assert (clock.now() - before).total_seconds() == 300
