"""The SOAP door of older HIS: the same national message as on the JSON door, wrapped in one operation."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from aiohttp import web

from gateway.flows.runner import Handled
from gateway.model.fieldmap import FieldMap
from gateway.model.refusals import Refusal
from gateway.model.registry import Hospital
from gateway.web import his
from gateway.web.auth import hospital_of
from gateway.web.context import DESK, EXCHANGE_ID, Desk

DOOR = his.SOAP
_XML: Final = "text/xml"
_PLAIN: Final[Mapping[str, str]] = MappingProxyType({})


async def contract(request: web.Request) -> web.Response:
    """`?wsdl` and `?xsd`, for whoever asks: importable by any toolkit."""
    request["operation"] = "contract"
    door = request.app[DESK].doors[DOOR]
    wanted = request.query_string.lower()
    if "wsdl" in wanted:
        body = door.wsdl(f"{request.url.origin()}{request.path}")
    elif "xsd" in wanted:
        body = door.xsd()
    else:
        raise web.HTTPNotFound
    return web.Response(body=body, content_type=_XML, charset="utf-8")


async def call(request: web.Request) -> web.Response:
    """The operation `Call`."""
    desk = request.app[DESK]
    vendor: FieldMap | None = None
    try:
        hospital = hospital_of(request, desk)
        vendor = his.map_of(desk, hospital, "xml")
        inbound = _read(request, desk, hospital, vendor, await request.read())
        # Call has no place for the insured area: unless the head says so, it is here, and the platform checks it.
        handled = await his.handle(request, desk, hospital, inbound, DOOR, {"insuplc_admdvs": hospital.pool_area})
        return _encode(request, desk, vendor, handled)
    except Refusal as refusal:
        his.count_refusal(request, desk, refusal, DOOR)
        return fault(request, refusal, _encoding(vendor))


def _encoding(vendor: FieldMap | None) -> str:
    return "utf-8" if vendor is None else vendor.encoding


def _kind(request: web.Request) -> str:
    return request.headers.get("Content-Type", "")


def _read(request: web.Request, desk: Desk, hospital: Hospital, vendor: FieldMap | None, body: bytes) -> Any:
    door = desk.doors[DOOR]
    action = request.headers.get("SOAPAction", "")
    called = door.read_call(body, _kind(request), action, encoding=_encoding(vendor))
    if vendor is None:
        raw = door.envelope(called, hospital.code)
    else:
        known = {"fixmedins_code": hospital.code, "infno": called.infno, "msgid": called.msgid}
        raw = his.envelope_of(vendor.read(called.payload, dict(called.head) | known))
    return desk.doors[his.NATIONAL].read_envelope(raw)


def _encode(request: web.Request, desk: Desk, vendor: FieldMap | None, handled: Handled) -> web.Response:
    answer = his.answer_of(request, desk, handled, DOOR)
    headers = his.REPLAYED if handled.replayed else {}
    if answer.refusal:
        request[EXCHANGE_ID] = answer.exchange_id or request[EXCHANGE_ID]
        refusal = Refusal(answer.refusal, answer.detail, field=answer.field or None)
        return fault(request, refusal, _encoding(vendor), headers)
    _, body = desk.doors[his.NATIONAL].encode_answer(answer)
    door, encoding = desk.doors[DOOR], _encoding(vendor)
    output = his.worded(vendor, request["operation"], body)
    reply = door.reply(body, _kind(request), output=output, encoding=encoding)
    return _response(request, 200, reply, encoding, headers)


def fault(
    request: web.Request, refusal: Refusal, encoding: str = "utf-8", headers: Mapping[str, str] = _PLAIN
) -> web.Response:
    """A refusal of ours as a Client fault."""
    door = request.app[DESK].doors[DOOR]
    status, body = door.fault_for(refusal, request[EXCHANGE_ID], _kind(request), encoding=encoding)
    return _response(request, status, body, encoding, headers)


def _response(
    request: web.Request, status: int, body: bytes, encoding: str, headers: Mapping[str, str]
) -> web.Response:
    kind = request.app[DESK].doors[DOOR].media_type(_kind(request), encoding)
    return web.Response(status=status, body=body, headers={"Content-Type": kind, **headers})
