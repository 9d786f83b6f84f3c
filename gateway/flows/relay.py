"""The relay: what a HIS sends in the national envelope goes to the platform record by record.

A settlement that belongs to an open credit visit is charged after it, so that a HIS that knows nothing of credit pay
has it by its base URL alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from gateway.delivery.delivery import Order
from gateway.flows import mobile, signing_in
from gateway.flows.credit import hooks
from gateway.flows.house import House
from gateway.flows.lists import note_list
from gateway.flows.payout.leaving import on_claim_changed
from gateway.flows.recovering import DONE_BEFORE, answer_lost_before
from gateway.flows.runner import Ending, Reply
from gateway.flows.settling import Declined, Outcome, Pending, Reversed, Settled, Unsent, cancel, original_of, settle
from gateway.journal.entities import Act, Entity
from gateway.journal.exchanges import Exchange
from gateway.journal.store import Unit
from gateway.model.identities import differences
from gateway.model.insurance import (
    CANCEL,
    CREDIT_SETTLE,
    SETTLE,
    NationalAnswer,
    NationalMessage,
    NationalReply,
)
from gateway.model.mobile import MOBILE
from gateway.model.refusals import Refusal
from gateway.model.verdict import Done, NotSent, Refused, Unknown, Verdict

PATIENCE: Final = 15.0
_ESTIMATES: Final = frozenset({"2206", "2303", "2206A"})
_LISTS: Final = frozenset({"4101", "4101A"})
_LEAD_ON: Final = _ESTIMATES | _LISTS | {"9001", "2404", "2601"}  # something follows their success


async def national(house: House, exchange: Exchange, body: bytes) -> Reply:
    """The flow of every national message. ``body`` is the canonical message."""
    message = NationalMessage.model_validate_json(body)
    house.hospital(message.fixmedins_code)
    act = Act(f"hospital:{message.fixmedins_code}", message.msgid, exchange.exchange_id)
    if message.infno in MOBILE:
        return await mobile.relay(house, exchange, message, act)
    if message.infno == "2601":
        return await _reversal(house, exchange, message, act)
    message = await signing_in.completed(house, message, exchange.exchange_id)
    if message.infno in SETTLE:
        return await _settlement(house, exchange, message, act)
    if message.infno in CANCEL:
        return await _cancellation(house, exchange, message, act)
    return await _plain(house, exchange, message, act)


def refused(exchange: Exchange, refusal: Refusal) -> Reply:
    """Our own refusal; nothing happened, so what can be repaired may come again under the same msgid."""
    answer = NationalAnswer(
        refusal=refusal.code, detail=refusal.detail, field=refusal.field or "", exchange_id=exchange.exchange_id
    )
    return Reply(200, answer.model_dump_json().encode(), refusal.code, Ending.RELEASED)


async def _plain(house: House, exchange: Exchange, message: NationalMessage, act: Act) -> Reply:
    """Queries, registrations, fees: relayed under their declared guarantee."""
    subject = message.mdtrt_id or message.psn_no or message.msgid
    closing = _Closing(house, exchange, message.infno)
    order = Order(
        house.insurance, message.infno, f"{message.fixmedins_code}|{message.msgid}", message, exchange.exchange_id,
        subject, message.fixmedins_code, continuation=f"exchange:{exchange.exchange_id}", also=closing,
    )  # fmt: skip
    verdict: Verdict[NationalReply] = await signing_in.send(house, order)
    if closing.reply is not None:
        return replace(closing.reply, ending=Ending.CLOSED)
    match verdict:
        case Done(reply):
            await _after_plain(house, exchange, message, reply)
            return _platform(reply)
        case Refused(code, _, reply) if reply is not None:
            if message.infno in _LISTS and code in DONE_BEFORE:
                await note_list(house, message, Act(f"hospital:{message.fixmedins_code}", message.msgid))
            lost = await answer_lost_before(house, message, act, code)
            return _platform(reply) if lost is None else Reply(200, lost.model_dump_json().encode(), "recovered")
        case Refused(code):
            raise Refusal(code)
        case NotSent():
            return refused(exchange, Refusal("PLATFORM_UNAVAILABLE"))
    declared = house.delivery.counterparts[house.insurance].declared(message.infno)
    if isinstance(verdict, Unknown) and declared.guarantee == "query":
        return refused(exchange, Refusal("PLATFORM_UNAVAILABLE", verdict.reason))
    return Reply(200, b"", "PENDING", Ending.WAITING)


class _Closing:
    """Closes the exchange in the commit of the platform's word, where nothing else has to be done after it."""

    def __init__(self, house: House, exchange: Exchange, infno: str) -> None:
        self._house, self._exchange = house, exchange
        self._at_once = infno not in _LEAD_ON
        self.reply: Reply | None = None

    def __call__(self, verdict: Verdict[NationalReply]) -> Unit | None:
        """What becomes durable with the verdict."""
        said = verdict.reply if isinstance(verdict, Done | Refused) else None
        goes_on = isinstance(verdict, Refused) and verdict.code in DONE_BEFORE | {signing_in.EXPIRED}
        if not self._at_once or said is None or goes_on:
            return None
        self.reply = _platform(said)
        unit = Unit()
        self._house.journal.exchanges.close(unit, self._exchange, self.reply.outcome, 200, self.reply.body)
        return unit


