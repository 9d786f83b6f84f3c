"""The SM2 variant: r‖s over the raw bytes in a header, checked against a second implementation both ways."""

from __future__ import annotations

from base64 import b64decode, b64encode
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.bank_soap import door, sm2
from adapters.bank_soap.wsse import BadSignature
from gateway.delivery.declare import Answer
from gateway.model.keys import Sm2Keys
from gateway.model.refusals import Refusal
from gateway.model.verdict import Done, Unknown
from tests.unit.adapters.bank_soap_partner import CONTEXT, NS, body_of, codec, file_of, golden_request
from tests.unit.adapters.bank_wsse_partner import REAL, Forger, side
from tests.unit.adapters.bank_wsse_sm2 import STANDARD_PRIVATE, STANDARD_PUBLIC, Sm2Side, sm2_side

GATEWAY, BANK, MALLORY = sm2_side("gateway"), sm2_side("bank"), sm2_side("mallory")
KEYS = GATEWAY.keys(BANK)
ANSWER, NOTICE = file_of("Withhold", "response.xml"), file_of("NotifyTransaction", "request.xml")
XML = "text/xml; charset=utf-8"
ORDER = int("fffffffeffffffffffffffffffffffff7203df6b21c6052b53bbf40939d54123", 16)


def decode(raw: bytes, header: str | None, operation: str = "Withhold", status: int = 200) -> Any:
    headers = {} if header is None else {sm2.HEADER: header}
    context = replace(CONTEXT, real_now=REAL, keys=KEYS)
    return codec.decode(operation, golden_request(operation), Answer(status, headers, raw, context, REAL))


def notice(raw: bytes, headers: dict[str, str], keys: Sm2Keys = KEYS) -> Any:
    return door.read_notification(raw, XML, "", door.guard(keys, headers, REAL))


# -- two implementations --------------------------------------------------------------------------------------------


def test_the_example_of_the_standard() -> None:
    """GB/T 32918.5, annex A.2: "message digest", id 1234567812345678."""
    r = "f5a03b0648d2c4630eeac513e1bb81a15944da3827d5b74143ac7eaceee720b3"
    s = "b1b6aa29df212fd8763182bc0d421ca1bb9038fd1f7f42d4840b69c485bbc1aa"
    header = b64encode(bytes.fromhex(r + s)).decode()
    keys = Sm2Keys(STANDARD_PRIVATE, STANDARD_PUBLIC, (STANDARD_PUBLIC,))
    sm2.verify(b"message digest", header, keys)
    with pytest.raises(BadSignature):
        sm2.verify(b"message digesT", header, keys)


@settings(max_examples=12, deadline=None)
@given(st.binary(max_size=2000))
def test_each_takes_what_the_other_signs(body: bytes) -> None:
    raw = b64decode(sm2.sign(body, KEYS))
    assert len(raw) == 64
    assert GATEWAY.signed(body, raw)
    sm2.verify(body, BANK.sign(body), KEYS)


def test_a_short_r_or_s_keeps_its_zeros() -> None:
    """One signature in 128 has one; none of them may get shorter on the wire."""
    for number in range(300):
        body = b"%d" % number
        header = sm2.sign(body, KEYS)
        raw = b64decode(header)
        assert len(raw) == 64
        sm2.verify(body, header, BANK.keys(GATEWAY))


# -- the channel ----------------------------------------------------------------------------------------------------


def test_requests_leave_with_the_header_and_an_unchanged_body() -> None:
    plain = codec.encode("Withhold", golden_request("Withhold"), CONTEXT)
    out = codec.encode("Withhold", golden_request("Withhold"), replace(CONTEXT, keys=KEYS))
    assert out.body == plain.body
    assert set(out.headers) - set(plain.headers) == {"x-xinyi-sm2-signature"}
    assert GATEWAY.signed(out.body, b64decode(out.headers["x-xinyi-sm2-signature"]))


def test_a_signed_answer_counts() -> None:
    assert isinstance(decode(ANSWER, BANK.sign(ANSWER)), Done)


