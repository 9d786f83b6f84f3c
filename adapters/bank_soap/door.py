"""Bank → gateway: notices and receipts read, acknowledgements and faults written, both WSDLs. Pure.

The web layer has already bounded the size. On a signed channel it hands over keys, HTTP headers and the real time: then
what is not signed is refused before it is read, and answers are signed as well.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Final
from xml.sax.saxutils import quoteattr

from lxml import etree

from adapters.bank_soap import soap
from adapters.bank_soap.binding import NS, BindingError, Table, Values
from adapters.bank_soap.notices import ACK, NOTICES
from adapters.bank_soap.schema import contract_file, violation
from adapters.bank_soap.security import Guard, seal
from adapters.bank_soap.wsse import BadSignature
from gateway.model.bank import DeliverReceipt, NotifyTransaction
from gateway.model.keys import ChannelKeys
from gateway.model.refusals import Refusal, cashier_text

Notice = NotifyTransaction | DeliverReceipt

_MEDIA: Final = MappingProxyType({"text/xml": soap.SOAP11, "application/soap+xml": soap.SOAP12})
_PARAMETER: Final = re.compile(r";\s*([A-Za-z-]+)\s*=\s*(?:\"([^\"]*)\"|([^\s;\"]*))")
_ADDRESS: Final = re.compile(rb"(<soap(?:12)?:address location=)\"[^\"]*\"")
_PAYOUT: Final = ("OrigSerial", "BatchNo")
# What an event cannot do without, beyond the XSD (contract, chapter 5).
_NEEDS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "WITHHOLD": ("OrigSerial",),
        "REFUND": ("OrigSerial",),
        "PREAUTH": ("OrigSerial",),
        "COMPLETION": ("OrigSerial",),
        "VOID": ("OrigSerial",),
        "PAYOUT_RECORD": _PAYOUT,
        "PAYOUT_RETURN": _PAYOUT,
        "AGREEMENT": ("AgreementNo",),
        "REPAYMENT": ("AgreementNo", "Channel", "ChannelSerial", "AmountFen"),
        "DEFAULT": ("AgreementNo", "AmountFen", "DaysOverdue", "CbRef"),
    }
)


@dataclass(frozen=True, slots=True)
class Inbound:
    """A notice with what its header said. ``soap_version`` is "1.1" or "1.2": the answer goes back in the same."""

    message: Notice
    soap_version: str
    sender_id: str
    receiver_id: str
    created_at: datetime


def soap_version(content_type: str) -> str:
    """ "1.1" or "1.2", after the content type alone; 1.1 for anything else, so that a fault can always be answered."""
    return soap.number_of(_MEDIA.get(_media(content_type), soap.SOAP11))


def read_notification(body: bytes, content_type: str, soap_action: str, guard: Guard | None = None) -> Notice:
    """The canonical notice.

    Raises Refusal MALFORMED (no message of the channel), INVALID_FIELD (names the field) and, with a ``guard``,
    SIGNATURE_INVALID or TIMESTAMP_EXPIRED.
    """
    return read(body, content_type, soap_action, guard).message


def guard(keys: ChannelKeys | None, headers: Mapping[str, str], real_now: float) -> Guard | None:
    """For `read`; None where no signature was agreed on. ``real_now`` is real time in Unix seconds."""
    return None if keys is None else Guard(keys, {name.lower(): value for name, value in headers.items()}, real_now)


def read(body: bytes, content_type: str, soap_action: str, guard: Guard | None = None) -> Inbound:
    """Like `read_notification`, with the header. ``soap_action`` is the header of SOAP 1.1; 1.2 has a parameter."""
    version = _MEDIA.get(_media(content_type))
    parameters = _parameters(content_type)
    if version is None or parameters.get("charset", "utf-8").lower() not in ("utf-8", "utf8"):
        raise _malformed("内容类型")
    message = _parsed(body, guard)
    if message.version != version:
        raise _malformed("内容类型与 SOAP 版本不符")
    action = soap_action if version == soap.SOAP11 else parameters.get("action", "")
    return read_element(message.content, action, soap.number_of(version))


def _parsed(body: bytes, guard: Guard | None) -> soap.Message:
    try:
        message = soap.parse(body, soap.RECEIPT, None if guard is None else guard.check)
    except BadSignature as bad:
        raise Refusal(bad.code, bad.reason) from None
    except soap.Unreadable as unreadable:
        reason = unreadable.reason
    else:
        if message.fault is None:
            return message
        reason = "fault"
    raise _malformed(reason)


def read_element(element: etree._Element, soap_action: str, version: str = "1.1") -> Inbound:
    """Read the body's child, such as the signed one a signature check gave back. Raises Refusal as `read` does."""
    name = etree.QName(element)
    table = NOTICES.get(name.localname)
    if name.namespace != NS or table is None:
        raise _malformed("报文体不是本接口的报文")
    action = soap_action.strip().strip('"')
    if action not in ("", f"{NS}:{name.localname}"):
        raise Refusal("INVALID_FIELD", "SOAPAction 与报文体不符", field="SOAPAction")
    _refuse(violation(element))
    values: Values = {}
    message = _message(table, element, values)
    _refuse(None if values["@tx_code"] == name.localname else "TxCode")
    if isinstance(message, NotifyTransaction):
        _refuse(_missing(element, message.event_type))
    return Inbound(message, version, values["@sender_id"], values["@receiver_id"], values["@created_at"])


