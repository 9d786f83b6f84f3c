"""What the HIS doors have in common: a national message becomes one arrival of one flow, whatever it was wrapped in.

A door reads bytes into the national envelope; from there on scope, key, fingerprint and refusals are the same, so that
a msgid is known on both doors (contracts, HIS surface).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Final

import structlog
from aiohttp import web

from gateway.flows.runner import Handled, KeyReused
from gateway.journal.exchanges import Arrival
from gateway.journal.store import StoreUnavailable
from gateway.model.exact_json import dumps, loads
from gateway.model.fieldmap import FieldMap, Format, Translated
from gateway.model.insurance import NationalAnswer, NationalMessage
from gateway.model.refusals import Refusal
from gateway.model.registry import Hospital
from gateway.web.context import EXCHANGE_ID, Desk

NATIONAL: Final = "his_json"
SOAP: Final = "his_soap"
REPLAYED: Final[Mapping[str, str]] = MappingProxyType({"Idempotency-Replayed": "true"})
_NO_FILLS: Final[Mapping[str, str]] = MappingProxyType({})
_log = structlog.get_logger("web")


def map_of(desk: Desk, hospital: Hospital, form: Format) -> FieldMap | None:
    """The field map of the hospital's vendor, where it is for messages of that format."""
    found = desk.maps.get(hospital.map)
    return found if found is not None and found.format == form else None


def envelope_of(translated: Translated) -> bytes:
    """The national envelope in JSON out of what a field map has read."""
    return dumps(translated.content).encode()


async def handle(
    request: web.Request, desk: Desk, hospital: Hospital, inbound: Any, door: str, fills: Mapping[str, str] = _NO_FILLS
) -> Handled:
    """Check a national message and run it, or answer it from the journal. ``fills`` go before the door's own.

    Raises Refusal: FORBIDDEN for another institution's code, MSGID_REUSED, OVERLOADED, and what the field tables say.
    """
    request["operation"] = inbound.infno
    if inbound.fixmedins_code != hospital.code:
        raise Refusal("FORBIDDEN", "fixmedins_code 与认证机构不符", field="fixmedins_code")
    desk.doors[NATIONAL].check_input(inbound)
    try:
        handled = await _run(desk, _arrival(desk, hospital, inbound, door, fills), inbound)
    except KeyReused as reused:
        request[EXCHANGE_ID] = reused.exchange.exchange_id
        differences = _differences(desk, reused, inbound, door)
        raise Refusal("MSGID_REUSED", "；".join(differences), differences=differences) from None
    except StoreUnavailable:
        raise Refusal("OVERLOADED") from None
    request[EXCHANGE_ID] = handled.exchange.exchange_id
    return handled


def _arrival(desk: Desk, hospital: Hospital, inbound: Any, door: str, fills: Mapping[str, str]) -> Arrival:
    national = desk.doors[NATIONAL]
    malformed = not national.is_msgid(inbound.msgid, hospital.code)
    message: NationalMessage = national.complete_envelope(
        inbound,
        fills={
            "fixmedins_name": hospital.name, "mdtrtarea_admvs": hospital.pool_area, "insuplc_admdvs": "",
            "recer_sys_code": "YBXT", "infver": "V1.0", "opter_type": "1", "opter": "XINYI", "opter_name": "信医网关",
            "inf_time": desk.house.clock.now().strftime("%Y-%m-%d %H:%M:%S"),
        } | dict(fills),
        msgid=desk.house.msgids.next(hospital.code) if malformed else None,
    )  # fmt: skip
    return Arrival(
        scope=f"his:{hospital.code}", idem_key=inbound.msgid, door=door, operation=inbound.infno, flow="national",
        fingerprint=national.fingerprint(inbound), body=message.model_dump_json().encode(), hospital=hospital.code,
    )  # fmt: skip


async def _run(desk: Desk, arrival: Arrival, inbound: Any) -> Handled:
    """A msgid known from the other door is the same message where nothing both can say differs."""
    try:
        return await desk.runner.handle(arrival)
    except KeyReused as reused:
        if reused.exchange.door == arrival.door or _differences(desk, reused, inbound, arrival.door):
            raise
        known = reused.exchange.fingerprint
    return await desk.runner.handle(replace(arrival, fingerprint=known))


def _differences(desk: Desk, reused: KeyReused, inbound: Any, door: str) -> list[str]:
    """Names of the fields that differ from the first message's."""
    first = NationalMessage.model_validate_json(reused.first).raw.encode()
    compare = desk.doors[NATIONAL if reused.exchange.door == door else SOAP].differences
    differences: list[str] = compare(first, inbound.raw)
    return differences


def answer_of(request: web.Request, desk: Desk, handled: Handled, door: str) -> NationalAnswer:
    """What the flow said. Raises Refusal IN_PROGRESS where it has not said it yet."""
    if handled.reply is None:
        raise Refusal("IN_PROGRESS")
    request["outcome"] = handled.reply.outcome
    if handled.replayed:
        desk.metrics.replayed.labels(door).inc()
    return NationalAnswer.model_validate_json(handled.reply.body)


def count_refusal(request: web.Request, desk: Desk, refusal: Refusal, door: str) -> None:
    """A refusal shows in the log line and in the metrics."""
    request["outcome"] = refusal.code
    desk.metrics.refused.labels(door, refusal.code).inc()


def worded(vendor: FieldMap | None, infno: str, body: bytes) -> Any:
    """The national answer in the vendor's words; None where it stays national."""
    if vendor is None or not vendor.words_answer(infno):
        return None
    translated = vendor.write(infno, loads(body))
    if translated.left:
        lines = [step.line for step in translated.left]
        _log.warning("answer not wholly translated", map=vendor.id, operation=infno, lines=lines)
    return translated.content
