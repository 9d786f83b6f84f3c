"""A hospital of Quanzhou whose bank speaks its own WSDL: consent to refund in the running sandbox, everything signed.

No flow knows that this bank is another one; its day ends at 22:30.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from lxml import etree

from simulators.hospital.credit import CreditDesk, CreditVisit, Terms
from simulators.hospital.encounters import Inpatient
from simulators.hospital.people import Person
from simulators.hospital.v1 import V1Client
from tests.support.his import Ward, people, ward
from tests.support.sandbox import Town

CODE = "H35050000001"
TERMS = Terms("quanzhou", "cib", "CREDIT_LOAN", ("OUTPATIENT", "INPATIENT"))
RARE = "林䶮㛃"  # in GB18030, not in GBK
MONEY = ("Withhold", "Refund", "PreAuthorise", "CompletePreAuthorisation", "VoidPreAuthorisation")


@dataclass
class Window:
    """The hospital's desk for credit pay."""

    at: Ward
    v1: V1Client

    @property
    def town(self) -> Town:
        return self.at.town

    async def control(self, method: str, simulator: str, path: str, content: Any = None) -> Any:
        url = f"{self.town.simulator(simulator)}/_sim/{path}"
        async with self.at.session.request(method, url, json=content) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json()

    async def enrol(self, person: Person, limit: str = "8000.00") -> dict[str, Any]:
        """Consent, application and signing at the bank."""
        await self.control("PUT", "bank", "lines", {person.certno: {"limit": limit}})
        scores = {person.certno: {"scheme": "quanzhou", "score": "80.00", "qualification": True}}
        await self.control("PUT", "credit", "scores", scores)
        desk = CreditDesk(self.v1)
        return await desk.apply(person, await desk.authorise(person, "2025-12-31"), TERMS)

    async def visit(self, agreement: dict[str, Any], mdtrt_id: str, person: Person, scene: str) -> CreditVisit:
        kind = "21" if scene == "INPATIENT" else "11"
        about = {
            "mdtrt_id": mdtrt_id, "psn_no": person.psn_no, "scene": scene, "med_type": kind, "insutype": "310",
        }  # fmt: skip
        return await CreditVisit.open(self.v1, CODE, agreement["agreement_no"], about)

    async def costs(self, person: Person, total: str, cash: str) -> None:
        """What the platform's next settlement of the person gives."""
        fund = str(Decimal(total) - Decimal(cash))
        amounts = {
            "medfee_sumamt": total, "fund_pay_sumamt": fund, "hifp_pay": fund, "psn_part_amt": cash,
            "psn_cash_pay": cash, "acct_pay": "0.00",
        }  # fmt: skip
        await self.control("PUT", "platform", "amounts", {person.psn_no: amounts})

    async def money(self, agreement_no: str) -> list[tuple[str, int]]:
        """What the bank did under an agreement."""
        effects = await self.town.effects(self.at.session, "bank")
        return [(e["operation"], e["amount_fen"]) for e in effects if e["party"] == agreement_no and e["amount_fen"]]

    async def line(self, person: Person) -> dict[str, Any]:
        return dict((await self.control("GET", "bank", "lines"))["lines"][person.certno])


@pytest.fixture
async def window(town: Town) -> AsyncIterator[Window]:
    async with ward(town, CODE) as at:
        yield Window(at, V1Client(f"sandbox-{CODE}", town.gateway, at.session))


