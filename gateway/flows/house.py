"""What a flow is given to work with. Flows get everything from here and keep nothing between runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.delivery.asking import Asker
from gateway.delivery.delivery import Delivery
from gateway.journal.journal import Journal
from gateway.model.calendar import WorkingCalendar
from gateway.model.clock import Clock
from gateway.model.profile import LocalityProfile, Profiles
from gateway.model.refusals import Refusal
from gateway.model.registry import Agency, Hospital


@dataclass(frozen=True, slots=True)
class House:
    """The rooms below the flows, and the data of this installation."""

    clock: Clock
    journal: Journal
    delivery: Delivery
    asker: Asker
    profiles: Profiles
    calendar: WorkingCalendar
    hospitals: Mapping[str, Hospital]
    agencies: Mapping[str, Agency]
    insurance: str = "insurance"  # names of counterparts
    credit: str = "credit"
    callback: str = "his_callback"
    counters: Mapping[str, int] = field(default_factory=dict)

    def hospital(self, code: str) -> Hospital:
        """The hospital. Raises Refusal HOSPITAL_NOT_ENABLED for a code that is not of this installation."""
        try:
            return self.hospitals[code]
        except KeyError:
            raise Refusal("HOSPITAL_NOT_ENABLED", field="fixmedins_code") from None

    def credit_profile(self, hospital: Hospital) -> LocalityProfile | None:
        """The credit rules of the hospital's city, if it takes part."""
        return self.profiles.by_locality(hospital.locality) if hospital.locality else None

    def agency_of(self, pool_area: str) -> Agency | None:
        """The agency whose fund pays for a pooling area."""
        return next((agency for agency in self.agencies.values() if agency.pool_area == pool_area), None)
