"""What a flow is given to work with. Flows get everything from here and keep nothing between runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.delivery.asking import Asker
from gateway.delivery.counterparts import Msgids
from gateway.delivery.delivery import Delivery
from gateway.journal.journal import Journal
from gateway.journal.store import Unit
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
    msgids: Msgids
    insurance: str = "insurance"  # names of counterparts
    credit: str = "credit"
    callback: str = "his_callback"
    mobile: str = "mobile"

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

    async def own_msgid(self, purpose: str, fixmedins_code: str) -> str:
        """A msgid for a message of the gateway's own, the same for the same purpose whenever it is asked."""
        unit = Unit().run(
            "INSERT INTO own_msgid (purpose, msgid) VALUES (:purpose, :msgid) ON CONFLICT (purpose) DO NOTHING",
            {"purpose": purpose, "msgid": self.msgids.next(fixmedins_code)},
            expect=None,
        )
        await self.journal.commit(unit)
        row = await self.journal.store.row("SELECT msgid FROM own_msgid WHERE purpose = :purpose", {"purpose": purpose})
        assert row is not None
        return str(row["msgid"])
