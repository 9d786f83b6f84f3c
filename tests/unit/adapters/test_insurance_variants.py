"""The province's variant in what leaves: `input` as text, the gateway's own `cainfo` (national interface, 1.1, 1.7)."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal

import gmssl_pyx
import pytest
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from adapters.insurance.cainfo import signed_text
from tests.unit.adapters.test_insurance_codec import CODEC, CONTEXT, RAW, SETTLING, spoken

KEYS = gmssl_pyx.sm2_key_generate()
PUBLIC, PRIVATE = KEYS
CREDENTIALS = {"cainfo_private_key": PRIVATE.hex(), "cainfo_public_key": PUBLIC.hex()}


def test_input_as_a_string_is_the_same_content_and_nothing_else_changes() -> None:
    body = CODEC.encode("2207", SETTLING, spoken(input="string")).body
    sent, came = json.loads(body, parse_float=Decimal), json.loads(RAW, parse_float=Decimal)
    assert json.loads(sent.pop("input")) == came.pop("input")
    assert sent == came
    again = CODEC.encode("2207", SETTLING.model_copy(update={"raw": body.decode()}), spoken(input="string")).body
    assert again == body


def test_what_is_signed_is_sorted_and_leaves_out_cainfo_and_input() -> None:
    members = {"msgid": "M", "infno": "2207", "cainfo": "x", "input": {"a": 1}, "dev_no": None, "opter_type": 1}
    assert signed_text(members) == "dev_no=&infno=2207&msgid=M&opter_type=1"


@pytest.mark.parametrize("form", ["sm2", "sm2_rs"])
def test_cainfo_is_verified_by_the_public_key(form: str) -> None:
    context = spoken(credentials=CREDENTIALS, cainfo=form)
    sent = json.loads(CODEC.encode("2207", SETTLING, context).body, parse_float=Decimal)
    assert (sent["signtype"], sent["cainfo"]) == ("SM2", sent["cainfo"].upper())
    signature = bytes.fromhex(sent["cainfo"])
    if form == "sm2_rs":
        assert len(signature) == 64
        signature = encode_dss_signature(int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))
    text = signed_text(sent).encode()
    assert text.startswith(b"fixmedins_code=H43050000001&")
    assert gmssl_pyx.sm2_verify(PUBLIC, text, signature)
    assert not gmssl_pyx.sm2_verify(PUBLIC, text + b"x", signature)


def test_a_message_of_our_own_is_spoken_the_same_way() -> None:
    own = SETTLING.model_copy(update={"raw": "", "infno": "9001", "input": {"signIn": {"opter_no": "1"}}})
    context = spoken(credentials=CREDENTIALS, cainfo="sm2", input="string", url_family="infno")
    out = CODEC.encode("9001", own, context)
    sent = json.loads(out.body)
    assert out.path == "/fsi/api/9001"
    assert json.loads(sent["input"]) == own.input
    assert gmssl_pyx.sm2_verify(PUBLIC, signed_text(sent).encode(), bytes.fromhex(sent["cainfo"]))


@pytest.mark.parametrize("broken", [{}, {"cainfo_private_key": "zz"}, {"cainfo_private_key": PRIVATE.hex()[:-2]}])
def test_a_key_that_is_none_is_told_by_name_and_never_shown(broken: dict[str, str]) -> None:
    context = replace(CONTEXT, variant={"cainfo": "sm2"}, credentials={**CONTEXT.credentials, **broken})
    with pytest.raises(ValueError, match="cainfo_private_key: 32 bytes") as error:
        CODEC.encode("2207", SETTLING, context)
    assert PRIVATE.hex()[:-2] not in str(error.value)
