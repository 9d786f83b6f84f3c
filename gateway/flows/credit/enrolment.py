"""The application for an agreement: who the person is, whether he may have a line, what the credit platform says (D.1).

Nothing leaves for a person without a live consent, nothing leaves for the bank before a grade is known, and a credit
platform that does not answer is asked again: there is no default limit (R-043, R-051, I4).
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from gateway.delivery.delivery import Order
from gateway.flows.api import ApiCall, ApiReply
from gateway.flows.callbacks import enqueue
from gateway.flows.credit import authorisations, people, signing
from gateway.flows.credit.basis import SYSTEM, act_of, credit_of, kept
from gateway.flows.credit.replies import agreement_reply
from gateway.flows.credit.requests import ApplicationBody
from gateway.flows.house import House
from gateway.handlers.base import Decision, Reason, load_handler
from gateway.handlers.eligibility import Applicant, CreditFacts, Eligible
from gateway.handlers.visit import RelativeFacts, may_use_as_relative
from gateway.journal.agenda import Due
from gateway.journal.entities import Act, Entity
from gateway.journal.exchanges import Exchange
from gateway.journal.store import DuplicateKey, Unit
from gateway.model.callback import CallbackType
from gateway.model.credit import CreditAnswer, CreditQuery
from gateway.model.ids import derive_number
from gateway.model.profile import LocalityProfile
from gateway.model.refusals import Refusal, dictionary
from gateway.model.verdict import Done, Refused, Verdict

ASK_AGAIN: Final = "credit.grade"  # kind of the due row that asks the credit platform again
PLAN: Final = (30, 60, 300, 600, 1800, 3600, 7200)  # seconds of business time; the last one repeats
QUERY_REASON: Final = "CREDIT_PAY_APPLICATION"


async def apply(house: House, exchange: Exchange | None, call: ApiCall) -> ApiReply:
    """Judge an application and sign it at the bank as far as the answers of this moment reach.

    Raises Refusal with the code of the rule that said no; the application is kept as REJECTED.
    """
    assert exchange is not None
    application_id = derive_number("AP", exchange.exchange_id, length=26)
    act = act_of(call.caller, exchange)
    agreement = await house.journal.entities.get("agreement", application_id)
    if agreement is None:
        agreement = await _open(house, application_id, call, act)
    agreement = await advance(house, agreement, act)
    return await agreement_reply(house, agreement, call.caller)


async def advance(house: House, agreement: Entity, act: Act) -> Entity:
    """Take an application as far as it goes now; what is not known yet goes on by itself later."""
    if agreement.state == "APPLIED":
        agreement = await _grade(house, agreement, act)
    if agreement.state == "GRADED" and not agreement.get("code"):
        agreement = await signing.sign(house, agreement, act)
    return agreement


# -- the gates that need no credit platform -------------------------------------------------------------------------


async def _open(house: House, application_id: str, call: ApiCall, act: Act) -> Entity:
    body: ApplicationBody = call.body
    profile = house.profiles.by_locality(body.locality, house.clock.now().date())
    act = replace(act, profile_version=profile.version)
    if body.bank not in house.delivery.counterparts:
        raise Refusal("INVALID_FIELD", "未接入此银行", field="bank")
    who = await _applicant(house, body, call.caller.hospital)
    # First as if insured here: without consent nobody is asked where the person is insured.
    here = profile.locality.areas[0].ljust(6, "0")
    first = _eligibility(profile)(replace(who, insuplc_admdvs=here), None, profile)
    refused = first if not first.ok else _relatives(body, profile)
    found = None
    if refused is None:
        found = await authorisations.find(house, body.auth_id)
        area = await _insured_where(house, body, call.caller.hospital, act)
        who = replace(who, insuplc_admdvs=area)
        first = _eligibility(profile)(who, None, profile)
        refused = None if first.ok else first
    await _one_live(house, body, profile)
    return await _create(house, application_id, call, who, found, refused or first, profile, act)


async def _applicant(house: House, body: ApplicationBody, hospital: str) -> Applicant:
    found = await authorisations.find(house, body.auth_id)
    return Applicant(
        at=house.clock.now(),
        psn_no=body.psn_no,
        insuplc_admdvs="",
        products=body.products,
        funding=body.funding,
        bank=body.bank,
        fixmedins_code=hospital,
        authorisation=authorisations.as_rule_sees_it(found),
        commitment_id=body.commitment_id if body.disclosure_id else "",  # both are signed or none (D.1, R-055)
        dishonest_mark=await people.marked(house, body.psn_no),
    )


def _eligibility(profile: LocalityProfile) -> Any:
    return load_handler("eligibility", credit_of(profile).handlers.eligibility)


def _relatives(body: ApplicationBody, profile: LocalityProfile) -> Decision[Any] | None:
    """The first relative who may not use the line; a minor's guardian is asked for when the visit is opened."""
    for relative in body.beneficiaries:
        facts = RelativeFacts(relative.relation, relative.proof_id, guardian_consent=True)
        decision = may_use_as_relative(facts, profile)
        if not decision.ok:
            return decision
    return None


