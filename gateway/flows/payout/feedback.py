"""Monthly feedback: last month's proven payouts as the deduction basis, each line exactly once (R-124, D.8, M1, M2).

Edition 1 goes out on the due date, further ones while the month is not computed; what comes after that is a line of the
next month. Lines, the marks on their orders and the edition become durable together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Final

from gateway.flows import callbacks
from gateway.flows.house import House
from gateway.flows.payout.jobs import add_if_absent, alarm, business_day, calendar_missing, keep_going, moment
from gateway.flows.payout.orders import items_of, move, unsettled
from gateway.flows.payout.receipts import FEEDBACK
from gateway.flows.payout.scheme import Scheme, scheme_of
from gateway.handlers.base import Decision, load_handler
from gateway.handlers.feedback import Feedback, FeedbackLine, PaidOrder, feedback_due, month_after, month_of
from gateway.journal.agenda import Due
from gateway.journal.entities import Act, Entity
from gateway.journal.store import Row, Unit
from gateway.model.callback import CallbackType
from gateway.model.clock import to_micros
from gateway.model.ids import derive_number
from gateway.model.money import format_yuan
from gateway.model.refusals import Refusal

RECEIVED: Final = "IN"  # PAID and LATE_RECEIPT are the same money: one key for both, so that it is reported once
BACK: Final = "OUT"


@dataclass(frozen=True, slots=True)
class _Share:
    """One order's part of one insurance type, with the fact the rule decides on."""

    order: Entity
    fact: PaidOrder


async def run_feedback(house: House, agency_id: str, month: str, act: Act) -> Entity | None:
    """Send what a month's feedback does not hold yet; None when there is nothing new. Raises Refusal CALENDAR_MISSING.

    Months before it that are still open get their own next edition first, so that nothing of theirs is called late.
    """
    scheme = scheme_of(house, agency_id, month_after(month))
    for earlier in await _open_months(house, scheme, month):
        await keep_going(partial(_send_edition, house, scheme, earlier, act))
    return await keep_going(partial(_send_edition, house, scheme, month, act))


def close_month(unit: Unit, house: House, agency_id: str, month: str, hospital: str, insutype: str) -> None:
    """Add that a month is COMPUTED for a hospital and insurance type: later receipts go to the next month (D.8)."""
    unit.run(
        "INSERT INTO month_closed (agency, month, hospital, insutype, at) "
        "VALUES (:agency, :month, :hospital, :insutype, :at) "
        "ON CONFLICT (agency, month, hospital, insutype) DO NOTHING",
        {
            "agency": agency_id, "month": month, "hospital": hospital, "insutype": insutype,
            "at": to_micros(house.clock.now()),
        },
        expect=None,
    )  # fmt: skip


# -- what there is to tell --------------------------------------------------------------------------------------------


async def _unreported(house: House, agency_id: str) -> list[Entity]:
    return await house.journal.entities.find("payout_order", "agency = :agency AND unreported = 1", agency=agency_id)


async def _open_months(house: House, scheme: Scheme, month: str) -> list[str]:
    """Earlier months with unreported receipts that are not computed yet, oldest first."""
    found = set()
    for share in await _shares(house, await _unreported(house, scheme.agency.id)):
        own = _own_month(scheme, share)
        new = share.fact.reported_in is None or (share.fact.returned and share.fact.return_reported_in is None)
        if own < month and new and not await _closed(house, scheme.agency.id, own, share.fact):
            found.add(own)
    return sorted(found)


def _own_month(scheme: Scheme, share: _Share) -> str:
    if scheme.payout.handlers.feedback == "claims_in_month":
        return month_of(share.fact.setl_date)
    return month_of(share.fact.booking_date or share.fact.pay_date)


async def _closed(house: House, agency_id: str, month: str, fact: PaidOrder) -> bool:
    row = await house.journal.store.row(
        "SELECT month FROM month_closed WHERE agency = :agency AND month = :month AND hospital = :hospital "
        "AND insutype = :insutype",
        {"agency": agency_id, "month": month, "hospital": fact.fixmedins_code, "insutype": fact.insutype},
    )
    return row is not None


async def _shares(house: House, orders: Sequence[Entity]) -> list[_Share]:
    """Every order's amounts by insurance type, with what months have told of them."""
    found = []
    for order in orders:
        by_type: dict[str, int] = {}
        for item in await items_of(house, order.id):
            by_type[item["insutype"]] = by_type.get(item["insutype"], 0) + item.get("paid_fen", item["amount_fen"])
        found += [_Share(order, _fact(order, insutype, fen)) for insutype, fen in sorted(by_type.items())]
    return found


