"""A day with breaks of every kind, seeded at the real simulator: exactly those come out, the one a rule may repair is
repaired, and two persons close the rest (R-115, national interface 6.4).
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from typing import Any

import aiohttp
import pytest

from simulators.hospital.encounters import Outpatient
from simulators.hospital.his import His
from simulators.hospital.national import NationalRefused
from simulators.hospital.people import Person
from tests.support.his import Ward, people, ward
from tests.support.sandbox import Town

CODE, DAY = "H64000100001", "2025-03-03"
EVERYONE = tuple(person for person in people("6401") if person.insutype in ("310", "390"))
MATCHED, DIFFER, OURS, THEIRS, TWICE = EVERYONE[:6], EVERYONE[6:9], EVERYONE[9:12], EVERYONE[12:15], EVERYONE[15:17]
UNKNOWN = EVERYONE[17]
CANCELLED = EVERYONE[18]


@pytest.fixture
async def at(town: Town) -> AsyncIterator[Ward]:
    """The hospital."""
    async with ward(town, CODE) as found:
        yield found


async def visit(his: His, person: Person, fen: int = 20000) -> Outpatient:
    """A settled outpatient visit."""
    encounter = await presettled(his, person, fen)
    await encounter.settle()
    return encounter


async def presettled(his: His, person: Person, fen: int = 20000) -> Outpatient:
    """An outpatient visit just before its settlement."""
    encounter = Outpatient(his, person)
    await encounter.register()
    await encounter.upload(his.fee_lines(fen, 3))
    await encounter.presettle()
    return encounter


def at_the_platform(at: Ward) -> His:
    """The same hospital's line past the gateway."""
    his = Ward(at.town, at.session, CODE, seed=2).his
    his.line._url = his.line._url.replace(at.town.gateway, at.town.simulator("platform"))
    return his


async def put(at: Ward, path: str, content: Any) -> None:
    """A control of the platform simulator."""
    async with at.session.put(f"{at.town.simulator('platform')}{path}", json=content) as answer:
        assert answer.status == 200, await answer.text()


async def v1(at: Ward, method: str, path: str, role: str = "operator", body: Any = None, key: str = "") -> Any:
    """A call of `/v1` as a person."""
    headers = {"Authorization": f"Bearer sandbox-{role}"} | ({"Idempotency-Key": key} if key else {})
    async with at.session.request(method, f"{at.town.gateway}{path}", json=body, headers=headers) as answer:
        return answer.status, await answer.json()


async def seed(at: Ward) -> dict[str, str]:
    """Breaks of every kind; setl_id (or msgid where we have no settlement) → kind."""
    past = at_the_platform(at)
    seeded: dict[str, str] = {}
    matched = [await visit(at.his, person) for person in MATCHED]
    gone = await visit(at.his, CANCELLED)
    await gone.cancel()
    await put(at, "/_sim/variants", {"auth_none": True, "sign_no_unchecked": True})
    await at.town.fault(at.session, "platform", operation="2207", probability=1, kind="lie", fen=1)
    for person in DIFFER:
        encounter = await visit(at.his, person)
        seeded[number(encounter)] = "DIFFERS"
    await at.town.clear(at.session)
    for person in OURS:
        encounter = await visit(at.his, person)
        assert encounter.settled is not None
        data = {"psn_no": person.psn_no, "omsgid": encounter.settled.message.msgid, "oinfno": "2207"}
        await past.call("2601", {"data": data}, person)
        seeded[number(encounter)] = "OURS_ONLY"
    for person in THEIRS:
        seeded[number(await visit(past, person))] = "THEIRS_ONLY"
    for person, twin in zip(TWICE, matched, strict=False):
        await put(at, "/_sim/amounts", {person.psn_no: {"setl_id": number(twin)}})
        seeded[number(await visit(past, person))] = "DUPLICATE"
    seeded[await lost(at)] = "THEIRS_ONLY"
    return seeded


