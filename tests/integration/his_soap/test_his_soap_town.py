"""The SOAP door in front of the whole sandbox: a toolkit with nothing but the WSDL settles, repeats and is refused."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal
from typing import Any

import aiohttp
import pytest
import zeep
from lxml import etree

from simulators.hospital.envelope import tif_headers
from tests.integration.his_soap.soap_his_client import TYPES, fault_of, fields, members, post, toolkit, written
from tests.support.his import Ward, institution, people, ward
from tests.support.sandbox import Town

HOSPITAL = "H43050000001"


async def settlement(at: Ward, person: int) -> tuple[str, dict[str, Any], bytes]:
    """A 2207 that is ready to be sent: msgid, national input, and the same as a JSON message."""
    encounter = await at.fees(people("4305")[person])
    await encounter.presettle()
    message = await at.his.line.message("2207", encounter.settle_input(), "430500")
    return message.msgid, json.loads(message.body, parse_float=Decimal)["input"], message.body


async def settled(town: Town, session: aiohttp.ClientSession, msgid: str) -> int:
    effects = await town.effects(session, "platform")
    return sum(effect["operation"] == "2207" and effect["key"] == msgid for effect in effects)


@pytest.mark.parametrize(("version", "person"), [("1.1", 10), ("1.2", 11)])
async def test_a_toolkit_settles_and_json_repeats_it(town: Town, version: str, person: int) -> None:
    async with ward(town) as at:
        msgid, content, as_json = await settlement(at, person)
        kit = await toolkit(town.gateway, institution(HOSPITAL), version)
        head = {"insuplc_admdvs": "430500", "opter": "OP9", "opter_name": "收费员九"}
        answer = await asyncio.to_thread(kit.call, "2207", msgid, content, head)
        assert (answer.infcode, answer.err_msg or "") == ("0", "")
        status, body, headers = await at.post(as_json)
        assert (status, headers["Idempotency-Replayed"]) == (200, "true")
        assert members(answer.output._value_1) == body["output"]
        assert answer.inf_refmsgid == body["inf_refmsgid"]
        assert body["output"]["setlinfo"]["medins_setl_id"] == msgid
        assert await settled(town, at.session, msgid) == 1


@pytest.mark.parametrize(("version", "person"), [("1.1", 12), ("1.2", 13)])
async def test_json_settles_and_a_toolkit_repeats_it(town: Town, version: str, person: int) -> None:
    async with ward(town) as at:
        msgid, content, as_json = await settlement(at, person)
        _, body, _ = await at.post(as_json)
        payload = "".join(etree.tostring(element, encoding="unicode") for element in fields(content))
        message = written("2207", msgid, payload, version).encode()
        first = await post(at.session, town.gateway, message, tif_headers(institution(HOSPITAL)), TYPES[version])
        again = await post(at.session, town.gateway, message, tif_headers(institution(HOSPITAL)), TYPES[version])
        assert first[0] == 200, first[1].decode()
        assert first[2]["Idempotency-Replayed"] == "true"
        assert first[2]["Content-Type"] == TYPES[version]
        assert first[1] == again[1]
        output = next(etree.fromstring(first[1]).iter("{urn:xinyi:his:v1}output"))
        assert members(output) == body["output"]
        assert await settled(town, at.session, msgid) == 1


async def test_a_call_without_a_head_is_insured_here(town: Town) -> None:
    async with ward(town) as at:
        msgid, content, _ = await settlement(at, 14)
        kit = await toolkit(town.gateway, institution(HOSPITAL))
        assert (await asyncio.to_thread(kit.call, "2207", msgid, content)).infcode == "0"


async def test_other_content_under_a_known_msgid_is_a_fault_that_names_it(town: Town) -> None:
    async with ward(town) as at:
        msgid, content, as_json = await settlement(at, 15)
        _, body, _ = await at.post(as_json)
        other = {**content, "data": {**content["data"], "invono": "I-2"}}
        kit = await toolkit(town.gateway, institution(HOSPITAL))
        with pytest.raises(zeep.exceptions.Fault) as fault:
            await asyncio.to_thread(kit.call, "2207", msgid, other)
        assert "invono" in fault.value.message
        assert " [MSGID_REUSED|X" in fault.value.message
        assert fault.value.code == "soap:Client"
        assert await settled(town, at.session, msgid) == 1
        assert body["infcode"] == 0


async def test_a_refusal_of_the_platform_is_a_normal_answer(town: Town) -> None:
    async with ward(town) as at:
        msgid, content, _ = await settlement(at, 16)
        kit = await toolkit(town.gateway, institution(HOSPITAL))
        assert (await asyncio.to_thread(kit.call, "2207", msgid, content)).infcode == "0"
        second = (await at.his.line.message("2207", {}, "430500")).msgid
        answer = await asyncio.to_thread(kit.call, "2207", second, content)
        assert (answer.infcode, answer.output) == ("-1", None)
        assert answer.err_msg
        assert "|" not in answer.err_msg


@pytest.mark.parametrize(
    ("change", "code", "named"),
    [
        (("90.50", "12<!-- -->.34"), "MALFORMED", ""),
        (("90.50", "12.345"), "INVALID_AMOUNT", "medfee_sumamt"),
        (("<psn_no>P1</psn_no>", ""), "INVALID_FIELD", "psn_no"),
        (("2207</h:infno>", "9876</h:infno>"), "UNKNOWN_INFNO", ""),
        (("<h:msgid>M1</h:msgid>", "<h:msgid/>"), "INVALID_FIELD", "msgid"),
        (("<s:Envelope", "<!DOCTYPE x><s:Envelope"), "MALFORMED", ""),
        (("<data>", '<data xmlns:i="http://www.w3.org/2001/XMLSchema-instance" i:nil="true">'), "MALFORMED", ""),
        (("</h:payload>", f"{'<a/>' * 90_000}</h:payload>"), "TOO_LARGE", ""),
    ],
)
async def test_bad_input_is_a_fault_and_nothing_is_sent_on(
    town: Town, change: tuple[str, str], code: str, named: str
) -> None:
    known = "<psn_no>P1</psn_no><mdtrt_id>M1</mdtrt_id><insutype>310</insutype>"
    payload = f"<data>{known}<medfee_sumamt>90.50</medfee_sumamt></data>"
    good = written("2207", "M1", payload)
    assert change[0] in good
    async with ward(town) as at:
        before = await requests_at(town, at.session)
        for version, (status, sender) in {"1.1": (500, "soap:Client"), "1.2": (400, "soap:Sender")}.items():
            body = written("2207", "M1", payload, version).replace(*change, 1).encode()
            headers = tif_headers(institution(HOSPITAL))
            got, raw, answered = await post(at.session, town.gateway, body, headers, TYPES[version])
            fault = fault_of(raw)
            assert (got, fault["Code"], fault["Retry"]) == (status, code, "NO")
            assert sender in raw.decode()
            assert named in fault["Text"]
            assert fault["Text"].endswith(f" [{code}|{fault['ExchangeId']}]")
            assert answered["X-Exchange-Id"] == fault["ExchangeId"]
        assert await requests_at(town, at.session) == before


async def requests_at(town: Town, session: aiohttp.ClientSession) -> int:
    async with session.get(f"{town.simulator('platform')}/_sim/requests") as answer:
        return len((await answer.json())["requests"])


async def test_who_may_not_call_and_what_is_open(town: Town) -> None:
    async with ward(town) as at:
        body = written("1101", "M1", "<data/>").encode()
        bad = {**tif_headers(institution(HOSPITAL)), "x-tif-signature": "0" * 64}
        for headers in ({}, bad):
            status, raw, _ = await post(at.session, town.gateway, body, headers)
            assert (status, fault_of(raw)["Code"]) == (500, "UNAUTHENTICATED")
        used = tif_headers(institution(HOSPITAL))
        await post(at.session, town.gateway, body, used)
        assert fault_of((await post(at.session, town.gateway, body, used))[1])["Code"] == "REPLAYED"
        for query, root in (("wsdl", "definitions"), ("WSDL", "definitions"), ("xsd", "schema")):
            async with at.session.get(f"{town.gateway}/soap/his?{query}") as answer:
                assert answer.status == 200
                assert etree.QName(etree.fromstring(await answer.read())).localname == root
        async with at.session.get(f"{town.gateway}/soap/his") as answer:
            assert answer.status == 404
