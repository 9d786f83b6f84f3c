"""Gateway → bank: canonical requests to bytes, answers to verdicts. Pure; `decode` never raises on foreign bytes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

from pydantic import BaseModel

from adapters.bank_soap import outcome, questions, soap
from adapters.bank_soap.binding import BindingError, Table, Values, qualified
from adapters.bank_soap.errors import ANY, Meaning, meaning
from adapters.bank_soap.replies import REPLIES
from adapters.bank_soap.requests import REQUESTS
from adapters.bank_soap.schema import violation
from adapters.bank_soap.security import Check, Guard, seal
from adapters.bank_soap.structures import VERSION
from adapters.bank_soap.wsse import BadSignature
from gateway.delivery.declare import Answer, Outbound, SendContext
from gateway.model.bank import BankReply
from gateway.model.keys import Sm2Keys
from gateway.model.masked import Masked
from gateway.model.refusals import Refusal
from gateway.model.verdict import Refused, Unknown, Verdict

HEAVY: Final = frozenset({"SubmitPayoutBatch", "QueryPayoutBatch", "GetReceipt"})
_LIMITS: Final[Mapping[str, soap.Limits]] = MappingProxyType(
    {"SubmitPayoutBatch": soap.BATCH, "QueryPayoutBatch": soap.BATCH, "GetReceipt": soap.RECEIPT}
)


class BankCodec:
    """The codec of one bank. ``bank`` chooses its own rows of `errors.csv`, ``soap_version`` is "1.1" or "1.2".

    Credentials used: ``sender_id`` and ``receiver_id`` (the parties of the header) and, where given, ``soap_version``.
    Where the context has keys, requests are signed and what is not signed by the bank is Unknown.
    """

    def __init__(self, bank: str = ANY, soap_version: str = "1.1") -> None:
        self._bank = bank
        self._soap = soap_version

    # -- out --------------------------------------------------------------------------------------------------------

    def encode(self, operation: str, request: Any, context: SendContext) -> Outbound:
        """The request as a SOAP message. Raises Refusal INVALID_FIELD naming the element that breaks the contract."""
        version = soap.version_of(context.credentials.get("soap_version", self._soap))
        root, element = soap.envelope(version, operation)
        bad = self._fill(REQUESTS[operation], element, request, _header(operation, context)) or violation(element)
        if bad is not None:
            raise Refusal("INVALID_FIELD", f"{bad}: 不符合银行接口合同", field=bad)
        body, proof = seal(root, version, context.keys, context.real_now)
        return Outbound("POST", "", soap.headers(version, operation) | proof, body)

    @staticmethod
    def _fill(table: Table, element: Any, request: Any, header: Values) -> str | None:
        try:
            table.put(element, request, header)
        except BindingError as broken:
            return broken.field
        return None

    # -- back -------------------------------------------------------------------------------------------------------

    def decode(self, operation: str, request: Any, answer: Answer) -> Verdict[Any]:
        """What the answer means. Whatever cannot be read, or is not about this request, is Unknown."""
        try:
            message = soap.parse(answer.body, _LIMITS.get(operation, soap.SINGLE), _check(answer))
        except soap.Unreadable as unreadable:
            return Unknown(f"HTTP {answer.status}: {unreadable.reason}")
        except BadSignature as bad:
            return Unknown(f"HTTP {answer.status}: {bad}")
        if message.fault is not None:
            return self._fault(message.fault, request, answer)
        if answer.status != 200:
            return Unknown(f"HTTP {answer.status}")
        return self._judge(operation, request, message)

    @staticmethod
    def _fault(fault: soap.Fault, request: Any, answer: Answer) -> Verdict[Any]:
        """A fault names no serial; without a time under its signature it could be that of another message."""
        verdict = outcome.of_fault(fault, scrub(fault.text, request))
        if isinstance(verdict, Refused) and answer.context is not None and isinstance(answer.context.keys, Sm2Keys):
            return Unknown(f"fault {verdict.code} that nothing ties to this request")
        return verdict

    def _judge(self, operation: str, request: Any, message: soap.Message) -> Verdict[Any]:
        if message.content.tag != qualified(f"{operation}Response"):
            return Unknown("another message than the answer")
        bad = violation(message.content)
        if bad is not None:
            return Unknown(f"the answer breaks the contract at {bad}")
        values: Values = {}
        try:
            reply = self._reply(REPLIES[operation], message.content, values, request)
        except BindingError as broken:
            return Unknown(f"unreadable {broken.field}")
        return outcome.judge(operation, request, reply, values, self._bank)

    @staticmethod
    def _reply(table: Table, element: Any, values: Values, request: Any) -> BankReply:
        table.take(element, values)
        if values.get("reason_text"):
            values["reason_text"] = scrub(values["reason_text"], request)
        reply: BankReply = table.model_of(values)
        return reply

    # -- what delivery asks for -------------------------------------------------------------------------------------

    def reply_type(self, operation: str) -> type[BaseModel]:
        """The canonical reply of an operation. Raises KeyError for an unknown one."""
        return _model(REPLIES[operation])

    def request_type(self, operation: str) -> type[BaseModel]:
        """The canonical request of an operation. Raises KeyError for an unknown one."""
        return _model(REQUESTS[operation])

    def question_for(self, operation: str, request: Any) -> tuple[str, Any] | None:
        """See `questions.question_for`."""
        return questions.question_for(operation, request)

    def resolve(self, operation: str, request: Any, question_reply: Verdict[Any]) -> Verdict[Any] | None:
        """See `questions.resolve`."""
        return questions.resolve(operation, request, question_reply)

    def explain(self, operation: str, code: str) -> Meaning | None:
        """The dictionary's row for a code of this bank: unified code, texts, next action, owner; None if unseen."""
        return meaning(operation, code, self._bank)


def _check(answer: Answer) -> Check | None:
    """What looks at an answer before it is read; None where no signature was agreed on."""
    context = answer.context
    if context is None or context.keys is None:
        return None
    return Guard(context.keys, answer.headers, answer.real_now, context.real_now).check


def _header(operation: str, context: SendContext) -> Values:
    return {
        "@msg_id": context.msgid,
        "@sender_id": context.credentials.get("sender_id", ""),
        "@receiver_id": context.credentials.get("receiver_id", ""),
        "@created_at": context.business_now,
        "@tx_code": operation,
        "@version": VERSION,
    }


def _model(table: Table) -> type[BaseModel]:
    if table.model is None:
        raise TypeError("a wire-only table has no model")
    return table.model


def scrub(text: str, request: BaseModel) -> str:
    """A bank's free text without the people of the request: banks like to repeat a name or an account number."""
    for person in _personal(request):
        hidden = person.reveal()
        if len(hidden) > 1:
            text = text.replace(hidden, str(person))
    return text


def _personal(model: BaseModel) -> Iterator[Masked]:
    for _, value in model:
        if isinstance(value, Masked):
            yield value
        elif isinstance(value, BaseModel):
            yield from _personal(value)
