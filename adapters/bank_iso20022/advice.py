"""camt.054 read into canonical words: a booked payout is an e-receipt, everything else is a notice. Judges nothing.

One notification of one entry of one transaction is one message of this channel (contract, chapter 6); a repetition is
the same bytes, which are kept as the receipt's file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from functools import partial
from types import MappingProxyType
from typing import Final

from adapters.bank_iso20022 import text
from adapters.bank_iso20022.standard import CLEARING, CURRENCY
from adapters.bank_iso20022.text import Unfit
from adapters.bank_iso20022.tree import View
from gateway.model import bank
from gateway.model.bank import BankStatus as Status
from gateway.model.clock import SHANGHAI
from gateway.model.masked import AccountNo, PersonName, mask_text

PAYOUT: Final = "PAYOUT"
_NAME: Final = partial(text.read_text, text.NAME)
_LONG: Final = partial(text.read_text, 500)
_CCY: Final = partial(text.read_text, 3)
# Which entry is which event: direction, reversal, bank transaction code (contract, chapter 6).
_EVENTS: Final[Mapping[tuple[str, bool, str], str]] = MappingProxyType(
    {
        ("DBIT", False, "PMNT/ICDT/DMCT"): PAYOUT,
        ("CRDT", False, "PMNT/ICDT/RRTN"): "PAYOUT_RETURN",
        ("CRDT", False, "PMNT/IDDT/PMDD"): "WITHHOLD",
        ("DBIT", True, "PMNT/IDDT/PRDD"): "REFUND",
        ("CRDT", False, "LDAS/CSLN/PPAY"): "REPAYMENT",
    }
)
_CHANNELS: Final = frozenset({"UNIONPAY", "WECHAT", "ALIPAY", "COUNTER"})
_STATUS: Final[Mapping[str, Status]] = MappingProxyType({"BOOK": Status.ACSC, "PDNG": Status.PDNG})


@dataclass(frozen=True, slots=True)
class Advice:
    """One entry: its views, and what every event needs of it. ``amount_fen`` is the entry's, and the transaction's."""

    msg_id: str
    notice_id: str
    created: datetime
    account: View
    entry: View
    details: View
    event: str
    status: Status
    amount_fen: int
    currency: str
    booking_date: date
    booked_at: datetime

    @property
    def references(self) -> View:
        """Refs of the transaction. Raises Unfit where there are none."""
        return self.details.one("Refs")


def read(root: View) -> Advice:
    """The values of a BkToCstmrDbtCdtNtfctn. Raises Unfit naming the element that is missing, doubled or wrong."""
    notice = root.one("Ntfctn")
    entry = notice.one("Ntry")
    details = entry.one("NtryDtls/TxDtls")
    amount, currency = _amount(entry)
    if details.maybe("Amt") is not None and _amount(details) != (amount, currency):
        raise Unfit("Amt")
    day, moment = _booked(entry, details)
    return Advice(
        msg_id=root.text("GrpHdr/MsgId", text.read_id),
        notice_id=notice.text("Id", text.read_id),
        created=root.text("GrpHdr/CreDtTm", text.read_moment),
        account=notice.one("Acct"),
        entry=entry,
        details=details,
        event=_event(entry),
        status=_status(entry),
        amount_fen=amount,
        currency=currency,
        booking_date=day,
        booked_at=moment,
    )


def _amount(place: View) -> tuple[int, str]:
    """Fen, and the currency they are said to be: a receipt in another one is a person's business, not ours."""
    found = place.one("Amt")
    currency = _CCY("Ccy", found.element.get("Ccy") or "")
    if not currency:
        raise Unfit("Ccy")
    return found.value(text.read_fen), currency


def _event(entry: View) -> str:
    kind = entry.one("BkTxCd/Domn")
    codes = (kind.text(path, text.code) for path in ("Cd", "Fmly/Cd", "Fmly/SubFmlyCd"))
    back = entry.option("RvslInd", _flag, default=False)
    found = _EVENTS.get((entry.text("CdtDbtInd", text.code), back, "/".join(codes)))
    if found is None:
        raise Unfit("BkTxCd")
    return found


def _flag(field: str, said: str) -> bool:
    if said not in ("true", "false", "1", "0"):
        raise Unfit(field)
    return said in ("true", "1")


def _status(entry: View) -> Status:
    found = _STATUS.get(entry.text("Sts/Cd", text.code))
    if found is None:
        raise Unfit("Sts")
    return found


