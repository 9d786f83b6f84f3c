"""V1 and what follows from it, over every mixture of charges, holds and payments."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.flows.credit.figures import REFUND, Figures, accepted_legs, decided, figures, left, net
from gateway.journal.entities import GENESIS, Entity
from gateway.model.machines import CHARGE, HOLD

FEN = st.integers(0, 10**9)


def thing(kind: str, state: str, columns: dict[str, Any], **data: Any) -> Entity:
    """An entity as it would be read."""
    return Entity(kind, "X", state, 1, GENESIS, "H", columns, data)


def charge(state: str, amount: int, refunded: int = 0, kind: str = "WITHHOLD") -> Entity:
    return thing("charge", state, {"charge_kind": kind, "amount_fen": amount, "refunded_fen": refunded})


def visit(cash: int | None, topups: tuple[int, ...] = (), paid: int | None = None) -> Entity:
    settlement = None if cash is None else {"cash_fen": cash}
    rows = [{"amount_fen": amount} for amount in topups]
    return thing(
        "visit", "OPEN", {}, settlement=settlement, topups=rows, paid=None if paid is None else {"amount_fen": paid}
    )


@pytest.mark.parametrize("state", sorted(CHARGE.states))
def test_only_what_the_bank_has_taken_counts(state: str) -> None:
    taken = state in ("SUCCEEDED", "PART_REFUNDED", "REFUNDED", "VOIDED")
    assert net(charge(state, 100)) == (100 if taken else 0)
    assert net(charge(state, 100, kind=REFUND)) == 0


@pytest.mark.parametrize("state", sorted(CHARGE.states))
def test_what_may_still_change_is_not_decided(state: str) -> None:
    assert decided(charge(state, 1)) == (state not in ("CREATED", "SUBMITTED", "UNKNOWN"))


@pytest.mark.parametrize("state", sorted(HOLD.states))
def test_a_hold_counts_until_its_end_is_certain(state: str) -> None:
    hold = thing("hold", state, {"amount_fen": 300, "captured_fen": 0, "released_fen": 0})
    assert left(hold) == (0 if state in HOLD.final else 300)


@given(FEN, FEN, FEN, FEN)
def test_after_giving_back_what_was_paid_twice_the_parts_are_the_cash_part(
    cash: int, taken: int, topup: int, other: int
) -> None:
    """V1, as long as the window itself has not taken more than the bill."""
    money = figures(visit(cash, (topup,), other), (), [charge("SUCCEEDED", taken)])
    kept = money.charged_fen - money.overpaid_fen + topup + other
    assert kept + money.remaining_fen == max(cash, topup + other)
    assert not (money.remaining_fen and money.overpaid_fen)


def test_what_was_paid_twice_comes_off_the_charge_alone() -> None:
    assert Figures(1000, 1000, 0, 1000, 0).overpaid_fen == 1000
    assert Figures(1000, 400, 0, 700, 0).overpaid_fen == 100
    assert Figures(1000, 0, 300, 900, 0).overpaid_fen == 0


def test_a_visit_without_settlement_owes_nothing() -> None:
    assert figures(visit(None, (500,)), (), ()).remaining_fen == 0


def test_legs_that_did_not_fit_are_no_legs() -> None:
    rows = [
        {"leg_no": "L1", "estimate_fen": 100, "go": True}, {"leg_no": "L2", "estimate_fen": 50, "go": False},
        {"leg_no": "L3", "estimate_fen": 7, "go": True},
    ]  # fmt: skip
    seen = thing("visit", "OPEN", {}, legs=rows)
    assert accepted_legs(seen) == 107
    assert accepted_legs(seen, but="L1") == 7
