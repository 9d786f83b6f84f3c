"""The SOAP door of the hospitals: a call read into the national envelope, the national answer written back. Pure.

The web layer has bounded the size and knows who calls; the national meaning (transactions, field tables, fingerprint,
refusals' words) is the national door's.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from types import MappingProxyType
from typing import Any, Final
from xml.sax.saxutils import quoteattr

from lxml import etree

from adapters.his_soap.compare import differences
from adapters.his_soap.tree import NS, UNFIT, put_members, read_reply, to_input
from gateway.model import soap
from gateway.model.exact_json import dumps
from gateway.model.refusals import Refusal, cashier_text
from gateway.model.xml import TOO_LARGE, Limits, Schema, Unreadable, is_encoding, parse_xml, to_bytes

LIMITS: Final = Limits(2 * 1024 * 1024, 80_000)
_CONTRACT: Final = resources.files("adapters.his_soap").joinpath("contract")
# Files read at load: a codec does no I/O.
_FILES: Final = {name: _CONTRACT.joinpath(f"his.{name}").read_bytes() for name in ("wsdl", "xsd")}
_SCHEMA: Final = Schema(_FILES["xsd"])
_ADDRESS: Final = re.compile(rb"(<soap(?:12)?:address location=)\"[^\"]*\"")
_CALL: Final = f"{{{NS}}}Call"
_HEAD: Final = f"{{{NS}}}MessageHead"
_ACTION: Final = f"{NS}:Call"
_SAID: Final = (
    "infcode", "inf_refmsgid", "refmsg_time", "respond_time", "err_msg", "warn_msg", "enctype", "signtype", "cainfo",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Call:
    """A call as it was read. ``head`` is the optional SOAP header, ``soap_version`` "1.1" or "1.2"."""

    infno: str
    msgid: str
    head: Mapping[str, str] = field(repr=False)
    payload: etree._Element = field(repr=False)
    soap_version: str


def read_call(body: bytes, content_type: str, soap_action: str, *, encoding: str = "utf-8") -> Call:
    """Read a request. ``soap_action`` is the header of SOAP 1.1; 1.2 has a parameter of the content type.

    ``encoding`` is utf-8, or gb18030 where the hospital's field map agrees on it. Raises Refusal MALFORMED, TOO_LARGE
    or INVALID_FIELD; nothing of the message is repeated but names of fields.
    """
    version = soap.version_by_type(content_type)
    parameters = soap.parameters(content_type)
    if version is None or not is_encoding(parameters.get("charset", encoding), encoding):
        raise Refusal("MALFORMED", "内容类型或字符集不符")
    letter = _opened(body, encoding)
    if letter.version != version:
        raise Refusal("MALFORMED", "内容类型与 SOAP 版本不符")
    action = (soap_action if version == soap.SOAP11 else parameters.get("action", "")).strip().strip('"')
    if action not in ("", _ACTION):
        raise Refusal("INVALID_FIELD", "SOAPAction 与报文体不符", field="SOAPAction")
    if letter.content.tag != _CALL:
        raise Refusal("MALFORMED", "报文体不是 Call")
    _check(letter.content)
    infno, msgid, payload = letter.content
    _without_namespace(payload)
    return Call(infno.text or "", msgid.text or "", _head(letter), payload, soap.number_of(version))


def _opened(body: bytes, encoding: str) -> soap.Letter:
    """Comments are refused, not dropped: nobody has an honest reason to cut a value in two with one."""
    try:
        return soap.open_envelope(parse_xml(body, LIMITS, encoding=encoding, comments=False), {_HEAD})
    except Unreadable as unreadable:
        reason = unreadable.reason
    raise Refusal("TOO_LARGE") if reason == TOO_LARGE else Refusal("MALFORMED", reason)


def _check(element: etree._Element) -> None:
    broken = _SCHEMA.violation(element)
    if broken is not None:
        raise Refusal("INVALID_FIELD", f"{broken}: 不符合接口合同", field=broken)


def _without_namespace(payload: etree._Element) -> None:
    """Fields inherit the contract's namespace from a toolkit's default one, or have none; both mean the same."""
    for field_element in payload.iterdescendants(f"{{{NS}}}*"):
        field_element.tag = etree.QName(field_element).localname


def _head(letter: soap.Letter) -> Mapping[str, str]:
    heads = [entry for entry in letter.headers if entry.tag == _HEAD]
    if len(heads) > 1:
        raise Refusal("MALFORMED", "MessageHead 重复")
    for head in heads:
        for name in ("mustUnderstand", "actor", "role", "relay"):  # SOAP's own, not the contract's
            head.attrib.pop(f"{{{letter.version}}}{name}", "")
        _check(head)
        return MappingProxyType({etree.QName(child).localname: child.text for child in head if child.text})
    return MappingProxyType({})


def envelope(call: Call, fixmedins_code: str) -> bytes:
    """The call as the national envelope in JSON. Raises Refusal INVALID_FIELD or MALFORMED for the payload."""
    members = {"infno": call.infno, "msgid": call.msgid, "fixmedins_code": fixmedins_code}
    content = members | dict(call.head) | {"input": to_input(call.payload, call.infno)}
    try:
        # No float comes out of a payload, so the fast writer may have it, unless a number with a point is in it.
        return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
    except TypeError:
        return dumps(content).encode()


# -- answers ---------------------------------------------------------------------------------------------------------


def reply(body: bytes, content_type: str = "", *, output: Any = None, encoding: str = "utf-8") -> bytes:
    """The platform's answer (national JSON) in the SOAP version of the request.

    ``output`` takes the place of the answer's own where a field map has worded it in the vendor's names. Raises
    NotJson.
    """
    content = read_reply(body)
    root, holder = soap.new_envelope(_version(content_type))
    said = etree.SubElement(holder, f"{{{NS}}}CallResponse", nsmap={"his": NS})
    others = {name: value for name, value in content.items() if name not in _SAID and name != "output"}
    for name in _SAID:
        value = content.get(name)
        if isinstance(value, dict | list):
            others[name] = value
        if (value is not None and not isinstance(value, dict | list)) or name == "infcode":
            etree.SubElement(said, f"{{{NS}}}{name}").text = UNFIT.sub("\ufffd", _text(value))
    worded = content.get("output") if output is None else output
    if worded is not None:
        _put(said, "output", worded)
    if others:
        _put(said, "others", others)
    return to_bytes(root, encoding)


def _put(said: etree._Element, name: str, content: Any) -> None:
    """An output that is no object, which no table knows, still arrives as a whole."""
    members = content if isinstance(content, Mapping) else {"value": content}
    put_members(etree.SubElement(said, f"{{{NS}}}{name}"), members)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, str) else ""


def fault_for(
    refusal: Refusal, exchange_id: str, content_type: str = "", *, encoding: str = "utf-8"
) -> tuple[int, bytes]:
    """HTTP status and fault of one of our refusals: Client, Retry NO, the cashier's text with code and exchange id."""
    version = _version(content_type)
    text = UNFIT.sub("\ufffd", cashier_text(refusal.code, exchange_id, refusal.detail or refusal.field or ""))
    root, detail = soap.new_fault(version, client=True, text=text)
    fault = etree.SubElement(detail, f"{{{NS}}}HisFault", nsmap={"his": NS})
    for name, value in (("Code", refusal.code), ("Text", text), ("Retry", "NO"), ("ExchangeId", exchange_id)):
        etree.SubElement(fault, f"{{{NS}}}{name}").text = value
    return soap.fault_status(version, client=True), to_bytes(root, encoding)


def media_type(content_type: str, encoding: str = "utf-8") -> str:
    """Content-Type of an answer to a request of that content type."""
    return soap.media_type(_version(content_type), encoding)


def _version(content_type: str) -> str:
    """SOAP 1.1 for a type that is none, so that a fault can always be answered."""
    return soap.version_by_type(content_type) or soap.SOAP11


def wsdl(address: str) -> bytes:
    """The contract with its address set; types are inline, so that it imports without a second request."""
    location = quoteattr(address, {'"': "&quot;"}).encode()
    return _ADDRESS.sub(lambda found: found[1] + location, _FILES["wsdl"])


def xsd() -> bytes:
    """The types alone; the WSDL carries the same inline."""
    return _FILES["xsd"]


class HisSoapDoor:
    """The door's functions, gathered for the web layer; stateless."""

    read_call = staticmethod(read_call)
    envelope = staticmethod(envelope)
    reply = staticmethod(reply)
    fault_for = staticmethod(fault_for)
    media_type = staticmethod(media_type)
    wsdl = staticmethod(wsdl)
    xsd = staticmethod(xsd)
    differences = staticmethod(differences)
