"""The bank's SOAP door: notifications and e-receipts in, acknowledgements out; the WSDL for whoever asks.

On a signed channel nothing is read before its signature was verified, answers are signed, and what is refused for its
signature, its time or as a replay is kept in the journal under the exchange id the bank was told (contracts §5).
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from functools import partial
from typing import Any, Final

import orjson
import structlog
from aiohttp import web

from gateway.flows.runner import KeyReused
from gateway.handlers.base import REFUSE, Reason
from gateway.journal.exchanges import Arrival
from gateway.journal.store import DuplicateKey, StoreUnavailable, Unit
from gateway.model.bank import DeliverReceipt, NotifyTransaction
from gateway.model.clock import to_micros
from gateway.model.refusals import Refusal
from gateway.web.context import DESK, EXCHANGE_ID, Desk

DOOR: Final = "bank_soap"  # the surface's name in exchanges and metrics, and the dialect of whom we do not know
AUDITED: Final = frozenset({"SIGNATURE_INVALID", "TIMESTAMP_EXPIRED", "REPLAYED"})
MESSAGE_REFUSED: Final = "BANK_MESSAGE_REFUSED"  # purpose in the access log
_LARGE: Final = 128 * 1024  # bytes from which reading and verifying would hold the event loop
_log = structlog.get_logger("bank")


async def wsdl(request: web.Request) -> web.Response:
    """The contract of the door, importable by any toolkit."""
    desk = request.app[DESK]
    bank = request.match_info["bank"]
    if bank not in desk.banks or "wsdl" not in request.query_string.lower():
        raise web.HTTPNotFound
    try:
        contract = _dialect(desk, bank).wsdl("notify", f"{request.url.origin()}{request.path}")
    except KeyError:  # a bank that speaks no SOAP has none
        raise web.HTTPNotFound from None
    return web.Response(body=contract, content_type="text/xml", charset="utf-8")


async def push(request: web.Request) -> web.Response:
    """NotifyTransaction and DeliverReceipt."""
    desk = request.app[DESK]
    bank = request.match_info["bank"]
    if bank not in desk.banks:
        raise web.HTTPNotFound
    try:
        message = await _read(request, desk, bank)
        request["operation"] = type(message).__name__
        ack = await _run(request, desk, bank, message)
    except Refusal as refusal:
        return await _fault(request, desk, bank, refusal)
    except StoreUnavailable:
        return await _fault(request, desk, bank, Refusal("OVERLOADED"))
    return _answer(request, desk, bank, 200, _dialect(desk, bank).ack(message, ack, _kind(request)))


async def _read(request: web.Request, desk: Desk, bank: str) -> NotifyTransaction | DeliverReceipt:
    """The message, verified where keys were agreed on; a large one is read in a thread."""
    door, keys = _dialect(desk, bank), desk.house.delivery.counterparts[bank].keys
    guard = door.guard(keys, request.headers, desk.house.clock.real())
    body = await request.read()
    read: Callable[[], NotifyTransaction | DeliverReceipt] = partial(
        door.read_notification, body, _kind(request), request.headers.get("SOAPAction", ""), guard
    )
    return read() if len(body) < _LARGE else await asyncio.to_thread(read)


async def _run(request: web.Request, desk: Desk, bank: str, message: NotifyTransaction | DeliverReceipt) -> str:
    """Run the flow under the bank's own number; a repetition gets the stored answer."""
    receipt = isinstance(message, DeliverReceipt)
    body = orjson.dumps({"bank": bank, "message": message.model_dump(mode="json", context={"reveal": True})})
    arrival = Arrival(
        scope=f"bank:{bank}", idem_key=f"{type(message).__name__}|{_key(message)}", door=DOOR,
        operation=type(message).__name__, flow="bank.receipt" if receipt else "bank.notify",
        fingerprint=_fingerprint(message), body=body, client=bank,
    )  # fmt: skip
    await _take_msg_id(desk, bank, arrival, message.msg_id)
    try:
        handled = await desk.runner.handle(arrival)
    except KeyReused as reused:
        raise Refusal("REPLAYED", f"{_key(message)}: other content than {reused.exchange.exchange_id}") from None
    request[EXCHANGE_ID] = handled.exchange.exchange_id
    if handled.reply is None:
        return "RETRY"
    if handled.replayed:
        desk.metrics.replayed.labels(DOOR).inc()
    return str(orjson.loads(handled.reply.body)["ack"])


