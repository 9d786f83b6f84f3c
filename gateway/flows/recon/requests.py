"""Reconciliation over `/v1`: run a date, see its groups, and close a difference by two persons (D.5)."""

from __future__ import annotations

from datetime import date, timedelta
from functools import partial
from typing import Any, Final, Literal

from pydantic import Field

from gateway.flows.api import ApiCall, ApiReply, Body, Caller, Endpoint
from gateway.flows.house import House
from gateway.flows.payout.claims import mark_ready
from gateway.flows.payout.jobs import close_task, keep_going
from gateway.flows.payout.requests import AWAITING, day_in
from gateway.flows.payout.scheme import act_of
from gateway.flows.recon.levels import level_of
from gateway.flows.recon.totals import DIFFERS_TASK, reconcile, unknown_of
from gateway.journal.entities import Act, Entity
from gateway.journal.exchanges import Exchange
from gateway.journal.store import Unit
from gateway.model.clock import from_micros, to_micros
from gateway.model.machines import RECON_GROUP
from gateway.model.refusals import Refusal
from gateway.model.registry import Role

_READERS: Final[frozenset[Role]] = frozenset({"preparer", "approver", "operator", "auditor"})


class RunBody(Body):
    """`POST /v1/reconciliations/{date}`."""

    kinds: tuple[Literal["platform", "bank"], ...] = ("platform", "bank")


class CloseBody(Body):
    """A person's word on a difference; a second person's same resolution closes it."""

    resolution: str = Field(min_length=1, max_length=64)
    reason: str = Field(min_length=1, max_length=500)


async def run(house: House, exchange: Exchange | None, call: ApiCall) -> ApiReply:
    """Ask the platform about every hospital's settlements of a date, now; what is reconciled is not asked again."""
    day = day_in(call.path["date"], "date")
    if "platform" in call.body.kinds:
        name = f"v1|{exchange.exchange_id if exchange is not None else ''}"
        for code in sorted(house.hospitals):
            if await _has_settlements(house, code, day):
                level = await level_of(house, code, name)
                await reconcile(house, code, day, name, act_of(call.caller, exchange), level)
    return ApiReply(await _view(house, day))


async def _has_settlements(house: House, hospital: str, day: date) -> bool:
    row = await house.journal.store.row(
        "SELECT id FROM claim WHERE hospital = :hospital AND setl_date = :day AND state IN ('ACCEPTED','RECON_DIFF') "
        "LIMIT 1",
        {"hospital": hospital, "day": day.isoformat()},
    )
    return row is not None


async def show(house: House, _exchange: Exchange | None, call: ApiCall) -> ApiReply:
    """GET /v1/reconciliations/{date}."""
    return ApiReply(await _view(house, day_in(call.path["date"], "date")))


async def show_breaks(house: House, _exchange: Exchange | None, call: ApiCall) -> ApiReply:
    """GET /v1/reconciliations/{date}/breaks."""
    groups = await _groups(house, day_in(call.path["date"], "date"))
    return ApiReply({"items": [_break(group) for group in groups if _is_break(group)], "next_cursor": None})


async def _groups(house: House, day: date) -> list[Entity]:
    return await house.journal.entities.find(
        "recon_group", "setl_date = :day", order="hospital, insutype, clr_type", day=day.isoformat()
    )


async def _view(house: House, day: date) -> dict[str, Any]:
    """Open outcomes of the hospitals first, since a difference may be one of them; then groups and breaks."""
    groups = await _groups(house, day)
    unknown = [
        {
            "operation_id": row["operation_id"], "infno": row["name"], "fixmedins_code": code,
            "since": from_micros(row["since"]).isoformat() if row["since"] else None,
        }
        for code in sorted(house.hospitals) for row in await unknown_of(house, code)
    ]  # fmt: skip
    return {
        "date": day.isoformat(),
        "unknown": unknown,
        "groups": [_group(group) for group in groups],
        "breaks": [_break(group) for group in groups if _is_break(group)],
    }


def _key(group: Entity) -> dict[str, str]:
    return {
        "fixmedins_code": group.hospital, "setl_date": group["setl_date"], "insutype": group["insutype"],
        "clr_type": group["clr_type"], "clr_optins": group["clr_optins"],
    }  # fmt: skip


def _group(group: Entity) -> dict[str, Any]:
    return {
        "kind": "platform", "key": _key(group), "ours": group.get("ours"), "theirs": group.get("theirs"),
        "equal": group.state == "EQUAL", "state": group.state,
    }  # fmt: skip


