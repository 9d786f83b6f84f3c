"""Verdicts and replies as they are read back from the journal."""

from __future__ import annotations

import asyncio
from typing import Any

from pydantic import BaseModel

from gateway.delivery.counterparts import Counterpart
from gateway.delivery.declare import Outbound, SendContext
from gateway.journal.operations import Operation
from gateway.model.verdict import Accepted, Done, NotSent, Refused, Unknown, Verdict


def read_reply(reply_type: type[BaseModel], kept: bytes) -> BaseModel | None:
    """The canonical reply from its journalled JSON; None where none was kept."""
    return reply_type.model_validate_json(kept) if kept else None


def verdict_of(op: Operation, reply: BaseModel | None) -> Verdict[Any] | None:
    """The verdict of an operation's state; None while it is open or being sent."""
    match op.state:
        case "DONE":
            return Done(reply)
        case "ACCEPTED":
            return Accepted(reply)
        case "REFUSED":
            return Refused(op.code, op.reason, reply)
        case "NOT_SENT" | "CLOSED":
            return NotSent(op.reason)
        case "UNKNOWN":
            return Unknown(op.reason)
    return None


async def wire(partner: Counterpart, operation: str, request: Any, context: SendContext) -> Outbound:
    """The request as bytes; heavy ones are encoded in a thread so that the event loop stays free."""
    if operation in partner.adapter.heavy:
        return await asyncio.to_thread(partner.codec.encode, operation, request, context)
    return partner.codec.encode(operation, request, context)
