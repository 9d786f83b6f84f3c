"""The signed channel when everybody is honest: two implementations that share no code understand each other."""

from __future__ import annotations

import logging
import re
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from adapters.bank_soap import door
from gateway.delivery.declare import Answer, SendContext
from gateway.model.bank import DeliverReceipt, NotifyTransaction
from gateway.model.keys import WsseKeys
from gateway.model.refusals import Refusal
from gateway.model.verdict import Done, Refused, Unknown, name_of
from simulators.bank.wsse import Keys as SimulatorKeys
from tests.unit.adapters.bank_soap_partner import CONTEXT, NS, codec, file_of, golden_request, golden_verdict
from tests.unit.adapters.bank_wsse_partner import (
    NOW,
    REAL,
    SOAP11,
    SOAP12,
    WSU,
    Forger,
    Side,
    check,
    keys_of,
    side,
)

KINDS = ("rsa", "ec")
XML = "text/xml; charset=utf-8"
PLAIN = ("Withhold", "SubmitPayoutBatch", "QueryTransaction", "GetReceipt")


def pair(kind: str) -> tuple[Side, Side]:
    return side(f"xinyi-{kind}", kind), side(f"bocom-{kind}", kind)


def context(keys: WsseKeys | None, **change: Any) -> SendContext:
    return replace(CONTEXT, real_now=REAL, keys=keys, **change)


def decode(operation: str, raw: bytes, keys: WsseKeys, status: int = 200, real_now: float = REAL) -> Any:
    return codec.decode(operation, golden_request(operation), Answer(status, {}, raw, context(keys), real_now))


def twelve(raw: bytes) -> bytes:
    return raw.replace(SOAP11.encode(), SOAP12.encode())


# -- out ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("operation", PLAIN)
def test_what_we_send_verifies_by_the_standards_alone(kind: str, operation: str) -> None:
    gateway, bank = pair(kind)
    keys = keys_of(gateway, bank)
    plain = codec.encode(operation, golden_request(operation), context(None))
    signed = codec.encode(operation, golden_request(operation), context(keys))
    body = check(signed.body, gateway.cert)
    assert etree.tostring(body[0], method="c14n", exclusive=True) == etree.tostring(
        etree.fromstring(plain.body)[-1][0], method="c14n", exclusive=True
    )
    assert signed.headers == plain.headers


def test_soap_12_is_signed_as_well() -> None:
    gateway, bank = pair("rsa")
    parties = {**CONTEXT.credentials, "soap_version": "1.2"}
    out = codec.encode("Withhold", golden_request("Withhold"), context(keys_of(gateway, bank), credentials=parties))
    assert check(out.body, gateway.cert).tag == f"{{{SOAP12}}}Body"


def test_the_timestamp_is_real_time_whatever_the_business_clock_says() -> None:
    gateway, bank = pair("rsa")
    out = codec.encode("Withhold", golden_request("Withhold"), context(keys_of(gateway, bank)))
    stamp = next(etree.fromstring(out.body).iter(f"{{{WSU}}}Timestamp"))
    assert [part.text for part in stamp] == ["2026-11-21T12:00:00.000Z", "2026-11-21T12:05:00.000Z"]
    assert CONTEXT.business_now.year == 2025


def test_the_simulated_bank_takes_what_we_sign(tmp_path: Path) -> None:
    """Its own reading of the contract, by another author; it looks at the clock of the machine."""
    gateway, bank = pair("rsa")
    (key, cert), (_, peer) = bank.write(tmp_path, "bank"), gateway.write(tmp_path, "gateway")
    theirs = SimulatorKeys.load(key, cert, peer)
    out = codec.encode(
        "Withhold", golden_request("Withhold"), replace(context(keys_of(gateway, bank)), real_now=time.time())
    )
    assert theirs.verified_body(etree.fromstring(out.body), SOAP11).tag == f"{{{NS}}}Withhold"
    assert b"Security" in theirs.sign(file_of("Withhold", "response.xml"), SOAP11)


# -- back -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("operation", ["Withhold", "SubmitPayoutBatch", "QueryPayoutBatch", "GetReceipt"])
def test_a_signed_answer_means_what_it_says(kind: str, operation: str) -> None:
    gateway, bank = pair(kind)
    raw = Forger(bank).sign(file_of(operation, "response.xml"))
    verdict = decode(operation, raw, keys_of(gateway, bank))
    assert (name_of(verdict), verdict.reply) == golden_verdict(operation)


