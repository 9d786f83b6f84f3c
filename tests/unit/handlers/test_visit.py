"""The visit: opening, legs, charge, refund, bill split, relatives."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.handlers.charge import Hold, bank_day, check_split, plan_charge, void_or_refund
from gateway.handlers.funding import Bill, ordered
from gateway.handlers.legs import HoldFacts, LegDecision, decide_leg, decide_presettle, decide_topup
from gateway.handlers.visit import RelativeFacts, VisitFacts, may_open, may_use_as_relative
from gateway.model.profile import LocalityProfile
from gateway.model.profile_payout import Platform
from tests.unit.handlers.handler_facts import at, fen, profile, with_credit, yuan

VISIT = VisitFacts(
    day=date(2025, 3, 3),
    fixmedins_code="H43050000001",
    scene="OUTPATIENT",
    agreement_state="ACTIVE",
    agreement_valid_to=date(2025, 12, 31),
    products=("OUTPATIENT",),
    insuplc_admdvs="430500",
)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({}, None),
        ({"agreement_state": "GRADED"}, "AGREEMENT_NOT_ACTIVE"),
        ({"agreement_valid_to": date(2025, 3, 2)}, "AGREEMENT_EXPIRED"),
        ({"agreement_valid_to": date(2025, 3, 3)}, None),
        ({"agreement_valid_to": None}, None),
        ({"scene": "INPATIENT"}, "PRODUCT_NOT_SIGNED"),
        ({"scene": "INPATIENT", "products": ("INPATIENT",)}, None),
        ({"scene": "ONLINE", "products": ("ONLINE",)}, "SCENE_NOT_SUPPORTED"),
        ({"fixmedins_code": "H43050000009"}, "HOSPITAL_NOT_ENABLED"),
        ({"insuplc_admdvs": "430100"}, "NOT_ELIGIBLE_REGION"),
        ({"insuplc_admdvs": ""}, None),
        ({"day": date(2024, 2, 29), "insuplc_admdvs": "430523"}, "NOT_ELIGIBLE_REGION"),
        ({"day": date(2024, 3, 1), "insuplc_admdvs": "430523"}, None),
        ({"day": date(2027, 1, 1), "agreement_valid_to": None}, "NOT_LIVE"),
    ],
)
def test_opening_a_visit(changes: dict[str, Any], code: str | None) -> None:
    """R-002, R-009, R-028, R-029, R-041."""
    assert may_open(replace(VISIT, **changes), profile("shaoyang")).code == code


def test_arrears_are_flagged_or_block() -> None:
    """R-023."""
    owing = replace(VISIT, arrears_fen=fen("600"))
    assert may_open(owing, profile("shaoyang")).require().has_arrears
    assert may_open(owing, with_credit("shaoyang", arrears="block")).code == "HAS_ARREARS"
    assert not may_open(VISIT, profile("shaoyang")).require().has_arrears


@pytest.mark.parametrize(
    ("city", "facts", "code"),
    [
        ("tianjin", RelativeFacts("CHILD", "D1", 8, True), "RELATIVE_NOT_SUPPORTED"),
        ("quanzhou", RelativeFacts("CHILD", "D1", 8, True), None),
        ("quanzhou", RelativeFacts("CHILD", "", 8, True), "RELATION_MISSING"),
        ("quanzhou", RelativeFacts("COUSIN", "D1", 30), "RELATION_MISSING"),
        ("quanzhou", RelativeFacts("CHILD", "D1", 8, False), "GUARDIAN_REQUIRED"),
        ("quanzhou", RelativeFacts("CHILD", "D1", None, False), "GUARDIAN_REQUIRED"),
        ("quanzhou", RelativeFacts("CHILD", "D1", 18, False), None),
        ("quanzhou", RelativeFacts("PARENT", "D1", 70), None),
        ("quanzhou", RelativeFacts("PARENT", "D1", 70, owner_dishonest=True), "BARRED_DISHONEST"),
    ],
)
def test_relatives(city: str, facts: RelativeFacts, code: str | None) -> None:
    """R-085, acceptance 37."""
    assert may_use_as_relative(facts, profile(city)).code == code


def _walk(limit: str, *legs: str) -> list[LegDecision]:
    """Decide legs one after the other on a fresh line."""
    facts, decisions = HoldFacts(avail_fen=fen(limit)), []
    for leg in legs:
        decisions.append(decide_leg(facts, fen(leg)).require())
        facts = decisions[-1].after
    return decisions


def test_four_legs_of_one_visit() -> None:
    """R-041: 10 + 120.5 + 300 + 88.88 = 519.38."""
    decisions = _walk("1,000", "10", "120.5", "300", "88.88")
    assert [one.decision for one in decisions] == ["go"] * 4
    assert (yuan(decisions[-1].hold_fen), yuan(decisions[-1].after.avail_fen)) == ("519.38", "480.62")


def test_leg_that_does_not_fit_holds_nothing() -> None:
    """R-046: limit 500, 200 and 250 go, 100 is over by 50; the patient pays that leg and goes on."""
    *_, last = _walk("500", "200", "250", "100")
    assert (last.decision, yuan(last.excess_fen), yuan(last.hold_fen)) == ("over_limit", "50.00", "450.00")
    assert last.after.avail_fen == fen("50")
    paid = decide_topup(last.after, fen("100"), fen("100")).require()
    assert (paid.decision, yuan(paid.hold_fen), paid.after.avail_fen) == ("go", "450.00", fen("50"))


def test_reminder_at_the_crossing_only() -> None:
    """R-013: 1,250.50 against 1,000.00 exceeds by 250.50; exactly 1,000.00 does not; one reminder per crossing."""
    over = decide_leg(HoldFacts(fen("1,000")), fen("1,250.50")).require()
    assert (over.decision, yuan(over.excess_fen), over.remind) == ("over_limit", "250.50", True)
    again = decide_leg(over.after, fen("1,100")).require()
    assert (again.decision, again.remind) == ("over_limit", False)
    exact = decide_leg(over.after, fen("1,000")).require()
    assert (exact.decision, exact.remind, exact.after.over) == ("go", False, False)
    crossing_again = decide_leg(exact.after, 1).require()
    assert (crossing_again.excess_fen, crossing_again.remind) == (1, True)


def test_topup_covers_the_excess_or_not() -> None:
    """R-014: withheld + top-up = 1,250.50; a top-up that is too small leaves the leg over the limit by the rest."""
    over = decide_leg(HoldFacts(fen("1,000")), fen("1,250.50")).require()
    enough = decide_topup(over.after, fen("1,250.50"), fen("250.50")).require()
    assert (enough.decision, yuan(enough.hold_fen)) == ("go", "1000.00")
    short = decide_topup(over.after, fen("1,250.50"), fen("250.49")).require()
    assert (short.decision, short.excess_fen, short.after.topup_fen) == ("over_limit", 1, fen("250.49"))
    rest = decide_topup(short.after, fen("1,250.50"), 1).require()
    assert (rest.decision, yuan(rest.hold_fen)) == ("go", "1000.00")


def test_presettlement_raises_the_hold_but_frees_no_leg() -> None:
    """D.2: the hold is max(Σ accepted legs, last psn_cash_pay of 2206) − top-ups."""
    legs = _walk("1,000", "300")[-1].after
    lower = decide_presettle(legs, fen("200")).require()
    assert yuan(lower.hold_fen) == "300.00"
    higher = decide_presettle(lower.after, fen("450")).require()
    assert (yuan(higher.hold_fen), yuan(higher.after.avail_fen)) == ("450.00", "550.00")
    assert yuan(decide_presettle(higher.after, fen("320")).require().hold_fen) == "320.00"


def test_lowered_limit_holds_nothing_more() -> None:
    """D.1: avail may be negative; the excess is then the whole leg, and a leg of 0 goes."""
    facts = HoldFacts(avail_fen=fen("-100"), held_fen=fen("300"), accepted_fen=fen("300"))
    assert decide_leg(facts, fen("10")).require().excess_fen == fen("10")
    assert decide_leg(facts, 0).require().decision == "go"


@given(st.integers(0, 10**6), st.lists(st.tuples(st.integers(0, 10**5), st.integers(0, 10**5)), max_size=12))
def test_holds_and_free_part_always_make_the_limit(limit: int, legs: list[tuple[int, int]]) -> None:
    """I1, I2 over any sequence of legs and top-ups."""
    facts = HoldFacts(avail_fen=limit)
    for estimate, topup in legs:
        decision = decide_leg(facts, estimate).require()
        if decision.decision == "over_limit" and topup:
            assert decision.after.held_fen == facts.held_fen
            decision = decide_topup(decision.after, estimate, topup).require()
        facts = decision.after
        assert facts.held_fen + facts.avail_fen == limit
        assert 0 <= facts.held_fen <= limit
        assert decision.excess_fen >= 0


MORNING = at("2025-03-01 09:00:00")


def _deposit(amount: str, hold_id: str = "H1", placed: str = "2025-03-01 09:00:00") -> Hold:
    return Hold(hold_id, fen(amount), at(placed))


@pytest.mark.parametrize(
    ("cash", "captured", "released", "extra", "avail_after"),
    [
        ("2,650.00", "2650.00", "350.00", "0.00", "7350.00"),
        ("3,400.00", "3000.00", "0.00", "400.00", "6600.00"),
        ("0.00", "0.00", "3000.00", "0.00", "10000.00"),
        ("3,000.00", "3000.00", "0.00", "0.00", "7000.00"),
    ],
)
def test_deposit_at_discharge(cash: str, captured: str, released: str, extra: str, avail_after: str) -> None:
    """R-075, acceptance 33: line 10,000.00, hold 3,000.00."""
    plan = plan_charge(fen(cash), [_deposit("3,000")], fen("7,000"), profile("guangzhou")).require()
    (capture,) = plan.captures
    assert (yuan(capture.capture_fen), yuan(capture.release_fen), yuan(plan.extra_fen)) == (captured, released, extra)
    assert yuan(fen("10,000") - plan.charged_fen) == avail_after


def test_one_charge_for_the_whole_visit() -> None:
    """R-015: 2,500.00 is one charge, nothing held."""
    plan = plan_charge(fen("2,500"), [], fen("8,000"), profile("shaoyang")).require()
    assert (plan.captures, plan.extra_fen, plan.charged_fen) == ((), fen("2,500"), fen("2,500"))


def test_over_the_limit_nothing_is_charged() -> None:
    """Acceptance 30: avail 1,200.00; 1,200.01 exceeds by 0.01 and there is no partial charge."""
    shaoyang = profile("shaoyang")
    assert plan_charge(fen("1,200"), [], fen("1,200"), shaoyang).ok
    over = plan_charge(fen("1,200.01"), [], fen("1,200"), shaoyang)
    assert (over.code, over.facts) == ("OVER_LIMIT", {"excess_amt": "0.01"})
    partial = plan_charge(fen("1,200.01"), [], fen("1,200"), with_credit("shaoyang", allow_partial=True))
    assert (partial.require().charged_fen, partial.require().excess_fen) == (fen("1,200"), 1)
    assert plan_charge(fen("1,200.01"), [], fen("1,200"), shaoyang, paid_fen=1).ok


def test_oldest_hold_is_captured_first() -> None:
    """AMB-34."""
    holds = [_deposit("1,000", "H2", "2025-03-05 09:00:00"), _deposit("2,000", "H1")]
    plan = plan_charge(fen("2,300"), holds, 0, profile("guangzhou")).require()
    assert [(one.hold_id, yuan(one.capture_fen), yuan(one.release_fen)) for one in plan.captures] == [
        ("H1", "2000.00", "0.00"),
        ("H2", "300.00", "700.00"),
    ]


@given(
    st.integers(0, 10**7),
    st.lists(st.integers(1, 10**6), max_size=5),
    st.integers(-(10**6), 10**7),
    st.integers(0, 10**6),
)
def test_every_charge_plan_ties(cash: int, holds: list[int], avail: int, paid: int) -> None:
    """H1, H2, H3, V1, V2."""
    placed = [Hold(f"H{index}", amount, MORNING) for index, amount in enumerate(holds)]
    decision = plan_charge(cash, placed, avail, profile("guangzhou"), paid_fen=paid)
    plan = decision.value
    assert plan is not None
    assert plan.charged_fen + plan.excess_fen == plan.need_fen == max(0, cash - paid)
    assert [one.capture_fen + one.release_fen for one in plan.captures] == holds
    assert plan.extra_fen <= max(0, avail)
    assert plan.extra_fen == 0 or all(one.release_fen == 0 for one in plan.captures)
    assert decision.ok == (plan.excess_fen == 0)


SWITCH = time(23)


@pytest.mark.parametrize(
    ("now", "amount", "expected"),
    [
        ("2025-03-03 22:59:59", "200", "VOID"),
        ("2025-03-03 23:00:00", "200", "REFUND"),
        ("2025-03-03 12:00:00", "199.99", "REFUND"),
        ("2025-03-04 09:00:00", "200", "REFUND"),
    ],
)
def test_void_before_the_day_switch_refund_after(now: str, amount: str, expected: str) -> None:
    """D.4: a full give-back within the bank's day is a void."""
    decision = void_or_refund(at("2025-03-03 10:00:00"), at(now), SWITCH, fen(amount), fen("200"))
    assert decision.require() == expected


