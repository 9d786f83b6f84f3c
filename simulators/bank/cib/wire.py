"""Messages of the bank on the wire: SOAP 1.2, RPC/literal, GB18030. Written from the contract files alone, with lxml.

The XSD has no element for what RPC style puts around the parts; it is declared here from the WSDL's messages.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from lxml import etree

from simulators.bank.cib.replies import Tree
from simulators.bank.house import TurnedAway
from simulators.bank.soap import SOAP12, Fault, parse_xml

CONTRACT = Path(__file__).resolve().parents[3] / "adapters" / "bank_wsdl" / "contract" / "cib"
SERVICE = "urn:cib:yxf:service:2.0"
TYPES = "urn:cib:yxf:types:2.0"
ENCODING = "gb18030"
CONTENT_TYPE = "application/soap+xml; charset=GB18030"
_WSDL = "{http://schemas.xmlsoap.org/wsdl/}"
_XS = "http://www.w3.org/2001/XMLSchema"
_REPEATED = frozenset({"row"})


@dataclass(frozen=True, slots=True)
class Wire:
    """One message: the element in the body, its parts as they were read."""

    name: str
    parts: dict[str, Any]


@cache
def schema() -> etree.XMLSchema:
    root = etree.Element(f"{{{_XS}}}schema", nsmap={"xs": _XS, "t": TYPES}, targetNamespace=SERVICE)
    types = (CONTRACT / "YxfTypes.xsd").as_uri()
    etree.SubElement(root, f"{{{_XS}}}import", namespace=TYPES, schemaLocation=types)
    for file in ("YxfService.wsdl", "YxfNoticeService.wsdl"):
        for message in etree.parse(str(CONTRACT / file)).getroot().iterfind(f"{_WSDL}message"):
            parts = [part for part in message.iterfind(f"{_WSDL}part") if part.get("type")]
            if parts:
                _declare(root, str(message.get("name")), parts)
    return etree.XMLSchema(root)


def _declare(root: etree._Element, name: str, parts: list[etree._Element]) -> None:
    element = etree.SubElement(root, f"{{{_XS}}}element", name=name)
    inner = etree.SubElement(etree.SubElement(element, f"{{{_XS}}}complexType"), f"{{{_XS}}}sequence")
    for part in parts:
        etree.SubElement(
            inner, f"{{{_XS}}}element", name=str(part.get("name")), type=str(part.get("type")), form="unqualified"
        )


def valid(element: etree._Element) -> bool:
    try:
        return schema().validate(element)
    except etree.XMLSchemaValidateError:
        return False


# -- reading ------------------------------------------------------------------------------------------------------


def parse(body: bytes) -> tuple[etree._Element, str]:
    """The root and the readable text. Raises TurnedAway for what no honest peer sends, another encoding included."""
    try:
        text = body.decode(ENCODING)
    except UnicodeDecodeError as error:
        raise TurnedAway("MALFORMED", "报文不是 GB18030") from error
    declaration, _, rest = text.partition("?>")
    if not declaration.startswith("<?xml") or "GB18030" not in declaration.upper():
        raise TurnedAway("MALFORMED", "报文须声明 GB18030")
    try:
        return parse_xml(rest.strip().encode()), text
    except Fault as error:
        raise TurnedAway("MALFORMED", "报文不是合法的 XML") from error


def only_child(root: etree._Element) -> etree._Element:
    """The single element of the single Body. Raises TurnedAway."""
    bodies = root.findall(f"{{{SOAP12}}}Body")
    if root.tag != f"{{{SOAP12}}}Envelope" or len(bodies) != 1 or len(bodies[0]) != 1:
        raise TurnedAway("MALFORMED", "不是 SOAP 1.2 报文")
    return bodies[0][0]


def read(element: etree._Element) -> Wire:
    """Raises TurnedAway for what breaks the contract."""
    name = etree.QName(element)
    if name.namespace != SERVICE:
        raise TurnedAway("UNKNOWN_OPERATION", "不支持的交易")
    if not valid(element):
        raise TurnedAway("INVALID_FIELD", "报文不符合 XSD")
    return Wire(name.localname, _decode(element))


def _decode(element: etree._Element) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for child in element:
        name = etree.QName(child).localname
        value = _decode(child) if len(child) else (child.text or "")
        if name in _REPEATED:
            found.setdefault(name, []).append(value)
        else:
            found[name] = value
    return found


# -- writing ------------------------------------------------------------------------------------------------------


def envelope(name: str, parts: Tree) -> etree._Element:
    """Raises ValueError when it would break the contract: a mistake of the simulator."""
    root = etree.Element(f"{{{SOAP12}}}Envelope", nsmap={"e": SOAP12})
    element = etree.SubElement(
        etree.SubElement(root, f"{{{SOAP12}}}Body"), f"{{{SERVICE}}}{name}", nsmap={"y": SERVICE}
    )
    _build(element, parts)
    if not valid(element):
        raise ValueError(f"{name} breaks the contract: {schema().error_log}")
    return root


def _build(parent: etree._Element, tree: Tree) -> None:
    for name, value in tree:
        if value is None:
            continue
        rows = value if isinstance(value, list) and name in _REPEATED else [value]
        for row in rows:
            child = etree.SubElement(parent, name)
            if isinstance(row, list | tuple):
                _build(child, row)
            else:
                child.text = base64.b64encode(row).decode() if isinstance(row, bytes) else str(row)


def fault(code: str, text: str, *, server: bool) -> etree._Element:
    """A fault with the bank's own detail."""
    root = etree.Element(f"{{{SOAP12}}}Envelope", nsmap={"e": SOAP12})
    made = etree.SubElement(etree.SubElement(root, f"{{{SOAP12}}}Body"), f"{{{SOAP12}}}Fault")
    kind = etree.SubElement(made, f"{{{SOAP12}}}Code")
    etree.SubElement(kind, f"{{{SOAP12}}}Value").text = "e:Receiver" if server else "e:Sender"
    said = etree.SubElement(etree.SubElement(made, f"{{{SOAP12}}}Reason"), f"{{{SOAP12}}}Text")
    said.set("{http://www.w3.org/XML/1998/namespace}lang", "zh")
    said.text = text
    detail = etree.SubElement(etree.SubElement(made, f"{{{SOAP12}}}Detail"), f"{{{TYPES}}}YxfFault", nsmap={"t": TYPES})
    _build(detail, [("errCode", code), ("errMsg", text[:200])])
    return root


def to_bytes(root: etree._Element) -> bytes:
    text = etree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="GB18030"?>\n{text}'.encode(ENCODING)


def wsdl(address: str) -> bytes:
    """The bank's WSDL with its types inline and the address it was asked at."""
    types = (CONTRACT / "YxfTypes.xsd").read_text(encoding="utf-8").partition("?>")[2].strip()
    text = (CONTRACT / "YxfService.wsdl").read_text(encoding="utf-8")
    imported = f'<xs:schema><xs:import namespace="{TYPES}" schemaLocation="YxfTypes.xsd"/></xs:schema>'
    return text.replace(imported, types).replace("http://127.0.0.1:8812/cib", address).encode()
