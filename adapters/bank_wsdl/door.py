"""Bank → gateway by a map: the bank's pushes read, acknowledged and refused in its own words. Pure.

The web layer has already bounded the size. On a signed channel what is not signed is refused before it is read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from lxml import etree
from pydantic import ValidationError

from adapters.bank_soap.door import Notice, guard
from adapters.bank_soap.security import Guard
from adapters.bank_soap.wsse import BadSignature
from adapters.bank_wsdl import canon, envelope, rules
from adapters.bank_wsdl.dialect import Dialect, Push
from adapters.bank_wsdl.port import NotOnTheWire
from gateway.model import soap
from gateway.model.bank import DeliverReceipt
from gateway.model.keys import ChannelKeys
from gateway.model.masked import mask_text
from gateway.model.refusals import Refusal, cashier_text
from gateway.model.xml import Unreadable, is_encoding

_CLIENT: Final = True


class MappedDoor:
    """The door of one bank. Answers keep the contract's SOAP version, whatever the caller's content type says."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._encoding = dialect.channel.encoding
        self._family = "utf-8" if dialect.channel.encoding == "utf-8" else "gb18030"
        self._version = soap.version_of(dialect.soap)

    # -- in -----------------------------------------------------------------------------------------------------------

    def guard(self, keys: ChannelKeys | None, headers: Mapping[str, str], real_now: float) -> Guard | None:
        """For `read_notification`; None where no signature was agreed on."""
        return guard(keys, headers, real_now)

    def read_notification(self, body: bytes, content_type: str, soap_action: str, guard: Guard | None = None) -> Notice:
        """The canonical notice.

        Raises Refusal MALFORMED (no message of the channel), INVALID_FIELD (names the field) and, with a ``guard``,
        SIGNATURE_INVALID or TIMESTAMP_EXPIRED.
        """
        parameters = soap.parameters(content_type)
        if soap.version_by_type(content_type) != self._version:
            raise _malformed("内容类型")
        if not is_encoding(parameters.get("charset", self._encoding), self._family):
            raise _malformed("字符集")
        push, element = self._push(body, guard)
        action = soap_action if self._version == soap.SOAP11 else parameters.get("action", "")
        if action.strip().strip('"') not in ("", push.wire.action):
            raise Refusal("INVALID_FIELD", "SOAPAction 与报文体不符", field="SOAPAction")
        return _message(push, element)

    def _push(self, body: bytes, guard: Guard | None) -> tuple[Push, etree._Element]:
        try:
            check = None if guard is None else guard.check
            letter = envelope.opened(body, envelope.RECEIPT, self._encoding, check)
        except BadSignature as bad:
            raise Refusal(bad.code, bad.reason) from None
        except Unreadable as unreadable:
            raise _malformed(unreadable.reason) from None
        if letter.version != self._version:
            raise _malformed("内容类型与 SOAP 版本不符")
        push = self._dialect.pushes.get(str(letter.content.tag))
        if push is None:
            raise _malformed("报文体不是本接口的报文")
        return push, letter.content

    # -- answers ------------------------------------------------------------------------------------------------------

    def ack(self, message: Notice, ack: str = "OK", _kind: str = "") -> bytes:
        """The acknowledgement: OK, RETRY, and MISMATCH for a receipt. Raises ValueError for another word."""
        name = "DeliverReceipt" if isinstance(message, DeliverReceipt) else "NotifyTransaction"
        push = next(one for one in self._dialect.pushes.values() if one.name == name)
        said = {"@ack": ack, "@notify_no": message.notify_no, "@code": push.code}
        root, body = soap.new_envelope(self._version)
        push.wire.answer.build(body, rules.fill(push.ack, None, said))
        return envelope.written(root, self._encoding)

    def fault_for(self, refusal: Refusal, exchange_id: str, _kind: str = "") -> tuple[int, bytes]:
        """HTTP status and fault of one of our refusals, a Sender's: nothing was done."""
        text = mask_text(cashier_text(refusal.code, exchange_id, refusal.field or ""))[:200]
        root, detail = soap.new_fault(self._version, client=_CLIENT, text=text)
        self._dialect.push_fault.write(detail, refusal.code, text)
        return soap.fault_status(self._version, client=_CLIENT), envelope.written(root, self._encoding)

    def sealed(self, body: bytes, keys: ChannelKeys | None, real_now: float) -> tuple[bytes, dict[str, str]]:
        """An answer of ours as it leaves, with further HTTP headers: signed where there are keys."""
        if keys is None:
            return body, {}
        root = envelope.opened(body, envelope.SINGLE, self._encoding).content.getroottree().getroot()
        return envelope.seal(root, self._version, self._encoding, keys, real_now)

    def media_type(self, _kind: str = "") -> str:
        """Content-Type of an answer."""
        return soap.media_type(self._version, self._encoding.upper())

    def wsdl(self, which: str, base_url: str) -> bytes:
        """The bank's own WSDL in one piece, `bank` or `notify`, with its address set. Raises KeyError for another."""
        return {"bank": self._dialect.contract, "notify": self._dialect.notify}[which].served(base_url)


def _message(push: Push, element: etree._Element) -> Notice:
    """Raises Refusal INVALID_FIELD."""
    try:
        values = rules.take(push.request, push.wire.request.read(element))
        canon.finish_notice(push.name, values)
        if values.get("@code", push.code) != push.code:
            raise canon.Unspeakable("@code")
        content = {name: value for name, value in values.items() if name[0] != "@"}
        message: Notice = canon.NOTICES[push.name].model_validate(content)  # type: ignore[assignment]
    except NotOnTheWire as unreadable:
        place = unreadable.field
    except (rules.Unfit, canon.Unspeakable) as unfit:
        place = str(unfit)
    except ValidationError as invalid:
        where = invalid.errors(include_input=False, include_context=False)[0]["loc"]
        place = str(where[0]) if where else "?"
    else:
        return message
    raise Refusal("INVALID_FIELD", f"{place}: 不符合接口合同", field=place)


def _malformed(reason: str) -> Refusal:
    return Refusal("MALFORMED", reason)
