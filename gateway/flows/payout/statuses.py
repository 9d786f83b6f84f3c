"""What the bank says of the records of a batch. A status informs, it never makes anything paid (R3)."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Final

from gateway.delivery.delivery import Order
from gateway.flows.house import House
from gateway.flows.payout.jobs import alarm, keep_going
from gateway.flows.payout.orders import SENT, Moved, give_back, items_of, move, orders_of, summary_of
from gateway.flows.payout.outcomes import STATUS, conclude
from gateway.journal.agenda import Due
from gateway.journal.entities import Act, Entity
from gateway.journal.store import Unit
from gateway.model.bank import BankStatus, PayoutRecordState, PayoutStateReply, QueryPayoutBatch
from gateway.model.clock import SHANGHAI
from gateway.model.ids import new_id
from gateway.model.verdict import Done

# Seconds of business time after the sending; past the plan the day's close and the bank's own notices go on.
POLLS: Final = (5, 30, 120, 600, 1800, 3600, 7200, 7200)
_BOOKED: Final = frozenset({BankStatus.ACSC, BankStatus.ACCC})
_FAILED: Final = frozenset({BankStatus.RJCT, BankStatus.CANC})
_BACK: Final = frozenset({BankStatus.RVSD, BankStatus.RFND})
_OPEN: Final = frozenset({"SUBMITTED", "UNKNOWN"})


async def status_due(house: House, due: Due) -> None:
    """One poll of the plan for a summary's batches; the next one while a record has no status."""
    act = Act("job:payout.status", due.subject)
    await refresh(house, due.subject, act)
    number = int(due.payload.get("n", 0)) + 1
    still_open = any(order.state in _OPEN for order in await orders_of(house, due.subject))
    if not still_open or number >= len(POLLS):
        return
    unit = Unit()
    at = house.clock.now() + timedelta(seconds=POLLS[number])
    house.journal.agenda.schedule(unit, STATUS, due.subject, at, {"n": number})
    await house.journal.commit(unit)


async def refresh(house: House, summary_no: str, act: Act) -> None:
    """Ask the bank about every batch of a summary that was sent, and note what it says. No answer changes nothing."""
    sent = [order for order in await orders_of(house, summary_no) if order.state in SENT]
    summary = await summary_of(house, summary_no)
    bank = house.agencies[summary["agency"]].bank
    for batch_no in sorted({order["batch_no"] for order in sent}):
        await conclude(house, summary_no, batch_no, act, watch=False)
        reply = await _ask(house, bank, batch_no, summary_no, act)
        if reply is not None and reply.found:
            await keep_going(partial(_note, house, summary_no, batch_no, reply, act))


async def _ask(house: House, bank: str, batch_no: str, summary_no: str, act: Act) -> PayoutStateReply | None:
    serial = new_id("Q")
    request = QueryPayoutBatch(serial=serial, batch_no=batch_no)
    verdict = await house.delivery.deliver(
        Order(bank, "QueryPayoutBatch", serial, request, act.exchange_id, summary_no)
    )
    if isinstance(verdict, Done) and isinstance(verdict.reply, PayoutStateReply):
        return verdict.reply
    return None


async def _note(house: House, summary_no: str, batch_no: str, reply: PayoutStateReply, act: Act) -> None:
    by_serial = {record.rec_serial: record for record in reply.records}
    unit = Unit()
    contradicted = []
    for order in await orders_of(house, summary_no):
        record = by_serial.get(order.id)
        if record is None or order["batch_no"] != batch_no or order.state not in SENT:
            continue
        if order.state == "STATUS_OK" and record.status in _FAILED:
            contradicted.append(order)
        await _one(unit, house, order, record, act)
    if unit:
        await house.journal.commit(unit)
    for order in contradicted:
        await alarm(house, "RECEIPT_MISSING", order.id, act, "receipt.ask_bank", hospital=order.hospital)


async def _one(unit: Unit, house: House, order: Entity, record: PayoutRecordState, act: Act) -> None:
    """Add what a record's status means for its order."""
    now = Moved(order, await items_of(house, order.id))
    back_on = returned_on(record)
    if order.state in _OPEN and (record.status in _BOOKED or back_on):
        data = {"tx_sts": "ACSC", "bank_txn_no": record.bank_txn_no}
        now = move(unit, house, now.order, now.items, "success", act, data=data)
    elif order.state in _OPEN and record.status in _FAILED:
        why = {"tx_sts": "RJCT", "sts_rsn": record.reason_code, "sts_text": record.reason_text}
        now = move(unit, house, now.order, now.items, "failure", act, data=why)
    if back_on:
        await note_return(unit, house, now, back_on, act)


def returned_on(record: PayoutRecordState) -> str:
    """The business date on which a record's money came back; empty while it did not."""
    if record.returned_at is not None:
        return record.returned_at.astimezone(SHANGHAI).date().isoformat()
    return record.booking_date.isoformat() if record.status in _BACK and record.booking_date else ""


async def note_return(unit: Unit, house: House, now: Moved, back_on: str, act: Act) -> None:
    """Add that money came back: a proven order is RETURNED, any other remembers it until its receipt comes."""
    order = now.order
    if order.state == "PAID":
        await _returned(unit, house, now, back_on, act)
    elif order.state != "RETURNED" and not order.get("returned_on"):
        move(unit, house, order, now.items, "return_noted", act, data={"returned_on": back_on})


async def _returned(unit: Unit, house: House, now: Moved, back_on: str, act: Act) -> None:
    receipt = await house.journal.entities.first("receipt", "proves = :no", no=now.order.id)
    if receipt is not None:
        house.journal.entities.move(unit, receipt, "return_advice", act, columns={"proves": None})
    give_back(unit, house, now, back_on, act)
    await house.journal.raise_task(
        unit, "PAYOUT_RETURNED", now.order.id, act, suggested="payout.check_account", hospital=now.order.hospital
    )
