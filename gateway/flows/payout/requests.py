"""What `/v1` does with the fund's settlement: each call as a handler of the flows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any, Final, Literal

from pydantic import Field

from gateway.flows.api import ApiCall, ApiReply, Body, Caller
from gateway.flows.house import House
from gateway.flows.payout import approving, building, deciding, feedback, submitting
from gateway.flows.payout.jobs import business_day
from gateway.flows.payout.orders import order_of, orders_of, summary_of
from gateway.flows.payout.scheme import Scheme, act_of, scheme_of, schemes
from gateway.flows.payout.views import (
    day_view,
    feedback_view,
    order_view,
    receipt_view,
    settlement_view,
    summary_view,
)
from gateway.journal.entities import Entity
from gateway.journal.exchanges import Exchange
from gateway.journal.store import Unit
from gateway.model.refusals import Refusal

PAGE: Final = 100
PAGE_MAX: Final = 500
RESUBMIT_REFUSED: Final = "PAYOUT_RESUBMIT_REFUSED"
AWAITING: Final = "AWAITING_SECOND_PERSON"


class BuildBody(Body):
    """`POST /v1/payouts/{biz_date}/build`; the summary is not known yet."""

    agency: str = ""


class SummaryBody(Body):
    """Which summary, and the content the person looked at."""

    summary_no: str = Field(min_length=1, max_length=64)
    content_hash: str = Field(default="", max_length=128)


class ReasonBody(Body):
    """Why."""

    reason: str = Field(default="", max_length=500)


class DecisionBody(Body):
    """A person's decision about a quarantined receipt; an orphan is accepted for the order named here."""

    decision: Literal["accept_actual", "reject"]
    reason: str = Field(min_length=1, max_length=500)
    pay_order_no: str = Field(default="", max_length=64)


class FeedbackBody(Body):
    """`POST /v1/feedback/{yyyymm}`."""

    agency: str = ""


def day_in(text: str, field: str) -> date:
    """A date of a path or query. Raises Refusal INVALID_FIELD."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise Refusal("INVALID_FIELD", "须为 YYYY-MM-DD", field=field) from None


def month_in(text: str) -> str:
    """A month yyyymm. Raises Refusal INVALID_FIELD."""
    if len(text) != 6 or not text.isdigit() or not 1 <= int(text[4:]) <= 12 or text < "2000":
        raise Refusal("INVALID_FIELD", "须为 yyyymm", field="yyyymm")
    return text


def page_of(query: Any) -> tuple[str, int]:
    """Cursor and page size of a list. Raises Refusal INVALID_FIELD."""
    limit = query.get("limit", str(PAGE))
    if not limit.isdigit() or not 1 <= int(limit) <= PAGE_MAX:
        raise Refusal("INVALID_FIELD", field="limit")
    return query.get("cursor", ""), int(limit)


def paged(rows: Sequence[Entity], limit: int, shown: list[dict[str, Any]]) -> dict[str, Any]:
    """A page and where the next one begins."""
    return {"items": shown, "next_cursor": rows[-1].id if len(rows) == limit else None}


def agencies_in(house: House, named: str) -> list[str]:
    """The named agency, or all that have a scheme. Raises Refusal NOT_FOUND."""
    if not named:
        return [scheme.agency.id for scheme in schemes(house, business_day(house))]
    if named not in house.agencies:
        raise Refusal("NOT_FOUND", field="agency")
    return [named]


# -- payouts ----------------------------------------------------------------------------------------------------------


async def show_day(house: House, _exchange: Exchange | None, call: ApiCall) -> ApiReply:
    """GET /v1/payouts/{biz_date}."""
    agencies = agencies_in(house, call.query.get("agency", ""))
    return ApiReply(await day_view(house, agencies, day_in(call.path["biz_date"], "biz_date")))


async def build_day(house: House, exchange: Exchange | None, call: ApiCall) -> ApiReply:
    """POST /v1/payouts/{biz_date}/build: also what was reconciled after the morning's build, before the cut-off."""
    day = day_in(call.path["biz_date"], "biz_date")
    built: list[str] = []
    for agency in agencies_in(house, call.body.agency):
        built += await building.build(house, agency, act_of(call.caller, exchange), only=day, at_once=True)
    view = await day_view(house, agencies_in(house, call.body.agency), day)
    newest = await summary_view(house, await summary_of(house, built[-1])) if built else {}
    return ApiReply({**view, **newest, "built": built})


