"""Gateway → bank by a map: canonical requests to the bank's messages, its answers to verdicts. Pure.

`decode` never raises on foreign bytes. What verdict an answer has is not for a map to say: it is judged by the same
rules as every bank's, on canonical words.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from lxml import etree
from pydantic import BaseModel, ValidationError

from adapters.bank_soap import outcome, questions
from adapters.bank_soap.codec import scrub
from adapters.bank_soap.errors import Meaning, meaning
from adapters.bank_soap.security import Check, Guard
from adapters.bank_soap.soap import Fault
from adapters.bank_soap.wsse import BadSignature
from adapters.bank_wsdl import canon, envelope, rules
from adapters.bank_wsdl.dialect import Dialect, Exchange
from adapters.bank_wsdl.port import NotOnTheWire
from gateway.delivery.declare import Answer, Outbound, SendContext
from gateway.model import soap
from gateway.model.bank import BankReply, BankStatus, SubmitPayoutBatch
from gateway.model.keys import Sm2Keys
from gateway.model.masked import mask_text
from gateway.model.refusals import Refusal
from gateway.model.verdict import Refused, Unknown, Verdict
from gateway.model.xml import Limits, Unreadable

HEAVY: Final = frozenset({"SubmitPayoutBatch", "QueryPayoutBatch"})
_LIMITS: Final[Mapping[str, Limits]] = MappingProxyType(
    {"SubmitPayoutBatch": envelope.BATCH, "QueryPayoutBatch": envelope.BATCH, "GetReceipt": envelope.RECEIPT}
)
_NOT_PROCESSED: Final = frozenset({"Client", "Sender", "MustUnderstand", "VersionMismatch"})


class MappedCodec:
    """The codec of one bank. Credentials used: ``sender_id`` and ``receiver_id``.

    Where the context has keys, requests are signed and what is not signed by the bank is Unknown.
    """

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._encoding = dialect.channel.encoding
        self._version = soap.version_of(dialect.soap)

    # -- out --------------------------------------------------------------------------------------------------------

    def encode(self, operation: str, request: Any, context: SendContext) -> Outbound:
        """The request as the bank's message.

        Raises Refusal INVALID_FIELD for what the bank does not offer, its contract has no place for or its encoding
        cannot write, naming the element: then nothing is sent.
        """
        exchange = self._dialect.operations.get(operation)
        if exchange is None:
            raise Refusal(
                "INVALID_FIELD", f"{operation}: 该银行未提供此交易 / not offered by the bank", field=operation
            )
        _require_only(exchange, request)
        root, body = soap.new_envelope(self._version)
        try:
            values = rules.fill(exchange.request, request, _said(operation, exchange, request, context))
            exchange.wire.request.build(body, values)
            sealed, proof = envelope.seal(root, self._version, self._encoding, context.keys, context.real_now)
        except (NotOnTheWire, rules.Unfit) as unfit:
            place = str(unfit)
        else:
            return Outbound("POST", "", self._headers(exchange.wire.action) | proof, sealed)
        raise Refusal("INVALID_FIELD", f"{place}: 不符合银行接口合同", field=place)

    def _headers(self, action: str) -> dict[str, str]:
        kind = soap.media_type(self._version, self._encoding.upper())
        if self._version == soap.SOAP11:
            return {"Content-Type": kind, "SOAPAction": f'"{action}"'}
        return {"Content-Type": f'{kind}; action="{action}"' if action else kind}

    # -- back -------------------------------------------------------------------------------------------------------

    def decode(self, operation: str, request: Any, answer: Answer) -> Verdict[Any]:
        """What the answer means; whatever cannot be read, or is not about this request, is Unknown."""
        try:
            limits = _LIMITS.get(operation, envelope.SINGLE)
            letter = envelope.opened(answer.body, limits, self._encoding, _check(answer))
        except Unreadable as unreadable:
            return Unknown(f"HTTP {answer.status}: {unreadable.reason}")
        except BadSignature as bad:
            return Unknown(f"HTTP {answer.status}: {bad}")
        if letter.version != self._version:
            return Unknown("another SOAP version than the contract's")
        if letter.is_fault:
            return self._fault(letter.content, request, answer)
        if answer.status != 200:
            return Unknown(f"HTTP {answer.status}")
        return self._judge(operation, request, letter.content)

    def _fault(self, element: etree._Element, request: Any, answer: Answer) -> Verdict[Any]:
        """A fault names no serial; without a time under its signature it could be that of another message."""
        code, text = self._dialect.fault.read(element)
        client = self._dialect.sender_refuses and _kind(element, self._version) in _NOT_PROCESSED
        verdict = outcome.of_fault(Fault(client, code[:40], "", ""), scrub(mask_text(text)[:200], request))
        if isinstance(verdict, Refused) and answer.context is not None and isinstance(answer.context.keys, Sm2Keys):
            return Unknown(f"fault {verdict.code} that nothing ties to this request")
        return verdict

    def _judge(self, operation: str, request: Any, element: etree._Element) -> Verdict[Any]:
        try:
            raw = self._dialect.operations[operation].wire.answer.read(element)
            values = rules.take(self._dialect.operations[operation].reply, raw)
            canon.finish(operation, values)
            reply = _reply(operation, values, request)
        except NotOnTheWire as unreadable:
            return Unknown(f"the answer: {unreadable}")
        except (rules.Unfit, canon.Unspeakable) as unfit:
            return Unknown(f"unreadable {unfit}")
        told = str(rules.at(raw, self._dialect.result.code) or "")
        rejected, question = reply.status is BankStatus.RJCT, operation in outcome.QUERIES
        values["@resp_code"] = self._dialect.resp_code(told, question=question, rejected=rejected)
        return outcome.judge(operation, request, reply, values)

    # -- what delivery asks for -------------------------------------------------------------------------------------

    def reply_type(self, operation: str) -> type[BaseModel]:
        """The canonical reply of an operation. Raises KeyError for an unknown one."""
        return canon.REPLIES[operation]

    def request_type(self, operation: str) -> type[BaseModel]:
        """The canonical request of an operation. Raises KeyError for an unknown one."""
        return canon.REQUESTS[operation]

    def question_for(self, operation: str, request: Any) -> tuple[str, Any] | None:
        """See `adapters.bank_soap.questions.question_for`."""
        return questions.question_for(operation, request)

    def resolve(self, operation: str, request: Any, question_reply: Verdict[Any]) -> Verdict[Any] | None:
        """See `adapters.bank_soap.questions.resolve`."""
        return questions.resolve(operation, request, question_reply)

    def explain(self, operation: str, code: str) -> Meaning | None:
        """The dictionary's row for a reason: unified code, texts, next action, owner; None if unseen."""
        return meaning(operation, code)


