"""The line: limit within cap and range, what is free, interest-free days, working capital and rewards."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.handlers.line import Offer, available, bank_offer_within_cap, interest_free_until, used_after_repayment
from gateway.handlers.support import CapitalRequest, reward, working_capital
from tests.unit.handlers.handler_facts import fen, profile, yuan


@pytest.mark.parametrize(
    ("offer", "cap", "limit", "mismatch"),
    [("12,000", "10,000", "10000.00", True), ("800", "10,000", "800.00", False), ("20,000", "500", "500.00", True)],
)
def test_limit_is_the_smaller_of_band_cap_and_offer(offer: str, cap: str, limit: str, mismatch: bool) -> None:
    """R-044, acceptance 28."""
    line = bank_offer_within_cap(Offer(fen(offer), fen(cap)), profile("tianjin")).require()
    assert (yuan(line.limit_fen), line.mismatch) == (limit, mismatch)


def test_cap_bounds_all_lines_of_the_scheme() -> None:
    """AMB-34, I5."""
    tianjin = profile("tianjin")
    second = bank_offer_within_cap(Offer(fen("800"), fen("1,000"), fen("600")), tianjin).require()
    assert (yuan(second.limit_fen), second.mismatch) == ("400.00", True)
    assert bank_offer_within_cap(Offer(fen("800"), fen("1,000"), fen("1,000")), tianjin).code == "ABOVE_CAP"


@pytest.mark.parametrize(
    ("offer", "ok"), [("4,999.99", False), ("5,000", True), ("20,000", True), ("20,000.01", False)]
)
def test_quanzhou_range(offer: str, ok: bool) -> None:
    """R-085."""
    decision = bank_offer_within_cap(Offer(fen(offer)), profile("quanzhou"))
    assert decision.code == (None if ok else "INVALID_AMOUNT")


def test_the_bank_alone_decides_elsewhere() -> None:
    """R-007, R-077: stored unchanged, also 0; never negative."""
    assert bank_offer_within_cap(Offer(fen("12,000")), profile("guangzhou")).require().limit_fen == fen("12,000")
    assert bank_offer_within_cap(Offer(fen("300")), profile("shaoyang")).require().limit_fen == fen("300")
    assert bank_offer_within_cap(Offer(0), profile("shaoyang")).require().limit_fen == 0
    assert bank_offer_within_cap(Offer(-1), profile("shaoyang")).code == "INVALID_AMOUNT"


@given(st.integers(0, 10**9), st.integers(0, 10**9), st.integers(0, 10**9))
def test_lines_never_exceed_the_cap_together(offer: int, cap: int, others: int) -> None:
    decision = bank_offer_within_cap(Offer(offer, cap, others), profile("tianjin"))
    if decision.ok:
        line = decision.require()
        assert line.limit_fen <= offer
        assert line.limit_fen + others <= cap
        assert line.mismatch == (line.limit_fen < offer)


def test_available_and_repayment() -> None:
    """Acceptance 30, I2."""
    limit, used, held = fen("5,000"), fen("3,200"), fen("600")
    assert yuan(available(limit, used, held)) == "1200.00"
    full = fen("4,400")
    assert yuan(available(limit, used_after_repayment(full, fen("500"), revolving=True), held)) == "500.00"
    assert yuan(available(limit, used_after_repayment(full, fen("500"), revolving=False), held)) == "0.00"
    assert available(fen("100"), fen("150"), 0) < 0


@pytest.mark.parametrize(
    ("locality", "advance", "bank_days", "last"),
    [
        ("tianjin", "2025-03-01", None, "2025-04-29"),
        ("tianjin", "2024-02-01", None, "2024-03-31"),
        ("quanzhou", "2025-03-01", None, "2025-04-20"),
        ("guangzhou", "2025-03-01", 56, "2025-04-26"),
        ("tianjin", "2025-03-01", 90, "2025-04-29"),
        ("tianjin", "2025-03-01", 0, "2025-03-01"),
    ],
)
def test_interest_free_until(locality: str, advance: str, bank_days: int | None, last: str) -> None:
    """R-049, R-077, R-085, acceptance 39."""
    decision = interest_free_until(date.fromisoformat(advance), bank_days, profile(locality))
    assert decision.require().isoformat() == last
    assert decision.reasons[0].decision == ("note" if bank_days == 90 else "pass")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({}, None),
        ({"amount_fen": fen("100,000.01")}, "ABOVE_CAP"),
        ({"amount_fen": 0}, "ABOVE_CAP"),
        ({"live": False}, "NOT_LIVE"),
        ({"commitment_id": ""}, "COMMITMENT_MISSING"),
        ({"grade": "E"}, "RULES_MISSING"),
        ({"base_fen": None}, "RULES_MISSING"),
        ({"grade": "C", "amount_fen": 1}, "ABOVE_CAP"),
    ],
)
def test_working_capital(changes: dict[str, object], code: str | None) -> None:
    """R-026, acceptance 44."""
    request = {
        "amount_fen": fen("100,000"),
        "base_fen": fen("2,000,000"),
        "grade": "A",
        "live": True,
        "commitment_id": "C",
    }
    decision = working_capital(CapitalRequest(**{**request, **changes}), profile("shaoyang"))  # type: ignore[arg-type]
    assert decision.code == code
    if code is None:
        assert yuan(decision.require().cap_fen) == "100000.00"


@given(st.integers(0, 10**14))
def test_working_capital_never_rounds_above_five_percent(base: int) -> None:
    decision = working_capital(CapitalRequest(1, base, "A", True, "C"), profile("shaoyang"))
    assert decision.value is not None
    assert decision.value.cap_fen * 20 <= base < (decision.value.cap_fen + 1) * 20


@pytest.mark.parametrize(
    ("verified", "amount"), [("136,465.40", "6823.00"), ("10.00", "1.00"), ("100,010.00", "5001.00")]
)
def test_reward_on_the_verified_amount(verified: str, amount: str) -> None:
    """R-062, R-063, acceptance 42."""
    assert yuan(reward(fen(verified)).require()) == amount
    assert reward(fen("147,000")).require() != reward(fen("136,465.40")).require()
    assert reward(fen("100"), Decimal("0.01")).require() == 100
