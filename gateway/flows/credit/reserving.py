"""The visit's own reservation on the line: what its legs hold, and what a charge under way takes (I1, W3).

A reservation exists at the gateway alone; a deposit is held at the bank. Both count against what is available.
"""

from __future__ import annotations

from typing import Final

from gateway.flows.credit.basis import Case
from gateway.flows.credit.figures import accepted_legs, left, topups
from gateway.handlers.legs import HoldFacts
from gateway.journal.entities import Entity
from gateway.journal.store import Unit
from gateway.model.ids import derive_number

LEGS, DEPOSIT = "LEGS", "DEPOSIT"
RESERVE: Final = "RESERVE"  # names of the line's entries
RELEASE: Final = "RELEASE"
CAPTURE: Final = "CAPTURE"
CHARGE: Final = "CHARGE"
REFUND: Final = "REFUND"
HOLD: Final = "HOLD"
LAPSE: Final = "LAPSE"


async def reservation(case: Case) -> Entity | None:
    """The live reservation, if the visit has one."""
    found = [hold for hold in await case.holds("HELD") if hold["hold_kind"] == LEGS]
    return found[-1] if found else None


async def deposits_held(case: Case) -> list[Entity]:
    """Deposits the bank holds for the visit, oldest first."""
    return [hold for hold in await case.holds("HELD") if hold["hold_kind"] == DEPOSIT]


async def resize(case: Case, unit: Unit, target_fen: int) -> None:
    """Add to ``unit`` that the reservation becomes ``target_fen``; more than the line has fails the unit (NO_ROOM)."""
    entities = case.house.journal.entities
    current = await reservation(case)
    held = 0 if current is None else int(current["amount_fen"])
    if target_fen == held:
        return
    if current is not None:
        entities.move(unit, current, "resized", case.act, columns={"amount_fen": target_fen})
    else:
        seq = len(await case.holds())
        entities.create(
            unit, "hold", derive_number("HL", case.visit.id, seq, length=26), "reserved", case.act,
            hospital=case.visit.hospital,
            columns={
                "visit_id": case.visit.id, "agreement_id": case.agreement.id, "hold_kind": LEGS,
                "amount_fen": target_fen, "captured_fen": 0, "released_fen": 0,
            },
            data={"seq": seq},
        )  # fmt: skip
    delta = target_fen - held
    case.house.journal.move_line(
        unit, case.agreement.id, case.visit.id, RESERVE if delta > 0 else RELEASE, case.act.exchange_id, held=delta
    )


async def release(case: Case, unit: Unit) -> None:
    """Add to ``unit`` that the reservation is given up."""
    current = await reservation(case)
    if current is None:
        return
    amount = int(current["amount_fen"])
    case.house.journal.entities.move(unit, current, "released", case.act, columns={"released_fen": amount})
    if amount:
        case.house.journal.move_line(
            unit, case.agreement.id, case.visit.id, RELEASE, case.act.exchange_id, held=-amount
        )


async def consume(case: Case, unit: Unit, amount_fen: int) -> None:
    """Add to ``unit`` that a charge has taken ``amount_fen`` out of the reservation: held becomes used."""
    current = await reservation(case)
    assert current is not None  # reserved in the unit that planned the charge
    rest = int(current["amount_fen"]) - amount_fen
    entities, journal = case.house.journal.entities, case.house.journal
    entities.move(unit, current, "captured", case.act, columns={"captured_fen": amount_fen, "released_fen": rest})
    journal.move_line(
        unit, case.agreement.id, case.visit.id, CHARGE, case.act.exchange_id, held=-amount_fen, used=amount_fen
    )
    if rest:
        journal.move_line(unit, case.agreement.id, case.visit.id, RELEASE, case.act.exchange_id, held=-rest)


async def facts(case: Case, but_leg: str = "") -> HoldFacts:
    """The visit and its line as the leg rules look at them. Deposits at the bank cover the first part of the bill."""
    visit, current = case.visit, await reservation(case)
    deposits = sum(left(hold) for hold in await deposits_held(case))
    return HoldFacts(
        avail_fen=(await case.line()).avail_fen,
        held_fen=0 if current is None else int(current["amount_fen"]),
        accepted_fen=accepted_legs(visit, but_leg),
        presettle_fen=visit.get("presettle_fen", 0),
        topup_fen=topups(visit) + deposits,
        over=visit.get("over", False),
    )