def _is_break(group: Entity) -> bool:
    return group.state in ("DIFFERS", "CLOSED")


def _break(group: Entity) -> dict[str, Any]:
    """A group that differs, as a break: totals do not say which settlement it is (3202 does)."""
    return {
        "break_id": group.id, "kind": "DIFFERS", "business_key": _key(group), "ours": group.get("ours"),
        "theirs": group.get("theirs"), "proposed": "recon.close", "owner": "operator",
        "due": (date.fromisoformat(group["setl_date"]) + timedelta(days=2)).isoformat(),
        "state": "CLOSED" if group.state == "CLOSED" else "OPEN",
        "decisions": [
            {"by": row["by"], "at": row["at"], "resolution": row["resolution"], "reason": row["reason"]}
            for row in group.get("decisions", [])
        ],
    }  # fmt: skip


# -- two persons ------------------------------------------------------------------------------------------------------


async def close_break(house: House, exchange: Exchange | None, call: ApiCall) -> ApiReply:
    """POST …/breaks/{break_id}/close: the second person's same resolution makes the settlements RECONCILED."""
    act = act_of(call.caller, exchange)
    group, closed = await keep_going(
        partial(_close, house, call.path["break_id"], call.body.resolution, call.body.reason, call.caller, act)
    )
    if closed:
        return ApiReply(_break(group))
    return ApiReply({**_break(group), "code": AWAITING, "decision_state": AWAITING}, status=202)


async def _close(
    house: House, break_id: str, resolution: str, reason: str, caller: Caller, act: Act
) -> tuple[Entity, bool]:
    group = await house.journal.entities.get("recon_group", break_id)
    if group is None:
        raise Refusal("NOT_FOUND", field="break_id")
    decisions = group.get("decisions", [])
    if any(row["in"] == act.exchange_id for row in decisions if act.exchange_id):
        return group, group.state == "CLOSED"  # this very call was cut off after its commit
    RECON_GROUP.after(group.state, "decided")
    same = [row for row in decisions if row["resolution"] == resolution]
    if any(row["by"] == caller.id for row in same):
        raise Refusal("SAME_PERSON")
    noted = {
        "by": caller.id, "at": house.clock.now().isoformat(), "resolution": resolution, "reason": reason,
        "in": act.exchange_id,
    }  # fmt: skip
    unit = Unit()
    event = "closed" if same else "decided"
    moved = house.journal.entities.move(unit, group, event, act, data={"decisions": [*decisions, noted]})
    if same:
        await _release(unit, house, group, act)
    await house.journal.commit(unit)
    return moved, bool(same)


async def _release(unit: Unit, house: House, group: Entity, act: Act) -> None:
    """Add what a close means: the group's settlements are reconciled by two persons' word, and payable."""
    claims = await house.journal.entities.find(
        "claim",
        "setl_date = :day AND hospital = :hospital AND insutype = :insutype AND clr_type = :clr_type "
        "AND clr_optins = :clr_optins AND state IN ('ACCEPTED','RECON_DIFF')",
        day=group["setl_date"], hospital=group.hospital, insutype=group["insutype"], clr_type=group["clr_type"],
        clr_optins=group["clr_optins"],
    )  # fmt: skip
    now = to_micros(house.clock.now())
    for claim in claims:
        house.journal.entities.move(unit, claim, "matched", act, columns={"reconciled_at": now})
    area = house.hospital(group.hospital).pool_area
    if house.agency_of(area) is not None:
        mark_ready(unit, house, area, group["setl_date"], group.hospital)
    await close_task(house, unit, DIFFERS_TASK, group.id, act)


ENDPOINTS: Final = (
    Endpoint(
        "POST", "/v1/reconciliations/{date}", frozenset({"operator"}), run,
        "立即对账", "Reconcile a date now", body=RunBody, tags=("reconciliations",),
    ),
    Endpoint(
        "GET", "/v1/reconciliations/{date}", _READERS, show,
        "查询对账结果", "Reconciliation of a date", tags=("reconciliations",),
    ),
    Endpoint(
        "GET", "/v1/reconciliations/{date}/breaks", _READERS, show_breaks,
        "查询对账差异", "Differences of a date", tags=("reconciliations",),
    ),
    Endpoint(
        "POST", "/v1/reconciliations/{date}/breaks/{break_id}/close",
        frozenset({"preparer", "approver", "operator"}), close_break,
        "关闭对账差异（两人）", "Close a difference: two persons", body=CloseBody, tags=("reconciliations",),
    ),
)  # fmt: skip
