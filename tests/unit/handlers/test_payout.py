"""The daily payout: scope, amount, date, cut-off and the summary of a settlement date."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.handlers.payout import (
    Claim,
    PayoutAmount,
    base_of,
    calendar_of,
    check_cutoff,
    cutoff_at,
    in_pool_area,
    next_working_day,
    ratio_per_record,
)
from gateway.handlers.summary import Declared, PayoutItem, PayoutSummary, build_summary, check_ties
from gateway.model.ids import settlement_key
from gateway.model.masked import AccountNo
from gateway.model.profile import LocalityProfile
from gateway.model.profile_payout import Payout, Scope
from gateway.model.refusals import Refusal
from tests.unit.handlers.handler_facts import CN, at, fen, profile, with_payout, yuan

NINGXIA = profile("ningxia")
FIRST, SECOND = "H64000100001", "H64000100002"
CLAIM = Claim(
    fixmedins_code=FIRST,
    insutype="310",
    med_type="21",
    insuplc_admdvs="640104",
    setl_date=date(2025, 3, 3),
    amounts={"hifp_pay": 1_000_000},
)


def decide(claim: Claim, profile_: LocalityProfile = NINGXIA) -> PayoutAmount:
    """The payout of a claim."""
    return ratio_per_record(claim, profile_).require()


def base(amount: str, **changes: Any) -> Claim:
    """A claim of that base."""
    return replace(CLAIM, amounts={"hifp_pay": fen(amount)}, **changes)


def payout_part() -> Payout:
    """Ningxia's payout part."""
    assert NINGXIA.payout is not None
    return NINGXIA.payout


@pytest.mark.parametrize(
    ("amount", "item"),
    [
        ("0.01", "0.01"), ("0.02", "0.01"), ("0.03", "0.02"), ("12.34", "7.40"), ("100.01", "60.01"),
        ("1,234.56", "740.74"), ("7,777.77", "4666.66"), ("10,000.05", "6000.03"), ("500,000.01", "300000.01"),
        ("20,000.00", "12000.00"), ("12,000.01", "7200.01"), ("3,333.33", "2000.00"),
    ],
)  # fmt: skip
def test_amount_is_sixty_percent_of_the_record(amount: str, item: str) -> None:
    """R-116, R-125, acceptance 1."""
    found = decide(base(amount))
    assert (found.label, yuan(found.amount_fen), found.base_fen) == ("IN_SUMMARY", item, fen(amount))


@pytest.mark.parametrize(
    ("insutype", "amounts", "base_fen", "item"),
    [
        (
            "310",
            {
                "hifp_pay": 500000,
                "hifob_pay": 80000,
                "cvlserv_pay": 20000,
                "acct_pay": 30000,
                "fund_pay_sumamt": 600000,
            },
            580000,
            "3480.00",
        ),
        ("390", {"hifp_pay": 400000, "hifmi_pay": 100000, "maf_pay": 50000}, 400000, "2400.00"),
    ],
)
def test_base_is_the_funds_in_scope(insutype: str, amounts: dict[str, int], base_fen: int, item: str) -> None:
    """R-111, AMB-12, acceptance 5."""
    found = decide(replace(CLAIM, insutype=insutype, amounts=amounts))
    assert (found.base_fen, yuan(found.amount_fen)) == (base_fen, item)
    assert base_of(amounts, "391", payout_part()) == 0


@pytest.mark.parametrize(
    ("changes", "label"),
    [
        ({"amounts": {}}, "ZERO_SKIPPED"),
        ({"amounts": {"hifp_pay": -50000}}, "NEGATIVE_EXCLUDED"),
        ({"refund": True}, "NEGATIVE_EXCLUDED"),
        ({"valid": False}, "CANCELLED"),
        ({"hosp_lv": 1}, "OUT_OF_SCOPE"),
        ({"med_type": "11"}, "OUT_OF_SCOPE"),
        ({"med_type": "2101"}, "IN_SUMMARY"),
        ({"insutype": "340"}, "OUT_OF_SCOPE"),
        ({"insuplc_admdvs": "640200"}, "OUT_OF_SCOPE"),
        ({"insuplc_admdvs": "110101"}, "OUT_OF_SCOPE"),
        ({"pool_area": "640200"}, "OUT_OF_SCOPE"),
        ({"fixmedins_code": "H64000100009"}, "OUT_OF_SCOPE"),
        ({"setl_date": date(2024, 12, 31)}, "OUT_OF_SCOPE"),
        ({"provider_grade": "D"}, "OUT_OF_SCOPE"),
        ({"provider_grade": "A"}, "IN_SUMMARY"),
        ({"fixmedins_code": SECOND}, "IN_SUMMARY"),
    ],
)
def test_labels_with_their_reason(changes: dict[str, Any], label: str) -> None:
    """R-068, R-112, acceptance 3, 4, D.6."""
    decision = ratio_per_record(replace(CLAIM, **changes), NINGXIA)
    found = decision.require()
    assert found.label == label
    assert (found.amount_fen > 0) == (label == "IN_SUMMARY")
    assert found.reason
    assert decision.reasons[0].requirement


