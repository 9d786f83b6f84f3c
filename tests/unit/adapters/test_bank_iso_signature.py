"""RFC 9421 signatures: both key kinds, every part that is signed, and a second implementation that agrees."""

from __future__ import annotations

import datetime as dt
from base64 import b64decode, b64encode
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from gmssl import func, sm2
from gmssl_pyx import sm2_key_generate

from adapters.bank_iso20022 import signature
from adapters.bank_iso20022.signature import BadSignature, digest_of, key_id, seal, verify
from gateway.delivery.declare import Answer, SendContext
from gateway.model.keys import ChannelKeys, Sm2Keys, WsseKeys
from gateway.model.verdict import Done, Refused, Unknown
from simulators.bank.house import TurnedAway
from simulators.bank.iso import signatures as other
from simulators.bank.wsse import Keys
from tests.unit.adapters.bank_iso_partner import NOW, SAID, codec, report, transaction, withholding

REAL = 1_740_963_600.0
BODY = b"<Document/>"
NUMBER = "0123456789abcdef"


def certificate(key: Any, days: int = 30, begun: int = -1) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    start = dt.datetime.fromtimestamp(REAL, dt.UTC) + dt.timedelta(days=begun)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(start)
    return builder.not_valid_after(start + dt.timedelta(days=days)).sign(key, hashes.SHA256())


@cache
def private(kind: str) -> Any:
    if kind.startswith("rsa"):
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)
    curves = {"p256": ec.SECP256R1(), "p384": ec.SECP384R1(), "p521": ec.SECP521R1()}
    return ec.generate_private_key(curves[kind[:4]])


@cache
def x509_keys(kind: str, peer: str) -> tuple[WsseKeys, WsseKeys]:
    """Two sides that trust each other."""
    ours, theirs = private(kind), private(peer)
    own, their = certificate(ours), certificate(theirs)
    return (
        WsseKeys(ours, own, {their.public_bytes(Encoding.DER): their}),
        WsseKeys(theirs, their, {own.public_bytes(Encoding.DER): own}),
    )


@cache
def sm2_keys() -> tuple[Sm2Keys, Sm2Keys]:
    (ours, own), (theirs, their) = sm2_key_generate(), sm2_key_generate()
    return Sm2Keys(own, ours, (theirs,)), Sm2Keys(their, theirs, (ours,))


KINDS = ("rsa", "p256", "p384", "p521", "sm2")


def pair_of(kind: str) -> tuple[ChannelKeys, ChannelKeys]:
    """Two sides of a channel with keys of a kind."""
    return sm2_keys() if kind == "sm2" else x509_keys(kind, f"{kind}b")


def headers(keys: ChannelKeys, body: bytes = BODY, number: str = NUMBER, now: float = REAL) -> dict[str, str]:
    return {name.lower(): value for name, value in seal(body, keys, now, number).items()}


def refused(keys: ChannelKeys, said: dict[str, str], body: bytes = BODY, now: float = REAL, **more: Any) -> str:
    with pytest.raises(BadSignature) as found:
        verify(body, said, keys, now, **more)
    return str(found.value)


@pytest.mark.parametrize("number", [NUMBER, ""])
@pytest.mark.parametrize("kind", KINDS)
def test_what_one_side_signs_the_other_believes(kind: str, number: str) -> None:
    ours, theirs = pair_of(kind)
    said = headers(ours, number=number)
    verify(BODY, said, theirs, REAL, request_id=number, since=REAL)
    assert refused(ours, said).endswith("not signed by a key that was agreed on")
    assert refused(theirs, said, BODY + b" ").endswith("Content-Digest is not the body's")


