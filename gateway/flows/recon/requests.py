"""Reconciliation over `/v1`: run a date, see its groups, and close a difference by two persons (D.5)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any, Final, Literal

from pydantic import Field

from gateway.flows.api import ApiCall, ApiReply, Body, Endpoint
from gateway.flows.house import House
from gateway.flows.payout.requests import AWAITING, day_in
from gateway.flows.payout.scheme import act_of
from gateway.flows.recon import closing
from gateway.flows.recon.breaks import due_of
from gateway.flows.recon.levels import level_of
from gateway.flows.recon.running import reconcile
from gateway.flows.recon.totals import unknown_of, unreconciled_dates
from gateway.journal.entities import Entity
from gateway.journal.exchanges import Exchange
from gateway.model.clock import from_micros
from gateway.model.registry import Role
from gateway.model.texts import label

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
    return day in await unreconciled_dates(house, hospital, day + timedelta(days=1))


async def show(house: House, _exchange: Exchange | None, call: ApiCall) -> ApiReply:
    """GET /v1/reconciliations/{date}."""
    return ApiReply(await _view(house, day_in(call.path["date"], "date")))


async def show_breaks(house: House, _exchange: Exchange | None, call: ApiCall) -> ApiReply:
    """GET /v1/reconciliations/{date}/breaks."""
    day = day_in(call.path["date"], "date")
    return ApiReply({"items": await _breaks(house, day, await _groups(house, day)), "next_cursor": None})


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
        "breaks": await _breaks(house, day, groups),
    }


async def _breaks(house: House, day: date, groups: Sequence[Entity]) -> list[dict[str, Any]]:
    """Every difference of a date: settlement by settlement, and the groups of which only the totals are known."""
    named = await house.journal.entities.find(
        "recon_break", "setl_date = :day", order="hospital, clr_type, setl_id, id", day=day.isoformat()
    )
    return [_break(broken) for broken in [*named, *(group for group in groups if _is_break(group))]]


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
    """A group stands for its settlements as long as nobody has named those that differ."""
    return group.state in ("DIFFERS", "CLOSED") and not group.get("explained", False)


def _break(broken: Entity) -> dict[str, Any]:
    """A break, or a group of which only the totals are known."""
    if broken.kind == "recon_group":
        shown: dict[str, Any] = {
            "kind": "DIFFERS", "business_key": _key(broken), "proposed": "recon.close", "owner": "operator",
            "due": due_of(broken["setl_date"]), "state": "CLOSED" if broken.state == "CLOSED" else "OPEN",
        }  # fmt: skip
    else:
        shown = {name: broken[name] for name in ("kind", "proposed", "owner", "due")}
        shown |= {"business_key": _number(broken), "state": broken.state}
    return {
        "break_id": broken.id, **shown, "ours": broken.get("ours"), "theirs": broken.get("theirs"),
        "proposed_action": label(f"suggest.{shown['proposed']}"),
        "decisions": [
            {"by": row["by"], "at": row["at"], "resolution": row["resolution"], "reason": row["reason"]}
            for row in broken.get("decisions", [])
        ],
    }  # fmt: skip


def _number(broken: Entity) -> dict[str, Any]:
    return {
        "fixmedins_code": broken.hospital, "setl_date": broken["setl_date"], "setl_id": broken["setl_id"],
        "msgid": broken["msgid"], "refund": broken["refund"], "clr_type": broken["clr_type"],
        "clr_optins": broken["clr_optins"],
    }  # fmt: skip


# -- two persons ------------------------------------------------------------------------------------------------------


async def close_break(house: House, exchange: Exchange | None, call: ApiCall) -> ApiReply:
    """POST …/breaks/{break_id}/close: the second person's same resolution makes the settlements RECONCILED."""
    act = act_of(call.caller, exchange)
    broken, closed = await closing.close(
        house, call.path["break_id"], call.body.resolution, call.body.reason, call.caller, act
    )
    if closed:
        return ApiReply(_break(broken))
    return ApiReply({**_break(broken), "code": AWAITING, "decision_state": AWAITING}, status=202)


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
