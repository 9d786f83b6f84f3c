"""A signed channel in another encoding: the signature is over what is read, whatever bytes carry it."""

from __future__ import annotations

from base64 import b64decode
from dataclasses import replace
from typing import Any

import pytest
from lxml import etree

from adapters.bank_soap import sm2, wsse
from adapters.bank_wsdl import envelope
from gateway.delivery.declare import Answer
from gateway.model.refusals import Refusal
from gateway.model.verdict import Done, Unknown
from tests.unit.adapters.bank_wsdl_partner import CONTEXT, NAME, SOAP12, adapter, head, request, to_bytes
from tests.unit.adapters.bank_wsdl_partner import envelope as answered
from tests.unit.adapters.bank_wsse_partner import keys_of, side
from tests.unit.adapters.bank_wsse_sm2 import sm2_side
from tests.unit.adapters.test_bank_wsdl_door import notice

codec: Any = adapter().codec
door: Any = adapter().door
KIND = "application/soap+xml; charset=GB18030"
NOW = CONTEXT.real_now
OURS, BANK, STRANGER = side("xinyi-rsa"), side("bocom-rsa"), side("bocom-other")


def made() -> etree._Element:
    """A good answer, not signed yet."""
    return answered("Withhold", head(retMsg=f"{NAME} 成功"), {"tradeSts": "2", "payAmt": "2500.05"})


def signed_by(who: Any, root: etree._Element | None = None, at: float = NOW + 1) -> bytes:
    body, _ = envelope.seal(made() if root is None else root, SOAP12, "gb18030", keys_of(who, OURS), at)
    return body


def verdict(raw: bytes, keys: Any = None, **headers: str) -> Any:
    context = replace(CONTEXT, keys=keys or keys_of(OURS, BANK))
    return codec.decode("Withhold", request("Withhold"), Answer(200, headers, raw, context, NOW + 2))


def test_a_signed_request_survives_its_encoding() -> None:
    """Signed over the infoset: decoded from GB18030 and encoded in anything else, it still verifies."""
    out = codec.encode("Withhold", request("Withhold"), replace(CONTEXT, keys=keys_of(OURS, BANK)))
    assert NAME.encode("gb18030") in out.body
    root = etree.fromstring(out.body.decode("gb18030").partition("?>")[2].encode())
    body = wsse.verify(root, SOAP12, keys_of(BANK, OURS), NOW + 1)
    assert body[0].findtext("body/custNm") == NAME


def test_what_the_bank_signed_is_read() -> None:
    assert isinstance(verdict(signed_by(BANK)), Done)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda raw: raw.replace(b"2500.05", b"2500.06"),
        lambda raw: raw.replace(NAME.encode("gb18030"), "张三".encode("gb18030")),
        lambda raw: raw.replace(b"2500.05", b"2500<!-- -->.05"),
        lambda raw: raw.replace(b"2500.05", b"2500<?p?>.05"),
        lambda _raw: to_bytes(made()),
        lambda _raw: signed_by(STRANGER),
        lambda _raw: signed_by(BANK, at=NOW - 600),
    ],
)
def test_anything_else_is_unknown(spoil: Any) -> None:
    raw = spoil(signed_by(BANK))
    assert isinstance(verdict(raw), Unknown)


def test_sm2_signs_the_very_bytes_of_the_banks_encoding() -> None:
    ours, bank = sm2_side("ours"), sm2_side("bank")
    out = codec.encode("Withhold", request("Withhold"), replace(CONTEXT, keys=ours.keys(bank)))
    assert ours.signed(out.body, b64decode(out.headers[sm2.HEADER]))
    raw = to_bytes(made())
    good = {sm2.HEADER: bank.sign(raw)}
    assert isinstance(verdict(raw, ours.keys(bank), **good), Done)
    assert isinstance(verdict(raw.replace(b"2500.05", b"2500.06"), ours.keys(bank), **good), Unknown)
    assert isinstance(verdict(raw, ours.keys(bank)), Unknown)
    in_utf8 = raw.decode("gb18030").replace("GB18030", "UTF-8").encode()
    assert isinstance(verdict(in_utf8, ours.keys(bank), **good), Unknown)


def test_the_door_reads_what_is_signed_and_answers_signed() -> None:
    root = etree.fromstring(notice().decode("gb18030").partition("?>")[2].encode())
    guard = door.guard(keys_of(OURS, BANK), {}, NOW)
    told = door.read_notification(signed_by(BANK, root, NOW), KIND, "", guard)
    assert told.notify_no == "NT1"
    with pytest.raises(Refusal, match="SIGNATURE_INVALID"):
        door.read_notification(notice(), KIND, "", guard)
    for body in (door.ack(told), door.fault_for(Refusal("REPLAYED"), "X1")[1]):
        sealed, _ = door.sealed(body, keys_of(OURS, BANK), NOW)
        answer = etree.fromstring(sealed.decode("gb18030").partition("?>")[2].encode())
        assert len(wsse.verify(answer, SOAP12, keys_of(BANK, OURS), NOW)) == 1
