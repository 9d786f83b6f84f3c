"""Administration of the sandbox; never mounted without ``sandbox = true``."""

from __future__ import annotations

from datetime import datetime

import orjson
from aiohttp import web

from gateway.model.clock import SandboxClock
from gateway.model.refusals import Refusal
from gateway.web.context import DESK, EXCHANGE_ID, Desk
from gateway.web.problems import problem


def _clock(desk: Desk) -> SandboxClock:
    clock = desk.sandbox_clock
    if clock is None:
        raise web.HTTPNotFound
    return clock


async def read_clock(request: web.Request) -> web.Response:
    """GET /sandbox/clock."""
    clock = _clock(request.app[DESK])
    return web.json_response({"now": clock.now().isoformat(), "rate": clock.rate})


async def move_clock(request: web.Request) -> web.Response:
    """PUT /sandbox/clock: everything due on the way has run when this answers."""
    desk = request.app[DESK]
    clock = _clock(desk)
    try:
        to, rate = _wish(await request.read(), clock)
    except Refusal as refusal:
        return problem(refusal, request[EXCHANGE_ID])
    ran = await desk.scheduler.move_clock(clock, to, rate)
    return web.json_response({"now": clock.now().isoformat(), "rate": clock.rate, "ran": ran})


async def read_points(request: web.Request) -> web.Response:
    """GET /sandbox/crash: the points the running code has passed since the probe was armed."""
    probe = request.app[DESK].probe
    return web.json_response({"points": [] if probe is None else probe.points})


async def arm_crash(request: web.Request) -> web.Response:
    """PUT /sandbox/crash {"at": n}: the process ends like `kill -9` at the n-th point from now; 0 only counts."""
    probe = request.app[DESK].probe
    try:
        at = int(orjson.loads(await request.read())["at"])
    except (orjson.JSONDecodeError, ValueError, TypeError, KeyError) as error:
        return problem(Refusal("MALFORMED", str(error)), request[EXCHANGE_ID])
    if probe is not None:
        probe.arm(at)
    return web.json_response({"at": at})


def _wish(raw: bytes, clock: SandboxClock) -> tuple[datetime, int | None]:
    try:
        body = orjson.loads(raw)
        to = datetime.fromisoformat(body["now"]) if "now" in body else clock.now()
        rate = body.get("rate")
    except (orjson.JSONDecodeError, ValueError, TypeError, AttributeError) as error:
        raise Refusal("MALFORMED", str(error)) from None
    if to.tzinfo is None:
        raise Refusal("INVALID_FIELD", "a time with its offset is expected", field="now")
    if rate not in (None, 0, 1):
        raise Refusal("INVALID_FIELD", "0 or 1", field="rate")
    return to, rate
