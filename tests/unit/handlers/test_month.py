"""Feedback, the month's and the year's formula, with the figures of the worked examples."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.handlers.base import load_handler
from gateway.handlers.feedback import Feedback, PaidOrder, by_pay_date, claims_in_month, feedback_due, spread_actual
from gateway.handlers.month import (
    AuditLine,
    MonthFacts,
    MonthResult,
    appeal_until,
    apply_deadline,
    audit_deduction,
    computable_from,
    formula,
    in_time,
    pay_by,
)
from gateway.handlers.year import YearFacts
from gateway.handlers.year import formula as year_formula
from gateway.model.profile_payout import Month, Payout
from tests.unit.handlers.handler_facts import CN, at, fen, profile, with_payout, yuan

NINGXIA = profile("ningxia")
HOSPITAL = "H64000100001"


def payout_part() -> Payout:
    """Ningxia's payout part."""
    assert NINGXIA.payout is not None
    return NINGXIA.payout


TERMS: Month = payout_part().month


def paid(name: str, settled: str, pay_date: str, amount: str, **changes: Any) -> PaidOrder:
    """An order of the month example, receipted on its pay date."""
    day = date.fromisoformat(pay_date)
    order = PaidOrder(
        pay_order_no=name,
        fixmedins_code=HOSPITAL,
        insutype="310",
        setl_date=date.fromisoformat(settled),
        pay_date=day,
        amount_fen=fen(amount),
        state="PAID",
        booking_date=day,
        receipt_no=f"R-{name}",
    )
    return replace(order, **changes)


S1 = paid("S1", "2025-03-03", "2025-03-04", "5,259.26")
S2 = paid("S2", "2025-03-07", "2025-03-10", "7,200.01")
S3 = paid("S3", "2025-03-08", "2025-03-10", "2,000.00")
S4 = paid("S4", "2025-03-20", "2025-03-21", "12,000.00", state="FAILED", booking_date=None, receipt_no="")
S5 = paid("S5", "2025-03-31", "2025-04-01", "5,999.99")
MX = [S1, S2, S3, S4, S5]
BASE = "54,098.76"


def basis(feedback: Feedback) -> str:
    """The deduction basis of the example's hospital."""
    return yuan(sum(hospital.basis_fen for hospital in feedback.hospitals))


def feed(month: str, orders: list[PaidOrder]) -> Feedback:
    """A month's feedback by pay date."""
    return by_pay_date(month, orders, NINGXIA).require()


def month_pay(
    daily: str, *, base: str = BASE, audit: str = "1,000", advance: str = "2,500", carry: str = "0"
) -> MonthResult:
    """The month's result."""
    return formula(MonthFacts(fen(base), fen(audit), fen(daily), fen(advance), fen(carry)), NINGXIA).require()


def test_month_example() -> None:
    """A.6, R-133, R-134: 14,459.27 deducted, 33,434.55 paid, 47,893.82 in all whatever happens to S4."""
    march = feed("202503", MX)
    assert basis(march) == "14459.27"
    assert [(line.kind, line.pay_order_no) for line in march.hospitals[0].lines] == [
        ("PAID", "S1"),
        ("PAID", "S2"),
        ("PAID", "S3"),
    ]
    assert march.pending == ()
    result = month_pay(basis(march))
    assert (yuan(result.after_ratio_fen), yuan(result.month_pay_fen)) == ("51393.82", "33434.55")
    assert yuan(fen("14,459.27") + result.month_pay_fen) == "47893.82"
    succeeded = feed("202503", [S1, S2, S3, replace(S4, state="PAID", booking_date=S4.pay_date), S5])
    assert basis(succeeded) == "26459.27"
    assert yuan(month_pay(basis(succeeded)).month_pay_fen) == "21434.55"
    april = feed("202504", [replace(order, reported_in="202503") for order in (S1, S2, S3)] + [S4, S5])
    assert basis(april) == "5999.99"


def test_attribution_by_claims() -> None:
    """AMB-15: 20,459.26 and 27,434.56; the profile's key alone switches the handler."""
    by_claims = with_payout(attribution="claims_in_month")
    for feedback in (
        claims_in_month("202503", MX, NINGXIA).require(),
        by_pay_date("202503", MX, by_claims).require(),
        load_handler("feedback", "claims_in_month")("202503", MX, NINGXIA).require(),
    ):
        assert basis(feedback) == "20459.26"
    assert yuan(month_pay("20,459.26").month_pay_fen) == "27434.56"


