"""Consent: given for one purpose, to certain uses, until a moment; revocable at any time (R-043, R-056)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from gateway.flows.api import ApiCall, ApiReply
from gateway.flows.credit.basis import SYSTEM, act_of
from gateway.flows.credit.requests import AuthorisationBody, moment_of
from gateway.flows.credit.views import authorisation_view
from gateway.flows.house import House
from gateway.handlers.eligibility import Authorisation
from gateway.journal.agenda import Due
from gateway.journal.entities import Act, Entity
from gateway.journal.exchanges import Exchange
from gateway.journal.store import Unit
from gateway.model.clock import from_micros, to_micros
from gateway.model.ids import derive_number
from gateway.model.masked import CertNo, PersonName
from gateway.model.refusals import Refusal

EXPIRES: Final = "credit.authorisation"  # kind of the due row that ends a consent


async def give(house: House, exchange: Exchange | None, call: ApiCall) -> ApiReply:
    """Keep a consent. Raises Refusal INVALID_FIELD for one that has ended already."""
    assert exchange is not None
    body: AuthorisationBody = call.body
    auth_id = derive_number("AU", exchange.exchange_id, length=26)
    known = await house.journal.entities.get("authorisation", auth_id)
    if known is None:
        until = moment_of(body.valid_to)
        if until <= house.clock.now():
            raise Refusal("INVALID_FIELD", "授权已过有效期", field="valid_to")
        known = await _create(house, auth_id, body, until, act_of(call.caller, exchange), call.caller.hospital)
    return ApiReply(authorisation_view(known))


async def _create(
    house: House, auth_id: str, body: AuthorisationBody, until: datetime, act: Act, hospital: str
) -> Entity:
    guardian = body.guardian
    unit = Unit()
    made = house.journal.entities.create(
        unit, "authorisation", auth_id, "given", act,
        hospital=hospital,
        columns={"psn_no": body.psn_no, "purpose": body.purpose, "valid_to": to_micros(until)},
        data={
            "scope": list(body.scope), "channel": body.channel, "psn_cert_type": body.psn_cert_type,
            "valid_from": house.clock.now().isoformat(), "valid_until": body.valid_to,
            "evidence_digest": body.evidence_digest,
            "guardian": None if guardian is None else {"relation": guardian.relation},
        },
        sealed={
            "psn_name": body.psn_name, "certno": body.certno,
            "guardian": None if guardian is None else guardian.model_dump(),
        },
    )  # fmt: skip
    house.journal.index(unit, "authorisation", auth_id, psn_no=body.psn_no)
    house.journal.agenda.schedule(unit, EXPIRES, auth_id, until + timedelta(microseconds=1))
    await house.journal.commit(unit)
    return made


async def revoke(house: House, exchange: Exchange | None, call: ApiCall) -> ApiReply:
    """End a consent now. What was done under it stays; questions about our own operations stay allowed (G)."""
    found = await house.journal.entities.get("authorisation", call.path["auth_id"])
    if found is None:
        raise Refusal("NOT_FOUND", field="auth_id")
    call.caller.must_own(found.hospital)
    if found.state != "REVOKED":
        unit = Unit()
        act = act_of(call.caller, exchange)
        found = house.journal.entities.move(unit, found, "revoked", act, data={"revoke_reason": call.body.reason})
        house.journal.agenda.finish(unit, EXPIRES, found.id)
        await house.journal.commit(unit)
    return ApiReply(authorisation_view(found))


async def expire(house: House, due: Due) -> None:
    """The last moment of a consent has passed."""
    found = await house.journal.entities.get("authorisation", due.subject)
    if found is None or found.state != "ACTIVE":
        return
    unit = Unit()
    house.journal.entities.move(unit, found, "expired", Act(SYSTEM, due.subject))
    await house.journal.commit(unit)


async def find(house: House, auth_id: str) -> Entity | None:
    """The consent of that id, if there is one."""
    return await house.journal.entities.get("authorisation", auth_id) if auth_id else None


def as_rule_sees_it(found: Entity | None) -> Authorisation | None:
    """A consent as eligibility looks at it."""
    if found is None:
        return None
    return Authorisation(
        psn_no=found["psn_no"],
        purpose=found["purpose"],
        scope=frozenset(found["scope"]),
        valid_from=from_micros(found.created_at),
        valid_to=from_micros(found["valid_to"]),
        revoked=found.state != "ACTIVE",
    )


def person_of(found: Entity) -> tuple[PersonName, str, CertNo]:
    """Name, document type and number of the person who consented."""
    return PersonName(found.sealed["psn_name"]), found["psn_cert_type"], CertNo(found.sealed["certno"])
