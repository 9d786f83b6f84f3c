"""SOAP 1.1 and 1.2 as every channel has them: envelopes read and made, faults made, versions and content types.

What stands in a body, a header or a fault's detail is the adapter's business.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from types import MappingProxyType
from typing import Final, NamedTuple

from lxml import etree

from gateway.model.xml import Unreadable

SOAP11: Final = "http://schemas.xmlsoap.org/soap/envelope/"
SOAP12: Final = "http://www.w3.org/2003/05/soap-envelope"
_XML_LANG: Final = "{http://www.w3.org/XML/1998/namespace}lang"
_VERSIONS: Final = MappingProxyType({"text/xml": SOAP11, "application/soap+xml": SOAP12})
_PARAMETER: Final = re.compile(r";\s*([A-Za-z-]+)\s*=\s*(?:\"([^\"]*)\"|([^\s;\"]*))")


class Letter(NamedTuple):
    """An envelope taken apart: its SOAP namespace, the entries of its header, the only child of its body."""

    version: str
    headers: tuple[etree._Element, ...]
    content: etree._Element

    @property
    def is_fault(self) -> bool:
        """Whether the body holds a fault in place of a message."""
        return str(self.content.tag) == f"{{{self.version}}}Fault"


def envelope_version(root: etree._Element) -> str:
    """The SOAP namespace of an envelope. Raises Unreadable for another document."""
    name = etree.QName(root)
    version = name.namespace or ""
    if name.localname != "Envelope" or version not in (SOAP11, SOAP12):
        raise Unreadable("no SOAP envelope")
    return version


def open_envelope(root: etree._Element, understood: Collection[str] = ()) -> Letter:
    """Take an envelope apart. ``understood``: qualified names of header entries the channel knows.

    Raises Unreadable for anything but one element in one body, and for an unknown header that must be understood.
    """
    version = envelope_version(root)
    parts = list(root)
    headers: tuple[etree._Element, ...] = ()
    if parts and parts[0].tag == f"{{{version}}}Header":
        headers = tuple(parts.pop(0))
    for entry in headers:
        if entry.get(f"{{{version}}}mustUnderstand") in ("1", "true") and entry.tag not in understood:
            raise Unreadable("a header that must be understood")
    if len(parts) != 1 or parts[0].tag != f"{{{version}}}Body" or len(parts[0]) != 1:
        raise Unreadable("not exactly one element in one SOAP body")
    return Letter(version, headers, parts[0][0])


def new_envelope(version: str) -> tuple[etree._Element, etree._Element]:
    """A fresh envelope and its empty body."""
    root = etree.Element(f"{{{version}}}Envelope", nsmap={"soap": version})
    return root, etree.SubElement(root, f"{{{version}}}Body")


def new_fault(version: str, *, client: bool, text: str) -> tuple[etree._Element, etree._Element]:
    """An envelope with a fault, and the fault's empty detail. ``client``: the request was not processed."""
    root, body = new_envelope(version)
    made = etree.SubElement(body, f"{{{version}}}Fault")
    return root, (_fault11 if version == SOAP11 else _fault12)(made, client, text)


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


def fault_status(version: str, *, client: bool) -> int:
    """HTTP status of a fault: 500 for all of them in SOAP 1.1, 400 for the sender's in 1.2."""
    return 400 if client and version == SOAP12 else 500


def version_of(soap: str) -> str:
    """The envelope namespace of "1.1" or "1.2". Raises ValueError for another text."""
    if soap not in ("1.1", "1.2"):
        raise ValueError("SOAP is 1.1 or 1.2")
    return SOAP11 if soap == "1.1" else SOAP12


def number_of(version: str) -> str:
    """ "1.1" or "1.2"."""
    return "1.1" if version == SOAP11 else "1.2"


def media_type(version: str, encoding: str = "utf-8") -> str:
    """The content type of a message in that version."""
    return f"{'text/xml' if version == SOAP11 else 'application/soap+xml'}; charset={encoding}"


def version_by_type(content_type: str) -> str | None:
    """The envelope namespace a content type stands for; None for any other type."""
    return _VERSIONS.get(content_type.partition(";")[0].strip().lower())


def parameters(content_type: str) -> dict[str, str]:
    """The parameters of a content type, names in lower case."""
    return {name.lower(): quoted or bare for name, quoted, bare in _PARAMETER.findall(content_type)}
