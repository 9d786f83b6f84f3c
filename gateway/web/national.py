"""The HIS door in the national envelope: decode, hand over to the flow, encode. It knows no rule."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from gateway.flows.runner import Handled, KeyReused
from gateway.journal.exchanges import Arrival
from gateway.journal.store import StoreUnavailable
from gateway.model.insurance import NationalAnswer, NationalMessage
from gateway.model.refusals import Refusal
from gateway.model.registry import Hospital
from gateway.web.auth import hospital_of
from gateway.web.context import DESK, EXCHANGE_ID, Desk

DOOR = "his_json"
_JSON = "application/json"


async def national(request: web.Request) -> web.Response:
    """POST of a national message on any of the three families of paths."""
    desk = request.app[DESK]
    try:
        hospital = hospital_of(request, desk)
        inbound = await _read(request, desk, hospital)
        request["operation"] = inbound.infno
        handled = await desk.runner.handle(_arrival(desk, hospital, inbound))
    except KeyReused as reused:
        return _reused(request, desk, reused, await request.read())
    except Refusal as refusal:
        return _refuse(request, desk, refusal, "")
    except StoreUnavailable:
        return _refuse(request, desk, Refusal("OVERLOADED"), "")
    request[EXCHANGE_ID] = handled.exchange.exchange_id
    return _encode(request, desk, handled)


async def _read(request: web.Request, desk: Desk, hospital: Hospital) -> Any:
    body = await request.read()
    door = desk.doors[DOOR]
    inbound = door.read_envelope(body, request.headers.get("Content-Type", ""))
    said = door.service_routes().get(request.path)
    last = request.path.rsplit("/", 1)[-1]
    if said is None and last in door.known_infnos():
        said = last
    if said is not None and said != inbound.infno and said != inbound.infno.rstrip("A"):
        raise Refusal("INVALID_FIELD", "infno 与路径不符", field="infno")
    if inbound.fixmedins_code != hospital.code:
        raise Refusal("FORBIDDEN", "fixmedins_code 与认证机构不符", field="fixmedins_code")
    door.check_input(inbound)
    return inbound


def _arrival(desk: Desk, hospital: Hospital, inbound: Any) -> Arrival:
    door = desk.doors[DOOR]
    malformed = not door.is_msgid(inbound.msgid, hospital.code)
    message: NationalMessage = door.complete_envelope(
        inbound,
        fills={
            "fixmedins_name": hospital.name, "mdtrtarea_admvs": hospital.pool_area, "insuplc_admdvs": "",
            "recer_sys_code": "YBXT", "infver": "V1.0", "opter_type": "1", "opter": "XINYI", "opter_name": "信医网关",
            "inf_time": desk.house.clock.now().strftime("%Y-%m-%d %H:%M:%S"),
        },
        msgid=desk.house.msgids.next(hospital.code) if malformed else None,
    )  # fmt: skip
    return Arrival(
        scope=f"his:{hospital.code}", idem_key=inbound.msgid, door=DOOR, operation=inbound.infno, flow="national",
        fingerprint=door.fingerprint(inbound), body=message.model_dump_json().encode(), hospital=hospital.code,
    )  # fmt: skip


def _encode(request: web.Request, desk: Desk, handled: Handled) -> web.Response:
    exchange = handled.exchange
    if handled.reply is None:
        return _refuse(request, desk, Refusal("IN_PROGRESS"), exchange.exchange_id)
    request["outcome"] = handled.reply.outcome
    answer = NationalAnswer.model_validate_json(handled.reply.body)
    headers = {"Idempotency-Replayed": "true"} if handled.replayed else {}
    if handled.replayed:
        desk.metrics.replayed.labels(DOOR).inc()
    status, body = desk.doors[DOOR].encode_answer(answer)
    return web.Response(status=status, body=body, content_type=_JSON, charset="utf-8", headers=headers)


def _reused(request: web.Request, desk: Desk, reused: KeyReused, body: bytes) -> web.Response:
    first = NationalMessage.model_validate_json(reused.first).raw.encode()
    differences = desk.doors[DOOR].differences(first, body)
    refusal = Refusal("MSGID_REUSED", differences=differences)
    return _refuse(request, desk, refusal, reused.exchange.exchange_id)


def _refuse(request: web.Request, desk: Desk, refusal: Refusal, exchange_id: str) -> web.Response:
    request["outcome"] = refusal.code
    desk.metrics.refused.labels(DOOR, refusal.code).inc()
    status, body = desk.doors[DOOR].reply_to(refusal, exchange_id or request[EXCHANGE_ID])
    return web.Response(status=status, body=body, content_type=_JSON, charset="utf-8")
