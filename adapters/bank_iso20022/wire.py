"""The JSON messages of this channel: mandates, questions and acknowledgements, which the given ISO set has no XML for.

Names are those of pain.009 to pain.012 where there is one. Nothing is coerced: an amount is a text of yuan, a
flag is a flag, a member nobody declared is an error, a member named twice as well. One member, the message's name,
holds the message, so its kind is inside what is signed.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from types import MappingProxyType
from typing import Annotated, Any, Final, Literal, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
    ValidationInfo,
    WithJsonSchema,
)

from adapters.bank_iso20022 import text
from gateway.model.exact_json import NotJson, loads
from gateway.model.masked import AccountNo, CertNo, PersonName, Phone
from gateway.model.money import InvalidAmount, format_yuan, parse_yuan
from gateway.model.xml import Limits, Unreadable

M = TypeVar("M", bound="Message")


_FOREIGN: Final = "foreign"  # what is validated came over the wire


def _fen(value: Any, info: ValidationInfo) -> int:
    """Fen of ours, or a text of yuan from the wire: a bare number there could be either."""
    return _read_fen(value, info, signed=False)


def _signed_fen(value: Any, info: ValidationInfo) -> int:
    """What is left of a line is below zero after the bank lowered it."""
    return _read_fen(value, info, signed=True)


def _read_fen(value: Any, info: ValidationInfo, *, signed: bool) -> int:
    if isinstance(value, int) and info.context != _FOREIGN:
        return value
    if not isinstance(value, str):
        raise ValueError("an amount is a text")
    try:
        return parse_yuan(value, allow_negative=signed)
    except InvalidAmount:
        raise ValueError("an amount has two decimals") from None


def _day(value: Any) -> date:
    if isinstance(value, date):
        return value
    return text.read_day("Dt", value if isinstance(value, str) else "")


def _moment(value: Any) -> datetime:
    if isinstance(value, datetime):
        return value
    return text.read_moment("DtTm", value if isinstance(value, str) else "")


def _wire_text(pattern: str) -> WithJsonSchema:
    """How a value looks on the wire, for the contract's schema."""
    return WithJsonSchema({"type": "string", "pattern": pattern})


_YUAN: Final = r"(0|[1-9][0-9]{0,13})\.[0-9]{2}$"
Yuan = Annotated[int, BeforeValidator(_fen), PlainSerializer(format_yuan), _wire_text(f"^{_YUAN}")]
SignedYuan = Annotated[int, BeforeValidator(_signed_fen), PlainSerializer(format_yuan), _wire_text(f"^-?{_YUAN}")]
Day = Annotated[
    date, BeforeValidator(_day), PlainSerializer(date.isoformat), WithJsonSchema({"type": "string", "format": "date"})
]
Moment = Annotated[
    datetime, BeforeValidator(_moment), PlainSerializer(lambda at: text.moment("DtTm", at)),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]  # fmt: skip
Id35 = Annotated[str, Field(min_length=1, max_length=35)]
State = Literal["PDNG", "ACTV", "SUSP", "CANC", "EXPI", "RJCT"]


class Message(BaseModel):
    """Frozen, strict, and refuses members nobody declared."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", populate_by_name=True)


class Reason(Message):
    """Why: an external code, and words."""

    code: str = Field(alias="Cd", pattern=r"^[A-Z0-9]{1,4}$")
    text: str = Field(default="", alias="AddtlInf", max_length=210)


class CreditLine(Message):
    """The line a mandate draws on. Only a report on a mandate tells what of it is used, held and left."""

    limit_fen: Yuan = Field(alias="Lmt")
    currency: Literal["CNY"] = Field(default="CNY", alias="Ccy")
    used_fen: Yuan | None = Field(default=None, alias="Usd")
    held_fen: Yuan | None = Field(default=None, alias="Hld")
    available_fen: SignedYuan | None = Field(default=None, alias="Avlbl")
    free_days: int | None = Field(default=None, alias="FreeDays", ge=0, le=999)
    valid_to: Day | None = Field(default=None, alias="ToDt")


class Debtor(Message):
    """The person who signs. ``account`` only where the person's own account is debited."""

    name: PersonName = Field(alias="Nm")
    id_type: str = Field(alias="IdTp", min_length=1, max_length=4)
    id_no: CertNo = Field(alias="Id")
    mobile: Phone | None = Field(default=None, alias="MobNb")
    account: AccountNo | None = Field(default=None, alias="Acct")


