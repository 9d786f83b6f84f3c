"""The national envelope as a HIS fills it (national interface 1.1), its msgids (1.3) and TIF headers (1.7 A)."""

from __future__ import annotations

import asyncio
import hashlib
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import orjson

_SERIALS = 9999


@dataclass(frozen=True, slots=True)
class Institution:
    """A hospital with its credentials at the gateway; ``area`` is its administrative division (6 digits)."""

    code: str
    name: str
    area: str
    token: str
    recer_sys_code: str = "YBXT"
    opter: str = "OP0017"
    opter_name: str = "收费员甲"
    amounts_as_text: bool = False
    """Many HIS send amounts as strings, many as numbers."""

    def __repr__(self) -> str:
        return f"Institution({self.code})"


class MsgIds:
    """Sender's message ids: code, business second, serial of an atomic counter; waits when a second's are used up."""

    def __init__(self, code: str, now: Callable[[], datetime]) -> None:
        self._code = code
        self._now = now
        self._second = ""
        self._serial = 0

    async def next(self) -> str:
        """A msgid never given before, also when the clock is set back to a second already used up to now."""
        while True:
            second = max(f"{self._now():%Y%m%d%H%M%S}", self._second)
            if second != self._second:
                self._second, self._serial = second, 0
            if self._serial < _SERIALS:
                self._serial += 1
                return f"{self._code}{self._second}{self._serial:04d}"
            await asyncio.sleep(0.02)


def amount(fen: int, *, as_text: bool = False) -> Any:
    """Fen as yuan with two decimals, for orjson: a JSON number (never through a float) or a string."""
    text = str(Decimal(fen).scaleb(-2).quantize(Decimal("0.01")))
    return text if as_text else orjson.Fragment(text)


def envelope(
    institution: Institution, infno: str, msgid: str, inputs: Mapping[str, Any], *, at: datetime, sign_no: str = "",
    insuplc_admdvs: str = "",
) -> bytes:  # fmt: skip
    """The complete request as UTF-8 JSON; ``insuplc_admdvs`` is required whenever a person is in the input."""
    fields = {
        "infno": infno, "msgid": msgid, "mdtrtarea_admvs": institution.area, "insuplc_admdvs": insuplc_admdvs,
        "recer_sys_code": institution.recer_sys_code, "dev_no": "", "dev_safe_info": "", "cainfo": "",
        "signtype": "SM3", "infver": "V1.0", "opter_type": "1", "opter": institution.opter,
        "opter_name": institution.opter_name, "inf_time": f"{at:%Y-%m-%d %H:%M:%S}",
        "fixmedins_code": institution.code, "fixmedins_name": institution.name, "sign_no": sign_no, "input": inputs,
    }  # fmt: skip
    return orjson.dumps(fields)


def tif_headers(institution: Institution) -> dict[str, str]:
    """Fresh TIF headers: real seconds, a nonce of its own, SHA-256 over timestamp, token, nonce, timestamp."""
    timestamp, nonce = str(int(time.time())), str(uuid.uuid4())
    signature = hashlib.sha256(f"{timestamp}{institution.token}{nonce}{timestamp}".encode()).hexdigest()
    return {
        "x-tif-paasid": institution.code, "x-tif-timestamp": timestamp, "x-tif-nonce": nonce,
        "x-tif-signature": signature, "Content-Type": "application/json; charset=UTF-8",
    }  # fmt: skip
