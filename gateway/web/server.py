"""The HTTP application: routes, limits, exchange ids, access metrics and one log line per message."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Final

import structlog
from aiohttp import web

from gateway.model.ids import new_id
from gateway.model.refusals import Refusal
from gateway.web import bank, health, mobile, national, openapi, sandbox, soap_his, v1
from gateway.web.context import DESK, EXCHANGE_ID, Desk
from gateway.web.metrics import PartnerTime
from gateway.web.problems import problem

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_log = structlog.get_logger("web")
_QUIET: Final = frozenset({"", "/health/live", "/health/ready", "/metrics"})


def build(desk: Desk) -> web.Application:
    """The application with everything that is mounted."""
    size = max(desk.settings.limits.body, desk.settings.limits.receipt_body)
    app = web.Application(middlewares=[_observe, _limit], client_max_size=size)
    app[DESK] = desk
    app.router.add_get("/health/live", health.live)
    app.router.add_get("/health/ready", health.ready)
    app.router.add_get("/metrics", health.metrics)
    app.router.add_post(f"{desk.doors['his_json'].prefix}/{{path:.+}}", national.national)
    app.router.add_get("/soap/his", soap_his.contract)
    app.router.add_post("/soap/his", soap_his.call)
    app.router.add_get("/soap/bank/{bank}", bank.wsdl)
    app.router.add_post("/soap/bank/{bank}", bank.push)
    app.router.add_post(mobile.PATH, mobile.notify)
    for endpoint in desk.endpoints:
        app.router.add_route(endpoint.method, endpoint.path, v1.handler_of(endpoint))
    app.router.add_get("/openapi.json", openapi.document)
    app.router.add_get("/docs", openapi.page)
    if desk.settings.sandbox:
        app.router.add_get("/sandbox/clock", sandbox.read_clock)
        app.router.add_put("/sandbox/clock", sandbox.move_clock)
        app.router.add_get("/sandbox/crash", sandbox.read_points)
        app.router.add_put("/sandbox/crash", sandbox.arm_crash)
    return app


@web.middleware
async def _observe(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give the message an id, answer what nobody answered, measure and log."""
    desk = request.app[DESK]
    request[EXCHANGE_ID] = new_id("X")
    request["operation"], request["outcome"] = "", "ok"
    started, waited = time.perf_counter(), PartnerTime.start()
    try:
        response = await handler(request)
    except web.HTTPException as error:
        response = _plain_problem(request, error.status)
    except Exception as error:  # noqa: BLE001 - a mistake of ours: the exchange stays open and is taken up again
        _log.error("handler failed", exc_info=error, exchange_id=request[EXCHANGE_ID])
        response = _own(request, Refusal("IN_PROGRESS"))
    took = time.perf_counter() - started
    door = _door(request.path)
    if door:
        operation = request["operation"] or "unread"
        desk.metrics.observe_exchange(door, operation, request["outcome"], took, sum(waited))
        _log.info(
            "answered", door=door, operation=operation, outcome=request["outcome"], status=response.status,
            exchange_id=request[EXCHANGE_ID], ms=round(took * 1000, 2),
        )  # fmt: skip
    response.headers["X-Exchange-Id"] = request[EXCHANGE_ID]
    return response


@web.middleware
async def _limit(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Bound what is under way, in all and per caller; more is refused at once instead of queued in memory."""
    desk = request.app[DESK]
    if not _door(request.path):
        return await handler(request)
    length = request.content_length or 0
    allowed = desk.settings.limits.receipt_body if request.path.startswith("/soap/bank") else desk.settings.limits.body
    if length > allowed:
        return _too_large(request)
    who = _who(request)
    if not desk.ready or not desk.enter(who):
        return _overloaded(request)
    try:
        return await handler(request)
    except web.HTTPRequestEntityTooLarge:
        return _too_large(request)
    finally:
        desk.leave(who)


def _who(request: web.Request) -> str:
    """Whose share of the process a request takes; what it claims is enough for that, it is not authentication."""
    claimed = request.headers.get("x-tif-paasid", "") or request.headers.get("Authorization", "")
    return claimed or str(request.remote)


def _too_large(request: web.Request) -> web.Response:
    return _own(request, Refusal("TOO_LARGE"))


def _overloaded(request: web.Request) -> web.Response:
    return _own(request, Refusal("OVERLOADED"))


def _own(request: web.Request, refusal: Refusal) -> web.Response:
    """A refusal before any door read the message, in that door's own format."""
    desk = request.app[DESK]
    request["outcome"] = refusal.code
    door = _door(request.path)
    desk.metrics.refused.labels(door, refusal.code).inc()
    if door == national.DOOR:
        status, body = desk.doors[door].reply_to(refusal, request[EXCHANGE_ID])
        return web.Response(status=status, body=body, content_type="application/json", charset="utf-8")
    if door == soap_his.DOOR:
        return soap_his.fault(request, refusal)
    if door == bank.DOOR:
        return bank.unread(request, refusal)
    if door == mobile.DOOR:
        return mobile.unread(request, refusal)
    return problem(refusal, request[EXCHANGE_ID])


def _door(path: str) -> str:
    if path in _QUIET:
        return ""
    if path.startswith("/fsi/"):
        return national.DOOR
    if path == "/soap/his":
        return soap_his.DOOR
    if path.startswith("/soap/bank"):
        return bank.DOOR
    if path == mobile.PATH:
        return mobile.DOOR
    return v1.DOOR if path.startswith("/v1") else ""


def _plain_problem(request: web.Request, status: int) -> web.Response:
    if status == 413:
        return _own(request, Refusal("TOO_LARGE"))
    return problem(Refusal("NOT_FOUND"), request[EXCHANGE_ID]) if status in (404, 405) else web.Response(status=status)