def test_refunds_never_exceed_the_charge() -> None:
    """W2."""
    charged_at, now = at("2025-03-03 23:30:00"), at("2025-03-04 22:00:00")
    assert bank_day(charged_at, SWITCH) == bank_day(now, SWITCH) == date(2025, 3, 4)
    for amount, refunded in (("200.01", "0"), ("100.01", "100"), ("0", "0"), ("-1", "0")):
        refused = void_or_refund(charged_at, now, SWITCH, fen(amount), fen("200"), fen(refunded))
        assert refused.code == "EXCEEDS_CAPTURED"
    assert void_or_refund(charged_at, now, SWITCH, fen("100"), fen("200"), fen("100")).require() == "REFUND"


SPLIT = {"medfee_sumamt": 51938, "fund_pay_sumamt": 30000, "acct_pay": 1938, "psn_cash_pay": 20000}


def _includes() -> LocalityProfile:
    return profile("guangzhou").model_copy(update={"platform": Platform(fund_includes_acct=True)})


def test_bill_split_ties_to_the_fen() -> None:
    """R-048: 519.38 = 300.00 + 19.38 + 200.00."""
    tianjin = profile("tianjin")
    assert check_split(fen("519.38"), SPLIT, tianjin).require() == 0
    off = check_split(fen("519.39"), SPLIT, tianjin)
    assert (off.code, off.value, off.facts) == ("SPLIT_MISMATCH", 1, {"hosp_recon_diff": "0.01"})
    assert check_split(fen("519.38"), {**SPLIT, "fund_pay_sumamt": 31938}, _includes()).ok
    assert check_split(fen("529.38"), {**SPLIT, "hosp_part_amt": 1000}, tianjin).ok
    assert check_split(fen("519.38"), {**SPLIT, "acct_mulaid_pay": 1000}, tianjin).ok
    assert check_split(fen("529.38"), {**SPLIT, "acct_mulaid_pay": 1000}, tianjin).ok
    assert check_split(fen("524.38"), {**SPLIT, "acct_mulaid_pay": 1000}, tianjin).code == "SPLIT_MISMATCH"


