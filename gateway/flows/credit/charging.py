"""Charging a settlement's cash part: planned once per round, sent one by one, decided by the bank's word (D.2 … D.4).

A round is one settlement or one "charge again". Its plan reserves the line and journals every charge in one unit, so a
flow that runs again finds the same charges under the same serials (W1). Captures come first, oldest hold first; nothing
is released before they are known (H4).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from pydantic import BaseModel

from gateway.delivery.declare import NOT_FOUND
from gateway.flows.callbacks import enqueue
from gateway.flows.credit import banking, deposits, reserving
from gateway.flows.credit.banking import BankCall
from gateway.flows.credit.basis import RACES, Case, NoRoom, again_when_lost, kept, load
from gateway.flows.credit.figures import REFUND, decided, figures, left, net
from gateway.flows.house import House
from gateway.handlers.base import Decision
from gateway.handlers.charge import ChargePlan, Hold, plan_charge
from gateway.handlers.line import interest_free_until
from gateway.journal.entities import Act, Entity
from gateway.journal.store import Unit
from gateway.model.bank import CompletePreAuthorisation, MoneyReply, Withhold
from gateway.model.callback import CallbackType
from gateway.model.clock import from_micros
from gateway.model.ids import derive_number
from gateway.model.masked import PersonName
from gateway.model.money import format_yuan
from gateway.model.verdict import Accepted, Done, NotSent, Refused, Unknown, Verdict

WITHHOLD, CAPTURE, EXTRA = "WITHHOLD", "CAPTURE", "EXTRA"
OPERATION: Final = {WITHHOLD: "Withhold", EXTRA: "Withhold", CAPTURE: "CompletePreAuthorisation"}
PURPOSE: Final = "HSPC"  # ISO purpose code: hospital care, and nothing more


@dataclass(frozen=True, slots=True)
class Round:
    """One settlement or charge-again of a visit, by the exchange it came in."""

    exchange_id: str
    charges: tuple[Entity, ...]

    @property
    def open(self) -> Entity | None:
        """The first charge whose outcome is not final."""
        return next((charge for charge in self.charges if not decided(charge)), None)

    @property
    def failed(self) -> Entity | None:
        """The first charge that did not succeed."""
        return next((charge for charge in self.charges if charge.state in ("REJECTED", "NOT_RECEIVED")), None)


async def round_of(case: Case) -> Round:
    """The visit's present round."""
    exchange_id = case.visit["settle"]["in"]
    charges = [charge for charge in await case.charges() if charge["charge_kind"] != REFUND]
    return Round(exchange_id, tuple(charge for charge in charges if charge["round"] == exchange_id))


# -- the plan -------------------------------------------------------------------------------------------------------


async def plan(case: Case) -> None:
    """Decide who pays what, reserve it and journal the charges; OVER_LIMIT plans what deposits cover and no more."""

    async def step() -> None:
        fresh = await load(case.house, case.visit.id, case.act)
        if fresh.visit.state not in ("SETTLING", "CHARGE_PENDING") or fresh.visit["settle"].get("planned"):
            return
        decision = await _decide(fresh)
        await _journal(fresh, decision)

    for _ in range(RACES):
        try:
            await again_when_lost(step)
        except NoRoom:
            continue  # the line shrank between reading and writing: decide anew
        return


async def _decide(case: Case) -> Decision[ChargePlan]:
    holds = [Hold(hold.id, left(hold), from_micros(hold["seq"])) for hold in await reserving.deposits_held(case)]
    money = figures(case.visit, (), await case.charges())
    paid = money.charged_fen + money.topup_fen + money.other_fen
    return plan_charge(money.cash_fen, holds, await _room(case), case.profile, paid_fen=paid)


async def _room(case: Case) -> int:
    """What an extra charge may take: the visit's own reservation and, under an active agreement, what is free."""
    current = await reserving.reservation(case)
    own = 0 if current is None else int(current["amount_fen"])
    free = (await case.line()).avail_fen if case.agreement.state == "ACTIVE" else 0
    return own + max(0, free)