def test_an_answer_in_soap_12_and_another_prefix() -> None:
    gateway, bank = pair("rsa")
    raw = Forger(bank).sign(
        twelve(file_of("Withhold", "response.xml")).replace(b"soap-env:", b"S:").replace(b":soap-env=", b":S=")
    )
    assert isinstance(decode("Withhold", raw, keys_of(gateway, bank)), Done)


def test_prefixes_that_a_toolkit_keeps_in_the_canonical_form() -> None:
    """As WSS4J signs by itself."""
    gateway, bank = pair("rsa")
    raw = Forger(bank, prefixes=("soap-env", "ns0")).sign(file_of("Withhold", "response.xml"))
    assert b"InclusiveNamespaces" in raw
    assert isinstance(decode("Withhold", raw, keys_of(gateway, bank)), Done)


def test_a_signed_fault_of_the_client_kind_is_a_refusal() -> None:
    gateway, bank = pair("rsa")
    raw = Forger(bank).sign(file_of("Fault", "client-1.1.xml"))
    verdict = decode("Withhold", raw, keys_of(gateway, bank), status=500)
    assert isinstance(verdict, Refused)
    assert "INVALID_FIELD" in verdict.text


@pytest.mark.parametrize("operation", ["Withhold", "SubmitPayoutBatch", "CancelAgreement", "QueryTransaction"])
@pytest.mark.parametrize("name", ["response.xml", "fault"])
def test_an_unsigned_answer_is_unknown_whatever_it_says(operation: str, name: str) -> None:
    gateway, bank = pair("rsa")
    raw = file_of("Fault", "client-1.1.xml") if name == "fault" else file_of(operation, name)
    verdict = decode(operation, raw, keys_of(gateway, bank), status=500 if name == "fault" else 200)
    assert verdict == Unknown(f"HTTP {500 if name == 'fault' else 200}: SIGNATURE_INVALID: no Header")


def test_an_answer_older_than_its_question_is_no_answer() -> None:
    gateway, bank = pair("rsa")
    keys = keys_of(gateway, bank)
    captured = Forger(bank, created=NOW - timedelta(minutes=4)).sign(file_of("Withhold", "response.xml"))
    verdict = decode("Withhold", captured, keys)
    assert verdict == Unknown("HTTP 200: TIMESTAMP_EXPIRED: older than what it answers")
    slow_clock = Forger(bank, created=NOW - timedelta(seconds=90)).sign(file_of("Withhold", "response.xml"))
    assert isinstance(decode("Withhold", slow_clock, keys), Done)


def test_without_keys_nothing_is_asked_for_and_a_signature_does_no_harm() -> None:
    raw = Forger(side("bocom-rsa")).sign(file_of("Withhold", "response.xml"))
    for body in (raw, file_of("Withhold", "response.xml")):
        answer = Answer(200, {}, body, context(None), REAL)
        assert isinstance(codec.decode("Withhold", golden_request("Withhold"), answer), Done)


# -- the door -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("name", "model"), [("NotifyTransaction", NotifyTransaction), ("DeliverReceipt", DeliverReceipt)]
)
def test_a_signed_notice_comes_in(kind: str, name: str, model: type) -> None:
    gateway, bank = pair(kind)
    guard = door.guard(keys_of(gateway, bank), {}, REAL)
    for raw, media in (
        (file_of(name, "request.xml"), XML),
        (twelve(file_of(name, "request.xml")), "application/soap+xml"),
    ):
        notice = door.read_notification(Forger(bank).sign(raw), media, "", guard)
        assert isinstance(notice, model)
        assert notice == door.read_notification(raw, media, "")


def test_a_large_receipt_is_verified_too() -> None:
    gateway, bank = pair("rsa")
    raw = file_of("DeliverReceipt", "request.xml")
    before, _, rest = raw.partition(b"<ns0:Content>")
    large = before + b"<ns0:Content>" + b"QUJD" * 500_000 + rest[rest.index(b"</ns0:Content>") :]
    large = re.sub(rb"(<ns0:Size>)[0-9]+", rb"\g<1>1500000", large)
    signed = Forger(bank).sign(large)
    guard = door.guard(keys_of(gateway, bank), {}, REAL)
    taken = door.read_notification(signed, XML, "", guard)
    assert isinstance(taken, DeliverReceipt)
    assert len(taken.receipt.content) == 1_500_000
    with pytest.raises(Refusal, match="SIGNATURE_INVALID"):
        door.read_notification(signed.replace(b"QUJDQUJD", b"QUJEQUJD", 1), XML, "", guard)


