"""The attack list (bank channels, 7.1) at the door of the hospitals: refused, quickly, and nothing is repeated."""

from __future__ import annotations

import os
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from adapters.his_json import ADAPTER as NATIONAL
from adapters.his_soap import ADAPTER
from gateway.model.refusals import Refusal

DOOR = ADAPTER.door
NS = "urn:xinyi:his:v1"
SOAP11, SOAP12 = "http://schemas.xmlsoap.org/soap/envelope/", "http://www.w3.org/2003/05/soap-envelope"
XSI = "http://www.w3.org/2001/XMLSchema-instance"
SECRET = "张三秘密"
# It holds an amount that would be accepted, so that a parser that reads it is found out.
SECRET_FILE = Path(tempfile.gettempdir()) / f"his-soap-{os.getpid()}.txt"
DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>'
DATA = {"psn_no": "P1", "mdtrt_id": "M1", "insutype": "310", "medfee_sumamt": "12.34"}


def message(amount: str = "12.34", declaration: str = DECLARATION, doctype: str = "", version: str = SOAP11) -> str:
    fields = "".join(f"<{name}>{amount if name == 'medfee_sumamt' else text}</{name}>" for name, text in DATA.items())
    return (
        f'{declaration}{doctype}<s:Envelope xmlns:s="{version}"><s:Body><Call xmlns="{NS}"><infno>2207</infno>'
        f"<msgid>H43050000001202503030930000001</msgid><payload><data>{fields}</data></payload></Call></s:Body></s:Envelope>"
    )


def entity(inner: str, amount: str = "12.34") -> str:
    return message(amount, "", f"<!DOCTYPE x {inner}>")


def put(text: str, before: str = "</s:Body>") -> str:
    return message().replace(before, text + before, 1)


LAUGHS = (
    '[<!ENTITY a "1">'
    + "".join(f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in zip("abcdefgh", "bcdefghi", strict=True))
    + "]"
)
MANY = " ".join(f'a{n}="1"' for n in range(100_000))
TEXTS: dict[str, str] = {
    "comment in an amount": message("12<!-- -->.34"),
    "instruction in an amount": message("12<?p?>.34"),
    "comment anywhere": put("<!-- -->"),
    "comment between fields": message().replace("<psn_no>", "<!-- --><psn_no>"),
    "doctype": entity(""),
    "entity in an amount": entity('[<!ENTITY x "00">]', "12&x;.34"),
    "xxe file": entity(f'[<!ENTITY x SYSTEM "file://{SECRET_FILE}">]', "&x;"),
    "xxe http": entity('[<!ENTITY x SYSTEM "http://127.0.0.1:9/x">]', "&x;"),
    "external dtd": entity(f'SYSTEM "file://{SECRET_FILE}"'),
    "parameter entity": entity('[<!ENTITY % p SYSTEM "http://127.0.0.1:9/p"> %p;]'),
    "billion laughs": entity(LAUGHS, "&i;"),
    "quadratic blow-up": entity(f'[<!ENTITY a "{"1" * 50_000}">]', "&a;" * 2_000),
    "undeclared entity": message("&x;"),
    "xsi:type": message().replace("<medfee_sumamt>", f'<medfee_sumamt xmlns:i="{XSI}" i:type="x">'),
    "xsi:nil": message().replace("<psn_no>", f'<psn_no xmlns:i="{XSI}" i:nil="true">'),
    "xsi on the envelope": message().replace("<s:Envelope", f'<s:Envelope xmlns:i="{XSI}" i:schemaLocation="a b"'),
    "xsi in disguise": message().replace("<psn_no>", f'<psn_no xmlns:i="{XSI[:-1]}&#101;" i:type="x">'),
    "gbk declared, utf-8 in fact": message(declaration="<?xml version='1.0' encoding='GBK'?>"),
    "utf-16 declared": message(declaration="<?xml version='1.0' encoding='UTF-16'?>"),
    "a blank line first": "\n" + message(),
    "two roots": message() + "<a/>",
    "cut off": message()[:300],
    "html": "<html><body>502 Bad Gateway</body></html>",
    "json": '{"infno": "2207"}',
    "deep": "<a>" * 400 + "</a>" * 400,
    "a million empty elements": put("<a/>" * 1_000_000, "</data>"),
    "a huge text": message("1" * 11_000_000),
    "a hundred thousand attributes": message().replace("<psn_no>", f"<psn_no {MANY}>"),
    "another envelope": message(version="urn:other"),
    "the other version": message(version=SOAP12),
    "no envelope": message().replace("s:Envelope", "s:Letter"),
    "another namespace": message().replace(NS, "urn:xinyi:his:v2"),
    "another operation": message().replace("<Call", "<Recall").replace("</Call", "</Recall"),
    "no body": message().replace("s:Body", "s:Header"),
    "two bodies": put("<s:Body><a/></s:Body>", "</s:Envelope>"),
    "two children": put("<a/>"),
    "a header that must be understood": put('<s:Header><a xmlns="u" s:mustUnderstand="1"/></s:Header>', "<s:Body>"),
    "xinclude": message(f'<x:include xmlns:x="http://www.w3.org/2001/XInclude" href="{SECRET_FILE}"/>'),
    "an element in an amount": message("12<b/>.34"),
    "an amount in pieces": message("12</medfee_sumamt><medfee_sumamt>.34"),
    "a person in an amount": message(SECRET),
    "a foreign attribute": message().replace("<psn_no>", f'<psn_no owner="{SECRET}">'),
    "a control character": message("&#1;"),
    "a lone surrogate": message("&#xD800;"),
    **{
        f"the amount {text!r}": message(text)
        for text in ("", "+12.34", "12,34", "12.345", "1.2e1", "0x0c", "١٢", "12_000", "1 2", "INF", "NaN", "-12.34")
    },
}
BYTES: dict[str, bytes] = {
    **{name: text.encode() for name, text in TEXTS.items()},
    "utf-16": message(declaration="").encode("utf-16"),
    "utf-16 without a mark": message(declaration="").encode("utf-16-le"),
    "gbk declared and real": message(SECRET, "<?xml version='1.0' encoding='GBK'?>").encode("gbk"),
    "gb18030 declared and real": message(SECRET, "<?xml version='1.0' encoding='GB18030'?>").encode("gb18030"),
    "gbk not declared": message(SECRET, "").encode("gbk"),
    "broken utf-8": message().encode().replace(b"P1", b"P\xff"),
    "a NUL": message().encode().replace(b"P1", b"P\x001"),
    "utf-7": message(declaration='<?xml version="1.0" encoding="UTF-7"?>').encode("utf-7"),
    "empty": b"",
    "blank": b" \r\n ",
    "garbage": b"\x00\xff\xfe<<<\x80 not XML \xc3\x28 >>>\x00",
    "multipart": b"--x\r\nContent-Type: application/xop+xml\r\n\r\n" + message().encode() + b"\r\n--x--",
}


