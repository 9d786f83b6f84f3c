"""Callbacks to hospitals: one signed POST per event. Pure: no clock, no socket."""

from __future__ import annotations

import csv
import hashlib
import hmac
import io
import json
from collections.abc import Mapping
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Any, Final

from pydantic import BaseModel

from gateway.delivery.declare import Answer, Outbound, SendContext
from gateway.model.callback import CallbackAck, CallbackEvent
from gateway.model.clock import SHANGHAI
from gateway.model.verdict import Done, Refused, Unknown, Verdict

SIGNATURE: Final = "x-xinyi-signature"
TIMESTAMP: Final = "x-xinyi-timestamp"
_OTHERS: Final = "*"


def sign(secret: str, timestamp: str, body: bytes) -> str:
    """Hex HMAC-SHA256 over timestamp, a full stop and the body; the key is the secret shared with the hospital."""
    return hmac.new(secret.encode("utf-8"), timestamp.encode("ascii") + b"." + body, hashlib.sha256).hexdigest()


@cache
def dictionary() -> Mapping[str, str]:
    """HTTP status of a refusal (`*`: any other 4xx) → unified code, from `errors.csv`."""
    text = resources.files(__package__).joinpath("errors.csv").read_text("utf-8")
    return MappingProxyType({row["status"]: row["unified_code"] for row in csv.DictReader(io.StringIO(text))})


class CallbackCodec:
    """`callback`: CallbackEvent → CallbackAck."""

    def request_type(self, operation: str) -> type[BaseModel]:
        """CallbackEvent."""
        return CallbackEvent

    def reply_type(self, operation: str) -> type[BaseModel]:
        """CallbackAck."""
        return CallbackAck

    def encode(self, operation: str, request: CallbackEvent, context: SendContext) -> Outbound:
        """A POST to the hospital's `callback_url` (the base URL; `credentials["path"]` is appended where given).

        Signed with `credentials["secret"]` over real time and body. Raises ValueError without a secret.
        """
        secret = context.credentials.get("secret", "")
        if not secret:
            raise ValueError("a callback needs the credential 'secret'")
        body = encode_event(request)
        timestamp = str(int(context.real_now))
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            TIMESTAMP: timestamp,
            SIGNATURE: sign(secret, timestamp, body),
        }
        return Outbound("POST", context.credentials.get("path", ""), headers, body)

    def decode(self, operation: str, request: CallbackEvent, answer: Answer) -> Verdict[CallbackAck]:
        """2xx: taken; 4xx: refused; anything else says nothing, and the same event is sent again."""
        if 200 <= answer.status < 300:
            return Done(CallbackAck(event_id=request.event_id, status=answer.status))
        if 400 <= answer.status < 500:
            known = dictionary()
            return Refused(known.get(str(answer.status), known[_OTHERS]), f"HTTP {answer.status}")
        return Unknown(f"HTTP {answer.status}")

    def question_for(self, operation: str, request: CallbackEvent) -> tuple[str, Any] | None:
        """None: an event is simply sent again."""
        return None

    def resolve(self, operation: str, request: CallbackEvent, question_reply: Verdict[Any]) -> Verdict[Any] | None:
        """None: there are no questions."""
        return None


def encode_event(event: CallbackEvent) -> bytes:
    """The event's JSON; the same event always gives the same bytes, times in Asia/Shanghai."""
    content = event.model_dump(mode="json")
    content["occurred_at"] = event.occurred_at.astimezone(SHANGHAI).isoformat()
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
