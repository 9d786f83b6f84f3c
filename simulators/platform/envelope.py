"""The envelope, both ways (national-interface 1.1, 1.2, 1.6)."""

from __future__ import annotations

import itertools
import re
import time
from dataclasses import dataclass
from datetime import datetime
from email import message_from_bytes
from typing import Any

from simulators.common.variants import Variants
from simulators.common.wire import Reply
from simulators.platform.money import parse_json, render
from simulators.platform.refusals import Refused

_LONG = 4_000
_STACK = "\n\tat cn.hsa.mbs.service.SettlementServiceImpl.handle(SettlementServiceImpl.java:412)"
_INFNO = re.compile(r"\d{4}[A-Z]?")

SERVICE_PATHS = {
    "signInSignOutService/signIn": "9001",
    "signInSignOutService/signOut": "9002",
    "fileupload/upload": "9101",
    "fileupload/download": "9102",
    "fsiPsnInfoService/queryPsnInfo": "1101",
    "fsiFixMedInsService/queryFixMedIns": "1201",
    "fsiPsnPriorityInfoService/queryPsnPriorityInfo": "2001",
    "outpatientDocInfoService/outpatientRregistration": "2201",
    "outpatientDocInfoService/outpatientRegistrationCancel": "2202",
    "outpatientDocInfoService/outpatientMdtrtinfoUp": "2203",
    "outpatientDocInfoService/outpatientMdtrtinfoUpA": "2203A",
    "outpatientDocInfoService/outpatientFeeListUp": "2204",
    "outpatientDocInfoService/outpatientFeeListUpCancel": "2205",
    "outpatientSettleService/preSettletment": "2206",
    "outpatientSettleService/preSettletmentA": "2206A",
    "outpatientSettleService/saveSettletmentV2": "2207",
    "outpatientSettleService/saveSettletment": "2207A",
    "outpatientSettleService/cancleSettletment": "2208",
    "hospFeeDtlService/feeDtlUp": "2301",
    "hospFeeDtlService/feeDtlCl": "2302",
    "hospSettService/preSett": "2303",
    "hospSettService/settV2": "2304",
    "hospSettService/settCl": "2305",
    "hospitalRegisterService/hospitalRegisterSave": "2401",
    "dscgService/dischargeProcess": "2402",
    "hospitalRegisterService/hospitalRegisterEdit": "2403",
    "hospitalRegisterService/hospitalRegisterCancel": "2404",
    "dscgService/dischargeUndo": "2405",
    "reverseService/revsMethod": "2601",
    "ybSettlementStmtService/stmtTotal": "3201",
    "ybSettlementStmtService/stmtDetail": "3202",
    "medinfoupload/setllistinfoupld": "4101",
    "medinfoupload/setllistinfoupldA": "4101A",
    "fsiIntegratedQueryService/querySetlInfo": "5203",
    "fsiIntegratedQueryService/queryFeeList": "5204",
    "fsiIntegratedQueryService/queryInhospInfo": "5303",
}
_CALL_SERVICE = "rsfComIfsService/callService"


class Unreadable(ValueError):
    """No envelope could be read from the body."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """A request's envelope; ``input`` is always an object, whatever the HIS sent."""

    infno: str
    msgid: str
    fixmedins_code: str
    insuplc_admdvs: str
    mdtrtarea_admvs: str
    sign_no: str
    opter: str
    opter_name: str
    input: dict[str, Any]
    fields: dict[str, Any]


def path_infno(tail: str) -> str | None:
    """The infno a path stands for: empty for the single endpoint, None for a path the platform does not have."""
    if tail == _CALL_SERVICE:
        return ""
    return SERVICE_PATHS.get(tail) or (tail if _INFNO.fullmatch(tail) else None)