def _message(table: Table, element: etree._Element, values: Values) -> Notice:
    try:
        table.take(element, values)
        message: Notice = table.model_of(values)
    except BindingError as broken:
        field = broken.field
    else:
        return message
    raise _invalid(field)


def _missing(element: etree._Element, event: str) -> str | None:
    present = {etree.QName(child).localname for child in element}
    return next((name for name in _NEEDS.get(event, ()) if name not in present), None)


def _refuse(field: str | None) -> None:
    if field is not None:
        raise _invalid(field)


def _invalid(field: str) -> Refusal:
    return Refusal("INVALID_FIELD", f"{field}: 不符合接口合同", field=field)


def _malformed(reason: str) -> Refusal:
    return Refusal("MALFORMED", reason)


def _media(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


def _parameters(content_type: str) -> dict[str, str]:
    return {name.lower(): quoted or bare for name, quoted, bare in _PARAMETER.findall(content_type)}


# -- answers --------------------------------------------------------------------------------------------------------


# ``soap_version`` is "1.1", "1.2" or the content type of the request that is answered, whose version an answer keeps.


def ack(message: Notice, ack: str = "OK", soap_version: str = "1.1") -> bytes:
    """The acknowledgement: OK, RETRY, and MISMATCH for a receipt. Raises ValueError for what the contract forbids."""
    name = "DeliverReceiptResponse" if isinstance(message, DeliverReceipt) else "NotifyTransactionResponse"
    root, element = soap.envelope(_version(soap_version), name)
    ACK.put(element, None, {"@ack": ack, "@notify_no": message.notify_no})
    if violation(element) is not None:
        raise ValueError(f"{name} does not allow this acknowledgement")
    return soap.to_bytes(root)


def fault(code: str, text: str, retry: str = "NO", soap_version: str = "1.1") -> tuple[int, bytes]:
    """HTTP status and fault. ``retry`` NO: a Client fault, nothing was done; QUERY_FIRST: a Server fault, unknown.

    SOAP 1.1 faults are HTTP 500 all of them, in SOAP 1.2 the sender's are 400.
    """
    version, client = _version(soap_version), retry == "NO"
    body = soap.fault(version, client=client, code=code, text=text, retry=retry)
    return (400 if client and version == soap.SOAP12 else 500), body


def fault_for(refusal: Refusal, exchange_id: str, soap_version: str = "1.1") -> tuple[int, bytes]:
    """The fault of one of our refusals: Client, Retry NO, the register's Chinese text, code and exchange id in it."""
    return fault(refusal.code, cashier_text(refusal.code, exchange_id, refusal.field or ""), "NO", soap_version)


def sealed(body: bytes, keys: ChannelKeys | None, real_now: float) -> tuple[bytes, dict[str, str]]:
    """An answer of ours as it leaves, with further HTTP headers: signed where there are keys."""
    if keys is None:
        return body, {}
    root = soap.parse_xml(body, soap.SINGLE)
    return seal(root, etree.QName(root).namespace or "", keys, real_now)


def media_type(soap_version: str) -> str:
    """Content-Type of an answer in that SOAP version."""
    return soap.media_type(_version(soap_version))


def _version(soap_version_or_type: str) -> str:
    if soap_version_or_type in ("1.1", "1.2"):
        return soap.version_of(soap_version_or_type)
    return _MEDIA.get(_media(soap_version_or_type), soap.SOAP11)


def wsdl(which: str, base_url: str) -> bytes:
    """The WSDL of `bank` (gateway → bank) or `notify` (bank → gateway) with its address set to ``base_url``.

    Raises KeyError for another name.
    """
    location = quoteattr(base_url, {'"': "&quot;"}).encode()
    return _ADDRESS.sub(lambda found: found[1] + location, contract_file(which))


def xsd() -> bytes:
    """The types of the channel; both WSDLs carry them inline as well."""
    return contract_file("types")
