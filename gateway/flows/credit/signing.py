"""Signing and ending an agreement at its bank (D.1: GRADED … CLOSED).

The serial of a signing comes from the application, so a flow that runs again asks about the same signing. The bank's
number, limit and dates are kept as it gave them; the limit in force is what the locality's rule makes of the offer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from typing import Any, Final

from cryptography.hazmat.primitives.hashes import SM3, Hash

from gateway.flows.callbacks import enqueue
from gateway.flows.credit import authorisations, banking
from gateway.flows.credit.banking import BankCall
from gateway.flows.credit.basis import SYSTEM, again_when_lost, credit_of, kept
from gateway.flows.house import House
from gateway.handlers.base import Decision, load_handler
from gateway.handlers.line import Line as Granted
from gateway.handlers.line import Offer
from gateway.journal.agenda import Due
from gateway.journal.entities import Act, Entity
from gateway.journal.store import Unit
from gateway.model.bank import Account, AgreementReply, CancelAgreement, SignAgreement
from gateway.model.callback import CallbackType
from gateway.model.clock import SHANGHAI
from gateway.model.ids import derive_number
from gateway.model.masked import AccountNo, PersonName, Phone
from gateway.model.refusals import Refusal
from gateway.model.verdict import Accepted, Done, NotSent, Refused, Unknown, Verdict

EXPIRES: Final = "credit.agreement"  # kind of the due row that ends an agreement by its date
SIGN, CANCEL = "SignAgreement", "CancelAgreement"
_OTHER_LINES: Final = (
    "(SELECT COALESCE(SUM(limit_fen), 0) FROM agreement "
    "WHERE psn_no = :psn AND scheme = :scheme AND live = 1 AND id <> :own)"
)
_OPEN_VISITS: Final = (
    "('OPEN', 'HELD', 'HOLD_PENDING', 'LAPSED', 'SETTLING', 'CHARGE_PENDING', 'CHARGE_FAILED', 'REVERSING')"
)


def first_serial(application_id: str) -> str:
    """The serial of an application's first signing."""
    return derive_number("SG", application_id, length=banking.SERIAL)


async def sign(house: House, agreement: Entity, act: Act) -> Entity:
    """Ask the bank to sign."""
    return await _step(house, agreement, first_serial(agreement.id), act, "")


async def confirm(house: House, agreement: Entity, sms_token: str, act: Act) -> Entity:
    """Go on with the code the bank sent; a wrong one may be tried again. Raises Refusal ILLEGAL_STATE."""
    serial = derive_number("SG", agreement.id, act.exchange_id, length=banking.SERIAL)
    known = await house.journal.operations.by_key(agreement["bank"], SIGN, serial)
    if known is None and agreement.state != "SIGNING":
        raise Refusal(
            "ILLEGAL_STATE", f"agreement: {agreement.state} / confirm", state=agreement.state, event="confirm"
        )
    return await _step(house, agreement, serial, act, sms_token)


async def _step(house: House, agreement: Entity, serial: str, act: Act, sms_token: str) -> Entity:
    found = await authorisations.find(house, agreement["auth_id"])
    if found is None:
        raise Refusal("NO_AUTHORISATION", field="auth_id")
    call = _call(agreement, serial, act)
    if await house.journal.operations.by_key(call.bank, SIGN, serial) is None:
        await _log_share(house, agreement, act)
    request = _request(house, agreement, found, serial, sms_token)
    verdict = await banking.call(house, call, request)
    if isinstance(verdict, NotSent):
        return await _not_sent(house, agreement, call, request, act)
    return await conclude(house, agreement.id, verdict, act)


def _call(agreement: Entity, serial: str, act: Act) -> BankCall:
    return BankCall(
        agreement["bank"], SIGN, serial, act.exchange_id, agreement.id, agreement.hospital,
        continuation=f"agreement:{agreement.id}|{serial}",
    )  # fmt: skip


async def _log_share(house: House, agreement: Entity, act: Act) -> None:
    """What the bank is told of a person is logged before it leaves (R-056)."""
    unit = Unit()
    house.journal.log_access(
        unit, agreement["psn_no"], act.actor, "BANK_SHARE", agreement["auth_id"], f"{SIGN} {agreement['bank']}"
    )
    await house.journal.commit(unit)


