"""The HIS speaks the national envelope well enough for a strict platform, and its books equal the platform's ledger."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from simulators.common.clock import BusinessClock
from simulators.common.server import Options
from simulators.demo.ledgers import FIGURES, platform_settlements
from simulators.hospital.encounters import Inpatient, Outpatient
from simulators.hospital.envelope import Institution
from simulators.hospital.his import His
from simulators.hospital.people import Person, invent
from simulators.platform.app import PlatformSim

CODE = "H64000100001"
STRICT = {
    "strict_fields": True, "diagnosis_required": True, "settle_needs_discharge": True, "msgid_checked": True,
    "msgid_duplicates_refused": True,
}  # fmt: skip


@pytest.fixture
async def platform(tmp_path: Path) -> AsyncIterator[PlatformSim]:
    made = PlatformSim(Options(port=0, data=tmp_path))
    await made.start()
    with made.step():
        made.variants.set(STRICT)
    yield made
    await made.stop()


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as made:
        yield made


@pytest.fixture(params=[False, True], ids=["amounts as numbers", "amounts as text"])
async def his(platform: PlatformSim, session: aiohttp.ClientSession, request: pytest.FixtureRequest) -> His:
    institution = Institution(CODE, "示例医院", "640100", f"sandbox-{CODE}", amounts_as_text=request.param)
    made = His(institution, platform.url, BusinessClock(None), session, random.Random(1))
    await made.line.sign_in()
    return made


@pytest.fixture
async def person(platform: PlatformSim, session: aiohttp.ClientSession) -> Person:
    made = invent(random.Random(5), "640100", 1)
    async with session.post(f"{platform.url}/_sim/people", json=[made.seed()]) as answer:
        assert answer.status == 200
    return made


async def ledger(platform: PlatformSim, session: aiohttp.ClientSession) -> dict[str, dict[str, int]]:
    async with session.get(f"{platform.url}/_sim/ledger") as answer:
        return platform_settlements((await answer.json())["effects"]).get(CODE, {})


def believed(his: His) -> dict[str, dict[str, int]]:
    return {booked.setl_id: {name: booked.amounts[name] for name in FIGURES} for booked in his.books.live()}


async def test_an_outpatient_chain_is_settled_and_booked(
    platform: PlatformSim, session: aiohttp.ClientSession, his: His, person: Person
) -> None:
    visit = Outpatient(his, person)
    await visit.register()
    await visit.upload(his.fee_lines(30_000, 3))
    await visit.upload(his.fee_lines(12_345, 2))
    estimate = await visit.presettle()
    settled = await visit.settle()
    assert settled.booked.amounts["medfee_sumamt"] == 42_345
    assert settled.booked.identity_gap() == 0
    assert str(estimate["psn_cash_pay"]) == str(settled.answer.output["setlinfo"]["psn_cash_pay"])
    assert settled.answer.output["setlinfo"]["medins_setl_id"] == settled.message.msgid
    assert await ledger(platform, session) == believed(his)


async def test_a_long_stay_goes_up_in_batches_of_a_hundred(
    platform: PlatformSim, session: aiohttp.ClientSession, his: His, person: Person
) -> None:
    stay = Inpatient(his, person, days=6)
    await stay.admit()
    await stay.upload(his.fee_lines(1_500_000, 230))
    await stay.discharge()
    await stay.presettle()
    settled = await stay.settle()
    assert settled.booked.payout_base() > 0
    assert his.line.counts["sent"] == 9  # 9001, 1101, 2401, 2301 three times, 2402, 2303, 2304
    assert await ledger(platform, session) == believed(his)


async def test_a_cancellation_leaves_nothing_in_either_book(
    platform: PlatformSim, session: aiohttp.ClientSession, his: His, person: Person
) -> None:
    visit = Outpatient(his, person)
    await visit.register()
    await visit.upload(his.fee_lines(30_000, 1))
    await visit.presettle()
    await visit.settle()
    await visit.cancel()
    assert believed(his) == {}
    assert await ledger(platform, session) == {}
    await visit.presettle()
    again = await visit.settle()
    assert await ledger(platform, session) == believed(his) == {again.booked.setl_id: {
        name: again.booked.amounts[name] for name in FIGURES}}  # fmt: skip


async def test_a_lost_reply_is_answered_by_repeating_the_same_bytes(
    platform: PlatformSim, session: aiohttp.ClientSession, his: His, person: Person
) -> None:
    fault = [{"operation": "1101", "nth": 1, "kind": "drop_before"}]
    async with session.put(f"{platform.url}/_sim/variants", json={"msgid_duplicates_refused": False}):
        pass
    async with session.put(f"{platform.url}/_sim/faults", json=fault) as answer:
        assert answer.status == 200
    row = await his.identify(person)
    assert row["insutype"] == person.insutype
    assert (his.line.counts["lost"], his.line.counts["repeats"]) == (1, 1)
    async with session.get(f"{platform.url}/_sim/requests?operation=1101") as answer:
        requests = (await answer.json())["requests"]
    assert len({request["body"] for request in requests}) == 1