def _fact(order: Entity, insutype: str, fen: int) -> PaidOrder:
    reported = order.get("reported", {})
    booked = order.get("booking_date")
    return PaidOrder(
        order.id, order.hospital, insutype, date.fromisoformat(order["biz_date"]),
        date.fromisoformat(order["pay_date"]), fen, order.state, date.fromisoformat(booked) if booked else None,
        order["receipt_no"], order.state == "RETURNED", reported.get(f"{RECEIVED}|{insutype}"),
        reported.get(f"{BACK}|{insutype}"),
    )  # fmt: skip


# -- one edition ------------------------------------------------------------------------------------------------------


async def _send_edition(house: House, scheme: Scheme, month: str, act: Act) -> Entity | None:
    agency_id = scheme.agency.id
    shares = await _candidates(house, scheme, month)
    handler = load_handler("feedback", scheme.payout.handlers.feedback)
    decision: Decision[Feedback] = handler(month, [share.fact for share in shares], scheme.profile)
    told = decision.require()
    editions = await editions_of(house, agency_id, month)
    new = _new_lines(told, shares)
    pending = list(told.pending)
    if editions and not new:
        return None
    unit = Unit()
    edition = len(editions) + 1
    feedback = _create(unit, house, agency_id, month, edition, pending, act)
    for share, lines in new:
        _add_lines(unit, feedback.id, share, lines)
    await _mark(unit, house, new, month, act)
    await _receipt_pending(unit, house, pending, act)
    house.journal.explain(unit, act.exchange_id, feedback.id, decision.reasons)
    for hospital in sorted({share.order.hospital for share, _ in new}):
        data = {"month": month, "version": edition}
        callbacks.enqueue(unit, house, hospital, CallbackType.FEEDBACK_SENT, f"feedback-{month}", data)
    await house.journal.commit(unit)
    return feedback


async def _candidates(house: House, scheme: Scheme, month: str) -> list[_Share]:
    """What may be a line or stand pending in this month: nothing of a month that is computed, or open and earlier."""
    agency_id = scheme.agency.id
    found = []
    for share in await _shares(house, await _unreported(house, agency_id)):
        own = _own_month(scheme, share)
        closed = await _closed(house, agency_id, own, share.fact)
        if own > month or (own == month and closed) or (own < month and not closed):
            continue
        found.append(share)
    return found + await _shares(house, await unsettled(house, agency_id, business_day(house)))


def _new_lines(told: Feedback, shares: Sequence[_Share]) -> list[tuple[_Share, list[FeedbackLine]]]:
    """The lines nobody has sent yet, by order and insurance type."""
    by_place = {(share.order.id, share.fact.insutype): share for share in shares}
    new: dict[tuple[str, str], list[FeedbackLine]] = {}
    for hospital in told.hospitals:
        for line in hospital.lines:
            place = (line.pay_order_no, hospital.insutype)
            fact = by_place[place].fact
            known = fact.return_reported_in if line.kind == "RETURN" else fact.reported_in
            if known is None:
                new.setdefault(place, []).append(line)
    return [(by_place[place], lines) for place, lines in new.items()]


def _create(unit: Unit, house: House, agency_id: str, month: str, edition: int, pending: list[str], act: Act) -> Entity:
    """Add the edition: collected and sent in one commit, since both sides of the agency are ours (AMB-35)."""
    feedback = house.journal.entities.create(
        unit, "feedback", derive_number("F", agency_id, month, edition), "collected", act,
        columns={"agency": agency_id, "month": month, "edition": edition}, data={"pending": pending},
    )  # fmt: skip
    return house.journal.entities.move(unit, feedback, "sent", act, data={"sent_at": house.clock.now().isoformat()})


def _add_lines(unit: Unit, feedback_id: str, share: _Share, lines: Sequence[FeedbackLine]) -> None:
    for line in lines:
        way = BACK if line.kind == "RETURN" else RECEIVED
        unit.insert(
            "feedback_line",
            {
                "feedback_id": feedback_id, "line_key": f"{way}|{line.pay_order_no}|{share.fact.insutype}",
                "hospital": share.order.hospital, "insutype": share.fact.insutype, "kind": line.kind,
                "pay_order_no": line.pay_order_no, "receipt_no": line.receipt_no, "amount_fen": line.amount_fen,
            },
            guard="M1",
        )  # fmt: skip