async def _journal(case: Case, decision: Decision[ChargePlan]) -> None:
    wanted = decision.value
    assert wanted is not None  # a plan that is refused still shows its figures
    extra = wanted.extra_fen if decision.ok else 0
    excess = wanted.need_fen - sum(capture.capture_fen for capture in wanted.captures) - extra
    unit = Unit()
    settle = {**case.visit["settle"], "planned": True, "excess_fen": excess}
    if excess:
        settle |= {"code": "OVER_LIMIT"}
    settle["reasons"] = [*settle.get("reasons", []), *kept(decision.reasons)]
    moved = case.house.journal.entities.move(unit, case.visit, "planned", case.act, data={"settle": settle})
    await reserving.resize(case, unit, extra)
    charges = await case.charges()
    parts = [(CAPTURE, capture.capture_fen, capture.hold_id) for capture in wanted.captures if capture.capture_fen]
    if extra:
        first = not wanted.captures and not any(net(charge) for charge in charges)
        parts.append((WITHHOLD if first else EXTRA, extra, ""))
    for place, part in enumerate(parts):
        await _create(case, unit, len(charges) + place, *part)
    case.house.journal.explain(unit, case.act.exchange_id, moved.id, decision.reasons)
    await case.house.journal.commit(unit)


async def _create(case: Case, unit: Unit, seq: int, kind: str, amount_fen: int, hold_id: str) -> None:
    """A charge, CREATED. V4: the settlement's one charge of this kind (and hold), by a unique index."""
    settle, settlement = case.visit["settle"], case.visit["settlement"]
    charge_no = derive_number("CH", case.visit.id, settle["in"], kind, hold_id, length=26)
    counted_for = "|".join(part for part in (case.visit.hospital, settlement["setl_id"], kind, hold_id) if part)
    case.house.journal.entities.create(
        unit, "charge", charge_no, "journalled", case.act,
        hospital=case.visit.hospital,
        columns={
            "visit_id": case.visit.id, "agreement_id": case.agreement.id,
            "serial": derive_number("CS", charge_no, length=banking.SERIAL), "charge_kind": kind,
            "counted_for": counted_for, "amount_fen": amount_fen, "refunded_fen": 0,
        },
        data={
            "seq": seq, "round": settle["in"], "hold_id": hold_id, "setl_id": settlement["setl_id"],
            "bill_no": settlement.get("bill_no") or settlement["setl_id"],
            "linked_to": await _former(case, kind),
        },
    )  # fmt: skip
    case.house.journal.index(unit, "charge", charge_no, charge_no=charge_no, setl_id=settlement["setl_id"])


async def _former(case: Case, kind: str) -> str:
    """The operation of the attempt before, which a new business attempt is linked to (G)."""
    failed = [c for c in await case.charges() if c["charge_kind"] == kind and c.state in ("REJECTED", "NOT_RECEIVED")]
    if not failed:
        return ""
    return await banking.operation_id(case.house, case.agreement["bank"], OPERATION[kind], failed[-1]["serial"])


# -- one charge -----------------------------------------------------------------------------------------------------


async def pursue_charge(case: Case, charge: Entity) -> bool:
    """Send the charge if it never was and move it by the bank's word. True when its state has changed."""
    charge = await _sent(case, charge)
    call, request = await _request(case, charge)
    verdict = await banking.call(case.house, call, request)
    if isinstance(verdict, NotSent) and charge.state == "SUBMITTED":
        await banking.give_up(case.house, call, request)

    async def step() -> bool:
        fresh = await _charge(case.house, charge.id)
        if decided(fresh):
            return True
        return await _move(await load(case.house, case.visit.id, case.act), fresh, verdict)

    return await again_when_lost(step)


async def _charge(house: House, charge_no: str) -> Entity:
    charge = await house.journal.entities.get("charge", charge_no)
    assert charge is not None
    return charge


