"""The centre's envelope against vectors of another hand, and SM2 against a second implementation both ways."""

from __future__ import annotations

import tomllib
from base64 import b64decode, b64encode
from decimal import Decimal
from pathlib import Path
from typing import Any

import gmssl_pyx
import pytest
from cryptography.hazmat.primitives import hashes
from gmssl.sm2 import CryptSM2
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.mobile_pay import envelope, sm
from adapters.mobile_pay.envelope import BadEnvelope, Channel
from gateway.model.exact_json import loads

GOLDEN = Path(__file__).resolve().parents[3] / "adapters" / "mobile_pay" / "golden"
V = tomllib.loads((GOLDEN / "vectors.toml").read_text("utf-8"))
REAL = 1795224615.25


def pair() -> tuple[str, str]:
    """(private, public) in Base64, as they are delivered."""
    public, private = gmssl_pyx.sm2_key_generate()
    return b64encode(private).decode(), b64encode(b"\x04" + public).decode()


OURS, THEIRS, MALLORY = pair(), pair(), pair()


def channel(**more: str) -> Channel:
    credentials = {
        "app_id": V["app_id"], "app_secret": V["app_secret"], "private_key": OURS[0], "public_key": OURS[1],
        "platform_public_key": THEIRS[1],
    }  # fmt: skip
    return Channel.of(credentials | more)


def centre(signed_by: tuple[str, str] = THEIRS) -> Channel:
    return channel(private_key=signed_by[0], public_key=signed_by[1], platform_public_key=OURS[1])


# -- vectors ------------------------------------------------------------------------------------------------


def test_the_block_of_the_standard() -> None:
    block = bytes.fromhex(V["sm4_block"])
    assert sm.sm4_encrypt(block, block)[:16].hex() == V["sm4_cipher"]


def test_the_derived_key() -> None:
    assert sm.sm4_encrypt(V["app_id"][:16].encode(), V["app_secret"].encode()).hex().upper() == V["key_hex"]
    assert sm.data_key(V["app_id"], V["app_secret"]) == V["k2"].encode()


def test_the_cipher_text_both_ways() -> None:
    assert sm.seal(V["k2"].encode(), V["data"]) == V["enc_data"]
    assert sm.unseal(V["k2"].encode(), V["enc_data"].lower()) == V["data"]


def test_the_string_to_sign_and_its_digest() -> None:
    message = {
        "version": "1.0.0", "appId": V["app_id"], "timestamp": "20261121093015", "encType": "SM4", "signType": "SM2",
        "data": {"payToken": "PT0001", "payOrdId": "ORD420100202611210001", "orgCodg": "H42010200999", "ecToken": ""},
        "encData": "AA", "signData": "BB", "extra": {"x": 1}, "transType": None,
    }  # fmt: skip
    text = envelope.string_to_sign(message, V["app_secret"])
    assert text == V["string_to_sign"]
    digest = hashes.Hash(hashes.SM3())
    digest.update(text.encode())
    assert digest.finalize().hex() == V["sm3"]


def test_the_signature() -> None:
    public = sm.public_key(V["public_key"])
    assert sm.verify(V["string_to_sign"], V["sign_data"], public)
    assert not sm.verify(V["string_to_sign"] + " ", V["sign_data"], public)
    assert not sm.verify(V["string_to_sign"], V["sign_data"], public, user_id=V["app_secret"])


# -- a second implementation --------------------------------------------------------------------------------


@settings(max_examples=12, deadline=None)
@given(st.text(st.characters(codec="utf-8"), max_size=300))
def test_each_takes_what_the_other_signs(text: str) -> None:
    private, public = sm.private_key(OURS[0]), sm.public_key(OURS[1])
    other = CryptSM2(private.hex(), public.hex())
    assert other.verify_with_sm3(b64decode(sm.sign(text, private, public)).hex(), text.encode())
    assert sm.verify(text, b64encode(bytes.fromhex(other.sign_with_sm3(text.encode()))).decode(), public)


# -- keys ---------------------------------------------------------------------------------------------------


def test_keys_come_raw_or_as_hexadecimal_inside_base64() -> None:
    raw_private, raw_public = b64decode(OURS[0]), b64decode(OURS[1])
    assert sm.private_key(b64encode(raw_private.hex().encode()).decode()) == raw_private
    for wrapped in (raw_public, raw_public[1:], raw_public.hex().encode(), raw_public[1:].hex().upper().encode()):
        assert sm.public_key(b64encode(wrapped).decode()) == raw_public[1:]


