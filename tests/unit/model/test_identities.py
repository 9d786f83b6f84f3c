"""The identities of a settlement, with the forms provinces really use."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model.identities import differences
from gateway.model.money import parse_yuan

REAL_SHAPE = {
    "medfee_sumamt": "4.52", "preselfpay_amt": "0.23", "inscp_scp_amt": "4.29", "act_pay_dedc": "4.29",
    "fund_pay_sumamt": "0", "psn_part_amt": "4.52", "acct_pay": "4.52", "psn_cash_pay": "0",
}  # fmt: skip
VISIT = {
    "medfee_sumamt": "519.38", "fulamt_ownpay_amt": "20.00", "overlmt_selfpay": "0.00", "preselfpay_amt": "49.38",
    "inscp_scp_amt": "450.00", "hifp_pay": "280.00", "cvlserv_pay": "20.00", "fund_pay_sumamt": "300.00",
    "psn_part_amt": "219.38", "acct_pay": "19.38", "psn_cash_pay": "200.00", "hosp_part_amt": "0.00", "balc": "80.62",
}  # fmt: skip


def fen(amounts: Mapping[str, str], **changed: str) -> dict[str, int]:
    """Amounts in fen, some of them changed."""
    return {name: parse_yuan(value, allow_negative=True) for name, value in {**amounts, **changed}.items()}


@pytest.mark.parametrize("amounts", [REAL_SHAPE, VISIT])
def test_real_shapes_close(amounts: Mapping[str, str]) -> None:
    assert differences(fen(amounts)) == ()


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"inscp_scp_amt": "449.99"}, [("I1", 1)]),
        ({"hosp_part_amt": "0.01"}, [("I2", -1)]),
        ({"psn_cash_pay": "200.01"}, [("I3", -1)]),
        ({"oth_pay": "0.01"}, [("I4", -1)]),
        ({"medfee_sumamt": "519.39"}, [("I1", 1), ("I2", 1)]),
        ({"psn_cash_pay": "-0.01", "acct_pay": "219.39"}, [("I7", -1)]),
    ],
)
def test_a_fen_off_is_named(changed: dict[str, str], expected: list[tuple[str, int]]) -> None:
    found = differences(fen(VISIT, **changed))
    assert [(row.identity, row.difference_fen) for row in found] == expected
    assert all(row.detail for row in found)


def test_shared_family_account_inside_or_beside() -> None:
    inside = fen(VISIT, acct_mulaid_pay="10.00")
    beside = fen(VISIT, acct_mulaid_pay="10.00", psn_cash_pay="190.00")
    assert differences(inside) == differences(beside) == ()
    neither = fen(VISIT, acct_mulaid_pay="10.00", psn_cash_pay="195.00")
    assert [row.identity for row in differences(neither)] == ["I3"]


def test_fund_total_that_includes_the_account() -> None:
    """I6: fund_pay_sumamt = the funds + acct_pay, cash = fee − fund total; psn_part_amt in either form."""
    person_with_account = fen(VISIT, fund_pay_sumamt="319.38")
    person_without = fen(VISIT, fund_pay_sumamt="319.38", psn_part_amt="200.00")
    for amounts in (person_with_account, person_without):
        assert differences(amounts, fund_includes_acct=True) == ()
        assert {row.identity for row in differences(amounts)} >= {"I4"}
    assert {row.identity for row in differences(fen(VISIT), fund_includes_acct=True)} == {"I4"}


def test_fund_rows_leave_the_personal_account_out() -> None:
    rows: list[dict[str, str | int | None]] = [
        {"fund_pay_type": "310100", "fund_payamt": 28000},
        {"fund_pay_type": "320100", "fund_payamt": 2000},
        {"fund_pay_type": "310200", "fund_payamt": 1938},
        {"fund_pay_type": "310201", "fund_payamt": None},
    ]
    assert differences(fen(VISIT), details=rows) == ()
    wrong = differences(fen(VISIT), details=rows[:1])
    assert [(row.identity, row.difference_fen) for row in wrong] == [("I5", 2000)]


@pytest.mark.parametrize(
    ("before", "expected"), [("100.00", []), ("19.38", ["I7"]), ("10.00", ["I7", "I7"]), ("100.01", ["I7"])]
)
def test_account_balance(before: str, expected: list[str]) -> None:
    found = differences(fen(VISIT), balance_before_fen=parse_yuan(before))
    assert [row.identity for row in found] == expected


def test_shared_part_does_not_leave_the_own_account() -> None:
    amounts = fen(VISIT, acct_mulaid_pay="19.38", balc="100.00")
    assert differences(amounts, balance_before_fen=10000) == ()


def test_refund_rows_are_negative_and_have_no_balance() -> None:
    refund = {name: -value for name, value in fen(VISIT).items() if name != "balc"}
    assert differences(refund, refund=True, balance_before_fen=0) == ()
    assert [row.identity for row in differences(refund)] == ["I7"]


def test_missing_totals_are_not_guessed() -> None:
    assert differences({}) == ()
    assert differences({"psn_cash_pay": 100}) == ()


@given(st.lists(st.integers(min_value=0, max_value=10**12), min_size=6, max_size=6), st.booleans())
def test_every_consistent_settlement_closes(parts: list[int], includes: bool) -> None:
    hifp, hifob, account, cash, hospital, own = parts
    fund = hifp + hifob + (account if includes else 0)
    amounts = {
        "hifp_pay": hifp, "hifob_pay": hifob, "fund_pay_sumamt": fund, "acct_pay": account, "psn_cash_pay": cash,
        "hosp_part_amt": hospital, "psn_part_amt": account + cash,
        "medfee_sumamt": hifp + hifob + account + cash + hospital, "fulamt_ownpay_amt": own,
        "inscp_scp_amt": hifp + hifob + account + cash + hospital - own,
    }  # fmt: skip
    assert differences(amounts, fund_includes_acct=includes) == ()
