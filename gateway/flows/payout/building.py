"""The morning's build: reconciled claims become items, orders per hospital and account, one summary per date (D.6).

Everything is derived from content: numbers, labels, amounts. So a build that was cut off is simply done again, and of
two builds at the same time one finds the other's rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from itertools import groupby
from typing import Any, Final, TypeVar

from gateway.flows.house import House
from gateway.flows.payout.claims import EVENTS, Judged, Ready, judged_claims, ready_days, take_off
from gateway.flows.payout.jobs import business_day, keep_going
from gateway.flows.payout.scheme import Scheme, scheme_of
from gateway.handlers.base import Decision, load_handler
from gateway.handlers.payout import PayDate, cutoff_at
from gateway.handlers.summary import PayoutItem, PayoutOrder, PayoutSummary, build_summary
from gateway.journal.entities import Act, Entity
from gateway.journal.store import Unit
from gateway.model.clock import from_micros
from gateway.model.ids import derive_number
from gateway.model.machines import PAYOUT_ITEM
from gateway.model.refusals import Refusal

T = TypeVar("T")
_CHUNK: Final = 200
_MAX_RECORDS: Final = 2000


@dataclass(frozen=True, slots=True)
class _Found:
    """What the claims of a settlement date are: to be paid today, labelled, or waiting for a later build."""

    payable: list[Judged]
    known: Mapping[str, Entity]
    decided: list[Ready]


async def build(
    house: House, agency_id: str, act: Act, *, only: date | None = None, at_once: bool = False
) -> list[str]:
    """Build a summary for every settlement date whose pay date has come; returns their numbers.

    ``at_once``: also what was reconciled after the morning's hour, before the cut-off: a person's build, or a job that
    runs late. Raises Refusal CALENDAR_MISSING; then nothing is built.
    """
    scheme = scheme_of(house, agency_id, business_day(house))
    scheme.calendar.is_working_day(business_day(house))
    waiting = await ready_days(house, scheme.agency.pool_area, business_day(house))
    built = []
    for day, rows in groupby(waiting, key=lambda ready: ready.setl_date):
        if only in (None, day):
            number = await keep_going(partial(_build_date, house, scheme, day, list(rows), act, at_once))
            built += [number] if number else []
    return built


async def _build_date(
    house: House, scheme: Scheme, day: date, waiting: Sequence[Ready], act: Act, at_once: bool
) -> str | None:
    found = await _look(house, scheme, day, waiting, act, at_once)
    unit = Unit()
    for ready in found.decided:
        take_off(unit, scheme.agency.pool_area, ready)
    number = await _add_summary(unit, house, scheme, day, found, act) if found.payable else None
    if unit:
        await house.journal.commit(unit)
    return number


async def _look(house: House, scheme: Scheme, day: date, waiting: Sequence[Ready], act: Act, at_once: bool) -> _Found:
    """Label the claims of a date, hospital by hospital; labels that never enter an order are written down at once."""
    profile = house.profiles.by_pool_area(scheme.agency.pool_area, day)
    if profile is None:
        return _Found([], {}, list(waiting))
    payable: list[Judged] = []
    known: dict[str, Entity] = {}
    decided: list[Ready] = []
    for ready in waiting:
        judged = await judged_claims(house, ready, profile)
        here = await _items_of_day(house, ready)
        await _label(house, scheme, judged, here, act)
        wanted = [one for one in judged if one.label == "IN_SUMMARY" and _may_enter(here.get(one.key))]
        due = [one for one in wanted if _is_due(house, scheme, one, at_once)]
        payable += due
        known |= here
        decided += [ready] if len(due) == len(wanted) else []
    return _Found(payable, known, decided)


async def _items_of_day(house: House, ready: Ready) -> dict[str, Entity]:
    items = await house.journal.entities.find(
        "payout_item", "biz_date = :day AND hospital = :hospital",
        day=ready.setl_date.isoformat(), hospital=ready.hospital,
    )  # fmt: skip
    return {item["settlement_key"]: item for item in items}


def _may_enter(item: Entity | None) -> bool:
    """Never decided, or held out until now (P2: nothing that was ever in a sent order)."""
    return item is None or PAYOUT_ITEM.allows(item.state, "in_summary")


def _is_due(house: House, scheme: Scheme, judged: Judged, at_once: bool) -> bool:
    """Whether the claim is paid today (AMB-31)."""
    today = business_day(house)
    claim = judged.claim
    handler = load_handler("date", scheme.payout.handlers.date)
    setl_date = date.fromisoformat(claim["setl_date"])
    decision: Decision[PayDate] = handler(
        setl_date, from_micros(claim["reconciled_at"]), scheme.profile, scheme.calendar
    )
    if decision.require().pay_date <= today:
        return True
    in_time = house.clock.now() < cutoff_at(today, scheme.payout) and scheme.calendar.is_working_day(today)
    return at_once and in_time and scheme.calendar.next_working_day(setl_date) <= today


async def _label(house: House, scheme: Scheme, judged: Sequence[Judged], known: Mapping[str, Entity], act: Act) -> None:
    """Write down the claims that stay out, a few hundred at a time."""
    held_out = [one for one in judged if one.label != "IN_SUMMARY" and _relabels(known.get(one.key), one)]
    for chunk in _chunks(held_out, _CHUNK):
        unit = Unit()
        for one in chunk:
            _write_item(unit, house, scheme, one, known.get(one.key), act, {})
        await house.journal.commit(unit)


def _relabels(item: Entity | None, judged: Judged) -> bool:
    if item is None:
        return True
    return item.state != judged.label and PAYOUT_ITEM.allows(item.state, EVENTS[judged.label])


def _write_item(
    unit: Unit,
    house: House,
    scheme: Scheme,
    judged: Judged,
    known: Entity | None,
    act: Act,
    place: Mapping[str, str],
) -> None:
    """Add an item under its label, or move the known one there. ``place``: summary_no and pay_order_no."""
    claim = judged.claim
    columns: dict[str, Any] = {
        "base_fen": judged.base_fen, "ratio": str(judged.ratio), "amount_fen": judged.amount_fen,
        "insutype": claim["insutype"], **place,
    }  # fmt: skip
    entities, data = house.journal.entities, {"reason": judged.reason, "claim_id": claim.id}
    event = EVENTS[judged.label]
    if known is not None:
        entities.move(unit, known, event, act, columns=columns, data=data)
        return
    item_id = derive_number("I", judged.key)
    columns |= {"settlement_key": judged.key, "setl_id": claim["setl_id"], "biz_date": claim["setl_date"]}
    entities.create(unit, "payout_item", item_id, event, act, hospital=claim.hospital, columns=columns, data=data)
    house.journal.index(unit, "payout_item", item_id, payout_item_id=item_id, setl_id=claim["setl_id"])


# -- the summary ------------------------------------------------------------------------------------------------------


async def _add_summary(unit: Unit, house: House, scheme: Scheme, day: date, found: _Found, act: Act) -> str:
    """Add summary, orders, items and their settlement keys: all of it or nothing (P1, P4)."""
    supplement = await _next_supplement(house, scheme.agency.id, day)
    by_key = {one.key: one for one in found.payable}
    content = build_summary([_as_item(house, one) for one in found.payable], scheme.agency.id, day, supplement)
    pay_date = _pay_date(house, scheme)
    house.journal.entities.create(
        unit, "summary", content.summary_no, "built", act,
        columns={
            "agency": scheme.agency.id, "biz_date": day.isoformat(), "supplement": supplement, "edition": 1,
            "pay_date": pay_date.isoformat(), "content_hash": content.content_hash,
            "item_count": content.item_count, "sum_fen": content.sum_fen,
        },
        sealed={"payer": scheme.agency.payer_account.model_dump(context={"reveal": True})},
    )  # fmt: skip
    house.journal.index(unit, "summary", content.summary_no, summary_no=content.summary_no, batch_no=content.batch_no)
    for order, batch_no in _with_batches(house, scheme, content):
        _add_order(unit, house, scheme, content, order, batch_no, pay_date, act)
        for item in order.items:
            place = {"summary_no": content.summary_no, "pay_order_no": order.pay_order_no}
            judged = by_key[item.settlement_key]
            _write_item(unit, house, scheme, judged, found.known.get(judged.key), act, place)
            house.journal.explain(unit, act.exchange_id, item.payout_item_id, judged.reasons)
            row = {"settlement_key": item.settlement_key, "pay_order_no": order.pay_order_no, "ever_sent": 0}
            unit.insert("payout_key", row, guard="P1")
    return content.summary_no


def _add_order(
    unit: Unit,
    house: House,
    scheme: Scheme,
    content: PayoutSummary,
    order: PayoutOrder,
    batch_no: str,
    pay_date: date,
    act: Act,
) -> None:
    payee = house.hospital(order.fixmedins_code).account
    house.journal.entities.create(
        unit, "payout_order", order.pay_order_no, "in_summary", act, hospital=order.fixmedins_code,
        columns={
            "agency": scheme.agency.id, "summary_no": content.summary_no, "batch_no": batch_no,
            "biz_date": content.biz_date.isoformat(), "pay_date": pay_date.isoformat(),
            "item_count": order.item_count, "sum_fen": order.sum_fen,
        },
        sealed={"payee": payee.model_dump(context={"reveal": True})},
    )  # fmt: skip
    house.journal.index(unit, "payout_order", order.pay_order_no, pay_order_no=order.pay_order_no)


def _as_item(house: House, judged: Judged) -> PayoutItem:
    return PayoutItem(
        settlement_key=judged.key, setl_id=judged.claim["setl_id"], fixmedins_code=judged.claim.hospital,
        account=house.hospital(judged.claim.hospital).account.acct_no, insutype=judged.claim["insutype"],
        base_fen=judged.base_fen, ratio=judged.ratio, amount_fen=judged.amount_fen,
    )  # fmt: skip


async def _next_supplement(house: House, agency_id: str, day: date) -> int:
    row = await house.journal.store.row(
        "SELECT COUNT(*) AS n FROM summary WHERE agency = :agency AND biz_date = :day",
        {"agency": agency_id, "day": day.isoformat()},
    )
    return 0 if row is None else int(row["n"])


def _pay_date(house: House, scheme: Scheme) -> date:
    """Today while it can still be sent today, else the next working day (P5, P7)."""
    today = business_day(house)
    if scheme.calendar.is_working_day(today) and house.clock.now() < cutoff_at(today, scheme.payout):
        return today
    return scheme.calendar.next_working_day(today)


def _with_batches(house: House, scheme: Scheme, content: PayoutSummary) -> Iterator[tuple[PayoutOrder, str]]:
    """Each order with the number of its batch; a summary larger than the bank takes goes out in several."""
    partner = house.delivery.counterparts.get(scheme.agency.bank)
    if partner is None:
        raise Refusal("ILLEGAL_STATE", f"no bank {scheme.agency.bank} is configured")
    largest = int(partner.adapter.manifest.capabilities.get("max_records", _MAX_RECORDS))
    for part, orders in enumerate(_chunks(content.orders, largest)):
        batch_no = content.batch_no if part == 0 else derive_number("B", content.batch_no, part)
        for order in orders:
            yield order, batch_no


def _chunks(rows: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    return (rows[start : start + size] for start in range(0, len(rows), size))
