"""What the metrics say of payouts and reconciliation; read from small indexed sets, never from the items themselves."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from gateway.flows.house import House
from gateway.flows.payout.jobs import business_day
from gateway.flows.payout.requests import RESUBMIT_REFUSED
from gateway.flows.payout.scheme import Scheme, schemes
from gateway.handlers.payout import cutoff_at
from gateway.model.refusals import Refusal

LOOK_BACK: Final = timedelta(days=62)


async def gauges(house: House) -> dict[str, Any]:
    """Items and fen by state over two months of pay dates, seconds to the cut-off, breaks, tasks, refused resubmits.

    ``payout_cutoff_seconds`` is business time, 0 once it has passed, None on a day without payouts or calendar.
    """
    items, fen = await _payouts(house)
    return {
        "payout_items": items,
        "payout_fen": fen,
        "payout_cutoff_seconds": _cutoff_seconds(house),
        "recon_breaks_open": await _breaks(house),
        "tasks_open": await _tasks(house),
        "payout_resubmits_refused": await _count(
            house, "SELECT COUNT(*) AS n FROM access_log WHERE psn_no = '' AND purpose = :purpose",
            {"purpose": RESUBMIT_REFUSED},
        ),
    }  # fmt: skip


async def _payouts(house: House) -> tuple[dict[str, int], dict[str, int]]:
    """Items share the fate of their order, so orders are counted."""
    rows = await house.journal.store.rows(
        "SELECT state, SUM(item_count) AS items, SUM(sum_fen) AS fen FROM payout_order WHERE pay_date >= :since "
        "GROUP BY state",
        {"since": (business_day(house) - LOOK_BACK).isoformat()},
    )
    return {r["state"]: int(r["items"]) for r in rows}, {r["state"]: int(r["fen"]) for r in rows}


async def _breaks(house: House) -> int:
    """Settlements that differ, and groups of which only that is known."""
    named = await _count(house, "SELECT COUNT(*) AS n FROM recon_break WHERE state IN ('OPEN','REPAIRING')", {})
    groups = await house.journal.entities.find("recon_group", "state = 'DIFFERS'")
    return named + sum(not group.get("explained", False) for group in groups)


async def _tasks(house: House) -> dict[str, int]:
    rows = await house.journal.store.rows(
        "SELECT task_kind, COUNT(*) AS n FROM task WHERE state IN ('OPEN', 'TAKEN') GROUP BY task_kind"
    )
    return {row["task_kind"]: int(row["n"]) for row in rows}


async def _count(house: House, sql: str, params: dict[str, str]) -> int:
    row = await house.journal.store.row(sql, params)
    return 0 if row is None else int(row["n"])


def _cutoff_seconds(house: House) -> float | None:
    left = [seconds for scheme in schemes(house, business_day(house)) if (seconds := _left(house, scheme)) is not None]
    return min(left, default=None)


def _left(house: House, scheme: Scheme) -> float | None:
    today = business_day(house)
    try:
        if not scheme.calendar.is_working_day(today):
            return None
    except Refusal:
        return None
    return max(0.0, (cutoff_at(today, scheme.payout) - house.clock.now()).total_seconds())
