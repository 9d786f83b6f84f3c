"""Who may sign a credit-pay agreement: the common gates, then the rule of the locality.

A handler is asked twice. Without `credit` it checks what needs no outside party, so that nothing is sent for a person
who cannot qualify (R-001, R-043); its value then says whether the credit platform has to be asked at all. With the
platform's answer it decides.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from gateway.handlers.base import PASS, REFUSE, Decision, Reason, allow, handler, refuse
from gateway.handlers.grade import Score, band_of, grade_by_letter, grade_of
from gateway.model.clock import SHANGHAI
from gateway.model.profile import LocalityProfile
from gateway.model.profile_credit import Credit, Grade

PURPOSE: Final = "CREDIT_PAY"
QUERY, SHARE = "CREDIT_QUERY", "BANK_SHARE"


@dataclass(frozen=True, slots=True)
class Authorisation:
    """A person's consent: for one purpose, to certain uses, for a time (R-043). Times are aware."""

    psn_no: str
    purpose: str
    scope: frozenset[str]
    valid_from: datetime
    valid_to: datetime
    revoked: bool = False

    def live(self, psn_no: str, at: datetime) -> bool:
        """Say whether it is this person's and in force."""
        return not self.revoked and self.psn_no == psn_no and self.valid_from <= at <= self.valid_to


@dataclass(frozen=True, slots=True)
class Applicant:
    """The application as far as rules look at it. `dishonest_mark` is our own, confirmed by people (R-006, R-016)."""

    at: datetime
    psn_no: str
    insuplc_admdvs: str
    products: tuple[str, ...]
    funding: str
    bank: str
    fixmedins_code: str = ""
    authorisation: Authorisation | None = None
    commitment_id: str = ""
    dishonest_mark: bool = False

    @property
    def day(self) -> date:
        """The business day of the application."""
        return self.at.astimezone(SHANGHAI).date()


@dataclass(frozen=True, slots=True)
class CreditFacts:
    """The credit platform's answer. `previous_*`: the grade released before one that is still on public notice."""

    found: bool
    scheme: str
    score: Score = None
    grade: str = ""
    released: bool = True
    previous_score: Score = None
    previous_grade: str = ""
    dishonest: bool = False
    qualification: bool | None = None
    qualification_to: date | None = None


@dataclass(frozen=True, slots=True)
class Eligible:
    """May go on: after asking the credit platform (`needs_query`) or straight to the bank; cap in fen, if any."""

    needs_query: bool
    scheme: str
    grade: str | None = None
    meaning: str = ""
    perks: tuple[str, ...] = ()
    score: Score = None
    limit_cap_fen: int | None = None


Gate = Callable[[Applicant, LocalityProfile, Credit], tuple[str | None, Reason]]


def _gate(rule: str, requirement: str, fault: str, code: str, passed: str = "") -> tuple[str | None, Reason]:
    """One gate's outcome: refused with the code if there is a fault."""
    name = f"eligibility.{rule}"
    if fault:
        return code, Reason(name, REFUSE, fault, requirement)
    return None, Reason(name, PASS, passed, requirement)


def _scheme(who: Applicant, profile: LocalityProfile, credit: Credit) -> tuple[str | None, Reason]:
    fault = "" if profile.effective_on(who.day) else "方案不在有效期内"
    return _gate("scheme", "R-030", fault, "NOT_LIVE", f"方案 {credit.scheme} 有效")


def _hospital(who: Applicant, profile: LocalityProfile, _: Credit) -> tuple[str | None, Reason]:
    """An application outside any institution (a patient's app) names none."""
    hospital = profile.locality.hospital(who.fixmedins_code)
    fault = ""
    if who.fixmedins_code and (hospital is None or not hospital.enabled_on(who.day)):
        fault = "机构不在开通名单或不在开通期内"
    elif who.fixmedins_code and hospital is not None and not hospital.agreement_id:
        fault = "机构未签自愿参加协议"
    return _gate("hospital", "R-028 R-053", fault, "HOSPITAL_NOT_ENABLED")


def _region(who: Applicant, profile: LocalityProfile, _: Credit) -> tuple[str | None, Reason]:
    inside = profile.locality.insured_here(who.insuplc_admdvs, who.day)
    return _gate("region", "R-001 R-029", "" if inside else "参保地不在本方案范围内", "NOT_ELIGIBLE_REGION")


