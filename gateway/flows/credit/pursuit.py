"""Takes a visit as far as it goes now: whatever its state, the next thing is read from what is journalled.

Called by a request, by the continuation of an operation whose outcome became known, and by timers. All of them may
come at once, any number of times and after a crash: charges, holds and refunds have serials of their own, and every
move is guarded by the state it leaves.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from gateway.flows.callbacks import enqueue
from gateway.flows.credit import charging, deposits, refunding, renewing, reserving, signing
from gateway.flows.credit.basis import RACES, SYSTEM, Case, again_when_lost, load
from gateway.flows.credit.figures import Figures, figures
from gateway.flows.house import House
from gateway.journal.agenda import Due
from gateway.journal.entities import Act, Entity
from gateway.journal.store import GuardFailed, Unit
from gateway.model.callback import CallbackType

DAY: Final = timedelta(days=1)
UNPAID: Final = "credit.unpaid"  # kind of the due row that turns an unpaid visit into arrears
_STEPS: Final = 200


async def pursue(house: House, visit_id: str, act: Act) -> Case:
    """Go on until the visit rests or waits for somebody; returns it as it stands then."""
    races = 0
    for _ in range(_STEPS):
        case = await load(house, visit_id, act)
        try:
            if not await _step(case):
                break
        except GuardFailed:  # another driver of this visit was faster: look again
            races += 1
            if races > RACES:
                raise
    return await load(house, visit_id, act)


async def _step(case: Case) -> bool:
    """The next thing. False when there is nothing to do now."""
    match case.visit.state:
        case "OPEN" | "HELD" | "LAPSED" | "HOLD_PENDING":
            return await _before_settling(case)
        case "SETTLING" if case.visit["settle"].get("insured"):
            return await _charge(case)
        case "SETTLING":  # the insurance's word is awaited; a deposit's may come before it
            return await _ask_after_holds(case)
        case "CHARGE_PENDING":
            return await _charge(case)
        case "CHARGE_FAILED" if case.visit.get("closing"):
            return await _close(case)
        case "REVERSING" if case.visit["cancel"].get("uninsured"):
            return await _undo(case)
    return False


# -- before a settlement --------------------------------------------------------------------------------------------


async def _before_settling(case: Case) -> bool:
    """Holds that are being asked for, then holds that are being given up."""
    if await _ask_after_holds(case) or await _follow_releases(case):
        return True
    if case.visit.get("leaving") or case.visit.get("closing"):
        return await _close(case)
    return False


async def _ask_after_holds(case: Case) -> bool:
    """Move every asked hold by the bank's word; True when one has changed."""
    changed = False
    for hold in await case.holds("CREATED", "SUBMITTED", "UNKNOWN"):
        after = await deposits.find_out(case.house, hold.id, case.act.actor)
        changed = changed or after.state != hold.state
        if after.get("renews") and after.state in ("HELD", "REFUSED"):
            await renewing.renew(case.house, after["renews"])
    return changed


async def _follow_releases(case: Case) -> bool:
    """Voids under way, of holds that are being renewed; True when one has come through."""
    changed = False
    for hold in await case.holds("RELEASING"):
        if await deposits.give_up(case, hold):
            changed = True
            if hold.get("renewing"):
                await renewing.renew(case.house, hold.id)
    return changed


async def _close(case: Case) -> bool:
    """All holds are given up first (V3, H4), then the visit is over."""
    if case.visit.state == "HOLD_PENDING" or not await _nothing_held(case):
        return False

    async def step() -> None:
        fresh = await load(case.house, case.visit.id, case.act)
        if not (fresh.visit.get("leaving") or fresh.visit.get("closing")):
            return
        unit = Unit()
        await reserving.release(fresh, unit)
        if fresh.visit.get("leaving"):
            moved = _move(fresh, unit, "admission_cancelled", leaving=None)
        else:
            moved = _move(fresh, unit, "paid_otherwise", closing=None, paid=fresh.visit["closing"])
        _final(fresh, unit, moved)
        await fresh.house.journal.commit(unit)

    await again_when_lost(step)
    await signing.settle_up(case.house, case.agreement.id, case.act)
    return True