async def outpatient(window: Window, person: Person, total: int, cash: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """A settled visit of a newly enrolled person: (agreement, visit)."""
    agreement = await window.enrol(person)
    assert (agreement["state"], agreement["credit_limit"]) == ("ACTIVE", "8000.00")
    encounter = await window.at.fees(person, total)
    visit = await window.visit(agreement, encounter.mdtrt_id, person, "OUTPATIENT")
    assert (await visit.leg("L1", "LAB", total, total)).go
    await window.costs(person, f"{total / 100:.2f}", cash)
    await encounter.presettle()
    await visit.settle("2207", encounter.settle_input(), (window.at.his.number("BILL"), total), "1")
    return agreement, await visit.at_rest(30)


async def test_enrolment_visit_charge_and_a_refund_before_the_banks_day_ends(window: Window) -> None:
    await window.town.clock(window.at.session, "2025-03-03T22:10:00+08:00")
    person = replace(people("3505")[0], psn_name=RARE, psn_no="35050000000000990000009001", certno="350502199001019990")
    await window.control("POST", "platform", "people", [person.seed()])
    agreement, shown = await outpatient(window, person, 120_000, "345.60")
    charge = shown["charges"][0]
    assert (shown["state"], charge["state"], charge["amount"]) == ("SETTLED", "SUCCEEDED", "345.60")
    assert charge["bank_txn_no"].startswith("BTQ")
    assert await window.money(agreement["agreement_no"]) == [("Withhold", 34560)]
    assert (await window.line(person))["used"] == "345.60"
    cancelled = await window.v1.post(f"/v1/visits/{shown['visit_id']}/cancel", {"reason": "退费"}, "cancel-1")
    assert cancelled["state"] == "REVERSED"
    assert cancelled["charges"][0]["state"] == "VOIDED"
    assert (await window.line(person))["used"] == "0.00"


async def test_after_half_past_ten_a_refund_is_no_reversal_any_more(window: Window) -> None:
    await window.town.clock(window.at.session, "2025-03-04T22:20:00+08:00")
    person = people("3505")[3]
    agreement, shown = await outpatient(window, person, 50_000, "100.01")
    await window.town.clock(window.at.session, "2025-03-04T22:40:00+08:00")
    cancelled = await window.v1.post(f"/v1/visits/{shown['visit_id']}/cancel", {"reason": "退费"}, "cancel-2")
    assert cancelled["state"] == "REVERSED"
    assert cancelled["charges"][0]["state"] == "REFUNDED"
    assert await window.money(agreement["agreement_no"]) == [("Withhold", 10001), ("Refund", 10001)]


async def test_a_deposit_is_held_captured_and_the_rest_given_back(window: Window) -> None:
    await window.town.clock(window.at.session, "2025-03-05T10:00:00+08:00")
    person = people("3505")[4]
    agreement = await window.enrol(person)
    stay = Inpatient(window.at.his, person)
    await stay.admit()
    visit = await window.visit(agreement, stay.mdtrt_id, person, "INPATIENT")
    held = await visit.deposit("D1", 200_000)
    assert (held["state"], (await window.line(person))["held"]) == ("HELD", "2000.00")
    await stay.upload(window.at.his.fee_lines(600_000, 3))
    await stay.discharge()
    await window.costs(person, "6000.00", "1500.00")
    await stay.presettle()
    await visit.settle("2304", stay.settle_input(), (window.at.his.number("BILL"), 600_000), "1")
    shown = await visit.at_rest(30)
    hold = shown["holds"][0]
    assert (shown["state"], hold["captured_amt"], hold["released_amt"]) == ("SETTLED", "1500.00", "500.00")
    done = [("PreAuthorise", 200_000), ("CompletePreAuthorisation", 150_000)]
    assert await window.money(agreement["agreement_no"]) == done
    assert (await window.line(person))["available"] == "6500.00"


async def test_an_answer_that_got_lost_is_asked_for_and_charged_once(window: Window) -> None:
    await window.town.clock(window.at.session, "2025-03-06T10:00:00+08:00")
    person = people("3505")[6]
    await window.town.fault(window.at.session, "bank", operation="Withhold", kind="drop_after", nth=1)
    agreement, shown = await outpatient(window, person, 80_000, "250.00")
    await window.town.clear(window.at.session)
    await window.town.clock(window.at.session, "2025-03-06T10:05:00+08:00")
    shown = await window.v1.get(f"/v1/visits/{shown['visit_id']}")
    assert (shown["state"], shown["charges"][0]["state"]) == ("SETTLED", "SUCCEEDED")
    assert await window.money(agreement["agreement_no"]) == [("Withhold", 25000)]


async def test_what_the_bank_tells_by_itself_reaches_the_agreement(window: Window) -> None:
    await window.town.clock(window.at.session, "2025-03-07T10:00:00+08:00")
    person = people("3505")[7]
    agreement, _ = await outpatient(window, person, 80_000, "250.00")
    body = {"agreement_no": agreement["agreement_no"], "amount": "100.00", "channel": "WECHAT"}
    await window.control("POST", "bank", "repayments", body)
    await window.control("PUT", "bank", "lines", {person.certno: {"limit": "6000.00"}})
    for _ in range(100):
        await asyncio.sleep(0.05)
        shown = await window.v1.get(f"/v1/agreements/{agreement['agreement_no']}")
        notices = (await window.control("GET", "bank", "notices"))["notices"]
        if all(notice["acked"] for notice in notices):
            break
    assert len(notices) == 2
    assert (shown["credit_limit"], shown["used_amt"]) == ("6000.00", "150.00")


async def test_nothing_medical_and_no_plain_name_leaves_for_the_bank_or_a_log(window: Window) -> None:
    requests = (await window.control("GET", "bank", "requests"))["requests"]
    bodies = [row["body"] for row in requests if row["path"] == "/cib"]
    assert len(bodies) > 10
    assert all("GB18030" in body and "Signature" in body for body in bodies)
    assert not any(word in body for word in ("肺炎", "J18.900", "内科", "费用") for body in bodies)
    assert any(RARE in body for body in bodies)
    log = (window.town.place.logs / "gateway.log").read_text("utf-8")
    assert RARE not in log
    assert "350502199001019990" not in log


async def test_the_gateways_door_shows_the_banks_own_wsdl(window: Window) -> None:
    async with window.at.session.get(f"{window.town.gateway}/soap/bank/cib?wsdl") as answer:
        root = etree.fromstring(await answer.read())
    address = root.find(".//{http://schemas.xmlsoap.org/wsdl/soap12/}address")
    assert address is not None
    assert address.get("location") == f"{window.town.gateway}/soap/bank/cib"
    assert root.get("targetNamespace") == "urn:cib:yxf:service:2.0"


async def test_an_unsigned_push_is_refused_in_the_banks_own_words_and_kept(window: Window) -> None:
    url = f"{window.town.gateway}/soap/bank/cib"
    raw = '<?xml version="1.0" encoding="GB18030"?><e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-envelope">'
    raw += '<e:Body><y:tradeNotice xmlns:y="urn:cib:yxf:service:2.0"/></e:Body></e:Envelope>'
    kind = "application/soap+xml; charset=GB18030"
    async with window.at.session.post(url, data=raw.encode("gb18030"), headers={"Content-Type": kind}) as answer:
        body = (await answer.read()).decode("gb18030")
        assert (answer.status, answer.headers["Content-Type"]) == (400, kind)
    assert "<errCode>SIGNATURE_INVALID</errCode>" in body
    assert "YxfFault" in body


def test_the_sandbox_tells_where_the_bank_is(town: Town) -> None:
    described = json.loads(Path(town.place.description).read_text("utf-8"))
    assert described["banks"]["cib"]["url"] == f"{town.simulator('bank')}/cib"
    assert any(name.startswith("cib_") for name in described["keys"])


async def test_the_days_of_the_bank_end_at_half_past_ten(window: Window) -> None:
    async with aiohttp.ClientSession() as session:
        await window.town.clock(session, "2025-03-08T22:29:00+08:00")
        async with session.get(f"{window.town.simulator('bank')}/cib/statements/20250308") as answer:
            assert answer.status == 404
        await window.town.clock(session, "2025-03-08T22:31:00+08:00")
        async with session.get(f"{window.town.simulator('bank')}/cib/statements/20250308") as answer:
            assert (answer.status, (await answer.text()).split("|")[:3]) == (200, ["H", "cib", "20250308"])
        async with session.get(f"{window.town.simulator('bank')}/bocom/statements/20250308") as answer:
            assert answer.status == 404