class Initiation(Message):
    """MndtInitnReq: sign a mandate; the second step repeats it with the code the bank sent and a new MndtReqId."""

    msg_id: Id35 = Field(alias="MsgId")
    created: Moment = Field(alias="CreDtTm")
    sender: Id35 = Field(alias="InitgPty")
    request_id: Id35 = Field(alias="MndtReqId")
    kind: str = Field(alias="Tp")
    funding: str = Field(alias="Fndg")
    debtor: Debtor = Field(alias="Dbtr")
    creditor: Id35 = Field(alias="CdtrSchmeId")
    valid_from: Day = Field(alias="FrDt")
    valid_to: Day | None = Field(default=None, alias="ToDt")
    cap_fen: Yuan | None = Field(default=None, alias="MaxAmt")
    pending: Id35 | None = Field(default=None, alias="PdgMndtId")
    code: str | None = Field(default=None, alias="OTP")
    commitment: str | None = Field(default=None, alias="CmmtmntDgst")


class Cancellation(Message):
    """MndtCxlReq: end a mandate."""

    msg_id: Id35 = Field(alias="MsgId")
    created: Moment = Field(alias="CreDtTm")
    sender: Id35 = Field(alias="InitgPty")
    request_id: Id35 = Field(alias="CxlReqId")
    mandate: Id35 = Field(alias="MndtId")
    reason: str = Field(alias="Rsn", min_length=1, max_length=4)


class MandateQuestion(Message):
    """MndtStsReq: how a mandate stands, by its number or by the MndtReqId it was asked for with."""

    msg_id: Id35 = Field(alias="MsgId")
    created: Moment = Field(alias="CreDtTm")
    sender: Id35 = Field(alias="InitgPty")
    mandate: Id35 | None = Field(default=None, alias="MndtId")
    request_id: Id35 | None = Field(default=None, alias="MndtReqId")


class StatusQuestion(Message):
    """PmtStsReq: send the pain.002 of a message again as it stands now."""

    msg_id: Id35 = Field(alias="MsgId")
    created: Moment = Field(alias="CreDtTm")
    sender: Id35 = Field(alias="InitgPty")
    original: Id35 = Field(alias="OrgnlMsgId")
    message: Id35 = Field(alias="OrgnlMsgNmId")
    end_to_end: Id35 | None = Field(default=None, alias="OrgnlEndToEndId")


class AdviceQuestion(Message):
    """NtfctnReq: the camt.054 of one entry, by one of three numbers."""

    msg_id: Id35 = Field(alias="MsgId")
    created: Moment = Field(alias="CreDtTm")
    sender: Id35 = Field(alias="InitgPty")
    end_to_end: Id35 | None = Field(default=None, alias="EndToEndId")
    transaction: Id35 | None = Field(default=None, alias="AcctSvcrTxId")
    entry: Id35 | None = Field(default=None, alias="AcctSvcrRef")


class Acceptance(Message):
    """MndtAccptncRpt: the answer to an initiation or a cancellation."""

    created: Moment = Field(alias="CreDtTm")
    request_id: Id35 = Field(alias="OrgnlReqId")
    status: State = Field(alias="Sts")
    mandate: Id35 | None = Field(default=None, alias="MndtId")
    reason: Reason | None = Field(default=None, alias="Rsn")
    line: CreditLine | None = Field(default=None, alias="CdtLine")
    needs_code: bool = Field(default=False, alias="OTPReqrd")
    duplicate: bool = Field(default=False, alias="Dplct")


class MandateReport(Message):
    """MndtStsRpt: the answer to a question about a mandate. It repeats what was asked for."""

    created: Moment = Field(alias="CreDtTm")
    found: bool = Field(alias="Fnd")
    mandate: Id35 | None = Field(default=None, alias="MndtId")
    request_id: Id35 | None = Field(default=None, alias="MndtReqId")
    status: State | None = Field(default=None, alias="Sts")
    reason: Reason | None = Field(default=None, alias="Rsn")
    line: CreditLine | None = Field(default=None, alias="CdtLine")
    needs_code: bool = Field(default=False, alias="OTPReqrd")


class AdviceStatus(Message):
    """NtfctnStsRpt: there is no camt.054 (yet)."""

    status: Literal["PREPARING", "NONE"] = Field(alias="Sts")


class Default(Message):
    """An overdue debt the bank reported to the credit bureau (R-022)."""

    amount_fen: Yuan = Field(alias="Amt", gt=0)
    days: int = Field(alias="DaysOvrdue", gt=0, le=99_999)
    reference: Id35 = Field(alias="CdtBureauRef")