async def _sent(case: Case, charge: Entity) -> Entity:
    """CREATED → SUBMITTED before the bank is called; what it is told of the person is logged (R-056)."""
    if charge.state != "CREATED":
        return charge
    entities = case.house.journal.entities
    unit = Unit()
    moved = entities.move(unit, charge, "sent", case.act)
    if charge["hold_id"]:
        hold = await entities.get("hold", charge["hold_id"])
        if hold is not None and hold.state == "HELD":
            entities.move(unit, hold, "capturing", case.act)
    agreement = case.agreement
    case.house.journal.log_access(
        unit, agreement["psn_no"], case.act.actor, "BANK_SHARE", agreement["auth_id"], OPERATION[charge["charge_kind"]]
    )
    await case.house.journal.commit(unit)
    return moved


async def _request(case: Case, charge: Entity) -> tuple[BankCall, BaseModel]:
    """Amount and numbers, nothing medical (R-056)."""
    kind, serial, amount = charge["charge_kind"], charge["serial"], charge["amount_fen"]
    call = BankCall(
        case.agreement["bank"], OPERATION[kind], serial, case.act.exchange_id, case.visit.id, case.visit.hospital,
        amount, f"visit:{case.visit.id}", charge["linked_to"],
    )  # fmt: skip
    if kind == CAPTURE:
        hold = await case.house.journal.entities.get("hold", charge["hold_id"])
        assert hold is not None
        return call, CompletePreAuthorisation(
            serial=serial,
            pre_auth_no=hold["pre_auth_no"],
            orig_serial=hold["serial"],
            amount_fen=amount,
            payee=case.hospital.account,
            final=True,
        )
    return call, Withhold(
        serial=serial,
        agreement_no=case.agreement["agreement_no"],
        amount_fen=amount,
        payer_name=PersonName(case.agreement.sealed["acct_name"]),
        payee=case.hospital.account,
        visit_no=case.visit.id,
        bill_no=charge["bill_no"],
        purpose=PURPOSE,
        requested_date=case.house.clock.now().date(),
    )


async def _move(case: Case, charge: Entity, verdict: Verdict[MoneyReply]) -> bool:
    unit = Unit()
    match verdict:
        case Done(reply):
            await _succeeded(case, unit, charge, reply)
        case Refused(code, text):
            await _refused(case, unit, charge, verdict, code, text)
        case NotSent(reason):
            await _not_sent(case, unit, charge, reason)
        case Accepted() | Unknown():
            if not _open(case, unit, charge, isinstance(verdict, Accepted)):
                return False
    await case.house.journal.commit(unit)
    return True


async def _succeeded(case: Case, unit: Unit, charge: Entity, reply: MoneyReply) -> None:
    """Held becomes used; the interest-free days start with the bank's booking (R-049)."""
    booked = reply.booking_date or case.house.clock.now().date()
    data = {
        "bank_txn_no": reply.bank_txn_no,
        "booking_date": booked.isoformat(),
        "interest_free_until": _free_until(case, booked),
        "done_at": case.house.clock.now().isoformat(),
    }
    moved = case.house.journal.entities.move(unit, charge, "ok", case.act, data=data)
    if charge["hold_id"]:
        await _captured(case, unit, charge)
    else:
        await reserving.consume(case, unit, charge["amount_fen"])
    numbers = {"serial": charge["serial"], "bank_txn_no": reply.bank_txn_no}
    case.house.journal.index(unit, "charge", charge.id, **numbers)
    _tell(case, unit, moved)


def _free_until(case: Case, booked: date) -> str:
    last = interest_free_until(booked, case.agreement.get("free_days"), case.profile).require()
    return last.isoformat()


async def _captured(case: Case, unit: Unit, charge: Entity) -> None:
    """H2: what was captured and what the bank released with it are the hold; two entries of the line (R-076)."""
    journal, amount = case.house.journal, charge["amount_fen"]
    hold = await journal.entities.get("hold", charge["hold_id"])
    assert hold is not None
    rest = hold["amount_fen"] - amount
    journal.entities.move(unit, hold, "captured", case.act, columns={"captured_fen": amount, "released_fen": rest})
    place = (unit, case.agreement.id, case.visit.id)
    journal.move_line(*place, reserving.CAPTURE, case.act.exchange_id, held=-amount, used=amount)
    if rest:
        journal.move_line(*place, reserving.RELEASE, case.act.exchange_id, held=-rest)
    deposits.unwatch(case, unit, hold)