def _request(house: House, agreement: Entity, found: Entity, serial: str, sms_token: str) -> SignAgreement:
    """Identity, account and cap: nothing about health, no grade, no score (R-056)."""
    _, cert_type, certno = authorisations.person_of(found)
    profile = house.profiles.by_locality(agreement["locality"])
    payer = Account(acct_no=AccountNo(agreement.sealed["acct_no"]), acct_name=PersonName(agreement.sealed["acct_name"]))
    return SignAgreement(
        serial=serial,
        payer=payer,
        id_type=cert_type,
        id_no=certno,
        mobile=Phone(agreement.sealed["mobile"]),
        payee_id=agreement.hospital,
        pending_agreement_no=agreement.get("pending_no", "") if sms_token else "",
        sms_token=sms_token,
        commitment_digest=_sm3(agreement["commitment_id"]),
        funding=agreement["funding"],
        valid_from=house.clock.now().date(),
        valid_to=profile.locality.effective_to,
        limit_cap_fen=agreement.get("limit_cap_fen"),
    )


def _sm3(text: str) -> str:
    """The bank gets a digest of the commitment, never the letter (R-025)."""
    digest = Hash(SM3())
    digest.update(text.encode())
    return digest.finalize().hex()


async def _not_sent(house: House, agreement: Entity, call: BankCall, request: SignAgreement, act: Act) -> Entity:
    """The caller is told so, so it is never sent later. A signing that waits for its code may be confirmed again."""
    await banking.give_up(house, call, request)
    if agreement.state == "GRADED" and not agreement.get("code"):
        unit = Unit()
        house.journal.entities.move(
            unit, agreement, "not_sent", act, columns={"live": None}, data={"code": "BANK_UNAVAILABLE"}
        )
        await house.journal.commit(unit)
    raise Refusal("BANK_UNAVAILABLE", SIGN)


# -- what the bank said ---------------------------------------------------------------------------------------------


async def resume(house: House, subject: str) -> None:
    """An outcome is known: ``subject`` is application and serial of the signing, or an application being ended."""
    application_id, _, serial = subject.partition("|")
    agreement = await house.journal.entities.get("agreement", application_id)
    if agreement is None:
        return
    act = Act(SYSTEM, serial or application_id, agreement["applied_in"])
    if not serial:
        await settle_up(house, application_id, act)
        return
    op = await house.journal.operations.by_key(agreement["bank"], SIGN, serial)
    verdict = None if op is None else await house.delivery.journalled(op)
    if isinstance(verdict, NotSent):  # never received, and the bank's manifest allows the same serial again
        await _step(house, agreement, serial, act, "")
    elif verdict is not None:
        await conclude(house, application_id, verdict, act)


async def conclude(house: House, application_id: str, verdict: Verdict[AgreementReply], act: Act) -> Entity:
    """Move the application by the bank's word; a word that comes again changes nothing."""

    async def step() -> Entity:
        agreement = await house.journal.entities.get("agreement", application_id)
        assert agreement is not None
        if agreement.state not in ("GRADED", "SIGNING", "SIGN_PENDING"):
            return agreement
        return await _conclude(house, agreement, verdict, act)

    return await again_when_lost(step)


async def _conclude(house: House, agreement: Entity, verdict: Verdict[AgreementReply], act: Act) -> Entity:
    match verdict:
        case Done(reply):
            return await _signed(house, agreement, reply, act)
        case Accepted(reply) if reply is not None and reply.need_sms:
            return await _moved(house, agreement, "sms_asked", act, {"pending_no": reply.agreement_no})
        case Accepted() | Unknown():
            return await _moved(house, agreement, "sign_unknown", act, {})
        case Refused(code, text, reply):
            if reply is not None and reply.need_sms and agreement.state == "SIGNING":
                raise Refusal("INVALID_FIELD", "短信验证码不符", field="sms_token")
            unified = banking.refusal_code(house, agreement["bank"], SIGN, verdict)
            return await _declined(house, agreement, act, unified, {"bank_code": code, "bank_text": text})
    return agreement


async def _moved(house: House, agreement: Entity, event: str, act: Act, data: Mapping[str, Any]) -> Entity:
    """To SIGNING or SIGN_PENDING; staying there needs no second row."""
    if {"sms_asked": "SIGNING", "sign_unknown": "SIGN_PENDING"}[event] == agreement.state:
        return agreement
    unit = Unit()
    moved = house.journal.entities.move(unit, agreement, event, act, data=data)
    enqueue(unit, house, moved.hospital, CallbackType.AGREEMENT_CHANGED, moved.id, told(moved))
    await house.journal.commit(unit)
    return moved


