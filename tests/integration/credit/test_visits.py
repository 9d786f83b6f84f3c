"""D.2 before the settlement: opening, legs, reminders, top-ups."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from gateway.flows.api import Caller
from gateway.model.refusals import Refusal
from tests.support.credit import GUANGZHOU, QUANZHOU, SHAOYANG, SHAOYANG_TWO, TIANJIN, Window, World


async def opened(world: World, window: Window, limit_fen: int, scene: str = "OUTPATIENT") -> tuple[str, str, Any]:
    """(agreement_no, visit_id, person) of a visit under a line."""
    person = world.person(city=window.city, score=None if window.code == GUANGZHOU else "72.00")
    number = await window.agreement(person, limit_fen)
    return number, await window.open(number, person, scene), person


# -- opening --------------------------------------------------------------------------------------------------------


async def test_a_visit_needs_an_active_agreement(world: World, window: Window) -> None:
    person = world.person()
    said = await window.try_open("NOBODYS", person)
    assert (said.status, said.code) == (404, "NOT_FOUND")
    world.bank.needs_sms = True
    signing = await window.apply(person)
    said = await window.try_open(signing["application_id"], person)
    assert (said.status, said.code) == (422, "AGREEMENT_NOT_ACTIVE")


async def test_only_the_products_that_were_signed(world: World, window: Window) -> None:
    person = world.person()
    number = await window.agreement(person, products=["OUTPATIENT"])
    assert (await window.try_open(number, person, "INPATIENT")).code == "PRODUCT_NOT_SIGNED"


async def test_a_hospital_of_another_city_is_not_enabled(world: World, window: Window) -> None:
    person = world.person()
    number = await window.agreement(person)
    assert (await window.at(GUANGZHOU).try_open(number, person)).code == "HOSPITAL_NOT_ENABLED"


async def test_a_hospital_opens_no_visit_for_another_one(world: World, window: Window) -> None:
    person = world.person()
    number = await window.agreement(person)
    body = {"agreement_no": number, "fixmedins_code": SHAOYANG_TWO, "mdtrt_id": "M1", "psn_no": person.psn_no,
            "scene": "OUTPATIENT", "med_type": "11", "insutype": "310"}  # fmt: skip
    assert (await window.post("/v1/visits", body)).code == "FORBIDDEN"


async def test_an_encounter_has_one_credit_visit(world: World, window: Window) -> None:
    person = world.person()
    number = await window.agreement(person)
    body = {"agreement_no": number, "fixmedins_code": SHAOYANG, "mdtrt_id": "M1", "psn_no": person.psn_no,
            "scene": "OUTPATIENT", "med_type": "11", "insutype": "310"}  # fmt: skip
    first = await window.post("/v1/visits", body, "one")
    assert (first.status, first["state"]) == (200, "OPEN")
    assert (await window.post("/v1/visits", body, "one")).body == first.body
    again = await window.post("/v1/visits", body, "two")
    assert (again.status, again.code) == (409, "ILLEGAL_STATE")


async def test_another_hospital_sees_nothing_of_a_visit(world: World, window: Window) -> None:
    _, visit, _ = await opened(world, window, 100_000)
    with pytest.raises(Refusal, match="FORBIDDEN"):
        await window.at(SHAOYANG_TWO).view(visit)
    assert (await window.at(SHAOYANG_TWO).leg(visit, "L1", "1.00")).code == "FORBIDDEN"
    masked = await window.get(f"/v1/visits/{visit}", caller=Caller(id="cashier", role="cashier"))
    assert masked["psn_no"].startswith("*")


async def test_unpaid_visits_flag_a_new_one_at_the_same_hospital(world: World, window: Window) -> None:
    number, visit, person = await opened(world, window, 100_000)
    world.platform.will_settle(person.psn_no, "600.00", "0.00", "0.00", "600.00")
    world.wire.fault("Withhold", "nothing_left")
    assert (await window.settle(visit, "600.00"))["state"] == "CHARGE_FAILED"
    fresh = await window.try_open(number, person)
    assert (fresh["state"], fresh["flags"]) == ("OPEN", ["HAS_ARREARS"])
    assert "600.00" in fresh["reasons"][0]["detail"]
    elsewhere = await window.at(SHAOYANG_TWO).try_open(number, person)
    assert elsewhere["flags"] == []


# -- relatives ------------------------------------------------------------------------------------------------------


async def test_a_relative_uses_the_owners_line_where_the_city_allows_it(world: World, window: Window) -> None:
    quanzhou = window.at(QUANZHOU)
    owner = world.person(city="quanzhou", qualification=True)
    spouse, child, stranger = (world.person(name, city="quanzhou", score=None) for name in ("李四", "李五", "王六"))
    relatives = [
        {"psn_no": spouse.psn_no, "relation": "SPOUSE", "proof_id": "P1"},
        {"psn_no": child.psn_no, "relation": "CHILD", "proof_id": "P2"},
    ]
    number = await quanzhou.agreement(owner, 1_000_000, beneficiaries=relatives)
    assert (await quanzhou.try_open(number, spouse))["state"] == "OPEN"
    assert (await quanzhou.try_open(number, stranger)).code == "RELATION_MISSING"
    assert (await quanzhou.try_open(number, child)).code == "GUARDIAN_REQUIRED"
    guardian = {"name": owner.psn_name, "certno": owner.certno, "relation": "PARENT"}
    await quanzhou.authorise(child, guardian=guardian)
    assert (await quanzhou.try_open(number, child))["state"] == "OPEN"


async def test_a_relative_without_proof_is_refused_with_the_application(world: World, window: Window) -> None:
    quanzhou = window.at(QUANZHOU)
    owner = world.person(city="quanzhou", qualification=True)
    said = await quanzhou.apply(owner, beneficiaries=[{"psn_no": "X1", "relation": "CHILD"}])
    assert said.code == "RELATION_MISSING"
    tianjin = window.at(TIANJIN)
    person = world.person(city="tianjin", score="640")
    number = await tianjin.agreement(person)
    other = world.person("李四", city="tianjin", score=None)
    assert (await tianjin.try_open(number, other)).code == "RELATIVE_NOT_SUPPORTED"


# -- legs -----------------------------------------------------------------------------------------------------------


async def test_a_leg_that_fits_is_held_at_once(world: World, window: Window) -> None:
    number, visit, _ = await opened(world, window, 50_000)
    said = await window.leg(visit, "L1", "200.00", fee="500.00")
    assert (said["decision"], said["excess_amt"], said["held_amt"], said["avail_amt"]) == (
        "go", "0.00", "200.00", "300.00",
    )  # fmt: skip
    assert (await window.leg(visit, "L2", "250.00"))["held_amt"] == "450.00"
    shown = await window.get(f"/v1/agreements/{number}")
    assert (shown["held_amt"], shown["held_by"]) == ("450.00", [{"visit_id": visit, "amount": "450.00"}])


async def test_a_leg_over_the_limit_holds_nothing(world: World, window: Window) -> None:
    _, visit, _ = await opened(world, window, 50_000)
    await window.leg(visit, "L1", "450.00")
    said = await window.leg(visit, "L2", "100.00")
    assert (said.status, said["decision"], said["excess_amt"]) == (200, "over_limit", "50.00")
    assert (said["held_amt"], said["avail_amt"]) == ("450.00", "50.00")
    assert said["reasons"][0]["requirement"] == "R-013"


async def test_one_reminder_per_crossing(world: World, window: Window) -> None:
    _, visit, _ = await opened(world, window, 100_000)
    await window.leg(visit, "L1", "1000.00")
    await window.leg(visit, "L2", "0.01")
    await window.leg(visit, "L3", "250.50")
    await window.site.pass_time(seconds=5)
    assert window.events(visit) == ["visit.over_limit"]
    told = [event.data for event in world.receivers[SHAOYANG].events if event.resource == visit]
    assert [data["excess_amt"] for data in told] == ["0.01"]
    await window.topup(visit, "0.01", "L2")
    await window.leg(visit, "L3", "250.50")
    await window.site.pass_time(seconds=5)
    assert window.events(visit) == ["visit.over_limit", "visit.over_limit"]


async def test_at_exactly_the_limit_there_is_no_reminder(world: World, window: Window) -> None:
    _, visit, _ = await opened(world, window, 100_000)
    assert (await window.leg(visit, "L1", "1000.00"))["decision"] == "go"
    await window.site.pass_time(seconds=5)
    assert window.events(visit) == []


async def test_a_leg_may_be_asked_again_and_corrected(world: World, window: Window) -> None:
    _, visit, _ = await opened(world, window, 100_000)
    await window.leg(visit, "L1", "900.00")
    assert (await window.leg(visit, "L2", "200.00"))["decision"] == "over_limit"
    assert (await window.leg(visit, "L1", "700.00"))["held_amt"] == "700.00"
    assert (await window.leg(visit, "L2", "200.00"))["held_amt"] == "900.00"
    legs = (await window.view(visit))["legs"]
    assert [(leg["leg_no"], leg["decision"], leg["self_pay_estimate"]) for leg in legs] == [
        ("L1", "go", "700.00"), ("L2", "go", "200.00"),
    ]  # fmt: skip


async def test_the_same_key_answers_a_leg_the_same(world: World, window: Window) -> None:
    _, visit, _ = await opened(world, window, 100_000)
    first = await window.leg(visit, "L1", "300.00", key="one")
    await window.leg(visit, "L2", "300.00")
    assert (await window.leg(visit, "L1", "300.00", key="one")).body == first.body


@pytest.mark.parametrize(
    ("estimate", "fee", "code"), [("10.001", "20.00", "INVALID_AMOUNT"), ("-1.00", "20.00", "INVALID_AMOUNT")]
)
async def test_an_amount_that_is_none_opens_no_exchange(
    world: World, window: Window, estimate: str, fee: str, code: str
) -> None:
    _, visit, _ = await opened(world, window, 100_000)
    with pytest.raises(Refusal, match=code):
        await window.leg(visit, "L1", estimate, fee)


async def test_an_estimate_above_the_fee_is_refused(world: World, window: Window) -> None:
    _, visit, _ = await opened(world, window, 100_000)
    with pytest.raises(Refusal, match="INVALID_FIELD"):
        await window.leg(visit, "L1", "20.01", "20.00")


async def test_a_suspended_agreement_holds_nothing_new(world: World, window: Window) -> None:
    number, visit, _ = await opened(world, window, 100_000)
    await window.leg(visit, "L1", "100.00")
    await window.post(f"/v1/agreements/{number}/revoke", {"reason": ""})
    assert (await window.leg(visit, "L2", "1.00")).code == "AGREEMENT_NOT_ACTIVE"


async def test_legs_side_by_side_never_hold_more_than_the_line(tmp_path: Path) -> None:
    """I1: twenty legs of two visits at once on a line with room for ten."""
    world = World(tmp_path)
    async with world.gateway() as window:
        person = world.person()
        number = await window.agreement(person, 100_000)
        visits = [await window.open(number, person) for _ in range(2)]
        said = await asyncio.gather(
            *(window.leg(visit, f"L{n}", "100.00", key=f"{visit}-{n}") for visit in visits for n in range(10))
        )
        go = [answer for answer in said if answer.body.get("decision") == "go"]
        assert {answer.status for answer in said} == {200}
        assert len(go) == 10
        shown = await window.get(f"/v1/agreements/{number}")
        assert (shown["held_amt"], shown["avail_amt"]) == ("1000.00", "0.00")
        held = [(await window.view(visit))["held_amt"] for visit in visits]
        assert sum(map(Decimal, held)) == 1000


# -- top-ups --------------------------------------------------------------------------------------------------------


async def test_the_excess_topped_up_lets_the_patient_go_on(world: World, window: Window) -> None:
    _, visit, _ = await opened(world, window, 100_000)
    over = await window.leg(visit, "L1", "1250.50")
    assert over["excess_amt"] == "250.50"
    said = await window.topup(visit, "250.50", "L1")
    assert (said["held_amt"], said["topup_amt"], said["avail_amt"]) == ("1000.00", "250.50", "0.00")
    assert said["legs"][0]["decision"] == "go"


async def test_too_small_a_top_up_counts_and_leaves_the_rest_open(world: World, window: Window) -> None:
    _, visit, _ = await opened(world, window, 100_000)
    await window.leg(visit, "L1", "1250.50")
    said = await window.topup(visit, "200.00", "L1")
    assert (said["legs"][0]["decision"], said["legs"][0]["excess_amt"]) == ("over_limit", "50.50")
    assert said["held_amt"] == "0.00"
    said = await window.topup(visit, "50.50", "L1", "T2")
    assert (said["legs"][0]["decision"], said["held_amt"]) == ("go", "1000.00")


async def test_a_top_up_counts_once_by_its_number(world: World, window: Window) -> None:
    _, visit, _ = await opened(world, window, 100_000)
    await window.leg(visit, "L1", "300.00")
    await window.topup(visit, "100.00")
    said = await window.topup(visit, "100.00")
    assert (said["topup_amt"], said["held_amt"]) == ("100.00", "200.00")
    assert (await window.topup(visit, "90.00")).code == "INVALID_AMOUNT"
    assert (await window.topup(visit, "10.00", "L9", "T9")).code == "NOT_FOUND"


async def test_a_visit_paid_otherwise_before_settlement_gives_its_hold_back(world: World, window: Window) -> None:
    number, visit, _ = await opened(world, window, 100_000)
    await window.leg(visit, "L1", "300.00")
    said = await window.close(visit, "300.00", "one")
    assert (said.status, said["state"], said["other_amt"], said["held_amt"]) == (200, "CLOSED_OTHER", "300.00", "0.00")
    assert await window.avail(number) == "1000.00"
    assert (await window.close(visit, "300.00", "one")).body == said.body
    assert (await window.close(visit, "300.00")).code == "ILLEGAL_STATE"
    assert (await window.leg(visit, "L2", "1.00")).code == "ILLEGAL_STATE"


async def test_the_line_tells_all_its_movements(world: World, window: Window) -> None:
    number, visit, _ = await opened(world, window, 100_000)
    await window.leg(visit, "L1", "300.00")
    await window.leg(visit, "L2", "200.00")
    await window.close(visit, "500.00")
    rows = await window.site.house.journal.store.rows("SELECT SUM(held_fen) AS held FROM line_entry", {})
    assert rows[0]["held"] == 0
    assert (await window.get(f"/v1/agreements/{number}"))["held_amt"] == "0.00"
