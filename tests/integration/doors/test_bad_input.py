"""Bad input at the HIS door: a clear Chinese error with a stable code, nothing changed, nothing sent on."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import aiohttp
import pytest

from simulators.hospital.envelope import tif_headers
from tests.support.his import Ward, institution, people, ward
from tests.support.sandbox import Town

HOSPITAL = "H43050000001"


async def requests(town: Town, session: aiohttp.ClientSession) -> int:
    async with session.get(f"{town.simulator('platform')}/_sim/requests") as answer:
        return len((await answer.json())["requests"])


async def settlement(at: Ward) -> dict[str, Any]:
    """A good 2207 as a dictionary, not sent."""
    encounter = await at.fees(people("4305")[0])
    await encounter.presettle()
    message = await at.his.line.message("2207", encounter.settle_input(), "430500")
    return dict(json.loads(message.body))


def code_of(body: Any) -> str:
    text = body.get("err_msg", "")
    assert text, body
    assert text.endswith("]"), text
    assert any("一" <= letter <= "鿿" for letter in text), text
    return str(text.rsplit("[", 1)[1].split("|")[0])


def changed(**changes: Any) -> Callable[[dict[str, Any]], None]:
    def change(envelope: dict[str, Any]) -> None:
        envelope.update(changes)

    return change


def data(**changes: Any) -> Callable[[dict[str, Any]], None]:
    def change(envelope: dict[str, Any]) -> None:
        for name, value in changes.items():
            if value is None:
                del envelope["input"]["data"][name]
            else:
                envelope["input"]["data"][name] = value

    return change


@pytest.mark.parametrize(
    ("change", "code", "named"),
    [
        (data(psn_no=None), "INVALID_FIELD", "psn_no"),
        (data(mdtrt_id="9" * 31), "INVALID_FIELD", "mdtrt_id"),
        (data(medfee_sumamt="200.005"), "INVALID_AMOUNT", "medfee_sumamt"),
        (data(medfee_sumamt=200.005), "INVALID_AMOUNT", "medfee_sumamt"),
        (data(medfee_sumamt="abc"), "INVALID_AMOUNT", "medfee_sumamt"),
        (data(inscp_scp_amt="199.99"), "SPLIT_MISMATCH", ""),
        (changed(infno="9876"), "UNKNOWN_INFNO", ""),
        (changed(infno=None), "UNKNOWN_INFNO", ""),
        (changed(msgid=""), "INVALID_FIELD", "msgid"),
        (changed(fixmedins_code="H99999900001"), "FORBIDDEN", ""),
        (changed(fixmedins_code="H44010000001"), "FORBIDDEN", ""),
        (changed(input=[]), "MALFORMED", ""),
        (changed(input="not json"), "MALFORMED", ""),
    ],
)
async def test_a_wrong_field_is_named_and_nothing_is_sent_on(
    town: Town, change: Callable[[dict[str, Any]], None], code: str, named: str
) -> None:
    async with ward(town) as at:
        envelope = await settlement(at)
        change(envelope)
        before = await requests(town, at.session)
        status, body, _ = await at.post(json.dumps(envelope).encode())
        assert status == 200
        assert int(body["infcode"]) == -1
        assert code_of(body) == code
        assert named in body["err_msg"]
        assert await requests(town, at.session) == before


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"[]",
        b'"text"',
        b"<xml/>",
        b'{"infno":"1101","infno":"2207","msgid":"1","input":{}}',
        '{"infno":"1101","msgid":"医保"}'.encode("gb18030"),
        b'{"infno":"1101","input":' + b'{"a":' * 200 + b"1" + b"}" * 200 + b"}",
        b'{"infno":"2207","msgid":"M","input":{"data":{"medfee_sumamt":NaN}}}',
    ],
)
async def test_what_is_no_message_is_refused_as_malformed(town: Town, raw: bytes) -> None:
    async with ward(town) as at:
        before = await requests(town, at.session)
        status, body, _ = await at.post(raw)
        assert status == 200
        assert code_of(body) == "MALFORMED"
        assert await requests(town, at.session) == before


async def test_twenty_megabytes_are_refused_at_once(town: Town) -> None:
    async with ward(town) as at:
        started = time.monotonic()
        status, body, _ = await at.post(b"x" * (20 * 1024 * 1024))
        assert (status, code_of(body)) == (200, "TOO_LARGE")
        assert time.monotonic() - started < 10


async def test_a_body_that_grows_past_the_limit_without_saying_so_is_refused(town: Town) -> None:
    async def endless():
        for _ in range(400):
            yield b"x" * 65536

    codes = []
    async with ward(town) as at:
        headers = tif_headers(at.his.institution)
        with suppress(aiohttp.ClientError):  # the gateway may close before everything is sent
            async with at.session.post(f"{town.gateway}/fsi/api/2207", data=endless(), headers=headers) as answer:
                codes.append(code_of(await answer.json()))
        assert codes in ([], ["TOO_LARGE"])
        assert (await at.session.get(f"{town.gateway}/health/live")).status == 200


def wrong_signature(headers: dict[str, str]) -> None:
    headers["x-tif-signature"] = "0" * 64


def expired(headers: dict[str, str]) -> None:
    import hashlib

    stamp = str(int(time.time()) - 181)
    text = f"{stamp}sandbox-{HOSPITAL}{headers['x-tif-nonce']}{stamp}"
    headers["x-tif-timestamp"] = stamp
    headers["x-tif-signature"] = hashlib.sha256(text.encode()).hexdigest()


def missing(headers: dict[str, str]) -> None:
    del headers["x-tif-nonce"]


def unknown_hospital(headers: dict[str, str]) -> None:
    headers["x-tif-paasid"] = "H99999900001"


@pytest.mark.parametrize("spoil", [wrong_signature, expired, missing, unknown_hospital])
async def test_authentication_fails_as_hospitals_expect(town: Town, spoil: Callable[[dict[str, str]], None]) -> None:
    async with aiohttp.ClientSession() as session:
        headers = tif_headers(institution(HOSPITAL))
        spoil(headers)
        async with session.post(f"{town.gateway}/fsi/api/1101", data=b"{}", headers=headers) as answer:
            assert answer.status == 500
            body = await answer.json()
    assert body["code"] == 400001
    assert HOSPITAL not in json.dumps(body)


async def test_a_signature_cannot_be_used_twice(town: Town) -> None:
    async with aiohttp.ClientSession() as session:
        headers = tif_headers(institution(HOSPITAL))
        answers = []
        for _ in range(2):
            async with session.post(f"{town.gateway}/fsi/api/1101", data=b"{}", headers=headers) as answer:
                answers.append((answer.status, (await answer.json()).get("code")))
    assert answers[0][0] == 200
    assert answers[1] == (500, 400001)


async def test_no_personal_data_in_logs_or_metrics(town: Town) -> None:
    person = people("4305")[3]
    async with ward(town) as at:
        encounter = await at.fees(person)
        await encounter.presettle()
        await encounter.settle()
        async with at.session.get(f"{town.gateway}/metrics") as answer:
            exposed = await answer.text()
    logs = town.place.logs.joinpath("gateway.log").read_text("utf-8")
    for secret in (person.certno, person.psn_name):
        assert secret not in logs
        assert secret not in exposed
    assert "exchange_id" in logs


async def test_everything_but_the_short_list_wants_to_know_who_calls(town: Town) -> None:
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{town.gateway}/openapi.json") as answer:
            paths = (await answer.json())["paths"]
        for path, methods in paths.items():
            for method in methods:
                url = town.gateway + path.replace("{", "x").replace("}", "")
                async with session.request(method, url, json={}, headers={"Idempotency-Key": "k"}) as answer:
                    assert answer.status == 401, (method, path)
                    assert (await answer.json())["code"] == "UNAUTHENTICATED"
        for path in ("/health/live", "/health/ready", "/docs", "/metrics", "/soap/bank/bocom?wsdl", "/sandbox/clock"):
            async with session.get(town.gateway + path) as answer:
                assert answer.status == 200, path
        for path in ("/nowhere", "/soap/bank/iso?wsdl", "/soap/bank/nobody?wsdl", "/soap/bank/bocom"):
            async with session.get(town.gateway + path) as answer:
                assert answer.status == 404, path