def number(encounter: Outpatient) -> str:
    """The setl_id of a visit."""
    assert encounter.settled is not None
    return encounter.settled.booked.setl_id


async def lost(at: Ward) -> str:
    """A settlement the platform executed, whose answer and whose reversals are lost; returns its msgid."""
    encounter = await presettled(at.his, UNKNOWN)
    message = await at.his.line.message("2207", encounter.settle_input(), UNKNOWN.insuplc_admdvs)
    faults = [
        {"operation": "2207", "nth": 1, "kind": "drop_after"},
        {"operation": "2601", "probability": 1, "kind": "reject", "code": "X"},
    ]
    await put(at, "/_sim/faults", faults)
    with suppress(asyncio.TimeoutError):
        await asyncio.wait_for(at.post(message.body), 3)
    return message.msgid


async def test_twelve_seeded_breaks_come_out_and_nothing_else(at: Ward) -> None:
    seeded = await seed(at)
    assert Counter(seeded.values()) == {"DIFFERS": 3, "OURS_ONLY": 3, "THEIRS_ONLY": 4, "DUPLICATE": 2}
    await at.town.clock(at.session, "2025-03-04T06:59:00+08:00", 0)
    await at.town.clear(at.session)
    await at.town.clock(at.session, "2025-03-04T08:00:00+08:00", 0)
    _, shown = await v1(at, "GET", f"/v1/reconciliations/{DAY}")
    found = {_key(row, seeded): row for row in shown["breaks"]}
    assert {key: row["kind"] for key, row in found.items()} == seeded
    states = Counter((row["kind"], row["state"]) for row in found.values())
    assert states["THEIRS_ONLY", "REPAIRED"] == 1
    assert sum(states.values()) - 1 == sum(n for (_, state), n in states.items() if state == "OPEN")
    assert all(row["owner"] and row["due"] == "2025-03-05" and row["proposed"] for row in found.values())
    await settlements_say(at, found)


def _key(row: Mapping[str, Any], seeded: Mapping[str, str]) -> str:
    key = row["business_key"]
    return str(key["msgid"] if key["msgid"] in seeded else key["setl_id"])


async def settlements_say(at: Ward, found: Mapping[str, Mapping[str, Any]]) -> None:
    """Settlements in a break are held out, the others are reconciled."""
    _, listed = await v1(at, "GET", f"/v1/settlements?date={DAY}&fixmedins_code={CODE}&limit=100")
    states = {row["setl_id"]: row["state"] for row in listed["items"] if not row["refund"]}
    broken = {key for key, row in found.items() if row["kind"] in ("DIFFERS", "OURS_ONLY")}
    assert {key for key, state in states.items() if state == "RECON_DIFF"} == broken
    assert Counter(states.values()) == {"RECON_DIFF": 6, "RECONCILED": len(MATCHED), "CANCELLED": 1}


RESOLUTIONS = {
    "DIFFERS": "accept_theirs", "OURS_ONLY": "not_insured", "THEIRS_ONLY": "reverse", "DUPLICATE": "accept_ours",
}  # fmt: skip


async def test_two_persons_close_them_and_the_groups_come_to_rest(at: Ward) -> None:
    _, shown = await v1(at, "GET", f"/v1/reconciliations/{DAY}/breaks")
    for row in shown["items"]:
        if row["state"] != "OPEN":
            continue
        path = f"/v1/reconciliations/{DAY}/breaks/{row['break_id']}/close"
        body = {"resolution": RESOLUTIONS[row["kind"]], "reason": "核实"}
        status, _ = await v1(at, "POST", path, "operator", body, f"a-{row['break_id']}")
        assert status == 202
        status, closed = await v1(at, "POST", path, "preparer", body, f"b-{row['break_id']}")
        assert (status, closed["state"]) == (200, "CLOSED"), closed
    status, after = await v1(at, "POST", f"/v1/reconciliations/{DAY}", "operator", {"kinds": ["platform"]}, "again")
    assert status == 200
    assert {group["state"] for group in after["groups"]} <= {"EQUAL", "CLOSED"}
    assert {row["state"] for row in after["breaks"]} <= {"CLOSED", "REPAIRED"}
    _, listed = await v1(at, "GET", f"/v1/settlements?date={DAY}&fixmedins_code={CODE}&limit=100")
    states = Counter(row["state"] for row in listed["items"] if not row["refund"])
    assert states == {"RECONCILED": len(MATCHED) + 3, "CANCELLED": 4}


