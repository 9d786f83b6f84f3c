"""What the relay calls around a national message, so that a HIS which knows nothing of credit pay has it all the same.

Every hook may run again from its first line; none of them ever holds up or changes the insurance's answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from gateway.flows.credit import cancelling, settlements, visits
from gateway.flows.credit.basis import Case, again_when_lost, in_exchange, load
from gateway.flows.credit.figures import figures
from gateway.flows.credit.pursuit import pursue
from gateway.flows.house import House
from gateway.journal.entities import Entity
from gateway.journal.store import Unit
from gateway.model.insurance import CANCEL, NationalMessage, Settlement
from gateway.model.money import format_yuan

SETTLEABLE: Final = frozenset({"OPEN", "HELD", "LAPSED", "HOLD_PENDING", "REVERSED", "SETTLING"})
_ADMITTED: Final = frozenset({"OPEN", "HELD", "LAPSED", "HOLD_PENDING"})


async def visit_of(house: House, message: NationalMessage) -> Entity | None:
    """The credit visit a message is about: same hospital, person and encounter, and its money still to be decided.

    A further settlement of an encounter whose visit is paid, and a cancellation of another settlement, are not its
    business: they are relayed plainly.
    """
    if not message.mdtrt_id:
        return None
    visit = await house.journal.entities.first(
        "visit", "hospital = :hospital AND mdtrt_id = :mdtrt", hospital=message.fixmedins_code, mdtrt=message.mdtrt_id
    )
    if visit is None or (message.psn_no and visit["psn_no"] != message.psn_no):
        return None
    concerned = _is_cancelled_by(visit, message) if message.infno in CANCEL else _is_settled_by(visit, message)
    return visit if concerned else None


def _is_settled_by(visit: Entity, message: NationalMessage) -> bool:
    settlement = visit.get("settlement")
    if settlement is not None:  # the same message again
        return bool(message.msgid) and settlement["msgid"] == message.msgid
    return visit.state in SETTLEABLE


def _is_cancelled_by(visit: Entity, message: NationalMessage) -> bool:
    live = visit.get("settlement")
    known = [row["setl_id"] for row in visit["reversed"]]
    return message.setl_id in ([live["setl_id"], *known] if live is not None else known)


# -- settlement -----------------------------------------------------------------------------------------------------


async def begin_settlement(house: House, visit: Entity, exchange_id: str) -> Entity:
    """→ SETTLING before 2207 or 2304 leaves. Raises Refusal IN_PROGRESS or ILLEGAL_STATE."""
    case = await load(house, visit.id, in_exchange(exchange_id))
    infno = "2304" if visit["scene"] == "INPATIENT" else "2207"
    return (await settlements.begin(case, exchange_id, {"via": "relay", "infno": infno})).visit


async def after_settlement(house: House, visit: Entity, settlement: Settlement, exchange_id: str) -> Mapping[str, Any]:
    """Charge the cash part and say what became of it: the `creditpay` object of the answer (contracts 3).

    An unknown outcome at the bank is PENDING at once; the visit goes on by itself (W5).
    """
    case = await load(house, visit.id, in_exchange(exchange_id))
    case = await settlements.insured(case, exchange_id, settlement)
    case = await pursue(house, case.visit.id, case.act)
    return await _creditpay(case)


async def _creditpay(case: Case) -> dict[str, Any]:
    charges = await case.charges()
    money = figures(case.visit, (), charges)
    status, message = _said(case.visit, money.charged_fen, money.remaining_fen)
    answer = {
        "visit_id": case.visit.id,
        "charge_status": status,
        "charged_amt": format_yuan(money.charged_fen),
        "message": message,
    }
    numbers = [charge["bank_txn_no"] for charge in charges if charge.state == "SUCCEEDED" and charge.get("bank_txn_no")]
    if status == "CHARGED" and numbers:
        answer["bank_txn_no"] = numbers[-1]
    return answer


def _said(visit: Entity, charged_fen: int, remaining_fen: int) -> tuple[str, str]:
    """Status and the cashier's text."""
    match visit.state:
        case "SETTLED" if charged_fen:
            return "CHARGED", f"信用支付已扣款 {format_yuan(charged_fen)} 元"
        case "SETTLED":
            return "NOT_CREDIT", "无需信用支付扣款"
        case "CHARGE_FAILED" | "ARREARS":
            return "FAILED", f"信用支付未成功，尚需支付 {format_yuan(remaining_fen)} 元，请改用其他方式付款"
        case "SETTLING" | "CHARGE_PENDING":
            return "PENDING", "扣款结果待银行确认，请勿重复收费"
    return "NOT_CREDIT", "本次结算不使用信用支付"


