"""What a hospital's HIS believes happened: settlements, what credit pay brought, what a patient paid otherwise.

Filled from the answers the HIS itself received and from nothing else, so that it can be compared with the platform's
and the bank's ledgers. All amounts are fen.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

AMOUNTS = (
    "medfee_sumamt", "fund_pay_sumamt", "hifp_pay", "hifob_pay", "hifmi_pay", "cvlserv_pay", "hifes_pay", "maf_pay",
    "oth_pay", "acct_pay", "psn_cash_pay", "hosp_part_amt",
)  # fmt: skip


def fen(value: Any) -> int:
    """Yuan (decimal text or Decimal) as fen; nothing there (null, "") is 0. Raises ValueError for part of a fen."""
    if value is None or value == "":
        return 0
    amount = Decimal(str(value)) * 100
    if amount != amount.to_integral_value():
        raise ValueError("an amount with part of a fen")
    return int(amount)


@dataclass(frozen=True, slots=True)
class BookedSettlement:
    """One settlement as the platform's answer stated it. ``cancelled_by`` is the msgid of the 2208 or 2305."""

    setl_id: str
    mdtrt_id: str
    infno: str
    msgid: str
    insutype: str
    med_type: str
    setl_time: str
    amounts: Mapping[str, int]
    insuplc_admdvs: str
    cancelled_by: str = ""

    @property
    def live(self) -> bool:
        return not self.cancelled_by

    @property
    def setl_date(self) -> str:
        """``YYYY-MM-DD`` of the platform's settlement time."""
        return self.setl_time[:10]

    def payout_base(self) -> int:
        """The basic fund's part in fen: 310 hifp + hifob, 390 hifp (AMB-12)."""
        return self.amounts["hifp_pay"] + (self.amounts["hifob_pay"] if self.insutype == "310" else 0)

    def identity_gap(self) -> int:
        """medfee − fund − account − cash − hospital's part: 0 where the bill closes."""
        parts = ("fund_pay_sumamt", "acct_pay", "psn_cash_pay", "hosp_part_amt")
        return self.amounts["medfee_sumamt"] - sum(self.amounts[name] for name in parts)


@dataclass(frozen=True, slots=True)
class BookedCharge:
    """What credit pay did for one visit: from the line, topped up by the patient, paid otherwise, given back."""

    visit_id: str
    setl_id: str
    cash: int
    charged: int = 0
    topped_up: int = 0
    otherwise: int = 0
    refunded: int = 0

    @property
    def gap(self) -> int:
        """Cash part of the live settlement that nobody paid, in fen (V1); a refunded visit owes nothing."""
        return 0 if self.refunded else self.cash - self.charged - self.topped_up - self.otherwise


@dataclass(slots=True)
class Books:
    """The books of one hospital."""

    code: str
    settlements: dict[str, BookedSettlement] = field(default_factory=dict)
    charges: dict[str, BookedCharge] = field(default_factory=dict)

    def book(self, infno: str, msgid: str, setlinfo: Mapping[str, Any], insuplc_admdvs: str) -> BookedSettlement:
        """Books the ``setlinfo`` of a settlement's answer."""
        booked = BookedSettlement(
            setl_id=str(setlinfo["setl_id"]),
            mdtrt_id=str(setlinfo["mdtrt_id"]),
            infno=infno,
            msgid=msgid,
            insutype=str(setlinfo.get("insutype") or ""),
            med_type=str(setlinfo.get("med_type") or ""),
            setl_time=str(setlinfo["setl_time"]),
            amounts={name: fen(setlinfo.get(name)) for name in AMOUNTS},
            insuplc_admdvs=insuplc_admdvs,
        )
        if booked.setl_id in self.settlements:
            raise ValueError(f"setl_id {booked.setl_id} was booked before")
        self.settlements[booked.setl_id] = booked
        return booked

    def book_visit(self, infno: str, visit: Mapping[str, Any], at: str, insutype: str, area: str) -> BookedSettlement:
        """Books the ``settlement`` of a ``/v1`` visit, which shows fewer fields; ``at``: business time, ISO 8601."""
        shown = dict(visit["settlement"])
        shown |= {"mdtrt_id": visit.get("mdtrt_id", ""), "insutype": insutype}
        shown.setdefault("setl_time", at)
        return self.book(infno, str(shown.get("medins_setl_id") or ""), shown, area)

    def cancel(self, setl_id: str, msgid: str) -> None:
        self.settlements[setl_id] = replace(self.settlements[setl_id], cancelled_by=msgid)

    def charge(self, visit_id: str, setl_id: str, cash: int, **amounts: int) -> BookedCharge:
        """Books what a visit's charge came to; called again when the first word was not the last one."""
        self.charges[visit_id] = BookedCharge(visit_id, setl_id, cash, **amounts)
        return self.charges[visit_id]

    def refund(self, visit_id: str, amount: int) -> None:
        booked = self.charges[visit_id]
        self.charges[visit_id] = replace(booked, refunded=booked.refunded + amount)

    def live(self) -> Iterator[BookedSettlement]:
        return (booked for booked in self.settlements.values() if booked.live)

    def total(self, name: str) -> int:
        """Sum of an amount field over the live settlements, fen."""
        return sum(booked.amounts[name] for booked in self.live())

    def credit_net(self) -> int:
        """What the bank paid for patients and did not get back, fen."""
        return sum(charge.charged - charge.refunded for charge in self.charges.values())
