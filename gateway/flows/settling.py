"""Insurance settlements and their cancellations (state-machines G, D.5; national interface 6.2).

A settlement is sent at most once and reversed when its outcome is unknown; a cancellation should stand and is sent
again. Used by the relay and by `/v1` alike; what the bank has to do afterwards is the credit flows' business.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from gateway.delivery.delivery import Order
from gateway.flows import signing_in
from gateway.flows.house import House
from gateway.flows.payout.leaving import on_claim_changed
from gateway.journal.entities import Act, Entity
from gateway.journal.store import DuplicateKey, Unit
from gateway.model.clock import from_micros, to_micros
from gateway.model.ids import settlement_key
from gateway.model.insurance import CANCEL, NationalMessage, NationalReply, Settlement
from gateway.model.refusals import Refusal
from gateway.model.verdict import Accepted, Done, NotSent, Refused, Unknown, Verdict

ALREADY_DONE = frozenset({"ALREADY_CANCELLED"})
NOT_SENT = "NOT_SENT"


@dataclass(frozen=True, slots=True)
class Settled:
    """The platform settled or cancelled; ``claim`` is ACCEPTED in the journal."""

    claim: Entity
    settlement: Settlement
    reply: NationalReply | None


@dataclass(frozen=True, slots=True)
class Declined:
    """The platform refused, nothing happened; ``reply`` is what it said."""

    claim: Entity
    code: str
    reply: NationalReply | None


@dataclass(frozen=True, slots=True)
class Unsent:
    """Nothing reached the platform."""

    claim: Entity
    reason: str


@dataclass(frozen=True, slots=True)
class Reversed:
    """The outcome was unknown and the message has been reversed for certain (SETTLEMENT_REVERSED from then on)."""

    claim: Entity


@dataclass(frozen=True, slots=True)
class Pending:
    """The outcome is still unknown; the continuation goes on when it is known."""

    claim: Entity
    operation_id: str


Outcome = Settled | Declined | Unsent | Reversed | Pending


async def settle(house: House, message: NationalMessage, act: Act, continuation: str, patience: float) -> Outcome:
    """Settle (2207, 2304, 2102) under the message's msgid.

    ``patience``: real seconds to wait for certainty after an unknown outcome. Raises Refusal IN_PROGRESS while another
    money message of the same visit is undecided.
    """
    await _no_other_undecided(house, message)
    return await _send(house, message, act, continuation, patience)


async def cancel(house: House, message: NationalMessage, act: Act, continuation: str, patience: float) -> Outcome:
    """Cancel (2208, 2305, 2103) the settlement that ``message.setl_id`` names; the original row stays, CANCELLED."""
    outcome = await _send(house, message, act, continuation, patience)
    if isinstance(outcome, Settled):
        await _mark_cancelled(house, message, act)
    return outcome


async def original_of(house: House, message: NationalMessage) -> Entity | None:
    """The claim a cancellation is about."""
    hospital = house.hospital(message.fixmedins_code)
    key = settlement_key(hospital.pool_area, hospital.code, message.setl_id)
    return await house.journal.entities.first("claim", "settlement_key = :key", key=key)


def claim_id(message: NationalMessage) -> str:
    """An insurance record is known by who sent it under which msgid."""
    return f"{message.fixmedins_code}|{message.msgid}"


async def _send(house: House, message: NationalMessage, act: Act, continuation: str, patience: float) -> Outcome:
    claim, unit = await _relayed(house, message, act)
    order = Order(
        house.insurance, message.infno, claim.id, message, act.exchange_id, message.mdtrt_id or message.msgid,
        message.fixmedins_code, continuation=continuation, with_attempt=unit,
    )  # fmt: skip
    verdict: Verdict[NationalReply] = await signing_in.send(house, order)
    if isinstance(verdict, Unknown | Accepted):
        verdict = await _find_out(house, order, claim, act, patience)
    stored = await house.journal.entities.get("claim", claim.id)
    if stored is None:  # nothing was journalled, so nothing left
        return Unsent(claim, verdict.reason if isinstance(verdict, NotSent) else "not journalled")
    return await _conclude(house, message, stored, verdict, act)


async def _relayed(house: House, message: NationalMessage, act: Act) -> tuple[Entity, Unit]:
    """The claim of this message, SENT; a new one becomes durable together with the attempt."""
    unit = Unit()
    known = await house.journal.entities.get("claim", claim_id(message))
    if known is not None:
        if known.state == "REJECTED" and known.get("code") == NOT_SENT:  # now it is sent for the first time
            known = house.journal.entities.move(unit, known, "relayed", act)
        return known, unit
    hospital = house.hospital(message.fixmedins_code)
    fresh = house.journal.entities.create(
        unit, "claim", claim_id(message), "relayed", act,
        hospital=hospital.code,
        columns={
            "msgid": message.msgid, "infno": message.infno, "pool_area": hospital.pool_area,
            "mdtrt_id": message.mdtrt_id, "psn_no": message.psn_no, "refund": int(message.infno in CANCEL),
            "refund_of": message.setl_id if message.infno in CANCEL else "",
        },
        data={"insuplc_admdvs": message.insuplc_admdvs},
    )  # fmt: skip
    house.journal.index(unit, "claim", fresh.id, msgid=message.msgid, mdtrt_id=message.mdtrt_id)
    return fresh, unit


async def _find_out(house: House, order: Order, claim: Entity, act: Act, patience: float) -> Verdict[NationalReply]:
    """After an unknown outcome: the record says so, the first question leaves at once, then the plan goes on."""
    fresh = await house.journal.entities.get("claim", claim.id)
    if fresh is not None and fresh.state == "SENT":
        unit = Unit()
        house.journal.entities.move(unit, fresh, "unknown", act)
        await house.journal.commit(unit)
    op = await signing_in.sent_as(house, order.operation, order.key)
    if op is None:
        return Unknown("not journalled")
    if op.questions == 0 and op.state in ("UNKNOWN", "ACCEPTED"):
        await house.asker.ask(op)
    op = await house.delivery.wait_settled(op.operation_id, patience) or op
    verdict = await house.delivery.journalled(op)
    return verdict if verdict is not None else Unknown(op.reason)


async def _conclude(
    house: House, message: NationalMessage, claim: Entity, verdict: Verdict[NationalReply], act: Act
) -> Outcome:
    match verdict:
        case Done(reply):
            return await _accepted(house, message, claim, reply, act)
        case Refused(code, _, reply):
            if message.infno in CANCEL and code in ALREADY_DONE:
                return await _accepted(house, message, claim, None, act)
            if claim.state in ("UNKNOWN", "RECON_PENDING", "REVERSED") and code in ("SETTLEMENT_REVERSED", "NOT_FOUND"):
                return Reversed(await _move(house, claim, "reversed", act, code))
            return Declined(await _move(house, claim, "refused", act, code), code, reply)
        case NotSent(reason):
            return Unsent(await _move(house, claim, "not_sent", act, NOT_SENT), reason)
    op = await signing_in.sent_as(house, message.infno, claim.id)
    return Pending(claim, "" if op is None else op.operation_id)


async def _move(house: House, claim: Entity, event: str, act: Act, code: str) -> Entity:
    """Move unless a former run of the same flow has."""
    if claim.state in ("REVERSED", "REJECTED", "ACCEPTED"):
        return claim
    unit = Unit()
    moved = house.journal.entities.move(unit, claim, event, act, data={"code": code})
    await house.journal.commit(unit)
    return moved


async def _accepted(
    house: House, message: NationalMessage, claim: Entity, reply: NationalReply | None, act: Act
) -> Outcome:
    settlement = None if reply is None else reply.settlement
    if settlement is None:
        settlement = await _negated(house, message, claim)
    if settlement is None:
        raise Refusal("MALFORMED", "settlement without setlinfo")
    if claim.state not in ("SENT", "UNKNOWN", "RECON_PENDING"):
        return Settled(claim, settlement, reply)
    return Settled(await _book(house, message, claim, settlement, act), settlement, reply)


async def _book(house: House, message: NationalMessage, claim: Entity, settlement: Settlement, act: Act) -> Entity:
    """Enter the settlement. U1: the key is unique; a contradiction (U2) holds both records out of every payout."""
    event = "accepted" if claim.state == "SENT" else "found"
    hospital = house.hospital(message.fixmedins_code)
    key = settlement_key(hospital.pool_area, hospital.code, settlement.setl_id)
    own_key = key if settlement.setl_id != message.setl_id else None  # a refund under the original's id has no key
    unit = Unit()
    columns = {**columns_of(claim, settlement), "settlement_key": own_key}
    booked = house.journal.entities.move(unit, claim, event, act, columns=columns, data=kept_of(settlement))
    house.journal.index(unit, "claim", claim.id, setl_id=settlement.setl_id)
    try:
        await house.journal.commit(unit)
    except DuplicateKey:
        return await _contradicted(house, claim, event, columns, settlement, act)
    return booked


async def _contradicted(
    house: House, claim: Entity, event: str, columns: dict[str, Any], settlement: Settlement, act: Act
) -> Entity:
    first = await house.journal.entities.first("claim", "settlement_key = :key", key=columns["settlement_key"])
    unit = Unit()
    held_out = None
    differs = first is not None and first["digest"] != columns["digest"]
    booked = house.journal.entities.move(
        unit, claim, event, act, columns={**columns, "settlement_key": None, "conflict": int(differs)},
        data={**kept_of(settlement), "same_as": "" if first is None else first.id},
    )  # fmt: skip
    if first is not None and differs:
        held_out = house.journal.entities.move(unit, first, "contradicted", act, columns={"conflict": 1})
        await house.journal.raise_task(
            unit, "SETTLEMENT_CONFLICT", first.id, act, suggested="claim.compare", hospital=claim.hospital
        )
    await house.journal.commit(unit)
    if held_out is not None:
        await on_claim_changed(house, held_out, act)
    return booked


def columns_of(claim: Entity, settlement: Settlement) -> dict[str, Any]:
    """What a claim keeps of its settlement, searchable; amounts in fen, a refund's negative."""
    sign = -1 if claim["refund"] and settlement.fen("medfee_sumamt") > 0 else 1  # refund signs differ by province
    return {
        "setl_id": settlement.setl_id, "mdtrt_id": settlement.mdtrt_id, "psn_no": settlement.psn_no,
        "insutype": settlement.insutype, "med_type": settlement.med_type, "clr_type": settlement.clr_type,
        "clr_optins": settlement.clr_optins, "setl_date": settlement.setl_date.isoformat(),
        "setl_time": to_micros(settlement.setl_time), "medfee_fen": sign * settlement.fen("medfee_sumamt"),
        "fund_fen": sign * settlement.fen("fund_pay_sumamt"), "acct_fen": sign * settlement.fen("acct_pay"),
        "cash_fen": sign * settlement.fen("psn_cash_pay"), "digest": digest(settlement),
    }  # fmt: skip


