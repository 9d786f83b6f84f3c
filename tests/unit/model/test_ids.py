"""Identifiers: sortable, well-formed, and the same on any machine where they must be."""

from __future__ import annotations

import itertools
import re
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model.ids import IdSource, build_msgid, derive_number, is_msgid, new_id, settlement_key
from gateway.model.refusals import Refusal

CODE = "H42010200999"


def test_ids_are_unique_and_sort_by_time() -> None:
    ticks = itertools.count(1_700_000_000_000)
    source = IdSource(now_ms=lambda: next(ticks), entropy=lambda size: b"\x07" * size)
    made = [new_id("V", source=source) for _ in range(100)]
    assert made == sorted(set(made))
    assert all(re.fullmatch(r"V[0-9A-Z]{26}", one) for one in made)
    assert new_id() != new_id()


def test_msgid_is_written_in_shanghai_time() -> None:
    at = datetime(2026, 11, 20, 16, 30, 12, tzinfo=UTC)
    msgid = build_msgid(CODE, at, 7)
    assert msgid == "H42010200999202611210030120007"
    assert is_msgid(msgid, CODE)


@pytest.mark.parametrize(
    ("code", "at", "serial"),
    [("H4201", datetime(2026, 1, 1, tzinfo=UTC), 1), (CODE, datetime(2026, 1, 1), 1), (CODE, datetime.now(UTC), 10000)],  # noqa: DTZ001
)
def test_msgid_refuses_what_would_not_fit(code: str, at: datetime, serial: int) -> None:
    with pytest.raises(ValueError, match=r"fixmedins_code|offset|serial"):
        build_msgid(code, at, serial)


@pytest.mark.parametrize(
    "text",
    [
        "",
        CODE,
        "H42010200999202613200935120007",
        "H43050000001202611200935120007",
        "H420102009992026112009351200070",
        "H4201020099920261120093512000A",
        "H42010200999202602300935120007",
    ],
)
def test_other_texts_are_no_msgid_of_this_institution(text: str) -> None:
    assert not is_msgid(text, CODE)


def test_settlement_key_is_one_spelling() -> None:
    """D.5: NFKC, trimmed, upper-cased; the same setl_id at two hospitals is two keys (acceptance 7)."""
    key = settlement_key("640100", "H64000100001", "SX0001")
    assert key == "640100|H64000100001|SX0001"
    assert settlement_key("640100", "h64000100001", " ｓx０001 ") == key
    assert settlement_key("640100", "H64000100002", "SX0001") != key


@pytest.mark.parametrize("part", ["", "  ", "a|b", "a｜b"])
def test_settlement_key_refuses_ambiguous_parts(part: str) -> None:
    with pytest.raises(Refusal) as refused:
        settlement_key("640100", "H64000100001", part)
    assert (refused.value.code, refused.value.field) == ("INVALID_FIELD", "setl_id")


def test_derived_numbers_depend_on_content_alone() -> None:
    number = derive_number("P", "640100-01", date(2025, 3, 3), 0, "H64000100001")
    assert number == "P7Q3KAZC6HLVJBMG05L0118F0XO065"
    assert number == derive_number("P", "640100-01", "2025-03-03", "0", "H64000100001")
    assert number != derive_number("P", "640100-01", date(2025, 3, 3), 1, "H64000100001")
    assert len(derive_number("", "x", length=32)) == 32


@given(st.lists(st.text(), min_size=1), st.lists(st.text(), min_size=1))
def test_derived_numbers_keep_parts_apart(left: list[str], right: list[str]) -> None:
    assert (derive_number("B", *left) == derive_number("B", *right)) == (left == right)


@pytest.mark.parametrize(("prefix", "length"), [("P-", 30), ("PAYOUTPAYOUTPAYOUT", 30), ("", 15)])
def test_derived_numbers_need_room(prefix: str, length: int) -> None:
    with pytest.raises(ValueError, match="prefix"):
        derive_number(prefix, 1, length=length)