def test_status_without_receipt_waits_and_comes_later_once() -> None:
    """Acceptance 17, AMB-26."""
    open_s1 = replace(S1, state="STATUS_OK", booking_date=None, receipt_no="")
    march = feed("202503", [open_s1, S2, S3, S4, S5])
    assert (basis(march), march.pending) == ("9200.01", ("S1",))
    assert yuan(month_pay(basis(march)).month_pay_fen) == "38693.81"
    reported = [replace(order, reported_in="202503") for order in (S2, S3)]
    before_computed = feed("202503", [S1, *reported, S4, S5])
    assert basis(before_computed) == "14459.27"
    april = feed("202504", [S1, *reported, S4, S5])
    assert [(line.kind, line.pay_order_no) for line in april.hospitals[0].lines] == [
        ("LATE_RECEIPT", "S1"),
        ("PAID", "S5"),
    ]
    assert basis(april) == "11259.25"
    may = feed("202505", [replace(S1, reported_in="202504"), *reported, S4, replace(S5, reported_in="202504")])
    assert may.hospitals == ()


def test_deferred_payouts_stay_out_of_the_month_before() -> None:
    """Acceptance 12: 09-30 is paid on 10-09, the very day September's feedback is due."""
    september = paid("A", "2025-09-26", "2025-09-28", "100")
    october = paid("B", "2025-09-30", "2025-10-09", "200")
    assert basis(feed("202509", [september, october])) == "100.00"
    assert feedback_due("202509", payout_part(), CN) == date(2025, 10, 9)


@pytest.mark.parametrize(
    ("month", "due"),
    [("202503", "2025-04-07"), ("202506", "2025-07-07"), ("202509", "2025-10-09"), ("202604", "2026-05-06"),
     ("202609", "2026-10-08"), ("202512", "2026-01-05")],
)  # fmt: skip
def test_feedback_due(month: str, due: str) -> None:
    """R-124, acceptance 12."""
    assert feedback_due(month, payout_part(), CN).isoformat() == due


def test_money_that_came_back_nets_to_nothing() -> None:
    """M1: in the month itself if it is still open, else in the next open one."""
    returned = replace(S1, state="RETURNED", returned=True)
    same = feed("202503", [returned, S2])
    assert basis(same) == "7200.01"
    assert [line.kind for line in same.hospitals[0].lines] == ["PAID", "RETURN", "PAID"]
    later = feed("202504", [replace(returned, reported_in="202503")])
    assert [(line.kind, yuan(line.amount_fen)) for line in later.hospitals[0].lines] == [("RETURN", "-5259.26")]
    done = replace(returned, reported_in="202503", return_reported_in="202504")
    assert feed("202505", [done]).hospitals == ()


def test_hospitals_and_insurance_types_are_kept_apart() -> None:
    other = replace(S2, fixmedins_code="H64000100002")
    resident = replace(S1, insutype="390", amount_fen=100)
    feedback = feed("202503", [S1, resident, other])
    assert [(one.fixmedins_code[-1], one.insutype, yuan(one.basis_fen)) for one in feedback.hospitals] == [
        ("1", "310", "5259.26"),
        ("1", "390", "1.00"),
        ("2", "310", "7200.01"),
    ]


def test_pending_orders_are_those_a_receipt_may_still_prove() -> None:
    states = [
        "SUBMITTED",
        "UNKNOWN",
        "STATUS_OK",
        "STATUS_FAIL",
        "RECEIPT_PENDING",
        "FAILED",
        "CANCELLED",
        "IN_SUMMARY",
    ]
    orders = [replace(S1, pay_order_no=state, state=state, booking_date=None) for state in states]
    assert set(feed("202503", orders).pending) == set(states[:5])
    assert feed("202502", orders).pending == ()


@given(
    st.lists(
        st.tuples(st.integers(0, 80), st.integers(1, 10**7), st.sampled_from(["ok", "late", "failed", "returned"])),
        max_size=25,
    )
)
def test_every_proven_fen_is_deducted_exactly_once(rows: list[tuple[int, int, str]]) -> None:
    """M1, M2: over consecutive months the lines sum to the receipts, whatever failed, came late or came back."""
    orders = []
    for index, (days, amount, fate) in enumerate(rows):
        day = date(2025, 3, 3) + timedelta(days=days)
        order = paid(f"O{index}", day.isoformat(), day.isoformat(), "1", amount_fen=amount)
        orders.append(replace(order, state="FAILED", booking_date=None) if fate == "failed" else order)
    total = 0
    for number, month in enumerate(("202503", "202504", "202505", "202506", "202507", "202508")):
        seen = [
            replace(order, booking_date=None) if fate == "late" and number < 4 else
            replace(order, returned=order.booking_date is not None) if fate == "returned" and number > 2 else order
            for order, (_, _, fate) in zip(orders, rows, strict=True)
        ]  # fmt: skip
        feedback = feed(month, seen)
        total += sum(hospital.basis_fen for hospital in feedback.hospitals)
        lines = {(line.pay_order_no, line.kind == "RETURN") for one in feedback.hospitals for line in one.lines}
        orders = [
            replace(
                order,
                reported_in=month if (order.pay_order_no, False) in lines else order.reported_in,
                return_reported_in=month if (order.pay_order_no, True) in lines else order.return_reported_in,
            )
            for order in orders
        ]
    assert total == sum(amount for _, amount, fate in rows if fate in ("ok", "late"))