def test_insurance_types_step_by_step() -> None:
    """R-111: with 310 alone a 390 record is out of scope."""
    only_310 = with_payout(insutypes=("310",))
    assert decide(replace(CLAIM, insutype="390"), only_310).label == "OUT_OF_SCOPE"


def test_platforms_word_on_the_level_wins() -> None:
    third_only = with_payout(scope=Scope(min_hospital_level=3, med_types=("21",), in_pool_area_only=False))
    second = replace(CLAIM, fixmedins_code=SECOND)
    assert decide(second, third_only).label == "OUT_OF_SCOPE"
    assert decide(replace(second, hosp_lv=3), third_only).label == "IN_SUMMARY"
    assert decide(replace(CLAIM, insuplc_admdvs="110101"), third_only).label == "IN_SUMMARY"


def test_start_of_a_hospital() -> None:
    """R-144: enabled 2025-06-30; settled 06-29 is out of scope, 06-30 is paid 07-01."""
    late = NINGXIA.locality.hospitals[0].model_copy(update={"enabled_from": date(2025, 6, 30)})
    locality = NINGXIA.locality.model_copy(update={"hospitals": (late,)})
    city = NINGXIA.model_copy(update={"locality": locality})
    assert decide(replace(CLAIM, setl_date=date(2025, 6, 29)), city).label == "OUT_OF_SCOPE"
    assert decide(replace(CLAIM, setl_date=date(2025, 6, 30)), city).label == "IN_SUMMARY"


@pytest.mark.parametrize(
    ("mode", "before", "item", "label"),
    [
        ("full", "6,000", "5400.00", "IN_SUMMARY"),
        ("delta", "6,000", "0.00", "ZERO_SKIPPED"),
        ("delta", "5,000", "400.00", "IN_SUMMARY"),
    ],
)
def test_resettled_stay(mode: str, before: str, item: str, label: str) -> None:
    """AMB-25, acceptance 22."""
    found = decide(base("9,000", paid_before_fen=fen(before)), with_payout(resettle=mode))
    assert (yuan(found.amount_fen), found.label) == (item, label)


def test_rounding_of_the_profile() -> None:
    """AMB-13: 95% of 0.30."""
    assert decide(base("0.30"), with_payout(daily_ratio=Decimal("0.95"))).amount_fen == 29
    assert decide(base("0.30"), with_payout(daily_ratio=Decimal("0.95"), rounding="half_even")).amount_fen == 28
    assert decide(base("0.50"), with_payout(daily_ratio=Decimal("0.95"), rounding="half_even")).amount_fen == 48


def test_no_payout_where_no_scheme_runs() -> None:
    assert ratio_per_record(CLAIM, profile("tianjin")).code == "NOT_LIVE"
    assert next_working_day(CLAIM.setl_date, at("2025-03-04 07:00:00"), profile("tianjin"), CN).code == "NOT_LIVE"
    assert check_cutoff(at("2025-03-04 07:00:00"), date(2025, 3, 4), profile("tianjin"), CN).code == "NOT_LIVE"


@pytest.mark.parametrize(
    ("insuplc", "area", "inside"),
    [
        ("640104", "640100", True), ("640100", "640100", True), ("640200", "640100", False), ("640104", "640000", True),
        ("500112", "500000", True), ("510100", "500000", False), ("", "640100", False), ("640104", "000000", False),
    ],
)  # fmt: skip
def test_pool_area(insuplc: str, area: str, inside: bool) -> None:
    assert in_pool_area(insuplc, area) is inside