async def settlement_declined(house: House, visit: Entity, exchange_id: str) -> None:
    """The platform refused or was not reached: the visit is open again, its holds stay."""
    case = await load(house, visit.id, in_exchange(exchange_id))
    await settlements.not_insured(case, exchange_id)


async def settlement_undone(house: House, visit: Entity, exchange_id: str) -> None:
    """The settlement was reversed: the visit is open again; what was charged for it already goes back."""
    case = await load(house, visit.id, in_exchange(exchange_id))
    case = await settlements.not_insured(case, exchange_id)
    if case.visit.get("settlement") is None:
        return
    case = await cancelling.begin(case, exchange_id, {"via": "relay"})
    await cancelling.uninsured(case, exchange_id)
    await pursue(house, visit.id, case.act)


async def presettled(house: House, message: NationalMessage, settlement: Settlement) -> None:
    """A relayed 2206 or 2303: the visit's hold follows its psn_cash_pay (D.2)."""
    visit = await visit_of(house, message)
    if visit is None:
        return
    case = await load(house, visit.id, in_exchange(""))
    await visits.presettled(case, settlement.fen("psn_cash_pay"))


# -- cancellation ---------------------------------------------------------------------------------------------------


async def begin_cancel(house: House, visit: Entity, exchange_id: str) -> Entity:
    """→ REVERSING before 2208 or 2305 leaves. Raises Refusal ORIGINAL_UNKNOWN while a charge is open."""
    case = await load(house, visit.id, in_exchange(exchange_id))
    if case.visit.get("settlement") is None:
        return case.visit  # cancelled already; the platform says so itself
    return (await cancelling.begin(case, exchange_id, {"via": "relay"})).visit


async def after_cancel(house: House, visit: Entity, exchange_id: str) -> Mapping[str, Any]:
    """Void or refund what was charged, and say how far it has come."""
    case = await load(house, visit.id, in_exchange(exchange_id))
    case = await cancelling.uninsured(case, exchange_id)
    before = figures(case.visit, (), await case.charges()).charged_fen
    case = await pursue(house, case.visit.id, case.act)
    after = figures(case.visit, (), await case.charges()).charged_fen
    pending = case.visit.state == "REVERSING"
    return {
        "visit_id": case.visit.id,
        "charge_status": "PENDING" if pending else "NOT_CREDIT",
        "charged_amt": format_yuan(after),
        "refunded_amt": format_yuan(before - after),
        "message": "信用支付退款处理中，系统自动完成" if pending else "信用支付已原路退回",
    }


async def cancel_declined(house: House, visit: Entity, exchange_id: str) -> None:
    """The platform refused or was not reached: the visit is what it was."""
    case = await load(house, visit.id, in_exchange(exchange_id))
    await cancelling.declined(case, exchange_id)


async def admission_cancelled(house: House, message: NationalMessage, exchange_id: str) -> None:
    """2404: the stay never was; its holds are given up and the visit is RELEASED (D.3)."""
    visit = await visit_of(house, message)
    if visit is None or visit["scene"] != "INPATIENT":
        return
    act = in_exchange(exchange_id)

    async def step() -> None:
        case = await load(house, visit.id, act)
        if case.visit.state not in _ADMITTED or case.visit.get("leaving"):
            return
        unit = Unit()
        house.journal.entities.move(unit, case.visit, "leaving", case.act, data={"leaving": True})
        await house.journal.commit(unit)

    await again_when_lost(step)
    await pursue(house, visit.id, act)
