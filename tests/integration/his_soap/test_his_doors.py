"""Vendors' own words on both HIS doors, and the answers that a healthy platform does not give."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from decimal import Decimal
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from gateway.flows import runner as runner_module
from gateway.flows.runner import Ending, Reply
from gateway.model.insurance import NationalAnswer
from tests.integration.his_soap.his_doors import BAISHI, PLAIN, QINGZHU, Doors, open_doors, platform, refusal, waiting
from tests.integration.his_soap.soap_his_client import NS, TYPES, fault_of, fields, members, written

SAMPLES = Path(str(resources.files("mappings").joinpath("his/samples")))
GB = "text/xml; charset=GB18030"
RARE = "䶮㛃·𬱖"
CALL_SERVICE = "/fsi/api/rsfComIfsService/callService"
DATA = {"psn_no": "P1", "mdtrt_id": "M1", "insutype": "310", "medfee_sumamt": "90.50"}


@pytest.fixture
async def doors(tmp_path: Path) -> AsyncIterator[Doors]:
    async with open_doors(tmp_path) as opened:
        yield opened


def msgid(serial: int, code: str = PLAIN) -> str:
    return f"{code}20250303093000{serial:04d}"


async def call(doors: Doors, number: str, content: dict[str, Any], version: str = "1.1") -> tuple[int, bytes, Any]:
    payload = "".join(etree.tostring(element, encoding="unicode") for element in fields(content))
    return await doors.post("/soap/his", written("2207", number, payload, version).encode(), PLAIN, TYPES[version])


async def post(doors: Doors, number: str, content: dict[str, Any], **more: Any) -> tuple[int, Any, Any]:
    envelope = {"infno": "2207", "msgid": number, "fixmedins_code": PLAIN, "input": content, **more}
    status, body, headers = await doors.post(CALL_SERVICE, json.dumps(envelope).encode(), PLAIN, "application/json")
    return status, json.loads(body), headers


# -- a vendor's JSON ----------------------------------------------------------------------------------------


def qingzhu(**change: Any) -> dict[str, Any]:
    message: dict[str, Any] = json.loads((SAMPLES / "qingzhu.json").read_text("utf-8"))
    message["head"] |= {"org": QINGZHU, "serial": msgid(1, QINGZHU)} | change
    return message


async def test_a_vendors_json_is_national_inside_and_the_vendors_outside(doors: Doors) -> None:
    answer = (SAMPLES / "2207.answer.json").read_text("utf-8")
    doors.answer = lambda _message: platform(answer)
    body = json.dumps(qingzhu()).encode()
    status, raw, headers = await doors.post(CALL_SERVICE, body, QINGZHU, "application/json")
    assert (status, headers["Content-Type"]) == (200, "application/json; charset=utf-8")
    told = json.loads(raw, parse_float=Decimal)
    assert told["head"]["result"] == "OK"
    assert told["body"]["bill"] == {"totalFen": 51938, "fundFen": 40000, "accountFen": 0, "cashFen": 11938}
    assert told["body"]["credit"]["status"] == "CHARGED"
    (message,) = doors.seen
    assert (message.infno, message.msgid, message.opter) == ("2207", msgid(1, QINGZHU), "SF07")
    assert message.input is not None
    assert message.input["data"]["medfee_sumamt"] == "519.38"
    assert message.fixmedins_name == f"医院{QINGZHU}"
    again = await doors.post("/fsi/api/2207", body, QINGZHU, "application/json")
    assert (again[1], again[2]["Idempotency-Replayed"]) == (raw, "true")
    assert len(doors.seen) == 1


async def test_our_refusals_reach_a_vendor_in_its_own_words(doors: Doors) -> None:
    async def told(message: dict[str, Any], path: str = CALL_SERVICE) -> dict[str, Any]:
        status, raw, _ = await doors.post(path, json.dumps(message).encode(), QINGZHU, "application/json")
        assert status == 200
        return dict(json.loads(raw)["head"])

    unknown = qingzhu()
    unknown["body"]["person"]["insurance"] = "soldier"
    head = await told(unknown)
    assert head["result"] == "FAIL"
    assert "input.data.insutype ← body.person.insurance" in head["message"]
    assert " [INVALID_FIELD|X" in head["message"]
    assert " [FORBIDDEN|X" in (await told(qingzhu(org=PLAIN)))["message"]
    assert " [INVALID_FIELD|X" in (await told(qingzhu(), "/fsi/api/2208"))["message"]
    assert doors.seen == []
    await told(qingzhu())
    changed = qingzhu()
    changed["body"]["bill"]["invoiceNo"] = "other"
    head = await told(changed)
    assert "input.data.invono" in head["message"]
    assert " [MSGID_REUSED|X" in head["message"]
    status, raw, _ = await doors.post(CALL_SERVICE, b"{}", "H00000000000", "application/json")
    assert (status, json.loads(raw)["code"]) == (500, 400001)


async def test_an_answer_no_rule_can_turn_still_arrives(doors: Doors) -> None:
    doors.answer = lambda _message: platform('{"infcode":"-9","err_msg":"医保中心说不行","output":null}')
    _, raw, _ = await doors.post(CALL_SERVICE, json.dumps(qingzhu()).encode(), QINGZHU, "application/json")
    assert json.loads(raw) == {"head": {"result": "-9", "message": "医保中心说不行"}}


# -- a vendor's XML -----------------------------------------------------------------------------------------


async def test_a_vendors_xml_in_gb18030_round_trips_rare_characters(doors: Doors) -> None:
    answer = (SAMPLES / "2304.answer.json").read_text("utf-8")
    doors.answer = lambda _message: platform(answer)
    body = (SAMPLES / "baishi.xml").read_bytes()
    status, raw, headers = await doors.post("/soap/his", body, BAISHI, GB)
    assert (status, headers["Content-Type"]) == (200, "text/xml; charset=gb18030")
    assert f"<姓名>{RARE}</姓名>".encode("gb18030") in raw
    text = raw.decode("gb18030").partition("?>\n")[2]
    response = etree.fromstring(text)[0][0]
    assert response.findtext(f"{{{NS}}}infcode") == "0"
    output = members(response.find(f"{{{NS}}}output"))
    assert output["姓名"] == RARE
    assert (output["金额"]["总额"], str(output["金额"]["总额"])) == (Decimal("12500.50"), "12500.50")
    assert (output["险种"], output["分项"]) == ("职工", [{"类型": "310100", "金额": Decimal("9000.00")}])
    (message,) = doors.seen
    assert message.input is not None
    assert (message.infno, message.input["data"]["psn_name"]) == ("2304", RARE)
    assert (message.insuplc_admdvs, message.opter) == ("440100", "ZY03")
    again = await doors.post("/soap/his", body, BAISHI, GB)
    assert (again[1], again[2]["Idempotency-Replayed"]) == (raw, "true")


async def test_a_fault_comes_back_in_the_vendors_encoding(doors: Doors) -> None:
    body = (SAMPLES / "baishi.xml").read_bytes().decode("gb18030").replace("职工", RARE).encode("gb18030")
    status, raw, headers = await doors.post("/soap/his", body, BAISHI, GB)
    assert (status, headers["Content-Type"]) == (500, "text/xml; charset=gb18030")
    text = raw.decode("gb18030")
    assert "input.data.insutype ← 病人/险种: 代码不在码表中" in text
    assert RARE not in text
    assert "INVALID_FIELD" in text
    utf8 = body.decode("gb18030").encode()
    assert (await doors.post("/soap/his", utf8, BAISHI, TYPES["1.1"]))[0] == 500
    assert fault_of((await doors.post("/soap/his", body, PLAIN, GB))[1])["Code"] == "MALFORMED"
    assert doors.seen == []


async def test_a_vendors_map_holds_on_its_own_door_only(doors: Doors) -> None:
    envelope = {"infno": "2207", "msgid": msgid(1, BAISHI), "fixmedins_code": BAISHI, "input": {"data": DATA}}
    _, raw, _ = await doors.post(CALL_SERVICE, json.dumps(envelope).encode(), BAISHI, "application/json")
    assert json.loads(raw)["infcode"] == 0


# -- one msgid, two doors -----------------------------------------------------------------------------------


@pytest.mark.parametrize("amount", ["90.50", 90.5])
async def test_a_message_first_sent_by_soap_is_known_by_json(doors: Doors, amount: Any) -> None:
    number = msgid(1)
    status, raw, headers = await call(doors, number, {"data": DATA})
    assert (status, "Idempotency-Replayed" in headers) == (200, False)
    again = await post(doors, number, {"data": DATA | {"medfee_sumamt": amount}}, opter="OP1", insuplc_admdvs="430500")
    assert again[1]["output"] == {"echo": number}
    assert again[2]["Idempotency-Replayed"] == "true"
    third = await call(doors, number, {"data": DATA})
    assert (third[1], third[2]["Idempotency-Replayed"]) == (raw, "true")
    assert len(doors.seen) == 1


async def test_other_content_is_refused_across_the_doors_and_on_each(doors: Doors) -> None:
    number = msgid(1)
    await call(doors, number, {"data": DATA})
    other = {"data": DATA | {"invono": "I"}}
    assert "input.data.invono" in (await post(doors, number, other))[1]["err_msg"]
    fault = fault_of((await call(doors, number, other, "1.2"))[1])
    assert fault["Code"] == "MSGID_REUSED"
    assert "input.data.invono" in fault["Text"]
    elsewhere = await post(doors, number, {"data": DATA}, insuplc_admdvs="440100")
    assert "insuplc_admdvs" in elsewhere[1]["err_msg"]
    # Two messages of the same door are compared to the letter.
    number = msgid(2)
    await post(doors, number, {"data": DATA})
    assert "MSGID_REUSED" in (await post(doors, number, {"data": DATA | {"medfee_sumamt": 90.5}}))[1]["err_msg"]
    assert len(doors.seen) == 2


async def test_a_malformed_msgid_is_the_key_here_and_replaced_towards_the_platform(doors: Doors) -> None:
    for _ in range(2):
        _, raw, _ = await call(doors, "SHORT-1", {"data": DATA})
    (message,) = doors.seen
    assert message.msgid.startswith(PLAIN)
    assert len(message.msgid) == 30
    assert message.msgid in raw.decode()


# -- what is said when the platform says nothing -----------------------------------------------------------


@pytest.mark.parametrize(("version", "status"), [("1.1", 500), ("1.2", 400)])
async def test_no_outcome_yet_and_no_way_to_the_platform(
    doors: Doors, monkeypatch: pytest.MonkeyPatch, version: str, status: int
) -> None:
    monkeypatch.setattr(runner_module, "PATIENCE", 0.0)
    doors.answer = refusal("PLATFORM_UNAVAILABLE", "2207")
    got, raw, _ = await call(doors, msgid(1), {"data": DATA}, version)
    assert (got, fault_of(raw)["Code"]) == (status, "PLATFORM_UNAVAILABLE")
    doors.answer = waiting
    for _ in range(2):  # what was not sent may be sent again; a repetition of it waits for the outcome
        got, raw, _ = await call(doors, msgid(1), {"data": DATA}, version)
        assert (got, fault_of(raw)["Code"]) == (status, "IN_PROGRESS")
    assert len(doors.seen) == 2


async def test_a_settlement_that_was_reversed_says_so_for_ever(doors: Doors) -> None:
    said = NationalAnswer(refusal="SETTLEMENT_REVERSED", exchange_id="X0").model_dump_json().encode()
    doors.answer = lambda _message: Reply(200, said, "SETTLEMENT_REVERSED", Ending.FINAL)
    first = await call(doors, msgid(1), {"data": DATA})
    again = await call(doors, msgid(1), {"data": DATA})
    assert (first[0], first[1]) == (again[0], again[1])
    assert again[2]["Idempotency-Replayed"] == "true"
    assert fault_of(again[1])["Text"].endswith(" [SETTLEMENT_REVERSED|X0]")


async def test_credit_pay_stands_in_the_output(doors: Doors) -> None:
    credit = {"visit_id": "V1", "charge_status": "CHARGED", "charged_amt": "30.50", "message": "已由信用额度支付"}
    doors.answer = lambda _message: platform('{"infcode":0,"output":{"setlinfo":{"psn_cash_pay":30.50}}}', credit)
    _, raw, _ = await call(doors, msgid(1), {"data": DATA})
    output = members(next(etree.fromstring(raw).iter(f"{{{NS}}}output")))
    assert output == {"setlinfo": {"psn_cash_pay": Decimal("30.50")}, "creditpay": credit}


async def test_too_much_at_once_and_too_large_are_faults(doors: Doors) -> None:
    status, raw, _ = await call(doors, msgid(1), {"data": DATA | {"memo": "x" * 120_000}})
    assert (status, fault_of(raw)["Code"]) == (500, "TOO_LARGE")
    doors.desk.ready = False
    status, raw, _ = await call(doors, msgid(1), {"data": DATA}, "1.2")
    assert (status, fault_of(raw)["Code"]) == (400, "OVERLOADED")
    assert doors.seen == []


async def test_every_answer_is_measured_under_its_door(doors: Doors) -> None:
    await call(doors, msgid(1), {"data": DATA})
    await call(doors, msgid(1), {"data": DATA})
    await call(doors, msgid(2), {"data": {}})
    counted = doors.desk.metrics.registry.get_sample_value
    labels = {"door": "his_soap", "operation": "2207", "outcome": "ok"}
    assert counted("xinyi_exchange_total", labels) == 2
    assert counted("xinyi_exchange_replayed_total", {"door": "his_soap"}) == 1
    assert counted("xinyi_refused_total", {"door": "his_soap", "code": "INVALID_FIELD"}) == 1
