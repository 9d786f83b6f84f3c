"""Mobile payment on real sockets: a hospital at the national door, the payment centre behind the gateway, 6302 back."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import orjson
import pytest

from simulators.platform.mobile.crypto import sandbox_keys
from tests.support.his import Ward, ward
from tests.support.sandbox import Town

CODE = "H43050000001"
PERSON = {"idNo": "430501199001011234", "userName": "张三", "idType": "01"}
_serial = itertools.count(1)


class Counter:
    """A cashier's desk with mobile payment."""

    def __init__(self, hospital: Ward) -> None:
        self.ward = hospital

    def message(self, infno: str, data: dict[str, Any], msgid: str = "") -> bytes:
        msgid = msgid or f"{self.ward.code}20250303090000{next(_serial):04d}"
        head = {"infno": infno, "msgid": msgid, "fixmedins_code": self.ward.code, "opter": "1", "opter_name": "收费员"}
        return orjson.dumps(head | {"input": {"data": data}})

    async def send(self, body: bytes) -> dict[str, Any]:
        _, content, headers = await self.ward.post(body)
        return {**content, "replayed": headers.get("Idempotency-Replayed") == "true"}

    async def call(self, infno: str, **data: Any) -> dict[str, Any]:
        return await self.send(self.message(infno, data))

    async def done(self, infno: str, **data: Any) -> dict[str, Any]:
        said = await self.call(infno, **data)
        assert str(said["infcode"]) == "0", said
        found: dict[str, Any] = said["output"]["data"]
        return found

    async def uploaded(self, total: str = "200.00") -> dict[str, Any]:
        number = f"MO{next(_serial):08d}"
        order = await self.done("6201", medOrgOrd=number, medfeeSumamt=total, **PERSON)
        return {"payOrdId": order["payOrdId"], "payToken": order["payToken"]}

    async def state(self, order: dict[str, Any]) -> str:
        return str((await self.done("6301", **order))["ordStas"])

    async def control(self, name: str, method: str = "PUT", body: Any = None) -> None:
        url = f"{self.ward.town.simulator('platform')}/_sim/{name}"
        async with self.ward.session.request(method, url, json=body) as answer:
            assert answer.status == 200, await answer.text()

    async def effects(self, infno: str, order: dict[str, Any]) -> list[int]:
        rows = await self.ward.town.effects(self.ward.session, "platform")
        found = [row for row in rows if row["operation"] == infno]
        return [row["amount_fen"] for row in found if row["detail"]["payOrdId"] == order["payOrdId"]]

    async def events(self, order: dict[str, Any]) -> list[dict[str, Any]]:
        url = f"{self.ward.town.simulator('hospital')}/_sim/callbacks?type=mobile.order"
        async with self.ward.session.get(url) as answer:
            rows = (await answer.json())["callbacks"]
        return [row["data"] for row in rows if row["data"]["payOrdId"] == order["payOrdId"]]


async def until(true: Callable[[], Awaitable[bool]], seconds: float = 15.0) -> None:
    async with asyncio.timeout(seconds):
        while not await true():  # noqa: ASYNC110 - another process is waited for
            await asyncio.sleep(0.1)


@pytest.fixture
async def desk(town: Town) -> AsyncIterator[Counter]:
    async with ward(town, CODE) as hospital:
        found = Counter(hospital)
        yield found
        await found.control("variants", "DELETE")
        await found.control("faults", "DELETE")


async def told(desk: Counter, order: dict[str, Any], *statuses: str) -> None:
    async def all_of_them() -> bool:
        return [event["ordStas"] for event in await desk.events(order)] == list(statuses)

    await until(all_of_them)


async def test_from_the_upload_to_the_refund(desk: Counter) -> None:
    order = await desk.uploaded()
    paid = await desk.done("6202", **order)
    assert (paid["ordStas"], paid["feeSumamt"], paid["fundPay"], paid["psnAcctPay"], paid["ownPayAmt"]) == (
        "6", "200.00", "120.00", "30.00", "50.00",
    )  # fmt: skip
    part = await desk.done("6203", **order, appRefdSn="R1", totlRefdAmt="20.00", cashRefdAmt="20.00", refdType="CASH")
    assert part["ordStas"] == "10"
    rest = {"appRefdSn": "R2", "totlRefdAmt": 180, "refdType": "ALL"}
    assert (await desk.done("6203", **order, **rest))["ordStas"] == "7"
    assert (await desk.done("6203", **order, **rest))["ordStas"] == "7"  # under a new msgid, the same refund
    assert await desk.effects("6203", order) == [2000, 18000]
    assert await desk.effects("6202", order) == [20000]
    refused = await desk.call("6401", **order)
    assert "ILLEGAL_STATE" in refused["err_msg"]


async def test_the_upload_is_known_by_its_order_number(desk: Counter) -> None:
    data = {"medOrgOrd": f"MO{next(_serial):08d}", "medfeeSumamt": "90.5", **PERSON}
    first = await desk.done("6201", **data)
    assert (await desk.done("6201", **data))["payOrdId"] == first["payOrdId"]
    other = await desk.call("6201", **{**data, "medfeeSumamt": "91.00"})
    assert "IDEMPOTENCY_KEY_REUSED" in other["err_msg"]
    assert "medfeeSumamt" in other["err_msg"]
    assert len(await desk.effects("6201", first)) == 1


