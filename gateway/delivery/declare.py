"""What an adapter declares: its operations with their guarantees, and a pure codec.

This module is all an adapter may know of delivery. It opens no socket and knows no journal.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from importlib import resources
from typing import Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field

from gateway.model.keys import ChannelKeys
from gateway.model.verdict import Verdict


class Guarantee(StrEnum):
    """How often an operation may reach its partner (state-machines G). Code and manifest, never profile."""

    QUERY = "query"
    IDEMPOTENT = "idempotent"
    AT_MOST_ONCE = "at_most_once"
    ONCE_EVER = "once_ever"

    @property
    def sole(self) -> bool:
        """True where the store must refuse a second live attempt."""
        return self in (Guarantee.AT_MOST_ONCE, Guarantee.ONCE_EVER)


class AfterUnknown(StrEnum):
    """What an unknown outcome leads to."""

    RETRY = "retry"  # query: simply again
    RESEND = "resend"  # idempotent: the same content under the same key
    ASK = "ask"  # a question operation of the partner
    REVERSE = "reverse"  # 2601 with the stored msgid


class Timeouts(BaseModel):
    """Seconds, each limit on its own."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    connect: float = 10
    pool: float = 5
    write: float = 30
    read: float = 30


# Seconds of business time after the first unknown: 1…32 s, then 5…120 min (architecture, idea 5).
DEFAULT_PLAN = (1, 2, 4, 8, 16, 32, 300, 600, 1800, 3600, 7200)


Kind = Literal["query", "money", "batch", "file"]


class OperationDecl(BaseModel):
    """One row of a manifest's [operations] table. ``kind`` chooses among the time-outs of a locality's own."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    guarantee: Guarantee
    after_unknown: AfterUnknown = AfterUnknown.RETRY
    question: str = ""
    kind: Kind = "query"
    timeouts: Timeouts = Timeouts()
    plan: tuple[int, ...] = DEFAULT_PLAN
    settling_seconds: int = 0
    resend_after_not_found: bool = False
    retries: int = 3
    title: str = ""


class Manifest(BaseModel):
    """`manifest.toml` of an adapter."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    id: str
    kind: str
    version: str
    capabilities: Mapping[str, Any] = Field(default_factory=dict)
    operations: Mapping[str, OperationDecl] = Field(default_factory=dict)

    @classmethod
    def load(cls, package: str) -> Manifest:
        """Read `manifest.toml` beside the adapter's code. Raises pydantic.ValidationError on unknown keys."""
        raw = tomllib.loads(resources.files(package).joinpath("manifest.toml").read_text("utf-8"))
        shared = raw.pop("defaults", {})
        raw["operations"] = {name: shared | row for name, row in raw.get("operations", {}).items()}
        return cls.model_validate(raw)


@dataclass(frozen=True, slots=True)
class Variant:
    """How a partner is spoken to for one hospital: words for the codec, time-outs where they are not the manifest's."""

    words: Mapping[str, str] = field(default_factory=dict)
    timeouts: Mapping[str, Timeouts] = field(default_factory=dict)

    def limits(self, declared: OperationDecl) -> Timeouts:
        """The time-outs of an operation."""
        return self.timeouts.get(declared.kind, declared.timeouts)


PLAIN = Variant()


@dataclass(frozen=True, slots=True)
class SendContext:
    """What an encoder may use besides the request: nothing here is read from a clock inside the codec.

    ``keys`` is None on a channel that is not signed; ``variant`` is how the hospital's locality speaks to the partner.
    """

    real_now: float
    business_now: datetime
    nonce: str
    msgid: str
    credentials: Mapping[str, str] = field(default_factory=dict)
    keys: ChannelKeys | None = None
    variant: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Outbound:
    """Bytes to send. ``path`` is appended to the counterpart's base URL."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """Bytes that came back, whatever they are; header names are lower case.

    ``context`` is the one its request was encoded with, ``real_now`` the real time (Unix seconds) at which it was read.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    context: SendContext | None = None
    real_now: float = 0.0


class Codec(Protocol):
    """Pure bytes ⇄ model. ``decode`` never raises on foreign input: what it cannot read is Unknown."""

    def encode(self, operation: str, request: Any, context: SendContext) -> Outbound:
        """The request on the partner's wire."""
        ...

    def decode(self, operation: str, request: Any, answer: Answer) -> Verdict[Any]:
        """What the partner's answer means."""
        ...

    def reply_type(self, operation: str) -> type[BaseModel]:
        """The canonical reply of an operation, to read a journalled reply back."""
        ...

    def request_type(self, operation: str) -> type[BaseModel]:
        """The canonical request of an operation."""
        ...

    def question_for(self, operation: str, request: Any) -> tuple[str, Any] | None:
        """The question (operation, request) that finds out what became of ``request``; None if there is none."""
        ...

    def resolve(self, operation: str, request: Any, question_reply: Verdict[Any]) -> Verdict[Any] | None:
        """What the question's verdict says about the original.

        Returns None when the question changed nothing (it failed, or the partner still works on it), Refused with
        code ``NOT_FOUND`` when the partner says it never received the original, and a verdict otherwise.
        """
        ...


@dataclass(frozen=True, slots=True)
class Adapter:
    """What the entry point group ``xinyi.adapters`` gives: a manifest and a codec (and doors, for inbound ones)."""

    manifest: Manifest
    codec: Codec | None = None
    door: Any = None
    heavy: frozenset[str] = frozenset()  # operations whose encoding or decoding would hold the event loop
    mapped: Callable[[str], Adapter] | None = None  # a generic one: the adapter of a map file; ValueError says why not


NOT_FOUND = "NOT_FOUND"
