"""Kunming's hospital in a running sandbox: the same flows as anywhere, over a bank that speaks ISO 20022."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count
from typing import Any

import aiohttp
import pytest

from simulators.bank.iso import documents, signatures
from simulators.bank.wsse import Keys
from simulators.hospital.credit import CreditDesk, CreditVisit, Terms, yuan
from simulators.hospital.encounters import Outpatient
from simulators.hospital.people import Person
from simulators.hospital.v1 import V1Client
from tests.support.his import Ward, people, ward
from tests.support.sandbox import Town

HOSPITAL = "H53010000001"
TERMS = Terms("kunming", "iso", "CREDIT_LOAN", ("OUTPATIENT",))
_people: Iterator[Person] = iter(people("5301"))
_numbers = count(1)


@dataclass
class Desk:
    """The hospital's window and what everybody outside did."""

    at: Ward
    v1: V1Client

    @property
    def town(self) -> Town:
        return self.at.town

    async def sign(self, limit: str = "5000.00") -> tuple[Person, dict[str, Any]]:
        """A person of Kunming with an agreement at rest."""
        person = next(_people)
        await self.bank("PUT", "lines", {person.certno: {"limit": limit}})
        desk = CreditDesk(self.v1)
        agreement = await desk.apply(person, await desk.authorise(person, "2025-12-31"), TERMS)
        return person, agreement

    async def arrive(self, person: Person, agreement: dict[str, Any], fen: int = 20000) -> tuple[Any, CreditVisit]:
        """An encounter with uploaded fees of which half is cash, and its credit visit with one leg."""
        amounts = {"medfee_sumamt": yuan(fen), "psn_cash_pay": yuan(fen // 2), "acct_pay": "0.00"}
        url = f"{self.town.simulator('platform')}/_sim/amounts"
        async with self.at.session.put(url, json={person.psn_no: amounts}) as answer:
            assert answer.status == 200, await answer.text()
        encounter = await self.at.fees(person, fen)
        place = {
            "mdtrt_id": encounter.mdtrt_id, "psn_no": person.psn_no, "scene": "OUTPATIENT", "med_type": "11",
            "insutype": person.insutype,
        }  # fmt: skip
        visit = await CreditVisit.open(self.v1, HOSPITAL, agreement["agreement_no"], place)
        assert (await visit.leg("L1", "LAB", fen, fen)).go
        await encounter.presettle()
        return encounter, visit

    async def settle(self, encounter: Outpatient, visit: CreditVisit) -> dict[str, Any]:
        number = next(_numbers)
        return await visit.settle("2207", encounter.settle_input(), (f"BILL{number}", encounter.total), f"{number}")

    async def bank(self, method: str, path: str, content: Any = None) -> Any:
        async with self.at.session.request(method, f"{self.town.simulator('bank')}/_sim/{path}", json=content) as got:
            assert got.status == 200, await got.text()
            return await got.json()

    async def charged(self, visit: dict[str, Any]) -> list[tuple[str, int]]:
        """What the bank really did for a visit, by operation and fen."""
        serials = {charge["serial"] for charge in visit["charges"]}
        return [
            (e["operation"], e["amount_fen"])
            for e in await self.town.effects(self.at.session, "bank")
            if serials & {e["key"], e["detail"].get("orig_serial")}
        ]

    async def later(self, **by: int) -> None:
        """Business time goes on and everything due is done."""
        async with self.at.session.get(f"{self.town.gateway}/sandbox/clock") as answer:
            now = datetime.fromisoformat((await answer.json())["now"])
        await self.town.clock(self.at.session, (now + timedelta(**by)).isoformat())


@pytest.fixture
async def desk(town: Town) -> AsyncIterator[Desk]:
    async with ward(town, HOSPITAL) as at:
        yield Desk(at, V1Client(f"sandbox-{HOSPITAL}", town.gateway, at.session))
        await town.clear(at.session)


def fen(amount: str) -> int:
    return int(amount.replace(".", ""))


async def test_a_visit_is_charged_and_given_back(desk: Desk) -> None:
    person, agreement = await desk.sign("5000.00")
    assert (agreement["state"], agreement["credit_limit"]) == ("ACTIVE", "5000.00")
    encounter, visit = await desk.arrive(person, agreement)
    settled = await desk.settle(encounter, visit)
    assert settled["state"] == "SETTLED"
    cash = fen(settled["settlement"]["psn_cash_pay"])
    assert await desk.charged(settled) == [("Withhold", cash)]
    cancelled = await desk.v1.post(f"/v1/visits/{visit.visit_id}/cancel", {"reason": "退费"}, f"c-{visit.visit_id}")
    assert cancelled["state"] in ("REVERSING", "REVERSED")
    shown = await visit.at_rest()
    assert shown["state"] == "REVERSED"
    assert await desk.charged(shown) == [("Withhold", cash), ("Refund", cash)]
    # The whole charge on the bank's own day: it says so, and the charge is void, not refunded (D.4).
    assert "VOIDED" in {charge["state"] for charge in shown["charges"]}
    again = await desk.v1.get(f"/v1/agreements/{agreement['agreement_no']}")
    assert (again["used_amt"], again["avail_amt"]) == ("0.00", "5000.00")


@pytest.mark.parametrize("kind", ["drop_after", "garbage", "http_500_after"])
async def test_a_lost_answer_is_found_out_and_charged_once(desk: Desk, kind: str) -> None:
    person, agreement = await desk.sign()
    encounter, visit = await desk.arrive(person, agreement)
    await desk.town.fault(desk.at.session, "bank", operation="Withhold", kind=kind, nth=1)
    await desk.settle(encounter, visit)
    await desk.later(seconds=40)
    shown = await visit.at_rest()
    assert shown["state"] == "SETTLED"
    assert await desk.charged(shown) == [("Withhold", fen(shown["settlement"]["psn_cash_pay"]))]


async def test_what_the_bank_never_got_is_a_failed_charge_after_its_settling_time(desk: Desk) -> None:
    person, agreement = await desk.sign()
    encounter, visit = await desk.arrive(person, agreement)
    await desk.town.fault(desk.at.session, "bank", operation="Withhold", kind="drop_before", nth=1)
    pending = await desk.settle(encounter, visit)
    assert pending["state"] == "CHARGE_PENDING"
    await desk.later(seconds=60)
    assert (await visit.get())["state"] == "CHARGE_PENDING"
    await desk.later(minutes=15)
    shown = await visit.at_rest()
    assert shown["state"] == "CHARGE_FAILED"
    assert await desk.charged(shown) == []


async def test_what_the_bank_refuses_is_told_with_its_reason(desk: Desk) -> None:
    person, agreement = await desk.sign()
    encounter, visit = await desk.arrive(person, agreement)
    await desk.town.fault(desk.at.session, "bank", operation="Withhold", kind="reject", code="AC06", nth=1)
    shown = await desk.settle(encounter, visit)
    assert shown["state"] == "CHARGE_FAILED"
    assert [charge["state"] for charge in shown["charges"]] == ["REJECTED"]


async def test_a_charge_booked_later_is_told_by_a_camt_054(desk: Desk) -> None:
    person, agreement = await desk.sign()
    encounter, visit = await desk.arrive(person, agreement)
    await desk.bank("PUT", "settings", {"pending_seconds": 5})
    try:
        assert (await desk.settle(encounter, visit))["state"] == "CHARGE_PENDING"
        await desk.later(seconds=10)
        shown = await visit.at_rest()
    finally:
        await desk.bank("PUT", "settings", {"pending_seconds": 0})
    assert shown["state"] == "SETTLED"
    assert await desk.charged(shown) == [("Withhold", fen(shown["settlement"]["psn_cash_pay"]))]
    notices = [row for row in (await desk.bank("GET", "notices"))["notices"] if row["event"] == "WITHHOLD"]
    assert [row["acked"] for row in notices] == [True]


async def test_a_repayment_and_a_suspension_reach_the_agreement(desk: Desk) -> None:
    person, agreement = await desk.sign()
    encounter, visit = await desk.arrive(person, agreement)
    settled = await desk.settle(encounter, visit)
    number, cash = agreement["agreement_no"], settled["settlement"]["psn_cash_pay"]
    await desk.bank("POST", "repayments", {"agreement_no": number, "amount": cash, "channel": "UNIONPAY"})
    await desk.bank("POST", "agreements/suspend", {"agreement_no": number})
    deadline = asyncio.get_running_loop().time() + 15
    while (shown := await desk.v1.get(f"/v1/agreements/{number}"))["state"] != "SUSPENDED" or shown[
        "used_amt"
    ] != "0.00":
        assert asyncio.get_running_loop().time() < deadline, shown
        await asyncio.sleep(0.2)


async def test_an_sms_code_is_asked_for_and_taken(desk: Desk) -> None:
    await desk.bank("PUT", "settings", {"needs_sms": True})
    try:
        _, agreement = await desk.sign("3000.00")
    finally:
        await desk.bank("PUT", "settings", {"needs_sms": False})
    assert (agreement["state"], agreement["credit_limit"]) == ("ACTIVE", "3000.00")


async def test_every_message_to_the_bank_is_signed_and_says_nothing_medical(desk: Desk) -> None:
    person, agreement = await desk.sign()
    await desk.settle(*await desk.arrive(person, agreement))
    async with desk.at.session.get(f"{desk.town.simulator('bank')}/_sim/requests") as answer:
        requests = [row for row in (await answer.json())["requests"] if row["path"].startswith("/iso/")]
    assert requests
    turned_away = {row["detail"]["code"] for row in requests if "code" in row["detail"]}
    assert not turned_away & {"UNAUTHENTICATED", "SIGNATURE_INVALID", "TIMESTAMP_EXPIRED", "INVALID_FIELD", "MALFORMED"}
    for row in requests:
        for word in ("J06.900", "急性上呼吸道感染", "diag", "fee", "dise"):
            assert word not in row["body"]


# -- the door -------------------------------------------------------------------------------------------------------


async def test_the_running_door_refuses_what_is_not_signed_and_answers_signed(town: Town) -> None:
    keys = Keys.load(town.place.keys / "iso.key.pem", town.place.keys / "iso.cert.pem", None)
    told = '"MsgId":"N1","NtfctnId":"N1","OccrdDtTm":"2025-03-03T08:00:00+08:00","MndtId":"AG1","Sts":"ACTV"'
    body = f'{{"MndtNtfctn":{{{told}}}}}'.encode()
    url = f"{town.gateway}/soap/bank/iso"
    digest = signatures.digest(body)
    async with aiohttp.ClientSession() as session:
        plain = {"Content-Type": "application/json", "Content-Digest": digest}
        async with session.post(url, data=body, headers=plain) as answer:
            assert answer.status == 400
            assert '"Cd":"SIGNATURE_INVALID"' in await answer.text()
        signed = {**plain, **signatures.sealed(digest, keys)}
        async with session.post(url, data=body, headers=signed) as answer:
            said = await answer.read()
            assert (answer.status, said) == (200, b'{"Ack":{"Sts":"OK","OrgnlNtfctnId":"N1"}}')
            assert answer.headers["Content-Digest"] == signatures.digest(said)
            assert answer.headers["Signature-Input"].startswith('sig=("content-digest");created=')
        changed = body.replace(b"ACTV", b"SUSP")
        async with session.post(url, data=changed, headers=signed) as answer:
            assert '"Cd":"SIGNATURE_INVALID"' in await answer.text()
        again = {**plain, **signatures.sealed(signatures.digest(changed), keys)}
        async with session.post(url, data=changed, headers=again) as answer:
            assert '"Cd":"REPLAYED"' in await answer.text()


async def test_the_day_ends_with_a_camt_053(desk: Desk) -> None:
    person, agreement = await desk.sign()
    settled = await desk.settle(*await desk.arrive(person, agreement))
    await desk.later(days=1)
    async with desk.at.session.get(f"{desk.town.simulator('bank')}/iso/statements/20250303") as answer:
        body = await answer.read()
    _, root = documents.read(body, documents.STATEMENT)
    entries = {one.text("NtryDtls/TxDtls/Refs/EndToEndId"): one.text("Amt") for one in root.all("Stmt/Ntry")}
    assert entries[settled["charges"][0]["serial"]] == settled["settlement"]["psn_cash_pay"]
