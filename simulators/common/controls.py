"""The ``/_sim`` controls every simulator has. Sandbox only and loopback only, so they ask for no credentials."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import orjson
from aiohttp import web

from simulators.common.faults import FaultRefused, parse_faults
from simulators.common.variants import UnknownVariant

if TYPE_CHECKING:
    from simulators.common.server import SimulatorApp


def json_response(content: Any, status: int = 200) -> web.Response:
    body = content if isinstance(content, bytes) else orjson.dumps(content)
    return web.Response(body=body, status=status, content_type="application/json", charset="utf-8")


def unprocessable(why: str) -> web.Response:
    """422 with the reason: the control was understood and makes no sense."""
    return json_response({"code": "INVALID_FIELD", "detail": why}, 422)


async def read_json(request: web.Request) -> Any:
    """The JSON body of a control. Raises HTTPBadRequest when it is not JSON."""
    try:
        return orjson.loads(await request.read())
    except orjson.JSONDecodeError as error:
        raise web.HTTPBadRequest(text=f"not JSON: {error}") from error


def _number(request: web.Request, name: str, default: int = 0) -> int:
    try:
        return int(request.query.get(name, default))
    except ValueError as error:
        raise web.HTTPBadRequest(text=f"{name} is a number") from error


def add_controls(sim: SimulatorApp) -> None:
    """Adds ledger, requests, faults, variants, reset, clock and health."""
    controls = _Controls(sim)
    routes: list[tuple[str, str, Callable[[web.Request], Awaitable[web.StreamResponse]]]] = [
        ("GET", "/_sim/health", controls.health),
        ("GET", "/_sim/ledger", controls.ledger),
        ("GET", "/_sim/requests", controls.requests),
        ("GET", "/_sim/faults", controls.get_faults),
        ("PUT", "/_sim/faults", controls.put_faults),
        ("DELETE", "/_sim/faults", controls.delete_faults),
        ("GET", "/_sim/variants", controls.get_variants),
        ("PUT", "/_sim/variants", controls.put_variants),
        ("DELETE", "/_sim/variants", controls.delete_variants),
        ("POST", "/_sim/reset", controls.reset),
    ]
    for method, path, handler in routes:
        sim.app.router.add_route(method, path, handler)


class _Controls:
    def __init__(self, sim: SimulatorApp) -> None:
        self._sim = sim

    async def health(self, request: web.Request) -> web.Response:
        now = self._sim.clock.now().isoformat(timespec="milliseconds")
        return json_response({"simulator": self._sim.name, "status": "ok", "business_time": now})

    async def ledger(self, request: web.Request) -> web.Response:
        return json_response(self._sim.ledger.effects_json())

    async def requests(self, request: web.Request) -> web.Response:
        query = request.query
        since = _number(request, "since")
        return json_response(self._sim.ledger.requests_json(query.get("operation", ""), query.get("key", ""), since))

    async def get_faults(self, request: web.Request) -> web.Response:
        return json_response({"faults": self._sim.faults.show()})

    async def put_faults(self, request: web.Request) -> web.StreamResponse:
        try:
            faults = parse_faults(await read_json(request))
        except FaultRefused as error:
            return unprocessable(str(error))
        seed = _number(request, "seed") if "seed" in request.query else None
        self._sim.faults.set(faults, seed)
        closing = self._sim.faults.closing_at_once()
        response = json_response({"faults": self._sim.faults.show()})
        if closing:
            # The listener is closed before this answer leaves: who has read the answer finds the door closed.
            response.force_close()
            await self._sim.listener.refuse(closing, keep=request.transport)
        return response

    async def delete_faults(self, request: web.Request) -> web.Response:
        self._sim.faults.clear()
        return json_response({"faults": []})

    async def get_variants(self, request: web.Request) -> web.Response:
        return json_response({"variants": self._sim.variants.show()})

    async def put_variants(self, request: web.Request) -> web.Response:
        content = await read_json(request)
        if not isinstance(content, dict):
            return unprocessable("an object of switches is expected")
        try:
            with self._sim.step():
                self._sim.variants.set(content)
        except UnknownVariant as error:
            return unprocessable(str(error))
        return json_response({"variants": self._sim.variants.show()})

    async def delete_variants(self, request: web.Request) -> web.Response:
        with self._sim.step():
            self._sim.variants.set({})
        return json_response({"variants": self._sim.variants.show()})

    async def reset(self, request: web.Request) -> web.Response:
        self._sim.reset()
        return json_response({"status": "reset"})