async def approve(house: House, exchange: Exchange | None, call: ApiCall) -> ApiReply:
    """POST /v1/payouts/{biz_date}/approve, by the preparer and then by another person."""
    await _summary_of_day(house, call)
    summary = await approving.approve(
        house, call.body.summary_no, call.body.content_hash, call.caller, act_of(call.caller, exchange)
    )
    return ApiReply(await summary_view(house, summary))


async def submit(house: House, exchange: Exchange | None, call: ApiCall) -> ApiReply:
    """POST /v1/payouts/{biz_date}/submit: 200 when it is out, 202 while an outcome is open or nothing could leave."""
    summary = await _summary_of_day(house, call)
    if call.body.content_hash not in ("", summary["content_hash"]):
        raise Refusal("HASH_CHANGED", field="content_hash")
    summary = await submitting.submit(house, summary.id, act_of(call.caller, exchange))
    states = {order.state for order in await orders_of(house, summary.id)}
    pending = bool(states & {"IN_SUMMARY", "UNKNOWN"})
    return ApiReply(await summary_view(house, summary), status=202 if pending else 200)


async def _summary_of_day(house: House, call: ApiCall) -> Entity:
    summary = await summary_of(house, call.body.summary_no)
    if summary["biz_date"] != day_in(call.path["biz_date"], "biz_date").isoformat():
        raise Refusal("NOT_FOUND", field="summary_no")
    return summary


async def show_order(house: House, _exchange: Exchange | None, call: ApiCall) -> ApiReply:
    """GET /v1/payout-orders/{pay_order_no}."""
    order = await order_of(house, call.path["pay_order_no"])
    call.caller.must_own(order.hospital)
    return ApiReply(await order_view(house, order))


async def resubmit(house: House, exchange: Exchange | None, call: ApiCall) -> ApiReply:
    """Always refused (R-122); who tried, for which order and why is kept."""
    unit = Unit()
    detail = f"{call.path['pay_order_no'][:64]}: {call.body.reason}"
    house.journal.log_access(unit, "", call.caller.actor, RESUBMIT_REFUSED, call.caller.role, detail)
    await house.journal.commit(unit)
    raise Refusal("NO_SECOND_PAYOUT", "R-122")


# -- settlements ------------------------------------------------------------------------------------------------------


async def list_settlements(house: House, _exchange: Exchange | None, call: ApiCall) -> ApiReply:
    """GET /v1/settlements?date=&state=&fixmedins_code=; a hospital sees its own."""
    hospital = _hospital_asked(call)
    cursor, limit = page_of(call.query)
    where, params = ["id > :cursor", "setl_id <> ''"], {"cursor": cursor}
    if call.query.get("date"):
        where.append("setl_date = :day")
        params["day"] = day_in(call.query["date"], "date").isoformat()
    if hospital:
        where.append("hospital = :hospital")
        params["hospital"] = hospital
    if call.query.get("state"):
        where.append("state = :state")
        params["state"] = call.query["state"]
    claims = await house.journal.entities.find("claim", " AND ".join(where), limit=limit, **params)
    return ApiReply(paged(claims, limit, [await settlement_view(house, claim) for claim in claims]))


def _hospital_asked(call: ApiCall) -> str:
    asked = call.query.get("fixmedins_code", "")
    if call.caller.role != "hospital":
        return asked
    if asked:
        call.caller.must_own(asked)
    return call.caller.hospital