def _products(who: Applicant, profile: LocalityProfile, credit: Credit) -> tuple[str | None, Reason]:
    named = profile.locality.hospital(who.fixmedins_code)
    hospitals = (named,) if named else profile.locality.hospitals
    offered: set[str] = {
        scene for hospital in hospitals for scene in hospital.scenes if hospital.scene_on(scene, who.day)
    }
    offered |= {"PERKS"} if any(grade.perks for grade in credit.grades) else set()
    foreign = [product for product in who.products if product not in offered]
    fault = "未选择产品" if not who.products else f"不支持 {'、'.join(foreign)}" if foreign else ""
    return _gate("products", "R-002 R-041", fault, "SCENE_NOT_SUPPORTED" if who.products else "INVALID_FIELD")


def _terms(who: Applicant, _: LocalityProfile, credit: Credit) -> tuple[str | None, Reason]:
    fault = "" if who.bank in credit.banks else "该地市未接入此银行"
    if not fault and who.funding not in credit.funding:
        fault = "该地市不支持此资金方式"
    return _gate("terms", "R-011 R-020", fault, "INVALID_FIELD")


def _consent(who: Applicant, _: LocalityProfile, __: Credit) -> tuple[str | None, Reason]:
    live = who.authorisation is not None and who.authorisation.live(who.psn_no, who.at)
    return _gate("authorisation", "R-042 R-043", "" if live else "没有有效的授权", "NO_AUTHORISATION")


def _purpose(who: Applicant, _: LocalityProfile, credit: Credit) -> tuple[str | None, Reason]:
    """Whether the platform may be asked and the bank told is two consents; only those needed are looked for."""
    given = who.authorisation
    needed = {SHARE} if credit.handlers.eligibility == "bank_decides" else {QUERY, SHARE}
    allowed = given is not None and given.purpose == PURPOSE and needed <= given.scope
    return _gate("purpose", "R-056", "" if allowed else "授权用途或范围不包含本次使用", "PURPOSE_DENIED")


def _commitment(who: Applicant, _: LocalityProfile, __: Credit) -> tuple[str | None, Reason]:
    return _gate("commitment", "R-025", "" if who.commitment_id else "未签承诺书", "COMMITMENT_MISSING")


def _mark(who: Applicant, _: LocalityProfile, __: Credit) -> tuple[str | None, Reason]:
    return _gate("dishonesty", "R-006", "存在失信标记" if who.dishonest_mark else "", "BARRED_DISHONEST")


GATES: Final[tuple[Gate, ...]] = (
    _scheme, _hospital, _region, _products, _terms, _consent, _purpose, _commitment, _mark,
)  # fmt: skip


def before_query(who: Applicant, profile: LocalityProfile) -> Decision[Eligible]:
    """Check every gate that needs no outside party; the first one that refuses decides."""
    credit = profile.credit
    if credit is None:
        return refuse("NOT_LIVE", Reason("eligibility.scheme", REFUSE, "该地市未开通信用支付", "R-030"))
    reasons: list[Reason] = []
    for gate in GATES:
        code, reason = gate(who, profile, credit)
        reasons.append(reason)
        if code is not None:
            field = "products" if gate is _products else "bank" if gate is _terms else None
            return refuse(code, *reasons, **({"field": field} if field else {}))
    return allow(Eligible(needs_query=True, scheme=credit.scheme), *reasons)


def _answer_usable(credit: CreditFacts, scheme: str, missing: str) -> Decision[bool]:
    """The mark bars whatever the grade; an answer of another scheme is no answer (AMB-20)."""
    if credit.dishonest:
        return refuse("BARRED_DISHONEST", Reason("eligibility.dishonesty", REFUSE, "信用平台返回失信标记", "R-006"))
    if not credit.found or credit.scheme != scheme:
        return refuse(missing, Reason("eligibility.answer", REFUSE, "信用平台无本方案评定", "R-003"))
    return allow(True, Reason("eligibility.answer", PASS, "信用平台已返回本方案评定", "R-051"))


def _follow(first: Decision[Eligible], then: Decision[Eligible]) -> Decision[Eligible]:
    return Decision(then.value, first.reasons + then.reasons, then.code, then.facts)


