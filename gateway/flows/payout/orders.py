"""Orders with their items: one fate, moved together, and what becomes of the summary when all are final."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Final, NamedTuple

from gateway.flows import callbacks
from gateway.flows.house import House
from gateway.flows.payout.jobs import keep_going
from gateway.handlers.feedback import spread_actual
from gateway.journal.entities import Act, Entity
from gateway.journal.store import Unit
from gateway.model.callback import CallbackType
from gateway.model.money import format_yuan
from gateway.model.refusals import Refusal

FINAL: Final = frozenset({"PAID", "FAILED", "RETURNED", "CANCELLED"})
SENT: Final = frozenset(
    {"SUBMITTED", "UNKNOWN", "STATUS_OK", "STATUS_FAIL", "RECEIPT_PENDING", "PAID", "FAILED", "RETURNED"}
)
UNPROVEN: Final = frozenset({"SUBMITTED", "UNKNOWN", "STATUS_OK", "STATUS_FAIL", "RECEIPT_PENDING"})
UNSETTLED_SQL: Final = "state IN ('SUBMITTED','UNKNOWN','STATUS_OK','STATUS_FAIL','RECEIPT_PENDING')"


class Moved(NamedTuple):
    """An order and its items as a unit leaves them."""

    order: Entity
    items: list[Entity]


async def summary_of(house: House, summary_no: str) -> Entity:
    """The summary. Raises Refusal NOT_FOUND."""
    summary = await house.journal.entities.get("summary", summary_no)
    if summary is None:
        raise Refusal("NOT_FOUND", field="summary_no")
    return summary


async def order_of(house: House, pay_order_no: str) -> Entity:
    """The order. Raises Refusal NOT_FOUND."""
    order = await house.journal.entities.get("payout_order", pay_order_no)
    if order is None:
        raise Refusal("NOT_FOUND", field="pay_order_no")
    return order


async def orders_of(house: House, summary_no: str) -> list[Entity]:
    """All orders of a summary, cancelled ones too."""
    return await house.journal.entities.find("payout_order", "summary_no = :no", no=summary_no)


async def items_of(house: House, pay_order_no: str) -> list[Entity]:
    """The items that share an order's fate, in the order of their settlement keys."""
    return await house.journal.entities.find(
        "payout_item", "pay_order_no = :no AND state <> 'CANCELLED'", order="settlement_key", no=pay_order_no
    )


async def unsettled(house: House, agency: str, until: date) -> list[Entity]:
    """Sent orders of an agency that no receipt proves and no close has failed, with a pay date up to ``until``."""
    return await house.journal.entities.find(
        "payout_order", f"agency = :agency AND pay_date <= :until AND {UNSETTLED_SQL}", order="pay_date, id",
        agency=agency, until=until.isoformat(),
    )  # fmt: skip


def move(
    unit: Unit,
    house: House,
    order: Entity,
    items: Sequence[Entity],
    event: str,
    act: Act,
    *,
    columns: Mapping[str, Any] | None = None,
    data: Mapping[str, Any] | None = None,
    item_data: Sequence[Mapping[str, Any]] = (),
) -> Moved:
    """Add a move of an order and of all its items. ``item_data`` goes to the items one by one."""
    entities = house.journal.entities
    moved = entities.move(unit, order, event, act, columns=columns, data=data)
    shares = item_data or [{}] * len(items)
    return Moved(
        moved,
        [entities.move(unit, item, event, act, data=share) for item, share in zip(items, shares, strict=True)],
    )


def prove(
    unit: Unit, house: House, order: Entity, items: Sequence[Entity], receipt: Mapping[str, Any], act: Act
) -> Moved:
    """Add that a receipt proves an order: PAID with the receipt's amount, month of its booking date (D.7, R-123).

    ``receipt``: receipt_no, amount_fen, booking_date.
    """
    amounts = spread_actual([item["amount_fen"] for item in items], receipt["amount_fen"])
    paid = move(
        unit, house, order, items, "receipt", act,
        columns={"receipt_no": receipt["receipt_no"], "unreported": 1},
        data={"paid_fen": receipt["amount_fen"], "booking_date": receipt["booking_date"]},
        item_data=[{"paid_fen": fen} for fen in amounts],
    )  # fmt: skip
    _tell(unit, house, paid.order, CallbackType.PAYOUT_PAID, receipt["amount_fen"])
    return paid


def give_back(unit: Unit, house: House, paid: Moved, returned_on: str, act: Act) -> Moved:
    """Add that the money of a paid order came back."""
    back = move(
        unit, house, paid.order, paid.items, "money_back", act,
        columns={"unreported": 1}, data={"returned_on": returned_on},
    )  # fmt: skip
    _tell(unit, house, back.order, CallbackType.PAYOUT_RETURNED, back.order["paid_fen"])
    return back


def fail(unit: Unit, house: House, order: Entity, items: Sequence[Entity], act: Act) -> None:
    """Add that an order failed for good: its value falls into the month (R-122, R-134)."""
    failed = move(unit, house, order, items, "day_closed", act).order
    _tell(unit, house, failed, CallbackType.PAYOUT_FAILED, failed["sum_fen"])


def _tell(unit: Unit, house: House, order: Entity, kind: CallbackType, fen: int) -> None:
    data = {
        "pay_order_no": order.id, "summary_no": order["summary_no"], "biz_date": order["biz_date"],
        "state": order.state, "amount": format_yuan(fen), "item_count": order["item_count"],
        "receipt_no": order["receipt_no"] or None,
    }  # fmt: skip
    callbacks.enqueue(unit, house, order.hospital, kind, order.id, data)


async def close_if_final(house: House, summary_no: str, act: Act) -> None:
    """SUBMITTED → CLOSED once every order is final."""

    async def attempt() -> None:
        summary = await summary_of(house, summary_no)
        if summary.state != "SUBMITTED":
            return
        if all(order.state in FINAL for order in await orders_of(house, summary_no)):
            unit = Unit()
            house.journal.entities.move(unit, summary, "all_final", act)
            await house.journal.commit(unit)

    await keep_going(attempt)
