"""The SOAP door of the hospitals: one call in either version, the national answer back, refusals as Client faults."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import zeep
from lxml import etree

import adapters.his_soap
from adapters.his_json import ADAPTER as NATIONAL
from adapters.his_soap import ADAPTER
from adapters.his_soap.door import media_type
from gateway.model.exact_json import NotJson
from gateway.model.refusals import Refusal
from gateway.model.xml import Schema

DOOR = ADAPTER.door
GOLDEN = Path(adapters.his_soap.__file__).parent / "golden"
NS = "urn:xinyi:his:v1"
ENVELOPES = {
    "1.1": ("http://schemas.xmlsoap.org/soap/envelope/", "text/xml; charset=utf-8"),
    "1.2": ("http://www.w3.org/2003/05/soap-envelope", "application/soap+xml; charset=utf-8"),
}
MSGID = "H43050000001202503030930000001"
PAYLOAD = "<data><psn_no>P1</psn_no></data>"


def call(
    payload: str = PAYLOAD, infno: str = "2207", msgid: str = MSGID, head: str = "", version: str = "1.1"
) -> bytes:
    header = f"<s:Header>{head}</s:Header>" if head else ""
    return (
        f'<s:Envelope xmlns:s="{ENVELOPES[version][0]}">{header}<s:Body><Call xmlns="{NS}"><infno>{infno}</infno>'
        f"<msgid>{msgid}</msgid><payload>{payload}</payload></Call></s:Body></s:Envelope>"
    ).encode()


def read(body: bytes, version: str = "1.1", action: str = "", **more: str) -> object:
    return DOOR.read_call(body, ENVELOPES[version][1], action, **more)


def golden(name: str) -> bytes:
    return (GOLDEN / name).read_bytes()


# -- in ----------------------------------------------------------------------------------------------------


def test_the_example_becomes_the_national_envelope() -> None:
    read_ = read(golden("2207.request.xml"))
    assert DOOR.envelope(read_, "H43050000001") == golden("2207.envelope.json").strip()
    inbound = NATIONAL.door.read_envelope(DOOR.envelope(read_, "H43050000001"))
    assert (inbound.infno, inbound.msgid, inbound.opter, inbound.mdtrt_id) == ("2207", MSGID, "SF07", "430500990001")
    assert inbound.input["data"]["medfee_sumamt"] == "90.50"


@pytest.mark.parametrize("version", ["1.1", "1.2"])
def test_both_versions_are_read_and_answered_alike(version: str) -> None:
    got = read(call(version=version), version)
    assert (got.infno, got.msgid, got.soap_version, dict(got.head)) == ("2207", MSGID, version, {})
    kind = ENVELOPES[version][1]
    assert DOOR.reply(golden("2207.reply.json"), kind) == golden(f"2207.response-{version}.xml").strip()
    assert media_type(kind) == kind


def test_fields_may_stand_in_no_namespace_or_in_the_contracts() -> None:
    bare = call().replace(b"<payload><data>", b'<payload xmlns=""><data>')
    qualified = call("<data><psn_no>P1</psn_no></data>")
    unqualified = call('<data xmlns=""><psn_no>P1</psn_no></data>')
    assert DOOR.envelope(read(qualified), "H1") == DOOR.envelope(read(unqualified), "H1")
    with pytest.raises(Refusal):  # the payload itself belongs to the contract
        read(bare)


def test_a_number_that_is_marked_as_one_keeps_its_digits() -> None:
    body = call('<data><a type="number">90.50</a><b type="number">7</b><c>90.50</c></data>')
    assert b'"input":{"data":{"a":90.50,"b":7,"c":"90.50"}}' in DOOR.envelope(read(body), "H1")


@pytest.mark.parametrize("action", ["", '""', f"{NS}:Call", f'"{NS}:Call"'])
def test_the_action_may_be_missing_or_right(action: str) -> None:
    assert read(call(), action=action).infno == "2207"
    typed = f"{ENVELOPES['1.2'][1]}; action={action or chr(34) * 2}"
    assert DOOR.read_call(call(version="1.2"), typed, "").infno == "2207"


def test_another_action_is_refused() -> None:
    for body, kind, action in (
        (call(), ENVELOPES["1.1"][1], "urn:other"),
        (call(version="1.2"), f'{ENVELOPES["1.2"][1]}; action="urn:other"', ""),
    ):
        with pytest.raises(Refusal) as refused:
            DOOR.read_call(body, kind, action)
        assert (refused.value.code, refused.value.field) == ("INVALID_FIELD", "SOAPAction")


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (call(infno=""), "infno"),
        (call(infno="22 07"), "infno"),
        (call(infno="2" * 33), "infno"),
        (call(msgid=""), "msgid"),
        (call(msgid="x" * 65), "msgid"),
        (call(msgid="编号"), "msgid"),
        (call().replace(b"<payload>", b'<payload a="1">'), "payload"),
        (call().replace(b"</payload>", b"</payload><more/>"), "Call"),
        (call().replace(f"<msgid>{MSGID}</msgid>".encode(), b""), "payload"),
        (call(head=f'<MessageHead xmlns="{NS}"><opter>{"x" * 65}</opter></MessageHead>'), "opter"),
        (call(head=f'<MessageHead xmlns="{NS}"><infno>2304</infno></MessageHead>'), "infno"),
    ],
)
def test_what_breaks_the_contract_is_named(body: bytes, named: str) -> None:
    with pytest.raises(Refusal) as refused:
        read(body)
    assert refused.value.code == "INVALID_FIELD"
    assert refused.value.field in (named, "message")


def test_the_head_must_be_understood_and_may_come_once() -> None:
    must = f'<MessageHead xmlns="{NS}" s:mustUnderstand="1"><opter>A</opter><sign_no/></MessageHead>'
    assert dict(read(call(head=must)).head) == {"opter": "A"}
    once = f'<MessageHead xmlns="{NS}"><opter>A</opter><sign_no/></MessageHead>'
    assert dict(read(call(head=once)).head) == {"opter": "A"}
    with pytest.raises(Refusal):
        read(call(head=once * 2))
    assert read(call(head='<x xmlns="urn:x"/>')).infno == "2207"
    with pytest.raises(Refusal):
        read(call(head='<x xmlns="urn:x" s:mustUnderstand="1"/>'))


def test_a_repr_shows_nobody() -> None:
    assert "P1" not in repr(read(golden("2207.request.xml")))


def test_gb18030_where_it_is_agreed_and_nowhere_else() -> None:
    body = call("<data><psn_name>䶮㛃·𬱖</psn_name></data>").decode()
    for declared in ("", "<?xml version='1.0' encoding='GBK'?>", '<?xml version="1.0" encoding="gb18030"?>\n'):
        raw = (declared + body).encode("gb18030")
        got = DOOR.read_call(raw, "text/xml; charset=GB18030", "", encoding="gb18030")
        assert json.loads(DOOR.envelope(got, "H1"))["input"] == {"data": {"psn_name": "䶮㛃·𬱖"}}
        with pytest.raises(Refusal):
            DOOR.read_call(raw, "text/xml", "")
    with pytest.raises(Refusal):
        DOOR.read_call(f"<?xml version='1.0' encoding='UTF-8'?>{body}".encode(), "text/xml", "", encoding="gb18030")
    with pytest.raises(Refusal):
        DOOR.read_call(body.encode("gb18030"), "text/xml; charset=utf-8", "", encoding="gb18030")


# -- out ----------------------------------------------------------------------------------------------------


def said(raw: bytes) -> etree._Element:
    response = etree.fromstring(raw)[0][0]
    assert Schema(DOOR.xsd()).violation(response) is None
    return response


def test_a_refusal_of_the_platform_is_a_normal_answer() -> None:
    response = said(DOOR.reply('{"infcode":"-1","err_msg":"该就诊已结算\\u0001","output":null}'.encode(), "text/xml"))
    assert [(etree.QName(child).localname, child.text) for child in response] == [
        ("infcode", "-1"),
        ("err_msg", "该就诊已结算\ufffd"),
    ]


def test_what_is_no_text_where_text_is_meant_still_arrives() -> None:
    response = said(DOOR.reply(b'{"infcode":0,"err_msg":{"a":1},"output":[1],"success":true}'))
    names = {etree.QName(child).localname: child for child in response}
    assert etree.tostring(names["others"]).count(b"err_msg") == 2
    assert names["others"].findtext("success") == "true"
    assert names["output"].findtext("value") == "1"


def test_an_answer_in_gb18030_keeps_rare_characters() -> None:
    raw = DOOR.reply(golden("2207.reply.json"), "text/xml", encoding="gb18030")
    assert raw.startswith(b"<?xml version='1.0' encoding='GB18030'?>")
    assert "<psn_name>䶮㛃·𬱖</psn_name>" in raw.decode("gb18030")


def test_no_answer_is_made_of_something_else() -> None:
    with pytest.raises(NotJson):
        DOOR.reply(b"<html/>")


@pytest.mark.parametrize(("version", "status", "code"), [("1.1", 500, "soap:Client"), ("1.2", 400, "soap:Sender")])
def test_a_refusal_of_ours_is_a_client_fault(version: str, status: int, code: str) -> None:
    kind = ENVELOPES[version][1]
    refusal = Refusal("MSGID_REUSED", "input.data.medfee_sumamt")
    got, raw = DOOR.fault_for(refusal, "X01JNT0000000000000000000", kind)
    assert (got, raw) == (status, golden(f"fault-{version}.xml").strip())
    text = "".join(etree.fromstring(raw).itertext())
    assert code in text
    assert "同一报文编号内容不一致：input.data.medfee_sumamt" in text
    assert " [MSGID_REUSED|X01JNT0000000000000000000]" in text
    detail = next(etree.fromstring(raw).iter(f"{{{NS}}}HisFault"))
    assert Schema(DOOR.xsd()).violation(detail) is None
    assert detail.findtext(f"{{{NS}}}Retry") == "NO"


def test_a_fault_survives_a_type_nobody_knows() -> None:
    status, raw = DOOR.fault_for(Refusal("MALFORMED", "\x01"), "X1", "application/json")
    assert status == 500
    assert b"soap:Client" in raw


# -- contract ----------------------------------------------------------------------------------------------------


def test_the_wsdl_carries_the_xsd_as_it_is() -> None:
    _, _, types = DOOR.xsd().partition(b"?>\n")
    assert types.strip() in DOOR.wsdl("http://127.0.0.1:8800/soap/his")


def test_the_address_is_the_one_that_was_asked(tmp_path: Path) -> None:
    wsdl = DOOR.wsdl('https://gw.example/soap/his?a="b"&c')
    (tmp_path / "his.wsdl").write_bytes(wsdl)
    client = zeep.Client(str(tmp_path / "his.wsdl"))
    assert {port.binding_options["address"] for port in client.wsdl.services["HisService"].ports.values()} == {
        'https://gw.example/soap/his?a="b"&c'
    }


def test_one_operation_with_three_parameters(tmp_path: Path) -> None:
    (tmp_path / "his.wsdl").write_bytes(DOOR.wsdl("http://127.0.0.1/soap/his"))
    client = zeep.Client(str(tmp_path / "his.wsdl"))
    for binding in client.wsdl.bindings.values():
        assert list(binding._operations) == ["Call"]
        elements = binding.get("Call").input.body.type.elements
        assert [name for name, _ in elements] == ["infno", "msgid", "payload"]


def test_the_manifest_is_a_door() -> None:
    assert (ADAPTER.manifest.id, ADAPTER.manifest.kind, dict(ADAPTER.manifest.operations)) == (
        "his_soap",
        "his_door",
        {},
    )
