"""The hospitals' callback receiver as a program, port 8814: ``POST /callbacks/{fixmedins_code}``.

Verifies the signature with the hospital's token (``sandbox-<code>``), takes an event once by ``event_id`` and shows
what it got at ``GET /_sim/callbacks``. Faults name an operation by the event's type, e.g. ``charge.final``.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from typing import Any

import orjson
from aiohttp import web

from simulators.common.cli import run_simulator
from simulators.common.controls import json_response
from simulators.common.journal import Table
from simulators.common.server import Call, Options, SimulatorApp
from simulators.common.wire import Reply
from simulators.hospital.callbacks import SIGNATURE_HEADER, TIMESTAMP_HEADER, refusal, shape_error

DEFAULT_PORT = 8814
_CODE = re.compile(r"[HP][0-9]{11}")


def _reply(content: Any, status: int = 200) -> Reply:
    return Reply(orjson.dumps(content), status)


class Hospitals(SimulatorApp):
    """Every sandbox hospital's callback address."""

    name = "hospital"

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        self._events: Table[dict[str, Any]] = self.journal.table("events")
        """``<fixmedins_code>|<event_id>`` → the event with who got it and when, oldest first."""

    def routes(self, app: web.Application) -> None:
        app.router.add_post("/callbacks/{code}", self._receive)
        app.router.add_get("/_sim/callbacks", self._get_callbacks)

    async def _receive(self, request: web.Request) -> web.StreamResponse:
        code, body = request.match_info["code"], await request.read()
        if not _CODE.fullmatch(code):
            return json_response({"code": "NOT_FOUND"}, 404)
        headers = (request.headers.get(TIMESTAMP_HEADER, ""), request.headers.get(SIGNATURE_HEADER, ""))
        if why := refusal(f"sandbox-{code}", *headers, body, time.time()):
            self.note_refused(request, "callback", code, body, code=why)
            return json_response({"code": why}, 401)
        content = _parsed(body)
        if why := shape_error(content):
            self.note_refused(request, "callback", code, body, code="MALFORMED", why=why)
            return json_response({"code": "MALFORMED", "detail": why}, 400)
        key = content["event_id"]
        return await self.run(request, content["type"], key, lambda call: self._take(call, code, content), body=body)

    def _take(self, call: Call, code: str, content: dict[str, Any]) -> Reply:
        stored = self._events.get(f"{code}|{call.key}")
        if stored is None:
            self._events.put(
                f"{code}|{call.key}", {"fixmedins_code": code, "received_at": call.at.isoformat(), **content}
            )
            call.effect(0, code, resource=content["resource"])
            return _reply({"event_id": call.key, "duplicate": False})
        if any(stored[name] != value for name, value in content.items()):
            call.verdict = "refused"
            return _reply({"code": "EVENT_ID_REUSED"}, 409)
        call.verdict = "duplicate"
        return _reply({"event_id": call.key, "duplicate": True})

    async def _get_callbacks(self, request: web.Request) -> web.Response:
        """All events in the order they were taken; ``?type=`` and ``?fixmedins_code=`` narrow it."""
        wanted = {name: request.query[name] for name in ("type", "fixmedins_code") if name in request.query}
        events = [event for event in self._events.values() if all(event[name] == wanted[name] for name in wanted)]
        return json_response({"callbacks": events})


def _parsed(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None


def main(argv: Sequence[str]) -> int:
    """Runs the simulator until it is told to stop; returns the exit code."""
    return run_simulator(Hospitals, argv, "hospital", DEFAULT_PORT)
