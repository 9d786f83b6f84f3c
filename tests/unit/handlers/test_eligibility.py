"""Who may sign: the common gates in their order, then the rule of each city."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from gateway.handlers.eligibility import (
    Applicant,
    Authorisation,
    CreditFacts,
    bank_decides,
    before_query,
    qualification,
    released_grade,
    score_band,
)
from gateway.handlers.grade import band_of, grade_of, perks_of
from gateway.model.profile_credit import Credit
from tests.unit.handlers.handler_facts import at, fen, profile, with_credit

CONSENT = Authorisation(
    "P1", "CREDIT_PAY", frozenset({"CREDIT_QUERY", "BANK_SHARE"}), at("2025-01-01 00:00:00"), at("2025-12-31 23:59:59")
)
SY = Applicant(
    at=at("2025-03-03 09:00:00"),
    psn_no="P1",
    insuplc_admdvs="430500",
    products=("OUTPATIENT",),
    funding="CREDIT_LOAN",
    bank="bocom",
    fixmedins_code="H43050000001",
    authorisation=CONSENT,
    commitment_id="C1",
)
TJ = replace(SY, insuplc_admdvs="120100", fixmedins_code="H12010000001", funding="BANK_ADVANCE")
GZ = replace(SY, insuplc_admdvs="440103", fixmedins_code="H44010000001")
QZ = replace(SY, insuplc_admdvs="350500", fixmedins_code="H35050000001")


def credit(locality: str) -> Credit:
    """The credit part of a shipped profile."""
    part = profile(locality).credit
    assert part is not None
    return part


@pytest.mark.parametrize(
    ("score", "letter"),
    [
        ("85", "A"), ("84.99", "B"), ("65", "B"), ("64.99", "C"), ("40", "C"), ("39.99", "D"), ("0", "D"),
        (Decimal("100"), "A"), (12, "D"), ("84.999", "B"),
    ],
)  # fmt: skip
def test_shaoyang_letters_are_lower_inclusive(score: Decimal | str | int, letter: str) -> None:
    """R-003, AMB-01."""
    assert grade_of(score, credit("shaoyang")).require().letter == letter


@pytest.mark.parametrize(
    ("score", "code"),
    [("100.01", "INVALID_SCORE"), ("-0.01", "INVALID_SCORE"), ("abc", "INVALID_SCORE"), ("NaN", "INVALID_SCORE"),
     (True, "INVALID_SCORE"), (12.5, "INVALID_SCORE"), (None, "NO_GRADE"), ("", "NO_GRADE")],
)  # fmt: skip
def test_scores_that_are_none(score: object, code: str) -> None:
    assert grade_of(score, credit("shaoyang")).code == code  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("score", "cap"),
    [
        ("575", "500"), ("610", "500"), ("610.5", "500"), ("610.99", "500"), ("611", "1,000"), ("630", "1,000"),
        ("630.9", "1,000"), ("631", "5,000"), ("660", "5,000"), ("661", "10,000"), ("700", "10,000"), ("701", "15,000"),
        ("750", "15,000"), ("750.5", "15,000"), ("751", "20,000"), ("900", "20,000"),
    ],
)  # fmt: skip
def test_haihe_bands(score: str, cap: str) -> None:
    """R-044, AMB-06, acceptance 28."""
    assert band_of(score, credit("tianjin")).require().cap == fen(cap)


@pytest.mark.parametrize(
    ("score", "code"),
    [("574", "SCORE_BELOW_MIN"), ("574.99", "SCORE_BELOW_MIN"), ("-1", "INVALID_SCORE"), ("abc", "INVALID_SCORE"),
     (None, "NO_GRADE")],
)  # fmt: skip
def test_haihe_without_a_band(score: str | None, code: str) -> None:
    """R-045, acceptance 28."""
    assert band_of(score, credit("tianjin")).code == code
    answer = CreditFacts(found=score is not None, scheme="haihe", score=score)
    assert score_band(TJ, answer, profile("tianjin")).code == code


def test_perks_belong_to_the_best_grade_only() -> None:
    """R-008."""
    grades = {grade.letter: grade for grade in credit("shaoyang").grades}
    assert perks_of(grades["A"]) == ("TOLERANT_DOC", "WHEELCHAIR_NO_DEPOSIT", "UMBRELLA_NO_DEPOSIT")
    assert perks_of(grades["B"]) == perks_of(None) == ()


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"insuplc_admdvs": "430100"}, "NOT_ELIGIBLE_REGION"),
        ({"insuplc_admdvs": ""}, "NOT_ELIGIBLE_REGION"),
        ({"fixmedins_code": "H43050000009"}, "HOSPITAL_NOT_ENABLED"),
        ({"fixmedins_code": "H43050000002", "at": at("2023-12-31 23:59:59")}, "HOSPITAL_NOT_ENABLED"),
        ({"at": at("2023-09-06 23:59:59")}, "NOT_LIVE"),
        ({"at": at("2027-01-01 00:00:00")}, "NOT_LIVE"),
        ({"products": ()}, "INVALID_FIELD"),
        ({"products": ("OUTPATIENT", "DENTAL")}, "SCENE_NOT_SUPPORTED"),
        ({"bank": "cib"}, "INVALID_FIELD"),
        ({"funding": "BANK_ADVANCE"}, "INVALID_FIELD"),
        ({"authorisation": None}, "NO_AUTHORISATION"),
        ({"authorisation": replace(CONSENT, revoked=True)}, "NO_AUTHORISATION"),
        ({"authorisation": replace(CONSENT, psn_no="P2")}, "NO_AUTHORISATION"),
        ({"at": at("2026-01-01 00:00:00")}, "NO_AUTHORISATION"),
        ({"authorisation": replace(CONSENT, purpose="MARKETING")}, "PURPOSE_DENIED"),
        ({"authorisation": replace(CONSENT, scope=frozenset({"BANK_SHARE"}))}, "PURPOSE_DENIED"),
        ({"commitment_id": ""}, "COMMITMENT_MISSING"),
        ({"dishonest_mark": True}, "BARRED_DISHONEST"),
    ],
)
def test_gates_refuse_before_anybody_outside_is_asked(changes: dict[str, Any], code: str) -> None:
    """R-001, R-006, R-025, R-028, R-030, R-042, R-043, R-056: refused although no credit answer was given."""
    decision = released_grade(replace(SY, **changes), None, profile("shaoyang"))
    assert decision.code == code
    assert decision.reasons[-1].decision == "refuse"


def test_open_gates_ask_for_the_query_and_say_why() -> None:
    decision = released_grade(SY, None, profile("shaoyang"))
    assert decision.require().needs_query
    assert len(decision.reasons) == 9
    assert {reason.decision for reason in decision.reasons} == {"pass"}


def test_county_with_its_own_start() -> None:
    """R-029."""
    consent = replace(CONSENT, valid_from=at("2024-01-01 00:00:00"))
    early = replace(SY, insuplc_admdvs="430523", at=at("2024-02-29 10:00:00"), authorisation=consent)
    assert before_query(early, profile("shaoyang")).code == "NOT_ELIGIBLE_REGION"
    assert before_query(replace(early, at=at("2024-03-01 00:00:00")), profile("shaoyang")).ok


def test_hospital_without_a_voluntary_agreement() -> None:
    """R-053."""
    tianjin = profile("tianjin")
    unsigned = tianjin.locality.hospitals[0].model_copy(update={"agreement_id": ""})
    locality = tianjin.locality.model_copy(update={"hospitals": (unsigned,)})
    assert before_query(TJ, tianjin.model_copy(update={"locality": locality})).code == "HOSPITAL_NOT_ENABLED"


def test_scenes_of_the_city_or_of_the_hospital() -> None:
    """R-041: Tianjin is outpatient only; R-073: inpatient at Zhujiang since 2022-07-01; perks need a grade."""
    assert before_query(replace(TJ, products=("INPATIENT",)), profile("tianjin")).code == "SCENE_NOT_SUPPORTED"
    assert before_query(replace(TJ, products=("PERKS",)), profile("tianjin")).code == "SCENE_NOT_SUPPORTED"
    assert before_query(replace(SY, products=("OUTPATIENT", "INPATIENT", "PERKS")), profile("shaoyang")).ok
    assert before_query(replace(SY, fixmedins_code=""), profile("shaoyang")).ok
    consent = replace(CONSENT, valid_from=at("2022-01-01 00:00:00"))
    inpatient = replace(GZ, products=("INPATIENT",), authorisation=consent, at=at("2022-06-30 12:00:00"))
    assert before_query(inpatient, profile("guangzhou")).code == "SCENE_NOT_SUPPORTED"
    assert before_query(replace(inpatient, at=at("2022-07-01 00:00:00")), profile("guangzhou")).ok


def test_a_profile_without_credit_part() -> None:
    assert before_query(SY, profile("ningxia")).code == "NOT_LIVE"


def test_every_grade_may_apply_unless_marked() -> None:
    """R-006, R-007: D without a mark is allowed, B with one is not."""
    low = CreditFacts(True, "shaoyang", score=Decimal("12"))
    decided = released_grade(SY, low, profile("shaoyang")).require()
    assert (decided.grade, decided.meaning, decided.needs_query, decided.limit_cap_fen) == ("D", "POOR", False, None)
    marked = CreditFacts(True, "shaoyang", score=Decimal("70"), dishonest=True)
    assert released_grade(SY, marked, profile("shaoyang")).code == "BARRED_DISHONEST"


def test_barred_grades_are_the_profiles_choice() -> None:
    """AMB-03."""
    low = CreditFacts(True, "shaoyang", score="12")
    assert released_grade(SY, low, with_credit("shaoyang", barred_grades=("D",))).code == "BARRED_DISHONEST"


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (CreditFacts(True, "shaoyang", score="90", released=False), "NO_GRADE"),
        (CreditFacts(True, "shaoyang", score="90", released=False, previous_score="70"), "B"),
        (CreditFacts(True, "shaoyang", grade="A", released=False, previous_grade="C"), "C"),
        (CreditFacts(True, "shaoyang", grade="A"), "A"),
        (CreditFacts(True, "shaoyang", grade="AAA"), "NO_GRADE"),
        (CreditFacts(True, "hengyang", score="90"), "NO_GRADE"),
        (CreditFacts(False, "shaoyang"), "NO_GRADE"),
        (CreditFacts(True, "shaoyang", score="100.01"), "INVALID_SCORE"),
    ],
)
def test_only_a_released_grade_of_the_scheme_counts(answer: CreditFacts, outcome: str) -> None:
    """R-005, AMB-20."""
    decision = released_grade(SY, answer, profile("shaoyang"))
    assert (decision.value.grade if decision.value else decision.code) == outcome


def test_tianjin_needs_no_card_and_caps_by_band() -> None:
    """R-040, R-044."""
    decided = score_band(TJ, CreditFacts(True, "haihe", score="640"), profile("tianjin")).require()
    assert (decided.limit_cap_fen, decided.scheme, decided.grade) == (fen("5,000"), "haihe", None)
    unreleased = CreditFacts(True, "haihe", score="640", released=False)
    assert score_band(TJ, unreleased, profile("tianjin")).code == "NO_GRADE"
    assert score_band(replace(TJ, insuplc_admdvs="110101"), None, profile("tianjin")).code == "NOT_ELIGIBLE_REGION"


def test_guangzhou_leaves_it_to_the_bank() -> None:
    """R-077, R-078: no query; the bank must be allowed to see the application."""
    decided = bank_decides(GZ, None, profile("guangzhou")).require()
    assert (decided.needs_query, decided.limit_cap_fen) == (False, None)
    share_only = replace(CONSENT, scope=frozenset({"BANK_SHARE"}))
    assert bank_decides(replace(GZ, authorisation=share_only), None, profile("guangzhou")).ok
    assert bank_decides(replace(GZ, insuplc_admdvs="440300"), None, profile("guangzhou")).code == "NOT_ELIGIBLE_REGION"


def test_quanzhou_needs_the_bureaus_qualification() -> None:
    """R-086: the flag, in force, even when the bank agrees."""
    quanzhou = profile("quanzhou")
    today = QZ.day
    assert qualification(QZ, CreditFacts(True, "quanzhou", qualification=True), quanzhou).ok
    assert qualification(QZ, CreditFacts(True, "quanzhou", qualification=True, qualification_to=today), quanzhou).ok
    for answer in (
        CreditFacts(True, "quanzhou", qualification=False),
        CreditFacts(True, "quanzhou", qualification=None),
        CreditFacts(False, "quanzhou"),
        CreditFacts(True, "quanzhou", qualification=True, qualification_to=today.replace(day=1)),
    ):
        assert qualification(QZ, answer, quanzhou).code == "NO_QUALIFICATION"
    marked = CreditFacts(True, "quanzhou", qualification=True, dishonest=True)
    assert qualification(QZ, marked, quanzhou).code == "BARRED_DISHONEST"