@pytest.mark.parametrize("kind", ["rsa", "p256", "sm2"])
def test_every_part_that_is_signed_is_signed(kind: str) -> None:
    ours, theirs = pair_of(kind)
    good = headers(ours)
    changes = {
        "x-request-id": "another",
        "content-digest": digest_of(b"another"),
        "signature-input": good["signature-input"].replace("created=1740963600", "created=1740963601"),
        "signature": f"sig=:{b64encode(b'x' * 64).decode()}:",
    }
    for name, value in changes.items():
        assert "SIGNATURE_INVALID" in refused(theirs, {**good, name: value})
    assert "SIGNATURE_INVALID" in refused(theirs, {**good, "signature": "sig=::"})
    assert refused(theirs, good, request_id="another").endswith("signed for another exchange")


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("signature-input", '("content-digest" "x-request-id")', '("x-request-id" "content-digest")'),
        ("signature-input", '("content-digest" "x-request-id")', '("x-request-id")'),
        ("signature-input", '("content-digest" "x-request-id")', "()"),
        ("signature-input", "rsa-v1_5-sha256", "rsa-v1_5-sha512"),
        ("signature-input", "rsa-v1_5-sha256", "hmac-sha256"),
        ("signature-input", "sig=", "other="),
        ("signature-input", 'alg="rsa-v1_5-sha256"', 'alg="rsa-v1_5-sha256";expires=1'),
        ("signature", "sig=:", "other=:"),
    ],
)
def test_a_header_that_says_it_otherwise_is_no_signature(name: str, old: str, new: str) -> None:
    ours, theirs = x509_keys("rsa", "rsab")
    good = headers(ours)
    assert old in good[name]
    assert "SIGNATURE_INVALID" in refused(theirs, {**good, name: good[name].replace(old, new)})


def test_what_is_not_signed_is_told_apart() -> None:
    _, theirs = x509_keys("rsa", "rsab")
    assert refused(theirs, {}).endswith("not signed")
    assert refused(theirs, {"content-digest": digest_of(BODY)}).endswith("not signed")
    assert refused(theirs, {"signature": "sig=:!:", "signature-input": "x"}).endswith("unreadable signature")


@pytest.mark.parametrize(
    ("age", "fits"), [(0, True), (-119, True), (-121, False), (300, True), (419, True), (421, False), (86400, False)]
)
def test_a_message_is_good_for_five_minutes_and_two_of_grace(age: int, fits: bool) -> None:
    ours, theirs = x509_keys("rsa", "rsab")
    said = headers(ours, now=REAL - age)
    if fits:
        verify(BODY, said, theirs, REAL)
    else:
        assert "TIMESTAMP_EXPIRED" in refused(theirs, said)


def test_an_answer_older_than_its_question_is_refused() -> None:
    ours, theirs = x509_keys("rsa", "rsab")
    verify(BODY, headers(ours, now=REAL - 100), theirs, REAL, since=REAL)
    assert "older than what it answers" in refused(theirs, headers(ours, now=REAL - 130), since=REAL)


def test_a_pinned_certificate_that_has_ended_is_none() -> None:
    key = private("rsa")
    for days, begun in ((5, -10), (5, 1)):
        ended = certificate(key, days, begun)
        keys = WsseKeys(key, ended, {ended.public_bytes(Encoding.DER): ended})
        assert "agreed on" in refused(keys, headers(keys))


# -- another hand ---------------------------------------------------------------------------------------------------