async def _after_plain(house: House, exchange: Exchange, message: NationalMessage, reply: NationalReply) -> None:
    if message.infno == "9001" and reply.sign_no:
        await signing_in.keep(house, message.fixmedins_code, message.opter, reply.sign_no)
    if message.infno in _ESTIMATES and reply.settlement is not None:
        await hooks.presettled(house, message, reply.settlement)
    if message.infno in _LISTS:
        await note_list(house, message, Act(f"hospital:{message.fixmedins_code}", message.msgid, exchange.exchange_id))
    if message.infno == "2404":
        await hooks.admission_cancelled(house, message, exchange.exchange_id)


async def _settlement(house: House, exchange: Exchange, message: NationalMessage, act: Act) -> Reply:
    visit = await hooks.visit_of(house, message) if message.infno in CREDIT_SETTLE else None
    if visit is not None:
        visit = await hooks.begin_settlement(house, visit, exchange.exchange_id)
    outcome = await settle(house, message, act, f"exchange:{exchange.exchange_id}", PATIENCE)
    if isinstance(outcome, Settled):
        await _check_identities(house, outcome, act)
    creditpay = await _credit(house, exchange, visit, outcome)
    return await _answer(house, exchange, message, outcome, creditpay)


async def _credit(house: House, exchange: Exchange, visit: Entity | None, outcome: Outcome) -> Mapping[str, Any] | None:
    """What the credit visit makes of the insurance's word."""
    if visit is None:
        return None
    match outcome:
        case Settled(_, settlement):
            return await hooks.after_settlement(house, visit, settlement, exchange.exchange_id)
        case Declined() | Unsent():
            await hooks.settlement_declined(house, visit, exchange.exchange_id)
        case Reversed():
            await hooks.settlement_undone(house, visit, exchange.exchange_id)
    return None


async def _cancellation(house: House, exchange: Exchange, message: NationalMessage, act: Act) -> Reply:
    original = await original_of(house, message)
    visit = None
    if original is not None:
        visit = await hooks.visit_of(house, message.model_copy(update={"mdtrt_id": original["mdtrt_id"]}))
    if visit is not None:
        visit = await hooks.begin_cancel(house, visit, exchange.exchange_id)
    outcome = await cancel(house, message, act, f"exchange:{exchange.exchange_id}", PATIENCE)
    creditpay = None
    if visit is not None:
        if isinstance(outcome, Settled):
            creditpay = await hooks.after_cancel(house, visit, exchange.exchange_id)
        elif isinstance(outcome, Declined | Unsent):
            await hooks.cancel_declined(house, visit, exchange.exchange_id)
    return await _answer(house, exchange, message, outcome, creditpay)