@pytest.mark.parametrize(
    ("items", "actual", "expected"),
    [
        ((720001, 200000), 920000, (720001, 199999)),
        ((720001, 200000), 920001, (720001, 200000)),
        ((720001, 200000), 700000, (700000, 0)),
        ((720001, 200000), 920003, (720001, 200002)),
        ((720001, 200000), 0, (0, 0)),
    ],
)
def test_actual_amount_is_taken_from_the_last_item(
    items: tuple[int, ...], actual: int, expected: tuple[int, ...]
) -> None:
    """Acceptance 20: the 0.01 is taken from the order's last item and falls into the month."""
    assert spread_actual(items, actual) == expected
    assert sum(spread_actual(items, actual)) == actual


@pytest.mark.parametrize(
    ("facts", "pay"),
    [
        (MonthFacts(fen("50,000"), 0, fen("36,000"), 0), "11500.00"),
        (MonthFacts(fen("59,000"), 0, fen("41,400"), 0), "14650.00"),
    ],
)
def test_cancelled_and_resettled_stays_come_back_through_the_formula(facts: MonthFacts, pay: str) -> None:
    """Acceptance 22, AMB-24."""
    assert yuan(formula(facts, NINGXIA).require().month_pay_fen) == pay


def test_negative_month_is_carried() -> None:
    """AMB-17, M3: r = formula − carried in; pay = max(0, r); carried out = max(0, −r)."""
    june = formula(MonthFacts(fen("-10,000"), 0, 0, 0), NINGXIA)
    result = june.require()
    assert (result.month_pay_fen, yuan(result.carried_out_fen)) == (0, "9500.00")
    assert june.reasons[-1].rule == "month.carry"
    july = formula(MonthFacts(fen("20,000"), 0, fen("12,000"), 0, result.carried_out_fen), NINGXIA).require()
    assert (july.month_pay_fen, yuan(july.carried_out_fen)) == (0, "2500.00")


def test_month_operands_are_checked() -> None:
    """M4."""
    facts = MonthFacts(fen("100"), fen("100.01"), 0, 0)
    assert formula(facts, NINGXIA).code == "INVALID_AMOUNT"
    assert formula(replace(facts, audit_deduct_fen=fen("100")), NINGXIA).ok
    with_refund = MonthFacts(fen("-9,900"), fen("50"), 0, 0, claims_fen=fen("100"))
    assert formula(with_refund, NINGXIA).ok
    for name in ("audit_deduct_fen", "proc_advance_fen", "carried_in_fen"):
        assert formula(replace(facts, **{"audit_deduct_fen": 0, name: -1}), NINGXIA).code == "INVALID_AMOUNT"
    assert formula(facts, profile("tianjin")).code == "NOT_LIVE"