@pytest.mark.parametrize(("media", "version"), [(XML, SOAP11), ("application/soap+xml", SOAP12)])
def test_acknowledgements_and_faults_leave_signed(media: str, version: str) -> None:
    gateway, bank = pair("rsa")
    keys = keys_of(gateway, bank)
    notice = door.read_notification(file_of("NotifyTransaction", "request.xml"), XML, "")
    ack, headers = door.sealed(door.ack(notice, "OK", media), keys, REAL)
    assert headers == {}
    assert check(ack, gateway.cert)[0].findtext(f"{{{NS}}}Ack") == "OK"
    fault, _ = door.sealed(door.fault_for(Refusal("REPLAYED"), "X1", media)[1], keys, REAL)
    assert check(fault, gateway.cert)[0].tag == f"{{{version}}}Fault"
    assert door.sealed(b"as it is", None, REAL) == (b"as it is", {})


# -- time -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("created", "expires", "taken"),
    [
        (NOW, NOW + timedelta(minutes=5), True),
        ("2026-11-21T20:00:00+08:00", "2026-11-21T20:05:00+08:00", True),
        ("2026-11-21T12:00:00.1234567Z", "2026-11-21T12:05:00.1234567Z", True),
        (NOW + timedelta(seconds=119), NOW + timedelta(minutes=7), True),
        (NOW + timedelta(seconds=121), NOW + timedelta(minutes=7), False),
        (NOW - timedelta(seconds=419), NOW - timedelta(seconds=119), True),
        (NOW - timedelta(seconds=420), NOW - timedelta(seconds=120), False),
        (NOW - timedelta(minutes=4), NOW - timedelta(minutes=3), False),
        (NOW - timedelta(minutes=8), NOW + timedelta(days=1), False),
        ("2001-01-01T00:00:00Z", "2001-01-01T00:05:00Z", False),
        ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", False),
        ("2026-11-21T12:00:00", "2026-11-21T12:05:00", False),
        ("2026-11-21", "2026-11-22", False),
        ("now", "later", False),
        (NOW, "", False),
        ("", NOW + timedelta(minutes=5), False),
    ],
)
def test_a_message_is_good_for_five_minutes_and_two_of_skew(created: Any, expires: Any, taken: bool) -> None:
    gateway, bank = pair("rsa")
    raw = Forger(bank, created=created, expires=expires).sign(file_of("NotifyTransaction", "request.xml"))
    guard = door.guard(keys_of(gateway, bank), {}, REAL)
    if taken:
        assert door.read_notification(raw, XML, "", guard).notify_no == "NT0000000000001"
    else:
        with pytest.raises(Refusal, match="TIMESTAMP_EXPIRED"):
            door.read_notification(raw, XML, "", guard)


# -- certificates ---------------------------------------------------------------------------------------------------


def test_two_certificates_are_good_while_one_replaces_the_other() -> None:
    gateway, old = pair("rsa")
    new = side("bocom-next", "ec")
    keys = keys_of(gateway, old, new)
    for signer in (old, new):
        raw = Forger(signer).sign(file_of("Withhold", "response.xml"))
        assert isinstance(decode("Withhold", raw, keys), Done)


def test_a_line_break_in_the_token_is_only_layout() -> None:
    gateway, bank = pair("rsa")
    raw = Forger(bank).sign(file_of("Withhold", "response.xml"))
    at = raw.index(b"MII") + 64
    assert isinstance(decode("Withhold", raw[:at] + b"\n" + raw[at:], keys_of(gateway, bank)), Done)


def test_nothing_of_a_message_is_logged_at_any_level(caplog: pytest.LogCaptureFixture) -> None:
    """signxml would write the canonical text at level DEBUG."""
    gateway, bank = pair("rsa")
    with caplog.at_level(logging.DEBUG):
        codec.encode("SignAgreement", golden_request("SignAgreement"), context(keys_of(gateway, bank)))
        decode("Withhold", Forger(bank).sign(file_of("Withhold", "response.xml")), keys_of(gateway, bank))
    assert caplog.text == ""


def test_keys_never_show_in_text() -> None:
    gateway, bank = pair("rsa")
    shown = repr(context(keys_of(gateway, bank)))
    assert "PrivateKey" not in shown
    assert "CN=xinyi-rsa" in shown
