"""Reading a hospital's national envelope, and completing it for the platform (national interface, 1.1)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final, Literal, NoReturn

from adapters.his_json.transactions import known_infnos
from adapters.his_json.wire import NationalInbound
from adapters.insurance.rawjson import ObjectSpan, RawJsonError, edit_members, quote, scan_object
from gateway.model.insurance import CANCEL, SETTLE, NationalMessage
from gateway.model.mobile import MOBILE
from gateway.model.refusals import Refusal

MAX_DEPTH: Final = 32
MAX_KEY: Final = 64
MAX_NAME: Final = 200
_LIFTED: Final = ("psn_no", "mdtrt_id", "setl_id", "chrg_bchno")
_HEADER: Final = ("fixmedins_name", "insuplc_admdvs", "mdtrtarea_admvs", "opter", "opter_name", "sign_no")
_WITH_INPUT: Final = SETTLE | CANCEL | MOBILE | {"2601", "2206", "2206A", "2303", "2101", "9001", "9002"}
"""Messages whose payload a flow reads; the others are only relayed, and fee uploads are long."""

DEFAULT_FILLS: Final = {
    "recer_sys_code": "YBXT",
    "signtype": "SM3",
    "infver": "V1.0",
    "opter_type": "1",
    "opter": "XINYI",
    "opter_name": "信医网关",
}
"""What a vendor's reduced envelope leaves to the front gateway (1.1); values of the field table."""

_CHARSET: Final = re.compile(r"charset\s*=\s*\"?([A-Za-z0-9_-]+)", re.IGNORECASE)
_UTF8: Final = frozenset({"utf-8", "utf8", "us-ascii"})
_INFNO: Final = re.compile(r"[0-9A-Z]{4,6}")
_CODE: Final = re.compile(r"[0-9A-Za-z]{1,30}")
# Control characters and lone surrogates would break a store or a log further down.
_UNFIT: Final = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_ESCAPED_SURROGATE: Final = re.compile(r"\\u[dD][89a-fA-F]")
InputForm = Literal["object", "string", "keep"]


def read_envelope(body: bytes, content_type: str = "") -> NationalInbound:
    """Read a hospital's message; `application/json` and `text/plain` alike, in UTF-8.

    Accepts the reduced envelope of vendor gateways (`medins_code` for `fixmedins_code`) and a payload sent as a string.
    Raises Refusal MALFORMED (no JSON object, not UTF-8, a top-level member twice, too deep, no payload), INVALID_FIELD
    naming the field, or UNKNOWN_INFNO.
    """
    raw = body.removeprefix(b"\xef\xbb\xbf")
    content = _parse(_text(raw, content_type))
    if not isinstance(content, dict):
        raise Refusal("MALFORMED", "报文须为 JSON 对象")
    try:
        spans = scan_object(raw)
    except RawJsonError as error:
        raise Refusal("MALFORMED", f"报文顶层字段重复或格式有误（{error.what}）") from None
    payload, as_text = _payload(content.get("input"))
    _check_depth(content, payload)
    return _inbound(content, payload, as_text, raw, spans)


def _inbound(
    content: Mapping[str, Any], payload: Mapping[str, Any], as_text: bool, raw: bytes, spans: ObjectSpan
) -> NationalInbound:
    infno = _header(content, "infno")
    if infno not in known_infnos():
        # Only something shaped like a transaction number is repeated: the rest may be anything.
        raise Refusal("UNKNOWN_INFNO", infno if _INFNO.fullmatch(infno) else "infno", field="infno")
    code_field = "fixmedins_code" if content.get("fixmedins_code") else "medins_code"
    code = _header(content, code_field)
    if not _CODE.fullmatch(code):
        raise _invalid("fixmedins_code", "缺少或不合法")
    msgid = _header(content, "msgid")
    if not msgid:
        raise _invalid("msgid", "缺少发送方报文ID")
    return NationalInbound(
        infno=infno,
        msgid=msgid,
        fixmedins_code=code,
        **{name: _header(content, name) for name in _HEADER},
        **{name: _lift(payload, name) for name in _LIFTED},
        header={name: value for name, value in content.items() if name != "input"},
        input=payload,
        input_is_text=as_text,
        raw=raw,
        spans=spans,
    )