@given(
    st.lists(st.tuples(st.integers(0, 10**9), st.booleans()), min_size=1, max_size=20),
    st.integers(0, 10**6),
    st.integers(0, 10**6),
)
def test_whatever_fails_the_hospital_gets_the_same_in_all(
    claims: list[tuple[int, bool]], audit: int, advance: int
) -> None:
    """M5, R-134: daily money that arrived + uncapped monthly result does not depend on which payouts failed."""
    base = sum(one for one, _ in claims) + audit
    arrived = sum(one * 6 // 10 for one, ok in claims if ok)
    result = formula(MonthFacts(base, audit, arrived, advance), NINGXIA).require()
    nothing_arrived = formula(MonthFacts(base, audit, 0, advance), NINGXIA).require()
    assert arrived + result.formula_fen == nothing_arrived.formula_fen
    assert result.month_pay_fen - result.carried_out_fen == result.formula_fen


@given(st.lists(st.tuples(st.integers(-(10**9), 10**9), st.integers(0, 10**9)), min_size=1, max_size=12))
def test_carries_lose_nothing_over_a_year(months: list[tuple[int, int]]) -> None:
    """M3 over consecutive months: Σ paid − last carry = Σ formula."""
    carried, paid_out, formulas = 0, 0, 0
    for base, daily in months:
        result = formula(MonthFacts(base, 0, daily, 0, carried), NINGXIA).require()
        paid_out, formulas, carried = (
            paid_out + result.month_pay_fen,
            formulas + result.formula_fen,
            result.carried_out_fen,
        )
    assert paid_out - carried == formulas


def test_audit_chain() -> None:
    """Acceptance 26, R-131."""
    line = AuditLine(fen("10,000"), fen("6,000"), fen("4,000"), fen("500"))
    assert yuan(audit_deduction(line).require()) == "5500.00"
    assert yuan(audit_deduction(AuditLine(fen("10,000"))).require()) == "10000.00"
    for wrong in (
        replace(line, upheld_fen=fen("6,000.01")),
        replace(line, appealed_fen=fen("10,000.01")),
        replace(line, waived_fen=fen("6,000.01")),
        replace(line, upheld_fen=-1),
        replace(line, waived_fen=-1),
    ):
        assert audit_deduction(wrong).code == "INVALID_AMOUNT"


def test_application_deadline_is_inclusive_and_not_deferred() -> None:
    """R-126, R-132, AMB-16."""
    assert apply_deadline("202503", TERMS, CN) == date(2025, 4, 15)
    assert in_time(at("2025-04-15 23:59:59"), "202503", TERMS, CN)
    assert not in_time(at("2025-04-16 00:00:00"), "202503", TERMS, CN)
    assert computable_from("202503", TERMS, CN) == at("2025-04-16 00:00:00")
    assert apply_deadline("202601", TERMS, CN) == date(2026, 2, 15)
    deferred = TERMS.model_copy(update={"apply_deferred": True})
    assert apply_deadline("202601", deferred, CN) == date(2026, 2, 24)


@pytest.mark.parametrize(
    ("month", "cap"),
    [("202503", "2025-05-15"), ("202508", "2025-10-17"), ("202509", "2025-11-12"), ("202512", "2026-02-12"),
     ("202601", "2026-03-20")],
)  # fmt: skip
def test_month_is_paid_within_twenty_working_days(month: str, cap: str) -> None:
    """R-136."""
    assert pay_by(None, month, TERMS, CN).isoformat() == cap


def test_paid_within_five_working_days_of_the_approval() -> None:
    """R-135, AMB-18: the cap still holds."""
    assert pay_by(date(2025, 9, 26), "202508", TERMS, CN) == date(2025, 10, 10)
    assert pay_by(date(2025, 10, 16), "202508", TERMS, CN) == date(2025, 10, 17)
    assert appeal_until(date(2025, 4, 18), TERMS, CN) == date(2025, 4, 25)


YEAR = YearFacts(
    annual_det_fen=fen("5,880,000"),
    month_net_fen=fen("1,950,000"),
    daily_paid_fen=fen("3,480,000"),
    proc_advance_fen=fen("150,000"),
    deposit_fen=fen("300,000"),
    grade="B",
)
KEEP = {"A": Decimal("0.00"), "B": Decimal("0.10")}


def test_year_example() -> None:
    """A.6, R-139, AMB-19."""
    result = year_formula(YEAR, payout_part().annual.deposit_keep_ratio_by_grade).require()
    assert (yuan(result.annual_pay_fen), yuan(result.deposit_kept_fen)) == ("270000.00", "30000.00")
    assert yuan(year_formula(replace(YEAR, grade="A"), KEEP).require().annual_pay_fen) == "300000.00"


def test_year_without_rules_and_with_wrong_operands() -> None:
    """R-137."""
    assert year_formula(replace(YEAR, grade="C"), KEEP).code == "RULES_MISSING"
    assert year_formula(YEAR, {}).code == "RULES_MISSING"
    assert year_formula(replace(YEAR, annual_det_fen=-1), KEEP).code == "INVALID_AMOUNT"


def test_negative_year_is_a_receivable() -> None:
    """Y4."""
    decision = year_formula(replace(YEAR, annual_det_fen=fen("5,500,000")), KEEP)
    result = decision.require()
    assert (result.annual_pay_fen, yuan(result.receivable_fen)) == (0, "110000.00")
    assert decision.reasons[-1].rule == "year.receivable"


@given(*[st.integers(0, 10**12)] * 5)
def test_year_ties(determined: int, net: int, daily: int, advance: int, deposit: int) -> None:
    """Y1, Y2."""
    result = year_formula(YearFacts(determined, net, daily, advance, deposit, "B"), KEEP).require()
    paid_in_all = result.annual_pay_fen - result.receivable_fen + net + daily + advance + result.deposit_kept_fen
    assert paid_in_all == determined
    assert 0 <= result.deposit_kept_fen <= deposit
