"""Repeating a message at any time gives the first answer and no second effect (HIS surface; `/v1` likewise)."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from datetime import datetime, timedelta

import pytest

from simulators.hospital.national import SettlementReversed
from tests.support.his import people, ward
from tests.support.sandbox import Town


async def settle_effects(town: Town, session: object, msgid: str) -> int:
    """How many times the platform holds a settlement of this message, reversals taken off."""
    effects = await town.effects(session, "platform")  # type: ignore[arg-type]
    counted = Counter(effect["operation"] for effect in effects if effect["key"] == msgid)
    undone = sum(effect["operation"] == "2601" and msgid in json.dumps(effect["detail"]) for effect in effects)
    return counted["2207"] - undone


async def test_every_repetition_is_byte_for_byte_the_first_answer(town: Town) -> None:
    async with ward(town) as at:
        encounter = await at.fees(people("4305")[0])
        await encounter.presettle()
        message = await at.his.line.message("2207", encounter.settle_input(), "430500")
        _, _, first = await at.post(message.body)
        assert "Idempotency-Replayed" not in first
        for _ in range(3):
            _, _, again = await at.post(message.body)
            assert again["raw"] == first["raw"]
            assert again["Idempotency-Replayed"] == "true"
        assert await settle_effects(town, at.session, message.msgid) == 1


async def test_twenty_at_once_are_one(town: Town) -> None:
    async with ward(town) as at:
        encounter = await at.fees(people("4305")[1])
        await encounter.presettle()
        message = await at.his.line.message("2207", encounter.settle_input(), "430500")
        answers = await asyncio.gather(*(at.post(message.body) for _ in range(20)))
        assert len({answer[2]["raw"] for answer in answers}) == 1
        assert await settle_effects(town, at.session, message.msgid) == 1


async def test_the_same_msgid_with_other_content_is_refused_and_names_the_fields(town: Town) -> None:
    async with ward(town) as at:
        encounter = await at.fees(people("4305")[2])
        await encounter.presettle()
        message = await at.his.line.message("2207", encounter.settle_input(), "430500")
        await at.post(message.body)
        other = json.loads(message.body)
        other["input"]["data"]["invono"] = "I-2"
        _, body, _ = await at.post(json.dumps(other).encode())
        assert "MSGID_REUSED" in body["err_msg"]
        assert "invono" in body["err_msg"]
        assert await settle_effects(town, at.session, message.msgid) == 1


async def test_three_families_of_paths_are_one_door(town: Town) -> None:
    async with ward(town) as at:
        encounter = await at.fees(people("4305")[4])
        await encounter.presettle()
        message = await at.his.line.message("2207", encounter.settle_input(), "430500")
        paths = ("/fsi/api/2207", "/fsi/api/outpatientSettleService/saveSettletmentV2", None)
        raws = {
            (await (at.post(message.body, path=path) if path else at.post(message.body)))[2]["raw"] for path in paths
        }
        assert len(raws) == 1
        _, body, _ = await at.post(message.body, path="/fsi/api/2208")
        assert "INVALID_FIELD" in body["err_msg"]


EXECUTED = ["drop_after", "http_500_after", "garbage", "half_reply"]
NOT_EXECUTED = ["drop_before", "http_500_before"]


@pytest.mark.parametrize("kind", [*EXECUTED, *NOT_EXECUTED])
async def test_an_unknown_settlement_is_reversed_and_told_so_for_ever(town: Town, kind: str) -> None:
    async with ward(town, seed=hash(kind) % 1000) as at:
        encounter = await at.fees(people("4305")[5])
        await encounter.presettle()
        message = await at.his.line.message("2207", encounter.settle_input(), "430500")
        await town.fault(at.session, "platform", operation="2207", nth=1, kind=kind)
        call = asyncio.create_task(at.his.line.insist(message))
        while kind in NOT_EXECUTED and not call.done():  # "not found" counts only after the settling time
            await asyncio.sleep(0.5)
            async with at.session.get(f"{town.gateway}/sandbox/clock") as answer:
                here = datetime.fromisoformat((await answer.json())["now"])
            await town.clock(at.session, (here + timedelta(seconds=20)).isoformat())
        with pytest.raises(SettlementReversed):
            await call
        assert await settle_effects(town, at.session, message.msgid) == 0
        with pytest.raises(SettlementReversed):
            await at.his.line.repeat(message)
        again = await encounter.settle()
        assert await settle_effects(town, at.session, again.message.msgid) == 1


async def test_a_refused_connection_is_told_as_unavailable_and_the_same_msgid_settles_later(town: Town) -> None:
    async with ward(town, seed=77) as at:
        encounter = await at.fees(people("4305")[6])
        await encounter.presettle()
        message = await at.his.line.message("2207", encounter.settle_input(), "430500")
        await town.fault(at.session, "platform", operation="2207", nth=1, kind="refuse_connection", seconds=4)
        _, body, _ = await at.post(message.body)
        assert "PLATFORM_UNAVAILABLE" in body["err_msg"]
        answer = await at.his.line.insist(message)
        assert answer.output["setlinfo"]["setl_id"]
        assert await settle_effects(town, at.session, message.msgid) == 1
