"""Opening a credit visit, its legs, reminders and top-ups (D.2)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from gateway.flows.api import ApiCall, ApiReply
from gateway.flows.callbacks import enqueue
from gateway.flows.credit import people, reserving
from gateway.flows.credit.basis import (
    RACES,
    Case,
    NoRoom,
    act_of,
    again_when_lost,
    agreement_by_number,
    kept,
    load,
    own_case,
)
from gateway.flows.credit.figures import figures
from gateway.flows.credit.replies import visit_reply
from gateway.flows.credit.requests import LegBody, TopupBody, VisitBody
from gateway.flows.credit.views import visit_view
from gateway.flows.house import House
from gateway.handlers.base import Decision, Reason
from gateway.handlers.legs import LegDecision, decide_leg, decide_presettle, decide_topup
from gateway.handlers.visit import Opening, RelativeFacts, VisitFacts, may_open, may_use_as_relative
from gateway.journal.entities import Act, Entity
from gateway.journal.exchanges import Exchange
from gateway.journal.store import DuplicateKey, Unit
from gateway.model.callback import CallbackType
from gateway.model.ids import derive_number
from gateway.model.money import format_yuan
from gateway.model.profile import LocalityProfile
from gateway.model.refusals import Refusal

_GOING: frozenset[str] = frozenset({"OPEN", "HELD", "LAPSED"})


# -- opening --------------------------------------------------------------------------------------------------------


async def open_visit(house: House, exchange: Exchange | None, call: ApiCall) -> ApiReply:
    """Open a visit under an active agreement. Raises Refusal with the code of the rule that said no (D.2)."""
    assert exchange is not None
    body: VisitBody = call.body
    call.caller.must_own(body.fixmedins_code)
    visit_id = derive_number("V", body.fixmedins_code, body.mdtrt_id, length=26)
    act = act_of(call.caller, exchange)
    known = await house.journal.entities.get("visit", visit_id)
    if known is None:
        known = await _create(house, visit_id, body, act)
    if known["opened_in"] != exchange.exchange_id:
        raise Refusal("ILLEGAL_STATE", "该就诊已开通信用支付", state=known.state, event="opened", visit_id=visit_id)
    case = await load(house, visit_id, act)
    reasons = tuple(Reason(**row) for row in known.get("opening", ()))
    return await visit_reply(case, call.caller, reasons)


async def _create(house: House, visit_id: str, body: VisitBody, act: Act) -> Entity:
    agreement = await agreement_by_number(house, body.agreement_no)
    profile = house.profiles.by_locality(agreement["locality"])
    opening = await _may_open(house, body, agreement, profile)
    allowed = opening.require()
    unit = Unit()
    made = house.journal.entities.create(
        unit, "visit", visit_id, "opened", Act(act.actor, act.key, act.exchange_id, profile.version),
        hospital=body.fixmedins_code,
        columns={
            "agreement_id": agreement.id, "mdtrt_id": body.mdtrt_id, "psn_no": body.psn_no, "scene": body.scene,
        },
        data={
            "med_type": body.med_type, "insutype": body.insutype, "opened_in": act.exchange_id, "legs": [],
            "topups": [], "presettle_fen": 0, "over": False, "settlement": None, "paid": None, "reversed": [],
            "flags": ["HAS_ARREARS"] if allowed.has_arrears else [], "opening": kept(opening.reasons),
        },
    )  # fmt: skip
    house.journal.index(unit, "visit", visit_id, visit_id=visit_id, mdtrt_id=body.mdtrt_id, psn_no=body.psn_no)
    house.journal.explain(unit, act.exchange_id, visit_id, opening.reasons)
    try:
        await house.journal.commit(unit)
    except DuplicateKey:  # another request for the same visit was faster
        known = await house.journal.entities.get("visit", visit_id)
        if known is None:
            raise
        return known
    return made


async def _may_open(house: House, body: VisitBody, agreement: Entity, profile: LocalityProfile) -> Decision[Opening]:
    owner = agreement["psn_no"] == body.psn_no
    if not owner:
        _raise_unless(await _relative(house, body, agreement, profile))
    valid_to = agreement.get("valid_to")
    facts = VisitFacts(
        day=house.clock.now().date(),
        fixmedins_code=body.fixmedins_code,
        scene=body.scene,
        agreement_state=agreement.state,
        agreement_valid_to=None if valid_to is None else date.fromisoformat(valid_to),
        products=tuple(agreement["products"]),
        insuplc_admdvs=agreement["insuplc_admdvs"] if owner else "",
        arrears_fen=await people.arrears(house, body.psn_no, body.fixmedins_code),
    )
    return may_open(facts, profile)


def _raise_unless(decision: Decision[bool]) -> None:
    decision.require()


async def _relative(house: House, body: VisitBody, agreement: Entity, profile: LocalityProfile) -> Decision[bool]:
    """A person other than the owner uses the line as the relative the application named, or not at all (R-085)."""
    rows: Iterable[Mapping[str, Any]] = agreement.get("beneficiaries", ())
    named = next((row for row in rows if row["psn_no"] == body.psn_no), {"relation": "", "proof_id": ""})
    facts = RelativeFacts(
        relation=named["relation"],
        proof_id=named["proof_id"],
        guardian_consent=await _guardian_consents(house, body.psn_no, agreement),
        owner_dishonest=await people.marked(house, agreement["psn_no"]),
    )
    return may_use_as_relative(facts, profile)


async def _guardian_consents(house: House, psn_no: str, agreement: Entity) -> bool:
    """A guardian has signed in the relative's own consent or in the one the agreement rests on."""
    own = await house.journal.entities.find("authorisation", "psn_no = :psn AND state = 'ACTIVE'", psn=psn_no)
    base = await house.journal.entities.get("authorisation", agreement["auth_id"])
    return any(found["guardian"] is not None for found in (*own, *((base,) if base is not None else ())))


