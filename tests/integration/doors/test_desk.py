"""The operator's desk over `/v1`: unknown outcomes, tasks, trace, and who may see what."""

from __future__ import annotations

from typing import Any

import pytest

from simulators.hospital.credit import Terms
from simulators.hospital.encounters import Outpatient
from simulators.hospital.v1 import V1Client, V1Refused
from tests.support.his import Ward, people, ward
from tests.support.sandbox import Town

TERMS = Terms("shaoyang", "bocom", "CREDIT_LOAN", ("OUTPATIENT",))


def staff(at: Ward, role: str) -> V1Client:
    return V1Client(f"sandbox-{role}", at.town.gateway, at.session)


async def charge_without_answer(at: Ward) -> dict[str, Any]:
    """A visit whose charge at the bank was executed and never answered; the clock stands still."""
    person = people("4305")[20]
    auth_id = await at.his.desk.authorise(person, "2025-12-31")
    agreement = await at.his.desk.apply(person, auth_id, TERMS)
    encounter = Outpatient(at.his, person)
    await encounter.register()
    visit = await at.his.open_credit_visit(agreement["agreement_no"], person, encounter.mdtrt_id, "OUTPATIENT", "11")
    amounts = {person.psn_no: {"medfee_sumamt": "200.00", "psn_cash_pay": "100.00", "acct_pay": "0.00"}}
    async with at.session.put(f"{at.town.simulator('platform')}/_sim/amounts", json=amounts) as answer:
        assert answer.status == 200
    await encounter.upload(at.his.fee_lines(20000, 2))
    await encounter.presettle()
    async with at.session.get(f"{at.town.gateway}/sandbox/clock") as answer:
        here = (await answer.json())["now"]
    await at.town.clock(at.session, here, rate=0)
    await at.town.fault(at.session, "bank", operation="Withhold", nth=1, kind="drop_after")
    settled = await encounter.settle()
    assert settled.creditpay is not None
    assert settled.creditpay["charge_status"] == "PENDING"
    return {"visit": visit, "settled": settled, "person": person, "here": here}


async def test_an_unknown_charge_is_shown_asked_after_and_traced(town: Town) -> None:
    async with ward(town) as at:
        case = await charge_without_answer(at)
        shown = await case["visit"].get()
        assert shown["state"] == "CHARGE_PENDING"
        serial = shown["charges"][0]["serial"]
        rows = await staff(at, "auditor").rows("/v1/unknown")
        mine = [row for row in rows if row["key"] == serial]
        assert len(mine) == 1
        assert (mine[0]["counterpart"], mine[0]["operation"], mine[0]["amount"]) == ("bocom", "Withhold", "100.00")
        assert mine[0]["may_resend"] is False
        assert mine[0]["why"]
        with pytest.raises(V1Refused, match="FORBIDDEN"):
            await staff(at, "auditor").post(f"/v1/unknown/{mine[0]['operation_id']}/ask", {}, "a1")
        asked = await staff(at, "operator").post(f"/v1/unknown/{mine[0]['operation_id']}/ask", {}, "a2")
        assert asked["state"] == "DONE"
        await at.town.clock(at.session, case["here"], rate=1)
        await case["visit"].at_rest(10)
        assert (await case["visit"].get())["state"] == "SETTLED"
        effects = [e for e in await town.effects(at.session, "bank") if e["key"] == serial]
        assert len(effects) == 1
        for number in (case["settled"].booked.setl_id, case["settled"].message.msgid):
            found = await staff(at, "operator").get(f"/v1/trace/{number}")
            assert {"claim"} <= {link["kind"] for link in found["chain"]}
            steps = {(step["operation"], step.get("verdict")) for step in found["steps"]}
            assert ("2207", "DONE") in steps
            assert ("Withhold", "UNKNOWN") in steps
        text = str(await staff(at, "operator").get(f"/v1/trace/{shown['visit_id']}"))
        assert case["person"].certno not in text
        assert case["person"].psn_name not in text


async def test_a_number_nobody_knows_and_one_of_another_hospital(town: Town) -> None:
    async with ward(town) as at, ward(town, "H44010000001") as other:
        encounter = await at.fees(people("4305")[21])
        await encounter.presettle()
        settled = await encounter.settle()
        own = await at.his.v1.get(f"/v1/trace/{settled.message.msgid}")
        assert own["chain"]
        for client, number in ((other.his.v1, settled.message.msgid), (staff(at, "operator"), "NOBODY-KNOWS")):
            with pytest.raises(V1Refused) as refused:
                await client.get(f"/v1/trace/{number}")
            assert refused.value.code == "NOT_FOUND"