async def _nothing_held(case: Case) -> bool:
    """Void what the bank holds. False while a void is not known, or was refused and runs to the hold's end."""
    for hold in await case.holds("HELD", "RELEASING"):
        if hold["hold_kind"] != reserving.DEPOSIT:
            continue
        if hold.get("void_refused") and hold.state == "HELD":
            return False
        if not await deposits.give_up(case, hold):
            return False
    return not await case.holds("CREATED", "SUBMITTED", "UNKNOWN", "CAPTURING")


def _move(case: Case, unit: Unit, event: str, **data: Any) -> Entity:
    return case.house.journal.entities.move(unit, case.visit, event, case.act, data=data)


def _final(case: Case, unit: Unit, visit: Entity) -> None:
    """The hospital is told where a visit has come to rest."""
    told = {"state": visit.state, "fixmedins_code": visit.hospital, "mdtrt_id": visit["mdtrt_id"]}
    enqueue(unit, case.house, visit.hospital, CallbackType.VISIT_FINAL, visit.id, told)


# -- charging -------------------------------------------------------------------------------------------------------


async def _charge(case: Case) -> bool:
    """Plan the round, pursue its charges one after the other, then draw the conclusion."""
    case = Case(case.house, case.visit, case.agreement, case.profile, charging.act_for(case))
    if await case.holds("CREATED", "SUBMITTED", "UNKNOWN"):
        return await _wait_for_holds(case)
    if case.visit["settle"].get("fault"):  # the hospital's bill does not tie: nobody is charged for it
        return await _fail(case, case.visit["settle"]["fault"], "院内账单与结算不一致")
    if not case.visit["settle"].get("planned"):
        await charging.plan(case)
        return True
    found = await charging.round_of(case)
    if found.failed is not None:
        return await _failed(case, found)
    if found.open is not None:
        return await charging.pursue_charge(case, found.open)
    return await _succeeded(case)


async def _wait_for_holds(case: Case) -> bool:
    """A deposit of unknown outcome may be there to be captured: nothing is charged before that is known."""
    if await _ask_after_holds(case):
        return True
    if case.visit.state == "SETTLING":
        unit = Unit()
        _move(case, unit, "charge_unknown")
        await case.house.journal.commit(unit)
    return False


async def _money(case: Case) -> Figures:
    return figures(case.visit, (), await case.charges())


async def _succeeded(case: Case) -> bool:
    """Everything planned was charged: SETTLED, unless something is left to pay or was paid twice."""
    money = await _money(case)
    noted = case.visit.get("paid_noted")
    if noted is not None:
        return await _paid_twice(case, money)
    if money.remaining_fen:
        return await _fail(case, case.visit["settle"].get("code") or "OVER_LIMIT")
    if not await _nothing_held(case):
        return await _pending(case)
    unit = Unit()
    await reserving.release(case, unit)
    moved = _move(case, unit, "charged", fail_code=None)
    _final(case, unit, moved)
    await case.house.journal.commit(unit)
    await signing.settle_up(case.house, case.agreement.id, case.act)
    return True


async def _pending(case: Case) -> bool:
    """Releases are still on their way: the visit is not over (V3)."""
    if case.visit.state != "SETTLING":
        return False
    unit = Unit()
    _move(case, unit, "charge_unknown")
    await case.house.journal.commit(unit)
    return True


async def _failed(case: Case, found: charging.Round) -> bool:
    """One charge of the round did not happen: the rest is not tried."""
    failed = found.failed
    assert failed is not None
    unit = Unit()
    await charging.abandon(case, unit, found)
    if unit:
        await case.house.journal.commit(unit)
        return True
    if case.visit.get("paid_noted") is not None:
        return await _paid_twice(case, await _money(case))
    return await _fail(case, failed.get("code") or "NOT_RECEIVED", failed.get("reason", ""))


async def _fail(case: Case, code: str, detail: str = "") -> bool:
    """CHARGE_FAILED: nothing is under way, the own reservation is free again, a deposit stays for the next attempt."""
    unit = Unit()
    await reserving.release(case, unit)
    _move(case, unit, "charge_failed", fail_code=code, fail_detail=detail)
    case.house.journal.agenda.schedule(unit, UNPAID, case.visit.id, case.house.clock.now() + DAY)
    await case.house.journal.commit(unit)
    return True


