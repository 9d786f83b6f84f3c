"""Sending an approved summary to the bank: on its pay date, strictly before the cut-off, once ever (R-119, R-122).

The orders become SUBMITTED in the commit of the attempt itself, with every settlement key marked as sent. The store
refuses that commit when a key was sent before (P1), a claim has left, or the attempt is not before the cut-off (P7).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from typing import Final

import structlog

from gateway.delivery.delivery import Order
from gateway.flows.house import House
from gateway.flows.payout.approving import SUBMIT
from gateway.flows.payout.content import differences
from gateway.flows.payout.jobs import alarm, business_day, calendar_missing, close_task, keep_going, moment
from gateway.flows.payout.leaving import sweep
from gateway.flows.payout.orders import items_of, move, orders_of, summary_of
from gateway.flows.payout.outcomes import SUBMIT_BATCH, batch_key, conclude, continuation, operation_of
from gateway.flows.payout.scheme import Scheme, scheme_of
from gateway.handlers.payout import check_cutoff, cutoff_at
from gateway.journal.agenda import Due
from gateway.journal.entities import Act, Entity
from gateway.journal.store import GuardFailed, Unit
from gateway.model.bank import Account, PayoutRecord, SubmitPayoutBatch
from gateway.model.clock import to_micros
from gateway.model.refusals import Refusal

PURPOSE: Final = "GOVI"  # ISO purpose code: government insurance
RETRY: Final = timedelta(seconds=60)
TOO_LATE: Final = "P7"
CUTOFF_MISSED: Final = "CUTOFF_MISSED"
CLAIM_LEFT: Final = "claims are payable"
_log = structlog.get_logger("payout")


@dataclass(frozen=True, slots=True)
class _Window:
    """Whether a pay date's summary may be sent now, and else on which day."""

    open: bool
    day: date
    early: bool = False


async def submit(house: House, summary_no: str, act: Act) -> Entity:
    """Send what of a summary was never sent; a summary sent already is returned as it is and nothing leaves.

    Raises Refusal CUTOFF_PASSED (the rest is deferred to the next working day), ILLEGAL_STATE when it is not approved
    or its pay date has not come, CALENDAR_MISSING, HASH_CHANGED.
    """
    return await keep_going(partial(_submit, house, summary_no, act))


async def _submit(house: House, summary_no: str, act: Act) -> Entity:
    summary = await sweep(house, summary_no, act)
    scheme = scheme_of(house, summary["agency"], date.fromisoformat(summary["biz_date"]))
    await _resume(house, scheme, summary, act)
    summary = await summary_of(house, summary_no)
    if not await _unsent(house, summary):
        return summary
    summary = await _on_its_day(house, scheme, summary, act)
    faults = await differences(house, summary)
    if faults:
        await alarm(house, "PAYOUT_CONTENT", summary.id, act, "payout.compare")
        raise Refusal("HASH_CHANGED", "; ".join(faults))
    for batch_no in sorted({order["batch_no"] for order in await _unsent(house, summary)}):
        await _send(house, scheme, summary_no, batch_no, act)
    summary = await summary_of(house, summary_no)
    if summary.state in ("APPROVED", "SUBMITTED") and await _unsent(house, summary):
        await _try_again(house, scheme, summary)
    return summary


async def _unsent(house: House, summary: Entity) -> list[Entity]:
    return [order for order in await orders_of(house, summary.id) if order.state == "IN_SUMMARY"]


async def _resume(house: House, scheme: Scheme, summary: Entity, act: Act) -> None:
    """Take up batches whose sender died: the journal's verdict becomes the orders' state (idea 3)."""
    orders = [order for order in await orders_of(house, summary.id) if order.state == "SUBMITTED"]
    for batch_no in sorted({order["batch_no"] for order in orders}):
        op = await operation_of(house, summary, [order for order in orders if order["batch_no"] == batch_no])
        if op is not None and op.state == "SENDING":
            request = SubmitPayoutBatch.model_validate_json(await house.journal.operations.request(op))
            await house.delivery.deliver(_order(scheme, summary, op.key, request, act, Unit()))
        await conclude(house, summary.id, batch_no, act)


# -- the day and the hour ---------------------------------------------------------------------------------------------


def _window(house: House, scheme: Scheme, pay_date: date) -> _Window:
    decision = check_cutoff(house.clock.now(), pay_date, scheme.profile, scheme.calendar)
    day = decision.require() if decision.ok else decision.value
    if day is None:
        raise Refusal(decision.code or "ILLEGAL_STATE")
    today = business_day(house)
    if decision.code == "ILLEGAL_STATE":
        return _Window(False, scheme.calendar.on_or_after(max(day, today)), early=True)
    return _Window(day == today, day)


