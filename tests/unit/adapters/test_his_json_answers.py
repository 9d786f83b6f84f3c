"""What the HIS door says by itself, and who it believes (contracts, HIS surface; national interface 1.7)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import datetime

import pytest

from adapters.his_json import ADAPTER
from adapters.his_json.reply import answers
from gateway.model.clock import SHANGHAI
from gateway.model.insurance import NationalAnswer, Settlement
from gateway.model.refusals import ERR_MSG_LIMIT, Refusal, dictionary

DOOR = ADAPTER.door
NOW = 1795224615.0
TOKENS = {"H43050000001": "sandbox-H43050000001"}
SETTLEMENT = Settlement(
    setl_id="S1",
    mdtrt_id="M1",
    psn_no="P1",
    insutype="310",
    setl_time=datetime(2025, 3, 3, 9, 30, tzinfo=SHANGHAI),
    amounts={"medfee_sumamt": -9050, "psn_cash_pay": -5},
)


def test_a_refusal_keeps_the_envelope() -> None:
    body = json.loads(DOOR.reply_refusal("OVERLOADED", "X1"))
    assert body["infcode"] == -1
    assert body["err_msg"].startswith("系统繁忙")
    assert body["err_msg"].endswith(" [OVERLOADED|X1]")
    assert body["output"] is None
    named = "infcode inf_refmsgid refmsg_time respond_time err_msg warn_msg enctype signtype cainfo output"
    assert list(body) == named.split()


def test_a_refusal_tells_its_facts_in_words() -> None:
    facts = {
        "differences": ["input.data.medfee_sumamt", "opter"],
        "state": "SENT",
        "field": "msgid",
        "excess_amt": "0.01",
    }
    text = json.loads(DOOR.reply_refusal("MSGID_REUSED", "X1", facts=facts))["err_msg"]
    for word in ("input.data.medfee_sumamt、opter", "SENT", "字段 msgid", "0.01"):
        assert word in text


@pytest.mark.parametrize("code", sorted(dictionary()))
def test_every_code_fits_the_field_a_his_stores(code: str) -> None:
    status, body = DOOR.reply_to(Refusal(code, "细节" * 200, field="input.data.x"), "01JX0000000000000000000000")
    said = json.loads(body)
    if status == 200:
        assert len(said["err_msg"]) <= ERR_MSG_LIMIT
        assert said["err_msg"].endswith(f" [{code}|01JX0000000000000000000000]")
    else:
        assert (status, said["code"]) == (500, 400001)


def test_only_authentication_is_answered_outside_the_envelope() -> None:
    outside = {code for code in dictionary() if DOOR.reply_to(Refusal(code), "X")[0] == 500}
    assert outside == {"UNAUTHENTICATED", "TIMESTAMP_EXPIRED", "SIGNATURE_INVALID", "REPLAYED"}
    assert set(answers()) == outside | {"*"}
    assert json.loads(DOOR.reply_unauthenticated())["msg"].startswith("身份校验失败")


def test_the_platforms_words_pass_untouched() -> None:
    raw = '{ "infcode" :-1, "err_msg":"该就诊已结算" , "balc":90.50}\n'
    assert DOOR.encode_answer(NationalAnswer(raw=raw)) == (200, raw.encode())


def test_creditpay_is_added_and_nothing_else_changed() -> None:
    raw = '{"infcode":0,"output":{"setlinfo":{"balc":90.50 }}, "warn_msg":""}'
    told = {"visit_id": "V1", "charge_status": "CHARGED", "charged_amt": "30.50", "message": "已扣款"}
    status, body = DOOR.encode_answer(NationalAnswer(raw=raw, creditpay=told))
    added = json.dumps(told, ensure_ascii=False, separators=(",", ":"))
    assert (status, body.decode()) == (200, raw.replace("90.50 }", f'90.50 }},"creditpay":{added}'))


@pytest.mark.parametrize("raw", [b"", b"[]", b"<html>", b'{"output":"text"}', b'{"output":[]}'])
def test_an_answer_without_an_output_object_comes_back_as_it_was(raw: bytes) -> None:
    assert DOOR.with_creditpay(raw, {"visit_id": "V1"}) == raw


def test_a_refusal_of_a_flow_is_worded() -> None:
    status, body = DOOR.encode_answer(NationalAnswer(refusal="IN_PROGRESS", detail="UNKNOWN", exchange_id="X7"))
    assert status == 200
    assert json.loads(body)["err_msg"].endswith(" [IN_PROGRESS|X7]")


def test_a_success_from_the_journal() -> None:
    status, body = DOOR.encode_answer(NationalAnswer(exchange_id="X7"))
    assert status == 200
    assert (json.loads(body)["infcode"], json.loads(body)["output"]) == (0, None)
    assert DOOR.encode_answer(NationalAnswer(exchange_id="X8")) == (status, body)


def test_a_cancellation_whose_answer_was_lost() -> None:
    answer = NationalAnswer(cancelled=SETTLEMENT, creditpay={"visit_id": "V1"})
    body = DOOR.encode_answer(answer)[1]
    output = json.loads(body)["output"]
    assert b'"medfee_sumamt":-90.50' in body
    assert output["setlinfo"]["psn_cash_pay"] == -0.05
    assert output["setlinfo"]["setl_time"] == "2025-03-03 09:30:00"
    assert output["creditpay"] == {"visit_id": "V1"}
    assert output["setldetail"] == []


# -- who asks --


def tif(
    code: str = "H43050000001", token: str = "sandbox-H43050000001", at: float = NOW, **changed: str
) -> dict[str, str]:
    stamp, nonce = str(int(at)), "n1"
    signature = hashlib.sha256(f"{stamp}{token}{nonce}{stamp}".encode()).hexdigest()
    headers = {"X-Tif-Paasid": code, "x-tif-timestamp": stamp, "x-tif-nonce": nonce, "X-TIF-SIGNATURE": signature}
    return {name: value for name, value in (headers | changed).items() if value}


def test_a_rightly_signed_request() -> None:
    assert DOOR.verify_tif(tif(), TOKENS.get, NOW) == "H43050000001"
    upper = tif()["X-TIF-SIGNATURE"].upper()
    assert DOOR.verify_tif(tif(**{"X-TIF-SIGNATURE": upper}), TOKENS.get, NOW) == "H43050000001"
    assert DOOR.nonce_of(tif()) == "n1"
    assert not DOOR.uses_csb(tif())


def test_the_published_vector() -> None:
    headers = {
        "x-tif-paasid": "demo",
        "x-tif-timestamp": "1795224615",
        "x-tif-nonce": "7f8a2c1e-0b3d-4e5f-9a6b-1c2d3e4f5a6b",
        "x-tif-signature": "1daef49073d16503150d61fb12af6d91b3dc6d3e0d83abd6f769d59e69710b17",
    }
    assert DOOR.verify_tif(headers, {"demo": "demoSecretToken"}.get, NOW) == "demo"


@pytest.mark.parametrize("seconds", [-180, -179, 0, 180])
def test_inside_the_window(seconds: int) -> None:
    assert DOOR.verify_tif(tif(at=NOW + seconds), TOKENS.get, NOW) == "H43050000001"


@pytest.mark.parametrize("seconds", [-181, 181, -86400])
def test_outside_the_window(seconds: int) -> None:
    with pytest.raises(Refusal) as caught:
        DOOR.verify_tif(tif(at=NOW + seconds), TOKENS.get, NOW)
    assert caught.value.code == "TIMESTAMP_EXPIRED"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        tif(token="wrong"),
        tif(code="H99999999999"),
        tif(code="H99999999999", token=""),
        tif(**{"x-tif-nonce": ""}),
        tif(**{"x-tif-timestamp": "1795224616"}),
        tif(**{"X-TIF-SIGNATURE": "签名"}),
        tif(**{"x-tif-nonce": "n" * 300}),
    ],
)
def test_who_is_not_believed(headers: dict[str, str]) -> None:
    with pytest.raises(Refusal) as caught:
        DOOR.verify_tif(headers, TOKENS.get, NOW)
    assert caught.value.code == "UNAUTHENTICATED"


def test_a_signed_timestamp_has_to_be_a_number() -> None:
    stamp = "now"
    signature = hashlib.sha256(f"{stamp}sandbox-H43050000001n1{stamp}".encode()).hexdigest()
    with pytest.raises(Refusal) as caught:
        DOOR.verify_tif(tif(**{"x-tif-timestamp": stamp, "X-TIF-SIGNATURE": signature}), TOKENS.get, NOW)
    assert caught.value.code == "UNAUTHENTICATED"


def csb(secret: str = "demoSK", millis: str = "1795224615000", **changed: str) -> dict[str, str]:
    text = f"_api_access_key=demoAK&_api_name=2207&_api_timestamp={millis}&_api_version=1.0.0"
    signature = base64.b64encode(hmac.new(secret.encode(), text.encode(), hashlib.sha1).digest()).decode()
    headers = {
        "_api_access_key": "demoAK", "_api_name": "2207", "_api_timestamp": millis, "_api_version": "1.0.0",
        "_api_signature": signature,
    }  # fmt: skip
    return headers | changed


def test_the_other_way_of_signing() -> None:
    headers = csb()
    assert headers["_api_signature"] == "jP57rKaolDtnI6/yIa73Y0fIPkk="
    assert DOOR.uses_csb(headers)
    assert DOOR.verify_csb(headers, {"demoAK": "demoSK"}.get, NOW) == "demoAK"


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        (csb(secret="x"), "UNAUTHENTICATED"),
        (csb(_api_name="2304"), "UNAUTHENTICATED"),
        (csb(_api_signature=""), "UNAUTHENTICATED"),
        (csb(_api_access_key="other"), "UNAUTHENTICATED"),
        (csb(millis="1795224434000"), "TIMESTAMP_EXPIRED"),
    ],
)
def test_the_other_way_of_signing_wrongly(headers: dict[str, str], code: str) -> None:
    with pytest.raises(Refusal) as caught:
        DOOR.verify_csb(headers, {"demoAK": "demoSK"}.get, NOW)
    assert caught.value.code == code
