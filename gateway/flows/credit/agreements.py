"""Agreements as `/v1` reads and ends them."""

from __future__ import annotations

from typing import Final

from gateway.flows.api import ApiCall, ApiReply, Caller
from gateway.flows.credit import signing
from gateway.flows.credit.basis import act_of, agreement_by_number
from gateway.flows.credit.replies import agreement_reply, pending_or_final
from gateway.flows.credit.views import agreement_view
from gateway.flows.house import House
from gateway.journal.entities import Entity
from gateway.journal.exchanges import Exchange
from gateway.model.refusals import Refusal

PAGE: Final = 50


async def show(house: House, exchange: Exchange | None, call: ApiCall) -> ApiReply:
    """One agreement, by its number at the bank or its application."""
    del exchange
    agreement = await agreement_by_number(house, call.path["number"])
    await _may_read(house, agreement, call.caller)
    return ApiReply(await agreement_view(house, agreement, call.caller))


async def _may_read(house: House, agreement: Entity, caller: Caller) -> None:
    """A hospital reads what was applied for with it and what a visit of its own is paid by."""
    if caller.role != "hospital" or agreement.hospital == caller.hospital:
        return
    visit = await house.journal.entities.first(
        "visit", "agreement_id = :id AND hospital = :hospital", id=agreement.id, hospital=caller.hospital
    )
    if visit is None:
        raise Refusal("FORBIDDEN", field="agreement_no")


async def listing(house: House, exchange: Exchange | None, call: ApiCall) -> ApiReply:
    """A person's agreements in the order of their numbers; paged by cursor."""
    del exchange
    psn_no, after = call.query.get("psn_no", ""), call.query.get("cursor", "")
    if not psn_no:
        raise Refusal("INVALID_FIELD", "须给出 psn_no", field="psn_no")
    own = " AND hospital = :hospital" if call.caller.role == "hospital" else ""
    found = await house.journal.entities.find(
        "agreement", f"psn_no = :psn AND id > :after{own}", limit=PAGE + 1,
        psn=psn_no, after=after, **({"hospital": call.caller.hospital} if own else {}),
    )  # fmt: skip
    items = [await agreement_view(house, agreement, call.caller) for agreement in found[:PAGE]]
    return ApiReply({"items": items, "next_cursor": found[PAGE - 1].id if len(found) > PAGE else None})


async def confirm(house: House, exchange: Exchange | None, call: ApiCall) -> ApiReply:
    """Go on signing with the code the payer got."""
    agreement = await _own(house, call)
    agreement = await signing.confirm(house, agreement, call.body.sms_token, act_of(call.caller, exchange))
    return await agreement_reply(house, agreement, call.caller)


async def revoke(house: House, exchange: Exchange | None, call: ApiCall) -> ApiReply:
    """The patient ends the agreement; 202 while the bank's word on it is open."""
    agreement = await _own(house, call)
    agreement = await signing.revoke(house, agreement, call.body.reason, act_of(call.caller, exchange))
    cancelling = await house.journal.operations.find(
        "subject = :subject AND name = :name AND state IN ('UNKNOWN', 'ACCEPTED')",
        subject=agreement.id, name=signing.CANCEL,
    )  # fmt: skip
    return pending_or_final(await agreement_view(house, agreement, call.caller), bool(cancelling))


async def _own(house: House, call: ApiCall) -> Entity:
    agreement = await agreement_by_number(house, call.path["number"])
    call.caller.must_own(agreement.hospital)
    return agreement
