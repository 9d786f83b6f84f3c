"""The attack list of the channel (facts 7.1): as an answer it ends as Unknown, at the door as a Refusal.

Nothing of what was sent is repeated in a reason, and nothing takes long.
"""

from __future__ import annotations

import os
import tempfile
import threading
import time
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.bank_soap import door, soap
from gateway.delivery.declare import Answer
from gateway.model.refusals import Refusal
from gateway.model.verdict import Done, Unknown
from tests.unit.adapters.bank_soap_partner import NS, SOAP11, codec, file_of, golden_request

ANSWER = file_of("Withhold", "response.xml")
NOTICE = file_of("NotifyTransaction", "request.xml")
SECRET = "张三秘密"
# It holds an amount that would be accepted, so that a parser that reads it is found out.
SECRET_FILE = Path(tempfile.gettempdir()) / f"bank-soap-{os.getpid()}.txt"
XSI = "http://www.w3.org/2001/XMLSchema-instance"
DECLARATION = b"<?xml version='1.0' encoding='UTF-8'?>\n"


def bare(raw: bytes) -> bytes:
    assert raw.startswith(DECLARATION)
    return raw.removeprefix(DECLARATION)


def amount(raw: bytes, text: str) -> bytes:
    """The message with another text between the tags of its AmountFen."""
    start = raw.index(b"AmountFen>") + len(b"AmountFen>")
    return raw[:start] + text.encode() + raw[raw.index(b"<", start) :]


def tag(raw: bytes, attributes: str, name: str = "AmountFen") -> bytes:
    return raw.replace(f"ns0:{name}>".encode(), f"ns0:{name} {attributes}>".encode(), 1)


def doctype(inner: str, raw: bytes, text: str | None = None) -> bytes:
    return f"<!DOCTYPE x {inner}>".encode() + bare(raw if text is None else amount(raw, text))


