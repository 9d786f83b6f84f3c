"""Who a person is to the insurance platform, and what we ourselves know against him."""

from __future__ import annotations

from typing import Final

from gateway.delivery.delivery import Order
from gateway.flows import signing_in
from gateway.flows.credit.authorisations import person_of
from gateway.flows.credit.banking import send
from gateway.flows.credit.figures import figures
from gateway.flows.house import House
from gateway.journal.entities import Entity
from gateway.model.insurance import NationalMessage, PersonInsurance
from gateway.model.refusals import Refusal
from gateway.model.verdict import Done, Refused

ID_CARD: Final = "02"  # mdtrt_cert_type: by document (national interface, 4.5)


async def insured(house: House, authorisation: Entity, hospital: str, exchange_id: str) -> tuple[PersonInsurance, ...]:
    """The person's insurance rows (1101), asked with the document of the consent.

    Raises Refusal IDENTITY_MISMATCH when the platform knows nobody or somebody else (R-024), PLATFORM_UNAVAILABLE when
    it does not answer.
    """
    name, cert_type, certno = person_of(authorisation)
    known = house.hospital(hospital)
    message = NationalMessage(
        infno="1101",
        fixmedins_code=hospital,
        fixmedins_name=known.name,
        mdtrtarea_admvs=known.pool_area,
        psn_no=authorisation["psn_no"],
        input={
            "data": {
                "mdtrt_cert_type": ID_CARD, "mdtrt_cert_no": certno.reveal(), "card_sn": "", "begntime": "",
                "psn_cert_type": cert_type, "certno": certno.reveal(), "psn_name": name.reveal(),
            }
        },
    )  # fmt: skip
    message = await signing_in.completed(house, message, exchange_id)
    order = Order(
        house.insurance, "1101", f"{exchange_id}:1101", message, exchange_id, authorisation["psn_no"], hospital
    )
    verdict = await send(house, order)
    if isinstance(verdict, Refused):
        raise Refusal("IDENTITY_MISMATCH", "医保平台未查到该参保人")
    if not isinstance(verdict, Done):
        raise Refusal("PLATFORM_UNAVAILABLE", "1101")
    rows: tuple[PersonInsurance, ...] = tuple(
        row for row in verdict.reply.persons if row.psn_no == authorisation["psn_no"]
    )
    if not rows or not _same_person(rows[0], authorisation):
        raise Refusal("IDENTITY_MISMATCH", "姓名、证件与参保信息不一致")
    return rows


def _same_person(row: PersonInsurance, authorisation: Entity) -> bool:
    """What the platform leaves out is not held against the person."""
    name, _, certno = person_of(authorisation)
    return row.psn_name in (None, name) and row.certno in (None, certno)


async def marked(house: House, psn_no: str) -> bool:
    """Whether people have confirmed a dishonesty case of this person here (R-016)."""
    found = await house.journal.entities.first("visit", "psn_no = :psn AND state = 'DISHONEST_CASE'", psn=psn_no)
    return found is not None


async def arrears(house: House, psn_no: str, hospital: str) -> int:
    """What the person still owes this hospital from credit visits, in fen (R-023)."""
    owing = await house.journal.entities.find(
        "visit", "psn_no = :psn AND hospital = :hospital AND state IN ('CHARGE_FAILED', 'ARREARS', 'DISHONEST_CASE')",
        psn=psn_no, hospital=hospital,
    )  # fmt: skip
    total = 0
    for visit in owing:
        charges = await house.journal.entities.find("charge", "visit_id = :visit", visit=visit.id)
        total += figures(visit, (), charges).remaining_fen
    return total
