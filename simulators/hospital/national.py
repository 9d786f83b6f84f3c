"""How a HIS talks to the national interface: it sends a message and repeats the same bytes until it has a final answer.

A repeat carries the same msgid and the same content, so it can never be a second settlement (contracts.md section 3).
"""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import aiohttp

from simulators.common.clock import BusinessClock
from simulators.hospital.envelope import Institution, MsgIds, envelope, tif_headers

CALL_SERVICE = "/fsi/api/rsfComIfsService/callService"
_OWN_CODE = re.compile(r" \[(?P<code>[A-Z][A-Z0-9_]*)\|(?P<exchange>[^\]]*)\]$")
_ASK_AGAIN = frozenset({"IN_PROGRESS", "PLATFORM_UNAVAILABLE", "OVERLOADED", "ORIGINAL_UNKNOWN"})
_NOT_AUTHENTICATED = 400001
_PAUSES = (0.1, 0.2, 0.4, 0.8, 1.5, 2.0)
_PATIENCE_SECONDS = 90.0


class NationalRefused(Exception):
    """A final no. ``code``: the gateway's own refusal code, or "" when the platform itself refused."""

    def __init__(self, infno: str, code: str, err_msg: str) -> None:
        super().__init__(f"{infno} {code or 'platform'}: {err_msg}")
        self.infno, self.code, self.err_msg = infno, code, err_msg


class SettlementReversed(NationalRefused):
    """The gateway had to reverse this message: settle again with a new msgid."""


class NoFinalAnswer(Exception):
    """The HIS lost its patience; the outcome is unknown to it."""


@dataclass(frozen=True, slots=True)
class Message:
    """One request, byte for byte what every repeat sends."""

    infno: str
    msgid: str
    body: bytes


@dataclass(frozen=True, slots=True)
class NationalAnswer:
    """A final success. Amounts in ``output`` are Decimal; ``raw`` is the body as received."""

    msgid: str
    output: Mapping[str, Any]
    raw: bytes
    replayed: bool


def final(message: Message, status: int, raw: bytes, replayed: bool) -> NationalAnswer | None:
    """The final answer in a reply, or None when there is none yet. Raises NationalRefused for a final no."""
    content = _parsed(raw)
    if content is not None and content.get("code") == _NOT_AUTHENTICATED:
        raise NationalRefused(message.infno, "UNAUTHENTICATED", str(content.get("msg") or ""))
    if content is None or status != 200 or "infcode" not in content:
        return None
    if str(content["infcode"]) == "0":
        return NationalAnswer(message.msgid, content.get("output") or {}, raw, replayed)
    text = str(content.get("err_msg") or "")
    own = _OWN_CODE.search(text)
    code = own["code"] if own else ""
    if code in _ASK_AGAIN:
        return None
    refusal = SettlementReversed if code == "SETTLEMENT_REVERSED" else NationalRefused
    raise refusal(message.infno, code, text)


def _parsed(raw: bytes) -> dict[str, Any] | None:
    try:
        content = json.loads(raw, parse_float=Decimal)
    except ValueError:
        return None
    return content if isinstance(content, dict) else None


class NationalClient:
    """The HIS's line to the gateway. ``counts``: sent, repeats, replayed, pending, lost, reversed, refused."""

    def __init__(
        self, institution: Institution, url: str, clock: BusinessClock, session: aiohttp.ClientSession
    ) -> None:
        self.institution = institution
        self.counts: Counter[str] = Counter()
        self.sign_no = ""
        self._url = url.rstrip("/") + CALL_SERVICE
        self._clock = clock
        self._session = session
        self._msgids = MsgIds(institution.code, clock.now)

    def now(self) -> datetime:
        """Business time, Asia/Shanghai."""
        return self._clock.now()

    async def sign_in(self) -> str:
        """9001; its sign_no goes into every later envelope."""
        inputs = {"signIn": {"opter_no": self.institution.opter, "mac": "00-16-3E-00-00-01", "ip": "127.0.0.1"}}
        answer = await self.call("9001", inputs)
        self.sign_no = str(answer.output["signinoutb"]["sign_no"])
        return self.sign_no

    async def message(self, infno: str, inputs: Mapping[str, Any], insuplc_admdvs: str = "") -> Message:
        """A new message with a msgid of its own."""
        msgid = await self._msgids.next()
        body = envelope(
            self.institution, infno, msgid, inputs, at=self.now(), sign_no=self.sign_no, insuplc_admdvs=insuplc_admdvs
        )
        return Message(infno, msgid, body)

    async def call(self, infno: str, inputs: Mapping[str, Any], insuplc_admdvs: str = "") -> NationalAnswer:
        """Sends a new message and stays with it until the final answer. Raises NationalRefused, NoFinalAnswer."""
        return await self.insist(await self.message(infno, inputs, insuplc_admdvs))

    async def insist(self, message: Message) -> NationalAnswer:
        """Sends the message, and the same bytes again while the answer is lost, unreadable or not final."""
        deadline = asyncio.get_running_loop().time() + _PATIENCE_SECONDS
        attempt = 0
        while True:
            answer = await self._attempt(message, repeat=attempt > 0)
            if answer is not None:
                return answer
            if asyncio.get_running_loop().time() > deadline:
                raise NoFinalAnswer(f"{message.infno} {message.msgid}")
            await asyncio.sleep(_PAUSES[min(attempt, len(_PAUSES) - 1)])
            attempt += 1

    async def repeat(self, message: Message) -> NationalAnswer:
        """Sends a message once more although it has its answer, as an impatient cashier or a broken network does."""
        self.counts["repeats"] += 1
        return await self.insist(message)

    async def _attempt(self, message: Message, *, repeat: bool) -> NationalAnswer | None:
        self.counts["repeats" if repeat else "sent"] += 1
        try:
            async with self._session.post(
                self._url, data=message.body, headers=tif_headers(self.institution)
            ) as response:
                raw, replayed = await response.read(), response.headers.get("Idempotency-Replayed") == "true"
                answer = final(message, response.status, raw, replayed)
        except (aiohttp.ClientError, TimeoutError):
            self.counts["lost"] += 1
            return None
        except NationalRefused as refusal:
            self.counts["reversed" if isinstance(refusal, SettlementReversed) else "refused"] += 1
            raise
        self.counts["pending"] += answer is None
        self.counts["replayed"] += answer is not None and answer.replayed
        return answer
