"""What the payment centre's answers mean, what 6301 says of an unknown payment, and 6302 at the door."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from adapters.his_json import ADAPTER as NATIONAL
from adapters.mobile_pay import ADAPTER, envelope
from adapters.mobile_pay.codec import dictionary
from gateway.delivery.declare import AfterUnknown, Answer, Guarantee, SendContext
from gateway.model.clock import SHANGHAI
from gateway.model.mobile import (
    MobileReply,
    MobileRequest,
    as_texts,
    business_of,
    further,
)
from gateway.model.money import InvalidAmount
from gateway.model.refusals import Refusal
from gateway.model.verdict import Accepted, Done, NotSent, Refused, Unknown, Verdict
from tests.unit.adapters.test_mobile_pay_sm import MALLORY, OURS, REAL, THEIRS, V, centre, channel

CODEC, DOOR = ADAPTER.codec, ADAPTER.door
CREDENTIALS = {
    "app_id": V["app_id"], "app_secret": V["app_secret"], "private_key": OURS[0], "public_key": OURS[1],
    "platform_public_key": THEIRS[1],
}  # fmt: skip
CONTEXT = SendContext(REAL, datetime(2025, 3, 3, 9, tzinfo=SHANGHAI), "n", "m", CREDENTIALS)
ORDER = "ORD430500202503030900000000001"
ASKED = MobileRequest(
    infno="6202",
    hospital="H43050000001",
    data={"payOrdId": ORDER, "payToken": "PT1", "orgCodg": "H43050000001"},
    about={"idNo": "430501199001011234", "userName": "张三", "idType": "01"},
    before="1",
)


def answer(data: dict[str, Any], code: int = 0, message: str = "成功", signed_by: tuple[str, str] = THEIRS) -> Answer:
    body = envelope.write(centre(signed_by), data, REAL, {"code": code, "success": code == 0, "message": message})
    return Answer(200, {}, body, CONTEXT, REAL)


def decoded(operation: str, said: Answer, request: MobileRequest = ASKED) -> Verdict[MobileReply]:
    return CODEC.decode(operation, request, said)


def test_a_request_leaves_in_the_envelope() -> None:
    out = CODEC.encode("6202", ASKED, CONTEXT)
    assert (out.method, out.path) == ("POST", "/mobile/6202")
    assert envelope.read(centre(), envelope.parse(out.body)) == dict(ASKED.data)
    own = replace(CONTEXT, credentials=CREDENTIALS | {"path_6202": "/org/local/api/hos/pay"})
    assert CODEC.encode("6202", ASKED, own).path == "/org/local/api/hos/pay"


def test_guarantees() -> None:
    rows = ADAPTER.manifest.operations
    assert {name for name, row in rows.items() if row.guarantee is Guarantee.AT_MOST_ONCE} == {"6202", "6203", "6401"}
    assert {rows[name].after_unknown for name in ("6202", "6203", "6401")} == {AfterUnknown.ASK}
    assert (rows["6201"].guarantee, rows["6201"].after_unknown) == (Guarantee.IDEMPOTENT, AfterUnknown.RESEND)
    assert rows["6301"].guarantee is Guarantee.QUERY


@pytest.mark.parametrize(
    ("status", "kind"),
    [("6", Done), ("8", Done), ("2", Accepted), ("0", Accepted), ("14", Accepted), ("16", Accepted), ("15", Refused),
     ("12", Refused), ("99", Unknown), ("", Unknown)],
)  # fmt: skip
def test_a_payment_by_its_status(status: str, kind: type) -> None:
    assert isinstance(decoded("6202", answer({"payOrdId": ORDER, "ordStas": status})), kind)


@pytest.mark.parametrize(
    "said",
    [
        answer({"payOrdId": ORDER, "ordStas": "6"}, signed_by=MALLORY),
        answer({"payOrdId": "ORD2", "ordStas": "6"}),
        Answer(200, {}, b"", CONTEXT, REAL),
        Answer(200, {}, b'{"code":0,"success":true}', CONTEXT, REAL),
        Answer(502, {}, b"<html>", CONTEXT, REAL),
        answer({}, 1, "谁也没见过的话"),
        answer({}, 1, "系统繁忙，请稍后再试"),
    ],
)
def test_a_payment_nobody_vouches_for_is_unknown(said: Answer) -> None:
    assert isinstance(decoded("6202", said), Unknown)


def test_failures_by_the_dictionary() -> None:
    refused = decoded("6202", answer({}, 1003, "支付授权码已过期"))
    assert isinstance(refused, Refused)
    assert refused.code == "REQUEST_REFUSED"
    assert refused.reply is not None
    assert refused.reply.code == "1003"
    assert isinstance(decoded("6301", answer({}, 1, "谁也没见过的话")), Refused)
    assert decoded("6301", answer({}, 1, "订单ORD1不存在")) == Refused(
        "NOT_FOUND", "订单ORD1不存在", MobileReply(code="1", message="订单ORD1不存在")
    )
    assert isinstance(decoded("6201", Answer(401, {}, b"", CONTEXT, REAL)), NotSent)
    assert all(row.zh and row.en for row in dictionary())


def test_success_false_is_no_success() -> None:
    body = envelope.write(centre(), {}, REAL, {"code": 0, "success": False, "message": "参数错误"})
    assert isinstance(decoded("6202", Answer(200, {}, body, CONTEXT, REAL)), Refused)


def test_an_upload_needs_its_order_number() -> None:
    upload = MobileRequest(infno="6201", hospital="H1", data={"medOrgOrd": "M1"})
    assert isinstance(decoded("6201", answer({"payOrdId": ORDER, "payToken": "PT1"}), upload), Done)
    assert isinstance(decoded("6201", answer({"payToken": "PT1"}), upload), Unknown)


def test_the_question_about_a_payment() -> None:
    asked = CODEC.question_for("6202", ASKED)
    assert asked is not None
    name, question = asked
    assert name == "6301"
    assert dict(question.data) == {
        "payOrdId": ORDER, "payToken": "PT1", "orgCodg": "H43050000001", "idNo": "430501199001011234",
        "userName": "张三", "idType": "01",
    }  # fmt: skip
    assert CODEC.question_for("6201", ASKED) is None


NOTHING = type(None)


@pytest.mark.parametrize(
    ("operation", "before", "status", "kind"),
    [
        ("6202", "1", "6", Done), ("6202", "1", "10", Done), ("6202", "1", "2", NOTHING), ("6202", "1", "14", NOTHING),
        ("6202", "1", "1", Refused), ("6202", "1", "15", Refused), ("6202", "1", "12", Refused),
        ("6203", "6", "7", Done), ("6203", "6", "10", Done), ("6203", "6", "6", Refused), ("6203", "10", "10", NOTHING),
        ("6203", "10", "7", Done), ("6203", "", "7", NOTHING), ("6203", "", "6", Refused), ("6203", "6", "14", NOTHING),
        ("6401", "1", "12", Done), ("6401", "1", "13", Done), ("6401", "1", "1", Refused), ("6401", "1", "6", Refused),
        ("6401", "1", "3", NOTHING),
    ],
)  # fmt: skip
def test_what_6301_says_of_an_unknown_one(operation: str, before: str, status: str, kind: type) -> None:
    request = ASKED.model_copy(update={"before": before})
    said = Done(MobileReply(code="0", data={"payOrdId": ORDER, "ordStas": status}))
    assert isinstance(CODEC.resolve(operation, request, said), kind)


def test_a_question_that_failed_changes_nothing() -> None:
    assert CODEC.resolve("6202", ASKED, Unknown("time-out")) is None
    assert CODEC.resolve("6202", ASKED, Refused("MOBILE_REFUSED")) is None
    assert CODEC.resolve("6202", ASKED, Refused("NOT_FOUND")) == Refused("NOT_FOUND")


# -- 6302 ---------------------------------------------------------------------------------------------------

NOTICE = {
    "payOrdId": ORDER, "medOrgOrd": "M1", "ordStas": "6", "callType": "SEY", "traceTime": "20250303090500",
    "orgCode": "H43050000001", "orgName": "某医院", "setlType": "ALL", "feeSumamt": "200.00", "ownpayAmt": "50.00",
    "psnAcctPay": "30.00", "fundPay": "120.00", "revsToken": "RT-SECRET", "ecCode": "EC-SECRET",
}  # fmt: skip


def notice(data: dict[str, Any], signed_by: tuple[str, str] = THEIRS) -> bytes:
    return envelope.write(centre(signed_by), data, REAL)


def test_a_notice_is_read() -> None:
    read = DOOR.read_notice(notice(NOTICE), CREDENTIALS)
    assert (read.pay_ord_id, read.med_org_ord, read.ord_stas, read.org_code) == (ORDER, "M1", "6", "H43050000001")
    assert read.amounts == {"feeSumamt": 20000, "ownPayAmt": 5000, "psnAcctPay": 3000, "fundPay": 12000}
    assert read.revs_token.reveal() == "RT-SECRET"
    assert "SECRET" not in repr(read)
    assert "SECRET" not in read.model_dump_json()


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"<xml/>", "MALFORMED"),
        (b"{}", "SIGNATURE_INVALID"),
        (notice(NOTICE, MALLORY), "SIGNATURE_INVALID"),
        (notice(NOTICE | {"ordStas": "99"}), "INVALID_FIELD"),
        (notice(NOTICE | {"ordStas": None}), "INVALID_FIELD"),
        (notice(NOTICE | {"payOrdId": "x y"}), "INVALID_FIELD"),
        (notice({k: v for k, v in NOTICE.items() if k != "orgCode"}), "INVALID_FIELD"),
        (notice(NOTICE | {"medOrgOrd": "a|b"}), "INVALID_FIELD"),
    ],
)
def test_a_notice_that_is_refused(body: bytes, code: str) -> None:
    with pytest.raises(Refusal) as refusal:
        DOOR.read_notice(body, CREDENTIALS)
    assert refusal.value.code == code


@pytest.mark.parametrize("code", [0, 1])
def test_an_acknowledgement_is_signed(code: int) -> None:
    outer = envelope.parse(DOOR.acknowledge(code, "成功", CREDENTIALS, REAL))
    assert envelope.read(centre(), outer) == {}
    assert (outer["code"], outer["success"]) == (code, code == 0)


# -- the hospital's side ------------------------------------------------------------------------------------


def body(infno: str, data: dict[str, Any], node: bool = True) -> bytes:
    content = {"data": data} if node else data
    head = {"infno": infno, "msgid": "H43050000001202503030900000001", "fixmedins_code": "H43050000001"}
    return json.dumps(head | {"input": content}).encode()


@pytest.mark.parametrize("node", [True, False])
def test_a_hospitals_message_comes_through_the_national_door(node: bool) -> None:
    inbound = NATIONAL.door.read_envelope(body("6202", {"payOrdId": ORDER}, node))
    NATIONAL.door.check_input(inbound)
    message = NATIONAL.door.complete_envelope(inbound)
    assert business_of(message.input) == {"payOrdId": ORDER}


@pytest.mark.parametrize(
    ("infno", "data", "field"),
    [
        ("6201", {}, "input.medOrgOrd"),
        ("6202", {"payOrdId": "a b"}, "input.data.payOrdId"),
        ("6203", {"payOrdId": ORDER, "appRefdSn": "R1"}, "input.data.totlRefdAmt"),
        ("6203", {"payOrdId": ORDER, "appRefdSn": "R1", "totlRefdAmt": "1.001"}, "input.data.totlRefdAmt"),
        ("6203", {"payOrdId": ORDER, "appRefdSn": "R1", "totlRefdAmt": "-1"}, "input.data.totlRefdAmt"),
        ("6203", {"payOrdId": ORDER, "appRefdSn": "R1", "totlRefdAmt": "1", "refdType": "X"}, "input.data.refdType"),
        ("6201", {"medOrgOrd": "M1", "medfeeSumamt": "abc"}, "input.data.medfeeSumamt"),
    ],
)
def test_what_is_found_before_anything_is_sent(infno: str, data: dict[str, Any], field: str) -> None:
    inbound = NATIONAL.door.read_envelope(body(infno, data, node=bool(data)))
    with pytest.raises(Refusal) as refusal:
        NATIONAL.door.check_input(inbound)
    assert refusal.value.field in (field, field.replace("input.", "input.data."))


def test_numbers_become_texts_and_amounts_have_two_decimals() -> None:
    told = as_texts({"medfeeSumamt": "186.5", "chrgBchno": 7, "flag": True, "feedetailList": [{"cnt": 2, "x": None}]})
    assert told == {
        "medfeeSumamt": "186.50",
        "chrgBchno": "7",
        "flag": True,
        "feedetailList": [{"cnt": "2", "x": None}],
    }
    with pytest.raises(InvalidAmount):
        as_texts({"feeSumamt": "1.005"})


def test_how_far_an_order_has_come() -> None:
    assert further("6", "15")
    assert further("7", "6")
    assert not further("2", "6")
    assert not further("6", "6")
    assert further("0", "")


def test_channel_is_the_same_for_both_ways() -> None:
    assert channel().key == V["k2"].encode()