async def _insured_where(house: House, body: ApplicationBody, hospital: str, act: Act) -> str:
    """The area the person is insured in, by the platform (R-042). Raises Refusal IDENTITY_MISMATCH (R-024)."""
    found = await authorisations.find(house, body.auth_id)
    assert found is not None  # the gates before this one have seen it
    rows = await people.insured(house, found, hospital, act.exchange_id)
    return next((row.insuplc_admdvs for row in rows if row.psn_insu_stas in ("", "1")), rows[0].insuplc_admdvs)


async def _one_live(house: House, body: ApplicationBody, profile: LocalityProfile) -> None:
    """I3: a second application while one lives is refused before anything is sent."""
    live = await house.journal.entities.first(
        "agreement", "psn_no = :psn AND bank = :bank AND scheme = :scheme AND live = 1",
        psn=body.psn_no, bank=body.bank, scheme=credit_of(profile).scheme,
    )  # fmt: skip
    if live is not None:
        raise Refusal("ILLEGAL_STATE", "已有在办或生效的协议", state=live.state, event="applied")


async def _create(
    house: House, application_id: str, call: ApiCall, who: Applicant, found: Entity | None, first: Decision[Any],
    profile: LocalityProfile, act: Act,
) -> Entity:  # fmt: skip
    body: ApplicationBody = call.body
    name = body.payer.acct_name or (found.sealed["psn_name"] if found is not None else "")
    unit = Unit()
    made = house.journal.entities.create(
        unit, "agreement", application_id, "applied", act,
        hospital=call.caller.hospital,
        columns={
            "agreement_no": None, "psn_no": body.psn_no, "bank": body.bank, "scheme": credit_of(profile).scheme,
            "locality": body.locality, "live": None, "limit_fen": 0, "used_fen": 0, "held_fen": 0,
        },
        data={
            "products": list(body.products), "funding": body.funding, "auth_id": body.auth_id,
            "commitment_id": body.commitment_id, "disclosure_id": body.disclosure_id,
            "insuplc_admdvs": who.insuplc_admdvs, "asked": 0, "applied_in": act.exchange_id,
            "beneficiaries": [row.model_dump() for row in body.beneficiaries],
        },
        sealed={"acct_no": body.payer.acct_no, "acct_name": name, "mobile": body.payer.mobile},
    )  # fmt: skip
    house.journal.index(unit, "agreement", application_id, application_id=application_id, psn_no=body.psn_no)
    house.journal.explain(unit, act.exchange_id, application_id, first.reasons)
    if not first.ok:
        made = _reject(house, unit, made, act, first.code or "ILLEGAL_STATE", first.reasons)
    await house.journal.commit(unit)
    return made


# -- the credit platform --------------------------------------------------------------------------------------------


async def _grade(house: House, agreement: Entity, act: Act) -> Entity:
    """Ask the credit platform where the locality has one, and decide."""
    profile = house.profiles.by_locality(agreement["locality"])
    act = replace(act, profile_version=profile.version)
    found = await authorisations.find(house, agreement["auth_id"])
    who = await _as_applicant(house, agreement, found)
    first: Decision[Eligible] = _eligibility(profile)(who, None, profile)
    if not first.ok or first.value is None:
        return await _rejected(house, agreement, act, first)
    if not first.value.needs_query or found is None:
        return await _graded(house, agreement, act, first, None)
    verdict = await _ask(house, agreement, found, act)
    if isinstance(verdict, Done):
        facts = _facts(verdict.reply)
        decision: Decision[Eligible] = _eligibility(profile)(who, facts, profile)
        if decision.ok:
            return await _graded(house, agreement, act, decision, verdict.reply)
        return await _rejected(house, agreement, act, decision)
    if isinstance(verdict, Refused) and verdict.code in dictionary():
        reason = Reason("eligibility.answer", "refuse", "信用平台拒绝查询", "R-051")
        return await _rejected(house, agreement, act, Decision(None, (*first.reasons, reason), verdict.code))
    return await _unanswered(house, agreement, act)


