"""Giving back what was charged: all of it after a cancellation, or what was paid twice (D.2, W2).

A refund is an operation of its own with its own serial. Whether the bank calls it a void (before its day switch) or a
refund is the bank's word; the line is credited by the same amount either way.
"""

from __future__ import annotations

from datetime import datetime, time
from typing import Any, Final

from gateway.flows.credit import banking, deposits
from gateway.flows.credit.banking import BankCall
from gateway.flows.credit.basis import Case, again_when_lost, load
from gateway.flows.credit.figures import REFUND, decided, net
from gateway.flows.credit.reserving import REFUND as BACK
from gateway.handlers.charge import void_or_refund
from gateway.journal.entities import Entity
from gateway.journal.store import DuplicateKey, Unit
from gateway.model.bank import BankStatus, MoneyReply, Refund
from gateway.model.ids import derive_number
from gateway.model.verdict import Accepted, Done, NotSent, Refused, Unknown, Verdict

OPERATION: Final = "Refund"
_DAY_SWITCH: Final = time(23, 0)


async def give_back(case: Case, amount_fen: int, why: str) -> bool:
    """Give back ``amount_fen`` of what the visit was charged, newest charge first, one at a time.

    ``why`` is the occasion (an exchange): the same occasion never gives back twice. True once all of it is done; False
    while the bank's word is open, or a person has to look because the bank said no.
    """
    charges = [charge for charge in await case.charges() if charge["charge_kind"] != REFUND]
    wanted = amount_fen
    for charge in reversed(charges):
        part = min(wanted, net(charge))
        if part <= 0:
            continue
        if not await _one(case, charge, part, why):
            return False
        wanted -= part
    return wanted == 0


async def _one(case: Case, charge: Entity, amount_fen: int, why: str) -> bool:
    refund = await _refund_of(case, charge, amount_fen, why)
    if refund.state == "REJECTED":
        return False
    if refund.state == "CREATED":
        unit = Unit()
        refund = case.house.journal.entities.move(unit, refund, "sent", case.act)
        await case.house.journal.commit(unit)
    call, request = _request(case, refund, charge)
    verdict = await banking.call(case.house, call, request)

    async def step() -> bool:
        fresh = await case.house.journal.entities.get("charge", refund.id)
        assert fresh is not None
        if not decided(fresh):
            await _move(await load(case.house, case.visit.id, case.act), fresh, charge.id, verdict)
            fresh = await case.house.journal.entities.get("charge", refund.id)
        return fresh is not None and fresh.state == "SUCCEEDED"

    return await again_when_lost(step)


async def _refund_of(case: Case, charge: Entity, amount_fen: int, why: str) -> Entity:
    """The refund of a charge for this occasion, journalled now if it is new. Raises Refusal EXCEEDS_CAPTURED (W2)."""
    refund_no = derive_number("RF", charge.id, why, length=26)
    known = await case.house.journal.entities.get("charge", refund_no)
    if known is not None:
        return known
    decision = void_or_refund(
        datetime.fromisoformat(charge["done_at"]), case.house.clock.now(), _day_switch(case),
        amount_fen, charge["amount_fen"], charge["refunded_fen"],
    )  # fmt: skip
    kind = decision.require()
    unit = Unit()
    made = case.house.journal.entities.create(
        unit, "charge", refund_no, "journalled", case.act,
        hospital=case.visit.hospital,
        columns={
            "visit_id": case.visit.id, "agreement_id": case.agreement.id,
            "serial": derive_number("RS", refund_no, length=banking.SERIAL), "charge_kind": REFUND,
            "counted_for": None, "amount_fen": amount_fen, "refunded_fen": 0,
        },
        data={
            "seq": len(await case.charges()), "round": why, "refund_of": charge.id, "hold_id": "", "expected": kind,
        },
    )  # fmt: skip
    case.house.journal.explain(unit, case.act.exchange_id, case.visit.id, decision.reasons)
    try:
        await case.house.journal.commit(unit)
    except DuplicateKey:  # a second driver of the same visit was faster
        known = await case.house.journal.entities.get("charge", refund_no)
        if known is None:
            raise
        return known
    return made


def _day_switch(case: Case) -> time:
    """When the bank's day ends, by its adapter's manifest."""
    manifest = case.house.delivery.counterparts[case.agreement["bank"]].adapter.manifest
    said: Any = manifest.capabilities.get("day_switch")
    return time.fromisoformat(said) if isinstance(said, str) else _DAY_SWITCH


def _request(case: Case, refund: Entity, charge: Entity) -> tuple[BankCall, Refund]:
    call = BankCall(
        case.agreement["bank"], OPERATION, refund["serial"], case.act.exchange_id, case.visit.id, case.visit.hospital,
        refund["amount_fen"], f"visit:{case.visit.id}",
    )  # fmt: skip
    request = Refund(
        serial=refund["serial"],
        orig_serial=charge["serial"],
        orig_bank_txn_no=charge.get("bank_txn_no") or "",
        refund_fen=refund["amount_fen"],
        orig_amount_fen=charge["amount_fen"],
    )
    return call, request


async def _move(case: Case, refund: Entity, charge_no: str, verdict: Verdict[MoneyReply]) -> None:
    entities = case.house.journal.entities
    unit = Unit()
    match verdict:
        case Done(reply):
            await _succeeded(case, unit, refund, charge_no, reply)
        case Refused(code, text):
            event = "not_found" if code == "NOT_FOUND" and refund.state == "UNKNOWN" else "refused"
            entities.move(unit, refund, event, case.act, data={"reason": text, "code": code})
            await case.house.journal.raise_task(
                unit, "REFUND_REFUSED", refund.id, case.act, suggested="refund.ask_bank", hospital=case.visit.hospital
            )
        case NotSent():
            if refund.state == "SUBMITTED":
                entities.move(unit, refund, "not_sent", case.act)
            deposits.later(case, unit)
        case Unknown() | Accepted():
            if refund.state == "UNKNOWN" or isinstance(verdict, Accepted):
                return
            entities.move(unit, refund, "no_answer", case.act)
    await case.house.journal.commit(unit)


async def _succeeded(case: Case, unit: Unit, refund: Entity, charge_no: str, reply: MoneyReply) -> None:
    """The money is back: refund and charge say so, and the line has it again."""
    journal, amount = case.house.journal, refund["amount_fen"]
    charge = await journal.entities.get("charge", charge_no)
    assert charge is not None
    data = {"bank_txn_no": reply.bank_txn_no, "done_at": case.house.clock.now().isoformat()}
    journal.entities.move(unit, refund, "ok", case.act, data=data)
    total = charge["refunded_fen"] + amount
    journal.entities.move(unit, charge, _event(charge, total, reply), case.act, columns={"refunded_fen": total})
    used = (await case.line()).used_fen  # a debt repaid meanwhile is the bank's to pay out, not the line's to grow by
    journal.move_line(unit, case.agreement.id, case.visit.id, BACK, case.act.exchange_id, used=-min(amount, used))
    journal.index(unit, "charge", refund.id, serial=refund["serial"], bank_txn_no=reply.bank_txn_no)


def _event(charge: Entity, total_fen: int, reply: MoneyReply) -> str:
    """VOIDED only where the bank reversed the whole charge within its day (D.4)."""
    if total_fen < charge["amount_fen"]:
        return "part_refunded"
    whole = reply.status is BankStatus.RVSD and charge.state == "SUCCEEDED"
    return "voided" if whole else "refunded"
