"""Health: alive, ready and why not; metrics for Prometheus, on loopback or with a token of their own."""

from __future__ import annotations

from typing import Any

import orjson
from aiohttp import web

from gateway.flows.payout import gauges
from gateway.journal.store import StoreError
from gateway.model.clock import from_micros
from gateway.model.refusals import Refusal
from gateway.web.auth import same_token
from gateway.web.context import DESK, EXCHANGE_ID, Desk
from gateway.web.problems import problem

_LOOPBACK = frozenset({"127.0.0.1", "::1"})


async def live(_request: web.Request) -> web.Response:
    """The process answers."""
    return web.json_response({"status": "live"})


async def ready(request: web.Request) -> web.Response:
    """200 when new work is taken; else 503 naming the store or the counterpart that is the reason."""
    desk = request.app[DESK]
    reasons = [] if desk.ready else ["stopping or starting"]
    try:
        await desk.house.journal.store.row("SELECT 1 AS one", {})
    except StoreError as error:
        reasons.append(f"store: {error}")
    now = desk.house.clock.monotonic()
    partners = {
        p.id: "circuit open" if p.breaker.is_open(now) else "ok" for p in desk.house.delivery.counterparts.values()
    }
    body = {"status": "ready" if not reasons else "not ready", "reasons": reasons, "counterparts": partners}
    return web.Response(status=503 if reasons else 200, body=orjson.dumps(body), content_type="application/json")


async def metrics(request: web.Request) -> web.Response:
    """The Prometheus exposition."""
    desk = request.app[DESK]
    if not _may_read(request, desk):
        return problem(Refusal("UNAUTHENTICATED"), request[EXCHANGE_ID])
    await refresh(desk)
    return web.Response(body=desk.metrics.expose(), content_type="text/plain", charset="utf-8")


def _may_read(request: web.Request, desk: Desk) -> bool:
    token = desk.settings.metrics_token
    if token is None:
        return request.remote in _LOOPBACK
    return same_token(request.headers.get("Authorization", ""), f"Bearer {token.get_secret_value()}")


async def refresh(desk: Desk) -> None:
    """Set the gauges that are counted in the store."""
    metrics_, house = desk.metrics, desk.house
    await _refresh_unknown(desk)
    now = house.clock.monotonic()
    for partner in house.delivery.counterparts.values():
        metrics_.circuit_open.labels(partner.id).set(int(partner.breaker.is_open(now)))
    _refresh_certificates(desk)
    counted: dict[str, Any] = await gauges(house)
    metrics_.payout_items.clear()
    metrics_.payout_fen.clear()
    for state, count in counted["payout_items"].items():
        metrics_.payout_items.labels(state).set(count)
        metrics_.payout_fen.labels(state).set(counted["payout_fen"][state])
    metrics_.payout_cutoff.set(counted["payout_cutoff_seconds"] or 0)
    metrics_.recon_breaks.set(counted["recon_breaks_open"])
    metrics_.tasks_open.clear()
    for kind, count in counted["tasks_open"].items():
        metrics_.tasks_open.labels(kind).set(count)
    metrics_.due_failed.set(desk.scheduler.failed)


def _refresh_certificates(desk: Desk) -> None:
    """By counterpart, role and file name; real time, as certificates live in it."""
    gauge, now = desk.metrics.certificate_expiry, desk.house.clock.real()
    gauge.clear()
    for partner in desk.house.delivery.counterparts.values():
        for name, end in ({} if partner.ring is None else partner.ring.ends()).items():
            gauge.labels(f"{partner.id}/{name}").set(end.timestamp() - now)


async def _refresh_unknown(desk: Desk) -> None:
    rows = await desk.house.journal.store.rows(
        "SELECT counterpart, name, COUNT(*) AS count, MIN(since) AS since FROM operation "
        "WHERE state = 'UNKNOWN' AND guarantee <> 'query' GROUP BY counterpart, name"
    )
    desk.metrics.unknown_open.clear()
    desk.metrics.unknown_oldest.clear()
    for row in rows:
        age = desk.house.clock.now() - from_micros(row["since"])
        desk.metrics.unknown_open.labels(row["counterpart"], row["name"]).set(row["count"])
        desk.metrics.unknown_oldest.labels(row["counterpart"], row["name"]).set(age.total_seconds())
