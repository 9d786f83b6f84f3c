"""camt.054, one entry each: booked payouts (their receipts), returns, deferred withholdings, refunds, repayments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from simulators.bank.iso.documents import ADVICE, Elements, Fen, document
from simulators.bank.rows import Account, Pairs

CODES = {
    "PAYOUT": ("DBIT", False, "PMNT", "ICDT", "DMCT"),
    "PAYOUT_RETURN": ("CRDT", False, "PMNT", "ICDT", "RRTN"),
    "WITHHOLD": ("CRDT", False, "PMNT", "IDDT", "PMDD"),
    "REFUND": ("DBIT", True, "PMNT", "IDDT", "PRDD"),
    "REPAYMENT": ("CRDT", False, "LDAS", "CSLN", "PPAY"),
}
"""Direction, reversal indicator and bank transaction code of each event (domain, family, sub-family)."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry on ``account``. ``number`` is the entry's own; ``references`` are Refs in the standard's order."""

    kind: str
    number: str
    account: Account
    amount_fen: int
    booking_date: str
    moment: str
    references: Elements
    parties: Elements = ()
    agents: Elements = ()
    purpose: str = ""
    reason: str = ""
    channel: str = ""
    text: str = ""


def advice(msg_id: str, entry: Entry) -> bytes:
    """The same bytes whenever it is made of the same entry: a repetition is a copy."""
    notice = [
        ("Id", entry.number),
        ("CreDtTm", entry.moment),
        ("Acct", own_account(entry.account)),
        ("Ntry", elements(entry)),
    ]
    return document(ADVICE, [("GrpHdr", [("MsgId", msg_id), ("CreDtTm", entry.moment)]), ("Ntfctn", notice)])


def elements(entry: Entry) -> Elements:
    """Ntry, as a camt.053 has it too."""
    direction, back, domain, family, code = CODES[entry.kind]
    details = [
        ("Refs", entry.references),
        ("Amt", Fen(entry.amount_fen)),
        ("CdtDbtInd", direction),
        ("RltdPties", entry.parties or None),
        ("RltdAgts", entry.agents or None),
        ("Purp", [("Cd", entry.purpose)] if entry.purpose else None),
        ("RltdDts", [("TxDtTm", entry.moment)]),
        ("RtrInf", [("Rsn", [("Cd", entry.reason)])] if entry.reason else None),
    ]
    return [
        ("Amt", Fen(entry.amount_fen)),
        ("CdtDbtInd", direction),
        ("RvslInd", "true" if back else None),
        ("Sts", [("Cd", "BOOK")]),
        ("BookgDt", [("Dt", entry.booking_date)]),
        ("ValDt", [("Dt", entry.booking_date)]),
        ("AcctSvcrRef", entry.number),
        ("BkTxCd", [("Domn", [("Cd", domain), ("Fmly", [("Cd", family), ("SubFmlyCd", code)])])]),
        ("TechInptChanl", [("Prtry", entry.channel)] if entry.channel else None),
        ("NtryDtls", [("TxDtls", details)]),
        ("AddtlNtryInf", entry.text),
    ]


def own_account(account: Account) -> Elements:
    """The account an advice or a statement is about."""
    return [
        ("Id", [("Othr", [("Id", account.acct_no)])]),
        ("Ccy", "CNY"),
        ("Ownr", [("Nm", account.acct_name)]),
        ("Svcr", agent(account.bank_code, account.bank_name)),
    ]


def agent(code: str, name: str) -> Elements:
    """A branch of a bank by its twelve digits (联行号)."""
    member = [("ClrSysId", [("Cd", "CNAPS")]), ("MmbId", code)]
    return [("FinInstnId", [("ClrSysMmbId", member), ("Nm", name)])]


def party(name: str, account_name: str, account_no: str) -> Elements:
    """``Dbtr`` or ``Cdtr`` of RltdPties with its account."""
    return [
        (name, [("Pty", [("Nm", account_name)])]),
        (f"{name}Acct", [("Id", [("Othr", [("Id", account_no)])])]),
    ]


def receipt(pairs: Pairs, batch_no: str) -> bytes:
    """The e-receipt of a booked payout record, of the fields every receipt of this bank has."""
    told: dict[str, Any] = dict(pairs)
    payer, payee = dict(told["Payer"]), dict(told["Payee"])
    serial = told["OrigSerial"]
    entry = Entry(
        kind="PAYOUT",
        number=told["ReceiptNo"],
        account=_own(payer),
        amount_fen=told["AmountFen"],
        booking_date=told["BookingDate"],
        moment=told["TxnTime"],
        references=[
            ("AcctSvcrRef", told["BankTxnNo"]),
            ("PmtInfId", batch_no),
            ("InstrId", serial),
            ("EndToEndId", serial),
        ],
        parties=party("Cdtr", payee["AcctName"], payee["AcctNo"]),
        agents=[("CdtrAgt", agent(payee["BankCode"], payee["BankName"]))],
        purpose="GOVI",
        text=told["Summary"],
    )
    return advice(told["ReceiptNo"], entry)


def _own(account: dict[str, str]) -> Account:
    code, name = account["BankCode"], account["BankName"]
    return Account(account["AcctNo"], account["AcctName"], code, name, kind="AGENCY", owner="")
