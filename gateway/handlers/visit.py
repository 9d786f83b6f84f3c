"""Opening a credit visit, and a relative's use of somebody else's line (D.2, R-002, R-023, R-028, R-029, R-085)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from gateway.handlers.base import NOTE, PASS, REFUSE, Decision, Reason, allow, refuse
from gateway.model.money import format_yuan
from gateway.model.profile import LocalityProfile


@dataclass(frozen=True, slots=True)
class VisitFacts:
    """A visit about to be opened. `insuplc_admdvs` may be unknown here; `arrears_fen`: unpaid at this hospital."""

    day: date
    fixmedins_code: str
    scene: str
    agreement_state: str
    agreement_valid_to: date | None
    products: tuple[str, ...]
    insuplc_admdvs: str = ""
    arrears_fen: int = 0


@dataclass(frozen=True, slots=True)
class Opening:
    """The visit may be opened; `has_arrears` flags an unpaid one to the hospital (R-023)."""

    has_arrears: bool


def may_open(facts: VisitFacts, profile: LocalityProfile) -> Decision[Opening]:
    """Check agreement, institution, scene, region and arrears in the order a cashier can act on them."""
    for code, rule, requirement, detail in _faults(facts, profile):
        return refuse(code, Reason(f"visit.{rule}", REFUSE, detail, requirement))
    if facts.arrears_fen > 0:
        detail = f"有未结清就诊 {format_yuan(facts.arrears_fen)} 元"
        if profile.credit is not None and profile.credit.arrears == "block":
            return refuse("HAS_ARREARS", Reason("visit.arrears", REFUSE, detail, "R-023"))
        return allow(Opening(True), Reason("visit.arrears", NOTE, detail, "R-023"))
    return allow(Opening(False), Reason("visit.open", PASS, "协议、机构与场景均符合", "D.2"))


def _faults(facts: VisitFacts, profile: LocalityProfile) -> list[tuple[str, str, str, str]]:
    """(code, rule, requirement, detail) of everything in the way, the first one to be told first."""
    hospital = profile.locality.hospital(facts.fixmedins_code)
    enabled = hospital is not None and hospital.enabled_on(facts.day) and bool(hospital.agreement_id)
    expired = facts.agreement_valid_to is not None and facts.agreement_valid_to < facts.day
    offered = hospital is not None and hospital.scene_on(facts.scene, facts.day)
    inside = not facts.insuplc_admdvs or profile.locality.insured_here(facts.insuplc_admdvs, facts.day)
    checks = (
        (expired, "AGREEMENT_EXPIRED", "agreement", "R-009", "协议已到期"),
        (facts.agreement_state != "ACTIVE", "AGREEMENT_NOT_ACTIVE", "agreement", "R-009", "协议未生效"),
        (not profile.effective_on(facts.day), "NOT_LIVE", "scheme", "R-030", "方案不在有效期内"),
        (not enabled, "HOSPITAL_NOT_ENABLED", "hospital", "R-028", "机构未开通"),
        (not inside, "NOT_ELIGIBLE_REGION", "region", "R-029", "参保地不符"),
        (not offered, "SCENE_NOT_SUPPORTED", "scene", "R-041", "机构不支持该场景"),
        (facts.scene not in facts.products, "PRODUCT_NOT_SIGNED", "product", "R-002", "未签约该产品"),
    )
    return [(code, rule, requirement, detail) for failed, code, rule, requirement, detail in checks if failed]


@dataclass(frozen=True, slots=True)
class RelativeFacts:
    """A beneficiary other than the owner: relation, its proof, age if known, and a guardian's consent."""

    relation: str
    proof_id: str
    age: int | None = None
    guardian_consent: bool = False
    owner_dishonest: bool = False


def may_use_as_relative(facts: RelativeFacts, profile: LocalityProfile) -> Decision[bool]:
    """Decide whether a relative may use the owner's line (R-085); the owner's mark bars the relative too."""
    rules = profile.credit.relatives if profile.credit else None
    if rules is None or not rules.allowed:
        return refuse("RELATIVE_NOT_SUPPORTED", Reason("relative.allowed", REFUSE, "本地市不支持亲属使用", "R-085"))
    if facts.owner_dishonest:
        return refuse("BARRED_DISHONEST", Reason("relative.owner", REFUSE, "额度所有人存在失信标记", "R-006"))
    if facts.relation not in rules.relations or not facts.proof_id:
        return refuse("RELATION_MISSING", Reason("relative.proof", REFUSE, "缺少可用的亲属关系证明", "R-085"))
    minor = facts.age is None or facts.age < rules.guardian_below_age
    if minor and facts.relation == "CHILD" and not facts.guardian_consent:
        return refuse("GUARDIAN_REQUIRED", Reason("relative.guardian", REFUSE, "未成年人须监护人同意", "R-085"))
    return allow(True, Reason("relative.use", PASS, "亲属关系与同意齐备", "R-085"))
