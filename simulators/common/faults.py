"""The menu of faults of contracts.md section 2: which fault strikes which request.

This module only decides; ``wire.py`` damages answers and ``server.py`` keeps "not executed" and "executed" apart:
``*_before``, ``refuse_connection`` and ``reject`` leave the operation undone, every other kind leaves it done.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

ANY = "*"


class Kind(StrEnum):
    REFUSE_CONNECTION = "refuse_connection"
    DROP_BEFORE = "drop_before"
    DROP_AFTER = "drop_after"
    DELAY_BEFORE = "delay_before"
    DELAY_AFTER = "delay_after"
    HTTP_500_BEFORE = "http_500_before"
    HTTP_500_AFTER = "http_500_after"
    GARBAGE = "garbage"
    HALF_REPLY = "half_reply"
    SLOW_DRIP = "slow_drip"
    REJECT = "reject"
    LIE = "lie"
    DUPLICATE_PUSH = "duplicate_push"
    LATE_PUSH = "late_push"


PUSH_KINDS = frozenset({Kind.DUPLICATE_PUSH, Kind.LATE_PUSH})
BEFORE_KINDS = (Kind.DROP_BEFORE, Kind.HTTP_500_BEFORE, Kind.REJECT)
AFTER_KINDS = (Kind.DROP_AFTER, Kind.HTTP_500_AFTER, Kind.GARBAGE, Kind.HALF_REPLY, Kind.SLOW_DRIP)


class FaultRefused(ValueError):
    """The fault as posted makes no sense; the text says why."""


@dataclass(slots=True)
class Fault:
    """One fault. ``nth`` (1-based, counted per operation since the fault was set) strikes once; ``probability`` strikes
    for as long as the fault is set; with neither every request is struck. ``seconds`` are real ones, for ``late_push``
    business ones.
    """

    operation: str
    kind: Kind
    nth: int | None = None
    probability: float | None = None
    seconds: float = 3.0
    code: str = ""
    record: str = ""
    fen: int = 0
    message: str = ""
    seen: int = field(default=0, compare=False)
    fired: int = field(default=0, compare=False)

    def strikes(self, rng: random.Random) -> bool:
        """Counts one request of the operation and says whether the fault strikes it."""
        self.seen += 1
        if self.nth is not None:
            hit = self.seen == self.nth
        elif self.probability is not None:
            hit = rng.random() < self.probability
        else:
            hit = True
        self.fired += hit
        return hit

    def covers(self, *operations: str) -> bool:
        return self.operation == ANY or self.operation in operations

    def closes_at_once(self) -> bool:
        """The very next request of the operation has to find the door closed: it closes before that one can come."""
        return self.nth == 1 or (self.nth is None and (self.probability is None or self.probability >= 1))

    def show(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__ if getattr(self, name) not in (None, "")}


@dataclass(frozen=True, slots=True)
class Plan:
    """What the faults do to one request."""

    delay_before: float = 0.0
    before: Fault | None = None
    delay_after: float = 0.0
    after: Fault | None = None
    lie_fen: int = 0
    rejected_records: Mapping[str, Fault] = field(default_factory=dict)
    close_for: float = 0.0
    """Seconds for which the listener is closed once this request is answered (``refuse_connection``)."""
    names: str = ""


@dataclass(frozen=True, slots=True)
class PushPlan:
    """What the faults do to one push."""

    copies: int = 1
    late_by: float = 0.0
    """Business seconds."""


NO_FAULT = Plan()
PLAIN_PUSH = PushPlan()


class Faults:
    """The faults in force. Setting a list replaces the old one and starts counting anew."""

    def __init__(self, seed: int | None = None) -> None:
        self._rng = random.Random(seed)
        self._faults: list[Fault] = []

    def set(self, faults: Sequence[Fault], seed: int | None = None) -> None:
        if seed is not None:
            self._rng.seed(seed)
        self._faults = list(faults)

    def clear(self) -> None:
        self._faults = []

    def show(self) -> list[dict[str, Any]]:
        return [fault.show() for fault in self._faults]

    def closing_at_once(self) -> float:
        """Seconds to close the listener for, right now, or 0; spends the faults it counts."""
        seconds = 0.0
        for fault in self._faults:
            if fault.kind is Kind.REFUSE_CONNECTION and fault.closes_at_once() and not fault.fired:
                fault.fired = 1
                seconds = max(seconds, fault.seconds)
        return seconds

    def draw(self, operation: str) -> Plan:
        """Counts one request of ``operation`` against every fault on it."""
        if not self._faults:
            return NO_FAULT
        struck = [f for f in self._faults if f.kind not in PUSH_KINDS and f.covers(operation) and self._hits(f)]
        return _plan(struck) if struck else NO_FAULT

    def draw_push(self, operation: str, cause: str = "") -> PushPlan:
        """Counts one push of ``operation``; a fault may also name the operation that caused it."""
        struck = [f for f in self._faults if f.kind in PUSH_KINDS and f.covers(operation, cause) and self._hits(f)]
        if not struck:
            return PLAIN_PUSH
        copies = 1 + sum(f.kind is Kind.DUPLICATE_PUSH for f in struck)
        return PushPlan(copies, sum(f.seconds for f in struck if f.kind is Kind.LATE_PUSH))

    def _hits(self, fault: Fault) -> bool:
        if fault.kind is not Kind.REFUSE_CONNECTION or fault.nth is None:
            return fault.strikes(self._rng)
        # The nth caller is to be refused a connection: the door closes when the one before it has its answer.
        fault.seen += 1
        hit = fault.seen == fault.nth - 1
        fault.fired += hit
        return hit


def _plan(struck: Sequence[Fault]) -> Plan:
    def total(kind: Kind) -> float:
        return sum(f.seconds for f in struck if f.kind is kind)

    whole = [f for f in struck if not f.record]
    return Plan(
        delay_before=total(Kind.DELAY_BEFORE),
        before=next((f for f in whole if f.kind in BEFORE_KINDS), None),
        delay_after=total(Kind.DELAY_AFTER),
        after=next((f for f in struck if f.kind in AFTER_KINDS), None),
        lie_fen=sum(f.fen for f in struck if f.kind is Kind.LIE),
        rejected_records={f.record: f for f in struck if f.kind is Kind.REJECT and f.record},
        close_for=max((f.seconds for f in struck if f.kind is Kind.REFUSE_CONNECTION), default=0.0),
        names="+".join(f.kind.value for f in struck),
    )


def parse_faults(content: Any) -> list[Fault]:
    """The posted list as faults. Raises FaultRefused when a fault is not on the menu or contradicts itself."""
    if not isinstance(content, list):
        raise FaultRefused("a list of faults is expected")
    return [_parse(item) for item in content]


def _parse(item: Any) -> Fault:
    if not isinstance(item, dict):
        raise FaultRefused("a fault is an object")
    known = set(Fault.__slots__) - {"seen", "fired"}
    unknown = set(item) - known - {"seen", "fired"}
    if unknown:
        raise FaultRefused(f"unknown member {sorted(unknown)[0]}; known: {', '.join(sorted(known))}")
    try:
        fault = Fault(
            operation=str(item.get("operation") or ANY),
            kind=Kind(str(item.get("kind"))),
            nth=None if item.get("nth") is None else int(item["nth"]),
            probability=None if item.get("probability") is None else item["probability"] * 1.0,
            seconds=item.get("seconds", 3) * 1.0,
            code=str(item.get("code") or ""),
            record=str(item.get("record") or ""),
            fen=int(item.get("fen", 1)) if item.get("kind") == Kind.LIE else 0,
            message=str(item.get("message") or ""),
        )
    except (TypeError, ValueError) as error:
        raise FaultRefused(f"{error}; kinds: {', '.join(Kind)}") from error
    _check(fault)
    return fault


def _check(fault: Fault) -> None:
    if fault.nth is not None and fault.probability is not None:
        raise FaultRefused("nth and probability exclude each other")
    if fault.nth is not None and fault.nth < 1:
        raise FaultRefused("nth counts from 1")
    if fault.probability is not None and not 0 <= fault.probability <= 1:
        raise FaultRefused("probability lies between 0 and 1")
    if fault.seconds < 0:
        raise FaultRefused("seconds cannot be negative")
