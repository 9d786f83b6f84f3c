"""What a bank tells by itself about agreements and debts (D.1, R-022, R-049). Money operations are not its business:
their notices settle the journalled operation, and its continuation goes on."""

from __future__ import annotations

from typing import Final

from gateway.delivery.delivery import Order
from gateway.flows.callbacks import enqueue
from gateway.flows.credit import repayments, signing
from gateway.flows.credit.basis import SYSTEM, agreement_by_number
from gateway.flows.credit.repayments import Repaid
from gateway.flows.house import House
from gateway.journal.entities import Act, Entity
from gateway.journal.store import Unit
from gateway.model.bank import AgreementReply, NotifyTransaction, QueryAgreement
from gateway.model.callback import CallbackType
from gateway.model.ids import derive_number
from gateway.model.money import format_yuan
from gateway.model.refusals import Refusal
from gateway.model.verdict import Done

EVENTS: Final = frozenset({"AGREEMENT", "REPAYMENT", "DEFAULT"})


async def take(house: House, bank: str, event: NotifyTransaction, exchange_id: str) -> bool:
    """Take an event of this bank; False when it is not about an agreement known here (it is stored and raised)."""
    act = Act(f"bank:{bank}", event.notify_no, exchange_id)
    try:
        agreement = await agreement_by_number(house, event.agreement_no)
    except Refusal:
        return False
    if agreement["bank"] != bank:
        return False
    match event.event_type:
        case "REPAYMENT":
            serial = event.channel_serial or event.bank_txn_no or event.notify_no
            channel = event.channel or "COUNTER"
            await repayments.take(house, agreement, Repaid(channel, serial, event.amount_fen, event.occurred_at), act)
        case "AGREEMENT":
            await _refresh(house, agreement, event, act)
        case "DEFAULT":
            await _defaulted(house, agreement, event, act)
        case _:
            return False
    return True


async def _refresh(house: House, agreement: Entity, event: NotifyTransaction, act: Act) -> None:
    """Ask the bank how the agreement stands now; a notice alone carries neither limit nor state.

    Raises Refusal BANK_UNAVAILABLE when it does not answer; the bank repeats its notice.
    """
    serial = derive_number("QA", event.notify_no, length=30)
    order = Order(
        agreement["bank"], "QueryAgreement", serial,
        QueryAgreement(serial=serial, agreement_no=agreement["agreement_no"]), act.exchange_id, agreement.id,
        agreement.hospital,
    )  # fmt: skip
    verdict = await house.delivery.deliver(order)
    if not isinstance(verdict, Done):
        raise Refusal("BANK_UNAVAILABLE", "QueryAgreement")
    await _apply(house, agreement, verdict.reply, act)


async def _apply(house: House, agreement: Entity, reply: AgreementReply, act: Act) -> None:
    """A new limit never exceeds the cap it was signed under and never forces a capture (D.1, I5)."""
    entities = house.journal.entities
    unit = Unit()
    moved = agreement
    if reply.agreement_status == "SUSP" and moved.state == "ACTIVE":
        moved = entities.move(unit, moved, "suspended", act)
    elif reply.agreement_status == "ACTV" and moved.state == "SUSPENDED":
        moved = entities.move(unit, moved, "resumed", act)
    elif reply.agreement_status in ("CANC", "EXPI") and moved.state in ("ACTIVE", "SUSPENDED"):
        moved = entities.move(unit, moved, "expired", act, data={"closing": "by_bank"})
    cap = agreement.get("limit_cap_fen")
    limit = reply.credit_limit_fen if cap is None else min(cap, reply.credit_limit_fen)
    if reply.agreement_status in ("ACTV", "SUSP") and limit != agreement["limit_fen"]:
        data = {"bank_offer_fen": reply.credit_limit_fen}
        moved = entities.move(unit, moved, "limit_changed", act, columns={"limit_fen": limit}, data=data)
    if moved is agreement:
        return
    enqueue(unit, house, moved.hospital, CallbackType.AGREEMENT_CHANGED, moved.id, signing.told(moved))
    await house.journal.commit(unit)
    await signing.settle_up(house, moved.id, act)


async def _defaulted(house: House, agreement: Entity, event: NotifyTransaction, act: Act) -> None:
    """The bank reported a default to the credit bureau: kept and told, no mark of our own follows from it (R-022)."""
    unit = Unit()
    house.journal.index(unit, "agreement", agreement.id, cb_ref=event.cb_ref)
    await house.journal.raise_task(
        unit, "BANK_DEFAULT", agreement.id, act, suggested="default.tell_patient", hospital=agreement.hospital
    )
    told = {**signing.told(agreement), "event": "DEFAULT", "amount": format_yuan(event.amount_fen)}
    enqueue(unit, house, agreement.hospital, CallbackType.AGREEMENT_CHANGED, agreement.id, told)
    house.journal.log_access(
        unit, agreement["psn_no"], SYSTEM, "BANK_DEFAULT", agreement["agreement_no"], event.notify_no
    )
    await house.journal.commit(unit)