def test_line_pays_the_cash_part_only() -> None:
    """R-047, V6: of 800.00 with fund 500.00 the line pays 300.00; the order is the profile's."""
    bill = Bill({"medfee_sumamt": 80000, "fund_pay_sumamt": 50000, "psn_cash_pay": 30000}, {"CREDIT": fen("8,000")})
    shares = ordered(bill, profile("tianjin")).require()
    assert [(share.source, yuan(share.amount_fen)) for share in shares] == [
        ("FUND", "500.00"),
        ("ACCOUNT", "0.00"),
        ("CREDIT", "300.00"),
    ]
    short = ordered(replace(bill, personal={"CREDIT": 29999}), profile("tianjin"))
    assert (short.code, short.facts) == ("OVER_LIMIT", {"excess_amt": "0.01"})
    with_card = with_credit("tianjin", funding_order=("FUND", "ACCOUNT", "CREDIT", "CARD"))
    both = ordered(replace(bill, personal={"CREDIT": 29999, "CARD": 500}), with_card).require()
    assert both[-1].amount_fen == 1
    assert ordered(replace(bill, amounts={**bill.amounts, "acct_pay": 1}), profile("tianjin")).code == "SPLIT_MISMATCH"


@given(st.integers(0, 10**9), st.integers(0, 10**9), st.integers(0, 10**9), st.booleans())
def test_shares_sum_to_the_fee(fund: int, account: int, cash: int, includes: bool) -> None:
    amounts = {
        "medfee_sumamt": fund + account + cash,
        "fund_pay_sumamt": fund + (account if includes else 0),
        "acct_pay": account,
        "psn_cash_pay": cash,
    }
    city = _includes() if includes else profile("guangzhou")
    shares = ordered(Bill(amounts, {"CREDIT": cash}), city).require()
    assert sum(share.amount_fen for share in shares) == fund + account + cash
    assert {share.source: share.amount_fen for share in shares}["FUND"] == fund
