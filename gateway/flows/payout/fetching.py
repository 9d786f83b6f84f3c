"""Receipts asked for, hourly: the bank pushes them, and what did not come is fetched (D.6, timetable)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Final

from gateway.delivery.delivery import Order
from gateway.flows.house import House
from gateway.flows.payout.jobs import DAY, business_day
from gateway.flows.payout.orders import unsettled
from gateway.flows.payout.outcomes import RECEIPT_INTERVAL, RECEIPTS
from gateway.flows.payout.receipts import take_receipt
from gateway.journal.agenda import Due
from gateway.journal.entities import Act, Entity
from gateway.journal.store import Unit
from gateway.model.bank import GetReceipt, ReceiptReply
from gateway.model.clock import SHANGHAI
from gateway.model.ids import new_id
from gateway.model.verdict import Done

AT_ONCE: Final = 8
HOURLY_FOR: Final = timedelta(days=7)  # after that a receipt is asked for once a day
DAILY_AT: Final = 8


async def receipts_due(house: House, due: Due) -> None:
    """Ask for the receipt of every order of an agency that has none; again in an hour while there is one."""
    act = Act("job:payout.receipts", due.subject)
    waiting = await unsettled(house, due.subject, business_day(house))
    young = [order for order in waiting if _is_young(house, order)]
    daily = not young or house.clock.now().astimezone(SHANGHAI).hour == DAILY_AT
    await fetch_all(house, waiting if daily else young, act)
    if await unsettled(house, due.subject, business_day(house)):
        unit = Unit()
        at = house.clock.now() + (RECEIPT_INTERVAL if young else DAY)
        house.journal.agenda.schedule(unit, RECEIPTS, due.subject, at)
        await house.journal.commit(unit)


def _is_young(house: House, order: Entity) -> bool:
    return date.fromisoformat(order["pay_date"]) >= business_day(house) - HOURLY_FOR


async def fetch_all(house: House, orders: Sequence[Entity], act: Act) -> None:
    """Fetch what is missing, a few at a time."""
    places = asyncio.Semaphore(AT_ONCE)

    async def one(order: Entity) -> None:
        async with places:
            await fetch_receipt(house, order, act)

    await asyncio.gather(*(one(order) for order in orders))


async def fetch_receipt(house: House, order: Entity, act: Act) -> None:
    """Ask for one order's receipt. PREPARING, NONE or no answer changes nothing."""
    bank = house.agencies[order["agency"]].bank
    serial = new_id("Q")
    request = GetReceipt(serial=serial, orig_serial=order.id)
    verdict = await house.delivery.deliver(
        Order(bank, "GetReceipt", serial, request, act.exchange_id, order.id, order.hospital)
    )
    if isinstance(verdict, Done) and isinstance(verdict.reply, ReceiptReply) and verdict.reply.receipt is not None:
        await take_receipt(house, bank, verdict.reply.receipt, act)
