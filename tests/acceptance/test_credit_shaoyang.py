"""Shaoyang, requirement by requirement (R-001 … R-029): the examples with their figures."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date, datetime
from pathlib import Path

import pytest

from gateway.flows.api import Caller
from gateway.flows.credit import ENDPOINTS
from gateway.model.refusals import Refusal
from tests.support.credit import QUANZHOU, SHAOYANG, Window, World
from tests.support.parties import Insured, Line, refused


@pytest.fixture
def world(tmp_path: Path) -> World:
    """All parties."""
    return World(tmp_path)


@pytest.fixture
async def window(world: World) -> AsyncIterator[Window]:
    """The pilot hospital's window."""
    async with world.gateway() as found:
        yield found


async def visiting(world: World, window: Window, limit_fen: int) -> tuple[str, str, Insured]:
    """(agreement_no, visit_id, person)."""
    person = world.person()
    number = await window.agreement(person, limit_fen)
    return number, await window.open(number, person), person


async def test_r001_insured_elsewhere_is_not_eligible_and_nothing_leaves(world: World, window: Window) -> None:
    said = await window.apply(world.person(area="430100"))
    assert said.code == "NOT_ELIGIBLE_REGION"
    assert world.bank.party.requests == world.platform_credit.party.requests == []


async def test_r002_an_inpatient_visit_needs_the_inpatient_product(world: World, window: Window) -> None:
    person = world.person()
    number = await window.agreement(person, products=["OUTPATIENT"])
    assert (await window.try_open(number, person, "INPATIENT")).code == "PRODUCT_NOT_SIGNED"


@pytest.mark.parametrize(
    ("score", "grade"),
    [("85", "A"), ("84.99", "B"), ("65", "B"), ("64.99", "C"), ("40", "C"), ("39.99", "D"), ("0", "D"), ("100", "A")],
)
async def test_r003_score_to_grade(world: World, window: Window, score: str, grade: str) -> None:
    said = await window.apply(world.person(score=score))
    assert (said["state"], said["grade"]) == ("ACTIVE", grade)


@pytest.mark.parametrize(("score", "code"), [("100.01", "INVALID_SCORE"), ("-0.01", "INVALID_SCORE")])
async def test_r003_a_score_out_of_range(world: World, window: Window, score: str, code: str) -> None:
    assert (await window.apply(world.person(score=score))).code == code


async def test_r003_no_score_is_no_grade(world: World, window: Window) -> None:
    assert (await window.apply(world.person(score=None))).code == "NO_GRADE"
    assert world.bank.party.requests == []


async def test_r005_a_grade_on_public_notice_is_not_used(world: World, window: Window) -> None:
    assert (await window.apply(world.person(score="90", released=False))).code == "NO_GRADE"


async def test_r006_the_dishonesty_mark_bars_and_grade_d_does_not(world: World, window: Window) -> None:
    assert (await window.apply(world.person(score="70", dishonest=True))).code == "BARRED_DISHONEST"
    low = world.person("李四", score="12")
    world.bank.line(low.certno).limit_fen = 30_000
    said = await window.apply(low)
    assert (said["state"], said["grade"], said["credit_limit"]) == ("ACTIVE", "D", "300.00")


async def test_r007_a_limit_of_nothing_is_the_banks_to_give(world: World, window: Window) -> None:
    person = world.person()
    world.bank.line(person.certno).limit_fen = 0
    said = await window.apply(person)
    assert (said["state"], said["credit_limit"], said["avail_amt"]) == ("ACTIVE", "0.00", "0.00")


async def test_r008_perks_are_the_best_grades_alone(world: World, window: Window) -> None:
    best = await window.apply(world.person(score="91"))
    assert best["perks"] == ["TOLERANT_DOC", "WHEELCHAIR_NO_DEPOSIT", "UMBRELLA_NO_DEPOSIT"]
    assert "perks" not in (await window.apply(world.person("李四", score="70"))).body


async def test_r009_no_later_step_before_the_former(world: World, window: Window) -> None:
    person = world.person()
    world.bank.needs_sms = True
    signing = await window.apply(person)
    assert (await window.try_open(signing["application_id"], person)).code == "AGREEMENT_NOT_ACTIVE"


async def test_r011_the_banks_contract_is_the_agreement(world: World, window: Window) -> None:
    person = world.person()
    world.bank.lines[person.certno] = Line(800_000, 50, date(2025, 12, 31))
    said = await window.apply(person)
    assert (said["state"], said["credit_limit"], said["funding"], said["valid_to"]) == (
        "ACTIVE", "8000.00", "CREDIT_LOAN", "2025-12-31",
    )  # fmt: skip


async def test_r012_what_is_left_after_the_estimate_is_held(world: World, window: Window) -> None:
    number, visit, person = await visiting(world, window, 800_000)
    world.platform.will_settle(person.psn_no, "3000.00", "1900.00", "100.00", "1000.00")
    await window.relay("2206", visit, "H43050000001202503030800000001")
    shown = await window.view(visit)
    assert (shown["held_amt"], shown["avail_amt"]) == ("1000.00", "7000.00")
    assert await window.avail(number) == "7000.00"


async def test_r013_the_reminder_names_the_excess(world: World, window: Window) -> None:
    _, visit, _ = await visiting(world, window, 100_000)
    said = await window.leg(visit, "L1", "1250.50")
    assert (said["decision"], said["excess_amt"]) == ("over_limit", "250.50")
    await window.site.pass_time(seconds=2)
    assert [event.data["excess_amt"] for event in world.receivers[SHAOYANG].events if event.resource == visit] == [
        "250.50"
    ]


