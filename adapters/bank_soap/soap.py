"""The channel's envelopes and faults, in SOAP 1.1 and 1.2. Knows the channel's fault detail, no message.

What is common to every channel, hardened reading above all, is in `gateway.model.xml` and `gateway.model.soap`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from lxml import etree

from adapters.bank_soap.binding import NS, Values, qualified
from adapters.bank_soap.notices import FAULT
from adapters.bank_soap.schema import violation
from adapters.bank_soap.security import Check
from gateway.model.masked import mask_text
from gateway.model.soap import (
    SOAP11,
    SOAP12,
    envelope_version,
    media_type,
    new_envelope,
    new_fault,
    number_of,
    open_envelope,
    version_of,
)
from gateway.model.xml import Limits, Unreadable, parse_xml, to_bytes

__all__ = [
    "BATCH", "RECEIPT", "SINGLE", "SOAP11", "SOAP12", "Fault", "Limits", "Message", "Unreadable", "envelope", "fault",
    "headers", "media_type", "number_of", "parse", "parse_xml", "to_bytes", "version_of",
]  # fmt: skip

_WSSE: Final = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
_UNDERSTOOD: Final = frozenset({f"{{{_WSSE}}}Security"})
_CLIENT: Final = frozenset({"Client", "Sender", "MustUnderstand", "VersionMismatch"})  # not processed, all of them


SINGLE: Final = Limits(256 * 1024, 1_000)
BATCH: Final = Limits(4 * 1024 * 1024, 120_000)
RECEIPT: Final = Limits(6 * 1024 * 1024, 1_000)


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


def parse(raw: bytes, limits: Limits = SINGLE, check: Check | None = None) -> Message:
    """Read an envelope; with ``check`` only the Body it gives back. Raises Unreadable, and what the check raises."""
    root = parse_xml(raw, limits)
    version = envelope_version(root)
    signed = None if check is None else check(raw, root, version)
    content = open_envelope(root, _UNDERSTOOD).content if signed is None else _signed(root, signed)
    fault = _fault(content, version) if content.tag == f"{{{version}}}Fault" else None
    return Message(version, content, fault)


def _signed(root: etree._Element, signed: etree._Element) -> etree._Element:
    """What the signature covers, out of an envelope that is in order as well."""
    open_envelope(root, _UNDERSTOOD)
    return signed[0]


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


def headers(version: str, operation: str) -> dict[str, str]:
    """Content-Type and the action: a header of its own in 1.1, a parameter in 1.2."""
    action = f'"{NS}:{operation}"'
    if version == SOAP11:
        return {"Content-Type": media_type(version), "SOAPAction": action}
    return {"Content-Type": f"{media_type(version)}; action={action}"}


def envelope(version: str, name: str) -> tuple[etree._Element, etree._Element]:
    """A fresh envelope and the empty element ``name`` of the channel in its body."""
    root, body = new_envelope(version)
    return root, etree.SubElement(body, qualified(name), nsmap={None: NS})  # type: ignore[dict-item]


def fault(version: str, *, client: bool, code: str, text: str, retry: str) -> bytes:
    """A fault with the channel's detail. ``text`` is cut to what the contract allows and loses people's numbers."""
    said = mask_text(text)[:200]
    root, detail = new_fault(version, client=client, text=said)
    holder = etree.SubElement(detail, qualified("BankFault"), nsmap={None: NS})  # type: ignore[dict-item]
    FAULT.put(holder, None, {"@code": code, "@text": said, "@retry": retry})
    if violation(holder) is not None:
        raise ValueError("a fault the contract does not allow")
    return to_bytes(root)
