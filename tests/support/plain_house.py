"""A house without rules: journal, scripted delivery, no profiles. Enough for the runner and the scheduler."""

from __future__ import annotations

from typing import Any

from gateway.delivery.asking import Asker
from gateway.delivery.counterparts import Msgids
from gateway.flows.house import House
from gateway.journal.journal import Journal
from gateway.model.calendar import WorkingCalendar
from gateway.model.clock import Clock
from gateway.model.profile import Profiles
from tests.support.partner import ScriptedTransport, new_delivery


def plain_house(journal: Journal, transport: ScriptedTransport | None = None, **more: Any) -> House:
    """A house over a journal."""
    clock: Clock = journal.clock
    delivery = new_delivery(journal, transport or ScriptedTransport())
    return House(
        clock=clock,
        journal=journal,
        delivery=delivery,
        asker=Asker(delivery),
        profiles=Profiles([]),
        calendar=WorkingCalendar.load(),
        hospitals={},
        agencies={},
        msgids=Msgids(clock),
        **more,
    )