def _booked(entry: View, details: View) -> tuple[date, datetime]:
    """The booking date of the bank's day, and when it happened: from the day switch on the date is the next day's."""
    day = entry.text("BookgDt/Dt", text.read_day)
    moment = details.option("RltdDts/TxDtTm", text.read_moment, None)
    return day, moment or datetime.combine(day, time.min, SHANGHAI)


# -- e-receipts -----------------------------------------------------------------------------------------------------


def receipt(advice: Advice, raw: bytes, stated: str) -> bank.Receipt:
    """The e-receipt of a booked payout; ``stated`` is the SHA-256 its message came with. Raises Unfit.

    The bytes prove themselves by that digest; the amount in words is no part of the standard and stays empty.
    """
    if advice.event != PAYOUT or advice.status is not Status.ACSC:
        raise Unfit("BkTxCd")
    details, references = advice.details, advice.references
    return bank.Receipt(
        receipt_no=advice.entry.text("AcctSvcrRef", text.read_id),
        orig_serial=references.text("EndToEndId", text.read_id),
        bank_txn_no=references.text("AcctSvcrRef", text.read_id),
        biz_type=PAYOUT,
        payer=_own_account(advice.account),
        payee=_payee(details),
        currency=advice.currency,
        amount_fen=advice.amount_fen,
        amount_in_words="",
        txn_time=advice.booked_at,
        booking_date=advice.booking_date,
        summary=mask_text(advice.entry.option("AddtlNtryInf", _LONG, "")),
        purpose=details.option("Purp/Cd", text.code, ""),
        format="XML",
        content=raw,
        sha256=stated,
    )


def _own_account(place: View) -> bank.Account:
    """The account the advice is about: the payer's of a payout."""
    agent = place.one("Svcr/FinInstnId")
    return bank.Account(
        acct_no=_number(place),
        acct_name=PersonName(place.text("Ownr/Nm", _NAME)),
        bank_code=_branch(agent),
        bank_name=agent.option("Nm", _NAME, ""),
    )


def _payee(details: View) -> bank.Account:
    parties, agent = details.one("RltdPties"), details.one("RltdAgts/CdtrAgt/FinInstnId")
    return bank.Account(
        acct_no=_number(parties.one("CdtrAcct")),
        acct_name=PersonName(parties.text("Cdtr/Pty/Nm", _NAME)),
        bank_code=_branch(agent),
        bank_name=agent.option("Nm", _NAME, ""),
    )


def _number(account: View) -> AccountNo:
    return AccountNo(account.text("Id/Othr/Id", partial(text.read_text, 34)))


def _branch(agent: View) -> str:
    member = agent.one("ClrSysMmbId")
    if member.text("ClrSysId/Cd", text.read_id) != CLEARING:
        raise Unfit("ClrSysId")
    return text.cnaps("MmbId", member.text("MmbId", text.read_id))


# -- notices --------------------------------------------------------------------------------------------------------


def notice(advice: Advice) -> bank.NotifyTransaction:
    """The event of an entry that is no receipt. Raises Unfit for what the event cannot do without."""
    if advice.currency != CURRENCY:
        raise Unfit("Ccy")
    references = advice.references
    back = advice.event == "PAYOUT_RETURN"
    event = "PAYOUT_RECORD" if advice.event == PAYOUT else advice.event
    return bank.NotifyTransaction(
        msg_id=advice.msg_id,
        notify_no=advice.notice_id,
        event_type=event,
        orig_serial=_serial(event, references),
        batch_no=references.text("PmtInfId", text.read_id) if event.startswith(PAYOUT) else "",
        agreement_no=_mandate(event, references),
        bank_txn_no=references.text("AcctSvcrRef", text.read_id),
        status=Status.RVSD if back else advice.status,
        reason_code=advice.details.option("RtrInf/Rsn/Cd", text.code, "") if back else "",
        channel=_channel(advice) if event == "REPAYMENT" else "",
        channel_serial=references.text("TxId", text.read_id) if event == "REPAYMENT" else "",
        amount_fen=advice.amount_fen,
        booking_date=advice.booking_date,
        occurred_at=advice.booked_at,
    )


def _serial(event: str, references: View) -> str:
    """Our own number: of a refund it is the RvslId, since the end-to-end number there is the charge's."""
    if event == "REPAYMENT":
        return ""
    return references.text("InstrId" if event == "REFUND" else "EndToEndId", text.read_id)


def _mandate(event: str, references: View) -> str:
    if event == "REPAYMENT":
        return references.text("MndtId", text.read_id)
    return references.option("MndtId", text.read_id, "")


def _channel(advice: Advice) -> str:
    said = advice.entry.text("TechInptChanl/Prtry", text.read_id)
    if said not in _CHANNELS:
        raise Unfit("TechInptChanl")
    return said
