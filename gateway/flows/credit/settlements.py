"""A visit's insurance settlement, whoever sends it: the relay or `/v1` (D.2, D.3, R-015, R-048).

The insurance comes first and alone decides the amounts; the charge follows it and never holds it up (W5).
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

from gateway.flows import settling, signing_in
from gateway.flows.api import ApiCall, ApiReply, Caller
from gateway.flows.credit import reserving
from gateway.flows.credit.basis import Case, act_of, again_when_lost, kept, load, own_case, reasons_of
from gateway.flows.credit.pursuit import pursue
from gateway.flows.credit.replies import visit_reply
from gateway.flows.credit.requests import SettleBody
from gateway.flows.house import House
from gateway.flows.settling import Declined, Outcome, Pending, Reversed, Settled, Unsent
from gateway.handlers.base import Reason, load_handler
from gateway.handlers.charge import check_split
from gateway.handlers.funding import Bill
from gateway.journal.entities import Entity
from gateway.journal.exchanges import Exchange
from gateway.journal.store import Unit
from gateway.model import exact_json
from gateway.model.insurance import NationalMessage, Settlement
from gateway.model.money import InvalidAmount, format_yuan, parse_yuan
from gateway.model.refusals import Refusal

PATIENCE: Final = 15.0  # real seconds that /v1 waits for an insurance outcome to become certain
FROM: Final = frozenset({"OPEN", "HELD", "LAPSED", "HOLD_PENDING", "REVERSED"})


# -- moves both ways share ------------------------------------------------------------------------------------------


async def begin(case: Case, exchange_id: str, more: Mapping[str, Any]) -> Case:
    """→ SETTLING for this exchange; a second run changes nothing. Raises Refusal IN_PROGRESS or ILLEGAL_STATE."""

    async def step() -> Case:
        fresh = await load(case.house, case.visit.id, case.act)
        visit = fresh.visit
        if began(visit, exchange_id):
            return fresh
        if visit.state == "SETTLING":
            raise Refusal("IN_PROGRESS", "该就诊正在结算", state=visit.state)
        if visit.state not in FROM and not (visit.state == "CHARGE_FAILED" and more.get("insured")):
            raise Refusal("ILLEGAL_STATE", f"visit: {visit.state} / settle", state=visit.state, event="settle")
        if visit.get("leaving") or visit.get("closing"):
            raise Refusal("ILLEGAL_STATE", "该就诊正在结束", state=visit.state, event="settle")
        unit = Unit()
        settle = {"in": exchange_id, "from": visit.state, **more}
        fresh.house.journal.entities.move(unit, visit, "settle", fresh.act, data={"settle": settle})
        await fresh.house.journal.commit(unit)
        return await load(fresh.house, visit.id, fresh.act)

    return await again_when_lost(step)


def began(visit: Entity, exchange_id: str) -> bool:
    """Whether this exchange has settled the visit already, perhaps before a cancellation."""
    past = [row["settled_in"] for row in visit["reversed"]]
    return exchange_id in ((visit.get("settle") or {}).get("in"), *past)


async def insured(case: Case, exchange_id: str, settlement: Settlement) -> Case:
    """Keep the settlement's amounts; from here on the charge may be planned. Runs again without effect."""

    async def step() -> Case:
        fresh = await load(case.house, case.visit.id, case.act)
        settle = fresh.visit.get("settle") or {}
        if fresh.visit.state != "SETTLING" or settle.get("in") != exchange_id or settle.get("insured"):
            return fresh
        unit = Unit()
        data = _insured(fresh, settlement)
        fresh.house.journal.entities.move(unit, fresh.visit, "insured", fresh.act, data=data)
        fresh.house.journal.index(unit, "visit", fresh.visit.id, setl_id=settlement.setl_id)
        fresh.house.journal.explain(unit, fresh.act.exchange_id, fresh.visit.id, reasons_of(data["settle"]["reasons"]))
        await fresh.house.journal.commit(unit)
        return await load(fresh.house, fresh.visit.id, fresh.act)

    return await again_when_lost(step)