@pytest.mark.parametrize(
    ("settled", "reconciled", "paid", "late"),
    [
        ("2025-03-04", "2025-03-05 07:00:00", "2025-03-05", False),
        ("2025-03-07", "2025-03-08 07:00:00", "2025-03-10", False),
        ("2025-03-08", "2025-03-10 07:00:00", "2025-03-10", False),
        ("2025-09-30", "2025-10-01 07:00:00", "2025-10-09", False),
        ("2025-09-26", "2025-09-27 07:00:00", "2025-09-28", False),
        ("2025-03-03", "2025-03-06 08:29:59", "2025-03-06", True),
        ("2025-03-03", "2025-03-06 08:30:00", "2025-03-07", True),
        ("2025-03-03", "2025-03-04 09:00:00", "2025-03-05", True),
        ("2025-03-07", "2025-03-08 23:00:00", "2025-03-10", False),
        ("2025-03-06", "2025-03-08 10:00:00", "2025-03-10", True),
    ],
)
def test_pay_date(settled: str, reconciled: str, paid: str, late: bool) -> None:
    """R-113, R-121, AMB-31: T+1, not before the reconciliation, before that day's build."""
    found = next_working_day(date.fromisoformat(settled), at(reconciled), NINGXIA, CN).require()
    assert (found.pay_date.isoformat(), found.late) == (paid, late)


def test_pay_date_in_an_unknown_year_is_refused() -> None:
    with pytest.raises(Refusal, match="CALENDAR_MISSING"):
        next_working_day(date(2026, 12, 31), at("2026-12-31 23:00:00"), NINGXIA, CN)


@given(st.integers(0, 700), st.integers(0, 40), st.integers(0, 86399))
def test_pay_date_is_a_working_day_after_settlement_and_reconciliation(after: int, late: int, second: int) -> None:
    """P5."""
    settled = date(2024, 1, 1) + timedelta(days=after)
    reconciled = datetime.combine(settled + timedelta(days=late), datetime.min.time(), at("2025-01-01").tzinfo)
    reconciled += timedelta(seconds=second)
    paid = next_working_day(settled, reconciled, NINGXIA, CN).require().pay_date
    assert CN.is_working_day(paid)
    assert paid > settled
    assert reconciled < datetime.combine(paid, payout_part().timetable.build, reconciled.tzinfo)


@pytest.mark.parametrize(
    ("moment", "pay_date", "code", "value"),
    [
        (at("2025-03-10 14:59:59.999"), "2025-03-10", None, "2025-03-10"),
        (at("2025-03-10 15:00:00.000"), "2025-03-10", "CUTOFF_PASSED", "2025-03-11"),
        (datetime(2025, 3, 10, 6, 59, 59, tzinfo=UTC), "2025-03-10", None, "2025-03-10"),
        (datetime(2025, 3, 10, 7, 0, 0, tzinfo=UTC), "2025-03-10", "CUTOFF_PASSED", "2025-03-11"),
        (at("2025-03-07 16:00:00"), "2025-03-07", "CUTOFF_PASSED", "2025-03-10"),
        (at("2025-03-11 09:00:00"), "2025-03-10", "CUTOFF_PASSED", "2025-03-11"),
        (at("2025-03-11 15:00:00"), "2025-03-10", "CUTOFF_PASSED", "2025-03-12"),
        (at("2025-03-15 09:00:00"), "2025-03-10", "CUTOFF_PASSED", "2025-03-17"),
        (at("2025-03-08 09:00:00"), "2025-03-10", "ILLEGAL_STATE", "2025-03-10"),
        (at("2025-03-08 09:00:00"), "2025-03-08", "ILLEGAL_STATE", "2025-03-08"),
        (at("2025-09-28 14:00:00"), "2025-09-28", None, "2025-09-28"),
    ],
)
def test_cutoff_is_strict(moment: datetime, pay_date: str, code: str | None, value: str) -> None:
    """R-119, AMB-14, acceptance 8."""
    decision = check_cutoff(moment, date.fromisoformat(pay_date), NINGXIA, CN)
    assert decision.value is not None
    assert (decision.code, decision.value.isoformat()) == (code, value)
    if code == "CUTOFF_PASSED":
        assert decision.facts == {"defer_to": value}


def test_cutoff_as_a_moment() -> None:
    assert cutoff_at(date(2025, 3, 10), payout_part()) == at("2025-03-10 15:00:00")
    assert calendar_of(payout_part()).next_working_day(date(2025, 9, 30)) == date(2025, 10, 9)


def item(setl_id: str, amount: str, code: str = FIRST, account: str = "62220001", insutype: str = "310") -> PayoutItem:
    """An item of that amount."""
    key = settlement_key("640100", code, setl_id)
    return PayoutItem(key, setl_id, code, AccountNo(account), insutype, 2 * fen(amount), Decimal("0.60"), fen(amount))


AGENCY, DAY = "640000-01", date(2025, 3, 7)