async def _on_its_day(house: House, scheme: Scheme, summary: Entity, act: Act) -> Entity:
    """The summary, APPROVED for today or sent in part; else it is deferred and the refusal says so."""
    if summary.state == "SUBMITTED":
        return await _rest_on_its_day(house, scheme, summary, act)
    if summary.state not in ("APPROVED", "DEFERRED"):
        raise Refusal("ILLEGAL_STATE", f"summary: {summary.state} / submitted", state=summary.state, event="submitted")
    window = _window(house, scheme, date.fromisoformat(summary["pay_date"]))
    if window.early and summary.state == "DEFERRED":
        raise Refusal("CUTOFF_PASSED", f"顺延至 {window.day.isoformat()}", defer_to=window.day.isoformat())
    if window.early:
        await _plan(house, scheme, summary.id, window.day)
        raise Refusal("ILLEGAL_STATE", f"支付日为 {window.day.isoformat()}", state=summary.state, event="submitted")
    return await _defer_or_open(house, scheme, summary, window, act)


async def _defer_or_open(house: House, scheme: Scheme, summary: Entity, window: _Window, act: Act) -> Entity:
    entities, unit = house.journal.entities, Unit()
    pay_date = {"pay_date": window.day.isoformat()}
    moves = summary["pay_date"] != pay_date["pay_date"]
    if summary.state == "APPROVED" and (moves or not window.open):
        summary = entities.move(unit, summary, "cutoff_missed", act, columns=pay_date)
    if window.open and summary.state == "DEFERRED":
        summary = entities.move(unit, summary, "next_working_day", act, columns=pay_date)
    elif summary.state == "DEFERRED" and moves and not unit:
        # A whole working day went by: still the first submission, a day later again.
        again = entities.move(unit, summary, "next_working_day", act, columns=pay_date)
        summary = entities.move(unit, again, "cutoff_missed", act)
    if not window.open:
        _plan_in(unit, house, scheme, summary.id, window.day)
        await house.journal.raise_task(unit, CUTOFF_MISSED, summary.id, act, suggested="payout.compare")
    if unit:
        await house.journal.commit(unit)
    if not window.open:
        raise Refusal("CUTOFF_PASSED", f"顺延至 {window.day.isoformat()}", defer_to=window.day.isoformat())
    return summary


async def _rest_on_its_day(house: House, scheme: Scheme, summary: Entity, act: Act) -> Entity:
    """Orders that alone were not sent at the cut-off are deferred under their numbers."""
    unsent = await _unsent(house, summary)
    window = _window(house, scheme, date.fromisoformat(min(order["pay_date"] for order in unsent)))
    if window.open:
        return summary
    unit = Unit()
    for order in unsent:
        if order["pay_date"] != window.day.isoformat():
            columns = {"pay_date": window.day.isoformat()}
            move(unit, house, order, (), "deferred", act, columns=columns)
    _plan_in(unit, house, scheme, summary.id, window.day)
    await house.journal.raise_task(unit, CUTOFF_MISSED, summary.id, act, suggested="payout.compare")
    await house.journal.commit(unit)
    raise Refusal("CUTOFF_PASSED", f"顺延至 {window.day.isoformat()}", defer_to=window.day.isoformat())


def _plan_in(unit: Unit, house: House, scheme: Scheme, summary_no: str, day: date) -> None:
    house.journal.agenda.schedule(unit, SUBMIT, summary_no, moment(day, scheme.payout.timetable.build))


async def _plan(house: House, scheme: Scheme, summary_no: str, day: date) -> None:
    unit = Unit()
    _plan_in(unit, house, scheme, summary_no, day)
    await house.journal.commit(unit)


async def _try_again(house: House, scheme: Scheme, summary: Entity) -> None:
    """After NotSent: again every minute until the cut-off, at which the rest is deferred."""
    now = house.clock.now()
    at = min(now + RETRY, max(now, cutoff_at(business_day(house), scheme.payout)))
    unit = Unit()
    house.journal.agenda.schedule(unit, SUBMIT, summary.id, at)
    await house.journal.commit(unit)


# -- one batch --------------------------------------------------------------------------------------------------------