async def test_r014_withheld_and_topped_up_are_the_self_pay_part(world: World, window: Window) -> None:
    _, visit, person = await visiting(world, window, 100_000)
    await window.leg(visit, "L1", "1250.50")
    await window.topup(visit, "250.50", "L1")
    world.platform.will_settle(person.psn_no, "3000.00", "1749.50", "0.00", "1250.50")
    said = await window.settle(visit, "3000.00")
    assert (said["state"], said["charged_amt"], said["topup_amt"]) == ("SETTLED", "1000.00", "250.50")


async def test_r015_exactly_one_withholding_per_settlement(world: World, window: Window) -> None:
    _, visit, person = await visiting(world, window, 500_000)
    for place, part in enumerate(("800.00", "900.00", "800.00")):
        await window.leg(visit, f"L{place}", part)
    world.platform.will_settle(person.psn_no, "10000.00", "7000.00", "500.00", "2500.00")
    await window.settle(visit, "10000.00")
    assert [effect.amount_fen for effect in world.bank.did("Withhold")] == [250_000]


async def test_r017_a_bank_that_is_down_stops_signing_and_nothing_else(world: World, window: Window) -> None:
    person = world.person()
    world.wire.fault("SignAgreement", "nothing_left")
    assert (await window.apply(person)).code == "BANK_UNAVAILABLE"
    assert world.platform_credit.party.asked("query")
    assert (await window.authorise(person))["state"] == "ACTIVE"


async def test_r019_no_answer_is_pending_and_asked_after_never_sent_again(world: World, window: Window) -> None:
    _, visit, person = await visiting(world, window, 500_000)
    world.platform.will_settle(person.psn_no, "10000.00", "7000.00", "500.00", "2500.00")
    world.wire.fault("Withhold", "lost_after")
    said = await window.settle(visit, "10000.00")
    assert (said.status, said["state"], said["charges"][0]["state"]) == (202, "CHARGE_PENDING", "UNKNOWN")
    await window.site.pass_time(seconds=3)
    assert (await window.view(visit))["state"] == "SETTLED"
    assert len(world.bank.party.asked("Withhold")) == 1
    assert len(world.bank.party.asked("QueryTransaction")) == 1


async def test_r020_a_second_bank_is_a_line_of_the_profile(world: World, window: Window) -> None:
    quanzhou = window.at(QUANZHOU)
    person = world.person(city="quanzhou", qualification=True)
    world.second_bank.line(person.certno).limit_fen = 600_000
    said = await quanzhou.apply(person, bank="cib")
    assert (said["state"], said["bank"], said["credit_limit"]) == ("ACTIVE", "cib", "6000.00")
    visit = await quanzhou.open(str(said["agreement_no"]), person)
    world.platform.will_settle(person.psn_no, "100.00", "0.00", "0.00", "100.00")
    assert (await quanzhou.settle(visit, "100.00"))["state"] == "SETTLED"
    assert len(world.second_bank.did("Withhold")) == 1
    assert world.bank.party.requests == []


async def test_r023_an_unpaid_visit_flags_the_next_one(world: World, window: Window) -> None:
    number, visit, person = await visiting(world, window, 500_000)
    world.platform.will_settle(person.psn_no, "600.00", "0.00", "0.00", "600.00")
    world.bank.party.say("Withhold", refused("AM04"))
    await window.settle(visit, "600.00")
    assert (await window.try_open(number, person))["flags"] == ["HAS_ARREARS"]


async def test_r024_somebody_elses_insurance_is_a_mismatch(world: World, window: Window) -> None:
    person = world.person()
    world.platform.know(Insured(person.psn_no, "李四", person.certno))
    assert (await window.apply(person)).code == "IDENTITY_MISMATCH"


async def test_r025_no_commitment_no_signing(world: World, window: Window) -> None:
    assert (await window.apply(world.person(), commitment_id="")).code == "COMMITMENT_MISSING"
    assert world.bank.party.requests == []


async def test_r028_a_hospital_that_is_not_on_the_list(world: World, window: Window) -> None:
    person = world.person()
    number = await window.agreement(person)
    assert (await window.at(QUANZHOU).try_open(number, person)).code == "HOSPITAL_NOT_ENABLED"


@pytest.mark.parametrize(
    ("day", "status", "code"), [("2024-02-29", 422, "NOT_ELIGIBLE_REGION"), ("2024-03-01", 200, "")]
)
async def test_r029_a_county_begins_on_its_own_day(tmp_path: Path, day: str, status: int, code: str) -> None:
    world = World(tmp_path)
    async with world.gateway(start=datetime.fromisoformat(f"{day}T09:00:00+08:00")) as window:
        said = await window.apply(world.person(area="430523"))
        assert said.status == status
        assert said.body.get("code") == (code or None)


async def test_r031_an_auditor_reads_everything_and_changes_nothing(world: World, window: Window) -> None:
    _, visit, _ = await visiting(world, window, 100_000)
    auditor = Caller(id="auditor", role="auditor")
    assert (await window.get(f"/v1/visits/{visit}", caller=auditor))["state"] == "OPEN"
    assert all("auditor" not in endpoint.roles for endpoint in ENDPOINTS if endpoint.method == "POST")
    with pytest.raises(Refusal):
        await window.get("/v1/visits/NOBODYS", caller=auditor)