async def show(house: House, exchange: Exchange | None, call: ApiCall) -> ApiReply:
    """The visit with legs, holds, charges and money (R-012)."""
    case = await own_case(house, call.path["visit_id"], call.caller, exchange)
    return ApiReply(await visit_view(case, call.caller))


# -- legs -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Judged:
    """What the rules said about a leg, and the visit after it."""

    leg: Mapping[str, Any]
    decision: Decision[LegDecision]
    avail_fen: int


async def leg(house: House, exchange: Exchange | None, call: ApiCall) -> ApiReply:
    """Let a patient go on or say what is missing; the estimate that fits is reserved at once (R-013, R-046)."""
    assert exchange is not None
    case = await own_case(house, call.path["visit_id"], call.caller, exchange)
    body: LegBody = call.body

    async def step() -> Case:
        fresh = await load(house, case.visit.id, case.act)
        known = _leg_of(fresh.visit, body.leg_no)
        if known is None or known["in"] != exchange.exchange_id:
            await _judge_leg(fresh, body)
        return await load(house, case.visit.id, case.act)

    case = await _insist(step)
    row = _leg_of(case.visit, body.leg_no)
    assert row is not None
    money, line = figures(case.visit, await case.holds(), await case.charges()), await case.line()
    answer = {
        "visit_id": case.visit.id,
        "leg_no": body.leg_no,
        "decision": "go" if row["go"] else "over_limit",
        "excess_amt": format_yuan(row["excess_fen"]),
        "held_amt": format_yuan(money.held_fen),
        "avail_amt": format_yuan(line.avail_fen),
        "state": case.visit.state,
    }
    return ApiReply(answer, 200, tuple(Reason(**why) for why in row["reasons"]))


async def _insist(step: Any) -> Case:
    """Again after a lost race; a line that shrank between reading and writing is looked at anew."""
    for _ in range(RACES):
        try:
            found: Case = await again_when_lost(step)
        except NoRoom:
            continue
        return found
    raise Refusal("IN_PROGRESS", "额度正被占用，请稍后重试")


async def _judge_leg(case: Case, body: LegBody) -> None:
    _may_go_on(case, "leg")
    before = await reserving.facts(case, body.leg_no)
    decision = decide_leg(before, body.self_pay_estimate)
    judged = decision.require()
    row = {
        "leg_no": body.leg_no,
        "kind": body.kind,
        "medfee_fen": body.medfee_sumamt,
        "estimate_fen": body.self_pay_estimate,
        "in": case.act.exchange_id,
        **_verdict(decision),
    }
    await _keep(case, judged, decision, {"legs": _with(case.visit["legs"], "leg_no", row)}, body.leg_no)


def _verdict(decision: Decision[LegDecision]) -> dict[str, Any]:
    judged = decision.require()
    return {"go": judged.decision == "go", "excess_fen": judged.excess_fen, "reasons": kept(decision.reasons)}


def _may_go_on(case: Case, event: str) -> None:
    """New holds need a going visit and an active agreement (D.2, AMB-30). Raises Refusal."""
    if case.visit.state not in _GOING:
        state = case.visit.state
        raise Refusal("ILLEGAL_STATE", f"visit: {state} / {event}", state=state, event=event)
    if case.agreement.state != "ACTIVE":
        raise Refusal("AGREEMENT_NOT_ACTIVE", f"agreement: {case.agreement.state}")


async def _keep(
    case: Case, judged: LegDecision, decision: Decision[LegDecision], data: dict[str, Any], leg_no: str
) -> None:
    """Make a decision durable: the visit's row, the reservation and, once per crossing, the reminder."""
    journal = case.house.journal
    unit = Unit()
    event = "leg" if judged.decision == "go" else "over_limit"
    journal.entities.move(unit, case.visit, event, case.act, data={**data, "over": judged.after.over})
    if judged.decision == "go":
        await reserving.resize(case, unit, judged.hold_fen)
    journal.explain(unit, case.act.exchange_id, case.visit.id, decision.reasons)
    if judged.remind:
        told = {
            "leg_no": leg_no,
            "excess_amt": format_yuan(judged.excess_fen),
            "avail_amt": format_yuan(judged.after.avail_fen),
        }
        enqueue(unit, case.house, case.visit.hospital, CallbackType.VISIT_OVER_LIMIT, case.visit.id, told)
    await journal.commit(unit)


async def presettled(case: Case, cash_fen: int) -> None:
    """A relayed 2206 or 2303: its psn_cash_pay may raise the reservation (D.2); other states are left alone."""

    async def step() -> Case:
        fresh = await load(case.house, case.visit.id, case.act)
        if fresh.visit.state in _GOING and fresh.agreement.state == "ACTIVE":
            decision = decide_presettle(await reserving.facts(fresh), cash_fen)
            judged = decision.require()
            go = judged.decision == "go"
            changed = {"presettle_fen": cash_fen} if go else {}
            if not go or cash_fen != fresh.visit["presettle_fen"]:
                await _keep(fresh, judged, decision, changed, "")
        return fresh

    await _insist(step)


# -- top-ups --------------------------------------------------------------------------------------------------------


async def topup(house: House, exchange: Exchange | None, call: ApiCall) -> ApiReply:
    """Note what the patient paid by other means; a leg that was over the limit may go on with it (R-014)."""
    case = await own_case(house, call.path["visit_id"], call.caller, exchange)
    body: TopupBody = call.body

    async def step() -> Case:
        fresh = await load(house, case.visit.id, case.act)
        known = next((row for row in fresh.visit["topups"] if row["topup_no"] == body.topup_no), None)
        if known is None:
            await _take_topup(fresh, body)
        elif known["amount_fen"] != body.amount:
            raise Refusal("INVALID_AMOUNT", "同一补缴编号金额不一致", field="amount")
        return fresh

    return await visit_reply(await _insist(step), call.caller)


async def _take_topup(case: Case, body: TopupBody) -> None:
    row = {
        "topup_no": body.topup_no,
        "leg_no": body.leg_no,
        "amount_fen": body.amount,
        "channel": body.channel,
        "channel_serial": body.channel_serial,
    }
    data = {"topups": [*case.visit["topups"], row]}
    if case.visit.state == "CHARGE_FAILED":
        await _topup_after_settlement(case, body, data)
        return
    over = _leg_of(case.visit, body.leg_no or "")
    if body.leg_no and over is None:
        raise Refusal("NOT_FOUND", "未找到该环节", field="leg_no")
    estimate = 0 if over is None or over["go"] else over["estimate_fen"]
    decision = decide_topup(await reserving.facts(case), estimate, body.amount)
    judged = decision.require()
    if over is not None and not over["go"]:
        data["legs"] = _with(case.visit["legs"], "leg_no", {**over, **_verdict(decision)})
    unit = Unit()
    after = judged.after.over if estimate else case.visit["over"]
    case.house.journal.entities.move(unit, case.visit, "topup", case.act, data={**data, "over": after})
    if judged.decision == "go":
        await reserving.resize(case, unit, judged.hold_fen)
    case.house.journal.explain(unit, case.act.exchange_id, case.visit.id, decision.reasons)
    await case.house.journal.commit(unit)


async def _topup_after_settlement(case: Case, body: TopupBody, data: dict[str, Any]) -> None:
    """The rest of a settled bill, or part of it: no more than is still to be paid (V1)."""
    remaining = figures(case.visit, (), await case.charges()).remaining_fen
    if body.amount > remaining:
        raise Refusal("INVALID_AMOUNT", f"尚需支付 {format_yuan(remaining)} 元", field="amount")
    unit = Unit()
    case.house.journal.entities.move(unit, case.visit, "topup", case.act, data=data)
    await case.house.journal.commit(unit)


def _leg_of(visit: Entity, leg_no: str) -> Mapping[str, Any] | None:
    found: Mapping[str, Any] | None = next((row for row in visit["legs"] if row["leg_no"] == leg_no), None)
    return found


def _with(rows: list[dict[str, Any]], key: str, new: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows with one put in the place of its namesake, or at the end."""
    if any(row[key] == new[key] for row in rows):
        return [new if row[key] == new[key] else row for row in rows]
    return [*rows, new]