async def show_settlement(house: House, _exchange: Exchange | None, call: ApiCall) -> ApiReply:
    """GET /v1/settlements/{setl_id}?fixmedins_code=: the settlement itself rather than its refund row."""
    hospital = _hospital_asked(call)
    claims = await house.journal.entities.find(
        "claim", "setl_id = :setl_id", order="refund, created_at", setl_id=call.path["setl_id"]
    )
    mine = [claim for claim in claims if hospital in ("", claim.hospital)]
    if not mine:
        raise Refusal("NOT_FOUND", field="setl_id")
    if len({claim.hospital for claim in mine}) > 1:
        raise Refusal("INVALID_FIELD", "多家机构有同一 setl_id，须指明机构", field="fixmedins_code")
    return ApiReply(await settlement_view(house, mine[0]))


# -- receipts ---------------------------------------------------------------------------------------------------------


async def list_receipts(house: House, _exchange: Exchange | None, call: ApiCall) -> ApiReply:
    """GET /v1/receipts?pay_order_no=&date=&state=."""
    cursor, limit = page_of(call.query)
    where, params = ["id > :cursor"], {"cursor": cursor}
    for name, column in (("pay_order_no", "pay_order_no"), ("state", "state")):
        if call.query.get(name):
            where.append(f"{column} = :{name}")
            params[name] = call.query[name]
    if call.query.get("date"):
        where.append("booking_date = :day")
        params["day"] = day_in(call.query["date"], "date").isoformat()
    receipts = await house.journal.entities.find("receipt", " AND ".join(where), limit=limit, **params)
    return ApiReply(paged(receipts, limit, [receipt_view(receipt) for receipt in receipts]))


async def decide_receipt(house: House, exchange: Exchange | None, call: ApiCall) -> ApiReply:
    """POST /v1/receipts/{receipt_no}/decisions."""
    receipt, done = await deciding.decide(
        house, call.path["receipt_no"], call.body.decision, call.body.reason, call.body.pay_order_no, call.caller,
        act_of(call.caller, exchange),
    )  # fmt: skip
    if done:
        return ApiReply(receipt_view(receipt))
    return ApiReply({**receipt_view(receipt), "code": AWAITING, "decision_state": AWAITING}, status=202)


# -- feedback ---------------------------------------------------------------------------------------------------------


async def show_feedback(house: House, _exchange: Exchange | None, call: ApiCall) -> ApiReply:
    """GET /v1/feedback/{yyyymm}; a hospital sees its own part."""
    return ApiReply(await _feedback(house, month_in(call.path["yyyymm"]), call.query.get("agency", ""), call.caller))


async def send_feedback(house: House, exchange: Exchange | None, call: ApiCall) -> ApiReply:
    """POST /v1/feedback/{yyyymm}: run it now; what was told already is not told again."""
    month = month_in(call.path["yyyymm"])
    for agency in agencies_in(house, call.body.agency):
        await feedback.run_feedback(house, agency, month, act_of(call.caller, exchange))
    return ApiReply(await _feedback(house, month, call.body.agency, call.caller))


async def _feedback(house: House, month: str, agency: str, caller: Caller) -> dict[str, Any]:
    """One agency's feedback; of several agencies their hospitals together."""
    hospital = caller.hospital if caller.role == "hospital" else ""
    found = [await feedback_view(house, _scheme(house, name), month, hospital) for name in agencies_in(house, agency)]
    if not found:
        raise Refusal("NOT_LIVE", field="agency")
    if len(found) == 1:
        return found[0]
    return {
        **found[0],
        "agency": None,
        "version": max(view["version"] for view in found),
        "hospitals": [row for view in found for row in view["hospitals"]],
        "pending": [row for view in found for row in view["pending"]],
        "agencies": found,
    }


def _scheme(house: House, agency: str) -> Scheme:
    return scheme_of(house, agency, business_day(house))
