"""SOAP 1.1 and 1.2 on the wire: hardened reading, faults, answers checked against the XSD.

The contract files are read as data; nothing of the gateway's adapter is used.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from lxml import etree

from simulators.bank.rows import Fields, Pairs
from simulators.common.wire import Reply

NS = "urn:xinyi:bank-channel:v1"
SOAP11 = "http://schemas.xmlsoap.org/soap/envelope/"
SOAP12 = "http://www.w3.org/2003/05/soap-envelope"
WSSE = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
_XSI = "http://www.w3.org/2001/XMLSchema-instance"
_CONTENT_TYPES = {"text/xml": SOAP11, "application/soap+xml": SOAP12}
_ELEMENT = re.compile(r"Element '\{[^}]*\}(\w+)'")
_LISTS = frozenset({"Record"})
_SINGLE_LIMIT = 256 * 1024
BATCH_LIMIT = 4 * 1024 * 1024
CONTRACT = Path(__file__).resolve().parents[2] / "adapters" / "bank_soap" / "contract"


class Fault(Exception):
    """Answered as a SOAP fault. ``server``: the outcome is unknown (Server/Receiver); else nothing was done."""

    def __init__(self, code: str, text: str, *, version: str = SOAP11, server: bool = False) -> None:
        super().__init__(code)
        self.code = code
        self.text = text
        self.version = version
        self.server = server


@dataclass(frozen=True, slots=True)
class Message:
    """One request as the bank reads it."""

    version: str
    operation: str
    header: Mapping[str, str]
    fields: Fields


def _parser() -> etree.XMLParser:
    # A comment inside an amount would cut its text short; so comments and instructions go (facts 7.1).
    return etree.XMLParser(
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


@cache
def schema() -> etree.XMLSchema:
    return etree.XMLSchema(etree.parse(str(CONTRACT / "bank-types.xsd"), _parser()))


@cache
def operations() -> frozenset[str]:
    """The operations of BankPort, read from the WSDL."""
    root = etree.parse(str(CONTRACT / "bank.wsdl"), _parser()).getroot()
    names = root.iterfind("{*}portType/{*}operation")
    return frozenset(str(operation.get("name")) for operation in names)


def wsdl(address: str) -> bytes:
    """The bank's WSDL, with the address it was asked at."""
    return (CONTRACT / "bank.wsdl").read_bytes().replace(b"http://127.0.0.1:8812/bocom", address.encode())


def parse_xml(body: bytes) -> etree._Element:
    """Raises Fault MALFORMED for what no honest peer sends: broken XML, a DOCTYPE, another encoding than UTF-8."""
    try:
        body.decode("utf-8")
        root = etree.fromstring(body, _parser())
    except (UnicodeDecodeError, etree.XMLSyntaxError, ValueError) as error:
        raise Fault("MALFORMED", "报文不是合法的 UTF-8 XML") from error
    if root.getroottree().docinfo.internalDTD is not None:
        raise Fault("MALFORMED", "不接受 DOCTYPE")
    if root.xpath("boolean(//@xsi:*)", namespaces={"xsi": _XSI}):
        raise Fault("MALFORMED", "不接受 xsi 属性")
    return root


def version_of(root: etree._Element, content_type: str) -> str:
    """The SOAP namespace; raises Fault when the envelope and the content type disagree."""
    namespace = etree.QName(root).namespace or ""
    media = content_type.partition(";")[0].strip().lower()
    expected = _CONTENT_TYPES.get(media)
    if etree.QName(root).localname != "Envelope" or namespace not in (SOAP11, SOAP12):
        raise Fault("MALFORMED", "不是 SOAP 信封", version=expected or SOAP11)
    if expected != namespace:
        raise Fault("MALFORMED", "内容类型与 SOAP 版本不符", version=namespace)
    return namespace


def body_of(root: etree._Element, version: str) -> etree._Element:
    """The single child of the single Body. Raises Fault; also for a header that must be understood and is not."""
    bodies = root.findall(f"{{{version}}}Body")
    children = [] if len(bodies) != 1 else list(bodies[0])
    if len(children) != 1:
        raise Fault("MALFORMED", "报文体须恰有一个元素", version=version)
    for header in root.iterfind(f"{{{version}}}Header/*"):
        known = header.tag == f"{{{WSSE}}}Security"
        if header.get(f"{{{version}}}mustUnderstand") in ("1", "true") and not known:
            raise Fault("MALFORMED", "存在不支持的 mustUnderstand 报文头", version=version)
    return children[0]


def soap_action(headers: Mapping[str, str], content_type: str) -> str:
    """The action of either SOAP version, unquoted; empty when there is none."""
    if "SOAPAction" in headers:
        return headers["SOAPAction"].strip().strip('"')
    for parameter in content_type.split(";")[1:]:
        name, _, value = parameter.strip().partition("=")
        if name.lower() == "action":
            return value.strip('"')
    return ""


