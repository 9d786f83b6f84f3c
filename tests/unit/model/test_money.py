"""Money: the wire's decimal strings, rounding half-up per record, and amounts in words."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model.money import (
    MAX_FEN,
    InvalidAmount,
    amount_in_words,
    format_yuan,
    half_up,
    half_up_yuan,
    parse_words,
    parse_yuan,
)

FEN = st.integers(min_value=0, max_value=MAX_FEN)
RATIO = st.decimals(min_value=0, max_value=1, places=4)


@pytest.mark.parametrize(
    ("wire", "fen"),
    [("12.34", 1234), ("12.3", 1230), ("12", 1200), (12, 1200), (Decimal("0.05"), 5), ("0", 0), ("-0.00", 0)],
)
def test_wire_amounts_become_fen(wire: str | int | Decimal, fen: int) -> None:
    assert parse_yuan(wire) == fen


@pytest.mark.parametrize(
    "wire",
    [
        "0.005",
        "12.340",
        "1e2",
        "1E+2",
        "NaN",
        "Infinity",
        "",
        " 1.00",
        "1.00\n",
        "+1.00",
        "1,234.56",
        ".50",
        "5.",
        "١٢",
        "100000000000000.00",
        "-0.01",
        10**17,
        Decimal("1E+2"),
        Decimal("NaN"),
        Decimal("0.005"),
        12.34,
        True,
        None,
    ],
)
def test_everything_else_is_an_invalid_amount(wire: object) -> None:
    with pytest.raises(InvalidAmount) as refused:
        parse_yuan(wire, field="medfee_sumamt")  # type: ignore[arg-type]
    assert (refused.value.code, refused.value.field) == ("INVALID_AMOUNT", "medfee_sumamt")


def test_refusal_never_repeats_the_foreign_value() -> None:
    with pytest.raises(InvalidAmount) as refused:
        parse_yuan("110101199003071234X")
    assert "110101" not in str(refused.value)


def test_negative_amounts_only_where_asked_for() -> None:
    assert parse_yuan("-500.00", allow_negative=True) == -50000
    assert parse_yuan("99999999999999.99") == MAX_FEN


@given(st.integers(min_value=-MAX_FEN, max_value=MAX_FEN))
def test_format_and_parse_are_inverse(fen: int) -> None:
    assert parse_yuan(format_yuan(fen), allow_negative=True) == fen


@pytest.mark.parametrize(("fen", "text"), [(1234, "12.34"), (-1, "-0.01"), (0, "0.00"), (-123456, "-1234.56")])
def test_format(fen: int, text: str) -> None:
    assert format_yuan(fen) == text


@pytest.mark.parametrize(
    ("base", "item"),
    [
        ("0.01", "0.01"),
        ("0.02", "0.01"),
        ("0.03", "0.02"),
        ("12.34", "7.40"),
        ("100.01", "60.01"),
        ("1234.56", "740.74"),
        ("7777.77", "4666.66"),
        ("10000.05", "6000.03"),
        ("500000.01", "300000.01"),
        ("12000.01", "7200.01"),
        ("3333.33", "2000.00"),
        ("8765.43", "5259.26"),
        ("9999.99", "5999.99"),
    ],
)
def test_sixty_percent_of_a_record(base: str, item: str) -> None:
    """Acceptance 1, R-116."""
    assert half_up(parse_yuan(base), Decimal("0.60")) == parse_yuan(item)


def test_half_up_differs_from_half_even() -> None:
    """AMB-13: 95% of 0.30 is 0.285, half-up 0.29; the sign does not change the size."""
    assert half_up(30, Decimal("0.95")) == 29
    assert half_up(-30, Decimal("0.95")) == -29


def test_a_float_ratio_is_refused() -> None:
    with pytest.raises(TypeError):
        half_up(100, 0.6)  # type: ignore[arg-type]


@given(FEN, RATIO)
def test_half_up_agrees_with_exact_decimal_arithmetic(fen: int, ratio: Decimal) -> None:
    with localcontext() as exact:
        exact.prec = 60
        expected = int((fen * ratio).quantize(Decimal(1), rounding=ROUND_HALF_UP))
    assert half_up(fen, ratio) == expected
    assert half_up(-fen, ratio) == -expected


@pytest.mark.parametrize(
    ("verified", "reward"),
    [("136465.40", "6823.00"), ("100010.00", "5001.00"), ("10.00", "1.00"), ("9.99", "0.00"), ("0.00", "0.00")],
)
def test_reward_is_rounded_once_to_whole_yuan(verified: str, reward: str) -> None:
    """Acceptance 42, R-062, AMB-08."""
    assert half_up_yuan(parse_yuan(verified), Decimal("0.05")) == parse_yuan(reward)


@pytest.mark.parametrize(
    ("amount", "words"),
    [
        ("1409.50", "人民币壹仟肆佰零玖元伍角"),
        ("6007.14", "人民币陆仟零柒元壹角肆分"),
        ("1680.32", "人民币壹仟陆佰捌拾元叁角贰分"),
        ("107000.53", "人民币壹拾万柒仟元伍角叁分"),
        ("16409.02", "人民币壹万陆仟肆佰零玖元零贰分"),
        ("325.04", "人民币叁佰贰拾伍元零肆分"),
        ("100010001", "人民币壹亿零壹万零壹元整"),
        ("10", "人民币壹拾元整"),
        ("0", "人民币零元整"),
        ("0.05", "人民币伍分"),
    ],
)
def test_words_of_the_regulation(amount: str, words: str) -> None:
    assert amount_in_words(parse_yuan(amount)) == words


@pytest.mark.parametrize(
    ("words", "amount"),
    [
        ("人民币壹仟陆佰捌拾元零叁角贰分", "1680.32"),
        ("壹拾万柒仟元零伍角叁分整", "107000.53"),
        ("貳佰圓正", "200"),
        ("陸萬參仟元伍角整", "63000.50"),
        ("壹元零角伍分", "1.05"),
    ],
)
def test_other_spellings_are_understood(words: str, amount: str) -> None:
    assert parse_words(words) == parse_yuan(amount)


@pytest.mark.parametrize(
    "words", ["", "人民币", "元整", "拾元整", "壹佰", "壹元贰元", "壹拾壹佰元", "12元整", "壹万亿亿元"]
)
def test_words_that_are_no_amount(words: str) -> None:
    with pytest.raises(InvalidAmount):
        parse_words(words)


def test_negative_amounts_have_no_words() -> None:
    with pytest.raises(InvalidAmount):
        amount_in_words(-1)


@given(FEN)
def test_words_round_trip(fen: int) -> None:
    assert parse_words(amount_in_words(fen)) == fen
