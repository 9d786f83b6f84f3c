"""Locality profiles: the shipped ones are complete, a wrong one is refused with file, key and reason."""

from __future__ import annotations

import json
from datetime import date, time
from decimal import Decimal
from importlib import resources
from pathlib import Path

import pytest

from gateway.model.profile import LocalityProfile, ProfileError, Profiles, load_all, load_profile
from gateway.model.refusals import Refusal

SHIPPED = load_all()
TEMPLATE = resources.files("mappings").joinpath("localities/template.toml").read_text(encoding="utf-8")


def changed(old: str, new: str) -> str:
    """Return the template with one text replaced."""
    assert TEMPLATE.count(old) == 1, old
    return TEMPLATE.replace(old, new)


@pytest.mark.parametrize(
    ("code", "locality", "area", "scenes"),
    [
        ("H43050000001", "shaoyang", "430500", ("OUTPATIENT", "INPATIENT")),
        ("H43050000002", "shaoyang", "430500", ("OUTPATIENT", "INPATIENT")),
        ("H12010000001", "tianjin", "120100", ("OUTPATIENT",)),
        ("H44010000001", "guangzhou", "440100", ("OUTPATIENT", "INPATIENT")),
        ("H35050000001", "quanzhou", "350500", ("OUTPATIENT", "INPATIENT")),
        ("H53010000001", "kunming", "530100", ("OUTPATIENT",)),
        ("H64000100001", "ningxia", "640100", ()),
        ("H64000100002", "ningxia", "640100", ()),
    ],
)
def test_shipped_institutions(code: str, locality: str, area: str, scenes: tuple[str, ...]) -> None:
    profile = SHIPPED.for_hospital(code)
    assert profile is not None
    hospital = profile.locality.hospital(code)
    assert hospital is not None
    assert (profile.id, profile.pool_area(code), hospital.scenes) == (locality, area, scenes)


def test_ningxia_has_the_figures_of_the_month_example() -> None:
    profile = SHIPPED.by_pool_area("640100", date(2025, 3, 3))
    assert profile is not None
    payout = profile.payout
    assert payout is not None
    assert (payout.daily_ratio, payout.month.ratio, payout.cutoff_time) == (Decimal("0.60"), Decimal("0.95"), time(15))
    assert payout.base_fields == {"310": ("hifp_pay", "hifob_pay"), "390": ("hifp_pay",)}
    assert payout.annual.deadline_for(2025) == date(2026, 5, 31)
    assert SHIPPED.by_pool_area("640100", date(2024, 12, 31)) is None
    assert SHIPPED.by_pool_area("430500", date(2025, 3, 3)) is None


def test_amounts_are_fen_and_ratios_decimals() -> None:
    tianjin = SHIPPED.by_locality("tianjin").credit
    shaoyang = SHIPPED.by_locality("shaoyang").credit
    assert tianjin is not None
    assert shaoyang is not None
    assert [(band.min, band.cap) for band in tianjin.bands][0::5] == [(575, 50_000), (751, 2_000_000)]
    assert shaoyang.working_capital is not None
    assert shaoyang.working_capital.ratio_by_grade["A"] == Decimal("0.05")


def test_finding_by_locality_and_part() -> None:
    with pytest.raises(Refusal) as unknown:
        SHIPPED.by_locality("atlantis")
    assert (unknown.value.code, unknown.value.field) == ("INVALID_FIELD", "locality")
    with pytest.raises(Refusal) as early:
        SHIPPED.by_locality("tianjin", date(2023, 12, 10))
    assert early.value.code == "NOT_LIVE"
    assert SHIPPED.by_locality("tianjin", date(2023, 12, 11)).id == "tianjin"
    assert SHIPPED.for_hospital("H64000100001", "credit") is None
    assert SHIPPED.for_hospital("H99999999999") is None
    assert len(SHIPPED) == len(list(SHIPPED)) == 6