@pytest.mark.parametrize("text", ["", "!!", b64encode(b"short").decode(), b64encode(b"\x01" * 64).decode()])
def test_what_is_no_key_is_named_and_not_shown(text: str) -> None:
    with pytest.raises(sm.BadKey) as error:
        sm.public_key(text)
    assert not text or text not in str(error.value)
    with pytest.raises(sm.BadKey):
        sm.private_key(text)


@pytest.mark.parametrize("name", ["app_id", "app_secret", "private_key", "public_key", "platform_public_key"])
def test_a_missing_credential_is_named(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        channel(**{name: ""})


def test_a_channel_never_shows_its_secrets() -> None:
    shown = repr(channel())
    assert V["app_secret"] not in shown
    assert str(b64decode(OURS[0])) not in shown


# -- the envelope -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("form", "stamp"), [("text", "20261121093015"), ("ms", "1795224615250"), ("s", "1795224615")])
def test_the_three_forms_of_a_timestamp(form: str, stamp: str) -> None:
    outer = loads(envelope.write(channel(timestamp=form), {"payOrdId": "ORD1"}, REAL))
    assert outer["timestamp"] == stamp
    assert envelope.read(channel_seen_by_centre(), outer) == {"payOrdId": "ORD1"}


def channel_seen_by_centre() -> Channel:
    return centre()


def test_the_plain_data_does_not_leave() -> None:
    body = envelope.write(channel(), {"userName": "张三", "idNo": "430501199001011234"}, REAL)
    assert "张三".encode() not in body
    assert "data" not in loads(body)


def said(data: dict[str, Any], signed_by: tuple[str, str] = THEIRS, **more: Any) -> dict[str, Any]:
    body = envelope.write(centre(signed_by), data, REAL, {"code": 0, "success": True, "message": "成功"})
    return dict(loads(body)) | more


def test_an_answer_of_the_centre_is_read() -> None:
    assert envelope.read(channel(), said({"ordStas": "6", "feeSumamt": "200.00"})) == {
        "feeSumamt": "200.00",
        "ordStas": "6",
    }


def test_numbers_may_be_signed_as_numbers_or_as_texts() -> None:
    """5.3: the C# port signs numeric leaves as strings."""
    data = {"feeSumamt": Decimal("90.50"), "rows": [{"b": 2, "a": Decimal("1.5")}]}
    for texts in (False, True):
        outer = said(data)
        signed = outer | {"data": data}
        text = envelope.string_to_sign(signed, V["app_secret"], texts=texts)
        outer["signData"] = sm.sign(text, sm.private_key(THEIRS[0]), sm.public_key(THEIRS[1]))
        assert envelope.read(channel(), outer)["feeSumamt"] == Decimal("90.50")


@pytest.mark.parametrize(
    "outer",
    [
        said({"ordStas": "6"}, MALLORY),
        said({"ordStas": "6"}, message="改过"),
        said({"ordStas": "6"}, code=1),
        said({"ordStas": "6"}, encData=said({"ordStas": "15"})["encData"]),
        said({"ordStas": "6"}, signData=""),
        said({"ordStas": "6"}, signData=None),
        said({"ordStas": "6"}, encData="ZZ"),
        said({"ordStas": "6"}, encData="AA" * 15),
        said({"ordStas": "6"}, appId="ANOTHER"),
    ],
)
def test_what_the_centre_did_not_sign_is_not_read(outer: dict[str, Any]) -> None:
    with pytest.raises(BadEnvelope) as error:
        envelope.read(channel(), outer)
    assert "ordStas" not in str(error.value)


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"\xff\xfe", b'{"a":1,"a":2}', b'{"a":NaN}', b"[" * 5000])
def test_what_is_no_envelope_is_no_envelope(body: bytes) -> None:
    with pytest.raises(BadEnvelope):
        envelope.parse(body)


def test_empty_members_are_neither_signed_nor_sent() -> None:
    assert envelope.canonical({"b": "", "a": {"y": None, "x": [1, {"q": "", "p": 2}]}, "c": False}) == {
        "a": {"x": [1, {"p": 2}]},
        "c": False,
    }
