"""Request bodies of credit pay as `/v1` takes them: amounts become fen, unknown fields are refused by name."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, time
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator

from gateway.flows.api import Body
from gateway.model.clock import SHANGHAI
from gateway.model.money import InvalidAmount, parse_yuan
from gateway.model.profile_credit import Funding, Product, Relation, Scene

Scope = Literal["CREDIT_QUERY", "BANK_SHARE"]
Channel = Literal["UNIONPAY", "WECHAT", "ALIPAY", "COUNTER"]


def _fen(value: Any, info: ValidationInfo) -> int:
    """Money on the wire is a string with at most two decimals; a JSON number is refused (INVALID_AMOUNT)."""
    field = info.field_name or "amount"
    if not isinstance(value, str):
        raise InvalidAmount(f"{field}: 金额须为带两位小数的字符串 / a string", field=field)
    return parse_yuan(value, field=field)


def _positive(value: Any, info: ValidationInfo) -> int:
    fen = _fen(value, info)
    if not fen:
        field = info.field_name or "amount"
        raise InvalidAmount(f"{field}: 金额须大于零 / more than zero", field=field)
    return fen


Fen = Annotated[int, BeforeValidator(_fen)]
Positive = Annotated[int, BeforeValidator(_positive)]
Number = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9._:/-]+$")]
Text = Annotated[str, Field(max_length=200)]
Required = Annotated[str, Field(min_length=1, max_length=200)]
NationalId = Annotated[str, Field(min_length=1, max_length=30, pattern=r"^[A-Za-z0-9_-]+$")]


class Guardian(Body):
    """Who consents for a minor (PIPL art. 31)."""

    name: Required
    certno: Required
    relation: Required


class AuthorisationBody(Body):
    """A person's consent to one purpose (R-043). A plain date is good until its last moment."""

    psn_no: NationalId
    psn_name: Required
    psn_cert_type: Annotated[str, Field(pattern=r"^[0-9]{2,3}$")]
    certno: Annotated[str, Field(min_length=1, max_length=50)]
    purpose: Literal["CREDIT_PAY"]
    scope: Annotated[tuple[Scope, ...], Field(min_length=1)]
    channel: Required
    valid_to: str
    guardian: Guardian | None = None
    evidence_digest: Required

    @field_validator("valid_to")
    @classmethod
    def _readable(cls, value: str) -> str:
        moment_of(value)
        return value


def moment_of(text: str) -> datetime:
    """A date (its last moment) or a moment with an offset. Raises ValueError."""
    if len(text) == 10:
        return datetime.combine(date.fromisoformat(text), time.max, SHANGHAI)
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("须带时区偏移 / an offset is missing")
    return moment.astimezone(SHANGHAI)


class ReasonBody(Body):
    """Why something is revoked or cancelled."""

    reason: Text = ""


class Payer(Body):
    """The account that is charged; a bank advance needs none (R-040)."""

    acct_no: Annotated[str, Field(max_length=34)] = ""
    acct_name: Text = ""
    mobile: Annotated[str, Field(max_length=20)] = ""


class Beneficiary(Body):
    """A relative who may use the line (R-085)."""

    psn_no: NationalId
    relation: Relation
    proof_id: Text = ""


class ApplicationBody(Body):
    """The application for an agreement. What a rule judges may be empty here: the rule refuses it by its own code."""

    locality: Required
    psn_no: NationalId
    auth_id: Text = ""
    bank: Required
    products: tuple[Product, ...] = ()
    funding: Funding
    commitment_id: Text = ""
    disclosure_id: Text = ""
    payer: Payer = Payer()
    beneficiaries: tuple[Beneficiary, ...] = ()


class ConfirmBody(Body):
    """The code the bank sent to the payer's phone."""

    sms_token: Annotated[str, Field(min_length=1, max_length=35)]


class VisitBody(Body):
    """A visit that is to be paid from a line."""

    agreement_no: Number
    fixmedins_code: Annotated[str, Field(pattern=r"^[A-Za-z0-9]{12}$")]
    mdtrt_id: NationalId
    psn_no: NationalId
    scene: Scene
    med_type: Annotated[str, Field(max_length=6)] = ""
    insutype: Annotated[str, Field(max_length=6)] = ""


class LegBody(Body):
    """One leg of a visit with its estimated self-pay part."""

    leg_no: Number
    kind: Annotated[str, Field(min_length=1, max_length=40)]
    medfee_sumamt: Fen
    self_pay_estimate: Fen

    @field_validator("self_pay_estimate")
    @classmethod
    def _part_of_the_fee(cls, value: int, info: ValidationInfo) -> int:
        if value > info.data.get("medfee_sumamt", value):
            raise ValueError("自付预估不得大于费用总额 / more than the fee")
        return value


class DepositBody(Body):
    """An inpatient deposit to be held on the line."""

    deposit_no: Number
    amount: Positive


class TopupBody(Body):
    """What a patient paid by other means for a leg over the limit, or for the rest of a bill."""

    topup_no: Number
    leg_no: Number | None = None
    amount: Positive
    channel: Required
    channel_serial: Text = ""


class SettleBody(Body):
    """Insurance settlement and charge in one call; ``input`` is the national input of the transaction."""

    infno: Literal["2207", "2304", "2207A", "2304A"]
    input: Mapping[str, Any]
    his_bill_no: Annotated[str, Field(min_length=1, max_length=35)]
    his_total_amt: Fen


class PaidOtherwise(Body):
    """What was paid at the window; an amount of 0.00 says that the patient left without paying."""

    amount: Fen
    channel: Required


class CloseBody(Body):
    """The end of a visit without (further) charge."""

    paid_otherwise: PaidOtherwise


class RepaymentBody(Body):
    """A repayment the bank tells of (R-049)."""

    agreement_no: Number
    channel: Channel
    channel_serial: Number
    amount: Positive
    paid_at: str

    @field_validator("paid_at")
    @classmethod
    def _readable(cls, value: str) -> str:
        moment_of(value)
        return value
