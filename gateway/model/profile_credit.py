"""The `[credit]` part of a locality profile: who may use credit pay, up to which limit, and how it is repaid."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from gateway.model.profile_fields import ClockTime, Name, Number, Ratio, Strict, YuanFen

MAX_FREE_DAYS = 59
"""No interest-free period is longer (R-049)."""

MAX_WORKING_CAPITAL = Decimal("0.05")
"""Special working capital never exceeds this share of its base (R-026)."""

Scene = Literal["OUTPATIENT", "INPATIENT"]
Product = Literal["OUTPATIENT", "INPATIENT", "PERKS"]
Funding = Literal["CREDIT_CARD", "CREDIT_LOAN", "BANK_ADVANCE", "DEBIT_CARD"]
Source = Literal["FUND", "ACCOUNT", "CREDIT", "CARD", "CASH"]
Relation = Literal["SPOUSE", "CHILD", "PARENT"]


class CreditHandlers(Strict):
    """Names of the entry points that decide for this locality."""

    eligibility: Name
    limit: Name = "bank_offer_within_cap"
    funding: Name = "ordered"


class Grade(Strict):
    """One letter of a scheme: lower bound inclusive (AMB-01), what the letter means there (AMB-20), its perks."""

    letter: str = Field(pattern=r"^[A-Z]{1,3}$")
    min: Number
    meaning: str = Field(pattern=r"^[A-Z_]+$")
    perks: tuple[str, ...] = ()


class Band(Strict):
    """From this score on a person's lines in the scheme may reach `cap` fen (R-044)."""

    min: int = Field(ge=0)
    cap: YuanFen


class Limit(Strict):
    """The range in fen a bank's offer must lie in; no `max` means the bank alone decides."""

    min: YuanFen = 0
    max: YuanFen | None = None

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.max is not None and self.max < self.min:
            raise ValueError("max 不得小于 min / max below min")
        return self


class Relatives(Strict):
    """Whether relatives may use the owner's line, which ones, and below which age a guardian must consent (R-085)."""

    allowed: bool = False
    relations: tuple[Relation, ...] = ()
    guardian_below_age: int = Field(default=18, ge=0, le=18)

    @model_validator(mode="after")
    def _named(self) -> Self:
        if self.allowed and not self.relations:
            raise ValueError("允许亲属使用时须列明 relations / relations missing")
        return self


class Dishonest(Strict):
    """When an unpaid visit becomes a dishonesty case for a person to judge (AMB-04)."""

    overdue_days: int = Field(default=30, ge=1)
    reminders: int = Field(default=3, ge=1)
    objection_working_days: int = Field(default=10, ge=1)


class WorkingCapital(Strict):
    """Special working capital of a hospital by its grade (R-026, AMB-05)."""

    ratio_by_grade: Mapping[str, Annotated[Ratio, Field(le=MAX_WORKING_CAPITAL)]]
    base: Literal["previous_year_monthly_average"] = "previous_year_monthly_average"


class Credit(Strict):
    """Credit pay in this locality. Amounts in fen, times Asia/Shanghai."""

    scheme: Name
    handlers: CreditHandlers
    funding_order: tuple[Source, ...] = ("FUND", "ACCOUNT", "CREDIT")
    banks: tuple[Name, ...] = Field(min_length=1)
    grades: tuple[Grade, ...] = ()
    score_rounding: Literal["none", "floor"] = "none"
    score_max: Number | None = None
    bands: tuple[Band, ...] = ()
    limit: Limit = Limit()
    barred_grades: tuple[str, ...] = ()
    publicity_days: int = Field(default=5, ge=0)
    free_days_max: int = Field(default=MAX_FREE_DAYS, ge=0, le=MAX_FREE_DAYS)
    deposit: Literal["waived", "held"] = "waived"
    hold_valid_days: int = Field(default=30, ge=1)
    auto_settle_at: ClockTime | None = None
    funding: tuple[Funding, ...] = Field(min_length=1)
    relatives: Relatives = Relatives()
    arrears: Literal["flag", "block"] = "flag"
    allow_partial: bool = False
    midstay: Literal["honour_hold"] = "honour_hold"
    revolving: bool = True
    dishonest: Dishonest = Dishonest()
    working_capital: WorkingCapital | None = None

    @model_validator(mode="after")
    def _scales(self) -> Self:
        """Grades fall from the best, bands rise; a score below every grade would have none (R-003)."""
        minima = [grade.min for grade in self.grades]
        letters = [grade.letter for grade in self.grades]
        if minima != sorted(set(minima), reverse=True) or len(set(letters)) != len(letters):
            raise ValueError("grades 须自高到低且字母不重复 / grades must fall and be distinct")
        if minima and minima[-1] != 0:
            raise ValueError("最低等级的 min 须为 0 / the lowest grade starts at 0")
        if minima and self.score_max is not None and minima[0] > self.score_max:
            raise ValueError("grades 的 min 超过 score_max / a grade starts above score_max")
        if not set(self.barred_grades) <= set(letters):
            raise ValueError("barred_grades 含未定义的等级 / unknown letter in barred_grades")
        starts = [band.min for band in self.bands]
        if starts != sorted(set(starts)) or [band.cap for band in self.bands] != sorted(
            band.cap for band in self.bands
        ):
            raise ValueError("bands 须按分数与上限递增 / bands must rise")
        return self