def read_envelope(body: bytes, content_type: str, infno: str) -> Envelope:
    """Reads JSON, or multipart with ``jsonStr`` and a file part (9101). Raises Unreadable."""
    upload = None
    if content_type.lower().startswith("multipart/form-data"):
        body, upload = _multipart(body, content_type)
    try:
        fields = parse_json(body)
        payload = fields.get("input")
        payload = parse_json(payload) if isinstance(payload, str) and payload else payload
    except (ValueError, AttributeError) as error:
        raise Unreadable("报文不是合法的JSON") from error
    if upload is not None and isinstance(payload, dict):
        node = payload.setdefault("fsUploadIn", {})
        node["in"] = upload
    names = ("msgid", "fixmedins_code", "insuplc_admdvs", "mdtrtarea_admvs", "sign_no", "opter", "opter_name")
    found = {name: str(fields.get(name) or "") for name in names}
    given = payload if isinstance(payload, dict) else {}
    return Envelope(infno=str(fields.get("infno") or infno), input=given, fields=fields, **found)


def _multipart(body: bytes, content_type: str) -> tuple[bytes, bytes | None]:
    parsed = message_from_bytes(b"Content-Type: " + content_type.encode("latin-1") + b"\r\n\r\n" + body)
    if not parsed.is_multipart():
        raise Unreadable("multipart报文无法解析")
    parts: dict[str, bytes] = {}
    for part in parsed.get_payload():
        if not isinstance(part, str):
            name = part.get_param("name", header="content-disposition")
            content = part.get_payload(decode=True)
            if isinstance(name, str) and isinstance(content, bytes):
                parts[name] = content
    if "jsonStr" not in parts:
        raise Unreadable("multipart报文缺少jsonStr")
    return parts["jsonStr"], parts.get("file", parts.get("in"))


class Answers:
    """Builds answers in the spelling the variants ask for."""

    def __init__(self, variants: Variants) -> None:
        self._variants = variants
        self._serial = itertools.count(int(time.time() * 10))

    def success(self, envelope: Envelope, output: dict[str, Any] | None, received: datetime, now: datetime) -> Reply:
        answer = self._head(envelope, 0, "", received, now)
        if output is not None:
            answer["output"] = output
        elif not self._variants["output_missing"]:
            answer["output"] = {} if self._variants["output_empty"] else None
        return self._reply(answer)

    def failure(self, envelope: Envelope, code: int, text: str, received: datetime, now: datetime) -> Reply:
        if self._variants["long_err_msg"]:
            text = (text + _STACK * (_LONG // len(_STACK) + 1))[:_LONG]
        answer = self._head(envelope, code, text, received, now)
        if not self._variants["output_missing"]:
            answer["output"] = {} if self._variants["output_empty"] else None
        return self._reply(answer)

    def refused(self, envelope: Envelope, refused: Refused, received: datetime, now: datetime) -> Reply:
        two_codes = self._variants["failure_minus_two"] and not refused.system
        return self.failure(envelope, -2 if two_codes else -1, refused.text, received, now)

    def _head(self, envelope: Envelope, code: int, text: str, received: datetime, now: datetime) -> dict[str, Any]:
        area = (envelope.mdtrtarea_admvs or envelope.fixmedins_code[1:7] or "000000")[:2]
        serial = next(self._serial) % 10**10
        return {
            "infcode": str(code) if self._variants["infcode_as_string"] else code,
            "inf_refmsgid": f"{area}0000{received:%Y%m%d%H%M%S}{serial:010d}",
            "refmsg_time": _millis(received),
            "respond_time": _millis(now),
            "err_msg": text,
            "warn_msg": "",
            "enctype": None,
            "signtype": None,
            "cainfo": None,
        }

    def _reply(self, answer: dict[str, Any]) -> Reply:
        body = render(answer, amounts_as_strings=bool(self._variants["amounts_as_strings"]))
        return Reply(body, content_type="application/json;charset=UTF-8")


def _millis(moment: datetime) -> str:
    return f"{moment:%Y%m%d%H%M%S}{moment.microsecond // 1000:03d}"
