"""The end of a deposit's hold: renewed three days before, or lapsed with a task for the staff (D.3, acceptance 33).

The new hold comes first where the line has room for both; else the old one is voided and held again. Both ways may be
run again from the first line: what was asked, held or voided is read from the holds themselves.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from gateway.flows.callbacks import enqueue
from gateway.flows.credit import deposits
from gateway.flows.credit.basis import SYSTEM, Case, again_when_lost, load
from gateway.flows.credit.reserving import DEPOSIT, LAPSE
from gateway.flows.house import House
from gateway.journal.agenda import Due
from gateway.journal.entities import Act, Entity
from gateway.journal.store import Unit
from gateway.model.callback import CallbackType
from gateway.model.ids import derive_number
from gateway.model.money import format_yuan
from gateway.model.refusals import Refusal

_RESTING = frozenset({"OPEN", "HELD", "HOLD_PENDING"})
_GONE = frozenset({"CAPTURED", "LAPSED", "REFUSED"})


async def due_for_renewal(house: House, due: Due) -> None:
    """Three days are left of a hold."""
    await renew(house, due.subject)


async def renew(house: House, hold_id: str) -> None:
    """Replace a hold by a new one of the same amount, as far as it goes now."""
    old = await house.journal.entities.get("hold", hold_id)
    if old is None or old.state in _GONE or (old.state == "RELEASED" and not old.get("renewing")):
        return
    case = await load(house, old["visit_id"], Act(SYSTEM, hold_id, old["asked_in"]))
    if case.visit.state not in _RESTING:
        return  # it is being captured or given up, or it has lapsed for the staff already
    new = await _successor(case, old)
    if new is None:
        return
    new = await deposits.find_out(house, new.id, SYSTEM)
    if new.state == "HELD":
        await _give_back(house, old.id)
    elif new.state == "REFUSED":
        await lapse(house, old.id)
    else:
        await _look_again(case, old.id)


async def _successor(case: Case, old: Entity) -> Entity | None:
    """The new hold, asked for now if it is not yet; None while the old one must be voided first and is not."""
    new_id = derive_number("HD", old.id, "renewal", length=26)
    known = await case.house.journal.entities.get("hold", new_id)
    if known is not None:
        return known
    if case.agreement.state != "ACTIVE":
        await lapse(case.house, old.id)
        return None
    again = {"deposit_no": old.get("deposit_no"), "renews": old.id}
    try:
        return await deposits.ask_for(case, new_id, old["amount_fen"], again)
    except Refusal as refused:
        if refused.code != "OVER_LIMIT":
            raise
    if old.state == "RELEASED":  # voided for it, and meanwhile the room was taken
        await lapse(case.house, old.id)
        return None
    if not await deposits.give_up(case, old, renewing=True):
        await _look_again(case, old.id)
        return None
    return await _successor(case, await _fresh(case.house, old.id))


async def _fresh(house: House, hold_id: str) -> Entity:
    hold = await house.journal.entities.get("hold", hold_id)
    assert hold is not None
    return hold


async def _give_back(house: House, hold_id: str) -> None:
    """The new hold stands: the old one goes."""
    old = await _fresh(house, hold_id)
    case = await load(house, old["visit_id"], Act(SYSTEM, hold_id, old["asked_in"]))
    if old.state in ("HELD", "RELEASING") and not old.get("void_refused"):
        await deposits.give_up(case, old)
    unit = Unit()
    house.journal.agenda.finish(unit, deposits.RENEW, hold_id)
    await house.journal.commit(unit)


async def _look_again(case: Case, hold_id: str) -> None:
    unit = Unit()
    at = case.house.clock.now() + timedelta(minutes=1)
    case.house.journal.agenda.schedule(unit, deposits.RENEW, hold_id, at)
    await case.house.journal.commit(unit)


async def lapse(house: House, hold_id: str) -> None:
    """The hold cannot be renewed: the visit is LAPSED, the staff is told. What is held stays usable to its end."""

    async def step() -> None:
        old = await _fresh(house, hold_id)
        case = await load(house, old["visit_id"], Act(SYSTEM, hold_id, old["asked_in"]))
        if case.visit.state not in _RESTING:
            return
        unit = Unit()
        house.journal.entities.move(unit, case.visit, "lapsed", case.act)
        await _alarm(case, unit, old)
        await house.journal.commit(unit)

    await again_when_lost(step)


async def _alarm(case: Case, unit: Unit, hold: Entity) -> None:
    await case.house.journal.raise_task(
        unit, "HOLD_LAPSED", case.visit.id, case.act, suggested="deposit.take_another", hospital=case.visit.hospital
    )
    told = {
        "hold_id": hold.id,
        "deposit_no": hold.get("deposit_no"),
        "amount": format_yuan(hold["amount_fen"]),
        "expires_at": hold["expires_at"],
    }
    enqueue(unit, case.house, case.visit.hospital, CallbackType.HOLD_LAPSING, case.visit.id, told)


async def due_to_end(house: House, due: Due) -> None:
    """The bank has let a hold fall away by itself (facts of the channel, 2.4)."""

    async def step() -> bool:
        hold = await house.journal.entities.get("hold", due.subject)
        if hold is None or hold.state != "HELD" or _later(house, hold):
            return False
        case = await load(house, hold["visit_id"], Act(SYSTEM, hold.id, hold["asked_in"]))
        await _end(case, hold)
        return True

    await again_when_lost(step)


def _later(house: House, hold: Entity) -> bool:
    return datetime.fromisoformat(hold["expires_at"]) > house.clock.now()


async def _end(case: Case, hold: Entity) -> None:
    """LAPSED; nothing of it counts against the line any more."""
    journal, amount = case.house.journal, hold["amount_fen"]
    unit = Unit()
    journal.entities.move(unit, hold, "lapsed", case.act, columns={"released_fen": amount})
    journal.move_line(unit, case.agreement.id, case.visit.id, LAPSE, case.act.exchange_id, held=-amount)
    others = [other for other in await case.holds("HELD") if other["hold_kind"] == DEPOSIT and other.id != hold.id]
    if case.visit.state == "HELD" and not others:
        journal.entities.move(unit, case.visit, "lapsed", case.act)
        await _alarm(case, unit, hold)
    journal.agenda.schedule(unit, deposits.VISIT, case.visit.id, case.house.clock.now())
    await journal.commit(unit)
