"""What the handlers of the web room share: one object on the aiohttp application."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from aiohttp import web

from gateway.flows.api import Endpoint
from gateway.flows.house import House
from gateway.flows.runner import Runner
from gateway.flows.scheduler import Scheduler
from gateway.model.clock import SandboxClock
from gateway.model.fieldmap import FieldMap
from gateway.model.probe import CrashProbe
from gateway.model.registry import Client
from gateway.settings import Settings
from gateway.web.metrics import Metrics


@dataclass(slots=True)
class Desk:
    """The web room's own: settings, the house below, what runs flows, who may call."""

    settings: Settings
    house: House
    runner: Runner
    scheduler: Scheduler
    metrics: Metrics
    endpoints: tuple[Endpoint, ...]
    clients: Mapping[str, Client]  # by token
    doors: Mapping[str, Any]  # by adapter: his_json, his_soap, bank_soap
    maps: Mapping[str, FieldMap] = field(default_factory=dict)  # field maps of HIS vendors, by id
    probe: CrashProbe | None = None  # sandbox only
    nonces: dict[str, float] = field(default_factory=dict)
    in_flight: Counter[str] = field(default_factory=Counter)
    ready: bool = False

    def enter(self, who: str) -> bool:
        """Take a place for a request; False when all are taken, or this caller has its share (limits)."""
        limits = self.settings.limits
        if self.in_flight[""] >= limits.in_flight or self.in_flight[who] >= limits.per_hospital:
            return False
        self.in_flight.update({who, ""})
        return True

    def leave(self, who: str) -> None:
        """Give the place back."""
        self.in_flight.subtract({who, ""})
        if self.in_flight[who] <= 0:
            del self.in_flight[who]

    @property
    def banks(self) -> frozenset[str]:
        """Names of the counterparts that are banks."""
        partners = self.house.delivery.counterparts.values()
        return frozenset(p.id for p in partners if p.adapter.manifest.kind == "bank")

    @property
    def sandbox_clock(self) -> SandboxClock | None:
        """The movable clock, in the sandbox only."""
        clock = self.house.clock
        return clock if isinstance(clock, SandboxClock) else None


DESK: Final = web.AppKey("desk", Desk)
EXCHANGE_ID: Final = "exchange_id"