async def _take_msg_id(desk: Desk, bank: str, arrival: Arrival, msg_id: str) -> None:
    """A MsgId that came before must bring the same notice with the same content. Raises Refusal REPLAYED."""
    journal = desk.house.journal
    row = {
        "bank": bank, "msg_id": msg_id, "notice": arrival.idem_key, "fingerprint": arrival.fingerprint,
        "at": to_micros(journal.clock.now()),
    }  # fmt: skip
    try:
        await journal.commit(Unit().insert("bank_message", row))
    except DuplicateKey:
        known = await journal.store.row(
            "SELECT notice, fingerprint FROM bank_message WHERE bank = :bank AND msg_id = :msg_id",
            {"bank": bank, "msg_id": msg_id},
        )
        if known is None or (known["notice"], known["fingerprint"]) != (arrival.idem_key, arrival.fingerprint):
            raise Refusal("REPLAYED", f"MsgId {msg_id}: other content") from None


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


async def _fault(request: web.Request, desk: Desk, bank: str, refusal: Refusal) -> web.Response:
    request["outcome"] = refusal.code
    desk.metrics.refused.labels(DOOR, refusal.code).inc()
    if refusal.code in AUDITED:
        await _audit(request, desk, bank, refusal)
    status, body = _dialect(desk, bank).fault_for(refusal, request[EXCHANGE_ID], _kind(request))
    return _answer(request, desk, bank, status, body)


def unread(request: web.Request, refusal: Refusal) -> web.Response:
    """A refusal before the message was read, unsigned, in the words of the bank it is for."""
    door, kind = _dialect(request.app[DESK], request.match_info.get("bank", "")), _kind(request)
    status, body = door.fault_for(refusal, request[EXCHANGE_ID], kind)
    return web.Response(status=status, body=body, headers={"Content-Type": door.media_type(kind)})


async def _audit(request: web.Request, desk: Desk, bank: str, refusal: Refusal) -> None:
    """Keep who was refused, when and why, for auditors and for a trace of the exchange id; of the message its hash."""
    journal, exchange_id = desk.house.journal, request[EXCHANGE_ID]
    digest = hashlib.sha256(await request.read()).hexdigest()
    detail = f"{refusal.code}: {refusal.detail}; from {request.remote}; sha256 {digest}"
    unit = Unit()
    journal.log_access(unit, "", f"bank:{bank}", MESSAGE_REFUSED, refusal.code, f"{exchange_id}: {detail}")
    journal.explain(unit, exchange_id, f"bank:{bank}", [Reason("bank.channel", REFUSE, detail, "contracts §5")])
    _log.warning("bank message refused", bank=bank, detail=detail, exchange_id=exchange_id)
    try:
        await journal.commit(unit)
    except StoreUnavailable:  # it is refused all the same, and the log line stands
        _log.error("refusal not journalled", exchange_id=exchange_id)


def _answer(request: web.Request, desk: Desk, bank: str, status: int, body: bytes) -> web.Response:
    """Signed where keys were agreed on."""
    door, keys = _dialect(desk, bank), desk.house.delivery.counterparts[bank].keys
    sealed, headers = door.sealed(body, keys, desk.house.clock.real())
    kind = door.media_type(_kind(request))
    return web.Response(status=status, body=sealed, headers={**headers, "Content-Type": kind})


def _dialect(desk: Desk, bank: str) -> Any:
    """What reads and writes the messages of a bank: the door of its adapter, ours where it brings none."""
    partner = desk.house.delivery.counterparts.get(bank)
    own = None if partner is None or bank not in desk.banks else partner.adapter.door
    return desk.doors[DOOR] if own is None else own


def _kind(request: web.Request) -> str:
    return request.headers.get("Content-Type", "")
