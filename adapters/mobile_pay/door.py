"""6302 as it comes in: read and verified, acknowledged in the centre's own envelope. Pure and stateless."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from adapters.mobile_pay import envelope
from adapters.mobile_pay.envelope import BadEnvelope, Channel
from gateway.model.mobile import STATUS_EVENTS, MobileNotice, Token, amounts_of
from gateway.model.refusals import Refusal

_KEY: Final = re.compile(r"[0-9A-Za-z_\-]{1,64}")
_WORD: Final = re.compile(r"[0-9A-Za-z_\-:. ]{0,32}")


class MobileDoor:
    """What the web layer gets from the adapter."""

    def read_notice(self, body: bytes, credentials: Mapping[str, str]) -> MobileNotice:
        """The notice. Raises Refusal MALFORMED, SIGNATURE_INVALID or INVALID_FIELD."""
        try:
            outer = envelope.parse(body)
        except BadEnvelope as error:
            raise Refusal("MALFORMED", str(error)) from None
        try:
            data = envelope.read(Channel.of(credentials), outer)
        except BadEnvelope as error:
            raise Refusal("SIGNATURE_INVALID", str(error)) from None
        return _notice(data)

    def acknowledge(self, code: int, message: str, credentials: Mapping[str, str], real_now: float) -> bytes:
        """The answer to a notice, signed: ``code`` 0 takes it, another one asks for it again."""
        said = {
            "code": code,
            "success": code == 0,
            "message": message,
            "type": "success" if code == 0 else "error",
        }
        return envelope.write(Channel.of(credentials), {}, real_now, said)


def _notice(data: Mapping[str, Any]) -> MobileNotice:
    status = _text(data, "ordStas", _WORD)
    if status not in STATUS_EVENTS:
        raise _invalid("ordStas")
    return MobileNotice(
        pay_ord_id=_key(data, "payOrdId"),
        med_org_ord=_key(data, "medOrgOrd") if data.get("medOrgOrd") else "",
        ord_stas=status,
        org_code=_key(data, "orgCode" if data.get("orgCode") else "orgCodg"),
        call_type=_text(data, "callType", _WORD),
        setl_type=_text(data, "setlType", _WORD),
        trace_time=_text(data, "traceTime", _WORD),
        amounts=amounts_of(data),
        revs_token=Token(str(data.get("revsToken") or "")),
    )


def _text(data: Mapping[str, Any], name: str, form: re.Pattern[str]) -> str:
    value = data.get(name)
    text = "" if value is None else str(value).strip()
    if isinstance(value, bool | dict | list) or not form.fullmatch(text):
        raise _invalid(name)
    return text


def _key(data: Mapping[str, Any], name: str) -> str:
    return _text(data, name, _KEY)


def _invalid(name: str) -> Refusal:
    return Refusal("INVALID_FIELD", f"{name}: 缺少或不合法", field=name)
