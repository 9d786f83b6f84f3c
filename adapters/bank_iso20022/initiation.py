"""Payment messages on their way out: pain.008 (withholding), pain.001 (payouts), pain.007 (refunds). Pure.

MsgId is the order's own serial, so a technical re-send keeps it, and a status question or a reversal can name the
message from the serial alone. EndToEndId is the serial or the pay_order_no. Nothing medical has an element (R-056).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from lxml import etree

from adapters.bank_iso20022 import text
from adapters.bank_iso20022.standard import CLEARING, CREDIT_TRANSFER, DIRECT_DEBIT, NOT_PROVIDED, REVERSAL
from adapters.bank_iso20022.text import NAME, Unfit
from adapters.bank_iso20022.tree import Money, Pairs, Rows, document
from gateway.delivery.declare import SendContext
from gateway.model import bank
from gateway.model.clock import SHANGHAI
from gateway.model.money import format_yuan

# ExternalReversalReason1Code; our own words for a reason are proprietary to the standard.
_REVERSAL_REASONS: Final = frozenset({"AM05", "AM09", "MD01", "MD05", "MS02", "MS03", "AC04", "TM01"})
_DOCUMENT_NO: Final = 35


class Hand:
    """Writes for one bank: who we are there, which charset its core keeps names in, what time it is."""

    def __init__(self, context: SendContext) -> None:
        said = context.credentials
        self.sender = said.get("sender_id", "")
        self.agent = said.get("agent", "")
        self.charset = said.get("charset", text.DEFAULT_CHARSET)
        self.now = context.business_now

    @property
    def today(self) -> str:
        """The business day in Asia/Shanghai."""
        return self.now.astimezone(SHANGHAI).date().isoformat()

    def header(self, msg_id: str, count: int, total_fen: int) -> Pairs:
        """GrpHdr of an order."""
        return (
            ("MsgId", text.reference("MsgId", msg_id)),
            ("CreDtTm", text.moment("CreDtTm", self.now)),
            ("NbOfTxs", str(count)),
            ("CtrlSum", format_yuan(total_fen)),
            ("InitgPty", self.initiator()),
        )

    def initiator(self) -> Pairs:
        """Ourselves, by the number the bank gave us."""
        return (("Id", organisation("sender_id", self.sender)),)

    def name(self, field: str, value: str) -> str:
        """A name in the bank's charset."""
        return text.words(field, value, NAME, self.charset)

    def party(self, account: bank.Account, more: Pairs = ()) -> Pairs:
        """A party by its name."""
        return (("Nm", self.name("Nm", account.acct_name.reveal())), *more)

    def number(self, field: str, value: str) -> str | None:
        """A document's number, None where there is none."""
        return text.words(field, value, _DOCUMENT_NO, self.charset) if value else None


def organisation(field: str, number: str, scheme: str = "") -> Pairs:
    """An organisation by a number of its own."""
    named = (("SchmeNm", (("Prtry", scheme),)),) if scheme else ()
    return (("OrgId", (("Othr", (("Id", text.reference(field, number)), *named)),)),)


def account_of(account: bank.Account) -> Pairs:
    """There is no IBAN in China: Id/Othr/Id."""
    return (("Id", _other(text.account("Id", account.acct_no.reveal()))),)


def _other(number: str) -> Pairs:
    return (("Othr", (("Id", number),)),)


def agent(bank_code: str) -> Pairs:
    """A bank branch by its twelve digits (联行号)."""
    member = (("ClrSysId", (("Cd", CLEARING),)), ("MmbId", text.cnaps("MmbId", bank_code)))
    return (("FinInstnId", (("ClrSysMmbId", member),)),)


# -- pain.008 -------------------------------------------------------------------------------------------------------


def direct_debit(request: bank.Withhold, hand: Hand) -> etree._Element:
    """One withholding under a mandate. Raises Unfit."""
    block = (
        ("PmtInfId", text.reference("PmtInfId", request.serial)),
        ("PmtMtd", "DD"),
        ("BtchBookg", "false"),
        ("NbOfTxs", "1"),
        ("CtrlSum", format_yuan(request.amount_fen)),
        ("PmtTpInf", (("SeqTp", "RCUR"),)),
        ("ReqdColltnDt", request.requested_date.isoformat()),
        ("Cdtr", hand.party(request.payee)),
        ("CdtrAcct", account_of(request.payee)),
        ("CdtrAgt", agent(request.payee.bank_code)),
        ("DrctDbtTxInf", _collected(request, hand)),
    )
    return document(DIRECT_DEBIT, (("GrpHdr", hand.header(request.serial, 1, request.amount_fen)), ("PmtInf", block)))


