"""From a score to a grade letter or a band of a scheme (R-003, R-044, AMB-01, AMB-06)."""

from __future__ import annotations

from decimal import ROUND_FLOOR, Decimal, InvalidOperation

from gateway.handlers.base import PASS, REFUSE, Decision, Reason, allow, refuse
from gateway.model.money import format_yuan
from gateway.model.profile_credit import Band, Credit, Grade

Score = Decimal | str | int | None


def read_score(score: Score, credit: Credit) -> Decision[Decimal]:
    """Return the score to compare, rounded as the scheme says. Refuses NO_GRADE (none), INVALID_SCORE (nonsense)."""
    if score is None or score == "":
        return refuse("NO_GRADE", Reason("grade.score", REFUSE, "信用平台没有该人的评分", "R-003"))
    if isinstance(score, bool) or not isinstance(score, Decimal | str | int):
        return _invalid("评分不是十进制数")
    try:
        number = Decimal(score)
    except InvalidOperation:
        return _invalid("评分不是数字")
    if not number.is_finite() or number < 0 or (credit.score_max is not None and number > credit.score_max):
        return _invalid("评分超出取值范围")
    if credit.score_rounding == "floor":
        number = number.to_integral_value(ROUND_FLOOR)
    return allow(number, Reason("grade.score", PASS, f"用于比较的评分为 {number}", "AMB-06"))


def _invalid(detail: str) -> Decision[Decimal]:
    return refuse("INVALID_SCORE", Reason("grade.score", REFUSE, detail, "R-003"))


def grade_of(score: Score, credit: Credit) -> Decision[Grade]:
    """Return the grade of a score: lower bound inclusive, the top included (AMB-01)."""
    read = read_score(score, credit)
    if read.value is None or not read.ok:
        return refuse(read.code or "NO_GRADE", *read.reasons)
    number = read.value
    grade = next((grade for grade in credit.grades if number >= grade.min), None)
    if grade is None:
        return refuse("NO_GRADE", *read.reasons, Reason("grade.letter", REFUSE, "该方案未设信用等级", "R-003"))
    return allow(grade, *read.reasons, Reason("grade.letter", PASS, f"等级 {grade.letter}（{grade.meaning}）", "R-003"))


def band_of(score: Score, credit: Credit) -> Decision[Band]:
    """Return the band of a score. Refuses SCORE_BELOW_MIN below the first: no limit, and no negative record (R-045)."""
    read = read_score(score, credit)
    if read.value is None or not read.ok:
        return refuse(read.code or "NO_GRADE", *read.reasons)
    number = read.value
    band = next((band for band in reversed(credit.bands) if number >= band.min), None)
    if band is None:
        return refuse("SCORE_BELOW_MIN", *read.reasons, Reason("grade.band", REFUSE, "评分低于最低分段", "R-045"))
    detail = f"分段 {band.min} 起，额度上限 {format_yuan(band.cap)} 元"
    return allow(band, *read.reasons, Reason("grade.band", PASS, detail, "R-044"))


def grade_by_letter(letter: str, credit: Credit) -> Decision[Grade]:
    """Return the grade of a letter given without a score. Refuses NO_GRADE for a foreign letter (AMB-20)."""
    grade = next((grade for grade in credit.grades if grade.letter == letter), None)
    if grade is None:
        return refuse("NO_GRADE", Reason("grade.letter", REFUSE, "等级不属于本方案", "AMB-20"))
    return allow(grade, Reason("grade.letter", PASS, f"等级 {letter}（{grade.meaning}）", "R-003"))


def perks_of(grade: Grade | None) -> tuple[str, ...]:
    """Return what a grade is entitled to (R-008); nothing without a grade."""
    return grade.perks if grade else ()
