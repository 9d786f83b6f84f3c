"""The `/v1` surface as the flows declare it: endpoints with their roles, bodies and handlers.

The web room mounts what is declared here and knows no rule; a POST runs as a flow under its Idempotency-Key.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
from pydantic import BaseModel, ConfigDict, ValidationError

from gateway.flows.house import House
from gateway.flows.runner import Ending, Flow, Reply
from gateway.journal.exchanges import Exchange
from gateway.model import exact_json
from gateway.model.refusals import Refusal
from gateway.model.registry import Role


class Body(BaseModel):
    """Base of request bodies: unknown fields are refused by name."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)


class Caller(BaseModel):
    """Who calls, as authentication found out."""

    model_config = ConfigDict(frozen=True)
    id: str
    role: Role
    hospital: str = ""
    bank: str = ""

    @property
    def actor(self) -> str:
        """How the trail names the caller."""
        return f"{self.role}:{self.id}"

    def must_own(self, hospital: str) -> None:
        """Raises Refusal FORBIDDEN when a hospital reaches for another one's data."""
        if self.role == "hospital" and self.hospital != hospital:
            raise Refusal("FORBIDDEN", field="fixmedins_code")


@dataclass(frozen=True, slots=True)
class ApiCall:
    """One call. ``body`` is validated by the endpoint's model; ``path`` and ``query`` are text."""

    caller: Caller
    path: Mapping[str, str]
    query: Mapping[str, str]
    body: Any


@dataclass(frozen=True, slots=True)
class ApiReply:
    """The resource as GET shows it, the reasons of the rules that decided, and what it means for the key."""

    resource: Any
    status: int = 200
    reasons: Iterable[Any] = ()
    ending: Ending = Ending.FINAL


ApiHandler = Callable[[House, Exchange | None, ApiCall], Awaitable[ApiReply]]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One route of `/v1`. GET endpoints get no exchange."""

    method: str
    path: str  # aiohttp syntax, e.g. /v1/visits/{visit_id}/legs
    roles: frozenset[Role]
    handler: ApiHandler
    title_zh: str
    title_en: str
    body: type[Body] | None = None
    query: tuple[str, ...] = ()
    tags: tuple[str, ...] = field(default=())

    @property
    def flow(self) -> str:
        """The name of its flow in the journal."""
        return f"{self.method} {self.path}"


def pack_call(caller: Caller, path: Mapping[str, str], query: Mapping[str, str], body: Any) -> bytes:
    """A call as the journal keeps it, so that the flow can run again."""
    kept = {"caller": caller.model_dump(), "path": dict(path), "query": dict(query), "body": body}
    return exact_json.dumps(kept).encode()


def unpack_call(endpoint: Endpoint, kept: bytes) -> ApiCall:
    """A call from its journalled bytes. Raises Refusal INVALID_FIELD naming the field."""
    raw = exact_json.loads(kept)  # a number keeps its digits: national inputs travel inside
    body = raw["body"]
    if endpoint.body is not None:
        try:
            body = endpoint.body.model_validate(body if body is not None else {})
        except ValidationError as error:
            raise invalid_field(error) from None
    return ApiCall(Caller.model_validate(raw["caller"]), raw["path"], raw["query"], body)


def invalid_field(error: ValidationError) -> Refusal:
    """The first fault of a body as a refusal; the value itself stays out, it may be personal."""
    first = error.errors(include_input=False, include_url=False)[0]
    cause = first.get("ctx", {}).get("error")
    where = ".".join(str(part) for part in first["loc"])
    if isinstance(cause, Refusal):
        return Refusal(cause.code, cause.detail, field=cause.field or where)
    return Refusal("INVALID_FIELD", first["msg"], field=where)


def api_flow(endpoint: Endpoint) -> Flow:
    """The endpoint's handler as a flow of the runner."""

    async def flow(house: House, exchange: Exchange, body: bytes) -> Reply:
        answer = await endpoint.handler(house, exchange, unpack_call(endpoint, body))
        return Reply(answer.status, render(answer, exchange.exchange_id), ending=answer.ending)

    return flow


def render(answer: ApiReply, exchange_id: str = "") -> bytes:
    """The answer's JSON: the resource, the exchange and the reasons (v1)."""
    resource = answer.resource
    if isinstance(resource, Mapping) and exchange_id:
        reasons = [
            {"rule": r.rule, "decision": r.decision, "detail": r.detail, "requirement": r.requirement}
            for r in answer.reasons
        ]
        resource = {**resource, "exchange_id": exchange_id, **({"reasons": reasons} if reasons else {})}
    return orjson.dumps(resource)
