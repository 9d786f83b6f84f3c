"""Prometheus metrics under the names of the operations contract; label children are made once and kept."""

from __future__ import annotations

from contextvars import ContextVar
from functools import cache
from typing import Any, Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from gateway.model.verdict import Refused, Unknown, Verdict, name_of

UNSEEN: Final = "unseen "
UNSEEN_REFUSAL: Final = "PLATFORM_REFUSED"
_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)


class PartnerTime:
    """Seconds the message being answered has waited for partners; taken off its own time."""

    _waited: Final[ContextVar[list[float] | None]] = ContextVar("waited", default=None)

    @classmethod
    def start(cls) -> list[float]:
        """Begin for this message; tasks it starts add to the same list."""
        waited: list[float] = []
        cls._waited.set(waited)
        return waited

    @classmethod
    def add(cls, seconds: float) -> None:
        """A partner took this long."""
        waited = cls._waited.get()
        if waited is not None:
            waited.append(seconds)


def unseen(verdict: Verdict[Any]) -> bool:
    """Whether the partner said something no dictionary has a row for."""
    if isinstance(verdict, Unknown):
        return UNSEEN in verdict.reason
    return isinstance(verdict, Refused) and verdict.code == UNSEEN_REFUSAL


class Metrics:
    """All series of one process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        new = self._new
        self.exchange_total = new(Counter, "exchange_total", "Exchanges answered", "door", "operation", "outcome")
        self.exchange_seconds = new(Histogram, "exchange_seconds", "Time to the answer", "door", "operation", "outcome")
        self.attempt_total = new(Counter, "attempt_total", "Sends", "counterpart", "operation", "verdict")
        self.attempt_seconds = new(
            Histogram, "attempt_seconds", "Time of a send", "counterpart", "operation", "verdict"
        )
        self.overhead_seconds = new(Histogram, "overhead_seconds", "Own time of an exchange", "door", "operation")
        self.unknown_open = new(Gauge, "unknown_open", "Operations of unknown outcome", "counterpart", "operation")
        self.unknown_oldest = new(
            Gauge, "unknown_oldest_seconds", "Age of the oldest one (business time)", "counterpart", "operation"
        )
        self.payout_items = new(Gauge, "payout_items", "Payout items", "state")
        self.payout_fen = new(Gauge, "payout_fen", "Their sum in fen", "state")
        self.payout_cutoff = new(Gauge, "payout_cutoff_seconds", "Time left today (business time)")
        self.recon_breaks = new(Gauge, "recon_breaks_open", "Open reconciliation breaks")
        self.tasks_open = new(Gauge, "tasks_open", "Open tasks", "kind")
        self.circuit_open = new(Gauge, "circuit_open", "1 while a circuit is open", "counterpart")
        self.certificate_expiry = new(Gauge, "certificate_expiry_seconds", "Until a certificate ends", "name")
        self.unseen = new(Counter, "dictionary_unseen_total", "Texts no dictionary knows", "counterpart", "operation")
        self.commit_seconds = new(Histogram, "journal_commit_seconds", "Time of a group commit")
        self.batch_size = Histogram(
            "xinyi_journal_batch_size", "Units in a group commit", registry=self.registry,
            buckets=(1, 2, 4, 8, 16, 32, 64),
        )  # fmt: skip
        self.flow_recovered = new(Counter, "flow_recovered_total", "Flows taken up again after a crash")
        self.due_failed = new(Gauge, "due_failed", "Runs of due rows that ended in an error")
        self.replayed = new(Counter, "exchange_replayed_total", "Repeated messages answered from the journal", "door")
        self.refused = new(Counter, "refused_total", "Requests refused before an exchange was opened", "door", "code")
        self.attempt = cache(self._attempt_children)
        self.exchange = cache(self._exchange_children)
        self.overhead = cache(self.overhead_seconds.labels)

    def _new(self, kind: Any, name: str, text: str, *labels: str) -> Any:
        more = {"buckets": _BUCKETS} if kind is Histogram else {}
        return kind(f"xinyi_{name}", text, labels, registry=self.registry, **more)

    def _attempt_children(self, counterpart: str, operation: str, verdict: str) -> tuple[Any, Any]:
        labels = (counterpart, operation, verdict)
        return self.attempt_total.labels(*labels), self.attempt_seconds.labels(*labels)

    def _exchange_children(self, door: str, operation: str, outcome: str) -> tuple[Any, Any]:
        labels = (door, operation, outcome)
        return self.exchange_total.labels(*labels), self.exchange_seconds.labels(*labels)

    def observe_attempt(self, counterpart: str, operation: str, verdict: Verdict[Any], seconds: float) -> None:
        """A send ended."""
        PartnerTime.add(seconds)
        if unseen(verdict):
            self.unseen.labels(counterpart, operation).inc()
        total, histogram = self.attempt(counterpart, operation, name_of(verdict))
        total.inc()
        histogram.observe(seconds)

    def observe_exchange(self, door: str, operation: str, outcome: str, seconds: float, waited: float) -> None:
        """A message was answered; ``waited`` of its seconds were the partners'."""
        self.overhead(door, operation).observe(max(0.0, seconds - waited))
        total, histogram = self.exchange(door, operation, outcome)
        total.inc()
        histogram.observe(seconds)

    def observe_commit(self, units: int, seconds: float) -> None:
        """A group commit ended (called from the writer's thread; prometheus-client locks)."""
        self.batch_size.observe(units)
        self.commit_seconds.observe(seconds)

    def expose(self) -> bytes:
        """The text exposition."""
        return generate_latest(self.registry)