def kept_of(settlement: Settlement) -> dict[str, Any]:
    return {"amounts": dict(settlement.amounts), "clr_way": settlement.clr_way}


def digest(settlement: Settlement) -> str:
    """What a repetition of a settlement must agree in (U1)."""
    base: Mapping[str, int] = {
        name: settlement.fen(name) for name in ("medfee_sumamt", "fund_pay_sumamt", "hifp_pay", "hifob_pay")
    }
    parts = [settlement.psn_no, settlement.insutype, settlement.med_type, to_micros(settlement.setl_time), base]
    return hashlib.sha256(orjson.dumps(parts, option=orjson.OPT_SORT_KEYS)).hexdigest()


async def _negated(house: House, message: NationalMessage, claim: Entity) -> Settlement | None:
    """A cancellation known to stand whose answer was lost: the original's amounts turned, as of its sending."""
    original = await original_of(house, message)
    if original is None:
        return None
    return Settlement(
        setl_id=message.setl_id, mdtrt_id=original["mdtrt_id"], psn_no=original["psn_no"],
        insutype=original["insutype"], med_type=original["med_type"], clr_type=original["clr_type"],
        clr_optins=original["clr_optins"], setl_time=from_micros(claim.created_at), medins_setl_id=message.msgid,
        amounts={name: -fen for name, fen in original.get("amounts", {}).items()},
    )  # fmt: skip


async def _mark_cancelled(house: House, message: NationalMessage, act: Act) -> None:
    original = await original_of(house, message)
    if original is None or original.state == "CANCELLED":
        return
    unit = Unit()
    gone = house.journal.entities.move(unit, original, "cancelled", act, data={"cancelled_by": message.msgid})
    await house.journal.commit(unit)
    await on_claim_changed(house, gone, act)


async def _no_other_undecided(house: House, message: NationalMessage) -> None:
    """Further money messages of a visit are held until the first one is decided (national interface 6.2)."""
    if not message.mdtrt_id:
        return
    other = await house.journal.entities.first(
        "claim",
        "hospital = :hospital AND mdtrt_id = :mdtrt AND state IN ('SENT', 'UNKNOWN', 'RECON_PENDING') AND id <> :own",
        hospital=message.fixmedins_code, mdtrt=message.mdtrt_id, own=claim_id(message),
    )  # fmt: skip
    if other is not None:
        raise Refusal("IN_PROGRESS", f"msgid {other['msgid']}: {other.state}", state=other.state)
