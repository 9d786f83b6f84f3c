"""大写金额 as the bank prints it: the vectors of the regulation, and every amount read back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.bank.words import amount_in_words

_DIGITS = {word: value for value, word in enumerate("零壹贰叁肆伍陆柒捌玖")}
_PLACES = {"拾": 10, "佰": 100, "仟": 1000}


@pytest.mark.parametrize(
    ("fen", "words"),
    [
        (140950, "人民币壹仟肆佰零玖元伍角"),
        (600714, "人民币陆仟零柒元壹角肆分"),
        (168032, "人民币壹仟陆佰捌拾元叁角贰分"),
        (10700053, "人民币壹拾万柒仟元伍角叁分"),
        (1640902, "人民币壹万陆仟肆佰零玖元零贰分"),
        (32504, "人民币叁佰贰拾伍元零肆分"),
        (10001000100, "人民币壹亿零壹万零壹元整"),
        (1000, "人民币壹拾元整"),
        (10000000000, "人民币壹亿元整"),
        (1000000100, "人民币壹仟万零壹元整"),
        (10000000100, "人民币壹亿零壹元整"),
        (100500000000, "人民币壹拾亿零伍佰万元整"),
        (5, "人民币伍分"),
        (50, "人民币伍角"),
    ],
)
def test_vectors(fen: int, words: str) -> None:
    assert amount_in_words(fen) == words


def read(words: str) -> int:
    """The words as fen, by the rules and not by the writer's code."""
    assert words.startswith("人民币")
    total, section, digit, fen = 0, 0, 0, 0
    for sign in words.removeprefix("人民币"):
        if sign in _DIGITS:
            digit = _DIGITS[sign]
        elif sign in _PLACES:
            section, digit = section + digit * _PLACES[sign], 0
        elif sign == "万":
            total, section, digit = total + (section + digit) * 10_000, 0, 0
        elif sign == "亿":
            total, section, digit = (total + section + digit) * 100_000_000, 0, 0
        elif sign == "元":
            fen, total, section, digit = (total + section + digit) * 100, 0, 0, 0
        elif sign == "角":
            fen, digit = fen + digit * 10, 0
        elif sign == "分":
            fen, digit = fen + digit, 0
    return fen


@given(st.integers(min_value=1, max_value=999_999_999_999))
def test_every_amount_reads_back_as_itself(fen: int) -> None:
    words = amount_in_words(fen)
    assert read(words) == fen
    assert "零零" not in words


@pytest.mark.parametrize("fen", [0, -1, 10**18])
def test_no_words_for_what_is_no_amount(fen: int) -> None:
    with pytest.raises(ValueError, match="range"):
        amount_in_words(fen)
