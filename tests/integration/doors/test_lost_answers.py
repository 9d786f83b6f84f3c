"""A state change whose answer was lost: sent again under its key, and the HIS gets what the lost answer said."""

from __future__ import annotations

from typing import Any

import pytest

from simulators.hospital.encounters import Inpatient, Outpatient
from tests.support.his import Ward, people, ward
from tests.support.sandbox import Town


async def effects_of(at: Ward, operation: str) -> int:
    return sum(effect["operation"] == operation for effect in await at.town.effects(at.session, "platform"))


async def lose(at: Ward, operation: str) -> None:
    await at.town.fault(at.session, "platform", operation=operation, nth=1, kind="drop_after")


async def test_a_lost_registration_is_found_by_its_own_number(town: Town) -> None:
    async with ward(town) as at:
        before = await effects_of(at, "2201")
        await lose(at, "2201")
        encounter = Outpatient(at.his, people("4305")[7])
        await encounter.register()
        assert encounter.mdtrt_id
        await encounter.upload(at.his.fee_lines(10000, 2))
        await encounter.presettle()
        assert (await encounter.settle()).booked.mdtrt_id == encounter.mdtrt_id
        assert await effects_of(at, "2201") == before + 1


async def test_a_lost_admission_is_found_by_its_own_number(town: Town) -> None:
    async with ward(town, "H44010000001") as at:
        before = await effects_of(at, "2401")
        await lose(at, "2401")
        encounter = Inpatient(at.his, people("4401")[7], days=0)
        await encounter.admit()
        assert encounter.mdtrt_id
        assert await effects_of(at, "2401") == before + 1


@pytest.mark.parametrize("operation", ["2204", "2203"])
async def test_lost_fees_and_visit_data_are_there_once(town: Town, operation: str) -> None:
    async with ward(town) as at:
        await lose(at, operation)
        encounter = await at.fees(people("4305")[8])
        estimate = await encounter.presettle()
        assert estimate["medfee_sumamt"] == 200
        settled = await encounter.settle()
        assert settled.booked.amounts["medfee_sumamt"] == 20000


@pytest.mark.parametrize("operation", ["2301", "2402"])
async def test_lost_steps_of_a_stay_are_there_once(town: Town, operation: str) -> None:
    async with ward(town, "H44010000001") as at:
        encounter = Inpatient(at.his, people("4401")[9], days=0)
        await encounter.admit()
        await lose(at, operation)
        await encounter.upload(at.his.fee_lines(50000, 3))
        await encounter.discharge()
        await encounter.presettle()
        settled = await encounter.settle()
        assert settled.booked.amounts["medfee_sumamt"] == 50000


async def test_a_lost_cancellation_stands_and_is_answered_as_done(town: Town) -> None:
    async with ward(town) as at:
        encounter = await at.fees(people("4305")[10])
        await encounter.presettle()
        settled = await encounter.settle()
        await lose(at, "2208")
        await encounter.cancel()
        claim: dict[str, Any] = await at.his.v1.get(f"/v1/settlements/{settled.booked.setl_id}", fixmedins_code=at.code)
        assert claim["state"] == "CANCELLED"
        cancelled = [e for e in await town.effects(at.session, "platform") if e["operation"] == "2208"]
        assert sum(e["detail"].get("mdtrt_id") == encounter.mdtrt_id for e in cancelled) == 1


async def test_a_first_refusal_is_the_hospitals_own_business(town: Town) -> None:
    async with ward(town) as at:
        encounter = await at.fees(people("4305")[11])
        await encounter.presettle()
        await encounter.settle()
        data = {"data": {**encounter.settle_input()["data"]}}
        message = await at.his.line.message("2207", data, "430500")
        _, body, _ = await at.post(message.body)
        assert int(body["infcode"]) == -1
        assert "已结算" in body["err_msg"]
        assert "[" not in body["err_msg"], "the platform's own words pass untouched"


async def test_a_his_that_reverses_by_itself_is_answered_from_the_journal_or_the_platform(town: Town) -> None:
    async with ward(town) as at:
        person = people("4305")[12]
        encounter = await at.fees(person)
        await encounter.presettle()
        settled = await encounter.settle()
        data = {"psn_no": person.psn_no, "omsgid": settled.message.msgid, "oinfno": "2207"}
        await at.his.line.call("2601", {"data": data}, "430500")
        claim = await at.his.v1.get(f"/v1/settlements/{settled.booked.setl_id}", fixmedins_code=at.code)
        assert claim["state"] == "CANCELLED"
        lost = await at.fees(person)
        await lost.presettle()
        message = await at.his.line.message("2207", lost.settle_input(), "430500")
        await lose(at, "2207")
        _, body, _ = await at.post(message.body)
        assert "SETTLEMENT_REVERSED" in body["err_msg"]
        before = await effects_of(at, "2601")
        data = {"psn_no": person.psn_no, "omsgid": message.msgid, "oinfno": "2207"}
        await at.his.line.call("2601", {"data": data}, "430500")
        assert await effects_of(at, "2601") == before