async def _as_applicant(house: House, agreement: Entity, found: Entity | None) -> Applicant:
    return Applicant(
        at=house.clock.now(),
        psn_no=agreement["psn_no"],
        insuplc_admdvs=agreement["insuplc_admdvs"],
        products=tuple(agreement["products"]),
        funding=agreement["funding"],
        bank=agreement["bank"],
        fixmedins_code=agreement.hospital,
        authorisation=authorisations.as_rule_sees_it(found),
        commitment_id=agreement["commitment_id"],
        dishonest_mark=await people.marked(house, agreement["psn_no"]),
    )


async def _ask(house: House, agreement: Entity, found: Entity, act: Act) -> Verdict[CreditAnswer]:
    """One question, with its row in the access log first: by whom, why, by what consent (R-043)."""
    name, cert_type, certno = authorisations.person_of(found)
    request = CreditQuery(
        request_id=derive_number("CQ", agreement.id, agreement["asked"], length=26),
        auth_id=found.id,
        query_reason=QUERY_REASON,
        scheme=agreement["scheme"],
        psn_cert_type=cert_type,
        certno=certno,
        psn_name=name,
    )
    unit = Unit()
    house.journal.log_access(
        unit, agreement["psn_no"], act.actor, QUERY_REASON, found.id, f"query {request.request_id}"
    )
    await house.journal.commit(unit)
    order = Order(house.credit, "query", request.request_id, request, act.exchange_id, agreement.id, agreement.hospital)
    return await house.delivery.deliver(order)


def _facts(answer: CreditAnswer) -> CreditFacts:
    return CreditFacts(
        found=answer.found,
        scheme=answer.scheme,
        score=answer.score,
        grade=answer.grade,
        released=answer.released,
        dishonest=answer.dishonest,
        qualification=answer.qualification,
    )


async def _graded(
    house: House, agreement: Entity, act: Act, decision: Decision[Eligible], answer: CreditAnswer | None
) -> Entity:
    """GRADED; from here on the person has a live application at this bank (I3)."""
    eligible = decision.require()
    data: dict[str, Any] = {
        "grade": eligible.grade,
        "perks": list(eligible.perks),
        "limit_cap_fen": eligible.limit_cap_fen,
        "reasons": kept(decision.reasons),
    }
    if answer is not None:
        data["score"] = None if answer.score is None else str(answer.score)
        data["score_date"] = None if answer.score_date is None else answer.score_date.isoformat()
    unit = Unit()
    moved = house.journal.entities.move(unit, agreement, "graded", act, columns={"live": 1}, data=data)
    house.journal.explain(unit, act.exchange_id, agreement.id, decision.reasons)
    house.journal.agenda.finish(unit, ASK_AGAIN, agreement.id)
    try:
        await house.journal.commit(unit)
    except DuplicateKey:
        reason = Reason("agreement.live", "refuse", "已有在办或生效的协议", "I3")
        return await _rejected(house, agreement, act, Decision(None, (reason,), "ILLEGAL_STATE"))
    return moved


async def _rejected(house: House, agreement: Entity, act: Act, decision: Decision[Any]) -> Entity:
    unit = Unit()
    moved = _reject(house, unit, agreement, act, decision.code or "ILLEGAL_STATE", decision.reasons)
    house.journal.explain(unit, act.exchange_id, agreement.id, decision.reasons)
    house.journal.agenda.finish(unit, ASK_AGAIN, agreement.id)
    if agreement["asked"]:  # the hospital was told that it is pending
        enqueue(unit, house, moved.hospital, CallbackType.AGREEMENT_CHANGED, moved.id, signing.told(moved))
    await house.journal.commit(unit)
    return moved


def _reject(house: House, unit: Unit, agreement: Entity, act: Act, code: str, reasons: tuple[Reason, ...]) -> Entity:
    data = {"code": code, "reasons": kept(reasons)}
    return house.journal.entities.move(unit, agreement, "barred", act, columns={"live": None}, data=data)


async def _unanswered(house: House, agreement: Entity, act: Act) -> Entity:
    """The credit platform did not answer: the application waits and is asked again (D.1)."""
    asked = agreement["asked"]
    unit = Unit()
    moved = house.journal.entities.move(unit, agreement, "unanswered", act, data={"asked": asked + 1})
    at = house.clock.now() + timedelta(seconds=PLAN[min(asked, len(PLAN) - 1)])
    house.journal.agenda.schedule(unit, ASK_AGAIN, agreement.id, at)
    await house.journal.commit(unit)
    return moved


async def ask_again(house: House, due: Due) -> None:
    """The next question about a pending application, then on to the bank."""
    agreement = await house.journal.entities.get("agreement", due.subject)
    if agreement is not None and agreement.state == "APPLIED":
        await advance(house, agreement, Act(SYSTEM, due.subject, agreement["applied_in"]))
