"""A partner for delivery tests: scripted answers, and a codec that reads them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import orjson
from pydantic import BaseModel

from gateway.delivery.counterparts import Counterpart, Msgids
from gateway.delivery.declare import (
    NOT_FOUND,
    Adapter,
    AfterUnknown,
    Answer,
    Guarantee,
    Manifest,
    OperationDecl,
    Outbound,
    SendContext,
)
from gateway.delivery.delivery import Delivery
from gateway.delivery.transport import NothingLeft, OutcomeLost
from gateway.journal.journal import Journal
from gateway.model.verdict import Accepted, Done, Refused, Unknown, Verdict


class Ask(BaseModel):
    """A request."""

    number: str = "1"


class Said(BaseModel):
    """A reply."""

    text: str


class ScriptedCodec:
    """Reads {"say": "done|accepted|refused|unknown|not_found"}."""

    def encode(self, operation: str, request: Ask, context: SendContext) -> Outbound:
        """The operation and the request as JSON."""
        body = {"operation": operation, "number": request.number, "msgid": context.msgid}
        return Outbound("POST", "/", {}, orjson.dumps(body))

    def decode(self, operation: str, request: Ask, answer: Answer) -> Verdict[Said]:
        """The scripted word."""
        word = answer.body.decode()
        match word:
            case "done":
                return Done(Said(text=word))
            case "accepted":
                return Accepted(Said(text=word))
            case "refused" | "not_found":
                return Refused("NO" if word == "refused" else NOT_FOUND, word, Said(text=word))
            case "expired":
                return Refused("SIGN_IN_EXPIRED", word)
        return Unknown(word)

    def request_type(self, operation: str) -> type[BaseModel]:
        """Ask."""
        return Ask

    def reply_type(self, operation: str) -> type[BaseModel]:
        """Said."""
        return Said

    def question_for(self, operation: str, request: Ask) -> tuple[str, Ask] | None:
        """The question about a payment."""
        return None if operation == "Mute" else ("Question", request)

    def resolve(self, operation: str, request: Ask, question_reply: Verdict[Any]) -> Verdict[Any] | None:
        """What the question says holds for the original."""
        return question_reply if isinstance(question_reply, Done | Refused) else None


Step = str | Exception | Callable[[], Any]


class ScriptedTransport:
    """Answers sends in the order of its script, by operation; the effects are what "executed" steps did."""

    def __init__(self) -> None:
        self.script: dict[str, list[Step]] = {}
        self.sent: list[tuple[str, str, bool]] = []
        self.gate: asyncio.Event | None = None

    def plan(self, operation: str, *steps: Step) -> None:
        """Append steps for an operation."""
        self.script.setdefault(operation, []).extend(steps)

    async def send(self, url: str, out: Outbound, timeouts: Any, *, fresh: bool) -> Answer:
        """The next step."""
        body = orjson.loads(out.body)
        self.sent.append((body["operation"], body["number"], fresh))
        if self.gate is not None:
            await self.gate.wait()
        step = self.script[body["operation"]].pop(0)
        if isinstance(step, Exception):
            raise step
        word = step() if callable(step) else step
        return Answer(200, {}, str(word).encode())

    def count(self, operation: str) -> int:
        """How often an operation was sent."""
        return sum(name == operation for name, _, _ in self.sent)


LEFT_NOTHING = NothingLeft("refused")
LOST = OutcomeLost("time-out")

OPERATIONS = {
    "Look": OperationDecl(guarantee=Guarantee.QUERY),
    "Question": OperationDecl(guarantee=Guarantee.QUERY, retries=1),
    "Put": OperationDecl(guarantee=Guarantee.IDEMPOTENT, after_unknown=AfterUnknown.RESEND, retries=2),
    "Pay": OperationDecl(
        guarantee=Guarantee.AT_MOST_ONCE, after_unknown=AfterUnknown.ASK, question="Question", settling_seconds=600
    ),
    "Again": OperationDecl(
        guarantee=Guarantee.AT_MOST_ONCE,
        after_unknown=AfterUnknown.ASK,
        settling_seconds=0,
        resend_after_not_found=True,
    ),
    "Payout": OperationDecl(guarantee=Guarantee.ONCE_EVER, after_unknown=AfterUnknown.ASK, settling_seconds=600),
    "Mute": OperationDecl(guarantee=Guarantee.AT_MOST_ONCE, after_unknown=AfterUnknown.ASK, plan=(1, 2)),
}


def new_delivery(journal: Journal, transport: ScriptedTransport) -> Delivery:
    """A delivery with one scripted partner, ``bank``."""
    manifest = Manifest(id="scripted", kind="bank", version="1", operations=OPERATIONS)
    partner = Counterpart("bank", Adapter(manifest, ScriptedCodec()), "http://127.0.0.1:1")
    return Delivery(journal, {"bank": partner}, transport, Msgids(journal.clock))  # type: ignore[arg-type]