async def test_keys_of_v1_posts(town: Town) -> None:
    async with ward(town) as at:
        url = f"{town.gateway}/v1/visits"
        headers = {"Authorization": "Bearer sandbox-H43050000001"}
        async with at.session.post(url, json={}, headers=headers) as answer:
            assert (answer.status, (await answer.json())["code"]) == (400, "IDEMPOTENCY_KEY_REQUIRED")
        person = people("4305")[23]
        auth = {
            "psn_no": person.psn_no, "psn_name": person.psn_name, "psn_cert_type": "01", "certno": person.certno,
            "purpose": "CREDIT_PAY", "scope": ["CREDIT_QUERY", "BANK_SHARE"], "channel": "WINDOW",
            "valid_to": "2025-12-31T23:59:59+08:00", "evidence_digest": "d",
        }  # fmt: skip
        keyed = {**headers, "Idempotency-Key": "once"}
        raws = []
        for _ in range(2):
            async with at.session.post(f"{town.gateway}/v1/authorisations", json=auth, headers=keyed) as answer:
                raws.append((answer.status, await answer.read(), answer.headers.get("Idempotency-Replayed")))
        assert raws[0][:2] == raws[1][:2]
        assert (raws[0][0], raws[0][2], raws[1][2]) == (200, None, "true")
        changed = {**auth, "channel": "APP"}
        async with at.session.post(f"{town.gateway}/v1/authorisations", json=changed, headers=keyed) as answer:
            body = await answer.json()
            assert (answer.status, body["code"], body["differences"]) == (422, "IDEMPOTENCY_KEY_REUSED", ["channel"])
        for raw, code in ((b"{", "MALFORMED"), (b"[]", "MALFORMED"), (b'{"nobody": 1}', "INVALID_FIELD")):
            fresh = {**headers, "Idempotency-Key": f"bad-{code}-{len(raw)}"}
            async with at.session.post(f"{town.gateway}/v1/authorisations", data=raw, headers=fresh) as answer:
                assert (await answer.json())["code"] == code


async def test_the_sandbox_clock_refuses_nonsense(town: Town) -> None:
    async with ward(town) as at:
        for body in (b"{", b'{"now": "yesterday"}', b'{"now": "2025-03-03T08:00:00"}', b'{"rate": 7}'):
            async with at.session.put(f"{town.gateway}/sandbox/clock", data=body) as answer:
                assert answer.status in (400, 422), body
        async with at.session.put(f"{town.gateway}/sandbox/crash", data=b"{}") as answer:
            assert answer.status == 400


async def test_a_difference_becomes_a_task_that_is_taken_and_closed_with_a_reason(town: Town) -> None:
    async with ward(town, "H44010000001") as at:
        await town.fault(at.session, "platform", operation="2207", nth=1, kind="lie", fen=1)
        encounter = await at.fees(people("4401")[22])
        await encounter.presettle()
        await encounter.settle()
        await town.clock(at.session, "2025-03-04T09:00:00+08:00")
        tasks = await staff(at, "operator").rows("/v1/tasks")
        mine = [task for task in tasks if task["hospital"] == at.code]
        assert mine
        assert mine[0]["title"] != mine[0]["kind"], "a person reads a name, not a code"
        task_id = mine[0]["task_id"]
        taken = await staff(at, "operator").post(f"/v1/tasks/{task_id}/take", {}, "t1")
        assert (taken["state"], taken["owner"].partition(":")[0]) == ("TAKEN", "operator")
        body = {"resolution": "checked", "reason": "compared with the platform"}
        closed = await staff(at, "operator").post(f"/v1/tasks/{task_id}/close", body, "t2")
        assert (closed["state"], closed["resolution"]) == ("CLOSED", "checked")
        with pytest.raises(V1Refused, match="ILLEGAL_STATE"):
            await staff(at, "operator").post(f"/v1/tasks/{task_id}/close", body, "t3")


async def test_own_time_is_measured_without_the_partners(town: Town) -> None:
    async with ward(town) as at:
        await town.fault(at.session, "platform", operation="1101", nth=1, kind="delay_after", seconds=1)
        await at.fees(people("4305")[24])
        async with at.session.get(f"{town.gateway}/metrics") as answer:
            lines = (await answer.text()).splitlines()
        own = [line for line in lines if line.startswith("xinyi_overhead_seconds_sum") and 'operation="1101"' in line]
        whole = [line for line in lines if line.startswith("xinyi_exchange_seconds_sum") and 'operation="1101"' in line]
        assert float(whole[0].split()[-1]) - float(own[0].split()[-1]) >= 1.0
