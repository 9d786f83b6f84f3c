"""Reading hospitals' messages and completing them: nothing they sent is lost or rewritten (contracts, HIS surface)."""

from __future__ import annotations

import json
import tomllib
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.his_json import ADAPTER
from adapters.insurance import ADAPTER as INSURANCE
from adapters.mobile_pay import ADAPTER as MOBILE
from gateway.model.refusals import Refusal

DOOR = ADAPTER.door
GOLDEN = Path(__file__).resolve().parents[3] / "adapters" / "his_json" / "golden"
CASES: list[dict[str, Any]] = tomllib.loads((GOLDEN / "cases.toml").read_text("utf-8"))["case"]
PLAIN = {
    "infno": "2207",
    "msgid": "H43050000001202503030930000001",
    "fixmedins_code": "H43050000001",
    "input": {"data": {"psn_no": "P1"}},
}


def body_of(**members: Any) -> bytes:
    return json.dumps({name: value for name, value in (PLAIN | members).items() if value is not ...}).encode()


def refused(body: bytes, content_type: str = "application/json") -> Refusal:
    with pytest.raises(Refusal) as caught:
        DOOR.read_envelope(body, content_type)
    return caught.value


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["message"])
def test_an_example_is_read_and_completed(case: dict[str, Any]) -> None:
    body = (GOLDEN / case["message"]).read_bytes()
    inbound = DOOR.read_envelope(body, case["content_type"])
    for name, value in case["read"].items():
        assert getattr(inbound, name) == value
    message = DOOR.complete_envelope(inbound, fills=case.get("fills", {}), sign_no=case.get("sign_no"))
    assert message.raw.encode() == (GOLDEN / case["completed"]).read_bytes()
    assert message.infno == inbound.infno
    json.loads(message.raw)


@pytest.mark.parametrize(
    "body",
    [
        b"", b"   ", b"[]", b"null", b'"x"', b"{", b"infno=2207", b"<xml/>", b"\xff\xfe", "中文".encode("gbk"),
        b'{"infno":"2207","infno":"2304","input":{}}', b'{"input":NaN}', b'{"input":{"a":Infinity}}',
        b'{"input":' + b"[" * 100000 + b"]" * 100000 + b"}", b'{"input":{"a":1e99999999999999999999}}',
        b'{"input":{"a":' + b"9" * 5000 + b"}}",
    ],
    ids=range(16),
)  # fmt: skip
def test_what_is_no_message_is_malformed(body: bytes) -> None:
    assert refused(body).code == "MALFORMED"


@pytest.mark.parametrize("held", [None, [], 3, True, "", "x", "[]", '"x"', '{"a":"\ud800"}', ...])
def test_a_payload_is_an_object_or_its_text(held: object) -> None:
    assert refused(body_of(input=held)).code == "MALFORMED"


def test_depth_has_a_limit() -> None:
    nested: Any = {}
    for _ in range(40):
        nested = {"a": [nested]}
    assert refused(body_of(input=nested)).code == "MALFORMED"
    assert refused(body_of(input=json.dumps(nested))).code == "MALFORMED"
    assert refused(body_of(extra=nested)).code == "MALFORMED"


def test_half_a_character_is_malformed_and_a_whole_one_is_not() -> None:
    for members in ({"opter_name": "\ud800"}, {"input": {"data": {"x": "\udfff"}}}, {"input": '{"x":"\\ud800"}'}):
        assert refused(body_of(**members)).code == "MALFORMED"
    message = DOOR.complete_envelope(DOOR.read_envelope(body_of(opter_name="\U00020bb7田")))
    assert message.opter_name == "\U00020bb7田"
    assert json.loads(message.model_dump_json())["opter_name"] == "\U00020bb7田"


def test_only_utf8_is_spoken() -> None:
    assert refused(body_of(), "application/json; charset=GBK").code == "MALFORMED"
    for content_type in ("", "text/plain", 'application/json; charset="UTF-8"', "text/plain;charset=utf8"):
        assert DOOR.read_envelope(body_of(), content_type).infno == "2207"
    assert DOOR.read_envelope(b"\xef\xbb\xbf" + body_of()).raw == body_of()


@pytest.mark.parametrize("infno", ["", None, "9999", "6302", "D001", "../etc", "2207 OR 1", "22\n07"])
def test_transactions_nobody_knows(infno: str | None) -> None:
    refusal = refused(body_of(infno=infno))
    assert refusal.code in ("UNKNOWN_INFNO", "INVALID_FIELD")
    assert refusal.field == "infno"
    assert "etc" not in refusal.detail


def test_every_declared_transaction_may_come_in() -> None:
    assert DOOR.known_infnos() == frozenset(INSURANCE.manifest.operations) | frozenset(MOBILE.manifest.operations)
    assert all(DOOR.read_envelope(body_of(infno=infno)).infno == infno for infno in ("2207A", "3205", "4101", "6201"))


@pytest.mark.parametrize(
    ("members", "field"),
    [
        ({"msgid": ""}, "msgid"),
        ({"msgid": ...}, "msgid"),
        ({"msgid": {"a": 1}}, "msgid"),
        ({"msgid": True}, "msgid"),
        ({"msgid": "x" * 65}, "msgid"),
        ({"fixmedins_code": None}, "fixmedins_code"),
        ({"fixmedins_code": "../../etc"}, "fixmedins_code"),
        ({"opter": "a\u0000b"}, "opter"),
        ({"input": {"data": {"psn_no": ["x"]}}}, "input.data.psn_no"),
        ({"input": {"data": {"psn_no": "P1", "setl_id": "9" * 65}}}, "input.data.setl_id"),
    ],
)
def test_a_bad_field_is_named(members: dict[str, Any], field: str) -> None:
    refusal = refused(body_of(**members))
    assert (refusal.code, refusal.field) == ("INVALID_FIELD", field)