def _require_only(exchange: Exchange, request: Any) -> None:
    for name, value in exchange.only.items():
        if getattr(request, name) != value:
            raise Refusal("INVALID_FIELD", f"{name}: 该银行只支持 {value} / the bank knows no other", field=name)


def _said(operation: str, exchange: Exchange, request: Any, context: SendContext) -> canon.Values:
    said: canon.Values = {
        "@msg_id": context.msgid,
        "@sender_id": context.credentials.get("sender_id", ""),
        "@receiver_id": context.credentials.get("receiver_id", ""),
        "@created_at": context.business_now,
        "@tx_code": operation,
        "@code": exchange.code,
    }
    if isinstance(request, SubmitPayoutBatch):
        said |= {"@total_count": len(request.records), "@total_fen": request.total_fen}
    return said


def _check(answer: Answer) -> Check | None:
    """What looks at an answer before it is read; None where no signature was agreed on."""
    context = answer.context
    if context is None or context.keys is None:
        return None
    return Guard(context.keys, answer.headers, answer.real_now, context.real_now).check


def _kind(fault: etree._Element, version: str) -> str:
    place = "faultcode" if version == soap.SOAP11 else f"{{{version}}}Code/{{{version}}}Value"
    return fault.findtext(place, "").strip().rpartition(":")[2].partition(".")[0]


def _reply(operation: str, values: canon.Values, request: Any) -> BankReply:
    """Raises Unspeakable naming a field: pydantic's own text repeats the value."""
    if values.get("reason_text"):
        values["reason_text"] = scrub(values["reason_text"], request)
    try:
        return canon.REPLIES[operation](**{name: value for name, value in values.items() if name[0] != "@"})
    except ValidationError as invalid:
        where = invalid.errors(include_input=False, include_context=False)[0]["loc"]
        name = str(where[0]) if where else "?"
    raise canon.Unspeakable(name)
