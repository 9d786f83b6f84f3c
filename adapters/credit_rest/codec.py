"""The credit platform's codec. Pure: no clock, no socket."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from adapters.credit_rest.wire import AckWire, ListAck, ListPush, QueryWire, RefusalWire, ScoreInvalid, parse_score
from gateway.delivery.declare import Answer, Outbound, SendContext
from gateway.model.clock import SHANGHAI
from gateway.model.credit import CreditAck, CreditAnswer, CreditFeedback, CreditQuery
from gateway.model.money import format_yuan
from gateway.model.verdict import Done, NotSent, Refused, Unknown, Verdict

UNSEEN_REFUSAL: Final = "CREDIT_REFUSED"
INVALID_SCORE: Final = "INVALID_SCORE"
_JSON: Final = "application/json; charset=utf-8"
_REFUSALS: Final = frozenset({400, 403, 404, 409, 422})
_TYPES: Final[Mapping[str, tuple[type[BaseModel], type[BaseModel]]]] = MappingProxyType(
    {
        "query": (CreditQuery, CreditAnswer),
        "feedback": (CreditFeedback, CreditAck),
        "list": (ListPush, ListAck),
    }
)


@cache
def dictionary() -> Mapping[tuple[str, str], str]:
    """(operation or `*`, the platform's code) → unified code, from `errors.csv`."""
    text = resources.files(__package__).joinpath("errors.csv").read_text("utf-8")
    rows = csv.DictReader(io.StringIO(text))
    return MappingProxyType({(row["operation"], row["code"]): row["unified_code"] for row in rows})


class CreditCodec:
    """`query` (CreditQuery → CreditAnswer), `feedback` (CreditFeedback → CreditAck), `list` (ListPush → ListAck)."""

    def request_type(self, operation: str) -> type[BaseModel]:
        """The canonical request. Raises KeyError for an operation nobody declared."""
        return _TYPES[operation][0]

    def reply_type(self, operation: str) -> type[BaseModel]:
        """The canonical reply. Raises KeyError for an operation nobody declared."""
        return _TYPES[operation][1]

    def encode(self, operation: str, request: BaseModel, context: SendContext) -> Outbound:
        """The request as JSON; `credentials["token"]` becomes the bearer. Raises ValueError without a token."""
        token = context.credentials.get("token", "")
        if not token:
            raise ValueError("the credit platform needs the credential 'token'")
        headers = {
            "Content-Type": _JSON,
            "Authorization": f"Bearer {token}",
            "x-request-time": datetime.fromtimestamp(context.real_now, SHANGHAI).isoformat(timespec="seconds"),
        }
        body = json.dumps(_body(request), ensure_ascii=False, separators=(",", ":")).encode("utf-8")
        return Outbound("POST", f"/credit/v1/{operation}", headers, body)

    def decode(self, operation: str, request: BaseModel, answer: Answer) -> Verdict[Any]:
        """What the answer means; an answer about something else than what was asked is unreadable."""
        if answer.status == 401:
            return NotSent("authentication refused (HTTP 401)")
        content = _parse(answer.body)
        if answer.status in _REFUSALS:
            return _refusal(operation, answer.status, content)
        if answer.status != 200:
            return Unknown(f"HTTP {answer.status}")
        try:
            if isinstance(request, CreditQuery):
                return _answer(request, QueryWire.model_validate(content))
            return _ack(request, AckWire.model_validate(content))
        except ValidationError:
            return Unknown("unreadable answer")

    def question_for(self, operation: str, request: BaseModel) -> tuple[str, BaseModel] | None:
        """None: everything here is simply sent again."""
        return None

    def resolve(self, operation: str, request: BaseModel, question_reply: Verdict[Any]) -> Verdict[Any] | None:
        """None: there are no questions."""
        return None


def _body(request: BaseModel) -> dict[str, Any]:
    """The wire's members; personal values leave their mask here and nowhere else."""
    plain = request.model_dump(mode="json", context={"reveal": True})
    if isinstance(request, CreditFeedback):
        plain["amount"] = format_yuan(plain.pop("amount_fen"))
    if isinstance(request, ListPush):
        plain["list"] = plain.pop("kind")
        plain["records"] = [{name: text for name, text in record.items() if text} for record in plain["records"]]
    return plain


def _parse(body: bytes) -> Any:
    """Parsed JSON, numbers exact; None for anything unreadable."""
    try:
        content = json.loads(body.decode("utf-8-sig"), parse_float=Decimal)
        # Half a surrogate pair decodes to no character, and nothing further down could write it.
        json.dumps(content, ensure_ascii=False, default=str).encode("utf-8")
    except (ValueError, ArithmeticError, RecursionError):
        return None
    return content


def _refusal(operation: str, status: int, content: Any) -> Verdict[Any]:
    try:
        refusal = RefusalWire.model_validate(content)
    except ValidationError:
        # Something between us and the platform answered.
        return Unknown(f"HTTP {status} without a code")
    known = dictionary()
    unified = known.get((operation, refusal.code)) or known.get(("*", refusal.code)) or UNSEEN_REFUSAL
    return Refused(unified, refusal.message)


def _answer(request: CreditQuery, wire: QueryWire) -> Verdict[CreditAnswer]:
    if (wire.request_id, wire.auth_id, wire.scheme) != (request.request_id, request.auth_id, request.scheme):
        return Unknown("answer to another question")
    if not wire.found:
        return Done(CreditAnswer(request_id=wire.request_id, found=False, scheme=wire.scheme))
    try:
        score = parse_score(wire.score)
    except ScoreInvalid:
        return Refused(INVALID_SCORE)
    return Done(
        CreditAnswer(
            request_id=wire.request_id,
            found=True,
            scheme=wire.scheme,
            score=score,
            grade=wire.grade or "",
            score_date=wire.score_date,
            dishonest=wire.mark,
            qualification=wire.qualification,
            released=wire.released,
        )
    )


def _ack(request: BaseModel, wire: AckWire) -> Verdict[Any]:
    if isinstance(request, CreditFeedback) and wire.event_id == request.event_id:
        return Done(CreditAck(event_id=wire.event_id, ack_id=wire.ack_id, duplicate=wire.duplicate))
    if isinstance(request, ListPush) and wire.batch_no == request.batch_no:
        return Done(ListAck(batch_no=wire.batch_no, ack_id=wire.ack_id, duplicate=wire.duplicate))
    return Unknown("acknowledgement of something else")