def _insured(case: Case, settlement: Settlement) -> dict[str, Any]:
    settle = case.visit["settle"]
    shares = load_handler("funding", case.credit.handlers.funding)
    funding = shares(Bill(settlement.amounts, {"CREDIT": settlement.fen("psn_cash_pay")}), case.profile)
    reasons: list[Reason] = list(funding.reasons)
    diff = None
    fault = ""
    if settle.get("his_total_fen") is not None:
        split = check_split(settle["his_total_fen"], settlement.amounts, case.profile)
        diff = split.value
        reasons += split.reasons
        fault = split.code or ""
    kept_settlement = {
        "setl_id": settlement.setl_id,
        "setl_time": settlement.setl_time.isoformat(),
        "msgid": settlement.medins_setl_id,
        "infno": settle["infno"],
        "bill_no": settle.get("bill_no", ""),
        "medfee_fen": settlement.fen("medfee_sumamt"),
        "fund_fen": settlement.fen("fund_pay_sumamt"),
        "acct_fen": settlement.fen("acct_pay"),
        "cash_fen": settlement.fen("psn_cash_pay"),
        "amounts": dict(settlement.amounts),
        "hosp_recon_diff_fen": diff,
    }
    settle = {**settle, "insured": True, "fault": fault, "reasons": kept(tuple(reasons))}
    return {"settlement": kept_settlement, "settle": settle}


async def not_insured(case: Case, exchange_id: str) -> Case:
    """The insurance said no, was not reached or was reversed: back to where it was, holds stay (D.2)."""

    async def step() -> Case:
        fresh = await load(case.house, case.visit.id, case.act)
        settle = fresh.visit.get("settle") or {}
        if fresh.visit.state != "SETTLING" or settle.get("in") != exchange_id or settle.get("insured"):
            return fresh
        unit = Unit()
        event = await _way_back(fresh, settle["from"])
        fresh.house.journal.entities.move(unit, fresh.visit, event, fresh.act)
        await fresh.house.journal.commit(unit)
        return await load(fresh.house, fresh.visit.id, fresh.act)

    return await again_when_lost(step)


async def _way_back(case: Case, origin: str) -> str:
    """Where a visit belongs by its deposits as they are now; one may have become known or have ended meanwhile."""
    if await case.holds("CREATED", "SUBMITTED", "UNKNOWN"):
        return "insurance_refused_pending"
    if origin == "LAPSED":
        return "insurance_refused_lapsed"
    if await reserving.deposits_held(case):
        return "insurance_refused_held"
    return "insurance_refused_lapsed" if origin == "HELD" else "insurance_refused"


# -- /v1 ------------------------------------------------------------------------------------------------------------


async def settle(house: House, exchange: Exchange | None, call: ApiCall) -> ApiReply:
    """Settle insurance and charge in one call; a visit whose charge failed is only charged again."""
    assert exchange is not None
    case = await own_case(house, call.path["visit_id"], call.caller, exchange)
    body: SettleBody = call.body
    if not began(case.visit, exchange.exchange_id):
        _same_total(body, case)
        again = case.visit.state == "CHARGE_FAILED" and case.visit["settlement"] is not None
        case = await begin(case, exchange.exchange_id, _business(body, case, again))
    business = case.visit.get("settle") or {}
    if business.get("in") == exchange.exchange_id and not business.get("insured"):
        case = await _insure(case, body, exchange.exchange_id)
    case = await pursue(house, case.visit.id, case.act)
    return await _reply(case, call.caller)


def _business(body: SettleBody, case: Case, again: bool) -> dict[str, Any]:
    """What the settlement is about; nothing of the national input, which may be medical."""
    business: dict[str, Any] = {
        "via": "v1",
        "infno": body.infno,
        "bill_no": body.his_bill_no,
        "his_total_fen": body.his_total_amt,
    }
    if again:
        split = check_split(body.his_total_amt, case.visit["settlement"]["amounts"], case.profile)
        business |= {"insured": True, "fault": split.code or "", "reasons": kept(split.reasons)}
    return business


