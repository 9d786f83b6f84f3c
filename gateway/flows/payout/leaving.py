"""A claim leaves before its payout is sent: cancelled, contradicted, or no longer reconciled (D.6, P6).

The summary starts again as BUILT in its next edition, its approvals are void. After the sending nothing leaves: the
money comes back through the month's formula (AMB-24).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from functools import partial
from typing import Any, Final

from gateway.flows.house import House
from gateway.flows.payout.claims import mark_ready
from gateway.flows.payout.content import as_item
from gateway.flows.payout.jobs import keep_going
from gateway.flows.payout.orders import close_if_final, items_of, orders_of, summary_of
from gateway.handlers.summary import PayoutItem, build_summary
from gateway.journal.entities import Act, Entity
from gateway.journal.store import Unit
from gateway.model.masked import AccountNo

_OPEN: Final = frozenset({"BUILT", "PREPARED", "APPROVED", "DEFERRED"})
_REASON: Final = "结算记录已撤销或不再对平"


async def on_claim_changed(house: House, claim: Entity, act: Act) -> None:
    """What a flow calls after it cancelled or contradicted a claim: its day is looked at again, its item leaves."""
    unit = Unit()
    mark_ready(unit, house, claim["pool_area"], claim["setl_date"], claim.hospital)
    await house.journal.commit(unit)
    if claim["settlement_key"] is None:
        return
    item = await house.journal.entities.first("payout_item", "settlement_key = :key", key=claim["settlement_key"])
    if item is not None and item.state == "IN_SUMMARY":
        await sweep(house, item["summary_no"], act)


async def sweep(house: House, summary_no: str, act: Act) -> Entity:
    """The summary without the claims that may not be paid any more. Raises Refusal NOT_FOUND."""
    return await keep_going(partial(_sweep, house, summary_no, act))


async def _sweep(house: House, summary_no: str, act: Act) -> Entity:
    summary = await summary_of(house, summary_no)
    gone = await _gone(house, summary_no)
    if not gone:
        return summary
    unit = Unit()
    if summary.state in _OPEN:
        await _shrink(unit, house, summary, gone, act)
    else:
        await _drop_orders(unit, house, summary, gone, act)
    await house.journal.commit(unit)
    await close_if_final(house, summary_no, act)
    return await summary_of(house, summary_no)


async def _gone(house: House, summary_no: str) -> list[Entity]:
    """Unsent items whose claim is not payable any more."""
    rows = await house.journal.store.rows(
        "SELECT i.* FROM payout_order o JOIN payout_item i ON i.pay_order_no = o.id "
        "JOIN claim c ON c.settlement_key = i.settlement_key "
        "WHERE o.summary_no = :no AND o.state = 'IN_SUMMARY' AND i.state = 'IN_SUMMARY' "
        "AND (c.state <> 'RECONCILED' OR c.conflict <> 0)",
        {"no": summary_no},
    )
    return [house.journal.entities.read("payout_item", row) for row in rows]


def _leave(unit: Unit, house: House, item: Entity, act: Act, reason: str = _REASON) -> None:
    """Add that an item leaves; the store refuses it when the key was ever sent (P1)."""
    house.journal.entities.move(unit, item, "claim_left", act, data={"reason": reason})
    unit.run(
        "DELETE FROM payout_key WHERE settlement_key = :key AND ever_sent = 0",
        {"key": item["settlement_key"]},
        guard="P1",
    )


async def _shrink(unit: Unit, house: House, summary: Entity, gone: Sequence[Entity], act: Act) -> None:
    """Add the next edition of a summary: items out, orders resized or cancelled, hash anew, approvals void."""
    leaving = {item.id for item in gone}
    for item in gone:
        _leave(unit, house, item, act)
    left: list[PayoutItem] = []
    for order in await orders_of(house, summary.id):
        if order.state != "IN_SUMMARY":
            continue
        items = await items_of(house, order.id)
        kept = [item for item in items if item.id not in leaving]
        left += _as_items(order, kept)
        if len(kept) < len(items):
            columns = {"item_count": len(kept), "sum_fen": sum(item["amount_fen"] for item in kept)}
            house.journal.entities.move(unit, order, "resized" if kept else "claim_left", act, columns=columns)
    void = {"prepared_by": None, "approved_by": None, "prepared_in": None, "approved_in": None}
    moved = _next_edition(unit, house, summary, left, "claim_left", act, void)
    if not left:
        house.journal.entities.move(unit, moved, "emptied", act)


def _as_items(order: Entity, items: Sequence[Entity]) -> list[PayoutItem]:
    account = AccountNo(order.sealed["payee"]["acct_no"])
    return [as_item(item, account) for item in items]


def _next_edition(
    unit: Unit,
    house: House,
    summary: Entity,
    left: Sequence[PayoutItem],
    event: str,
    act: Act,
    data: Mapping[str, Any],
) -> Entity:
    biz_date = date.fromisoformat(summary["biz_date"])
    content = build_summary(left, summary["agency"], biz_date, summary["supplement"])
    columns = {
        "edition": summary["edition"] + 1, "content_hash": content.content_hash,
        "item_count": content.item_count, "sum_fen": content.sum_fen,
    }  # fmt: skip
    return house.journal.entities.move(unit, summary, event, act, columns=columns, data=data)


async def _drop_orders(unit: Unit, house: House, summary: Entity, gone: Sequence[Entity], act: Act) -> None:
    """In a summary that was sent in part nobody approves again: an unsent order that changed leaves as a whole.

    Its other claims are looked at again and enter a supplementary summary.
    """
    dropped = {item["pay_order_no"] for item in gone}
    left: list[PayoutItem] = []
    for order in await orders_of(house, summary.id):
        items = await items_of(house, order.id)
        if order.id not in dropped:
            left += _as_items(order, items)
            continue
        for item in items:
            _leave(unit, house, item, act)
        house.journal.entities.move(unit, order, "claim_left", act, columns={"item_count": 0, "sum_fen": 0})
        mark_ready(unit, house, house.agencies[summary["agency"]].pool_area, summary["biz_date"], order.hospital)
    _next_edition(unit, house, summary, left, "order_left", act, {})
