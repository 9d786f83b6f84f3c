"""What two persons approve: the summary rebuilt from its stored rows, its hash, and the check that everything ties."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from gateway.flows.house import House
from gateway.flows.payout.orders import items_of, orders_of
from gateway.handlers.summary import Declared, PayoutItem, PayoutSummary, build_summary, check_ties
from gateway.journal.entities import Entity
from gateway.model.masked import AccountNo


async def live_orders(house: House, summary_no: str) -> list[Entity]:
    """The orders of a summary that have not left it."""
    return [order for order in await orders_of(house, summary_no) if order.state != "CANCELLED"]


async def rebuilt(house: House, summary: Entity) -> PayoutSummary:
    """The summary as its rows say, by the same rule that built it (P4, P6)."""
    items: list[PayoutItem] = []
    for order in await live_orders(house, summary.id):
        account = AccountNo(order.sealed["payee"]["acct_no"])
        items += [as_item(item, account) for item in await items_of(house, order.id)]
    return build_summary(items, summary["agency"], date.fromisoformat(summary["biz_date"]), summary["supplement"])


def as_item(item: Entity, account: AccountNo) -> PayoutItem:
    """A stored item as the rule knows it."""
    return PayoutItem(
        settlement_key=item["settlement_key"], setl_id=item["setl_id"], fixmedins_code=item.hospital,
        account=account, insutype=item["insutype"], base_fen=item["base_fen"], ratio=Decimal(item["ratio"]),
        amount_fen=item["amount_fen"],
    )  # fmt: skip


async def differences(house: House, summary: Entity) -> tuple[str, ...]:
    """Why a summary may not be approved or sent: rows that do not tie, or a hash that is not the content's (P4, P6)."""
    content = await rebuilt(house, summary)
    stated = {
        order.id: Declared(order["item_count"], order["sum_fen"]) for order in await live_orders(house, summary.id)
    }
    faults = check_ties(content, Declared(summary["item_count"], summary["sum_fen"]), stated)
    if content.content_hash != summary["content_hash"]:
        faults = (*faults, f"summary {summary.id}: content hash")
    return faults
