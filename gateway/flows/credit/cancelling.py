"""Cancelling a settled visit: the insurance first, then everything that was charged goes back (D.2, D.3).

A refused cancellation leaves the visit as it was. Once the insurance is cancelled the refund stands: it is pursued
until the bank has said what became of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

from gateway.flows import settling
from gateway.flows.api import ApiCall, ApiReply, Caller
from gateway.flows.credit.basis import Case, act_of, again_when_lost, load, own_case
from gateway.flows.credit.pursuit import pursue
from gateway.flows.credit.replies import visit_reply
from gateway.flows.credit.settlements import own_message
from gateway.flows.house import House
from gateway.flows.settling import Declined, Pending, Settled, Unsent
from gateway.journal.entities import Entity
from gateway.journal.exchanges import Exchange
from gateway.journal.store import Unit
from gateway.model import exact_json
from gateway.model.refusals import Refusal, dictionary

PATIENCE: Final = 15.0
INFNO: Final = {"2207": "2208", "2207A": "2208", "2304": "2305", "2304A": "2305"}
_BACK: Final = {
    "SETTLED": "cancel_refused_settled",
    "CHARGE_FAILED": "cancel_refused_failed",
    "CLOSED_OTHER": "cancel_refused_closed",
    "ARREARS": "cancel_refused_arrears",
}


async def begin(case: Case, exchange_id: str, more: Mapping[str, Any]) -> Case:
    """→ REVERSING for this exchange; a second run changes nothing.

    Raises Refusal ORIGINAL_UNKNOWN while a charge's outcome is open, ILLEGAL_STATE where there is nothing to cancel.
    """

    async def step() -> Case:
        fresh = await load(case.house, case.visit.id, case.act)
        visit = fresh.visit
        if begun(visit, exchange_id):
            return fresh
        _may_cancel(visit)
        unit = Unit()
        cancel = {
            "in": exchange_id, "round": exchange_id, "from": visit.state, "setl_id": visit["settlement"]["setl_id"],
            **more,
        }  # fmt: skip
        fresh.house.journal.entities.move(unit, visit, "cancel", fresh.act, data={"cancel": cancel})
        await fresh.house.journal.commit(unit)
        return await load(fresh.house, visit.id, fresh.act)

    return await again_when_lost(step)


def _may_cancel(visit: Entity) -> None:
    if visit.state == "CHARGE_PENDING":
        raise Refusal("ORIGINAL_UNKNOWN", "扣款结果未明，请待银行确认后再撤销", state=visit.state)
    if visit.state == "REVERSING":
        raise Refusal("IN_PROGRESS", "该就诊正在撤销", state=visit.state)
    if visit.state not in _BACK or visit["settlement"] is None or visit.get("closing"):
        raise Refusal("ILLEGAL_STATE", f"visit: {visit.state} / cancel", state=visit.state, event="cancel")


def begun(visit: Entity, exchange_id: str) -> bool:
    """Whether this exchange is cancelling the visit or has done so."""
    return exchange_id in ((visit.get("cancel") or {}).get("in"), *(row["in"] for row in visit["reversed"]))


async def uninsured(case: Case, exchange_id: str) -> Case:
    """The insurance is cancelled: the refund may begin."""
    return await _note(case, exchange_id, "uninsured", {"uninsured": True})


async def declined(case: Case, exchange_id: str) -> Case:
    """The insurance would not cancel or was not reached: the visit is what it was."""

    async def step() -> Case:
        fresh = await load(case.house, case.visit.id, case.act)
        cancel = fresh.visit.get("cancel") or {}
        if fresh.visit.state != "REVERSING" or cancel.get("in") != exchange_id or cancel.get("uninsured"):
            return fresh
        unit = Unit()
        fresh.house.journal.entities.move(unit, fresh.visit, _BACK[cancel["from"]], fresh.act)
        await fresh.house.journal.commit(unit)
        return await load(fresh.house, fresh.visit.id, fresh.act)

    return await again_when_lost(step)


async def _note(case: Case, exchange_id: str, event: str, more: Mapping[str, Any]) -> Case:
    async def step() -> Case:
        fresh = await load(case.house, case.visit.id, case.act)
        cancel = fresh.visit.get("cancel") or {}
        done = all(cancel.get(name) == value for name, value in more.items())
        if fresh.visit.state != "REVERSING" or cancel.get("in") != exchange_id or done:
            return fresh
        unit = Unit()
        fresh.house.journal.entities.move(unit, fresh.visit, event, fresh.act, data={"cancel": {**cancel, **more}})
        await fresh.house.journal.commit(unit)
        return await load(fresh.house, fresh.visit.id, fresh.act)

    return await again_when_lost(step)


# -- /v1 ------------------------------------------------------------------------------------------------------------


async def cancel(house: House, exchange: Exchange | None, call: ApiCall) -> ApiReply:
    """Cancel the live settlement and give back what was charged. A refund the bank refused is tried anew."""
    assert exchange is not None
    case = await own_case(house, call.path["visit_id"], call.caller, exchange)
    if await _stuck(case, exchange.exchange_id):
        case = await _new_round(case, exchange.exchange_id)
    else:
        more = {"via": "v1", "reason": call.body.reason}
        case = await begin(case, exchange.exchange_id, more)
        business = case.visit.get("cancel") or {}
        if business.get("in") == exchange.exchange_id and not business.get("uninsured"):
            case = await _uninsure(case, exchange.exchange_id)
    case = await pursue(house, case.visit.id, case.act)
    return await visit_reply(case, call.caller)


async def _stuck(case: Case, exchange_id: str) -> bool:
    """Whether the insurance is cancelled and the bank has refused a refund, seen from another exchange."""
    business = case.visit.get("cancel") or {}
    if case.visit.state != "REVERSING" or not business.get("uninsured") or business["in"] == exchange_id:
        return False
    refunds = [charge for charge in await case.charges() if charge["round"] == f"cancel:{business['round']}"]
    return any(refund.state in ("REJECTED", "NOT_RECEIVED") for refund in refunds)


async def _new_round(case: Case, exchange_id: str) -> Case:
    return await _note(case, case.visit["cancel"]["in"], "uninsured", {"round": exchange_id})


async def _uninsure(case: Case, exchange_id: str) -> Case:
    """Send 2208 or 2305. Raises Refusal when nothing changed; returns the case while nothing is certain."""
    settlement, visit = case.visit["settlement"], case.visit
    infno = INFNO[settlement["infno"]]
    data = {"setl_id": settlement["setl_id"], "mdtrt_id": visit["mdtrt_id"], "psn_no": visit["psn_no"]}
    message = await own_message(case, infno, {"data": data}, exchange_id)
    outcome = await settling.cancel(case.house, message, case.act, f"visit:{visit.id}", PATIENCE)
    match outcome:
        case Settled():
            return await uninsured(case, exchange_id)
        case Pending():
            return case
    await declined(case, exchange_id)
    if isinstance(outcome, Declined):
        said = "" if outcome.reply is None else outcome.reply.err_msg
        code = outcome.code if outcome.code in dictionary() else "ILLEGAL_STATE"
        raise Refusal(code, said, platform_code=outcome.code)
    if isinstance(outcome, Unsent):
        raise Refusal("PLATFORM_UNAVAILABLE", infno)
    raise Refusal("SETTLEMENT_REVERSED", infno)


async def go_on(house: House, case: Case) -> None:
    """The insurance's word on a cancellation of `/v1` is known."""
    exchange = await house.journal.exchanges.get(case.visit["cancel"]["in"])
    if exchange is None:
        return
    kept_call = exact_json.loads(await house.journal.exchanges.request(exchange))
    act = act_of(Caller.model_validate(kept_call["caller"]), exchange)
    case = await load(house, case.visit.id, act)
    with suppress(Refusal):  # the visit is what it was, and the same call again says why
        await _uninsure(case, exchange.exchange_id)
    await pursue(house, case.visit.id, act)
