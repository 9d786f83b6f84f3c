"""The split of a bill closes to the fen, whatever the bill (national-interface 3.3, 3.6)."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.platform.engine import ACCOUNT_FUND, AMOUNTS, FUNDS, Case, broken_identities, settle, split_row
from simulators.platform.forced import DoesNotClose, apply_forced, check_forced, parse_forced
from simulators.platform.money import Fen, fen_of, half_up, parse_json, render, trimmed, yuan
from simulators.platform.refusals import Refused
from simulators.platform.rows import INPATIENT, OUTPATIENT, PHARMACY

FEN = st.integers(min_value=0, max_value=50_000_000)
CASES = st.builds(
    Case,
    insutype=st.sampled_from(["310", "390", "340", "510"]),
    kind=st.sampled_from([OUTPATIENT, INPATIENT, PHARMACY]),
    hosp_lv=st.sampled_from(["1", "2", "3", "9", ""]),
    retired=st.booleans(),
    civil_servant=st.booleans(),
    assisted=st.booleans(),
    balance=FEN,
    use_account=st.booleans(),
    cross_area=st.booleans(),
    totals_moved=st.booleans(),
    hospital_part=st.booleans(),
)


@given(st.tuples(FEN, FEN, FEN, FEN), CASES)
def test_every_identity_closes_for_every_bill(parts: tuple[int, int, int, int], case: Case) -> None:
    result = settle(parts, case)
    a = result.amounts
    assert set(a) == set(AMOUNTS)
    assert broken_identities(a) == []
    assert all(a[name] >= 0 for name in AMOUNTS)
    assert a["acct_pay"] <= case.balance
    assert a["act_pay_dedc"] <= a["inscp_scp_amt"]
    # I5: the fund rows add up, the account's row aside
    assert sum(fen for code, _, fen in result.details if code != ACCOUNT_FUND[0]) == a["fund_pay_sumamt"]


@given(
    st.text(alphabet="XCZT0123456789", min_size=1, max_size=23),
    st.integers(min_value=-5_000_000, max_value=5_000_000),
    st.integers(min_value=1, max_value=50),
)
def test_a_row_is_the_sum_of_its_four_parts_and_a_refund_row_mirrors_it(code: str, fen: int, count: int) -> None:
    price = Decimal(abs(fen)) / 100 / count
    row = split_row(code, fen, Decimal(count), price)
    assert row.amount == fen == row.ownpay + row.overlmt + row.preself + row.inscp
    back = split_row(code, -fen, Decimal(-count), price)
    assert (back.ownpay, back.overlmt, back.preself, back.inscp) == (
        -row.ownpay,
        -row.overlmt,
        -row.preself,
        -row.inscp,
    )


@pytest.mark.parametrize(
    ("code", "level", "preself", "ownpay"),
    [("X0001", "01", 0, 0), ("X0006", "02", 1000, 0), ("X0009", "03", 0, 10000)],
)
def test_the_last_character_of_the_code_decides_the_level(code: str, level: str, preself: int, ownpay: int) -> None:
    row = split_row(code, 10_000, Decimal(1), Decimal(100))
    assert (row.level, row.preself, row.ownpay) == (level, preself, ownpay)


def test_what_a_consumable_costs_above_its_ceiling_is_the_patients() -> None:
    row = split_row("C0001", 1_200_000, Decimal(2), Decimal(6000))
    assert (row.overlmt, row.inscp) == (200_000, 1_000_000)


def test_an_employees_stay_at_a_level_three_hospital() -> None:
    """62,0.40 out of catalogue, 840.00 first self-pay, 11,400.00 within policy; deductible 800.00, 85 %, 90 % above."""
    a = settle((62_040, 0, 84_000, 1_140_000), Case("310", INPATIENT, "3", balance=150_000, use_account=True)).amounts
    assert (a["act_pay_dedc"], a["hifp_pay"], a["hifob_pay"]) == (80_000, 850_000, 54_000)
    assert (a["psn_part_amt"], a["acct_pay"], a["psn_cash_pay"]) == (382_040, 150_000, 232_040)


FORCIBLE = ["hifp_pay", "hifob_pay", "cvlserv_pay", "hifmi_pay", "maf_pay"]


@given(
    st.dictionaries(st.sampled_from(FORCIBLE), st.integers(0, 500_000), min_size=1),
    st.integers(0, 500_000),
    st.integers(0, 500_000),
    st.sampled_from([(), ("psn_cash_pay",), ("acct_pay",), ("acct_pay", "psn_cash_pay")]),
)
def test_forced_figures_hold_exactly_and_the_rest_closes(
    funds: dict[str, int], account: int, cash: int, also: tuple[str, ...]
) -> None:
    total = sum(funds.values()) + account + cash
    given_figures = {**funds, "medfee_sumamt": total}
    given_figures |= {name: {"acct_pay": account, "psn_cash_pay": cash}[name] for name in also}
    forced = parse_forced({name: yuan(fen) for name, fen in given_figures.items()})
    a = apply_forced(forced, (0, 0, 0, total), Case("310", OUTPATIENT, "3")).result.amounts
    assert {name: a[name] for name in given_figures} == given_figures
    assert broken_identities(a) == []


def test_figures_that_contradict_each_other_are_refused_with_the_identity() -> None:
    forced = parse_forced({"medfee_sumamt": "100.00", "fund_pay_sumamt": "60.00", "psn_part_amt": "39.99"})
    with pytest.raises(DoesNotClose, match="I2"):
        check_forced(forced, Case("310", OUTPATIENT, "3"))
    with pytest.raises(DoesNotClose, match="I4"):
        check_forced(
            parse_forced(
                dict.fromkeys((*FUNDS, "medfee_sumamt"), "1.00") | {"fund_pay_sumamt": "9.00", "acct_pay": "0"}
            ),
            Case("310", OUTPATIENT, "3"),
        )
    with pytest.raises(DoesNotClose, match="certno"):
        parse_forced({"certno": "1"})


def test_a_figure_that_no_fen_can_hold_is_shown_as_it_was_forced() -> None:
    forced = parse_forced({"medfee_sumamt": "1.000", "hifp_pay": "0.005", "psn_cash_pay": "0.995"})
    found = apply_forced(forced, (0, 0, 0, 100), Case("310", OUTPATIENT, "3"))
    assert found.verbatim == {"hifp_pay": "0.005", "fund_pay_sumamt": "0.005", "psn_part_amt": "0.995"} | {
        "psn_cash_pay": "0.995"
    }
    assert found.result.amounts["hifp_pay"] == 1


@given(st.integers(-(10**12), 10**12))
def test_money_survives_the_wire_in_both_spellings(fen: int) -> None:
    assert fen_of(parse_json(trimmed(fen)), "x") == fen
    assert fen_of(yuan(fen), "x") == fen
    assert parse_json(render({"a": Fen(fen)}, amounts_as_strings=True)) == {"a": yuan(fen)}
    assert Decimal(render({"a": Fen(fen)}, amounts_as_strings=False)[5:-1].decode()) * 100 == fen


def test_amounts_are_spelled_without_trailing_zeros() -> None:
    assert render({"a": Fen(9050), "b": Fen(9000), "c": Fen(-5)}, amounts_as_strings=False) == (
        b'{"a":90.5,"b":90,"c":-0.05}'
    )


@pytest.mark.parametrize("value", ["0.005", "1,00", "", None, True, "NaN", [1]])
def test_an_amount_that_is_none_is_refused(value: object) -> None:
    with pytest.raises(Refused):
        fen_of(value, "medfee_sumamt")


def test_rounding_is_half_up_on_both_sides_of_zero() -> None:
    assert [half_up(fen, 5_000) for fen in (1, 3, -1, -3)] == [1, 2, -1, -2]