@pytest.fixture(scope="module", autouse=True)
def _secret_file() -> Iterator[None]:
    SECRET_FILE.write_text("12.34", "utf-8")
    yield
    SECRET_FILE.unlink()


def taken(body: bytes, kind: str = "text/xml; charset=utf-8", encoding: str = "utf-8") -> object:
    """As far as a message comes before it is journalled."""
    call = DOOR.read_call(body, kind, "", encoding=encoding)
    inbound = NATIONAL.door.read_envelope(DOOR.envelope(call, "H43050000001"))
    NATIONAL.door.check_input(inbound)
    return inbound


def test_the_message_under_attack_is_good_by_itself() -> None:
    assert taken(message().encode()).input == {"data": DATA}
    assert taken(("\ufeff" + message(declaration="")).encode()).input == {"data": DATA}
    assert taken(message("<![CDATA[12.34]]>").encode()).input == {"data": DATA}
    assert taken(message("1&#50;.34").encode()).input == {"data": DATA}


@pytest.mark.parametrize("name", sorted(BYTES))
def test_refused_quickly_and_without_an_echo(name: str) -> None:
    began = time.perf_counter()
    with pytest.raises(Refusal) as refused:
        taken(BYTES[name])
    assert time.perf_counter() - began < 2
    assert refused.value.code in ("MALFORMED", "INVALID_FIELD", "INVALID_AMOUNT", "TOO_LARGE")
    told = "".join(traceback.format_exception(refused.value, chain=True))
    assert SECRET not in told.split("Refusal:", 1)[-1]
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize("name", ["a million empty elements", "a huge text"])
def test_too_large_has_its_own_code(name: str) -> None:
    with pytest.raises(Refusal) as refused:
        taken(BYTES[name])
    assert refused.value.code == "TOO_LARGE"


@pytest.mark.parametrize(
    "kind",
    ["", "application/json", "text/plain", "text/xml; charset=gbk", "text/xml; charset=utf-16", "multipart/related"],
)
def test_another_content_type_is_refused(kind: str) -> None:
    with pytest.raises(Refusal) as refused:
        taken(message().encode(), kind)
    assert refused.value.code == "MALFORMED"


def _gb(change: Callable[[str], str]) -> bytes:
    return change(message("12.34", "<?xml version='1.0' encoding='GB18030'?>")).encode("gb18030")


@pytest.mark.parametrize(
    "body",
    [
        _gb(lambda text: text.replace("12.34", "12<!-- -->.34")),
        _gb(lambda text: text.replace("<s:Env", '<!DOCTYPE x [<!ENTITY x "1">]><s:Env', 1)),
        _gb(lambda text: text.replace("<psn_no>", f'<psn_no xmlns:i="{XSI}" i:nil="true">')),
        _gb(lambda text: text).replace(b"P1", b"P\xff"),
        _gb(lambda text: text).replace(b"P1", b"P\x81"),
    ],
)
def test_gb18030_opens_no_other_door(body: bytes) -> None:
    assert taken(_gb(lambda text: text), "text/xml; charset=GB18030", "gb18030")
    with pytest.raises(Refusal):
        taken(body, "text/xml; charset=GB18030", "gb18030")