class MandateNotice(Message):
    """MndtNtfctn: the bank changed a mandate or its line, or reports a default."""

    msg_id: Id35 = Field(alias="MsgId")
    notice_id: Id35 = Field(alias="NtfctnId")
    occurred: Moment = Field(alias="OccrdDtTm")
    mandate: Id35 = Field(alias="MndtId")
    status: State = Field(alias="Sts")
    transaction: Id35 | None = Field(default=None, alias="AcctSvcrTxId")
    reason: Reason | None = Field(default=None, alias="Rsn")
    line: CreditLine | None = Field(default=None, alias="CdtLine")
    default: Default | None = Field(default=None, alias="Dflt")


class Rejection(Message):
    """MsgRjct: the message was not processed (Retry NO), or nobody knows (QUERY_FIRST)."""

    code: str = Field(alias="Cd", min_length=1, max_length=35)
    text: str = Field(default="", alias="Txt", max_length=210)
    retry: Literal["NO", "QUERY_FIRST"] = Field(alias="Retry")


class Acknowledgement(Message):
    """Ack: our answer to what the bank pushed."""

    status: Literal["OK", "RETRY", "MISMATCH"] = Field(alias="Sts")
    original: Id35 = Field(alias="OrgnlNtfctnId")


NAMES: Final[Mapping[type[Message], str]] = MappingProxyType(
    {
        Initiation: "MndtInitnReq",
        Cancellation: "MndtCxlReq",
        MandateQuestion: "MndtStsReq",
        StatusQuestion: "PmtStsReq",
        AdviceQuestion: "NtfctnReq",
        Acceptance: "MndtAccptncRpt",
        MandateReport: "MndtStsRpt",
        AdviceStatus: "NtfctnStsRpt",
        MandateNotice: "MndtNtfctn",
        Rejection: "MsgRjct",
        Acknowledgement: "Ack",
    }
)


_PARTS: Final[tuple[type[Message], ...]] = (*NAMES, Reason, CreditLine, Debtor, Default)
_MEMBERS: Final = frozenset(str(field.alias) for kind in _PARTS for field in kind.model_fields.values())


def contract() -> dict[str, Any]:
    """JSON Schema of every message by name, as `contract/messages.schema.json` holds it for the bank's engineers."""
    definitions: dict[str, Any] = {}
    for kind in NAMES:
        made = kind.model_json_schema(by_alias=True)
        definitions |= made.pop("$defs", {})
        definitions[kind.__name__] = made
    properties = {name: {"$ref": f"#/$defs/{kind.__name__}"} for kind, name in NAMES.items()}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "description": "One member, the message's name, holds the message.",
        "type": "object",
        "properties": properties,
        "minProperties": 1,
        "maxProperties": 1,
        "additionalProperties": False,
        "$defs": _untitled(definitions),
    }


def _untitled(part: Any) -> Any:
    """Without the titles pydantic makes of the names."""
    if isinstance(part, dict):
        return {name: _untitled(inner) for name, inner in part.items() if name != "title"}
    return [_untitled(one) for one in part] if isinstance(part, list) else part


def write(message: Message) -> bytes:
    """The message as it goes over the wire; personal values are revealed here and nowhere else."""
    inner = message.model_dump_json(by_alias=True, exclude_none=True, context={"reveal": True})
    return f'{{"{NAMES[type(message)]}":{inner}}}'.encode()


def read(raw: bytes, limits: Limits, *kinds: type[M]) -> M:
    """One of the messages of ``kinds``. Raises Unreadable for anything else, text.Unfit naming the wrong member."""
    if len(raw) > limits.size:
        raise Unreadable("too large")
    try:
        content = loads(raw, unique=True)
    except NotJson:
        raise Unreadable("no JSON") from None
    if not isinstance(content, dict) or len(content) != 1:
        raise Unreadable("not one message")
    name, inner = next(iter(content.items()))
    kind = next((kind for kind in kinds if NAMES[kind] == name), None)
    if kind is None:
        raise Unreadable("another message")
    return _validated(kind, inner)


def _validated(kind: type[M], inner: Any) -> M:
    try:
        return kind.model_validate(inner, by_alias=True, by_name=False, context=_FOREIGN)
    except ValidationError as invalid:
        # Only the member's name: pydantic's text repeats the value.
        where = invalid.errors(include_input=False, include_context=False, include_url=False)[0]["loc"]
        name = str(where[-1]) if where else ""
    raise text.Unfit(name if name in _MEMBERS else NAMES[kind])
