"""What every handler returns, and how a profile's names become functions.

A handler is a pure function of facts and profile: no clock, no journal, no socket. It answers with a value or a refusal
code and always with its reasons, which go to the trail and to the caller.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import entry_points
from typing import Any, Generic, TypeVar

from gateway.model.profile import LocalityProfile
from gateway.model.refusals import Refusal

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])

GROUP = "xinyi.handlers"
"""Entry-point group; the names in it are `<kind>.<name>`, such as `eligibility.released_grade`."""

PASS, REFUSE, NOTE = "pass", "refuse", "note"


@dataclass(frozen=True, slots=True)
class Reason:
    """One rule that was looked at: its name, what it said, why in Chinese, and where the rule comes from."""

    rule: str
    decision: str
    detail: str = ""
    requirement: str = ""

    def as_dict(self) -> dict[str, str]:
        """The reason as it stands in an answer of `/v1`."""
        return {
            "rule": self.rule,
            "decision": self.decision,
            "detail": self.detail,
            "requirement": self.requirement,
        }


@dataclass(frozen=True, slots=True)
class Decision(Generic[T]):
    """A value with its reasons, or a refusal code with reasons and facts (`value` may still show the figures)."""

    value: T | None
    reasons: tuple[Reason, ...] = ()
    code: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether nothing was refused."""
        return self.code is None

    def require(self) -> T:
        """Return the value. Raises the Refusal this decision stands for."""
        if self.code is not None or self.value is None:
            detail = self.reasons[-1].detail if self.reasons else ""
            raise Refusal(self.code or "ILLEGAL_STATE", detail, **self.facts)
        return self.value


def allow(value: T, *reasons: Reason) -> Decision[T]:
    """Decide in favour."""
    return Decision(value, reasons)


def refuse(code: str, *reasons: Reason, value: Any = None, **facts: Any) -> Decision[Any]:
    """Refuse with a code of the dictionary; the last reason is the one that refused."""
    return Decision(value, reasons, code, facts)


def handler(kind: str, name: str) -> Callable[[F], F]:
    """Mark a function as the handler `<kind>.<name>`; a test keeps marks and entry points in step."""

    def mark(function: F) -> F:
        function.__xinyi_handler__ = f"{kind}.{name}"  # type: ignore[attr-defined]
        return function

    return mark


@cache
def load_handler(kind: str, name: str) -> Callable[..., Decision[Any]]:
    """Return the handler a profile names. Raises LookupError if no installed package offers it."""
    found = entry_points(group=GROUP, name=f"{kind}.{name}")
    if not found:
        raise LookupError(f"no handler {kind}.{name} in entry points {GROUP}")
    loaded: Callable[..., Decision[Any]] = next(iter(found)).load()
    return loaded


def handler_names(profile: LocalityProfile) -> tuple[tuple[str, str], ...]:
    """Return (kind, name) of every handler the profile names."""
    parts = [part.handlers for part in (profile.credit, profile.payout) if part is not None]
    return tuple((kind, str(name)) for part in parts for kind, name in part)


def missing_handlers(profile: LocalityProfile) -> tuple[str, ...]:
    """Return the handlers a profile names that nothing installed offers; for `xinyi check`."""
    missing = []
    for kind, name in handler_names(profile):
        try:
            load_handler(kind, name)
        except LookupError:
            missing.append(f"{kind}.{name}")
    return tuple(missing)
