"""`/v1`: mounts what the flows declare. A POST runs as a flow under its Idempotency-Key; a GET reads."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from aiohttp import web

from gateway.flows.api import Caller, Endpoint, pack_call, render, unpack_call
from gateway.flows.runner import Ending, Handled, KeyReused, Reply
from gateway.journal.exchanges import Arrival, Exchange
from gateway.journal.store import StoreUnavailable
from gateway.model import exact_json
from gateway.model.refusals import Refusal
from gateway.web.auth import bearer
from gateway.web.context import DESK, EXCHANGE_ID, Desk
from gateway.web.problems import PROBLEM, problem, problem_body

DOOR: Final = "v1"
_JSON = "application/json"
_KEY_LIMIT = 128
_WRITES = frozenset({"POST", "PUT"})


def handler_of(endpoint: Endpoint) -> Callable[[web.Request], Awaitable[web.Response]]:
    """The aiohttp handler of an endpoint."""

    async def handle(request: web.Request) -> web.Response:
        desk = request.app[DESK]
        request["operation"] = endpoint.flow
        try:
            caller = bearer(request, desk)
            if caller.role not in endpoint.roles:
                raise Refusal("FORBIDDEN")
            if endpoint.method in _WRITES:
                return await _write(request, desk, endpoint, caller)
            return await _read(request, desk, endpoint, caller)
        except Refusal as refusal:
            request["outcome"] = refusal.code
            return problem(refusal, request[EXCHANGE_ID])
        except StoreUnavailable:
            request["outcome"] = "OVERLOADED"
            return problem(Refusal("OVERLOADED"), request[EXCHANGE_ID])

    return handle


def refused(exchange: Exchange, refusal: Refusal) -> Reply:
    """A flow's refusal as the journalled answer; one that says "not sent" leaves the key free."""
    status, body = problem_body(refusal, exchange.exchange_id)
    again = status in (409, 503) or refusal.code == "IN_PROGRESS"
    return Reply(status, body, refusal.code, Ending.RELEASED if again else Ending.FINAL)


async def _read(request: web.Request, desk: Desk, endpoint: Endpoint, caller: Caller) -> web.Response:
    kept = pack_call(caller, request.match_info, request.query, None)
    answer = await endpoint.handler(desk.house, None, unpack_call(endpoint, kept))
    return web.Response(status=answer.status, body=render(answer), content_type=_JSON)


async def _write(request: web.Request, desk: Desk, endpoint: Endpoint, caller: Caller) -> web.Response:
    key = request.headers.get("Idempotency-Key", "").strip()
    if not key:
        raise Refusal("IDEMPOTENCY_KEY_REQUIRED")
    if len(key) > _KEY_LIMIT:
        raise Refusal("INVALID_FIELD", field="Idempotency-Key")
    body = await _json(request)
    call = pack_call(caller, request.match_info, request.query, body)
    unpack_call(endpoint, call)  # a body that cannot be understood opens no exchange
    arrival = Arrival(
        scope=f"v1:{caller.id}", idem_key=key, door=DOOR, operation=endpoint.flow, flow=endpoint.flow,
        fingerprint=_fingerprint(endpoint, request.match_info, body), body=call, hospital=caller.hospital,
        client=caller.id,
    )  # fmt: skip
    try:
        handled = await desk.runner.handle(arrival)
    except KeyReused as reused:
        differences = _differences(exact_json.loads(reused.first), exact_json.loads(call))
        raise Refusal("IDEMPOTENCY_KEY_REUSED", ", ".join(differences), differences=differences) from None
    return _answer(request, desk, handled)


def _answer(request: web.Request, desk: Desk, handled: Handled) -> web.Response:
    request[EXCHANGE_ID] = handled.exchange.exchange_id
    if handled.reply is None:
        raise Refusal("IN_PROGRESS")
    request["outcome"] = handled.reply.outcome
    headers = {"Idempotency-Replayed": "true"} if handled.replayed else {}
    if handled.replayed:
        desk.metrics.replayed.labels(DOOR).inc()
    kind = PROBLEM if handled.reply.status >= 400 else _JSON
    return web.Response(status=handled.reply.status, body=handled.reply.body, content_type=kind, headers=headers)


async def _json(request: web.Request) -> Any:
    raw = await request.read()
    if not raw:
        return {}
    try:
        body = exact_json.loads(raw, unique=True)
    except exact_json.NotJson:
        raise Refusal("MALFORMED") from None
    if not isinstance(body, dict):
        raise Refusal("MALFORMED", "a JSON object is expected")
    return body


def _fingerprint(endpoint: Endpoint, path: Mapping[str, str], body: Any) -> str:
    content = json.dumps([endpoint.flow, dict(path), body], sort_keys=True, default=str)
    return hashlib.sha256(content.encode()).hexdigest()


def _differences(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[str]:
    """Names of the fields in which two calls differ."""
    named: list[str] = []
    for part in ("path", "body"):
        old, new = first[part] or {}, second[part] or {}
        named += [name for name in sorted(old.keys() | new.keys()) if old.get(name) != new.get(name)]
    return named or ["operation"]