def read_operation(element: etree._Element, version: str, action: str, size: int) -> Message:
    """Checks the body element against the contract and decodes it. Raises Fault; nothing has been done then."""
    name = etree.QName(element).localname
    if etree.QName(element).namespace != NS or name not in operations():
        raise Fault("UNKNOWN_OPERATION", "不支持的交易", version=version)
    if action not in ("", f"{NS}:{name}"):
        raise Fault("INVALID_FIELD", "SOAPAction 与报文体不符", version=version)
    if size > _SINGLE_LIMIT and name != "SubmitPayoutBatch":
        raise Fault("TOO_LARGE", "报文超出大小限制", version=version)
    _validate(element, version)
    fields = decode(element)
    header: dict[str, str] = fields.pop("Header")
    if header["TxCode"] != name:
        raise Fault("INVALID_FIELD", "TxCode 与报文体不符", version=version)
    return Message(version, name, header, fields)


def _validate(element: etree._Element, version: str) -> None:
    try:
        valid = schema().validate(element)
    except etree.XMLSchemaValidateError as error:  # it can raise as well as say no
        raise Fault("INVALID_FIELD", "报文不符合 XSD", version=version) from error
    if not valid:
        first = _first_error()
        # Only the element's name: the rest of libxml2's message repeats the value, which may be personal.
        named = _ELEMENT.match(first.message)
        field = named.group(1) if named else "结构"
        raise Fault("INVALID_FIELD", f"报文不符合 XSD：{field}（{first.type_name}）"[:200], version=version)


def _first_error() -> Any:
    log: Any = schema().error_log  # a list; the stubs do not say so
    return log[0]


def decode(element: etree._Element) -> Fields:
    fields: Fields = {}
    for child in element:
        name = etree.QName(child).localname
        value = decode(child) if len(child) else (child.text or "")
        if name in _LISTS:
            fields.setdefault(name, []).append(value)
        else:
            fields[name] = value
    return fields


def build(parent: etree._Element, pairs: Pairs) -> None:
    for name, value in pairs:
        if value is None or value == "":
            continue
        child = etree.SubElement(parent, f"{{{NS}}}{name}")
        if isinstance(value, list | tuple):
            build(child, value)
        else:
            child.text = _text(value)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return str(value)


def contract_element(name: str, pairs: Pairs) -> etree._Element:
    """A message of the contract. Raises ValueError when the bank itself breaks its contract."""
    made = etree.Element(f"{{{NS}}}{name}", nsmap={"bank": NS})
    build(made, pairs)
    if not schema().validate(made):
        raise ValueError(f"{name} breaks the contract: {_first_error().type_name}")
    return made


def envelope(version: str, content: etree._Element) -> etree._Element:
    root = etree.Element(f"{{{version}}}Envelope", nsmap={"soap": version})
    etree.SubElement(root, f"{{{version}}}Body").append(content)
    return root


def to_bytes(root: etree._Element) -> bytes:
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8")


def reply(version: str, content: etree._Element) -> Reply:
    return Reply(to_bytes(envelope(version, content)), content_type=content_type(version))


def content_type(version: str) -> str:
    return "text/xml; charset=utf-8" if version == SOAP11 else "application/soap+xml; charset=utf-8"


def fault_reply(fault: Fault) -> Reply:
    """SOAP 1.1: HTTP 500; SOAP 1.2: 400 for the sender's mistake, 500 for ours."""
    detail = contract_element(
        "BankFault",
        [("Code", fault.code), ("Text", fault.text[:200]), ("Retry", "QUERY_FIRST" if fault.server else "NO")],
    )
    version = fault.version
    content = _fault11(fault, detail) if version == SOAP11 else _fault12(fault, detail)
    status = 400 if version == SOAP12 and not fault.server else 500
    return Reply(to_bytes(envelope(version, content)), status, content_type(version))


def _fault11(fault: Fault, detail: etree._Element) -> etree._Element:
    made = etree.Element(f"{{{SOAP11}}}Fault", nsmap={"soap": SOAP11})
    etree.SubElement(made, "faultcode").text = "soap:Server" if fault.server else "soap:Client"
    etree.SubElement(made, "faultstring").text = f"{fault.text} [{fault.code}]"
    etree.SubElement(made, "detail").append(detail)
    return made


def _fault12(fault: Fault, detail: etree._Element) -> etree._Element:
    made = etree.Element(f"{{{SOAP12}}}Fault", nsmap={"soap": SOAP12})
    code = etree.SubElement(made, f"{{{SOAP12}}}Code")
    etree.SubElement(code, f"{{{SOAP12}}}Value").text = "soap:Receiver" if fault.server else "soap:Sender"
    reason = etree.SubElement(made, f"{{{SOAP12}}}Reason")
    text = etree.SubElement(reason, f"{{{SOAP12}}}Text")
    text.set("{http://www.w3.org/XML/1998/namespace}lang", "zh")
    text.text = f"{fault.text} [{fault.code}]"
    etree.SubElement(made, f"{{{SOAP12}}}Detail").append(detail)
    return made


def ack(body: bytes) -> str:
    """The Ack of an answer of BankNotifyPort; empty for anything that is none."""
    try:
        root = parse_xml(body)
    except Fault:
        return ""
    found = root.find(f".//{{{NS}}}Ack")
    return "" if found is None else (found.text or "")
