"""Messages the gateway itself originates (sign-in, reversal, totals of a day), and the last touch to every envelope.

A reversal leaves with an empty msgid; the encoder gives it the msgid of the very attempt, so that a repeated reversal
carries a fresh one with the same omsgid (national interface, 6.2).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any, Final

from adapters.insurance import cainfo
from adapters.insurance.exact_json import NotJson, dumps, loads
from adapters.insurance.rawjson import ObjectSpan, edit_members, quote, scan_object
from gateway.delivery.declare import SendContext
from gateway.model.clock import SHANGHAI
from gateway.model.insurance import NationalMessage
from gateway.model.money import format_yuan

REVERSIBLE: Final = frozenset({"2102", "2102A", "2103", "2207", "2207A", "2208", "2304", "2304A", "2305", "2401"})
"""Transactions 2601 may undo (3.10)."""

_OWN: Final = frozenset({"infno", "msgid", "inf_time", "cainfo", "input"})


def _envelope(message: NationalMessage, context: SendContext) -> dict[str, Any]:
    """The header of a message of our own, in the order of the field table (1.1)."""
    return {
        "infno": message.infno,
        "msgid": message.msgid or context.msgid,
        "mdtrtarea_admvs": message.mdtrtarea_admvs,
        "insuplc_admdvs": message.insuplc_admdvs,
        "recer_sys_code": context.credentials.get("recer_sys_code", "YBXT"),
        "dev_no": "",
        "dev_safe_info": "",
        "cainfo": "",
        "signtype": "SM3",
        "infver": "V1.0",
        "opter_type": "1",
        "opter": message.opter,
        "opter_name": message.opter_name,
        "inf_time": _inf_time(context),
        "fixmedins_code": message.fixmedins_code,
        "fixmedins_name": message.fixmedins_name,
        "sign_no": message.sign_no,
        "input": message.input or {},
    }


def _inf_time(context: SendContext) -> str:
    return context.business_now.astimezone(SHANGHAI).strftime("%Y-%m-%d %H:%M:%S")


def envelope_bytes(message: NationalMessage, context: SendContext) -> bytes:
    """The body to send. A relayed message keeps every byte but an empty msgid, a sign_no it lacks, and what the
    province wants in another form: `input` as a string of JSON, the gateway's own signature in `cainfo`.

    Raises RawJsonError for a raw envelope that is no JSON object, ValueError for a signature that cannot be made.
    """
    variant = context.variant
    raw = message.raw.encode("utf-8") if message.raw else dumps(_envelope(message, context)).encode("utf-8")
    found = scan_object(raw)
    edits = _completed(message, context, raw, found) if message.raw else {}
    if variant.get("input") == "string":
        edits |= _as_text(raw, found)
    whole = edit_members(raw, found, edits) if edits else raw
    form = variant.get("cainfo", cainfo.NONE)
    return whole if form == cainfo.NONE else cainfo.with_cainfo(whole, form, context.credentials)


def _completed(message: NationalMessage, context: SendContext, raw: bytes, found: ObjectSpan) -> dict[str, bytes]:
    edits: dict[str, bytes] = {}
    if not message.msgid:
        edits |= {"msgid": quote(context.msgid), "inf_time": quote(_inf_time(context))}
    if message.sign_no:
        held, wanted = found.members.get("sign_no"), quote(message.sign_no)
        if held is None or raw[held.start : held.end] != wanted:
            edits["sign_no"] = wanted
    return edits


def _as_text(raw: bytes, found: ObjectSpan) -> dict[str, bytes]:
    span = found.members.get("input")
    if span is None or raw[span.start : span.start + 1] != b"{":
        return {}
    return {"input": quote(raw[span.start : span.end].decode("utf-8"))}


def sign_in(hospital: NationalMessage, *, opter_no: str, mac: str, ip: str) -> NationalMessage:
    """9001 for an operator; `hospital` names institution, area and operator (its transaction does not matter)."""
    content = {"signIn": {"opter_no": opter_no, "mac": mac, "ip": ip}}
    return hospital.model_copy(update={"infno": "9001", "msgid": "", "sign_no": "", "raw": "", "input": content})


def totals(
    hospital: NationalMessage,
    *,
    insutype: str,
    clr_type: str,
    setl_optins: str,
    begin: date,
    end: date,
    medfee_fen: int,
    fund_fen: int,
    acct_fen: int,
    count: int,
    refd_setl_flag: str = "1",
) -> NationalMessage:
    """3201 of one group, days inclusive, sums in fen net of refunds; flag 1: every row counts (3.11).

    `hospital` names institution, area and operator. No person is in the input, so the insuring area stays empty.
    """
    data = {
        "insutype": insutype,
        "clr_type": clr_type,
        "setl_optins": setl_optins,
        "stmt_begndate": begin.isoformat(),
        "stmt_enddate": end.isoformat(),
        "medfee_sumamt": format_yuan(medfee_fen),
        "fund_pay_sumamt": format_yuan(fund_fen),
        "acct_pay": format_yuan(acct_fen),
        "fixmedins_setl_cnt": count,
        "refd_setl_flag": refd_setl_flag,
    }
    update = {"infno": "3201", "msgid": "", "insuplc_admdvs": "", "raw": "", "input": {"data": data}}
    return hospital.model_copy(update=update)


def reversal(original: NationalMessage) -> NationalMessage:
    """2601 for a message that was sent: same header, its msgid exactly as sent, the person's insuring area (3.10).

    Raises ValueError for a transaction that cannot be reversed or a message that never had a msgid.
    """
    if original.infno not in REVERSIBLE or not original.msgid:
        raise ValueError(f"{original.infno} cannot be reversed")
    content = {"data": {"psn_no": original.psn_no, "omsgid": original.msgid, "oinfno": original.infno}}
    return original.model_copy(
        update={"infno": "2601", "msgid": "", "setl_id": "", "input": content, "raw": _reversal_raw(original, content)}
    )


def _reversal_raw(original: NationalMessage, content: Mapping[str, Any]) -> str:
    """The original's header around the reversal, msgid and time left open; "" where there was no header to keep."""
    try:
        header = loads(original.raw)
    except NotJson:
        return ""
    if not isinstance(header, dict):
        return ""
    kept = {name: value for name, value in header.items() if name not in _OWN}
    return dumps({"infno": "2601", "msgid": "", "inf_time": "", "cainfo": ""} | kept | {"input": content})