BODY_END, LETTER_END = b"</soap-env:Body>", b"</soap-env:Envelope>"
MUST = b'<soap-env:Header><a xmlns="u" soap-env:mustUnderstand="1"/></soap-env:Header>'
LAUGHS = (
    '[<!ENTITY a "1">'
    + "".join(f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in zip("abcdefgh", "bcdefghi", strict=True))
    + "]"
)
ATTACKS = {
    "doctype": lambda raw: doctype("", raw),
    "entity in an amount": lambda raw: doctype('[<!ENTITY x "00">]', raw, "25&x;00"),
    "xxe file": lambda raw: doctype(f'[<!ENTITY x SYSTEM "file://{SECRET_FILE}">]', raw, "&x;"),
    "xxe http": lambda raw: doctype('[<!ENTITY x SYSTEM "http://127.0.0.1:9/x">]', raw, "&x;"),
    "external dtd": lambda raw: doctype(f'SYSTEM "file://{SECRET_FILE}"', raw),
    "parameter entity": lambda raw: doctype('[<!ENTITY % p SYSTEM "http://127.0.0.1:9/p"> %p;]', raw),
    "billion laughs": lambda raw: doctype(LAUGHS, raw, "&i;"),
    "quadratic blow-up": lambda raw: doctype(f'[<!ENTITY a "{"1" * 50_000}">]', raw, "&a;" * 2_000),
    "undeclared entity": lambda raw: amount(raw, "&x;"),
    "xsi:type": lambda raw: tag(raw, f'xmlns:i="{XSI}" i:type="ns0:AmountFen"'),
    "xsi:nil": lambda raw: tag(raw, f'xmlns:i="{XSI}" i:nil="false"'),
    "xsi in disguise": lambda raw: tag(raw, f'xmlns:i="{XSI[:-1]}&#101;" i:schemaLocation="a b"'),
    "unknown attribute": lambda raw: tag(raw, 'currency="USD"'),
    "utf-16": lambda raw: bare(raw).decode().encode("utf-16"),
    "utf-16 without a mark": lambda raw: bare(raw).decode().encode("utf-16-le"),
    "utf-16 declared": lambda raw: raw.replace(b"'UTF-8'", b"'UTF-16'"),
    "gbk declared, utf-8 in fact": lambda raw: raw.replace(b"'UTF-8'", b"'GBK'"),
    "gbk declared and real": lambda raw: raw.replace(b"'UTF-8'", b"'GBK'").decode().encode("gbk"),
    "gb18030 declared and real": lambda raw: raw.replace(b"'UTF-8'", b'"GB18030"').decode().encode("gb18030"),
    "gbk not declared": lambda raw: bare(raw).decode().encode("gbk") + "说明".encode("gbk"),
    "utf-7": lambda raw: raw.replace(b"'UTF-8'", b"'UTF-7'"),
    "broken utf-8": lambda raw: raw.replace(b"000000", b"00\xff000", 1),
    "a NUL": lambda raw: raw.replace(b"ACSC", b"AC\x00SC"),
    "a control character": lambda raw: raw.replace(b"ACSC", b"AC\x01SC"),
    "a character that is none": lambda raw: amount(raw, "&#0;"),
    "a lone surrogate": lambda raw: amount(raw, "&#xD800;"),
    "a blank line first": lambda raw: b"\n" + raw,
    "two roots": lambda raw: raw + b"<a/>",
    "cut off": lambda raw: raw[: len(raw) // 2],
    "last byte missing": lambda raw: raw.rstrip()[:-1],
    "empty": lambda raw: b"",
    "blank": lambda raw: b" \r\n ",
    "garbage": lambda raw: b"\x00\xff\xfe<<<\x80 not XML \xc3\x28 >>>\x00",
    "html": lambda raw: b"<html><body>502 Bad Gateway</body></html>",
    "json": lambda raw: b'{"Status": "ACSC"}',
    "multipart": lambda raw: b"--x\r\nContent-Type: application/xop+xml\r\n\r\n" + raw + b"\r\n--x--",
    "deep": lambda raw: b"<a>" * 400 + b"</a>" * 400,
    "a million empty elements": lambda raw: raw.replace(BODY_END, b"<a/>" * 1_000_000 + BODY_END),
    "a huge text": lambda raw: amount(raw, "1" * 11_000_000),
    "a hundred thousand attributes": lambda raw: tag(raw, " ".join(f'a{n}="1"' for n in range(100_000))),
    "ten thousand attributes": lambda raw: tag(raw, " ".join(f'a{n}="1"' for n in range(10_000))),
    "another envelope": lambda raw: raw.replace(SOAP11.encode(), b"urn:other"),
    "no envelope": lambda raw: bare(raw).replace(b"soap-env:Envelope", b"soap-env:Letter"),
    "another namespace": lambda raw: raw.replace(NS.encode(), b"urn:xinyi:bank-channel:v2"),
    "no namespace": lambda raw: raw.replace(f'xmlns:ns0="{NS}"'.encode(), b'xmlns:ns0="urn:x"'),
    "another message": lambda raw: raw.replace(b"WithholdResponse", b"RefundResponse").replace(
        b"NotifyTransaction", b"Withhold"
    ),
    "no body": lambda raw: raw.replace(b"soap-env:Body", b"soap-env:Header"),
    "empty body": lambda raw: raw[: raw.index(b"<ns0:")] + raw[raw.index(BODY_END) :],
    "two bodies": lambda raw: raw.replace(LETTER_END, b"<soap-env:Body><a/></soap-env:Body>" + LETTER_END),
    "two children": lambda raw: raw.replace(BODY_END, b"<a/>" + BODY_END),
    "a header that must be understood": lambda raw: raw.replace(b"<soap-env:Body>", MUST + b"<soap-env:Body>", 1),
    "xinclude": lambda raw: amount(raw, f'<x:include xmlns:x="http://www.w3.org/2001/XInclude" href="{SECRET_FILE}"/>'),
    "an unknown element": lambda raw: amount(raw, f"1</ns0:AmountFen><{SECRET}/><ns0:AmountFen>"),
    "a doubled element": lambda raw: amount(raw, "250000</ns0:AmountFen><ns0:AmountFen>1"),
    "a person in an amount": lambda raw: amount(raw, SECRET),
    **{
        f"the amount {text}": (lambda raw, text=text: amount(raw, text))
        for text in ("", "0", "-1", "+250000", "0250000", "250000.0", "2.5e5", "0x3d", "٢٥", "1_000", "1 000", "INF")
    },
}  # fmt: skip


@pytest.fixture(autouse=True)
def _secret() -> Iterator[None]:
    SECRET_FILE.write_text("250000", "utf-8")
    yield
    SECRET_FILE.unlink()


@pytest.mark.parametrize("name", ATTACKS)
def test_as_an_answer_it_is_unknown(name: str) -> None:
    raw = ATTACKS[name](ANSWER)
    assert raw != ANSWER
    started = time.perf_counter()
    verdict = codec.decode("Withhold", golden_request("Withhold"), Answer(200, {}, raw))
    assert time.perf_counter() - started < 2
    assert isinstance(verdict, Unknown)
    assert verdict.reason
    assert SECRET not in verdict.reason


@pytest.mark.parametrize("name", ATTACKS)
def test_at_the_door_it_is_refused(name: str) -> None:
    raw = ATTACKS[name](NOTICE)
    started = time.perf_counter()
    with pytest.raises(Refusal) as caught:
        door.read_notification(raw, "text/xml; charset=utf-8", "")
    assert time.perf_counter() - started < 2
    assert caught.value.code in ("MALFORMED", "INVALID_FIELD")
    assert (caught.value.field is not None) == (caught.value.code == "INVALID_FIELD")
    assert SECRET not in "".join(traceback.format_exception(caught.value))


HARMLESS = {
    "comment": "25<!-- cuts the text for a careless reader -->0000",
    "instruction": "25<?cut?>0000",
    "cdata": "25<![CDATA[00]]>00",
    "character references": "&#50;50000",
}


@pytest.mark.parametrize("name", HARMLESS)
def test_an_amount_is_never_cut_short(name: str) -> None:
    """A comment is invisible to a signature: what was signed as 250000 must not be read as 25."""
    verdict = codec.decode("Withhold", golden_request("Withhold"), Answer(200, {}, amount(ANSWER, HARMLESS[name])))
    assert isinstance(verdict, Done)
    assert verdict.reply.amount_fen == 250000
    assert door.read_notification(amount(NOTICE, HARMLESS[name]), "text/xml", "").amount_fen == 250000


def test_a_byte_order_mark_and_a_security_header_are_fine() -> None:
    wsse = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
    header = f'<soap-env:Header><w:Security xmlns:w="{wsse}" soap-env:mustUnderstand="1"/></soap-env:Header>'.encode()
    signed = b"\xef\xbb\xbf" + ANSWER.replace(b"<soap-env:Body>", header + b"<soap-env:Body>", 1)
    assert isinstance(codec.decode("Withhold", golden_request("Withhold"), Answer(200, {}, signed)), Done)


def test_limits_are_those_of_the_contract() -> None:
    assert (soap.SINGLE.size, soap.BATCH.size, soap.RECEIPT.size) == (256 * 1024, 4 * 1024 * 1024, 6 * 1024 * 1024)


def test_threads_do_not_disturb_each_other() -> None:
    """Heavy messages are read in threads: parser and validator are each thread's own."""
    request, wrong = golden_request("Withhold"), amount(ANSWER, "0")
    seen: list[str] = []

    def work(raw: bytes, expected: str) -> None:
        for _ in range(200):
            verdict = codec.decode("Withhold", request, Answer(200, {}, raw))
            name = getattr(verdict, "reason", "done")
            if name != expected:
                seen.append(name)

    bad = "the answer breaks the contract at AmountFen"
    threads = [threading.Thread(target=work, args=pair) for pair in ((ANSWER, "done"), (wrong, bad)) * 3]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == []
