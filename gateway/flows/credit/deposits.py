"""Inpatient deposits held on the line at the bank: asked for, found out, given up (D.3, R-074).

A hold counts against the line from the moment it is journalled until the bank's no, its release, or its end is certain.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from gateway.flows.api import ApiCall, ApiReply
from gateway.flows.credit import authorisations, banking, people
from gateway.flows.credit.banking import BankCall
from gateway.flows.credit.basis import Case, NoRoom, again_when_lost, load, own_case
from gateway.flows.credit.replies import visit_reply
from gateway.flows.credit.requests import DepositBody
from gateway.flows.credit.reserving import DEPOSIT, HOLD, RELEASE
from gateway.flows.house import House
from gateway.journal.entities import Act, Entity
from gateway.journal.exchanges import Exchange
from gateway.journal.store import Unit
from gateway.model.bank import MoneyReply, PreAuthorise, VoidPreAuthorisation
from gateway.model.ids import derive_number
from gateway.model.money import format_yuan
from gateway.model.refusals import Refusal
from gateway.model.verdict import Accepted, Done, NotSent, Refused, Unknown, Verdict

PREAUTHORISE, VOID = "PreAuthorise", "VoidPreAuthorisation"
RENEW, END = "credit.hold", "credit.hold_end"  # kinds of the due rows of a hold
VISIT = "credit.visit"  # kind of the due row that lets a visit go on
NOTICE: Final = timedelta(days=3)
_ASKED: Final = frozenset({"CREATED", "SUBMITTED", "UNKNOWN"})
_BEFORE_SETTLING: Final = frozenset({"OPEN", "HELD", "LAPSED", "HOLD_PENDING"})


async def deposit(house: House, exchange: Exchange | None, call: ApiCall) -> ApiReply:
    """Hold a deposit on the line. Raises Refusal when a rule or the bank said no; then nothing is held."""
    assert exchange is not None
    case = await own_case(house, call.path["visit_id"], call.caller, exchange)
    body: DepositBody = call.body
    hold = await _known(case, body, exchange.exchange_id)
    if hold is None:
        await _allowed(case, body)
        hold_id = derive_number("HD", case.visit.id, body.deposit_no, exchange.exchange_id, length=26)
        hold = await ask_for(case, hold_id, body.amount, {"deposit_no": body.deposit_no})
    hold = await find_out(case.house, hold.id, case.act.actor)
    if hold.state == "REFUSED":
        raise Refusal(hold.get("code") or "ILLEGAL_STATE", hold.get("reason", ""), hold_id=hold.id)
    return await visit_reply(case, call.caller)


async def _known(case: Case, body: DepositBody, exchange_id: str) -> Entity | None:
    """The hold of this deposit: a live one, or the one this very exchange has asked for."""
    holds = [hold for hold in await case.holds() if hold.get("deposit_no") == body.deposit_no]
    found = next((hold for hold in holds if hold.state != "REFUSED" or hold["asked_in"] == exchange_id), None)
    if found is not None and found["amount_fen"] != body.amount:
        raise Refusal("INVALID_AMOUNT", "同一押金编号金额不一致", field="amount")
    return found


async def _allowed(case: Case, body: DepositBody) -> None:
    """The gates of a deposit: going stay, active agreement, a city that takes deposits, the right person (R-024)."""
    visit = case.visit
    if visit.state not in ("OPEN", "HELD", "LAPSED"):
        raise Refusal("ILLEGAL_STATE", f"visit: {visit.state} / deposit", state=visit.state, event="deposit")
    if visit["scene"] != "INPATIENT" or case.credit.deposit != "held":
        raise Refusal("SCENE_NOT_SUPPORTED", "本就诊不收押金（免押金或非住院）")
    if case.agreement.state != "ACTIVE":
        raise Refusal("AGREEMENT_NOT_ACTIVE", f"agreement: {case.agreement.state}")
    if visit["psn_no"] == case.agreement["psn_no"]:
        found = await authorisations.find(case.house, case.agreement["auth_id"])
        if found is None:
            raise Refusal("NO_AUTHORISATION")
        await people.insured(case.house, found, visit.hospital, case.act.exchange_id)


async def ask_for(case: Case, hold_id: str, amount_fen: int, data: dict[str, Any]) -> Entity:
    """Journal a hold and take its amount off the line. Raises Refusal OVER_LIMIT with the excess."""

    async def step() -> Entity:
        fresh = await load(case.house, case.visit.id, case.act)
        unit = Unit()
        fresh.house.journal.entities.move(unit, fresh.visit, "deposit_asked", fresh.act)
        made = fresh.house.journal.entities.create(
            unit, "hold", hold_id, "asked", fresh.act,
            hospital=fresh.visit.hospital,
            columns={
                "visit_id": fresh.visit.id, "agreement_id": fresh.agreement.id, "hold_kind": DEPOSIT,
                "amount_fen": amount_fen, "captured_fen": 0, "released_fen": 0,
            },
            data={
                "serial": derive_number("PA", hold_id, length=banking.SERIAL), "asked_in": case.act.exchange_id,
                "seq": len(await fresh.holds()), **data,
            },
        )  # fmt: skip
        fresh.house.journal.move_line(
            unit, fresh.agreement.id, fresh.visit.id, HOLD, fresh.act.exchange_id, held=amount_fen
        )
        fresh.house.journal.log_access(
            unit, fresh.agreement["psn_no"], fresh.act.actor, "BANK_SHARE", fresh.agreement["auth_id"], PREAUTHORISE
        )
        await fresh.house.journal.commit(unit)
        return made

    try:
        return await again_when_lost(step)
    except NoRoom:
        line = await case.line()
        excess = amount_fen - max(0, line.avail_fen)
        raise Refusal("OVER_LIMIT", f"超出可用额度 {format_yuan(excess)} 元", excess_amt=format_yuan(excess)) from None


# -- what the bank says ---------------------------------------------------------------------------------------------


async def find_out(house: House, hold_id: str, actor: str) -> Entity:
    """Send the hold if it never was, and move it by the bank's word."""
    hold = await _hold(house, hold_id)
    if hold.state not in _ASKED:
        return hold
    case = await load(house, hold["visit_id"], _act(hold, actor))
    if hold.state == "CREATED":
        unit = Unit()
        hold = house.journal.entities.move(unit, hold, "sent", case.act)
        await house.journal.commit(unit)
    call, request = _preauthorise(case, hold)
    verdict = await banking.call(house, call, request)
    if isinstance(verdict, NotSent):
        await banking.give_up(house, call, request)

    async def step() -> Entity:
        fresh = await _hold(house, hold_id)
        if fresh.state in _ASKED:
            await _decide(await load(house, hold["visit_id"], case.act), fresh, verdict)
        return await _hold(house, hold_id)

    return await again_when_lost(step)


async def _hold(house: House, hold_id: str) -> Entity:
    hold = await house.journal.entities.get("hold", hold_id)
    if hold is None:
        raise Refusal("NOT_FOUND", field="hold_id")
    return hold


def _act(hold: Entity, actor: str) -> Act:
    return Act(actor, hold["asked_in"], hold["asked_in"])


def _preauthorise(case: Case, hold: Entity) -> tuple[BankCall, PreAuthorise]:
    call = BankCall(
        case.agreement["bank"], PREAUTHORISE, hold["serial"], case.act.exchange_id, case.visit.id, case.visit.hospital,
        hold["amount_fen"], f"visit:{case.visit.id}",
    )  # fmt: skip
    request = PreAuthorise(
        serial=hold["serial"],
        agreement_no=case.agreement["agreement_no"],
        amount_fen=hold["amount_fen"],
        payee=case.hospital.account,
        admission_no=case.visit.id,
        valid_days=case.credit.hold_valid_days,
    )
    return call, request


async def _decide(case: Case, hold: Entity, verdict: Verdict[MoneyReply]) -> None:
    unit = Unit()
    match verdict:
        case Done(reply):
            _held(case, unit, hold, reply)
        case Accepted() | Unknown():
            if hold.state == "UNKNOWN":
                return
            case.house.journal.entities.move(unit, hold, "unknown", case.act)
            if case.visit.state in ("OPEN", "HELD", "LAPSED"):
                case.house.journal.entities.move(unit, case.visit, "hold_unknown", case.act)
        case Refused(_, text):
            code = banking.refusal_code(case.house, case.agreement["bank"], PREAUTHORISE, verdict)
            await _refused(case, unit, hold, code, text)
        case NotSent():
            await _refused(case, unit, hold, "BANK_UNAVAILABLE", PREAUTHORISE)
    await case.house.journal.commit(unit)


def _held(case: Case, unit: Unit, hold: Entity, reply: MoneyReply) -> None:
    """The bank holds it; its end is watched from now on."""
    ends = reply.expires_at or case.house.clock.now() + timedelta(days=case.credit.hold_valid_days)
    data = {
        "pre_auth_no": reply.pre_auth_no,
        "bank_txn_no": reply.bank_txn_no,
        "expires_at": ends.isoformat(),
        "held_at": case.house.clock.now().isoformat(),
    }
    case.house.journal.entities.move(unit, hold, "held", case.act, data=data)
    case.house.journal.index(unit, "hold", hold.id, serial=hold["serial"], bank_txn_no=reply.bank_txn_no)
    if case.visit.state in _BEFORE_SETTLING:
        case.house.journal.entities.move(unit, case.visit, "held", case.act)
    watch(case, unit, hold.id, ends)