def _released(credit: CreditFacts, terms: Credit) -> Decision[Grade]:
    """The released grade; while a newer one is on public notice the one before it counts (R-005)."""
    score = credit.score if credit.released else credit.previous_score
    letter = credit.grade if credit.released else credit.previous_grade
    if score is None and letter:
        return grade_by_letter(letter, terms)
    return grade_of(score, terms)


def _by_grade(credit: CreditFacts, terms: Credit) -> Decision[Eligible]:
    graded = _released(credit, terms)
    if graded.value is None or not graded.ok:
        return refuse(graded.code or "NO_GRADE", *graded.reasons)
    grade = graded.value
    if grade.letter in terms.barred_grades:
        reason = Reason("eligibility.barred_grade", REFUSE, f"等级 {grade.letter} 不得申请", "AMB-03")
        return refuse("BARRED_DISHONEST", *graded.reasons, reason)
    score = credit.score if credit.released else credit.previous_score
    return allow(Eligible(False, terms.scheme, grade.letter, grade.meaning, grade.perks, score), *graded.reasons)


def _by_band(credit: CreditFacts, terms: Credit) -> Decision[Eligible]:
    if not credit.released:
        return refuse("NO_GRADE", Reason("eligibility.answer", REFUSE, "评分尚未发布", "R-005"))
    band = band_of(credit.score, terms)
    if band.value is None or not band.ok:
        return refuse(band.code or "NO_GRADE", *band.reasons)
    return allow(Eligible(False, terms.scheme, score=credit.score, limit_cap_fen=band.value.cap), *band.reasons)


def _decide(
    who: Applicant,
    credit: CreditFacts | None,
    profile: LocalityProfile,
    rule: Callable[[CreditFacts, Credit], Decision[Eligible]],
    missing: str = "NO_GRADE",
) -> Decision[Eligible]:
    first = before_query(who, profile)
    if credit is None or not first.ok or profile.credit is None:
        return first
    usable = _answer_usable(credit, profile.credit.scheme, missing)
    if not usable.ok:
        return _follow(first, refuse(usable.code or missing, *usable.reasons))
    then = rule(credit, profile.credit)
    return _follow(first, Decision(then.value, usable.reasons + then.reasons, then.code, then.facts))


@handler("eligibility", "released_grade")
def released_grade(who: Applicant, credit: CreditFacts | None, profile: LocalityProfile) -> Decision[Eligible]:
    """Shaoyang: anybody with a released grade of the scheme who is not marked (R-003 … R-007)."""
    return _decide(who, credit, profile, _by_grade)


@handler("eligibility", "score_band")
def score_band(who: Applicant, credit: CreditFacts | None, profile: LocalityProfile) -> Decision[Eligible]:
    """Tianjin: a score of at least the first band; the band caps the limit (R-044, R-045)."""
    return _decide(who, credit, profile, _by_band)


@handler("eligibility", "bank_decides")
def bank_decides(who: Applicant, credit: CreditFacts | None, profile: LocalityProfile) -> Decision[Eligible]:
    """Guangzhou, Kunming: no credit platform is asked; the bank assesses (R-077)."""
    first = before_query(who, profile)
    if not first.ok or profile.credit is None:
        return first
    reason = Reason("eligibility.bank", PASS, "由服务银行评定", "R-077")
    return _follow(first, allow(Eligible(False, profile.credit.scheme), reason))


@handler("eligibility", "qualification")
def qualification(who: Applicant, credit: CreditFacts | None, profile: LocalityProfile) -> Decision[Eligible]:
    """Quanzhou: the bureau's qualification flag, in force, even when the bank would agree (R-086)."""

    def by_flag(answer: CreditFacts, terms: Credit) -> Decision[Eligible]:
        lapsed = answer.qualification_to is not None and answer.qualification_to < who.day
        if answer.qualification is not True or lapsed:
            reason = Reason("eligibility.qualification", REFUSE, "无有效信用资格", "R-086")
            return refuse("NO_QUALIFICATION", reason)
        reason = Reason("eligibility.qualification", PASS, "具有信用资格", "R-086")
        return allow(Eligible(False, terms.scheme, answer.grade or None, score=answer.score), reason)

    return _decide(who, credit, profile, by_flag, missing="NO_QUALIFICATION")
