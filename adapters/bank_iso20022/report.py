"""pain.002 read into values: what the bank says of a message, its block and each transaction. Judges nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from typing import Final

from adapters.bank_iso20022 import text
from adapters.bank_iso20022.standard import RETURNED
from adapters.bank_iso20022.text import Unfit
from adapters.bank_iso20022.tree import View

_REASON_TEXT: Final = partial(text.read_text, 105)
_MOST_REASONS: Final = 8


@dataclass(frozen=True, slots=True)
class Reason:
    """One StsRsnInf. ``code`` is an external code or, where ``own``, a proprietary one of this channel."""

    code: str
    own: bool
    text: str


@dataclass(frozen=True, slots=True)
class Tally:
    """NbOfTxsPerSts: how many transactions have a status, and their sum in fen where it is told."""

    status: str
    count: int
    sum_fen: int | None


@dataclass(frozen=True, slots=True)
class Transaction:
    """One TxInfAndSts; amounts in fen, ``amount_fen`` None where the bank told none."""

    end_to_end: str
    instruction: str
    status: str
    reasons: tuple[Reason, ...]
    amount_fen: int | None
    booking_date: date | None
    bank_txn_no: str

    @property
    def code(self) -> str:
        """The first external reason, else the first reason; empty where none is given."""
        return _first(self.reasons)

    @property
    def text(self) -> str:
        """What the bank adds in words to its reasons; a moment it returned money at is no word."""
        return "；".join(reason.text for reason in self.reasons if reason.text and not reason.own)

    def marked(self, own: str) -> Reason | None:
        """The proprietary reason of a name, if it is there."""
        return next((reason for reason in self.reasons if reason.own and reason.code == own), None)

    @property
    def returned_at(self) -> datetime | None:
        """When a settled transfer came back. Raises Unfit where the bank says so without a moment."""
        found = self.marked(RETURNED)
        return None if found is None else text.read_moment("AddtlInf", found.text)


@dataclass(frozen=True, slots=True)
class Report:
    """A whole pain.002 about one message of one block."""

    msg_id: str
    created: datetime
    original: str
    message: str
    status: str
    reasons: tuple[Reason, ...]
    count: int | None
    sum_fen: int | None
    tallies: tuple[Tally, ...]
    block: str
    transactions: tuple[Transaction, ...]

    @property
    def code(self) -> str:
        """The reason given for the whole message."""
        return _first(self.reasons)

    @property
    def text(self) -> str:
        """What the bank adds in words to it."""
        return "；".join(reason.text for reason in self.reasons if reason.text)


def _first(reasons: tuple[Reason, ...]) -> str:
    external = (reason.code for reason in reasons if not reason.own)
    return next(external, reasons[0].code if reasons else "")


def read(root: View) -> Report:
    """The values of a CstmrPmtStsRpt. Raises Unfit naming the element that is missing, doubled or wrong."""
    group = root.one("OrgnlGrpInfAndSts")
    blocks = list(root.each("OrgnlPmtInfAndSts"))
    if len(blocks) > 1:  # an order of ours has one block
        raise Unfit("OrgnlPmtInfAndSts")
    block = blocks[0] if blocks else None
    return Report(
        msg_id=root.text("GrpHdr/MsgId", text.read_id),
        created=root.text("GrpHdr/CreDtTm", text.read_moment),
        original=group.text("OrgnlMsgId", text.read_id),
        message=group.text("OrgnlMsgNmId", text.read_id),
        status=_one_status(group, block),
        reasons=(*_reasons(group), *(() if block is None else _reasons(block))),
        count=_counted(group, block),
        sum_fen=_summed(group, block),
        tallies=tuple(_tallies(group)) or (() if block is None else tuple(_tallies(block))),
        block="" if block is None else block.text("OrgnlPmtInfId", text.read_id),
        transactions=() if block is None else tuple(_transaction(one) for one in block.each("TxInfAndSts")),
    )


def _one_status(group: View, block: View | None) -> str:
    """The status of the message; its only block has the same one, or one of the two says nothing."""
    said = group.option("GrpSts", text.code, "")
    of_block = "" if block is None else block.option("PmtInfSts", text.code, "")
    if said and of_block and said != of_block:
        raise Unfit("PmtInfSts")
    return said or of_block


def _counted(group: View, block: View | None) -> int | None:
    found = group.option("OrgnlNbOfTxs", text.read_count, None)
    if found is None and block is not None:
        return block.option("OrgnlNbOfTxs", text.read_count, None)
    return found


def _summed(group: View, block: View | None) -> int | None:
    found = group.option("OrgnlCtrlSum", text.read_sum, None)
    if found is None and block is not None:
        return block.option("OrgnlCtrlSum", text.read_sum, None)
    return found


def _tallies(place: View) -> Iterator[Tally]:
    for one in place.each("NbOfTxsPerSts"):
        yield Tally(
            one.text("DtldSts", text.code),
            one.text("DtldNbOfTxs", text.read_count),
            one.option("DtldCtrlSum", text.read_sum, None),
        )


def _reasons(place: View) -> Iterator[Reason]:
    for number, one in enumerate(place.each("StsRsnInf")):
        if number == _MOST_REASONS:
            raise Unfit("StsRsnInf")
        words = "".join(more.value(_REASON_TEXT) for more in one.each("AddtlInf"))
        external = one.option("Rsn/Cd", text.code, "")
        own = "" if external else one.option("Rsn/Prtry", text.read_id, "")
        yield Reason(external or own, bool(own), words)


def _transaction(one: View) -> Transaction:
    terms = one.maybe("OrgnlTxRef")
    return Transaction(
        end_to_end=one.option("OrgnlEndToEndId", text.read_id, ""),
        instruction=one.option("OrgnlInstrId", text.read_id, ""),
        status=one.option("TxSts", text.code, ""),
        reasons=tuple(_reasons(one)),
        amount_fen=_amount(terms),
        booking_date=None if terms is None else _day(terms),
        bank_txn_no=one.option("AcctSvcrRef", text.read_id, ""),
    )


def _amount(terms: View | None) -> int | None:
    if terms is None or terms.maybe("Amt") is None:
        return None
    return terms.money("Amt/InstdAmt")


def _day(terms: View) -> date | None:
    return terms.option("IntrBkSttlmDt", text.read_day, None)
