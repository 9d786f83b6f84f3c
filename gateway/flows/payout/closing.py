"""The day's close: what failed without a receipt has failed for good and falls into the month (R-122, R-134)."""

from __future__ import annotations

from datetime import date, timedelta
from functools import partial
from typing import Final

from gateway.flows.house import House
from gateway.flows.payout.fetching import fetch_receipt
from gateway.flows.payout.jobs import alarm, keep_going
from gateway.flows.payout.orders import UNPROVEN, close_if_final, fail, items_of, order_of, unsettled
from gateway.flows.payout.statuses import refresh
from gateway.journal.entities import Act, Entity
from gateway.journal.store import Unit

RETURN_WATCH: Final = timedelta(days=7)  # a record may come back days after it was booked


async def close_day(house: House, agency_id: str, day: date) -> None:
    """Ask once more about everything sent up to this day, then fail what the bank refused or finally never received."""
    act = Act("job:payout.close", f"{agency_id}|{day.isoformat()}")
    open_orders = await unsettled(house, agency_id, day)
    for summary_no in sorted({order["summary_no"] for order in open_orders} | await _recent(house, agency_id, day)):
        await refresh(house, summary_no, act)
    for order in open_orders:
        await _close_order(house, order.id, act)
    for summary_no in sorted({order["summary_no"] for order in open_orders} | await _submitted(house, agency_id)):
        await close_if_final(house, summary_no, act)


async def _recent(house: House, agency_id: str, day: date) -> set[str]:
    """Summaries whose money may still come back."""
    rows = await house.journal.store.rows(
        "SELECT DISTINCT summary_no FROM payout_order WHERE pay_date BETWEEN :since AND :day AND agency = :agency "
        "AND state = 'PAID'",
        {"since": (day - RETURN_WATCH).isoformat(), "day": day.isoformat(), "agency": agency_id},
    )
    return {row["summary_no"] for row in rows}


async def _submitted(house: House, agency_id: str) -> set[str]:
    found = await house.journal.entities.find("summary", "state = 'SUBMITTED' AND agency = :agency", agency=agency_id)
    return {summary.id for summary in found}


async def _close_order(house: House, order_no: str, act: Act) -> None:
    """A failing order is asked for its receipt first: with a valid one it is paid whatever its status said (R-123)."""
    order = await order_of(house, order_no)
    if _fails(order):
        await fetch_receipt(house, order, act)
        await keep_going(partial(_fail, house, order_no, act))
    elif order.state in ("SUBMITTED", "UNKNOWN"):
        await alarm(house, "RECEIPT_MISSING", order_no, act, "receipt.ask_bank", hospital=order.hospital)


def _fails(order: Entity) -> bool:
    return order.state == "STATUS_FAIL" or (order.state == "UNKNOWN" and bool(order.get("not_found")))


async def _fail(house: House, order_no: str, act: Act) -> None:
    order = await order_of(house, order_no)
    if order.state in UNPROVEN and _fails(order):
        unit = Unit()
        fail(unit, house, order, await items_of(house, order_no), act)
        await house.journal.raise_task(
            unit, "PAYOUT_FAILED", order_no, act, suggested="payout.check_account", hospital=order.hospital
        )
        await house.journal.commit(unit)
