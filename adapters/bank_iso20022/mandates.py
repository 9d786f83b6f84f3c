"""Agreements: canonical requests as JSON mandate messages, their answers as verdicts. Nothing medical, no grade.

The ISO set of this bank has no pain.009 to pain.012, so this exchange is the bank's own (contract, chapter 5).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from adapters.bank_iso20022 import text, wire
from adapters.bank_iso20022.initiation import Hand
from adapters.bank_iso20022.outcome import Scrub, rejected
from gateway.delivery.declare import SendContext
from gateway.model import bank
from gateway.model.bank import BankStatus as Status
from gateway.model.verdict import Accepted, Done, Unknown, Verdict

# A mandate's state says what became of the operation; SUSP is a mandate that was signed.
STATUS: Final[Mapping[str, Status]] = MappingProxyType(
    {
        "ACTV": Status.ACSC,
        "SUSP": Status.ACSC,
        "PDNG": Status.PDNG,
        "RJCT": Status.RJCT,
        "CANC": Status.CANC,
        "EXPI": Status.CANC,
    }
)


# -- out ------------------------------------------------------------------------------------------------------------


def initiation(request: bank.SignAgreement, context: SendContext) -> wire.Message:
    """MndtInitnReq. Raises Unfit."""
    hand = Hand(context)
    payer = request.payer
    number = payer.acct_no.reveal()
    if number:
        text.account("Acct", number)
    hand.name("Nm", payer.acct_name.reveal())
    return wire.Initiation(
        msg_id=context.msgid,
        created=context.business_now,
        sender=text.reference("sender_id", hand.sender),
        request_id=text.reference("MndtReqId", request.serial),
        kind=request.agreement_type,
        funding=request.funding,
        debtor=wire.Debtor(
            name=payer.acct_name,
            id_type=request.id_type,
            id_no=request.id_no,
            mobile=request.mobile or None,
            account=payer.acct_no or None,
        ),
        creditor=text.reference("CdtrSchmeId", request.payee_id),
        valid_from=request.valid_from,
        valid_to=request.valid_to,
        cap_fen=request.limit_cap_fen,
        pending=request.pending_agreement_no or None,
        code=request.sms_token or None,
        commitment=request.commitment_digest or None,
    )


def cancellation(request: bank.CancelAgreement, context: SendContext) -> wire.Message:
    """MndtCxlReq. Raises Unfit."""
    return wire.Cancellation(
        msg_id=context.msgid,
        created=context.business_now,
        sender=text.reference("sender_id", Hand(context).sender),
        request_id=text.reference("CxlReqId", request.serial),
        mandate=text.reference("MndtId", request.agreement_no),
        reason=text.code("Rsn", request.reason),
    )


def question(request: bank.QueryAgreement, context: SendContext) -> wire.Message:
    """MndtStsReq, by the mandate's number or by the serial of its signing. Raises Unfit."""
    number, serial = request.agreement_no, request.sign_serial
    return wire.MandateQuestion(
        msg_id=context.msgid,
        created=context.business_now,
        sender=text.reference("sender_id", Hand(context).sender),
        mandate=text.reference("MndtId", number) if number else None,
        request_id=None if number else text.reference("MndtReqId", serial),
    )


MESSAGES: Final[Mapping[str, Callable[[Any, SendContext], wire.Message]]] = MappingProxyType(
    {"SignAgreement": initiation, "CancelAgreement": cancellation, "QueryAgreement": question}
)


# -- back -----------------------------------------------------------------------------------------------------------


def accepted(operation: str, request: Any, said: wire.Acceptance, bank_id: str, scrub: Scrub) -> Verdict[Any]:
    """The verdict of a signing or of its end."""
    if said.request_id != request.serial:
        return Unknown("the answer is about another request")
    reply = _reply(said, scrub).model_copy(update={"duplicate": said.duplicate})
    if said.status == "RJCT":
        return rejected(operation, reply, bank_id)
    if operation == "CancelAgreement":
        return Done(reply) if said.status == "CANC" else Unknown(f"mandate status {said.status}")
    if said.status == "PDNG":
        return Accepted(reply)
    if said.status in ("ACTV", "SUSP"):
        return Done(reply) if said.mandate and said.line else Unknown("a mandate without its number or line")
    return Unknown(f"mandate status {said.status}")


def reported(request: bank.QueryAgreement, said: wire.MandateReport, scrub: Scrub) -> Verdict[Any]:
    """How a mandate stands. The report repeats what was asked for, also when the bank knows nothing of it."""
    asked, told = (
        (request.agreement_no, said.mandate) if request.agreement_no else (request.sign_serial, said.request_id)
    )
    if told != asked:
        return Unknown("the answer is about another mandate")
    if not said.found:
        return Done(bank.AgreementReply(status=Status.UNKN, found=False, bank_time=said.created))
    if said.status is None:
        return Unknown("found without a status")
    return Done(_reply(said, scrub))


def _reply(said: wire.Acceptance | wire.MandateReport, scrub: Scrub) -> bank.AgreementReply:
    line, reason = said.line, said.reason
    status = said.status or ""
    return bank.AgreementReply(
        status=STATUS.get(status, Status.UNKN),
        reason_code="" if reason is None else reason.code,
        reason_text="" if reason is None else scrub(reason.text),
        bank_time=said.created,
        agreement_no=said.mandate or "",
        agreement_status=status,
        credit_limit_fen=0 if line is None else line.limit_fen,
        used_fen=0 if line is None else line.used_fen or 0,
        held_fen=0 if line is None else line.held_fen or 0,
        credit_available_fen=None if line is None else line.available_fen,
        free_days=None if line is None else line.free_days,
        valid_to=None if line is None else line.valid_to,
        need_sms=said.needs_code,
    )