@pytest.mark.parametrize(
    "content",
    [
        {"data": {"psn_no": "P1", "mdtrt_id": "M1"}},
        {"psn_no": "P1", "mdtrt_id": "M1"},
        {"mdtrtinfo": {"psn_no": "", "mdtrt_id": "M1"}, "diseinfo": [{"psn_no": "P1"}]},
        {"feedetail": [{"psn_no": "P1", "mdtrt_id": "M1"}, {"psn_no": "P2"}]},
        {"empty": [], "data": [{"psn_no": "P1", "mdtrt_id": "M1"}]},
    ],
)
def test_business_keys_are_lifted_from_wherever_they_are(content: dict[str, Any]) -> None:
    for held in (content, json.dumps(content)):
        inbound = DOOR.read_envelope(body_of(input=held))
        assert (inbound.psn_no, inbound.mdtrt_id, inbound.setl_id) == ("P1", "M1", "")
        assert inbound.input == content


def test_amounts_are_decimals() -> None:
    raw = b'{"infno":"2207","msgid":"m","fixmedins_code":"H1","input":{"data":{"medfee_sumamt":90.50,"cnt":2}}}'
    data = DOOR.read_envelope(raw).input["data"]
    assert (str(data["medfee_sumamt"]), data["cnt"]) == ("90.50", 2)
    assert isinstance(data["medfee_sumamt"], Decimal)


def test_persons_stay_out_of_the_repr() -> None:
    inbound = DOOR.read_envelope(
        body_of(input={"data": {"psn_no": "4305000000SECRET", "certno": "430502199001019990"}})
    )
    assert "SECRET" not in repr(inbound)
    assert "430502199001019990" not in repr(inbound)


_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=10)
    | st.sampled_from([Decimal("90.50"), Decimal("1.5")]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
_EXTRAS = st.dictionaries(st.text(max_size=8).map(lambda name: "x_" + name), _VALUES, max_size=4)


def _dump(value: Any) -> str:
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(name)} : {_dump(member)}" for name, member in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_dump, value)) + "]"
    return json.dumps(value)


@settings(deadline=None)
@given(_EXTRAS, _EXTRAS, st.randoms(), st.sampled_from([..., None, ""]), st.booleans())
def test_whatever_else_a_hospital_sends_goes_through(
    header: dict[str, Any], payload: dict[str, Any], random: Any, sign_no: Any, as_text: bool
) -> None:
    content = {"data": {"psn_no": "P1"} | payload}
    inner = _dump(content)
    members = {**PLAIN, "sign_no": sign_no, **header, "input": inner if as_text else content}
    names = [name for name in members if members[name] is not ...]
    random.shuffle(names)
    raw = _dump({name: members[name] for name in names}).encode()
    message = DOOR.complete_envelope(DOOR.read_envelope(raw), fills={"inf_time": "2025-03-03 09:30:00"}, sign_no="S1")
    sent = json.loads(message.raw, parse_float=Decimal)
    assert sent["sign_no"] == "S1"
    assert sent["input"] == content
    assert inner in message.raw
    assert {name: sent[name] for name in header} == header
    assert [name for name in sent if name in names] == names


def test_nothing_to_fill_means_no_byte_changed() -> None:
    raw = (GOLDEN.parents[1] / "insurance" / "golden" / "2207.request.json").read_bytes()
    message = DOOR.complete_envelope(DOOR.read_envelope(raw), fills={"fixmedins_name": "x", "opter": "y"})
    assert message.raw.encode() == raw
    assert message.input["data"]["psn_no"] == message.psn_no


def test_the_msgid_is_replaced_only_when_told() -> None:
    inbound = DOOR.read_envelope(body_of(msgid="short"))
    assert DOOR.complete_envelope(inbound).msgid == "short"
    message = DOOR.complete_envelope(inbound, msgid="H43050000001202503030930005000")
    assert message.msgid == json.loads(message.raw)["msgid"] == "H43050000001202503030930005000"


def test_a_province_that_wants_text_gets_text() -> None:
    inbound = DOOR.read_envelope(body_of())
    as_text = DOOR.complete_envelope(inbound, input_form="string")
    assert json.loads(json.loads(as_text.raw)["input"]) == PLAIN["input"]
    kept = DOOR.complete_envelope(DOOR.read_envelope(as_text.raw.encode()), input_form="keep")
    assert kept.raw == as_text.raw


def test_long_uploads_are_not_repeated_beside_their_raw() -> None:
    rows = {"feedetail": [{"feedetl_sn": "1"}]}
    assert DOOR.complete_envelope(DOOR.read_envelope(body_of(infno="2301", input=rows))).input is None


def test_service_paths_name_their_transaction() -> None:
    routes = DOOR.service_routes()
    assert routes["/fsi/api/outpatientSettleService/saveSettletmentV2"] == "2207"
    assert DOOR.call_service == "/fsi/api/rsfComIfsService/callService"
    assert len(set(routes.values())) == len(routes)
    assert set(routes.values()) <= DOOR.known_infnos()


def test_an_input_is_checked_against_its_table() -> None:
    with pytest.raises(Refusal) as caught:
        DOOR.check_input(DOOR.read_envelope(body_of()))
    assert (caught.value.code, caught.value.field) == ("INVALID_FIELD", "input.data.medfee_sumamt")


def test_a_msgid_of_the_institution() -> None:
    assert DOOR.is_msgid("H43050000001202503030930000001", "H43050000001")
    assert not DOOR.is_msgid("H430500000012025030309300001", "H43050000001")
