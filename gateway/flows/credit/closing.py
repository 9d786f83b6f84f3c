"""Visits that end without (further) charge: paid at the window, or not paid at all (D.2)."""

from __future__ import annotations

from gateway.flows.api import ApiCall, ApiReply
from gateway.flows.credit.basis import Case, again_when_lost, load, own_case
from gateway.flows.credit.figures import figures
from gateway.flows.credit.pursuit import pursue
from gateway.flows.credit.replies import visit_reply
from gateway.flows.credit.requests import CloseBody
from gateway.flows.house import House
from gateway.journal.exchanges import Exchange
from gateway.journal.store import Unit
from gateway.model.money import format_yuan
from gateway.model.refusals import Refusal


async def close(house: House, exchange: Exchange | None, call: ApiCall) -> ApiReply:
    """Note what was paid at the window.

    Before a settlement it ends the visit and its holds; after one it must be what is still to be paid (V1). While a
    charge is open it is only noted: should the bank have charged after all, that goes back.
    """
    assert exchange is not None
    case = await own_case(house, call.path["visit_id"], call.caller, exchange)
    body: CloseBody = call.body
    paid = {
        "amount_fen": body.paid_otherwise.amount,
        "channel": body.paid_otherwise.channel,
        "in": exchange.exchange_id,
    }

    async def step() -> None:
        fresh = await load(house, case.visit.id, case.act)
        if not _noted(fresh, exchange.exchange_id):
            await _note(fresh, paid)

    await again_when_lost(step)
    case = await pursue(house, case.visit.id, case.act)
    return await visit_reply(case, call.caller)


def _noted(case: Case, exchange_id: str) -> bool:
    rows = [case.visit.get(name) for name in ("paid", "paid_noted", "closing")]
    return any(row is not None and row["in"] == exchange_id for row in rows) or (
        case.visit.get("unpaid_in") == exchange_id
    )


async def _note(case: Case, paid: dict[str, object]) -> None:
    entities, visit = case.house.journal.entities, case.visit
    unit = Unit()
    match visit.state:
        case "CHARGE_PENDING":
            await _must_be_all(case, paid, visit.get("paid_noted") is None)
            entities.move(unit, visit, "paid_noted", case.act, data={"paid_noted": paid})
        case "CHARGE_FAILED" if not paid["amount_fen"]:
            entities.move(unit, visit, "left_unpaid", case.act, data={"unpaid_in": paid["in"]})
        case "CHARGE_FAILED":
            await _must_be_all(case, paid, not visit.get("closing"))
            entities.move(unit, visit, "closing", case.act, data={"closing": paid})
        case "ARREARS":
            await _must_be_all(case, paid, True)
            entities.move(unit, visit, "paid", case.act, data={"paid": paid, "fail_code": None})
        case "OPEN" | "HELD" | "LAPSED" if not visit.get("closing") and not visit.get("leaving"):
            entities.move(unit, visit, "closing", case.act, data={"closing": paid})
        case state:
            raise Refusal("ILLEGAL_STATE", f"visit: {state} / close", state=state, event="close")
    await case.house.journal.commit(unit)


async def _must_be_all(case: Case, paid: dict[str, object], first: bool) -> None:
    """The window takes the whole rest, once. Raises Refusal INVALID_AMOUNT naming what is still to be paid."""
    if not first:
        raise Refusal("ILLEGAL_STATE", "已登记其他方式付款", state=case.visit.state, event="close")
    remaining = figures(case.visit, (), await case.charges()).remaining_fen
    if paid["amount_fen"] != remaining:
        detail = f"尚需支付 {format_yuan(remaining)} 元"
        raise Refusal("INVALID_AMOUNT", detail, field="paid_otherwise.amount", remaining_amt=format_yuan(remaining))