def _same_total(body: SettleBody, case: Case) -> None:
    """A bill that does not tie to the fee it claims is refused before anything happens (R-048)."""
    data = body.input.get("data")
    claimed = data.get("medfee_sumamt") if isinstance(data, Mapping) else None
    if claimed is None:
        return
    try:
        fee = parse_yuan(str(claimed), field="medfee_sumamt")
    except InvalidAmount:
        return  # the platform is the judge of its own input
    if fee != body.his_total_amt:
        detail = f"院内账单与报文费用总额相差 {format_yuan(body.his_total_amt - fee)} 元"
        raise Refusal("SPLIT_MISMATCH", detail, field="his_total_amt", visit_id=case.visit.id)


async def _insure(case: Case, body: SettleBody, exchange_id: str) -> Case:
    """Send the settlement. Raises Refusal when nothing changed; returns the case SETTLING while nothing is certain."""
    message = await own_message(case, body.infno, body.input, exchange_id)
    outcome = await settling.settle(case.house, message, case.act, f"visit:{case.visit.id}", PATIENCE)
    return await _insurance_said(case, outcome, exchange_id)


async def _insurance_said(case: Case, outcome: Outcome, exchange_id: str) -> Case:
    match outcome:
        case Settled(_, settlement):
            return await insured(case, exchange_id, settlement)
        case Pending():
            return case
    await not_insured(case, exchange_id)
    match outcome:
        case Declined(_, code, reply):
            said = "" if reply is None else reply.err_msg
            raise Refusal("INVALID_FIELD", said, field="input", platform_code=code)
        case Unsent():
            raise Refusal("PLATFORM_UNAVAILABLE", message_of(case))
        case Reversed():
            raise Refusal("SETTLEMENT_REVERSED", message_of(case))
    return case


def message_of(case: Case) -> str:
    """The transaction a refusal is about."""
    return str((case.visit.get("settle") or {}).get("infno", ""))


async def own_message(case: Case, infno: str, national: Mapping[str, Any], exchange_id: str) -> NationalMessage:
    """The gateway's own message about a visit, under the msgid this exchange has been given."""
    data = national.get("data")
    fields: Mapping[str, Any] = data if isinstance(data, Mapping) else {}
    hospital = case.hospital
    owner = case.visit["psn_no"] == case.agreement["psn_no"]
    msgid = await case.house.own_msgid(f"{exchange_id}:{infno}", hospital.code)
    sent = await case.house.journal.operations.by_key(case.house.insurance, infno, f"{hospital.code}|{msgid}")
    if sent is not None:  # what went out once goes on as it went out
        return NationalMessage.model_validate_json(await case.house.journal.operations.request(sent))
    message = NationalMessage(
        infno=infno,
        msgid=msgid,
        fixmedins_code=hospital.code,
        fixmedins_name=hospital.name,
        insuplc_admdvs=case.agreement["insuplc_admdvs"] if owner else "",
        mdtrtarea_admvs=hospital.pool_area,
        psn_no=case.visit["psn_no"],
        mdtrt_id=case.visit["mdtrt_id"],
        setl_id=str(fields.get("setl_id", "")),
        chrg_bchno=str(fields.get("chrg_bchno", "")),
        input=national,
    )
    return await signing_in.completed(case.house, message, exchange_id)


async def go_on(house: House, case: Case) -> None:
    """The insurance's word on a settlement of `/v1` is known: what its caller was not told yet happens now."""
    exchange = await house.journal.exchanges.get(case.visit["settle"]["in"])
    if exchange is None:
        return
    kept_call = exact_json.loads(await house.journal.exchanges.request(exchange))
    body = SettleBody.model_validate(kept_call["body"])
    act = act_of(Caller.model_validate(kept_call["caller"]), exchange)
    case = await load(house, case.visit.id, act)
    with suppress(Refusal):  # the visit says so, and the same call again answers it
        await _insure(case, body, exchange.exchange_id)
    await pursue(house, case.visit.id, act)


async def _reply(case: Case, caller: Caller) -> ApiReply:
    reasons = reasons_of((case.visit.get("settle") or {}).get("reasons", []))
    if case.visit.state == "CHARGE_FAILED":
        detail = case.visit.get("fail_detail") or "扣款未成功"
        reasons += (Reason("charge.outcome", case.visit["fail_code"], detail, "D.2"),)
    return await visit_reply(case, caller, reasons)