async def test_a_message_repeated_is_answered_the_same(desk: Counter) -> None:
    order = await desk.uploaded()
    body = desk.message("6202", order)
    first, again = await desk.send(body), await desk.send(body)
    assert again["replayed"]
    assert first["output"] == again["output"]
    second = await desk.call("6202", **order)
    assert "ILLEGAL_STATE" in second["err_msg"]
    assert await desk.effects("6202", order) == [20000]


async def test_the_authorisation_of_a_reversal_comes_with_6301_once_6302_has_brought_it(desk: Counter) -> None:
    order = await desk.uploaded()
    await desk.done("6202", **order)
    await until(lambda: _has_token(desk, order))
    assert await desk.state(order) == "6"


async def _has_token(desk: Counter, order: dict[str, Any]) -> bool:
    return "revsToken" in await desk.done("6301", **order)


@pytest.mark.parametrize("kind", ["drop_after", "garbage", "half_reply", "http_500_after"])
async def test_a_payment_whose_answer_is_lost_is_found_by_6301(desk: Counter, kind: str) -> None:
    order = await desk.uploaded()
    await desk.control("faults", body=[{"operation": "6202", "kind": kind, "nth": 1}])
    assert (await desk.done("6202", **order))["ordStas"] == "6"
    assert await desk.effects("6202", order) == [20000]


@pytest.mark.parametrize("switches", [{"mobile_pay_unknown": True}, {"mobile_wrong_sign": "6202"}])
async def test_a_payment_nobody_vouches_for_is_found_by_6301(desk: Counter, switches: dict[str, Any]) -> None:
    order = await desk.uploaded()
    await desk.control("variants", body=switches)
    assert (await desk.done("6202", **order))["ordStas"] == "6"
    assert await desk.effects("6202", order) == [20000]


async def test_a_payment_under_way_is_told_as_it_is_and_is_not_made_twice(desk: Counter) -> None:
    order = await desk.uploaded()
    await desk.control("variants", body={"mobile_pay_settling": True, "mobile_notice_none": True})
    assert (await desk.done("6202", **order))["ordStas"] == "2"
    second = await desk.call("6202", **order)
    assert "IN_PROGRESS" in second["err_msg"] or "ILLEGAL_STATE" in second["err_msg"]
    await told(desk, order, "6")  # asked after by the plan
    assert await desk.effects("6202", order) == [20000]


@pytest.mark.parametrize("switch", ["mobile_notice_twice", "mobile_notice_disordered"])
async def test_notices_twice_and_out_of_order(desk: Counter, switch: str) -> None:
    order = await desk.uploaded()
    await desk.control("variants", body={switch: True, "mobile_pay_unknown": True, "mobile_wrong_sign": "6301"})
    pending = asyncio.create_task(desk.call("6202", **order))
    await told(desk, order, "6")
    await asyncio.sleep(1.5)  # the second notice, or the late one
    await desk.control("variants", "DELETE")
    assert (await desk.events(order))[0]["fundPay"] == "120.00"
    assert await desk.state(order) == "6"
    await told(desk, order, "6")
    await pending
    assert await desk.effects("6202", order) == [20000]


async def test_what_is_known_is_answered_while_the_centre_is_not_heard(desk: Counter) -> None:
    order = await desk.uploaded()
    await desk.done("6202", **order)
    await until(lambda: _has_token(desk, order))
    await desk.control("variants", body={"mobile_wrong_sign": "6301"})
    shown = await desk.done("6301", **order)
    assert (shown["ordStas"], shown["feeSumamt"]) == ("6", "200.00")
    fresh = await desk.uploaded()
    refused = await desk.call("6301", **fresh)
    assert "PLATFORM_UNAVAILABLE" in refused["err_msg"]


async def test_a_revoked_upload_cannot_be_paid(desk: Counter) -> None:
    order = await desk.uploaded()
    assert (await desk.done("6401", **order))["ordStas"] == "12"
    assert "ILLEGAL_STATE" in (await desk.call("6202", **order))["err_msg"]
    assert await desk.effects("6202", order) == []


async def test_the_centres_own_refusal_passes_and_the_order_stays_payable(desk: Counter) -> None:
    order = await desk.uploaded()
    await desk.control(
        "faults", body=[{"operation": "6202", "kind": "reject", "nth": 1, "message": "支付授权码已过期"}]
    )
    refused = await desk.call("6202", **order)
    assert (str(refused["infcode"]), refused["err_msg"]) == ("-1", "支付授权码已过期")
    assert (await desk.done("6202", **order))["ordStas"] == "6"


async def test_another_hospitals_order_is_forbidden(desk: Counter, town: Town) -> None:
    order = await desk.uploaded()
    async with ward(town, "H43050000002") as other:
        refused = await Counter(other).call("6202", **order)
    assert "FORBIDDEN" in refused["err_msg"]


@pytest.mark.parametrize("switch", ["mobile_timestamp_ms", "mobile_timestamp_s"])
async def test_forms_of_a_timestamp(desk: Counter, switch: str) -> None:
    await desk.control("variants", body={switch: True})
    assert await desk.state(await desk.uploaded()) == "1"


async def test_a_notice_the_centre_did_not_sign_is_refused(desk: Counter, town: Town) -> None:
    forged = {
        "appId": sandbox_keys()["app_id"],
        "version": "2.0.1",
        "timestamp": "1",
        "encType": "SM4",
        "signType": "SM2",
    }
    forged |= {"encData": "AA" * 16, "signData": "AA=="}
    for body in (orjson.dumps(forged), b"", b"<xml/>"):
        async with desk.ward.session.post(f"{town.gateway}/mobile/notify", data=body) as answer:
            said = await answer.json()
        assert (answer.status, said["code"], said["success"]) == (200, 1, False)