def test_the_banks_own_implementation_agrees_both_ways(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = x509_keys("rsa", "rsab")
    bank = Keys(theirs.key, theirs.certificate, ours.certificate)  # type: ignore[arg-type]
    monkeypatch.setattr(other.time, "time", lambda: REAL)
    made = seal(BODY, ours, REAL, NUMBER)
    other.check(BODY, made, bank)
    with pytest.raises(TurnedAway, match="SIGNATURE_INVALID"):
        other.check(BODY + b" ", made, bank)
    with pytest.raises(TurnedAway, match="UNAUTHENTICATED"):
        other.check(BODY, {"Content-Digest": digest_of(BODY)}, bank)
    answer = {name.lower(): value for name, value in other.sealed(other.digest(BODY), bank, NUMBER).items()}
    verify(BODY, answer, ours, REAL, request_id=NUMBER, since=REAL)


def test_a_second_sm2_implementation_agrees() -> None:
    ours, theirs = sm2_keys()
    said = headers(ours)
    parameters = said["signature-input"].removeprefix("sig=")
    raw = b64decode(said["signature"].removeprefix("sig=:").removesuffix(":"))
    crypt = sm2.CryptSM2(private_key=theirs.private.hex(), public_key=ours.public.hex())
    assert crypt.verify_with_sm3(raw.hex(), base_of(parameters))
    assert f'keyid="{key_id(ours.public)}"' in parameters
    theirs_said = parameters.replace(key_id(ours.public), key_id(theirs.public))
    mine = sm2.CryptSM2(private_key=theirs.private.hex(), public_key=theirs.public.hex())
    signed = bytes.fromhex(mine.sign_with_sm3(base_of(theirs_said), func.random_hex(64)))
    back = {"signature-input": f"sig={theirs_said}", "signature": f"sig=:{b64encode(signed).decode()}:"}
    verify(BODY, {**said, **back}, ours, REAL)


def base_of(parameters: str) -> bytes:
    """What is signed, as the RFC words it."""
    lines = [f'"content-digest": {digest_of(BODY)}', f'"x-request-id": {NUMBER}']
    return "\n".join([*lines, f'"@signature-params": {parameters}']).encode()


# -- the codec ------------------------------------------------------------------------------------------------------

CHARGE = withholding()
GOOD = report(transaction(), group="ACSC")


def exchange(body: bytes, keys: ChannelKeys | None, number: str = "n1", now: float = REAL, status: int = 200) -> Any:
    """The verdict on an answer the bank sealed with ``keys`` (or did not)."""
    ours, _ = x509_keys("rsa", "rsab")
    context = SendContext(REAL, NOW, "n1", "M1", SAID, ours)
    said = {name.lower(): value for name, value in signature.seal(body, keys, now, number).items()}
    return codec.decode("Withhold", CHARGE, Answer(status, said, body, context, REAL))


def test_only_the_banks_signed_answer_to_this_very_request_counts() -> None:
    _, theirs = x509_keys("rsa", "rsab")
    assert isinstance(exchange(GOOD, theirs), Done)
    for said in (
        exchange(GOOD, None),
        exchange(GOOD, theirs, number="n2"),
        exchange(GOOD, theirs, number=""),
        exchange(GOOD, theirs, now=REAL - 1000),
        exchange(GOOD, x509_keys("rsa", "rsab")[0]),
        exchange(GOOD, sm2_keys()[1]),
    ):
        assert isinstance(said, Unknown)
        assert "SIGNATURE_INVALID" in said.reason or "TIMESTAMP_EXPIRED" in said.reason


def test_a_rejection_must_be_signed_for_this_request_as_well() -> None:
    _, theirs = x509_keys("rsa", "rsab")
    body = b'{"MsgRjct":{"Cd":"MALFORMED","Retry":"NO"}}'
    assert isinstance(exchange(body, theirs, status=400), Refused)
    assert isinstance(exchange(body, theirs, number="n2", status=400), Unknown)
    assert isinstance(exchange(body, None, status=400), Unknown)


def test_without_keys_a_rejection_names_the_request_it_is_about() -> None:
    context = SendContext(REAL, NOW, "n1", "M1", SAID)
    body = b'{"MsgRjct":{"Cd":"MALFORMED","Retry":"NO"}}'
    answer = Answer(400, {"x-request-id": "n1"}, body, context, REAL)
    assert isinstance(codec.decode("Withhold", CHARGE, answer), Refused)
    assert isinstance(codec.decode("Withhold", CHARGE, replace(answer, headers={})), Unknown)


def test_a_request_leaves_signed() -> None:
    ours, theirs = x509_keys("rsa", "rsab")
    out = codec.encode("Withhold", CHARGE, SendContext(REAL, NOW, "n1", "M1", SAID, ours))
    said = {name.lower(): value for name, value in out.headers.items()}
    verify(out.body, said, theirs, REAL, request_id="n1")
