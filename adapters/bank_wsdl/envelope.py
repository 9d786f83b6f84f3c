"""Envelopes as bytes in the bank's encoding, sealed and opened. Strict both ways: nothing is replaced, ever.

A name that the encoding lacks is not sent at all: a replaced one fails the bank's check of names, or passes it for
somebody else (facts of the channel, 7.3). Signatures are those of the reference channel, over the same infoset.
"""

from __future__ import annotations

from typing import Final

from lxml import etree

from adapters.bank_soap import sm2, wsse
from adapters.bank_soap.security import Check
from adapters.bank_wsdl.port import NotOnTheWire
from gateway.model import soap
from gateway.model.keys import ChannelKeys, Sm2Keys, WsseKeys
from gateway.model.xml import Limits, Unreadable, parse_xml

SINGLE: Final = Limits(256 * 1024, 2_000)
BATCH: Final = Limits(4 * 1024 * 1024, 160_000)
RECEIPT: Final = Limits(6 * 1024 * 1024, 2_000)
_SECURITY: Final = frozenset({f"{{{wsse.WSSE}}}Security"})


def written(root: etree._Element, encoding: str) -> bytes:
    """The document in the agreed encoding. Raises NotOnTheWire naming the element that does not fit into it."""
    head = f"<?xml version='1.0' encoding='{encoding.upper()}'?>\n"
    try:
        return (head + etree.tostring(root, encoding="unicode")).encode(encoding)
    except UnicodeEncodeError:  # its text repeats the document
        raise NotOnTheWire(_unfit(root, encoding)) from None


def _unfit(root: etree._Element, encoding: str) -> str:
    for element in root.iter():
        try:
            (element.text or "").encode(encoding)
        except UnicodeEncodeError:
            return etree.QName(element).localname
    return "message"


def seal(
    root: etree._Element, version: str, encoding: str, keys: ChannelKeys | None, real_now: float
) -> tuple[bytes, dict[str, str]]:
    """Bytes and further HTTP headers of a message of ours, signed where there are keys. Raises NotOnTheWire."""
    if isinstance(keys, WsseKeys):
        wsse.sign(root, version, keys, real_now)
    body = written(root, encoding)
    return body, {sm2.HEADER: sm2.sign(body, keys)} if isinstance(keys, Sm2Keys) else {}


def opened(raw: bytes, limits: Limits, encoding: str, check: Check | None = None) -> soap.Letter:
    """An envelope; with ``check`` only the Body it gives back. Raises Unreadable, and what the check raises."""
    root = parse_xml(raw, limits, encoding="utf-8" if encoding == "utf-8" else "gb18030")
    version = etree.QName(root).namespace or ""
    signed = None if check is None else check(raw, root, version)
    letter = soap.open_envelope(root, _SECURITY)
    if signed is None:
        return letter
    if len(signed) != 1:
        raise Unreadable("not exactly one element in the signed body")
    return letter._replace(content=signed[0])


def rooted(element_of: str) -> tuple[etree._Element, etree._Element]:
    """A fresh envelope of "1.1" or "1.2" and its empty body."""
    return soap.new_envelope(soap.version_of(element_of))