def _text(raw: bytes, content_type: str) -> str:
    named = _CHARSET.search(content_type)
    if named and named[1].lower() not in _UTF8:
        raise Refusal("MALFORMED", "报文须为 UTF-8 编码")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        raise Refusal("MALFORMED", "报文须为 UTF-8 编码") from None


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _parse(text: str) -> Any:
    try:
        content = json.loads(text, parse_float=Decimal, parse_constant=_no_constant)
        if _ESCAPED_SURROGATE.search(text):
            # Half a pair decodes to no character: nothing further down could write it.
            json.dumps(content, ensure_ascii=False, default=str).encode("utf-8")
    except (ValueError, ArithmeticError, RecursionError):
        raise Refusal("MALFORMED", "报文不是合法的 JSON") from None
    return content


def _payload(held: Any) -> tuple[Mapping[str, Any], bool]:
    """The payload as an object, and whether it came as a string of JSON (two clients do, 1.1)."""
    as_text = isinstance(held, str)
    payload = _parse(held) if as_text else held
    if not isinstance(payload, dict):
        raise Refusal("MALFORMED", "input 须为 JSON 对象或其字符串", field="input")
    return payload, as_text


def _check_depth(*roots: Mapping[str, Any]) -> None:
    level: list[Any] = list(roots)
    for _ in range(MAX_DEPTH):
        level = [child for node in level for child in _children(node) if isinstance(child, dict | list)]
        if not level:
            return
    raise Refusal("MALFORMED", f"报文嵌套超过 {MAX_DEPTH} 层")


def _children(node: Any) -> Iterator[Any]:
    return iter(node.values()) if isinstance(node, dict) else iter(node)


def _invalid(name: str, why: str) -> Refusal:
    return Refusal("INVALID_FIELD", f"{name}: {why}", field=name)


def _header(content: Mapping[str, Any], name: str) -> str:
    """A header field as text; null, absent and "" are the same (1.1, null handling)."""
    return _scalar(content.get(name), name, MAX_NAME if name.endswith("_name") else MAX_KEY)


def _scalar(value: Any, name: str, longest: int) -> str:
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise _invalid(name, "类型不合法")
    text = str(value).strip()
    if len(text) > longest or _UNFIT.search(text):
        raise _invalid(name, "过长或含非法字符")
    return text


def _lift(payload: Mapping[str, Any], name: str) -> str:
    """The first non-empty value of a business key, in the payload itself or one of its nodes or their first rows."""
    for path, node in (("input", payload), *_nodes(payload)):
        if node.get(name) not in (None, ""):
            return _scalar(node[name], f"{path}.{name}", MAX_KEY)
    return ""


def _nodes(payload: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, node in payload.items():
        first = node[0] if isinstance(node, list) and node else node
        if isinstance(first, dict):
            yield f"input.{name}", first


def complete_envelope(
    inbound: NationalInbound,
    *,
    fills: Mapping[str, str] | None = None,
    msgid: str | None = None,
    sign_no: str | None = None,
    input_form: InputForm = "object",
) -> NationalMessage:
    """The message for the platform: `fills` only where the hospital left a header field out, null or empty.

    `fills` (fixmedins_name, mdtrtarea_admvs, inf_time …) go before DEFAULT_FILLS. `msgid` and `sign_no` replace what
    the hospital sent, where told; every other byte stays as it came. A payload sent as a string becomes the object
    most platforms expect (`input_form`: `object`, `string` or `keep`).
    """
    wanted = DEFAULT_FILLS | {"fixmedins_code": inbound.fixmedins_code} | dict(fills or {})
    added = {name: value for name, value in wanted.items() if value and inbound.header.get(name) in (None, "")}
    told = {"msgid": msgid, "sign_no": sign_no}
    added |= {name: value for name, value in told.items() if value is not None}
    members = {name: quote(value) for name, value in added.items()} | _payload_form(inbound, input_form)
    raw = edit_members(inbound.raw, inbound.spans, members) if members else inbound.raw
    return NationalMessage(
        infno=inbound.infno,
        fixmedins_code=inbound.fixmedins_code,
        msgid=inbound.msgid if msgid is None else msgid,
        **{name: added.get(name, getattr(inbound, name)) for name in _HEADER},
        **{name: getattr(inbound, name) for name in _LIFTED},
        input=inbound.input if inbound.infno in _WITH_INPUT else None,
        raw=raw.decode("utf-8"),
    )


def _payload_form(inbound: NationalInbound, form: InputForm) -> dict[str, bytes]:
    span = inbound.spans.members["input"]
    held = inbound.raw[span.start : span.end]
    if form == "object" and inbound.input_is_text:
        return {"input": json.loads(held).encode("utf-8")}
    if form == "string" and not inbound.input_is_text:
        return {"input": quote(held.decode("utf-8"))}
    return {}