def test_a_signed_notice_comes_in_whatever_the_case_of_the_header() -> None:
    headers = {"X-Xinyi-SM2-Signature": BANK.sign(NOTICE)}
    assert notice(NOTICE, headers) == door.read_notification(NOTICE, XML, "")


def test_acknowledgements_leave_signed() -> None:
    taken = door.read_notification(NOTICE, XML, "")
    ack, headers = door.sealed(door.ack(taken), KEYS, REAL)
    assert GATEWAY.signed(ack, b64decode(headers[sm2.HEADER]))
    assert body_of(ack).findtext(f"{{{NS}}}Ack") == "OK"


def test_a_second_key_of_the_bank_is_good_beside_the_first() -> None:
    keys = GATEWAY.keys(MALLORY, BANK)
    assert notice(NOTICE, {sm2.HEADER: BANK.sign(NOTICE)}, keys).notify_no == "NT0000000000001"


# -- attacks --------------------------------------------------------------------------------------------------------


def pair_of(r: int, s: int) -> str:
    return b64encode(r.to_bytes(32, "big") + s.to_bytes(32, "big")).decode()


GOOD = b64decode(BANK.sign(NOTICE))
HEADERS = {
    "none": None,
    "empty": "",
    "not Base64": "§§§",
    "hex instead of Base64": GOOD.hex(),
    "one byte less": b64encode(GOOD[:-1]).decode(),
    "one byte more": b64encode(GOOD + b"\0").decode(),
    "DER": b64encode(b"\x30\x44\x02\x20" + GOOD[:32] + b"\x02\x20" + GOOD[32:]).decode(),
    "s and r": b64encode(GOOD[32:] + GOOD[:32]).decode(),
    "zeros": pair_of(0, 0),
    "ones": pair_of(1, 1),
    "the order": pair_of(ORDER, ORDER),
    "above the order": pair_of(2**256 - 1, 2**256 - 1),
    "another key": MALLORY.sign(NOTICE),
    "our own key": GATEWAY.sign(NOTICE),
    "of another message": BANK.sign(NOTICE + b"\n"),
    "two of them": f"{b64encode(GOOD).decode()}, {b64encode(GOOD).decode()}",
}


@pytest.mark.parametrize("name", HEADERS)
def test_what_is_no_signature_of_these_bytes_is_refused(name: str) -> None:
    header = HEADERS[name]
    with pytest.raises(Refusal, match="SIGNATURE_INVALID") as caught:
        notice(NOTICE, {} if header is None else {sm2.HEADER: header})
    assert caught.value.__suppress_context__
    assert isinstance(decode(ANSWER, header), Unknown)


@pytest.mark.parametrize(
    "change",
    [
        (b">920001<", b">920002<"),
        (b">920001<", b">92<!-- x -->0001<"),
        (b"\n", b"\r\n"),
        (b"</ns0:Attempt>", b" </ns0:Attempt>"),
    ],
    ids=["amount", "comment", "line ends", "blank"],
)
def test_every_byte_is_signed(change: tuple[bytes, bytes]) -> None:
    changed = NOTICE.replace(*change, 1)
    assert changed != NOTICE
    with pytest.raises(Refusal, match="SIGNATURE_INVALID"):
        notice(changed, {sm2.HEADER: BANK.sign(NOTICE)})


def test_an_x509_signature_is_not_what_was_agreed_on() -> None:
    with pytest.raises(Refusal, match="SIGNATURE_INVALID"):
        notice(Forger(side("bocom-rsa")).sign(NOTICE), {})


def test_a_fault_that_nothing_ties_to_the_request_refuses_nothing() -> None:
    """No time and no serial under the signature: it may have been captured at another time."""
    fault = file_of("Fault", "client-1.1.xml")
    verdict = decode(fault, BANK.sign(fault), status=500)
    assert verdict == Unknown("fault BANK_CLIENT_FAULT that nothing ties to this request")


def test_the_private_number_is_not_shown() -> None:
    shown = repr(KEYS) + str(KEYS)
    assert repr(GATEWAY.private) not in shown
    assert GATEWAY.private.hex() not in shown
    assert isinstance(BANK, Sm2Side)
