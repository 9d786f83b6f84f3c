"""What a simulator really did (effects) and everything it was asked (requests); contracts.md section 2."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from simulators.common.clock import BusinessClock
from simulators.common.journal import Journal, Lines


@dataclass(frozen=True, slots=True)
class RequestRecord:
    """One request as ``/_sim/requests`` shows it. ``verdict``: ``executed``, ``query``, ``duplicate``, ``refused`` or
    ``fault`` (a fault kept it from being executed); ``fault`` names the faults that touched it, executed or not."""

    operation: str
    key: str
    verdict: str
    body: str
    path: str
    fault: str = ""
    detail: dict[str, Any] = field(default_factory=dict)


class Ledger:
    """Effects are journalled in the same line as the state they changed; requests have a file of their own."""

    def __init__(self, journal: Journal, requests: Path, clock: BusinessClock) -> None:
        # Kept as bytes: a long run makes a million effects, and they are only ever shown.
        self._effects = journal.table("_effects", load=_packed, dump=orjson.Fragment)
        self._requests = Lines(requests)
        self._clock = clock

    def open(self) -> None:
        self._requests.open()

    def effect(self, operation: str, key: str, amount_fen: int, party: str, detail: dict[str, Any]) -> int:
        """Adds an effect to the step under way; it counts once the step is committed. Returns its ``seq``."""
        seq = len(self._effects) + 1
        row = {
            "seq": seq,
            "at": self._clock.now().isoformat(timespec="milliseconds"),
            "operation": operation,
            "key": key,
            "amount_fen": amount_fen,
            "party": party,
            "detail": detail,
        }
        self._effects.put(str(seq), _packed(row))
        return seq

    def effects(self) -> Iterator[dict[str, Any]]:
        """Every effect, oldest first."""
        for row in self._effects.values():
            yield orjson.loads(row)

    def effects_json(self) -> bytes:
        return b'{"effects":[' + b",".join(self._effects.values()) + b"]}"

    def request(self, record: RequestRecord, real_at: float) -> None:
        """Writes down a request received, with its raw body."""
        row = {
            "seq": self._requests.count + 1,
            "at": self._clock.now().isoformat(timespec="milliseconds"),
            "real_at": real_at,
            "operation": record.operation,
            "key": record.key,
            "verdict": record.verdict,
            "fault": record.fault,
            "path": record.path,
            "detail": record.detail,
            "body": record.body,
        }
        self._requests.append(orjson.dumps(row))

    def requests_json(self, operation: str = "", key: str = "", since: int = 0) -> bytes:
        """Requests after ``since``, of one operation or key if given."""
        lines = list(self._requests)[since:]
        if operation or key:
            lines = [line for line in lines if _matches(orjson.loads(line), operation, key)]
        return b'{"requests":[' + b",".join(lines) + b"]}"

    def reset(self) -> None:
        """Forgets the requests; the effects go with the journal's reset."""
        self._requests.reset()

    def close(self) -> None:
        self._requests.close()


def _packed(row: dict[str, Any]) -> bytes:
    """JSON text in just its own size: orjson hands out a buffer of several kilobytes, which a ledger would keep."""
    return bytes(memoryview(orjson.dumps(row)))


def _matches(row: dict[str, Any], operation: str, key: str) -> bool:
    return (not operation or row["operation"] == operation) and (not key or row["key"] == key)
