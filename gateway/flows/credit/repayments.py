"""Repayments the bank tells of: each once, by the channel's serial, credited to the line as its scheme says (R-049)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gateway.flows.api import ApiCall, ApiReply
from gateway.flows.callbacks import enqueue
from gateway.flows.credit import signing
from gateway.flows.credit.basis import act_of, again_when_lost, agreement_by_number, credit_of
from gateway.flows.credit.requests import RepaymentBody, moment_of
from gateway.flows.credit.views import agreement_view
from gateway.flows.house import House
from gateway.handlers.line import used_after_repayment
from gateway.journal.entities import Act, Entity
from gateway.journal.exchanges import Exchange
from gateway.journal.store import Unit
from gateway.model.callback import CallbackType
from gateway.model.clock import to_micros
from gateway.model.ids import derive_number
from gateway.model.refusals import Refusal

WHY = "REPAYMENT"


@dataclass(frozen=True, slots=True)
class Repaid:
    """One repayment as the bank stated it, in fen."""

    channel: str
    channel_serial: str
    amount_fen: int
    paid_at: datetime


async def repay(house: House, exchange: Exchange | None, call: ApiCall) -> ApiReply:
    """A bank's repayment. Raises Refusal FORBIDDEN for an agreement at another bank."""
    assert exchange is not None
    body: RepaymentBody = call.body
    agreement = await agreement_by_number(house, body.agreement_no)
    if call.caller.bank and call.caller.bank != agreement["bank"]:
        raise Refusal("FORBIDDEN", field="agreement_no")
    what = Repaid(body.channel, body.channel_serial, body.amount, moment_of(body.paid_at))
    repayment_no = await take(house, agreement, what, act_of(call.caller, exchange))
    fresh = await agreement_by_number(house, agreement.id)
    view = await agreement_view(house, fresh, call.caller)
    return ApiReply({"repayment_no": repayment_no, **view})


async def take(house: House, agreement: Entity, what: Repaid, act: Act) -> str:
    """Enter a repayment, from whichever side it came; the same channel serial counts once. Returns its number.

    Raises Refusal INVALID_AMOUNT when the same serial comes with another amount.
    """
    repayment_no = derive_number("RP", agreement.id, what.channel_serial, length=26)

    async def step() -> None:
        known = await house.journal.store.row(
            "SELECT amount_fen FROM repayment WHERE repayment_no = :no", {"no": repayment_no}
        )
        if known is None:
            await _enter(house, agreement.id, repayment_no, what, act)
        elif known["amount_fen"] != what.amount_fen:
            raise Refusal("INVALID_AMOUNT", "同一渠道流水金额不一致", field="amount")

    await again_when_lost(step)
    await signing.settle_up(house, agreement.id, act)
    return repayment_no


async def _enter(house: House, agreement_id: str, repayment_no: str, what: Repaid, act: Act) -> None:
    """What exceeds the debt known here takes nothing more off the line; the bank keeps the person's balance."""
    agreement = await agreement_by_number(house, agreement_id)
    line = await house.journal.line(agreement_id)
    credit = credit_of(house.profiles.by_locality(agreement["locality"]))
    freed = line.used_fen - used_after_repayment(line.used_fen, what.amount_fen, revolving=credit.revolving)
    unit = Unit().insert(
        "repayment",
        {
            "repayment_no": repayment_no, "agreement_id": agreement_id, "channel": what.channel,
            "channel_serial": what.channel_serial, "amount_fen": what.amount_fen, "applied_fen": freed,
            "paid_at": to_micros(what.paid_at), "exchange_id": act.exchange_id,
        },
        guard="repayment is new",
    )  # fmt: skip
    if freed:
        house.journal.move_line(unit, agreement_id, repayment_no, WHY, act.exchange_id, used=-freed)
    house.journal.index(unit, "agreement", agreement_id, repayment_no=repayment_no, channel_serial=what.channel_serial)
    enqueue(unit, house, agreement.hospital, CallbackType.AGREEMENT_CHANGED, agreement_id, _told(agreement, what))
    await house.journal.commit(unit)


def _told(agreement: Entity, what: Repaid) -> dict[str, Any]:
    return {**signing.told(agreement), "event": WHY, "paid_at": what.paid_at.isoformat()}
