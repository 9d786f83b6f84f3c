"""SOAP 1.1 and 1.2: envelopes built and read, faults built and read. Knows the channel's fault detail, no message.

Reading is hardened: sizes are bounded before parsing, UTF-8 is the only encoding, DOCTYPE and xsi attributes are
refused, comments and instructions are gone before an amount is read (facts of the channel, 7.1 and 7.2).
"""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass
from typing import Final, NamedTuple

from lxml import etree

from adapters.bank_soap.binding import NS, Values, qualified
from adapters.bank_soap.notices import FAULT
from adapters.bank_soap.schema import violation
from adapters.bank_soap.security import Check
from gateway.model.masked import mask_text

SOAP11: Final = "http://schemas.xmlsoap.org/soap/envelope/"
SOAP12: Final = "http://www.w3.org/2003/05/soap-envelope"
_WSSE: Final = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
_XML_LANG: Final = "{http://www.w3.org/XML/1998/namespace}lang"
_DECLARED: Final = re.compile(rb"(?:\xef\xbb\xbf)?<\?xml[^>]{0,200}?encoding\s*=\s*[\"']([A-Za-z0-9._-]{1,40})[\"']")
_HAS_XSI: Final = etree.XPath("boolean(//@xsi:*)", namespaces={"xsi": "http://www.w3.org/2001/XMLSchema-instance"})
_CLIENT: Final = frozenset({"Client", "Sender", "MustUnderstand", "VersionMismatch"})  # not processed, all of them


class Limits(NamedTuple):
    """What a message may be at most: bytes, and pieces of markup (a million empty elements fit into 4 MB)."""

    size: int
    markup: int


SINGLE: Final = Limits(256 * 1024, 1_000)
BATCH: Final = Limits(4 * 1024 * 1024, 120_000)
RECEIPT: Final = Limits(6 * 1024 * 1024, 1_000)


class Unreadable(ValueError):
    """Bytes that are no message of the channel; ``reason`` says why and repeats nothing of them."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault as the peer sent it. ``client``: the request was not processed; otherwise the outcome is unknown."""

    client: bool
    code: str
    text: str
    retry: str


@dataclass(frozen=True, slots=True)
class Message:
    """An envelope that was read: its SOAP namespace and the only child of its body, or the fault in its place."""

    version: str
    content: etree._Element
    fault: Fault | None = None


class _Parsers(threading.local):
    """A parser is not shared between threads: heavy messages are read in one."""

    def __init__(self) -> None:
        self.parser = etree.XMLParser(
            encoding="utf-8",
            resolve_entities=False,
            no_network=True,
            load_dtd=False,
            dtd_validation=False,
            huge_tree=False,
            remove_comments=True,
            remove_pis=True,
            collect_ids=False,
        )


_local = _Parsers()


def parse_xml(raw: bytes, limits: Limits) -> etree._Element:
    """The root of a document nobody has to fear. Raises Unreadable."""
    if not raw.strip():
        raise Unreadable("empty")
    if len(raw) > limits.size or raw.count(b"<") > limits.markup:
        raise Unreadable("too large")
    declared = _DECLARED.match(raw)
    if declared is not None and declared[1].lower() not in (b"utf-8", b"utf8"):
        raise Unreadable("not UTF-8")
    root = _parsed(raw)
    if root is None:
        raise Unreadable("no well-formed XML in UTF-8")
    if root.getroottree().docinfo.internalDTD is not None:
        raise Unreadable("DOCTYPE")
    if _HAS_XSI(root):
        raise Unreadable("xsi attribute")
    return root


def _parsed(raw: bytes) -> etree._Element | None:
    """The parser's error repeats what it met, so it goes no further than this."""
    try:
        raw.decode("utf-8")
        return etree.fromstring(raw, _local.parser)
    except (etree.XMLSyntaxError, ValueError):
        return None


def parse(raw: bytes, limits: Limits = SINGLE, check: Check | None = None) -> Message:
    """Read an envelope; with ``check`` only the Body it gives back. Raises Unreadable, and what the check raises."""
    root = parse_xml(raw, limits)
    name = etree.QName(root)
    version = name.namespace or ""
    if name.localname != "Envelope" or version not in (SOAP11, SOAP12):
        raise Unreadable("no SOAP envelope")
    signed = None if check is None else check(raw, root, version)
    content = _content(root, version)
    if signed is not None:
        content = signed[0]
    fault = _fault(content, version) if content.tag == f"{{{version}}}Fault" else None
    return Message(version, content, fault)