async def _reversal(house: House, exchange: Exchange, message: NationalMessage, act: Act) -> Reply:
    """A HIS reverses by itself. What the gateway has reversed or is reversing is answered from the journal (G)."""
    data = (message.input or {}).get("data", {})
    claim = await house.journal.entities.get("claim", f"{message.fixmedins_code}|{data.get('omsgid', '')}")
    if claim is not None and claim.state == "REVERSED":
        return Reply(200, NationalAnswer(exchange_id=exchange.exchange_id).model_dump_json().encode(), "reversed")
    if claim is not None and claim.state in ("SENT", "UNKNOWN", "RECON_PENDING"):
        raise Refusal("IN_PROGRESS", f"{claim.state}", state=claim.state)
    message = await signing_in.completed(house, message, exchange.exchange_id)
    reply = await _plain(house, exchange, message, act)
    if claim is not None and claim.state in ("ACCEPTED", "RECONCILED", "RECON_DIFF") and reply.outcome == "ok":
        await _reversed_by_his(house, claim, act)
        seen = message.model_copy(update={"psn_no": claim["psn_no"], "mdtrt_id": claim["mdtrt_id"]})
        visit = None if claim["refund"] else await hooks.visit_of(house, seen)
        if visit is not None:
            await hooks.settlement_undone(house, visit, exchange.exchange_id)
    return reply


async def _reversed_by_his(house: House, claim: Entity, act: Act) -> None:
    """What the HIS undid by its own 2601: a settlement is gone, a reversed cancellation gives its settlement back."""
    unit = Unit()
    gone = house.journal.entities.move(unit, claim, "cancelled", act, data={"cancelled_by": act.key})
    if claim["refund"]:
        original = await house.journal.entities.first(
            "claim", "hospital = :hospital AND setl_id = :setl_id AND state = 'CANCELLED' AND refund = 0",
            hospital=claim.hospital, setl_id=claim["refund_of"],
        )  # fmt: skip
        if original is not None:
            house.journal.entities.move(unit, original, "cancel_reversed", act)
    await house.journal.commit(unit)
    await on_claim_changed(house, gone, act)


async def _answer(
    house: House, exchange: Exchange, message: NationalMessage, outcome: Outcome, creditpay: Mapping[str, Any] | None
) -> Reply:
    match outcome:
        case Settled(_, settlement, None):
            answer = NationalAnswer(cancelled=settlement, creditpay=creditpay, exchange_id=exchange.exchange_id)
            return Reply(200, answer.model_dump_json().encode())
        case Settled(_, _, reply) if reply is not None:
            return _platform(reply, creditpay)
        case Declined(_, code, reply):
            if reply is None:
                raise Refusal(code)
            return _platform(reply)
        case Reversed():
            refusal = NationalAnswer(refusal="SETTLEMENT_REVERSED", exchange_id=exchange.exchange_id)
            return Reply(200, refusal.model_dump_json().encode(), "SETTLEMENT_REVERSED")
        case Unsent(_, reason):
            return refused(exchange, Refusal("PLATFORM_UNAVAILABLE", reason))
        case Pending():
            return Reply(200, b"", "PENDING", Ending.WAITING)
    raise AssertionError(f"{message.infno}: {outcome}")


def _platform(reply: NationalReply, creditpay: Mapping[str, Any] | None = None) -> Reply:
    """The platform's own words, untouched."""
    answer = NationalAnswer(raw=reply.raw, creditpay=creditpay)
    return Reply(200, answer.model_dump_json().encode(), "ok" if reply.ok else "platform_refused")


async def _check_identities(house: House, outcome: Settled, act: Act) -> None:
    """Sums that do not close raise a task; the hospital still gets the platform's answer (national interface 3.6)."""
    profile = house.profiles.for_hospital(outcome.claim.hospital)
    found = differences(
        outcome.settlement.amounts,
        fund_includes_acct=profile is not None and profile.platform.fund_includes_acct,
        details=outcome.settlement.details,
    )
    if not found:
        return
    unit = Unit()
    await house.journal.raise_task(
        unit, "IDENTITY_DIFFERS", outcome.claim.id, act, suggested="claim.compare", hospital=outcome.claim.hospital
    )
    await house.journal.commit(unit)
