"""The credit platform's rules: schemes with their scales, contract checks, who may be asked about and how."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from simulators.common.journal import Journal
from simulators.credit.contract import CONTRACT, ContractBroken, schema, violation
from simulators.credit.schemes import schemes
from simulators.credit.store import ScoreRefused, Store, certno_is_well_formed, parse_scores

CERTNO = "430502199001019990"
QUERY = {
    "request_id": "Q-00000001", "auth_id": "A1", "query_reason": "CREDIT_PAY", "scheme": "shaoyang",
    "psn_cert_type": "01", "certno": CERTNO, "psn_name": "测试甲",
}  # fmt: skip


@pytest.fixture
def store(tmp_path: Path) -> Store:
    journal = Journal(tmp_path / "credit.jsonl")
    made = Store(journal)
    journal.open()
    return made


def test_a_derived_score_lies_in_its_schemes_range_and_is_the_same_again() -> None:
    haihe, shaoyang = schemes()["haihe"], schemes()["shaoyang"]
    for number in range(500):
        certno = f"4305021990010{number:04d}X"
        assert 550 <= Decimal(haihe.derived_score(certno) or "0") <= 800
        assert 0 <= Decimal(shaoyang.derived_score(certno) or "-1") <= 100
        assert haihe.derived_score(certno.lower()) == haihe.derived_score(certno)


@pytest.mark.parametrize(
    ("score", "grade"),
    [("85", "A"), ("84.99", "B"), ("65", "B"), ("64.99", "C"), ("40", "C"), ("39.99", "D"), ("0", "D"), ("100", "A"),
     ("100.01", None), ("-0.01", None)],
)  # fmt: skip
def test_shaoyang_grades_are_lower_inclusive(score: str, grade: str | None) -> None:
    assert schemes()["shaoyang"].grade_of(score) == grade


def test_a_scheme_without_a_score_answers_none() -> None:
    assert schemes()["guangzhou"].derived_score(CERTNO) is None


@pytest.mark.parametrize(
    ("cert_type", "certno", "well_formed"),
    [("01", CERTNO, True), ("01", "43050219900101999X", True), ("01", "430502199013019990", False),
     ("01", "43050219900101999", False), ("01", "430502199002309990", False), ("08", "E12345678", True),
     ("08", "E1", False), ("02", "军字第1号", False)],
)  # fmt: skip
def test_a_certificate_number_has_to_be_possible(cert_type: str, certno: str, well_formed: bool) -> None:
    assert certno_is_well_formed(cert_type, certno) is well_formed


def test_a_posted_score_wins_over_the_derived_one(store: Store) -> None:
    store.post(
        parse_scores({CERTNO: {"scheme": "shaoyang", "score": "72.5", "score_date": "2025-02-01", "mark": True}})
    )
    found = store.standing(schemes()["shaoyang"], CERTNO, date(2025, 3, 3))
    assert (found.score, found.grade, found.mark, found.score_date) == ("72.5", "B", True, "2025-02-01")
    assert store.standing(schemes()["haihe"], CERTNO, date(2025, 3, 3)).score_date == "2025-03-01"


def test_a_nonsense_score_may_be_posted_but_a_nonsense_scheme_may_not(store: Store) -> None:
    store.post(parse_scores({CERTNO: [{"scheme": "haihe", "score": "abc"}, {"scheme": "shaoyang", "score": "-1"}]}))
    assert store.standing(schemes()["haihe"], CERTNO, date(2025, 3, 3)).score == "abc"
    with pytest.raises(ScoreRefused, match="scheme"):
        parse_scores({CERTNO: {"scheme": "atlantis", "score": "1"}})


def test_quanzhou_answers_a_qualification_that_can_be_taken_away(store: Store) -> None:
    quanzhou = schemes()["quanzhou"]
    assert store.standing(quanzhou, CERTNO, date(2025, 3, 3)).qualification is True
    store.post(parse_scores({CERTNO: {"scheme": "quanzhou", "score": "80.0", "qualification": False}}))
    assert store.standing(quanzhou, CERTNO, date(2025, 3, 3)).qualification is False


def test_a_complete_query_keeps_the_contract() -> None:
    assert violation("query.request", QUERY) is None


@pytest.mark.parametrize(
    ("change", "where"),
    [({"certno": 1}, "certno"), ({"request_id": "x"}, "request_id"), ({"diagnosis": "J18.9"}, "diagnosis"),
     ({"psn_cert_type": "1"}, "psn_cert_type"), ({"scheme": "Shaoyang"}, "scheme")],
)  # fmt: skip
def test_what_the_contract_does_not_name_is_refused(change: dict[str, object], where: str) -> None:
    found = violation("query.request", QUERY | change)
    assert found is not None
    assert found[0] == where


@pytest.mark.parametrize("amount", ["200", "200.0", "0200.00", "-1.00", "1e2", "200.00\n"])
def test_an_amount_has_exactly_two_decimals(amount: str) -> None:
    event = {"event_id": "EV-000001", "auth_id": "A1", "scheme": "haihe", "certno": CERTNO, "event_type": "OVERDUE",
             "amount": amount, "overdue_days": 60, "status": "OPEN"}  # fmt: skip
    assert violation("feedback.request", event) == ("amount", schema_pattern())
    assert violation("feedback.request", event | {"amount": "200.00"}) is None


def schema_pattern() -> str:
    return f"pattern {schema('feedback.request')['properties']['amount']['pattern']}"


def test_a_list_names_the_record_that_is_wrong() -> None:
    batch = {
        "batch_no": "RED-2022",
        "list": "RED",
        "records": [{"subject_id": "1", "subject_name": "甲"}, {"subject_id": "2"}],
    }
    assert violation("list.request", batch) == ("records[1].subject_name", "missing")


@pytest.mark.parametrize("path", sorted(CONTRACT.glob("*.schema.json")), ids=lambda path: path.name)
def test_every_schema_uses_only_what_the_checker_understands(path: Path) -> None:
    name = path.name.removesuffix(".schema.json")
    try:
        violation(name, {})
    except ContractBroken as error:
        pytest.fail(f"{name}: {error}")
    assert schema(name)["type"] == "object"