async def _send(house: House, scheme: Scheme, summary_no: str, batch_no: str, act: Act) -> None:
    summary = await summary_of(house, summary_no)
    orders = [order for order in await _unsent(house, summary) if order["batch_no"] == batch_no]
    if not orders:
        return
    unit = Unit()
    if summary.state != "SUBMITTED":
        house.journal.entities.move(unit, summary, "submitted", act)
    await close_task(house, unit, CUTOFF_MISSED, summary_no, act)
    key = batch_key(batch_no, summary["edition"])
    for order in orders:
        await _mark_sent(unit, house, order, key, act)
    _must_be_in_time(unit, house, scheme, key)
    request = _request(summary, batch_no, orders)
    try:
        await house.delivery.deliver(_order(scheme, summary, key, request, act, unit))
    except GuardFailed as refused:
        _log.info("payout attempt refused by the store", summary_no=summary_no, guard=refused.guard)
        op = await house.journal.operations.by_key(scheme.agency.bank, SUBMIT_BATCH, key)
        if op is None or op.state != "NOT_SENT":
            raise
    await conclude(house, summary_no, batch_no, act)


async def _mark_sent(unit: Unit, house: House, order: Entity, op_key: str, act: Act) -> None:
    """Add that an order and its items are sent, with the guards of the store (P1, P2)."""
    items = await items_of(house, order.id)
    columns = {"pay_date": business_day(house).isoformat()}
    move(unit, house, order, items, "sent", act, columns=columns, data={"tx_sts": "PDNG", "op_key": op_key})
    for item in items:
        unit.run(
            "UPDATE payout_key SET ever_sent = 1 WHERE settlement_key = :key AND pay_order_no = :no AND ever_sent = 0",
            {"key": item["settlement_key"], "no": order.id},
            guard="P1",
        )
    unit.run(
        "UPDATE payout_order SET item_count = item_count WHERE id = :no AND item_count = :count AND NOT EXISTS ("
        "SELECT 1 FROM payout_item i JOIN claim c ON c.settlement_key = i.settlement_key "
        "WHERE i.pay_order_no = :no AND i.state = 'SUBMITTED' AND (c.state <> 'RECONCILED' OR c.conflict <> 0))",
        {"no": order.id, "count": len(items)},
        guard=CLAIM_LEFT,
    )


def _must_be_in_time(unit: Unit, house: House, scheme: Scheme, key: str) -> None:
    """Add that the attempt of this very commit began before the cut-off (P7)."""
    unit.run(
        "UPDATE attempt SET instance = instance WHERE verdict = '' AND started_at < :cutoff AND operation_id = ("
        "SELECT operation_id FROM operation WHERE counterpart = :bank AND name = :name AND key = :key)",
        {
            "cutoff": to_micros(cutoff_at(business_day(house), scheme.payout)), "bank": scheme.agency.bank,
            "name": SUBMIT_BATCH, "key": key,
        },
        guard=TOO_LATE,
    )  # fmt: skip


def _request(summary: Entity, batch_no: str, orders: Sequence[Entity]) -> SubmitPayoutBatch:
    """The batch as the bank gets it; nothing in it depends on the pay date, so a deferred one is the same."""
    records = tuple(
        PayoutRecord(
            record_no=number, rec_serial=order.id, payee=Account.model_validate(order.sealed["payee"]),
            amount_fen=order["sum_fen"], hospital_code=order.hospital, purpose=PURPOSE,
        )
        for number, order in enumerate(sorted(orders, key=lambda order: order.id), start=1)
    )  # fmt: skip
    return SubmitPayoutBatch(
        serial=batch_no, payer=Account.model_validate(summary.sealed["payer"]),
        biz_date=date.fromisoformat(summary["biz_date"]), records=records,
    )  # fmt: skip


def _order(
    scheme: Scheme, summary: Entity, key: str, request: SubmitPayoutBatch, act: Act, with_attempt: Unit
) -> Order:
    return Order(
        scheme.agency.bank, SUBMIT_BATCH, key, request, act.exchange_id, summary.id, amount_fen=request.total_fen,
        continuation=continuation(summary.id, request.serial), with_attempt=with_attempt,
    )  # fmt: skip


# -- the job ----------------------------------------------------------------------------------------------------------


async def submit_due(house: House, due: Due) -> None:
    """The due row of an approved summary: sends it as soon as it may be sent, defers it at the cut-off."""
    act = Act("job:payout.submit", due.subject)
    try:
        await submit(house, due.subject, act)
    except Refusal as refusal:
        if refusal.code == "CALENDAR_MISSING":
            await calendar_missing(house, due, refusal)
        elif refusal.code not in ("CUTOFF_PASSED", "ILLEGAL_STATE", "HASH_CHANGED"):
            raise
        _log.info("payout not submitted", summary_no=due.subject, code=refusal.code)
