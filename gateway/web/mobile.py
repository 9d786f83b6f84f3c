"""The payment centre's door: 6302 in, its acknowledgement out, both in the centre's signed envelope.

A notice is taken once per order and status; what the centre did not sign is refused and logged, and changes nothing.
"""

from __future__ import annotations

import hashlib
from typing import Any, Final

import orjson
import structlog
from aiohttp import web

from gateway.flows.runner import KeyReused
from gateway.journal.exchanges import Arrival
from gateway.journal.store import StoreUnavailable
from gateway.model.exact_json import dumps
from gateway.model.mobile import MobileNotice
from gateway.model.refusals import Refusal, describe
from gateway.web.context import DESK, EXCHANGE_ID, Desk

PATH: Final = "/mobile/notify"
DOOR: Final = "mobile_pay"
NOTICE: Final = "6302"
_TAKEN: Final = "成功"
# A part refund may truly come again with other amounts; every other status is said once.
_REPEATABLE: Final = frozenset({"10", "11"})
_log = structlog.get_logger("mobile")


async def notify(request: web.Request) -> web.Response:
    """6302: the centre tells what became of an order."""
    desk = request.app[DESK]
    request["operation"] = NOTICE
    if desk.house.mobile not in desk.house.delivery.counterparts:
        raise web.HTTPNotFound
    try:
        partner = desk.house.delivery.counterparts[desk.house.mobile]
        notice: MobileNotice = desk.doors[DOOR].read_notice(await request.read(), partner.credentials)
        await _run(request, desk, notice)
    except Refusal as refusal:
        return _refuse(request, desk, refusal)
    except StoreUnavailable:
        return _refuse(request, desk, Refusal("OVERLOADED"))
    return _acknowledge(desk, 0, _TAKEN)


async def _run(request: web.Request, desk: Desk, notice: MobileNotice) -> None:
    """Raises Refusal where the notice has to come again."""
    body = orjson.dumps(notice.model_dump(mode="json", context={"reveal": True}))
    arrival = Arrival(
        scope=f"mobile:{desk.house.mobile}", idem_key=_key(notice), door=DOOR, operation=NOTICE, flow="mobile.notice",
        fingerprint=_digest(notice), body=body, hospital=notice.org_code, client=desk.house.mobile,
    )  # fmt: skip
    try:
        handled = await desk.runner.handle(arrival)
    except KeyReused as reused:
        # The status is known; other amounts for it are not believed, and 6301 says what holds.
        request[EXCHANGE_ID] = reused.exchange.exchange_id
        _log.warning("notice repeated with other amounts", exchange_id=reused.exchange.exchange_id)
        return
    request[EXCHANGE_ID] = handled.exchange.exchange_id
    if handled.reply is None:
        raise Refusal("IN_PROGRESS")
    if handled.replayed:
        desk.metrics.replayed.labels(DOOR).inc()
    said: dict[str, Any] = orjson.loads(handled.reply.body)
    if said["code"]:
        raise Refusal(said["code"])


def _key(notice: MobileNotice) -> str:
    key = f"{notice.pay_ord_id}|{notice.ord_stas}"
    return f"{key}|{_digest(notice)[:16]}" if notice.ord_stas in _REPEATABLE else key


def _digest(notice: MobileNotice) -> str:
    """Over what a repetition must agree in: not its time."""
    content = [notice.pay_ord_id, notice.org_code, notice.ord_stas, dict(notice.amounts)]
    return hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _refuse(request: web.Request, desk: Desk, refusal: Refusal) -> web.Response:
    request["outcome"] = refusal.code
    desk.metrics.refused.labels(DOOR, refusal.code).inc()
    if refusal.code == "SIGNATURE_INVALID":
        _log.warning("notice refused", detail=refusal.detail, exchange_id=request[EXCHANGE_ID])
    return _acknowledge(desk, 1, f"{describe(refusal.code).zh} [{refusal.code}|{request[EXCHANGE_ID]}]")


def _acknowledge(desk: Desk, code: int, message: str) -> web.Response:
    partner = desk.house.delivery.counterparts[desk.house.mobile]
    body = desk.doors[DOOR].acknowledge(code, message, partner.credentials, desk.house.clock.real())
    return web.Response(body=body, content_type="application/json", charset="utf-8")


def unread(request: web.Request, refusal: Refusal) -> web.Response:
    """A refusal before the message was read, unsigned: the centre comes again."""
    text = f"{describe(refusal.code).zh} [{refusal.code}|{request[EXCHANGE_ID]}]"
    body = dumps({"code": 1, "success": False, "message": text, "type": "error"})
    return web.Response(body=body.encode(), content_type="application/json", charset="utf-8")
