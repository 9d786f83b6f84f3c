"""The `[payout]` and `[platform]` parts of a locality profile: instant settlement of the fund, platform variant."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Literal, Self

from pydantic import Field, model_validator

from gateway.model.masked import AccountNo
from gateway.model.profile_fields import Area, ClockTime, MonthDay, Name, Ratio, Strict

FundField = Literal[
    "hifp_pay", "hifob_pay", "hifmi_pay", "cvlserv_pay", "hifes_pay", "maf_pay", "oth_pay", "hifdm_pay", "acct_pay"
]
Ledger = Literal["daily", "prepayment", "working_capital"]


class PayoutHandlers(Strict):
    """Names of the entry points that compute payouts."""

    amount: Name = "ratio_per_record"
    date: Name = "next_working_day"
    feedback: Name = "by_pay_date"
    month: Name = "formula"
    year: Name = "formula"


class Scope(Strict):
    """Which settlements get a daily payout (R-112). A visit class stands for its local sub-classes: 21 covers 2101."""

    min_hospital_level: int = Field(ge=1, le=3)
    med_types: tuple[str, ...] = Field(min_length=1)
    in_pool_area_only: bool


class Batch(Strict):
    """One summary per settlement date (AMB-22); merging dates would break the numbers derived from them."""

    merge: Literal[False] = False


class Timetable(Strict):
    """Hours of the daily jobs, business time."""

    statement: ClockTime
    reconcile: ClockTime
    build: ClockTime
    close: ClockTime


class Month(Strict):
    """The month's figures. None has a default: a wrong guess would move money (AMB-27)."""

    appeal_working_days: int = Field(ge=1)
    ratio: Ratio
    apply_day: int = Field(ge=1, le=28)
    apply_deferred: bool
    pay_working_days: int = Field(ge=1)
    total_working_days: int = Field(ge=1)


class Annual(Strict):
    """Annual clearing: its hard deadline next year and the part of the deposit kept by grade (R-138, R-142)."""

    deadline: MonthDay
    deposit_keep_ratio_by_grade: Mapping[str, Ratio] = Field(default_factory=dict)

    def deadline_for(self, year: int) -> date:
        """Return the day the clearing of that fund year has to be finished; never deferred (R-142)."""
        return date.fromisoformat(f"{year + 1}-{self.deadline}")


class Agency(Strict):
    """The paying agency and its disbursement account (支出户)."""

    id: str = Field(pattern=r"^[0-9A-Za-z-]{1,20}$")
    payer_account: AccountNo
    payer_name: str = ""
    payer_bank_code: str = ""
    bank: Name


class Payout(Strict):
    """Daily payout, monthly settlement and annual clearing of one or more pooling areas."""

    handlers: PayoutHandlers = PayoutHandlers()
    pool_areas: tuple[Area, ...] = ()
    insutypes: tuple[str, ...] = Field(min_length=1)
    base_fields: Mapping[str, tuple[FundField, ...]]
    scope: Scope
    daily_ratio: Ratio = Field(gt=0)
    rounding: Literal["half_up", "half_even"] = "half_up"
    cutoff_time: ClockTime
    calendar: Name = "cn"
    bank_calendar: str = Field(default="", pattern=r"^[a-z0-9_-]*$")
    attribution: Literal["pay_date", "claims_in_month"] = "pay_date"
    feedback_day: int = Field(default=5, ge=1, le=28)
    receipt_gate: bool = True
    resettle: Literal["full", "delta"] = "full"
    pace_by_grade: Mapping[str, Literal["daily", "monthly_only"]] = Field(default_factory=dict)
    on_cutoff_missed: Literal["defer"] = "defer"
    batch: Batch = Batch()
    negative: Literal["carry"] = "carry"
    ledgers: tuple[Ledger, ...] = ("daily", "prepayment", "working_capital")
    timetable: Timetable
    month: Month
    annual: Annual
    agency: Agency

    @model_validator(mode="after")
    def _complete(self) -> Self:
        """Every insurance type has its funds, and the day's jobs come in an order that can work."""
        if not all(self.base_fields.get(insutype) for insutype in self.insutypes):
            raise ValueError("base_fields 缺少某一险种 / an insurance type has no base_fields")
        hours = self.timetable
        if not hours.statement < hours.reconcile < hours.build < self.cutoff_time < hours.close:
            raise ValueError(
                "timetable 须为 statement < reconcile < build < cutoff_time < close / timetable out of order"
            )
        return self


class Timeouts(Strict):
    """Seconds towards the platform by kind of transaction."""

    connect: int = Field(default=10, ge=1)
    query: int = Field(default=30, ge=1)
    money: int = Field(default=60, ge=1)
    batch: int = Field(default=120, ge=1)
    file: int = Field(default=300, ge=1)


class Platform(Strict):
    """How the province speaks the national interface (register of disagreements)."""

    url_family: Literal["call_service", "service_path", "infno"] = "call_service"
    auth: Literal["tif", "csb", "apikey", "none"] = "tif"
    input: Literal["object", "string"] = "object"
    failure_codes: Literal["minus_one", "minus_one_minus_two"] = "minus_one"
    fund_includes_acct: bool = False
    stmt_rslt: Literal["auto"] = "auto"
    detail_null: Literal["null", "empty"] = "null"
    file_transport: Literal["json_bytes", "base64", "multipart"] = "json_bytes"
    cainfo: Literal["none", "sm2", "sm2_rs"] = "none"
    timeouts: Timeouts = Timeouts()

    @property
    def words(self) -> dict[str, str]:
        """What the platform's codec has to know."""
        return {name: getattr(self, name) for name in ("url_family", "auth", "input", "failure_codes", "cainfo")}