def test_one_order_per_hospital_and_account() -> None:
    """R-117, AMB-23, acceptance 2 and 7: the sum of rounded items, two hospitals with the same setl_id."""
    items = [
        item("S2", "7,200.01"),
        item("S3", "2,000.00"),
        item("S2", "1,200.00", SECOND),
        item("S9", "5", account="62220002"),
    ]
    summary = build_summary(items, AGENCY, DAY)
    assert [(order.fixmedins_code, order.item_count, yuan(order.sum_fen)) for order in summary.orders] == [
        (FIRST, 2, "9200.01"),
        (FIRST, 1, "5.00"),
        (SECOND, 1, "1200.00"),
    ]
    assert (summary.item_count, yuan(summary.sum_fen)) == (4, "10405.01")
    assert len({order.pay_order_no for order in summary.orders}) == 3
    assert all(len(order.pay_order_no) == 30 for order in summary.orders)
    assert len({item.payout_item_id for order in summary.orders for item in order.items}) == 4


def test_numbers_and_hash_depend_on_content_alone() -> None:
    """P6, D.6: order of arrival does not matter; supplement, amount, account and date do."""
    items = [item("S1", "1"), item("S2", "2"), item("S3", "3", SECOND)]
    first = build_summary(items, AGENCY, DAY)
    assert build_summary(reversed(items), AGENCY, DAY) == first
    assert build_summary(reversed(items), AGENCY, DAY).content_hash == first.content_hash
    one_fen_more = [replace(items[0], amount_fen=101), *items[1:]]
    others = [
        build_summary(items, AGENCY, DAY, supplement=1),
        build_summary(items, AGENCY, date(2025, 3, 8)),
        build_summary(items, "640000-02", DAY),
        build_summary(one_fen_more, AGENCY, DAY),
        build_summary(items[:2], AGENCY, DAY),
        build_summary([replace(items[0], account=AccountNo("62220009")), *items[1:]], AGENCY, DAY),
    ]
    assert len({summary.content_hash for summary in [first, *others]}) == 7
    assert others[3].orders[0].pay_order_no == others[4].orders[0].pay_order_no == first.orders[0].pay_order_no
    assert others[0].orders[0].pay_order_no != first.orders[0].pay_order_no


def test_a_settlement_is_in_a_summary_once_and_amounts_are_positive() -> None:
    """P1."""
    with pytest.raises(ValueError, match="twice"):
        build_summary([item("S1", "1"), item("s1 ", "1")], AGENCY, DAY)
    with pytest.raises(ValueError, match="positive"):
        build_summary([replace(item("S1", "1"), amount_fen=0)], AGENCY, DAY)


def _stated(summary: PayoutSummary) -> dict[str, Declared]:
    return {order.pay_order_no: Declared(order.item_count, order.sum_fen) for order in summary.orders}


@given(st.lists(st.tuples(st.sampled_from([FIRST, SECOND]), st.integers(1, 10**9)), min_size=1, max_size=30))
def test_items_orders_and_summary_tie(rows: list[tuple[str, int]]) -> None:
    """P4, R-117."""
    items = [replace(item(f"S{index}", "1", code), amount_fen=fen_) for index, (code, fen_) in enumerate(rows)]
    summary = build_summary(items, AGENCY, DAY)
    assert summary.sum_fen == sum(fen_ for _, fen_ in rows)
    assert summary.item_count == len(rows)
    orders = _stated(summary)
    assert check_ties(summary, Declared(len(rows), summary.sum_fen), orders) == ()
    number = next(iter(orders))
    off = {**orders, number: replace(orders[number], sum_fen=orders[number].sum_fen + 1)}
    assert check_ties(summary, Declared(len(rows), summary.sum_fen + 1), off) == (
        f"summary {summary.summary_no}: -1 fen",
        f"order {number}: -1 fen",
    )
    del off[number]
    assert check_ties(summary, Declared(len(rows), summary.sum_fen), off) == (f"order {number}: missing on one side",)


@given(st.lists(st.integers(0, 10**12), max_size=40))
def test_sum_of_rounded_items_stays_close_to_the_ratio(bases: list[int]) -> None:
    """P3: each item is within half a fen of 60%, so the sum is within half a fen per item."""
    amounts = [decide(replace(CLAIM, amounts={"hifp_pay": one})).amount_fen for one in bases]
    assert all(abs(10 * amount - 6 * one) <= 5 for amount, one in zip(amounts, bases, strict=True))
    assert abs(10 * sum(amounts) - 6 * sum(bases)) <= 5 * len(bases)
