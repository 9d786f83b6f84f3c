"""The payout summary of a settlement date: one order per hospital and account (R-117, AMB-22, AMB-23).

Every number is derived from content, so the same summary has the same numbers on any machine, also after a restore.
The content hash leaves the pay date out: a deferred summary keeps its approvals (P6, D.6).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from itertools import groupby

from gateway.model.ids import derive_number
from gateway.model.masked import AccountNo


@dataclass(frozen=True, slots=True)
class PayoutItem:
    """One claim's share in an order, amounts in fen; `settlement_key` identifies it for ever (P1)."""

    settlement_key: str
    setl_id: str
    fixmedins_code: str
    account: AccountNo
    insutype: str
    base_fen: int
    ratio: Decimal
    amount_fen: int

    @property
    def payout_item_id(self) -> str:
        """The item's number, derived from its settlement key."""
        return derive_number("I", self.settlement_key)


@dataclass(frozen=True, slots=True)
class PayoutOrder:
    """One bank instruction: all its items share its fate."""

    pay_order_no: str
    fixmedins_code: str
    account: AccountNo
    items: tuple[PayoutItem, ...]

    @property
    def item_count(self) -> int:
        """Number of items."""
        return len(self.items)

    @property
    def sum_fen(self) -> int:
        """Sum of the rounded items: never the rounded sum (R-116)."""
        return sum(item.amount_fen for item in self.items)


@dataclass(frozen=True, slots=True)
class PayoutSummary:
    """The summary of an agency's settlement date; `supplement` counts those built after the regular one (0)."""

    summary_no: str
    batch_no: str
    agency: str
    biz_date: date
    supplement: int
    orders: tuple[PayoutOrder, ...]

    @property
    def item_count(self) -> int:
        """Number of items over all orders (NbOfTxs)."""
        return sum(order.item_count for order in self.orders)

    @property
    def sum_fen(self) -> int:
        """Sum over all orders (CtrlSum), in fen."""
        return sum(order.sum_fen for order in self.orders)

    @property
    def content_hash(self) -> str:
        """SHA-256 of everything two persons approve: numbers, accounts, items, bases, ratios, amounts; no pay date."""
        orders = [
            [order.pay_order_no, order.fixmedins_code, order.account.reveal(), [_row(item) for item in order.items]]
            for order in self.orders
        ]
        content = [self.summary_no, self.agency, self.biz_date.isoformat(), self.supplement, orders]
        return hashlib.sha256(json.dumps(content, separators=(",", ":")).encode()).hexdigest()


def _row(item: PayoutItem) -> list[str | int]:
    return [item.settlement_key, item.insutype, item.base_fen, str(item.ratio.normalize()), item.amount_fen]


def pay_order_no(agency: str, biz_date: date, supplement: int, fixmedins_code: str, account: AccountNo) -> str:
    """Return the order's number: agency, settlement date, supplement, hospital and account (D.6)."""
    return derive_number("P", agency, biz_date, supplement, fixmedins_code, account.reveal())


def build_summary(items: Iterable[PayoutItem], agency: str, biz_date: date, supplement: int = 0) -> PayoutSummary:
    """Group items into orders, sorted. Raises ValueError for a settlement key that comes twice (P1)."""
    ordered = sorted(items, key=lambda item: (item.fixmedins_code, item.account.reveal(), item.settlement_key))
    if len({item.settlement_key for item in ordered}) != len(ordered):
        raise ValueError("a settlement key comes twice in one summary")
    if any(item.amount_fen <= 0 for item in ordered):
        raise ValueError("an item of an order has a positive amount")
    orders = tuple(
        PayoutOrder(pay_order_no(agency, biz_date, supplement, code, account), code, account, tuple(group))
        for (code, account), group in groupby(ordered, key=lambda item: (item.fixmedins_code, item.account))
    )
    return PayoutSummary(
        derive_number("S", agency, biz_date, supplement),
        derive_number("B", agency, biz_date, supplement),
        agency,
        biz_date,
        supplement,
        orders,
    )


@dataclass(frozen=True, slots=True)
class Declared:
    """Count and sum in fen that somebody states for an order or a summary (a stored row, a bank's answer, a push)."""

    item_count: int
    sum_fen: int


def check_ties(summary: PayoutSummary, stated: Declared, orders: dict[str, Declared]) -> tuple[str, ...]:
    """Return a line per level that does not tie: items = orders = summary in sum and count (P4); empty if all do."""
    faults = []
    if (summary.item_count, summary.sum_fen) != (stated.item_count, stated.sum_fen):
        faults.append(f"summary {summary.summary_no}: {summary.sum_fen - stated.sum_fen} fen")
    by_no = {order.pay_order_no: order for order in summary.orders}
    for number in sorted(set(by_no) | set(orders)):
        mine, theirs = by_no.get(number), orders.get(number)
        if mine is None or theirs is None:
            faults.append(f"order {number}: missing on one side")
        elif (mine.item_count, mine.sum_fen) != (theirs.item_count, theirs.sum_fen):
            faults.append(f"order {number}: {mine.sum_fen - theirs.sum_fen} fen")
    return tuple(faults)