def test_version_follows_the_content_not_the_spelling() -> None:
    first = load_profile(TEMPLATE)
    assert len(first.version) == 12
    assert load_profile(TEMPLATE.replace("#", "# 注释")).version == first.version
    assert load_profile(changed('"0.60"', '"0.61"')).version != first.version
    other_account = changed('payer_account = "6217990100000000001"', 'payer_account = "6217990100000000002"')
    assert load_profile(other_account).version != first.version
    assert "6217990100000000001" not in repr(first)


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ("free_days_max = 59", "free_days_max = 60", "credit.free_days_max"),
        ('A = "0.05", B = "0.03"', 'A = "0.0501", B = "0.03"', "credit.working_capital.ratio_by_grade.A"),
        ('daily_ratio = "0.60"', "daily_ratio = 0.60", "payout.daily_ratio"),
        ('daily_ratio = "0.60"', 'daily_ratio = "1.01"', "payout.daily_ratio"),
        ('ratio = "0.95", apply_day = 15', "apply_day = 15", "payout.month.ratio"),
        ("apply_deferred = false, ", "", "payout.month.apply_deferred"),
        ("revolving = true", "revolvin = true", "credit.revolvin"),
        ('cutoff_time = "15:00"', 'cutoff_time = "25:00"', "payout.cutoff_time"),
        ('cutoff_time = "15:00"', 'cutoff_time = "08:00"', "payout"),
        ('limit = { min = "0.00", max = "20000.00" }', 'limit = { min = "5000.00", max = "4000.00" }', "credit.limit"),
        ('limit = { min = "0.00", max = "20000.00" }', "limit = { min = 0 }", "credit.limit.min"),
        ('limit = { min = "0.00", max = "20000.00" }', 'limit = { min = "0.005" }', "credit.limit.min"),
        ('letter = "B", min = "65"', 'letter = "B", min = "90"', "credit"),
        ('letter = "D", min = "0"', 'letter = "D", min = "1"', "credit"),
        ('score_max = "100"', 'score_max = "80"', "credit"),
        ("barred_grades = []", 'barred_grades = ["E"]', "credit"),
        ("bands = [] ", 'bands = [{ min = 9, cap = "2.00" }, { min = 8, cap = "3.00" }] ', "credit"),
        ("{ allowed = false, relations = [", "{ allowed = true, relations = [] } # [", "credit.relatives"),
        ('"390" = ["hifp_pay"] }', '"391" = ["hifp_pay"] }', "payout"),
        ('"390" = ["hifp_pay"] }', '"390" = ["psn_cash_pay"] }', "payout.base_fields.390.0"),
        ("batch = { merge = false }", "batch = { merge = true }", "payout.batch.merge"),
        ('prefix = "990123"', 'prefix = "880123"', "locality"),
        ("effective_to = 2026-12-31", "effective_to = 2023-12-31", "locality"),
        ('code = "H99010000001"', 'code = "H9901"', "locality.hospitals.0.code"),
        ("deadline = \"05-31\"", "deadline = \"31-05\"", "payout.annual.deadline"),
    ],
)  # fmt: skip
def test_a_wrong_profile_names_file_key_and_reason(old: str, new: str, key: str, tmp_path: Path) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text(changed(old, new), encoding="utf-8")
    with pytest.raises(ProfileError) as refused:
        load_profile(path)
    problem = refused.value.problems[0]
    assert problem.startswith(f"wrong.toml: {key}: ")
    assert len(problem) > len(f"wrong.toml: {key}: ")


def test_rejected_values_stay_out_of_the_error() -> None:
    text = changed('payer_account = "6217990100000000001"', "payer_account = 6217990100000000001")
    with pytest.raises(ProfileError) as refused:
        load_profile(text)
    assert "6217990100000000001" not in str(refused.value)


def test_no_toml_and_no_parts() -> None:
    with pytest.raises(ProfileError, match="TOML"):
        load_profile("locality = [")
    only_locality = TEMPLATE[: TEMPLATE.index("\n[credit]")]
    with pytest.raises(ProfileError, match="neither credit nor payout"):
        load_profile(only_locality)


def _at(profile: LocalityProfile, **locality: object) -> LocalityProfile:
    return profile.model_copy(update={"locality": profile.locality.model_copy(update=locality)})


def test_two_profiles_may_not_answer_the_same_question() -> None:
    first = load_profile(TEMPLATE)
    with pytest.raises(ProfileError) as refused:
        Profiles([first, first])
    assert len(refused.value.problems) == 4
    later = _at(first, effective_from=date(2027, 1, 1), effective_to=None)
    both = Profiles([first, later])
    assert both.by_locality("example") is later
    assert both.by_locality("example", date(2026, 12, 31)) is first
    assert both.by_pool_area("990100", date(2027, 1, 1)) is later


def test_folder_is_refused_as_a_whole(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(changed("revolving = true", "revolvin = true"), encoding="utf-8")
    (tmp_path / "b.toml").write_text("x", encoding="utf-8")
    (tmp_path / "template.toml").write_text("x", encoding="utf-8")
    (tmp_path / "notes.md").write_text("x", encoding="utf-8")
    with pytest.raises(ProfileError) as refused:
        load_all(tmp_path)
    assert [problem.split(":")[0] for problem in refused.value.problems] == ["a.toml", "b.toml"]


def test_counties_and_scenes_start_on_their_own_day() -> None:
    shaoyang = SHIPPED.by_locality("shaoyang").locality
    assert not shaoyang.insured_here("430523", date(2024, 2, 29))
    assert shaoyang.insured_here("430523", date(2024, 3, 1))
    assert shaoyang.insured_here("430500", date(2024, 2, 29))
    assert not shaoyang.insured_here("430100", date(2024, 3, 1))
    zhujiang = SHIPPED.by_locality("guangzhou").locality.hospital("H44010000001")
    assert zhujiang is not None
    assert [zhujiang.scene_on("INPATIENT", date(2022, 6, 30)), zhujiang.scene_on("INPATIENT", date(2022, 7, 1))] == [
        False,
        True,
    ]
    assert not zhujiang.scene_on("DENTAL", date(2025, 1, 1))


def test_institutions_by_day() -> None:
    hospital = load_profile(TEMPLATE).locality.hospital("H99010000001")
    assert hospital is not None
    assert [hospital.enabled_on(date(2023, 12, 31)), hospital.enabled_on(date(2026, 12, 31))] == [False, True]
    assert not hospital.enabled_on(date(2027, 1, 1))


def test_sandbox_bank_knows_the_agency_of_the_shipped_profiles() -> None:
    """An account the bank does not know would make every payout of the sandbox fail."""
    seed = resources.files("simulators").joinpath("data/bank_accounts.json").read_text(encoding="utf-8")
    known = {(row["owner"], row["acct_no"]) for row in json.loads(seed)["accounts"]}
    agencies = [part.agency for one in SHIPPED if (part := one.payout) is not None]
    assert [agency.id for agency in agencies] == ["640000-01"]
    assert {(agency.id, agency.payer_account.reveal()) for agency in agencies} <= known