async def _paid_twice(case: Case, money: Figures) -> bool:
    """The patient paid while the bank's word was open. What the bank took after all goes back (acceptance 32)."""
    noted = case.visit["paid_noted"]
    over = Figures(money.cash_fen, money.charged_fen, money.topup_fen, noted["amount_fen"], 0).overpaid_fen
    if over and not await refunding.give_back(case, over, f"paid:{case.visit['settle']['in']}"):
        return False
    if not await _nothing_held(case):
        return False

    async def step() -> None:
        fresh = await load(case.house, case.visit.id, case.act)
        if fresh.visit.state != "CHARGE_PENDING":
            return
        unit = Unit()
        await reserving.release(fresh, unit)
        moved = _move(fresh, unit, "paid_otherwise", paid=noted, paid_noted=None, fail_code=None)
        _final(fresh, unit, moved)
        await fresh.house.journal.commit(unit)

    await again_when_lost(step)
    await signing.settle_up(case.house, case.agreement.id, case.act)
    return True


# -- undoing --------------------------------------------------------------------------------------------------------


async def _undo(case: Case) -> bool:
    """The insurance is cancelled: give back what was charged and release what is held; then it may be settled anew."""
    cancel = case.visit["cancel"]
    money = await _money(case)
    if money.charged_fen and not await refunding.give_back(case, money.charged_fen, f"cancel:{cancel['round']}"):
        return False
    if not await _nothing_held(case):
        return False

    async def step() -> None:
        fresh = await load(case.house, case.visit.id, case.act)
        if fresh.visit.state != "REVERSING":
            return
        unit = Unit()
        await reserving.release(fresh, unit)
        inpatient = fresh.visit["scene"] == "INPATIENT"
        moved = _move(fresh, unit, "reopened" if inpatient else "reversed", **_undone(fresh))
        _final(fresh, unit, moved)
        await fresh.house.journal.commit(unit)

    await again_when_lost(step)
    return True


def _undone(case: Case) -> dict[str, Any]:
    """The past settlement goes into the visit's history; top-ups and cash go back at the window, by their own ways."""
    visit, cancel = case.visit, case.visit["cancel"]
    past = {
        "setl_id": cancel["setl_id"],
        "in": cancel["in"],
        "settled_in": (visit["settle"] or {}).get("in"),
        "settlement": visit["settlement"],
        "topups": visit["topups"],
        "paid": visit["paid"],
    }
    return {
        "reversed": [*visit["reversed"], past],
        "settlement": None,
        "settle": None,
        "cancel": None,
        "topups": [],
        "paid": None,
        "legs": [],
        "presettle_fen": 0,
        "fail_code": None,
    }


# -- continuations and timers ---------------------------------------------------------------------------------------


async def due_visit(house: House, due: Due) -> None:
    """Look at a visit again."""
    case = await load(house, due.subject, Act(SYSTEM, due.subject))
    await pursue(house, due.subject, Act(SYSTEM, due.subject, exchange_of(case.visit)))


def exchange_of(visit: Entity) -> str:
    """The exchange that the visit's present business belongs to."""
    for name in ("cancel", "settle"):
        business = visit.get(name)
        if business:
            return str(business["in"])
    return str(visit["opened_in"])


async def due_unpaid(house: House, due: Due) -> None:
    """A day later the rest of the bill is not paid: arrears (D.2). A deposit still held is given up first."""

    async def step() -> None:
        case = await load(house, due.subject, Act(SYSTEM, due.subject))
        if case.visit.state != "CHARGE_FAILED" or case.visit.get("closing"):
            return
        unit = Unit()
        if not await _nothing_held(case):
            house.journal.agenda.schedule(unit, UNPAID, case.visit.id, house.clock.now() + timedelta(minutes=10))
            await house.journal.commit(unit)
            return
        moved = _move(case, unit, "left_unpaid", unpaid_since=house.clock.now().isoformat())
        _final(case, unit, moved)
        await house.journal.commit(unit)

    await again_when_lost(step)
