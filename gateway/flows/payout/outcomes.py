"""What the bank's verdict on a batch means for its orders (state-machines G and D.6).

Always read from the journal, never from a call that may have died: the continuation of an unknown outcome, a run after
a crash and the sender itself come to the same end.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from typing import Any, Final

from gateway.delivery.declare import NOT_FOUND
from gateway.flows.house import House
from gateway.flows.payout.jobs import add_if_absent, keep_going
from gateway.flows.payout.orders import Moved, items_of, move, orders_of, summary_of
from gateway.journal.entities import Act, Entity
from gateway.journal.operations import Operation
from gateway.journal.store import Unit
from gateway.model.verdict import Accepted, Done, NotSent, Refused, Unknown

SUBMIT_BATCH: Final = "SubmitPayoutBatch"
CONTINUATION: Final = "payout.batch"
STATUS: Final = "payout.status"
RECEIPTS: Final = "payout.receipts"
FIRST_POLL: Final = timedelta(seconds=5)
RECEIPT_INTERVAL: Final = timedelta(hours=1)


def batch_key(batch_no: str, edition: int) -> str:
    """The journal's key of a batch: an edition that a claim has left is another content under the same bank number.

    That both can never be sent is not left to this key: every order and settlement key in them is guarded (P1).
    """
    return f"{batch_no}.{edition}"


def continuation(summary_no: str, batch_no: str) -> str:
    """What goes on when the outcome of a batch is known later."""
    return f"{CONTINUATION}:{summary_no}.{batch_no}"


async def go_on(house: House, subject: str) -> None:
    """The continuation: an unknown outcome is certain now."""
    summary_no, _, batch_no = subject.partition(".")
    await conclude(house, summary_no, batch_no, Act("system", subject))


async def conclude(house: House, summary_no: str, batch_no: str, act: Act, *, watch: bool = True) -> None:
    """Let the journalled verdict of a batch become the state of its orders; nothing while it has none.

    ``watch``: statuses and receipts are asked for from now on.
    """
    await keep_going(partial(_conclude, house, summary_no, batch_no, act, watch))


async def _conclude(house: House, summary_no: str, batch_no: str, act: Act, watch: bool) -> None:
    summary = await summary_of(house, summary_no)
    orders = [order for order in await orders_of(house, summary_no) if order["batch_no"] == batch_no]
    op = await operation_of(house, summary, orders)
    verdict = None if op is None else await house.delivery.journalled(op)
    if op is None or verdict is None:
        return
    unit = Unit()
    match verdict:
        case NotSent():
            await _not_sent(unit, house, summary, orders, op, act)
        case Refused(code, text):
            await _refused(unit, house, orders, code, text, act)
        case Unknown():
            await _each(unit, house, orders, "none", act)
        case Accepted(reply) | Done(reply):
            await _rejected_singly(unit, house, orders, reply, act)
    if watch and not isinstance(verdict, NotSent):
        _watch(unit, house, summary)
    if unit:
        await house.journal.commit(unit)


async def operation_of(house: House, summary: Entity, orders: list[Entity]) -> Operation | None:
    """The operation a batch's orders were marked as sent with; None while none ever was."""
    key = next((order.get("op_key") for order in orders if order.get("op_key")), None)
    if key is None:
        return None
    return await house.journal.operations.by_key(house.agencies[summary["agency"]].bank, SUBMIT_BATCH, key)


async def _not_sent(unit: Unit, house: House, summary: Entity, orders: list[Entity], op: Operation, act: Act) -> None:
    """Certain that nothing arrived: the orders wait again under the same numbers, their keys were never sent."""
    waiting = [order for order in orders if order.state == "SUBMITTED"]
    if not waiting:
        return
    unit.run(
        "UPDATE operation SET state = state WHERE operation_id = :id AND state IN ('NOT_SENT', 'CLOSED')",
        {"id": op.operation_id},
        guard="batch was not sent",
    )
    for order in waiting:
        move(unit, house, order, await items_of(house, order.id), "not_sent", act, data={"tx_sts": None})
        unit.run(
            "UPDATE payout_key SET ever_sent = 0 WHERE pay_order_no = :no AND ever_sent = 1",
            {"no": order.id},
            expect=order["item_count"],
            guard="P1",
        )
    batch_no = op.key.rpartition(".")[0]
    others = [order for order in await orders_of(house, summary.id) if order["batch_no"] != batch_no]
    if summary.state == "SUBMITTED" and all(order.state in ("IN_SUMMARY", "CANCELLED") for order in others):
        house.journal.entities.move(unit, summary, "not_sent", act)


async def _refused(unit: Unit, house: House, orders: list[Entity], code: str, text: str, act: Act) -> None:
    """The whole batch: refused by the bank, or finally not found. Both end FAILED when the day closes (AMB-34)."""
    if code == NOT_FOUND:
        for order in orders:
            if order.state in ("SUBMITTED", "UNKNOWN") and not order.get("not_found"):
                now = Moved(order, await items_of(house, order.id))
                if order.state == "SUBMITTED":
                    now = move(unit, house, *now, "none", act)
                move(unit, house, *now, "not_found", act, data={"not_found": True, "sts_rsn": NOT_FOUND})
        return
    await _each(unit, house, orders, "failure", act, {"tx_sts": "RJCT", "sts_rsn": code, "sts_text": text})


async def _each(
    unit: Unit, house: House, orders: list[Entity], event: str, act: Act, data: Mapping[str, Any] | None = None
) -> None:
    """Move the orders whose outcome is open."""
    open_states = {"none": ("SUBMITTED",), "failure": ("SUBMITTED", "UNKNOWN")}[event]
    for order in orders:
        if order.state in open_states:
            move(unit, house, order, await items_of(house, order.id), event, act, data=data)


async def _rejected_singly(unit: Unit, house: House, orders: list[Entity], reply: Any, act: Act) -> None:
    """Records the bank refused by themselves fail alone; the rest waits for its status."""
    rejected = {} if reply is None else {record.rec_serial: record for record in reply.rejected}
    for order in orders:
        record = rejected.get(order.id)
        if record is not None and order.state in ("SUBMITTED", "UNKNOWN"):
            why = {"tx_sts": "RJCT", "sts_rsn": record.reason_code, "sts_text": record.reason_text}
            move(unit, house, order, await items_of(house, order.id), "failure", act, data=why)


def _watch(unit: Unit, house: House, summary: Entity) -> None:
    """Add the polls for statuses and the hourly question for receipts."""
    now = house.clock.now()
    house.journal.agenda.schedule(unit, STATUS, summary.id, now + FIRST_POLL, {"n": 0})
    add_if_absent(unit, RECEIPTS, summary["agency"], now + RECEIPT_INTERVAL, {})
