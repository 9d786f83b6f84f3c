"""Attacks on the signature: each is refused at the door and Unknown as an answer, and nothing of it comes back out."""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest
from lxml import etree

from adapters.bank_soap import door
from gateway.delivery.declare import Answer
from gateway.model.keys import WsseKeys
from gateway.model.refusals import Refusal
from gateway.model.verdict import Unknown
from tests.unit.adapters.bank_soap_partner import CONTEXT, codec, file_of, golden_request
from tests.unit.adapters.bank_wsse_attacks import (
    ANSWER,
    ATTACKS,
    EXPIRED,
    FALSE,
    GATEWAY,
    HONEST,
    INVALID,
    KEYS,
    MALLORY,
    NOTICE,
    SECRET,
    edit,
    find,
)
from tests.unit.adapters.bank_wsse_partner import DS, EXC, REAL, SOAP11, SOAP12, Forger, keys_of, side


def refusal_of(raw: bytes, keys: WsseKeys = KEYS, media: str = "text/xml; charset=utf-8") -> Refusal:
    with pytest.raises(Refusal) as caught:
        door.read_notification(raw, media, "", door.guard(keys, {}, REAL))
    return caught.value


def answer_of(raw: bytes, keys: WsseKeys = KEYS) -> object:
    context = replace(CONTEXT, real_now=REAL, keys=keys)
    return codec.decode("Withhold", golden_request("Withhold"), Answer(200, {}, raw, context, REAL))


def test_the_honest_message_is_taken() -> None:
    guard = door.guard(KEYS, {}, REAL)
    assert door.read_notification(HONEST.sign(NOTICE), "text/xml", "", guard).amount_fen == int(SECRET)  # type: ignore[union-attr]
    assert answer_of(HONEST.sign(file_of("Withhold", "response.xml"))) != answer_of(b"")


@pytest.mark.parametrize("name", ATTACKS)
def test_refused_at_the_door(name: str, caplog: pytest.LogCaptureFixture) -> None:
    attack, code = ATTACKS[name]
    with caplog.at_level(logging.DEBUG):
        refusal = refusal_of(attack(NOTICE))
    assert refusal.code == code
    said = f"{refusal} {refusal.detail} {refusal.facts} {caplog.text}".encode()
    assert SECRET not in said
    assert FALSE not in said
    assert refusal.__cause__ is None
    assert refusal.__suppress_context__


@pytest.mark.parametrize("name", ATTACKS)
def test_unknown_as_an_answer_about_money(name: str) -> None:
    attack, code = ATTACKS[name]
    verdict = answer_of(attack(ANSWER))
    assert isinstance(verdict, Unknown)
    assert verdict.reason.startswith(f"HTTP 200: {code}: ")
    assert SECRET.decode() not in verdict.reason


@pytest.mark.parametrize("spoilt", ["!!!!", "AAAA", "é", "A" * 100_000])
@pytest.mark.parametrize("tag", ["SignatureValue", "DigestValue"])
def test_a_value_that_is_none(tag: str, spoilt: str) -> None:
    def change(root: etree._Element) -> None:
        find(root, f"{{{DS}}}{tag}").text = spoilt

    assert refusal_of(edit(change)(NOTICE)).code == INVALID


@pytest.mark.parametrize("prefixes", ["", " ", "#default", "x " * 5_000, "B"])
def test_prefixes_named_for_the_canonical_form(prefixes: str) -> None:
    """WS-Security toolkits name prefixes here; after the signing it is only another way to break it."""

    def change(root: etree._Element) -> None:
        where = find(root, f"{{{DS}}}Transform")
        etree.SubElement(where, f"{{{EXC}}}InclusiveNamespaces", PrefixList=prefixes)

    assert refusal_of(edit(change)(NOTICE)).code == INVALID


@pytest.mark.parametrize("written", [b"<![CDATA[77777701]]>", b"&#55;7777701", b"7777770&#x31;"])
def test_the_same_text_written_differently_is_the_same_text(written: bytes) -> None:
    """Harmless rows of the table: canonical form and text stay what was signed."""
    raw = HONEST.sign(NOTICE).replace(SECRET, written)
    notice = door.read_notification(raw, "text/xml", "", door.guard(KEYS, {}, REAL))
    assert notice.amount_fen == int(SECRET)  # type: ignore[union-attr]


def test_an_envelope_of_the_other_version_was_not_signed() -> None:
    raw = HONEST.sign(NOTICE).replace(SOAP11.encode(), SOAP12.encode())
    assert refusal_of(raw, media="application/soap+xml").code == INVALID


def test_a_certificate_that_has_ended_is_good_no_more() -> None:
    ended = side("bocom-ended", days=-1)
    assert refusal_of(Forger(ended).sign(NOTICE), keys_of(GATEWAY, ended)).code == INVALID


def test_an_ecdsa_signature_does_not_pass_as_rsa() -> None:
    bank = side("bocom-ec", "ec")
    raw = Forger(bank).sign(NOTICE)
    rsa = raw.replace(b"xmldsig-more#ecdsa-sha256", b"xmldsig-more#rsa-sha256")
    assert rsa != raw
    assert refusal_of(rsa, keys_of(GATEWAY, bank)).code == INVALID


def test_a_captured_message_is_good_for_its_window_only() -> None:
    raw = HONEST.sign(NOTICE)
    assert door.read_notification(raw, "text/xml", "", door.guard(KEYS, {}, REAL + 400))
    with pytest.raises(Refusal, match=EXPIRED):
        door.read_notification(raw, "text/xml", "", door.guard(KEYS, {}, REAL + 421))


def test_a_signed_fault_of_somebody_else_refuses_nothing() -> None:
    raw = Forger(MALLORY).sign(file_of("Fault", "client-1.1.xml"))
    verdict = answer_of(raw)
    assert verdict == Unknown("HTTP 200: SIGNATURE_INVALID: not a certificate that was agreed on")


def test_a_detached_signature_does_not_stand_in_for_the_agreed_one() -> None:
    headers = {"X-Xinyi-Sm2-Signature": "AA=="}
    with pytest.raises(Refusal, match=INVALID):
        door.read_notification(NOTICE, "text/xml", "", door.guard(KEYS, headers, REAL))
