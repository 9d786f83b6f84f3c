"""Acceptance cases 28, 30, 32, 37, 39 and 47: credit pay across the cities, with the exact figures."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from gateway.flows.api import Caller
from gateway.model.clock import SHANGHAI
from gateway.model.profile import Profiles, load_all
from tests.support.credit import QUANZHOU, TIANJIN, Window, World
from tests.support.parties import Insured, refused

BANK = Caller(id="bocom", role="bank", bank="bocom")


@pytest.fixture
def world(tmp_path: Path) -> World:
    """All parties."""
    return World(tmp_path)


@pytest.fixture
async def window(world: World) -> AsyncIterator[Window]:
    """A window at 2025-03-03."""
    async with world.gateway() as found:
        yield found


# -- 28 -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("score", "limit"),
    [
        ("575", "500.00"), ("610", "500.00"), ("610.5", "500.00"), ("610.99", "500.00"), ("611", "1000.00"),
        ("630.9", "1000.00"), ("631", "5000.00"), ("660", "5000.00"), ("700", "10000.00"), ("750", "15000.00"),
        ("750.5", "15000.00"), ("751", "20000.00"),
    ],
)  # fmt: skip
async def test_case_28_the_haihe_band_caps_the_banks_offer(
    world: World, window: Window, score: str, limit: str
) -> None:
    person = world.person(city="tianjin", score=score)
    world.bank.line(person.certno).limit_fen = 2_000_000
    said = await window.at(TIANJIN).apply(person)
    assert (said["state"], said["credit_limit"]) == ("ACTIVE", limit)


@pytest.mark.parametrize("score", ["574", "574.99"])
async def test_case_28_below_the_first_band_there_is_no_limit_and_no_bank_call(
    world: World, window: Window, score: str
) -> None:
    said = await window.at(TIANJIN).apply(world.person(city="tianjin", score=score))
    assert said.code == "SCORE_BELOW_MIN"
    assert world.bank.party.requests == []


async def test_case_28_nonsense_is_no_score_and_nothing_is_no_grade(world: World, window: Window) -> None:
    tianjin = window.at(TIANJIN)
    assert (await tianjin.apply(world.person(city="tianjin", score="-1"))).code == "INVALID_SCORE"
    world.platform_credit.party.say("query", refused("INVALID_SCORE"))  # what the adapter makes of "abc"
    assert (await tianjin.apply(world.person("李四", city="tianjin"))).code == "INVALID_SCORE"
    assert (await tianjin.apply(world.person("王五", city="tianjin", score=None))).code == "NO_GRADE"


# -- 30 -------------------------------------------------------------------------------------------------------------


async def partly_used(world: World, window: Window) -> tuple[str, str, Insured]:
    """(agreement_no, open visit, person): limit 5,000.00, used 3,200.00, held 600.00."""
    person = world.person()
    number = await window.agreement(person, 500_000)
    used = await window.open(number, person)
    world.platform.will_settle(person.psn_no, "3200.00", "0.00", "0.00", "3200.00")
    assert (await window.settle(used, "3200.00"))["state"] == "SETTLED"
    held = await window.open(number, person)
    await window.leg(held, "L1", "600.00")
    assert await window.avail(number) == "1200.00"
    return number, await window.open(number, person), person


@pytest.mark.parametrize(("cash", "state"), [("1200.00", "SETTLED"), ("1200.01", "CHARGE_FAILED")])
async def test_case_30_to_the_fen_and_no_partial_charge(world: World, window: Window, cash: str, state: str) -> None:
    number, visit, person = await partly_used(world, window)
    world.platform.will_settle(person.psn_no, cash, "0.00", "0.00", cash)
    said = await window.settle(visit, cash)
    assert said["state"] == state
    assert await window.avail(number) == ("0.00" if state == "SETTLED" else "1200.00")
    if state == "CHARGE_FAILED":
        assert (said["fail_code"], said["charged_amt"]) == ("OVER_LIMIT", "0.00")
        assert len(world.bank.did("Withhold")) == 1


@pytest.mark.parametrize(("revolving", "avail"), [(True, "500.00"), (False, "0.00")])
async def test_case_30_a_repayment_frees_a_revolving_line_only(tmp_path: Path, revolving: bool, avail: str) -> None:
    world = World(tmp_path)
    profiles = Profiles(
        profile.model_copy(update={"credit": profile.credit.model_copy(update={"revolving": revolving})})
        if profile.credit is not None
        else profile
        for profile in load_all()
    )
    async with world.gateway(profiles=profiles) as window:
        number, visit, person = await partly_used(world, window)
        world.platform.will_settle(person.psn_no, "1200.00", "0.00", "0.00", "1200.00")
        await window.settle(visit, "1200.00")
        body = {
            "agreement_no": number, "channel": "ALIPAY", "channel_serial": "A1", "amount": "500.00",
            "paid_at": "2025-03-10T10:00:00+08:00",
        }  # fmt: skip
        assert (await window.post("/v1/repayments", body, caller=BANK))["avail_amt"] == avail


# -- 32 -------------------------------------------------------------------------------------------------------------


async def unknown_charge(world: World, window: Window, fault: str) -> tuple[str, str]:
    """(agreement_no, visit_id): 2,500.00 whose outcome is unknown since 14:00, the bank not answering questions."""
    await window.site.until(datetime(2025, 3, 3, 14, 0, tzinfo=SHANGHAI))
    person = world.person()
    number = await window.agreement(person, 500_000)
    visit = await window.open(number, person)
    await window.leg(visit, "L1", "2500.00")
    world.platform.will_settle(person.psn_no, "10000.00", "7000.00", "500.00", "2500.00")
    world.wire.fault("Withhold", fault)
    world.wire.fault("QueryTransaction", *["lost_before"] * 6)
    said = await window.settle(visit, "10000.00")
    assert (said.status, said["state"], said["held_amt"], said["avail_amt"]) == (
        202, "CHARGE_PENDING", "2500.00", "2500.00",
    )  # fmt: skip
    return number, visit


async def test_case_32_cash_and_then_the_banks_yes_never_both(world: World, window: Window) -> None:
    number, visit = await unknown_charge(world, window, "lost_after")
    assert (await window.close(visit, "2500.00"))["state"] == "CHARGE_PENDING"
    await window.site.until(datetime(2025, 3, 3, 14, 10, tzinfo=SHANGHAI))
    shown = await window.view(visit)
    assert (shown["state"], shown["charged_amt"], shown["other_amt"]) == ("CLOSED_OTHER", "0.00", "2500.00")
    assert [effect.amount_fen for effect in world.bank.did("Refund")] == [250_000]
    assert await window.avail(number) == "5000.00"


async def test_case_32_cash_and_then_the_banks_no_releases_and_nothing_else(world: World, window: Window) -> None:
    number, visit = await unknown_charge(world, window, "lost_before")
    await window.close(visit, "2500.00")
    await window.site.until(datetime(2025, 3, 3, 14, 30, tzinfo=SHANGHAI))
    shown = await window.view(visit)
    assert (shown["state"], shown["held_amt"], shown["other_amt"]) == ("CLOSED_OTHER", "0.00", "2500.00")
    assert world.bank.did("Withhold") == world.bank.did("Refund") == []
    assert await window.avail(number) == "5000.00"


# -- 37 -------------------------------------------------------------------------------------------------------------


async def test_case_37_a_child_on_the_owners_line(world: World, window: Window) -> None:
    quanzhou = window.at(QUANZHOU)
    owner = world.person(city="quanzhou", qualification=True)
    child = world.person("张小三", city="quanzhou", score=None)
    rows = [{"psn_no": child.psn_no, "relation": "CHILD", "proof_id": "BIRTH-1"}]
    number = await quanzhou.agreement(owner, 1_000_000, beneficiaries=rows)
    guardian = {"name": owner.psn_name, "certno": owner.certno, "relation": "PARENT"}
    await quanzhou.authorise(child, guardian=guardian)
    visit = await quanzhou.open(number, child)
    world.platform.will_settle(child.psn_no, "800.00", "0.00", "0.00", "800.00")
    said = await quanzhou.settle(visit, "800.00")
    assert said["state"] == "SETTLED"
    assert await quanzhou.avail(number) == "9200.00"
    request = world.bank.party.asked("Withhold")[0]
    assert (request.amount_fen, request.payer_name.reveal()) == (80_000, owner.psn_name)
    text = request.model_dump_json(context={"reveal": True})
    assert child.psn_name not in text
    assert child.psn_no not in text


# -- 39 -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hospital", "city", "day", "last"),
    [
        (TIANJIN, "tianjin", "2025-03-01", "2025-04-29"),
        (TIANJIN, "tianjin", "2024-02-01", "2024-03-31"),
        (QUANZHOU, "quanzhou", "2025-03-01", "2025-04-20"),
    ],
)
async def test_case_39_the_last_interest_free_day(
    tmp_path: Path, hospital: str, city: str, day: str, last: str
) -> None:
    world = World(tmp_path)
    async with world.gateway(start=datetime.fromisoformat(f"{day}T09:00:00+08:00")) as found:
        window = found.at(hospital)
        person = world.person(city=city, score="700" if city == "tianjin" else "80", qualification=True)
        world.bank.line(person.certno).free_days = None
        number = await window.agreement(person, 1_000_000)
        visit = await window.open(number, person)
        world.platform.will_settle(person.psn_no, "519.38", "300.00", "19.38", "200.00")
        said = await window.settle(visit, "519.38")
        assert (said["charges"][0]["booking_date"], said["charges"][0]["interest_free_until"]) == (day, last)


# -- R-048 --------------------------------------------------------------------------------------------


async def test_tianjin_four_legs_one_settlement_one_advance(world: World, window: Window) -> None:
    tianjin = window.at(TIANJIN)
    person = world.person(city="tianjin", score="611")
    number = await tianjin.agreement(person, 100_000, payer={})
    visit = await tianjin.open(number, person)
    fees = ("10.00", "120.50", "300.00", "88.88")
    for place, fee in enumerate(fees):
        assert (await tianjin.leg(visit, f"L{place}", fee))["decision"] == "go"
    assert (await tianjin.view(visit))["held_amt"] == "519.38"
    world.platform.will_settle(person.psn_no, "519.38", "300.00", "19.38", "200.00")
    said = await tianjin.settle(visit, "519.38")
    assert (said["charged_amt"], said["settlement"]["hosp_recon_diff"]) == ("200.00", "0.00")
    assert await tianjin.avail(number) == "800.00"
    assert world.bank.party.asked("SignAgreement")[0].funding == "BANK_ADVANCE"


async def test_tianjin_a_leg_consumes_its_self_pay_part_and_no_more_than_the_limit(
    world: World, window: Window
) -> None:
    tianjin = window.at(TIANJIN)
    person = world.person(city="tianjin", score="575")
    number = await tianjin.agreement(person, 50_000)
    visit = await tianjin.open(number, person)
    assert (await tianjin.leg(visit, "L1", "200.00", fee="700.00"))["avail_amt"] == "300.00"
    assert (await tianjin.leg(visit, "L2", "250.00"))["avail_amt"] == "50.00"
    over = await tianjin.leg(visit, "L3", "100.00")
    assert (over["decision"], over["avail_amt"]) == ("over_limit", "50.00")
    assert (await tianjin.try_open(number, person, "INPATIENT")).code == "SCENE_NOT_SUPPORTED"


# -- 47 -------------------------------------------------------------------------------------------------------------


async def test_case_47_nothing_medical_leaves_and_no_log_knows_a_person(world: World, window: Window) -> None:
    person = world.person(name="欧阳示例")
    with capture_logs() as logs:
        number = await window.agreement(person, 500_000)
        visit = await window.open(number, person)
        await window.leg(visit, "L1", "100.00")
        world.platform.will_settle(person.psn_no, "3000.00", "1900.00", "100.00", "1000.00")
        national = {"diag_name": "急性上呼吸道感染", "fee_item": "阿莫西林胶囊"}
        world.wire.fault("Withhold", "lost_after")
        await window.settle(visit, "3000.00", **national)
        await window.site.pass_time(minutes=5)
        await window.cancel(visit)
    outside = [*world.bank.party.requests, *world.platform_credit.party.requests]
    for operation, request in outside:
        text = request.model_dump_json(context={"reveal": True})
        for word in ("急性上呼吸道感染", "阿莫西林", "diag", "med_type", "mdtrt"):
            assert word not in text, operation
        assert (person.certno in text) == (operation in ("SignAgreement", "query")), operation
    assert person.certno not in repr(logs)
    assert person.psn_name not in repr(logs)


async def test_case_47_no_query_without_consent_and_every_query_has_its_row(world: World, window: Window) -> None:
    person = world.person()
    said = await window.post("/v1/agreements", window.application(person, ""))
    assert said.code == "NO_AUTHORISATION"
    assert world.platform_credit.party.requests == []
    world.wire.fault("query", "lost_after")
    await window.apply(person)
    await window.site.pass_time(minutes=1)
    queries = world.platform_credit.party.asked("query")
    assert all(query.query_reason and query.auth_id for query in queries)
    rows = await window.site.house.journal.store.rows(
        "SELECT * FROM access_log WHERE purpose = 'CREDIT_PAY_APPLICATION'", {}
    )
    assert len(rows) == len(queries) == 2
