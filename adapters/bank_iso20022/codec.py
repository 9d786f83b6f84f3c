"""Gateway → bank: canonical requests to ISO 20022 and JSON, answers to verdicts. Pure; `decode` never raises.

Orders are pain.001, pain.007 and pain.008, answered by a pain.002; a status question is answered by that pain.002 as it
stands now; a receipt is a camt.054. Agreements, and the questions themselves, are JSON (contract).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

from pydantic import BaseModel

from adapters.bank_iso20022 import advice, initiation, mandates, outcome, questions, report, signature, text, tree, wire
from adapters.bank_iso20022.errors import ANY, BANK_CLIENT_FAULT, Meaning, meaning
from adapters.bank_iso20022.schema import CREDENTIAL, violation
from adapters.bank_iso20022.standard import ADVICE, BATCH, ORDERS, SINGLE, STATUS_REPORT
from adapters.bank_iso20022.text import Unfit
from gateway.delivery.declare import Answer, Outbound, SendContext
from gateway.model import bank
from gateway.model.bank import BankStatus as Status
from gateway.model.masked import Masked, mask_text
from gateway.model.refusals import Refusal
from gateway.model.verdict import Done, Refused, Unknown, Verdict
from gateway.model.xml import Limits, Unreadable, to_bytes

HEAVY: Final = frozenset({"SubmitPayoutBatch", "QueryPayoutBatch", "GetReceipt"})
XML: Final = "application/xml; charset=utf-8"
JSON: Final = "application/json; charset=utf-8"
# Operations of this bank: a path below its address, what is asked, what is answered. There is no pre-authorisation.
PATHS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "SignAgreement": "/mandates",
        "CancelAgreement": "/mandate-cancellations",
        "QueryAgreement": "/mandate-status-requests",
        "Withhold": "/direct-debits",
        "Refund": "/reversals",
        "SubmitPayoutBatch": "/credit-transfers",
        "QueryTransaction": "/payment-status-requests",
        "QueryPayoutBatch": "/payment-status-requests",
        "GetReceipt": "/notification-requests",
    }
)
TYPES: Final[Mapping[str, tuple[type[BaseModel], type[BaseModel]]]] = MappingProxyType(
    {
        "SignAgreement": (bank.SignAgreement, bank.AgreementReply),
        "CancelAgreement": (bank.CancelAgreement, bank.AgreementReply),
        "QueryAgreement": (bank.QueryAgreement, bank.AgreementReply),
        "Withhold": (bank.Withhold, bank.MoneyReply),
        "Refund": (bank.Refund, bank.MoneyReply),
        "SubmitPayoutBatch": (bank.SubmitPayoutBatch, bank.PayoutBatchReply),
        "QueryTransaction": (bank.QueryTransaction, bank.TransactionReply),
        "QueryPayoutBatch": (bank.QueryPayoutBatch, bank.PayoutStateReply),
        "GetReceipt": (bank.GetReceipt, bank.ReceiptReply),
    }
)
_CLIENT_ERRORS: Final = range(400, 500)


class IsoCodec:
    """The codec of one bank. ``bank`` chooses its own rows of `errors.csv`.

    Credentials used: ``sender_id`` (our number at the bank), ``agent`` (the bank's own branch code, optional),
    ``charset`` (what its core keeps names in), ``xsd_dir`` (a directory of the official XSDs, optional). Where the
    context has keys, requests are signed and what the bank has not signed for this very request is Unknown.
    """

    def __init__(self, bank: str = ANY) -> None:
        self._bank = bank

    # -- out --------------------------------------------------------------------------------------------------------

    def encode(self, operation: str, request: Any, context: SendContext) -> Outbound:
        """The request as a message. Raises Refusal INVALID_FIELD naming the element the bank could not take."""
        try:
            body, kind = _written(operation, request, context)
        except Unfit as unfit:
            field = unfit.field
        else:
            proof = signature.seal(body, context.keys, context.real_now, context.nonce)
            return Outbound("POST", PATHS[operation], {"Content-Type": kind, **proof}, body)
        raise Refusal("INVALID_FIELD", f"{field}: 不符合银行报文要求", field=field)

    # -- back -------------------------------------------------------------------------------------------------------

    def decode(self, operation: str, request: Any, answer: Answer) -> Verdict[Any]:
        """What the answer means. Whatever cannot be read, or is not about this request, is Unknown."""
        try:
            _check(answer)
            if answer.status != 200:
                return self._error(request, answer)
            return _READERS[operation](self, operation, request, answer)
        except signature.BadSignature as bad:
            why = str(bad)
        except Unreadable as unreadable:
            why = unreadable.reason
        except Unfit as unfit:
            why = f"the answer breaks the contract at {unfit.field}"
        return Unknown(f"HTTP {answer.status}: {why}")

    def _error(self, request: Any, answer: Answer) -> Verdict[Any]:
        """Not processed, where the bank itself says so of this very request; anything else is not certain."""
        said = wire.read(answer.body, SINGLE, wire.Rejection)
        context = answer.context
        ours = context is None or answer.headers.get(signature.REQUEST_ID, "") == context.nonce
        if answer.status in _CLIENT_ERRORS and said.retry == "NO" and ours:
            return Refused(BANK_CLIENT_FAULT, f"{said.code} {scrub(said.text, request)}".strip())
        return Unknown(f"HTTP {answer.status}: rejection of the bank")

    def _payment(self, operation: str, request: Any, answer: Answer) -> Verdict[Any]:
        return outcome.payment(operation, request, _report(answer, SINGLE), self._bank, _scrubber(request))

    def _batch(self, _operation: str, request: Any, answer: Answer) -> Verdict[Any]:
        return outcome.batch(request, _report(answer, BATCH), self._bank, _scrubber(request))

    def _transaction(self, _operation: str, request: Any, answer: Answer) -> Verdict[Any]:
        return outcome.transaction_state(request, _report(answer, SINGLE), _scrubber(request))

    def _batch_state(self, _operation: str, request: Any, answer: Answer) -> Verdict[Any]:
        return outcome.batch_state(request, _report(answer, BATCH), _scrubber(request))

    def _mandate(self, operation: str, request: Any, answer: Answer) -> Verdict[Any]:
        said = wire.read(answer.body, SINGLE, wire.Acceptance)
        return mandates.accepted(operation, request, said, self._bank, _scrubber(request))

    def _mandate_state(self, _operation: str, request: Any, answer: Answer) -> Verdict[Any]:
        return mandates.reported(request, wire.read(answer.body, SINGLE, wire.MandateReport), _scrubber(request))

    def _receipt(self, _operation: str, request: Any, answer: Answer) -> Verdict[Any]:
        if answer.headers.get("content-type", "").startswith("application/json"):
            status = wire.read(answer.body, SINGLE, wire.AdviceStatus).status
            open_ = Status.PDNG if status == "PREPARING" else Status.UNKN
            return Done(bank.ReceiptReply(status=open_, receipt_status=status))
        found = advice.receipt(
            advice.read(_document(answer, SINGLE, ADVICE)), answer.body, signature.stated_digest(answer.headers)
        )
        wrong = _another(request, found)
        if wrong:
            return Unknown(wrong)
        return Done(bank.ReceiptReply(status=Status.ACSC, receipt_status="READY", receipt=found))

    # -- what delivery asks for -------------------------------------------------------------------------------------

    def reply_type(self, operation: str) -> type[BaseModel]:
        """The canonical reply of an operation. Raises KeyError for one this bank does not have."""
        return TYPES[operation][1]

    def request_type(self, operation: str) -> type[BaseModel]:
        """The canonical request of an operation. Raises KeyError for one this bank does not have."""
        return TYPES[operation][0]

    def question_for(self, operation: str, request: Any) -> tuple[str, Any] | None:
        """See `questions.question_for`."""
        return questions.question_for(operation, request)

    def resolve(self, operation: str, request: Any, question_reply: Verdict[Any]) -> Verdict[Any] | None:
        """See `questions.resolve`."""
        return questions.resolve(operation, request, question_reply)

    def explain(self, operation: str, code: str) -> Meaning | None:
        """The dictionary's row for a code of this bank: unified code, texts, next action, owner; None if unseen."""
        return meaning(operation, code, self._bank)


_READERS: Final[Mapping[str, Callable[[IsoCodec, str, Any, Answer], Verdict[Any]]]] = MappingProxyType(
    {
        "SignAgreement": IsoCodec._mandate,
        "CancelAgreement": IsoCodec._mandate,
        "QueryAgreement": IsoCodec._mandate_state,
        "Withhold": IsoCodec._payment,
        "Refund": IsoCodec._payment,
        "SubmitPayoutBatch": IsoCodec._batch,
        "QueryTransaction": IsoCodec._transaction,
        "QueryPayoutBatch": IsoCodec._batch_state,
        "GetReceipt": IsoCodec._receipt,
    }
)


# -- messages -------------------------------------------------------------------------------------------------------


def _written(operation: str, request: Any, context: SendContext) -> tuple[bytes, str]:
    """Bytes and content type. Raises Unfit."""
    if operation not in initiation.ORDER_MESSAGES:
        make = mandates.MESSAGES.get(operation) or _QUESTIONS[operation]
        return wire.write(make(request, context)), JSON
    element = initiation.ORDER_MESSAGES[operation](request, initiation.Hand(context))
    bad = violation(element, ORDERS[operation], context.credentials.get(CREDENTIAL, ""))
    if bad is not None:
        raise Unfit(bad)
    body = to_bytes(element)
    if len(body) > (BATCH if operation in HEAVY else SINGLE).size:
        raise Unfit("Document")
    return body, XML


def _status_question(request: bank.QueryTransaction, context: SendContext) -> wire.Message:
    """A reversal's end-to-end number is the charge's, so it is asked for by its message alone."""
    serial = text.reference("OrgnlMsgId", request.orig_serial)
    return wire.StatusQuestion(
        msg_id=context.msgid,
        created=context.business_now,
        sender=text.reference("sender_id", context.credentials.get("sender_id", "")),
        original=serial,
        message=ORDERS[request.orig_tx_code],
        end_to_end=None if request.orig_tx_code == "Refund" else serial,
    )


def _batch_question(request: bank.QueryPayoutBatch, context: SendContext) -> wire.Message:
    return wire.StatusQuestion(
        msg_id=context.msgid,
        created=context.business_now,
        sender=text.reference("sender_id", context.credentials.get("sender_id", "")),
        original=text.reference("OrgnlMsgId", request.batch_no),
        message=ORDERS["SubmitPayoutBatch"],
    )


def _advice_question(request: bank.GetReceipt, context: SendContext) -> wire.Message:
    serial, number = request.orig_serial, request.bank_txn_no
    return wire.AdviceQuestion(
        msg_id=context.msgid,
        created=context.business_now,
        sender=text.reference("sender_id", context.credentials.get("sender_id", "")),
        end_to_end=text.reference("EndToEndId", serial) if serial else None,
        transaction=text.reference("AcctSvcrTxId", number) if number and not serial else None,
        entry=None if serial or number else text.reference("AcctSvcrRef", request.receipt_no),
    )


_QUESTIONS: Final[Mapping[str, Callable[[Any, SendContext], wire.Message]]] = MappingProxyType(
    {"QueryTransaction": _status_question, "QueryPayoutBatch": _batch_question, "GetReceipt": _advice_question}
)


def _check(answer: Answer) -> None:
    """Raises BadSignature; on a channel without keys everything passes."""
    context = answer.context
    if context is not None and context.keys is not None:
        signature.verify(
            answer.body, answer.headers, context.keys, answer.real_now, request_id=context.nonce,
            since=context.real_now,
        )  # fmt: skip


def _document(answer: Answer, limits: Limits, message: str) -> tree.View:
    """The root of the one message that may come here. Raises Unreadable, Unfit."""
    document = tree.read(answer.body, limits)
    if document.message != message:
        raise Unreadable("another message than the answer")
    credentials = {} if answer.context is None else answer.context.credentials
    bad = violation(document.element, message, credentials.get(CREDENTIAL, ""))
    if bad is not None:
        raise Unfit(bad)
    return document.root


def _report(answer: Answer, limits: Limits) -> report.Report:
    return report.read(_document(answer, limits, STATUS_REPORT))


def _another(request: bank.GetReceipt, found: bank.Receipt) -> str:
    """Why a receipt is not the one that was asked for; empty where it is."""
    pairs = (
        (request.receipt_no, found.receipt_no),
        (request.bank_txn_no, found.bank_txn_no),
        (request.orig_serial, found.orig_serial),
    )
    return "the receipt is about another payment" if any(ask and got != ask for ask, got in pairs) else ""


# -- people ---------------------------------------------------------------------------------------------------------


def scrub(said: str, request: BaseModel) -> str:
    """A bank's free text without the people of the request: banks like to repeat a name or an account number."""
    for person in _personal(request):
        hidden = person.reveal()
        if len(hidden) > 1:
            said = said.replace(hidden, str(person))
    return mask_text(said)


def _scrubber(request: BaseModel) -> Callable[[str], str]:
    return lambda said: scrub(said, request) if said else ""


def _personal(model: BaseModel) -> Iterator[Masked]:
    for _, value in model:
        if isinstance(value, Masked):
            yield value
        elif isinstance(value, BaseModel):
            yield from _personal(value)
