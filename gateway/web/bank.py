"""The bank's SOAP door: notifications and e-receipts in, acknowledgements out; the WSDL for whoever asks."""

from __future__ import annotations

import hashlib
from typing import Any, Final

import orjson
from aiohttp import web

from gateway.flows.runner import KeyReused
from gateway.journal.exchanges import Arrival
from gateway.journal.store import StoreUnavailable
from gateway.model.bank import DeliverReceipt, NotifyTransaction
from gateway.model.refusals import Refusal
from gateway.web.context import DESK, EXCHANGE_ID, Desk

DOOR: Final = "bank_soap"


async def wsdl(request: web.Request) -> web.Response:
    """The contract of the door, importable by any toolkit."""
    desk = request.app[DESK]
    bank = request.match_info["bank"]
    if bank not in desk.banks or "wsdl" not in request.query_string.lower():
        raise web.HTTPNotFound
    address = f"{request.url.origin()}{request.path}"
    return web.Response(body=desk.doors[DOOR].wsdl("notify", address), content_type="text/xml", charset="utf-8")


async def push(request: web.Request) -> web.Response:
    """NotifyTransaction and DeliverReceipt."""
    desk = request.app[DESK]
    bank = request.match_info["bank"]
    if bank not in desk.banks:
        raise web.HTTPNotFound
    kind = request.headers.get("Content-Type", "")
    try:
        message = desk.doors[DOOR].read_notification(await request.read(), kind, request.headers.get("SOAPAction", ""))
        request["operation"] = type(message).__name__
        ack = await _run(request, desk, bank, message)
    except Refusal as refusal:
        return _fault(request, desk, refusal, kind)
    except StoreUnavailable:
        return _fault(request, desk, Refusal("OVERLOADED"), kind)
    body = desk.doors[DOOR].ack(message, ack, kind)
    return web.Response(body=body, content_type=_media(kind), charset="utf-8")


async def _run(request: web.Request, desk: Desk, bank: str, message: NotifyTransaction | DeliverReceipt) -> str:
    """Run the flow under the bank's own number; a repetition gets the stored answer."""
    receipt = isinstance(message, DeliverReceipt)
    body = orjson.dumps({"bank": bank, "message": message.model_dump(mode="json", context={"reveal": True})})
    arrival = Arrival(
        scope=f"bank:{bank}", idem_key=f"{type(message).__name__}|{_key(message)}", door=DOOR,
        operation=type(message).__name__, flow="bank.receipt" if receipt else "bank.notify",
        fingerprint=_fingerprint(message), body=body, client=bank,
    )  # fmt: skip
    try:
        handled = await desk.runner.handle(arrival)
    except KeyReused as reused:
        raise Refusal("REPLAYED", f"{_key(message)}: other content", exchange=reused.exchange.exchange_id) from None
    request[EXCHANGE_ID] = handled.exchange.exchange_id
    if handled.reply is None:
        return "RETRY"
    if handled.replayed:
        desk.metrics.replayed.labels(DOOR).inc()
    return str(orjson.loads(handled.reply.body)["ack"])


def _key(message: NotifyTransaction | DeliverReceipt) -> str:
    if isinstance(message, DeliverReceipt):
        return f"{message.receipt.receipt_no}|{message.receipt.sha256}"
    return message.notify_no


def _fingerprint(message: NotifyTransaction | DeliverReceipt) -> str:
    """Over what must be equal in a repetition: not the envelope's number nor the count of attempts."""
    content: dict[str, Any] = message.model_dump(mode="json", context={"reveal": True})
    for volatile in ("msg_id", "notify_no", "attempt"):
        content.pop(volatile, None)
    return hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _fault(request: web.Request, desk: Desk, refusal: Refusal, kind: str) -> web.Response:
    request["outcome"] = refusal.code
    desk.metrics.refused.labels(DOOR, refusal.code).inc()
    status, body = desk.doors[DOOR].fault_for(refusal, request[EXCHANGE_ID], kind)
    return web.Response(status=status, body=body, content_type=_media(kind), charset="utf-8")


def _media(kind: str) -> str:
    return "application/soap+xml" if "soap+xml" in kind else "text/xml"
