"""What `/v1` answers after a write: the resource as GET shows it, 202 while its outcome is open (v1)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from gateway.flows.api import ApiReply, Caller
from gateway.flows.credit.basis import MOVING, Case, load, reasons_of
from gateway.flows.credit.views import agreement_view, visit_view
from gateway.flows.house import House
from gateway.flows.runner import Ending
from gateway.journal.entities import Entity
from gateway.model.refusals import Refusal

_OPEN: Final = frozenset({"APPLIED", "SIGN_PENDING"})


async def agreement_reply(house: House, agreement: Entity, caller: Caller) -> ApiReply:
    """An application as it stands. Raises Refusal with the code of the rule or bank that rejected it."""
    code = agreement.get("code")
    reasons = reasons_of(agreement.get("reasons", []))
    if agreement.state == "REJECTED" or (agreement.state == "GRADED" and code):
        detail = reasons[-1].detail if reasons else ""
        raise Refusal(code or "ILLEGAL_STATE", detail, application_id=agreement.id, state=agreement.state)
    resource = await agreement_view(house, agreement, caller)
    return pending_or_final(resource, agreement.state in _OPEN, reasons)


async def visit_reply(case: Case, caller: Caller, reasons: Iterable[Any] = ()) -> ApiReply:
    """The visit as it stands now."""
    fresh = await load(case.house, case.visit.id, case.act)
    resource = await visit_view(fresh, caller)
    ending = bool(fresh.visit.get("closing") or fresh.visit.get("leaving"))
    return pending_or_final(resource, ending or fresh.visit.state in MOVING, reasons)


def pending_or_final(resource: Any, pending: bool, reasons: Iterable[Any] = ()) -> ApiReply:
    """202 leaves the key free: the same call again shows the progress and changes nothing twice."""
    if pending:
        return ApiReply(resource, 202, reasons, Ending.RELEASED)
    return ApiReply(resource, 200, reasons)