async def _refused(case: Case, unit: Unit, charge: Entity, verdict: Refused[Any], bank_code: str, text: str) -> None:
    """REJECTED, or NOT_RECEIVED where a question found that the bank never got it."""
    operation = OPERATION[charge["charge_kind"]]
    code = banking.refusal_code(case.house, case.agreement["bank"], operation, verdict)
    never = bank_code == NOT_FOUND
    moved = case.house.journal.entities.move(
        unit, charge, "not_found" if never else "refused", case.act,
        columns={"counted_for": None}, data={"reason": text, "code": code, "bank_code": bank_code},
    )  # fmt: skip
    await _give_hold_back(case, unit, charge)
    _tell(case, unit, moved)


async def _not_sent(case: Case, unit: Unit, charge: Entity, reason: str) -> None:
    """The HIS is answered now, so it is closed and never sent later; one that was asked after may go out again."""
    entities = case.house.journal.entities
    if charge.state == "UNKNOWN":  # never received, and the bank's manifest allows the same serial once more
        unknown = entities.move(unit, charge, "not_found", case.act)
        entities.move(unit, unknown, "resent", case.act)
        return
    created = entities.move(unit, charge, "not_sent", case.act)
    data = {"reason": reason, "code": "BANK_UNAVAILABLE"}
    moved = entities.move(unit, created, "abandoned", case.act, columns={"counted_for": None}, data=data)
    await _give_hold_back(case, unit, charge)
    _tell(case, unit, moved)


async def _give_hold_back(case: Case, unit: Unit, charge: Entity) -> None:
    """A capture that did not happen leaves the deposit as it was."""
    hold = await case.house.journal.entities.get("hold", charge["hold_id"]) if charge["hold_id"] else None
    if hold is not None and hold.state == "CAPTURING":
        case.house.journal.entities.move(unit, hold, "capture_refused", case.act)
        deposits.watch_end(case, unit, hold)


def _open(case: Case, unit: Unit, charge: Entity, accepted: bool) -> bool:
    """The bank works on it, or nothing is known: the amount stays held, the HIS is told PENDING (W3, W5)."""
    entities = case.house.journal.entities
    changed = False
    if not accepted and charge.state != "UNKNOWN":
        entities.move(unit, charge, "no_answer", case.act)
        changed = True
    if case.visit.state == "SETTLING":
        entities.move(unit, case.visit, "charge_unknown", case.act)
        told = {"charge_no": charge.id, "amount": format_yuan(charge["amount_fen"]), "state": "PENDING"}
        enqueue(unit, case.house, case.visit.hospital, CallbackType.CHARGE_PENDING, case.visit.id, told)
        changed = True
    return changed


def _tell(case: Case, unit: Unit, charge: Entity) -> None:
    """A charge is final: the hospital is told once."""
    told = {
        "charge_no": charge.id,
        "kind": charge["charge_kind"],
        "amount": format_yuan(charge["amount_fen"]),
        "state": charge.state,
        "bank_txn_no": charge.get("bank_txn_no"),
        "code": charge.get("code"),
    }
    enqueue(unit, case.house, case.visit.hospital, CallbackType.CHARGE_FINAL, case.visit.id, told)


async def abandon(case: Case, unit: Unit, found: Round) -> None:
    """Add that the charges of a failed round which were never sent are given up."""
    for charge in found.charges:
        if charge.state == "CREATED":
            case.house.journal.entities.move(
                unit, charge, "abandoned", case.act, columns={"counted_for": None}, data={"code": "ABANDONED"}
            )


def act_for(case: Case) -> Act:
    """The round's own act: charges belong to the exchange that settled."""
    return Act(case.act.actor, case.act.key, case.visit["settle"]["in"], case.act.profile_version)