async def test_metric_counts_what_is_open(at: Ward) -> None:
    async with aiohttp.ClientSession() as session, session.get(f"{at.town.gateway}/metrics") as answer:
        lines = (await answer.text()).splitlines()
    assert "xinyi_recon_breaks_open 0.0" in lines


async def test_an_expired_sign_in_is_renewed_and_the_hospital_sees_nothing_of_it(at: Ward) -> None:
    await put(at, "/_sim/variants", {"auth_none": False, "sign_no_unchecked": False, "sign_no_expires": 1})
    await at.town.clock(at.session, "2025-03-04T21:00:00+08:00", 0)
    before = await sent(at, "9001")
    encounter = await visit(at.his, MATCHED[0])
    assert encounter.settled is not None
    assert await sent(at, "9001") == before + 1
    await at.town.clock(at.session, "2025-03-04T23:00:00+08:00", 0)
    with suppress(NationalRefused):
        await encounter.cancel()
    assert await sent(at, "9001") == before + 2
    _, shown = await v1(at, "GET", f"/v1/settlements/{number(encounter)}?fixmedins_code={CODE}")
    assert (shown["state"], shown["list_uploaded"]) == ("CANCELLED", False)


async def sent(at: Ward, infno: str) -> int:
    """How many messages of a transaction the platform got."""
    async with at.session.get(f"{at.town.simulator('platform')}/_sim/requests") as answer:
        return sum(row["operation"] == infno for row in (await answer.json())["requests"])


async def test_a_settlement_with_its_list_says_so(at: Ward) -> None:
    encounter = await visit(at.his, MATCHED[1])
    data = {"setlinfo": {"mdtrt_id": encounter.mdtrt_id, "setl_id": number(encounter), "psn_no": MATCHED[1].psn_no}}
    await at.his.call("4101A", data, MATCHED[1])
    _, shown = await v1(at, "GET", f"/v1/settlements/{number(encounter)}?fixmedins_code={CODE}")
    assert shown["list_uploaded"] is True


@pytest.mark.parametrize("columns", ["seven", "eleven"])
async def test_provinces_that_answer_otherwise_and_a_sign_in_that_expired_overnight(at: Ward, columns: str) -> None:
    day, following = ("2025-03-05", "2025-03-06") if columns == "seven" else ("2025-03-06", "2025-03-07")
    await at.town.clock(at.session, f"{day}T09:00:00+08:00", 0)
    variants = {"detail_result_seven_columns": columns == "seven", "detail_result_eleven_columns": columns == "eleven"}
    await put(at, "/_sim/variants", {**variants, "stmt_rslt_six_digits": True, "detail_result_all_rows": True})
    await at.town.fault(at.session, "platform", operation="2207", nth=1, kind="lie", fen=1)
    wrong, right = await visit(at.his, MATCHED[2]), await visit(at.his, MATCHED[3])
    await at.town.clock(at.session, f"{following}T08:00:00+08:00", 0)
    _, shown = await v1(at, "GET", f"/v1/reconciliations/{day}/breaks")
    (found,) = shown["items"]
    assert (found["kind"], found["business_key"]["setl_id"]) == ("DIFFERS", number(wrong))
    assert (found["theirs"]["medfee_sumamt"] is None) == (columns == "seven")
    _, said = await v1(at, "GET", f"/v1/settlements/{number(right)}?fixmedins_code={CODE}")
    assert said["state"] == "RECONCILED"
