"""The payout scheme of an agency: its profile, its calendar, its account and bank."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from gateway.flows.api import Caller
from gateway.flows.house import House
from gateway.handlers.payout import calendar_of
from gateway.journal.entities import Act
from gateway.journal.exchanges import Exchange
from gateway.model.calendar import DEFAULT, WorkingCalendar
from gateway.model.profile import LocalityProfile
from gateway.model.profile_payout import Payout
from gateway.model.refusals import Refusal
from gateway.model.registry import Agency

_LOOK_BACK: Final = (0, 31, 366)


@dataclass(frozen=True, slots=True)
class Scheme:
    """What holds for the payouts of one agency on a date."""

    agency: Agency
    profile: LocalityProfile
    payout: Payout
    calendar: WorkingCalendar

    def act(self, actor: str, key: str = "", exchange_id: str = "") -> Act:
        """An act under this edition of the rules."""
        return Act(actor, key, exchange_id, self.profile.version)


def scheme_of(house: House, agency_id: str, on: date) -> Scheme:
    """The scheme of an agency; one that has ended still pays what is left. Raises Refusal NOT_FOUND or NOT_LIVE."""
    agency = house.agencies.get(agency_id)
    if agency is None:
        raise Refusal("NOT_FOUND", field="agency")
    for days in _LOOK_BACK:
        profile = house.profiles.by_pool_area(agency.pool_area, on - timedelta(days=days))
        if profile is not None and profile.payout is not None:
            return Scheme(agency, profile, profile.payout, calendar_for(house, profile.payout))
    raise Refusal("NOT_LIVE", "该统筹区未开通即时结算", field="agency")


def calendar_for(house: House, payout: Payout) -> WorkingCalendar:
    """The house's own calendar with its imported years, unless the profile names another or a bank's overlay."""
    if payout.calendar == DEFAULT and not payout.bank_calendar:
        return house.calendar
    return calendar_of(payout)


def schemes(house: House, on: date) -> list[Scheme]:
    """Every agency whose pooling area has a scheme."""
    found = []
    for agency_id in house.agencies:
        try:
            found.append(scheme_of(house, agency_id, on))
        except Refusal:
            continue
    return found


def act_of(caller: Caller, exchange: Exchange | None) -> Act:
    """Who acts through `/v1`, under which key, in which exchange."""
    if exchange is None:
        return Act(caller.actor)
    return Act(caller.actor, exchange.idem_key, exchange.exchange_id)