def _collected(request: bank.Withhold, hand: Hand) -> Pairs:
    """The debtor's account is the one behind the mandate: its number is the bank's business, not ours."""
    mandate = text.reference("MndtId", request.agreement_no)
    return (
        ("PmtId", (("InstrId", request.serial), ("EndToEndId", request.serial))),
        ("InstdAmt", Money(request.amount_fen)),
        ("DrctDbtTx", (("MndtRltdInf", (("MndtId", mandate),)),)),
        ("DbtrAgt", _own_agent(hand)),
        ("Dbtr", (("Nm", hand.name("Nm", request.payer_name.reveal())),)),
        ("DbtrAcct", (("Id", _other(NOT_PROVIDED)),)),
        ("Purp", (("Cd", text.code("Purp", request.purpose)),)),
        ("RmtInf", _bill(request, hand)),
    )


def _own_agent(hand: Hand) -> Pairs:
    return agent(hand.agent) if hand.agent else (("FinInstnId", _other(NOT_PROVIDED)),)


def _bill(request: bank.Withhold, hand: Hand) -> Pairs | None:
    bill, visit = hand.number("Nb", request.bill_no), hand.number("Ref", request.visit_no)
    if not bill and not visit:
        return None
    said = (
        ("RfrdDocInf", (("Nb", bill),) if bill else None),
        ("CdtrRefInf", (("Ref", visit),) if visit else None),
    )
    return (("Strd", said),)


# -- pain.001 -------------------------------------------------------------------------------------------------------


def credit_transfer(request: bank.SubmitPayoutBatch, hand: Hand) -> etree._Element:
    """A batch of payment orders, each booked by itself so that each has a receipt of its own. Raises Unfit.

    ReqdExctnDt is the day it is sent on: a batch leaves on its pay date, before the cut-off (R-119).
    """
    count, total = len(request.records), request.total_fen
    payer = request.payer
    block = (
        ("PmtInfId", text.reference("PmtInfId", request.serial)),
        ("PmtMtd", "TRF"),
        ("BtchBookg", "false"),
        ("NbOfTxs", str(count)),
        ("CtrlSum", format_yuan(total)),
        ("PmtTpInf", (("CtgyPurp", (("Cd", "GOVT"),)),)),
        ("ReqdExctnDt", (("Dt", hand.today),)),
        ("Dbtr", hand.party(payer)),
        ("DbtrAcct", account_of(payer)),
        ("DbtrAgt", agent(payer.bank_code)),
        ("CdtTrfTxInf", Rows([_transferred(record, request, hand) for record in request.records])),
    )
    return document(CREDIT_TRANSFER, (("GrpHdr", hand.header(request.serial, count, total)), ("PmtInf", block)))


def _transferred(record: bank.PayoutRecord, batch: bank.SubmitPayoutBatch, hand: Hand) -> Pairs:
    number = text.reference("EndToEndId", record.rec_serial)
    hospital = (("Id", organisation("OrgId", record.hospital_code, "FIXMEDINS")),)
    settled = (("Nb", batch.serial), ("RltdDt", batch.biz_date.isoformat()))
    return (
        ("PmtId", (("InstrId", number), ("EndToEndId", number))),
        ("Amt", (("InstdAmt", Money(record.amount_fen)),)),
        ("CdtrAgt", agent(record.payee.bank_code)),
        ("Cdtr", hand.party(record.payee, hospital)),
        ("CdtrAcct", account_of(record.payee)),
        ("Purp", (("Cd", text.code("Purp", record.purpose)),)),
        ("RmtInf", (("Strd", (("RfrdDocInf", settled),)),)),
    )


# -- pain.007 -------------------------------------------------------------------------------------------------------


def reversal(request: bank.Refund, hand: Hand) -> etree._Element:
    """A refund, whole or in part, of one withholding. RvslId and InstrId of its status are our serial. Raises Unfit."""
    original = text.reference("OrgnlEndToEndId", request.orig_serial)
    if request.refund_fen > request.orig_amount_fen:
        raise Unfit("RvsdInstdAmt")
    undone = (
        ("RvslId", request.serial),
        ("OrgnlInstrId", original),
        ("OrgnlEndToEndId", original),
        ("OrgnlInstdAmt", Money(request.orig_amount_fen)),
        ("RvsdInstdAmt", Money(request.refund_fen)),
        ("RvslRsnInf", (("Rsn", _reason(request.reason)),)),
    )
    header = hand.header(request.serial, 1, request.refund_fen)
    content = (
        ("GrpHdr", (*header[:4], ("GrpRvsl", "false"), *header[4:])),
        ("OrgnlGrpInf", (("OrgnlMsgId", original), ("OrgnlMsgNmId", DIRECT_DEBIT))),
        ("OrgnlPmtInfAndRvsl", (("RvslPmtInfId", request.serial), ("OrgnlPmtInfId", original), ("TxInf", undone))),
    )
    return document(REVERSAL, content)


def _reason(said: str) -> Pairs:
    if said in _REVERSAL_REASONS:
        return (("Cd", said),)
    return (("Prtry", text.reference("RvslRsnInf", said)),)


ORDER_MESSAGES: Final[Mapping[str, Callable[[Any, Hand], etree._Element]]] = MappingProxyType(
    {"Withhold": direct_debit, "SubmitPayoutBatch": credit_transfer, "Refund": reversal}
)