async def _signed(house: House, agreement: Entity, reply: AgreementReply, act: Act) -> Entity:
    """ACTIVE with the limit the rule allows (I5); an offer no rule allows is declined and given back to the bank."""
    others = await _others(house, agreement)
    decision = _limit(house, agreement, reply, others)
    act = replace(act, profile_version=house.profiles.by_locality(agreement["locality"]).version)
    bank = {"bank_offer_fen": reply.credit_limit_fen, "bank_agreement_no": reply.agreement_no}
    if not decision.ok or decision.value is None:
        code = decision.code or "ILLEGAL_STATE"
        return await _declined(house, agreement, act, code, {**bank, "reasons": kept(decision.reasons)}, undo=True)
    data = {
        **bank,
        "free_days": reply.free_days,
        "valid_to": None if reply.valid_to is None else reply.valid_to.isoformat(),
        "reasons": [*agreement.get("reasons", []), *kept(decision.reasons)],
    }
    unit = Unit()
    unit.run(  # I5: another bank may sign for the same person at this moment
        f"UPDATE agreement SET limit_fen = limit_fen WHERE id = :own AND :others = {_OTHER_LINES}",
        {**_whose(agreement), "others": others},
        guard="other lines",
    )
    moved = house.journal.entities.move(
        unit, agreement, "signed", act,
        columns={"agreement_no": reply.agreement_no, "limit_fen": decision.value.limit_fen}, data=data,
    )  # fmt: skip
    house.journal.index(unit, "agreement", agreement.id, agreement_no=reply.agreement_no)
    house.journal.explain(unit, act.exchange_id, agreement.id, decision.reasons)
    enqueue(unit, house, moved.hospital, CallbackType.AGREEMENT_CHANGED, moved.id, told(moved))
    if reply.valid_to is not None:
        house.journal.agenda.schedule(unit, EXPIRES, agreement.id, _day_after(reply.valid_to))
    if decision.value.mismatch:
        await house.journal.raise_task(
            unit, "LIMIT_MISMATCH", agreement.id, act, suggested="agreement.tell_bank_its_cap",
            hospital=agreement.hospital,
        )  # fmt: skip
    await house.journal.commit(unit)
    return moved


def _limit(house: House, agreement: Entity, reply: AgreementReply, others_fen: int) -> Decision[Granted]:
    """min(cap less the person's other lines in the scheme, offer), by the locality's rule (R-044, AMB-34)."""
    profile = house.profiles.by_locality(agreement["locality"])
    rule = load_handler("limit", credit_of(profile).handlers.limit)
    offer = Offer(reply.credit_limit_fen, agreement.get("limit_cap_fen"), others_fen)
    decision: Decision[Granted] = rule(offer, profile)
    return decision


async def _others(house: House, agreement: Entity) -> int:
    """Limits of the person's other live lines in the scheme, over all banks, in fen."""
    row = await house.journal.store.row(f"SELECT {_OTHER_LINES} AS fen", _whose(agreement))
    return 0 if row is None else int(row["fen"])


def _whose(agreement: Entity) -> dict[str, Any]:
    return {"psn": agreement["psn_no"], "scheme": agreement["scheme"], "own": agreement.id}


async def _declined(
    house: House, agreement: Entity, act: Act, code: str, data: Mapping[str, Any], *, undo: bool = False
) -> Entity:
    unit = Unit()
    moved = house.journal.entities.move(
        unit, agreement, "declined", act, columns={"live": None}, data={"code": code, **data}
    )
    enqueue(unit, house, moved.hospital, CallbackType.AGREEMENT_CHANGED, moved.id, told(moved))
    await house.journal.commit(unit)
    if undo:
        await _cancel_at_bank(house, moved, data["bank_agreement_no"], act)
    return moved


def told(agreement: Entity) -> dict[str, Any]:
    """What a hospital is told about a changed agreement."""
    return {
        "application_id": agreement.id,
        "agreement_no": agreement.get("agreement_no"),
        "state": agreement.state,
        "code": agreement.get("code"),
    }


def _day_after(day: date) -> datetime:
    return datetime.combine(day + timedelta(days=1), time.min, SHANGHAI)


# -- the end --------------------------------------------------------------------------------------------------------