def _content(root: etree._Element, version: str) -> etree._Element:
    """The only child of the only body; a header that must be understood must be known."""
    parts = list(root)
    if parts and parts[0].tag == f"{{{version}}}Header":
        for entry in parts.pop(0):
            if entry.get(f"{{{version}}}mustUnderstand") in ("1", "true") and entry.tag != f"{{{_WSSE}}}Security":
                raise Unreadable("a header that must be understood")
    if len(parts) != 1 or parts[0].tag != f"{{{version}}}Body" or len(parts[0]) != 1:
        raise Unreadable("not exactly one element in one SOAP body")
    return parts[0][0]


def _fault(element: etree._Element, version: str) -> Fault:
    if version == SOAP11:
        code, text = element.findtext("faultcode", ""), element.findtext("faultstring", "")
    else:
        code = element.findtext(f"{{{version}}}Code/{{{version}}}Value", "")
        text = element.findtext(f"{{{version}}}Reason/{{{version}}}Text", "")
    detail = _bank_fault(element)
    kind = code.strip().rpartition(":")[2].partition(".")[0]
    said = detail.get("@text", mask_text(text))
    return Fault(kind in _CLIENT, detail.get("@code", ""), said[:200], detail.get("@retry", ""))


def _bank_fault(element: etree._Element) -> Values:
    """The channel's own detail; nothing where it is missing or breaks the contract."""
    values: Values = {}
    detail = next(element.iter(qualified("BankFault")), None)
    if detail is not None and violation(detail) is None:
        FAULT.take(detail, values)
    return values


def version_of(soap: str) -> str:
    """The envelope namespace of "1.1" or "1.2". Raises ValueError for another text."""
    if soap not in ("1.1", "1.2"):
        raise ValueError("SOAP is 1.1 or 1.2")
    return SOAP11 if soap == "1.1" else SOAP12


def number_of(version: str) -> str:
    """ "1.1" or "1.2"."""
    return "1.1" if version == SOAP11 else "1.2"


def media_type(version: str) -> str:
    """The content type of a message in that version."""
    return "text/xml; charset=utf-8" if version == SOAP11 else "application/soap+xml; charset=utf-8"


def headers(version: str, operation: str) -> dict[str, str]:
    """Content-Type and the action: a header of its own in 1.1, a parameter in 1.2."""
    action = f'"{NS}:{operation}"'
    if version == SOAP11:
        return {"Content-Type": media_type(version), "SOAPAction": action}
    return {"Content-Type": f"{media_type(version)}; action={action}"}


def envelope(version: str, name: str) -> tuple[etree._Element, etree._Element]:
    """A fresh envelope and the empty element ``name`` of the channel in its body."""
    root = etree.Element(f"{{{version}}}Envelope", nsmap={"soap": version})
    body = etree.SubElement(root, f"{{{version}}}Body")
    return root, etree.SubElement(body, qualified(name), nsmap={None: NS})  # type: ignore[dict-item]


def to_bytes(root: etree._Element) -> bytes:
    """The document in UTF-8 with its declaration."""
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8")


def fault(version: str, *, client: bool, code: str, text: str, retry: str) -> bytes:
    """A fault with the channel's detail. ``text`` is cut to what the contract allows and loses people's numbers."""
    root = etree.Element(f"{{{version}}}Envelope", nsmap={"soap": version})
    made = etree.SubElement(etree.SubElement(root, f"{{{version}}}Body"), f"{{{version}}}Fault")
    said = mask_text(text)[:200]
    detail = _fault11(made, client, said) if version == SOAP11 else _fault12(made, client, said)
    holder = etree.SubElement(detail, qualified("BankFault"), nsmap={None: NS})  # type: ignore[dict-item]
    FAULT.put(holder, None, {"@code": code, "@text": said, "@retry": retry})
    if violation(holder) is not None:
        raise ValueError("a fault the contract does not allow")
    return to_bytes(root)


def _fault11(made: etree._Element, client: bool, text: str) -> etree._Element:
    etree.SubElement(made, "faultcode").text = "soap:Client" if client else "soap:Server"
    etree.SubElement(made, "faultstring").text = text
    return etree.SubElement(made, "detail")


def _fault12(made: etree._Element, client: bool, text: str) -> etree._Element:
    code = etree.SubElement(made, f"{{{SOAP12}}}Code")
    etree.SubElement(code, f"{{{SOAP12}}}Value").text = "soap:Sender" if client else "soap:Receiver"
    reason = etree.SubElement(etree.SubElement(made, f"{{{SOAP12}}}Reason"), f"{{{SOAP12}}}Text")
    reason.set(_XML_LANG, "zh")
    reason.text = text
    return etree.SubElement(made, f"{{{SOAP12}}}Detail")
