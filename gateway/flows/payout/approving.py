"""Two persons: the preparer, then an approver who is somebody else; both name the content they looked at (P6, P9)."""

from __future__ import annotations

from functools import partial
from typing import Final

from gateway.flows.api import Caller
from gateway.flows.house import House
from gateway.flows.payout.content import differences
from gateway.flows.payout.jobs import alarm, keep_going
from gateway.flows.payout.leaving import sweep
from gateway.journal.entities import Act, Entity
from gateway.journal.store import Unit
from gateway.model.refusals import Refusal

SUBMIT: Final = "payout.submit"


async def approve(house: House, summary_no: str, content_hash: str, caller: Caller, act: Act) -> Entity:
    """BUILT → PREPARED by a preparer, PREPARED → APPROVED by another person; then it is submitted as soon as it may be.

    Raises Refusal HASH_CHANGED when the content is not what the person saw, SAME_PERSON, ILLEGAL_STATE, NOT_FOUND.
    """
    return await keep_going(partial(_approve, house, summary_no, content_hash, caller, act))


async def _approve(house: House, summary_no: str, content_hash: str, caller: Caller, act: Act) -> Entity:
    summary = await sweep(house, summary_no, act)
    if act.exchange_id and act.exchange_id in (summary.get("prepared_in"), summary.get("approved_in")):
        return summary  # this very call was cut off after its commit
    await _same_content(house, summary, content_hash, act)
    unit = Unit()
    if caller.role == "preparer":
        summary = _prepare(unit, house, summary, caller, act)
    else:
        summary = _release(unit, house, summary, caller, act)
    await house.journal.commit(unit)
    return summary


async def _same_content(house: House, summary: Entity, content_hash: str, act: Act) -> None:
    if content_hash != summary["content_hash"]:
        raise Refusal("HASH_CHANGED", field="content_hash")
    faults = await differences(house, summary)
    if faults:
        await alarm(house, "PAYOUT_CONTENT", summary.id, act, "payout.compare")
        raise Refusal("HASH_CHANGED", "; ".join(faults))


def _prepare(unit: Unit, house: House, summary: Entity, caller: Caller, act: Act) -> Entity:
    if summary.state == "PREPARED" and summary.get("prepared_by") == caller.id:
        raise Refusal("SAME_PERSON")
    data = {"prepared_by": caller.id, "prepared_in": act.exchange_id}
    return house.journal.entities.move(unit, summary, "prepared", act, data=data)


def _release(unit: Unit, house: House, summary: Entity, caller: Caller, act: Act) -> Entity:
    """Add the second approval, and the job that submits it: durable together."""
    if summary.get("prepared_by") == caller.id:
        raise Refusal("SAME_PERSON")
    data = {"approved_by": caller.id, "approved_in": act.exchange_id}
    moved = house.journal.entities.move(unit, summary, "approved", act, data=data)
    house.journal.agenda.schedule(unit, SUBMIT, summary.id, house.clock.now())
    return moved