def watch(case: Case, unit: Unit, hold_id: str, ends: datetime) -> None:
    """Add the two moments of a hold: three days before its end it is renewed, at its end it is gone."""
    case.house.journal.agenda.schedule(unit, RENEW, hold_id, ends - NOTICE)
    case.house.journal.agenda.schedule(unit, END, hold_id, ends)


async def _refused(case: Case, unit: Unit, hold: Entity, code: str, text: str) -> None:
    entities = case.house.journal.entities
    entities.move(unit, hold, "refused", case.act, data={"code": code, "reason": text})
    case.house.journal.move_line(
        unit, case.agreement.id, case.visit.id, RELEASE, case.act.exchange_id, held=-hold["amount_fen"]
    )
    if case.visit.state == "HOLD_PENDING":
        others = [other for other in await case.holds("HELD") if other["hold_kind"] == DEPOSIT]
        entities.move(unit, case.visit, "hold_refused_more" if others else "hold_refused", case.act)
    elif case.visit.state in _BEFORE_SETTLING:
        entities.move(unit, case.visit, "hold_refused", case.act)


# -- giving up ------------------------------------------------------------------------------------------------------


async def give_up(case: Case, hold: Entity, *, renewing: bool = False) -> bool:
    """Void a hold at the bank. True once it is released; False while that is not known or the bank said no.

    ``renewing`` is remembered with the hold: a new one follows even if the gateway stops in between.
    """
    if hold.state == "HELD":
        unit = Unit()
        hold = case.house.journal.entities.move(unit, hold, "releasing", case.act, data={"renewing": renewing})
        await case.house.journal.commit(unit)
    call, request = _void(case, hold)
    verdict = await banking.call(case.house, call, request)
    match verdict:
        case Done():
            await _released(case, hold)
        case Refused():
            await _not_released(case, hold, verdict)
        case NotSent():
            unit = Unit()
            later(case, unit)
            await case.house.journal.commit(unit)
    return isinstance(verdict, Done)


def later(case: Case, unit: Unit) -> None:
    """Add that the visit is looked at again in a minute: the bank could not be reached."""
    case.house.journal.agenda.schedule(unit, VISIT, case.visit.id, case.house.clock.now() + timedelta(minutes=1))


def _void(case: Case, hold: Entity) -> tuple[BankCall, VoidPreAuthorisation]:
    serial = derive_number("VO", hold.id, hold.get("void_tries", 0), length=banking.SERIAL)
    call = BankCall(
        case.agreement["bank"], VOID, serial, case.act.exchange_id, case.visit.id, case.visit.hospital,
        hold["amount_fen"], f"visit:{case.visit.id}",
    )  # fmt: skip
    request = VoidPreAuthorisation(
        serial=serial, pre_auth_no=hold["pre_auth_no"], orig_serial=hold["serial"], amount_fen=hold["amount_fen"]
    )
    return call, request


async def _released(case: Case, hold: Entity) -> None:
    unit = Unit()
    amount = hold["amount_fen"]
    case.house.journal.entities.move(unit, hold, "released", case.act, columns={"released_fen": amount})
    case.house.journal.move_line(unit, case.agreement.id, case.visit.id, RELEASE, case.act.exchange_id, held=-amount)
    unwatch(case, unit, hold)
    await case.house.journal.commit(unit)


async def _not_released(case: Case, hold: Entity, verdict: Refused[Any]) -> None:
    """The bank would not void it: a person looks, and it counts until its end."""
    unit = Unit()
    data = {"void_tries": hold.get("void_tries", 0) + 1, "void_refused": verdict.code}
    case.house.journal.entities.move(unit, hold, "release_refused", case.act, data=data)
    await case.house.journal.raise_task(
        unit, "HOLD_NOT_RELEASED", hold.id, case.act, suggested="hold.ask_bank", hospital=case.visit.hospital
    )
    watch_end(case, unit, hold)
    await case.house.journal.commit(unit)


def watch_end(case: Case, unit: Unit, hold: Entity) -> None:
    """Add that a hold which is held on is gone at its end, which may have passed already."""
    ends = max(datetime.fromisoformat(hold["expires_at"]), case.house.clock.now())
    case.house.journal.agenda.schedule(unit, END, hold.id, ends)


def unwatch(case: Case, unit: Unit, hold: Entity) -> None:
    """Add that nobody needs to watch the end of a hold any more."""
    case.house.journal.agenda.finish(unit, END, hold.id)
    if not hold.get("renewing"):
        case.house.journal.agenda.finish(unit, RENEW, hold.id)