async def revoke(house: House, agreement: Entity, reason: str, act: Act) -> Entity:
    """The patient ends it: no new visits; it is CLOSED at the bank as soon as nothing is owed, held or open."""
    if agreement.state not in ("CLOSING", "CLOSED"):
        unit = Unit()
        moved = house.journal.entities.move(
            unit, agreement, "revoked", act, data={"closing": "revoked", "revoke_reason": reason}
        )
        house.journal.agenda.finish(unit, EXPIRES, agreement.id)
        enqueue(unit, house, moved.hospital, CallbackType.AGREEMENT_CHANGED, moved.id, told(moved))
        await house.journal.commit(unit)
    return await settle_up(house, agreement.id, act)


async def expire(house: House, due: Due) -> None:
    """The last day of an agreement has passed."""
    agreement = await house.journal.entities.get("agreement", due.subject)
    act = Act(SYSTEM, due.subject)
    if agreement is not None and agreement.state in ("ACTIVE", "SUSPENDED"):
        unit = Unit()
        moved = house.journal.entities.move(unit, agreement, "expired", act, data={"closing": "expired"})
        enqueue(unit, house, moved.hospital, CallbackType.AGREEMENT_CHANGED, moved.id, told(moved))
        await house.journal.commit(unit)
    if agreement is not None and agreement.state == "REJECTED":
        await _cancel_at_bank(house, agreement, agreement["bank_agreement_no"], act)
        return
    await settle_up(house, due.subject, act)


async def settle_up(house: House, application_id: str, act: Act) -> Entity:
    """CLOSING → CLOSED once nothing is used or held and no visit is open; a revoked one is cancelled at the bank."""
    agreement = await house.journal.entities.get("agreement", application_id)
    assert agreement is not None
    if agreement.state != "CLOSING" or not await _clear(house, agreement):
        return agreement
    if agreement["closing"] == "revoked":
        verdict = await _cancel_at_bank(house, agreement, agreement["agreement_no"], act)
        if not isinstance(verdict, Done):
            return agreement
    unit = Unit()
    moved = house.journal.entities.move(unit, agreement, "settled_up", act, columns={"live": None})
    enqueue(unit, house, moved.hospital, CallbackType.AGREEMENT_CHANGED, moved.id, told(moved))
    await house.journal.commit(unit)
    return moved


async def _clear(house: House, agreement: Entity) -> bool:
    line = await house.journal.line(agreement.id)
    row = await house.journal.store.row(  # repaid on a line that does not revolve: no debt, but used all the same
        "SELECT COALESCE(SUM(amount_fen - applied_fen), 0) AS fen FROM repayment WHERE agreement_id = :id",
        {"id": agreement.id},
    )
    if line.held_fen or line.used_fen > (0 if row is None else int(row["fen"])):
        return False
    visit = await house.journal.entities.first(
        "visit", f"agreement_id = :id AND state IN {_OPEN_VISITS}", id=agreement.id
    )
    return visit is None


async def _cancel_at_bank(house: House, agreement: Entity, number: str, act: Act) -> Verdict[AgreementReply]:
    """CancelAgreement; tried anew after a refusal, because what stood against it may be gone by then."""
    bank = agreement["bank"]
    refused = await house.journal.operations.find(
        "subject = :subject AND name = :name AND state = 'REFUSED'", subject=agreement.id, name=CANCEL
    )
    serial = derive_number("CA", agreement.id, len(refused), length=banking.SERIAL)
    call = BankCall(
        bank, CANCEL, serial, act.exchange_id, agreement.id, agreement.hospital,
        continuation=f"agreement:{agreement.id}", linked_to=refused[-1].operation_id if refused else "",
    )  # fmt: skip
    verdict: Verdict[AgreementReply] = await banking.call(
        house, call, CancelAgreement(serial=serial, agreement_no=number)
    )
    if isinstance(verdict, Refused | NotSent):
        unit = Unit()
        await house.journal.raise_task(
            unit, "AGREEMENT_NOT_CANCELLED", agreement.id, act, suggested="agreement.ask_bank",
            hospital=agreement.hospital,
        )  # fmt: skip
        later = timedelta(hours=1) if isinstance(verdict, NotSent) else timedelta(days=1)
        house.journal.agenda.schedule(unit, EXPIRES, agreement.id, house.clock.now() + later)
        await house.journal.commit(unit)
    return verdict
