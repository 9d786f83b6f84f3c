"""What makes a callback of the gateway believable: its signature, its age, its shape."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

SIGNATURE_HEADER = "x-xinyi-signature"
TIMESTAMP_HEADER = "x-xinyi-timestamp"
MAX_SKEW_SECONDS = 300
"""Real seconds a callback may differ from this machine's time."""

EVENT_TYPES = frozenset({
    "charge.final", "charge.pending", "visit.over_limit", "visit.final", "hold.lapsing", "agreement.changed",
    "settlement.reversed", "payout.paid", "payout.failed", "payout.returned", "feedback.sent", "monthly.line",
    "monthly.paid", "ticket.replied", "mobile.order",
})  # fmt: skip
_MEMBERS = ("event_id", "type", "occurred_at", "resource", "data")


def sign(token: str, timestamp: str, body: bytes) -> str:
    """Hex HMAC-SHA256 over ``timestamp + "." + body`` with the hospital's token as key."""
    return hmac.new(token.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def refusal(token: str, timestamp: str, signature: str, body: bytes, now: float) -> str:
    """The code a callback is refused with, or "" for a good one. ``now``: real epoch seconds."""
    if not timestamp.isascii() or not timestamp.isdigit() or not signature:
        return "SIGNATURE_INVALID"
    if not hmac.compare_digest(sign(token, timestamp, body).encode(), signature.lower().encode()):
        return "SIGNATURE_INVALID"
    return "TIMESTAMP_EXPIRED" if abs(now - int(timestamp)) > MAX_SKEW_SECONDS else ""


def shape_error(content: Any) -> str:
    """What is wrong with an event's members, or ""."""
    if not isinstance(content, dict):
        return "object expected"
    missing = [name for name in _MEMBERS if name not in content]
    if missing:
        return f"{missing[0]}: missing"
    if not isinstance(content["event_id"], str) or not content["event_id"]:
        return "event_id: text expected"
    return "" if content["type"] in EVENT_TYPES else "type: unknown"
