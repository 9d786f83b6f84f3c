"""Matching a receipt with its order: the receipt, not the status, is the proof."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.handlers.receipt import OrderFacts, ReceiptFacts, match_receipt
from gateway.model.masked import AccountNo
from gateway.model.money import amount_in_words
from tests.unit.handlers.handler_facts import CN, fen

PAYER, PAYEE = AccountNo("6222000064000001"), AccountNo("6222064000100001")
ORDER = OrderFacts("P1", fen("9,200.01"), PAYER, PAYEE, date(2025, 3, 10))
RECEIPT = ReceiptFacts("R1", fen("9,200.01"), PAYER, PAYEE, date(2025, 3, 10), "CNY", "人民币玖仟贰佰元零壹分")


@pytest.mark.parametrize(
    ("changes", "state", "differences"),
    [
        ({}, "MATCHED", ()),
        ({"amount_fen": fen("9,200"), "amount_in_words": ""}, "MISMATCH", ("amount",)),
        ({"amount_in_words": "玖仟贰佰元整"}, "MISMATCH", ("amount_in_words",)),
        ({"amount_in_words": "nine thousand"}, "MISMATCH", ("amount_in_words",)),
        ({"payer": AccountNo("1")}, "MISMATCH", ("payer",)),
        ({"payee": AccountNo("6222 0640 0010 0001")}, "MATCHED", ()),
        ({"payee": PAYER}, "MISMATCH", ("payee",)),
        ({"currency": "USD"}, "MISMATCH", ("currency",)),
        ({"booking_date": date(2025, 3, 9)}, "MISMATCH", ("booking_date",)),
        ({"booking_date": date(2025, 3, 12)}, "MATCHED", ()),
        ({"booking_date": date(2025, 3, 13)}, "MISMATCH", ("booking_date",)),
    ],
)
def test_receipt_match(changes: dict[str, Any], state: str, differences: tuple[str, ...]) -> None:
    """D.7, R-123, acceptance 20."""
    found = match_receipt(replace(RECEIPT, **changes), ORDER, CN).require()
    assert (found.state, found.differences) == (state, differences)


def test_receipt_without_order_and_second_receipt() -> None:
    """R1: a receipt proves at most one order and an order is proven once."""
    assert match_receipt(RECEIPT, None, CN).require().state == "ORPHAN"
    assert match_receipt(RECEIPT, replace(ORDER, proven_by="R0"), CN).require().state == "DUPLICATE_SUSPECT"
    assert match_receipt(RECEIPT, replace(ORDER, proven_by="R1"), CN).require().state == "MATCHED"


def test_booking_window_runs_over_holidays() -> None:
    order = replace(ORDER, pay_date=date(2025, 9, 30))
    assert match_receipt(replace(RECEIPT, booking_date=date(2025, 10, 10)), order, CN).require().state == "MATCHED"
    assert match_receipt(replace(RECEIPT, booking_date=date(2025, 10, 11)), order, CN).require().state == "MISMATCH"


@given(st.integers(1, 10**12))
def test_any_amount_matches_its_own_words(amount: int) -> None:
    receipt = replace(RECEIPT, amount_fen=amount, amount_in_words=amount_in_words(amount))
    assert match_receipt(receipt, replace(ORDER, amount_fen=amount), CN).require().state == "MATCHED"