async def _mark(
    unit: Unit, house: House, new: Sequence[tuple[_Share, list[FeedbackLine]]], month: str, act: Act
) -> None:
    """Add to each order what of it has been told; one that is told in full waits for nothing more."""
    by_order: dict[str, list[tuple[_Share, list[FeedbackLine]]]] = {}
    for share, lines in new:
        by_order.setdefault(share.order.id, []).append((share, lines))
    for shares in by_order.values():
        order = shares[0][0].order
        reported = dict(order.get("reported", {}))
        for share, lines in shares:
            for line in lines:
                way = BACK if line.kind == "RETURN" else RECEIVED
                reported[f"{way}|{share.fact.insutype}"] = month
        types = {item["insutype"] for item in await items_of(house, order.id)}
        ways = (RECEIVED, BACK) if order.state == "RETURNED" else (RECEIVED,)
        complete = all(f"{way}|{insutype}" in reported for way in ways for insutype in types)
        house.journal.entities.move(
            unit, order, "reported", act, columns={"unreported": None if complete else 1}, data={"reported": reported}
        )


async def _receipt_pending(unit: Unit, house: House, pending: Sequence[str], act: Act) -> None:
    """Add AMB-26: a success status without a receipt is not deducted and waits for its receipt."""
    for number in pending:
        order = await house.journal.entities.get("payout_order", number)
        if order is not None and order.state == "STATUS_OK":
            move(unit, house, order, await items_of(house, number), "feedback_without_receipt", act)


async def editions_of(house: House, agency_id: str, month: str) -> list[Entity]:
    """A month's editions, first to last."""
    return await house.journal.entities.find(
        "feedback", "agency = :agency AND month = :month", order="edition", agency=agency_id, month=month
    )


async def lines_of(house: House, editions: Sequence[Entity]) -> list[Row]:
    """Every line of a month, over all its editions."""
    rows: list[Row] = []
    for edition in editions:
        rows += await house.journal.store.rows(
            "SELECT * FROM feedback_line WHERE feedback_id = :id ORDER BY hospital, insutype, pay_order_no, line_key",
            {"id": edition.id},
        )
    return rows


def basis_of(rows: Sequence[Row]) -> str:
    """The deduction basis: the sum of lines, as it stands on the wire."""
    return format_yuan(sum(row["amount_fen"] for row in rows))


# -- the job ----------------------------------------------------------------------------------------------------------


def due_date(scheme: Scheme, month: str) -> date:
    """The day a month's feedback is due, deferred over holidays. Raises Refusal CALENDAR_MISSING."""
    return feedback_due(month, scheme.payout, scheme.calendar)


async def feedback_due_row(house: House, due: Due) -> None:
    """The job of the due date, or the next edition after a receipt that came later; then the next month is planned."""
    month, agency_id = due.payload["month"], due.subject.partition("|")[0]
    act = Act("job:payout.feedback", f"{agency_id}|{month}")
    try:
        await run_feedback(house, agency_id, month, act)
        if not due.payload.get("again"):
            await plan_next(house, agency_id, month_of(month_after(month)))
    except Refusal as refusal:
        if refusal.code != "CALENDAR_MISSING":
            raise
        await calendar_missing(house, due, refusal)


async def plan_next(house: House, agency_id: str, month: str) -> None:
    """Plan the run of a month's due date."""
    scheme = scheme_of(house, agency_id, business_day(house))
    unit = Unit()
    at = moment(due_date(scheme, month), scheme.payout.timetable.build)
    house.journal.agenda.schedule(unit, FEEDBACK, agency_id, at, {"month": month})
    await house.journal.commit(unit)


async def seed_feedback(house: House, scheme: Scheme) -> None:
    """Make sure that the next feedback is in the agenda; without a calendar a person is told at once."""
    month = _last_month(business_day(house))
    try:
        at = moment(due_date(scheme, month), scheme.payout.timetable.build)
        if house.clock.now() > at:
            month = month_of(month_after(month))
            at = moment(due_date(scheme, month), scheme.payout.timetable.build)
    except Refusal as refusal:
        year = str(refusal.facts.get("year", ""))
        await alarm(house, "CALENDAR_MISSING", year, Act("system", scheme.agency.id), "calendar.import_year")
        return
    unit = Unit()
    add_if_absent(unit, FEEDBACK, scheme.agency.id, at, {"month": month})
    await house.journal.commit(unit)


def _last_month(day: date) -> str:
    year, month = (day.year - 1, 12) if day.month == 1 else (day.year, day.month - 1)
    return f"{year}{month:02d}"
