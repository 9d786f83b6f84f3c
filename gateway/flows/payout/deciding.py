"""Two persons decide about a receipt that proves nothing by itself (D.7, R4)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Final

from gateway.flows.api import Caller
from gateway.flows.house import House
from gateway.flows.payout.jobs import close_task, keep_going
from gateway.flows.payout.orders import SENT, order_of
from gateway.flows.payout.receipts import QUARANTINED, after_proof, prove_order
from gateway.journal.entities import Act, Entity
from gateway.journal.store import Unit
from gateway.model.machines import PAYOUT_ORDER, RECEIPT
from gateway.model.refusals import Refusal

EVENTS: Final = {"accept_actual": "accepted_actual", "reject": "rejected"}


async def receipt_of(house: House, receipt_no: str) -> Entity:
    """The receipt of that number, an open one first. Raises Refusal NOT_FOUND."""
    rows = await house.journal.whose(receipt_no)
    found = [await house.journal.entities.get("receipt", row["entity_id"]) for row in rows if row["kind"] == "receipt"]
    exact = await house.journal.entities.find("receipt", "receipt_no = :no", no=receipt_no)
    candidates = exact or [one for one in found if one is not None and one["bank_no"] == receipt_no]
    if not candidates:
        raise Refusal("NOT_FOUND", field="receipt_no")
    return next((one for one in candidates if RECEIPT.allows(one.state, "decided")), candidates[0])


async def decide(
    house: House, receipt_no: str, decision: str, reason: str, pay_order_no: str, caller: Caller, act: Act
) -> tuple[Entity, bool]:
    """Note a person's decision; the same decision by a second person carries it out. Returns (receipt, carried out).

    Raises Refusal SAME_PERSON, ILLEGAL_STATE when the receipt is not in quarantine or its order is proven by another
    receipt, INVALID_FIELD when an orphan is accepted without naming its order, NOT_FOUND.
    """
    decided, done = await keep_going(partial(_decide, house, receipt_no, decision, reason, pay_order_no, caller, act))
    if done and decided["proves"]:
        await after_proof(house, decided["proves"], act)
    return decided, done


async def _decide(
    house: House, receipt_no: str, decision: str, reason: str, pay_order_no: str, caller: Caller, act: Act
) -> tuple[Entity, bool]:
    receipt = await receipt_of(house, receipt_no)
    if any(row["in"] == act.exchange_id for row in receipt["decisions"] if act.exchange_id):
        return receipt, not RECEIPT.allows(receipt.state, "decided")  # this very call was cut off after its commit
    RECEIPT.after(receipt.state, EVENTS[decision])
    order_no = pay_order_no or receipt["pay_order_no"]
    same = [row for row in receipt["decisions"] if row["decision"] == decision and row["pay_order_no"] == order_no]
    if any(row["by"] == caller.id for row in same):
        raise Refusal("SAME_PERSON")
    unit = Unit()
    noted = {
        "by": caller.id, "at": house.clock.now().isoformat(), "decision": decision, "reason": reason,
        "pay_order_no": order_no, "in": act.exchange_id,
    }  # fmt: skip
    data = {"decisions": [*receipt["decisions"], noted]}
    if not same:
        if decision == "accept_actual":
            await _provable(house, order_no)
        decided = house.journal.entities.move(unit, receipt, "decided", act, data=data)
    else:
        decided = await _carry_out(unit, house, receipt, decision, order_no, data, act)
    await house.journal.commit(unit)
    return decided, bool(same)


async def _provable(house: House, pay_order_no: str) -> Entity:
    """The order a receipt may be accepted for."""
    if not pay_order_no:
        raise Refusal("INVALID_FIELD", "须指明付款指令", field="pay_order_no")
    order = await order_of(house, pay_order_no)
    if order.state not in SENT or order["receipt_no"]:
        raise Refusal("ILLEGAL_STATE", "付款指令未发出或已有有效回单", state=order.state, event="receipt")
    PAYOUT_ORDER.after(order.state, "receipt")
    return order


async def _carry_out(
    unit: Unit, house: House, receipt: Entity, decision: str, order_no: str, data: Mapping[str, object], act: Act
) -> Entity:
    await close_task(house, unit, QUARANTINED, receipt.id, act)
    if decision == "reject":
        return house.journal.entities.move(unit, receipt, EVENTS[decision], act, data=data)
    order = await _provable(house, order_no)
    columns = {"proves": order_no, "pay_order_no": order_no}
    accepted = house.journal.entities.move(unit, receipt, EVENTS[decision], act, columns=columns, data=data)
    await prove_order(unit, house, order, accepted, act)
    return accepted
