"""Credit pay: consent, agreement, visit, deposit, charge, refund (state-machines D.1 … D.4)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from gateway.flows.credit import (
    authorisations,
    cancelling,
    deposits,
    enrolment,
    pursuit,
    renewing,
    settlements,
    signing,
)
from gateway.flows.credit.basis import SYSTEM, load
from gateway.flows.credit.endpoints import ENDPOINTS
from gateway.flows.house import House
from gateway.flows.scheduler import Handler
from gateway.journal.entities import Act

__all__ = ["CONTINUATIONS", "DUE", "ENDPOINTS", "resume_visit", "seed"]


async def resume_visit(house: House, visit_id: str) -> None:
    """An outcome a visit waits for is known: the insurance's on a call of `/v1`, or the bank's."""
    case = await load(house, visit_id, Act(SYSTEM, visit_id))
    settle, cancel = case.visit.get("settle") or {}, case.visit.get("cancel") or {}
    if case.visit.state == "SETTLING" and settle.get("via") == "v1" and not settle.get("insured"):
        await settlements.go_on(house, case)
    elif case.visit.state == "REVERSING" and cancel.get("via") == "v1" and not cancel.get("uninsured"):
        await cancelling.go_on(house, case)
    else:
        await pursuit.pursue(house, visit_id, Act(SYSTEM, visit_id, pursuit.exchange_of(case.visit)))


async def seed(house: House) -> None:
    """Credit pay has no recurring rows: every timer is set by what it is about."""
    del house


CONTINUATIONS: Final[Mapping[str, Callable[[House, str], Awaitable[None]]]] = {
    "visit": resume_visit,
    "agreement": signing.resume,
}
DUE: Final[Mapping[str, Handler]] = {
    authorisations.EXPIRES: authorisations.expire,
    enrolment.ASK_AGAIN: enrolment.ask_again,
    signing.EXPIRES: signing.expire,
    deposits.RENEW: renewing.due_for_renewal,
    deposits.END: renewing.due_to_end,
    deposits.VISIT: pursuit.due_visit,
    pursuit.UNPAID: pursuit.due_unpaid,
}
