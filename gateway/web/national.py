"""The HIS door in the national envelope: decode, hand over to the flow, encode. It knows no rule."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from gateway.flows.runner import Handled
from gateway.model.exact_json import dumps
from gateway.model.fieldmap import FieldMap
from gateway.model.refusals import Refusal
from gateway.model.registry import Hospital
from gateway.web import his
from gateway.web.auth import hospital_of
from gateway.web.context import DESK, EXCHANGE_ID, Desk

DOOR = his.NATIONAL
_JSON = "application/json"


async def national(request: web.Request) -> web.Response:
    """POST of a national message, or of a vendor's own JSON, on any of the three families of paths."""
    desk = request.app[DESK]
    vendor: FieldMap | None = None
    try:
        hospital = hospital_of(request, desk)
        vendor = his.map_of(desk, hospital, "json")
        inbound = _read(request, desk, hospital, vendor, await request.read())
        handled = await his.handle(request, desk, hospital, inbound, DOOR)
        return _encode(request, desk, vendor, handled)
    except Refusal as refusal:
        return _refuse(request, desk, vendor, refusal)


def _read(request: web.Request, desk: Desk, hospital: Hospital, vendor: FieldMap | None, body: bytes) -> Any:
    door = desk.doors[DOOR]
    said = door.service_routes().get(request.path)
    last = request.path.rsplit("/", 1)[-1]
    if said is None and last in door.known_infnos():
        said = last
    kind = request.headers.get("Content-Type", "")
    if vendor is not None:
        given = {"fixmedins_code": hospital.code, "infno": said or ""}
        body, kind = his.envelope_of(vendor.read(vendor.parse_json(body), given)), ""
    inbound = door.read_envelope(body, kind)
    if said is not None and said != inbound.infno and said != inbound.infno.rstrip("A"):
        raise Refusal("INVALID_FIELD", "infno 与路径不符", field="infno")
    return inbound


def _encode(request: web.Request, desk: Desk, vendor: FieldMap | None, handled: Handled) -> web.Response:
    answer = his.answer_of(request, desk, handled, DOOR)
    status, body = desk.doors[DOOR].encode_answer(answer)
    headers = his.REPLAYED if handled.replayed else {}
    return _response(request, vendor, status, body, headers)


def _refuse(request: web.Request, desk: Desk, vendor: FieldMap | None, refusal: Refusal) -> web.Response:
    his.count_refusal(request, desk, refusal, DOOR)
    status, body = desk.doors[DOOR].reply_to(refusal, request[EXCHANGE_ID])
    return _response(request, vendor, status, body, {})


def _response(
    request: web.Request, vendor: FieldMap | None, status: int, body: bytes, headers: Mapping[str, str]
) -> web.Response:
    """In the vendor's words where its map has any, except for a failed authentication: nobody knows whose that is."""
    charset = "utf-8"
    if vendor is not None and status == 200:
        content = his.worded(vendor, request["operation"], body)
        text = body.decode() if content is None else dumps(content)
        body, charset = text.encode(vendor.encoding), vendor.encoding
    return web.Response(status=status, body=body, content_type=_JSON, charset=charset, headers=headers)
