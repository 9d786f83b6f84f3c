"""Wire types of the credit platform, and the list push the canonical model does not know yet (R-094)."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StringConstraints

from gateway.model.masked import PersonName

Key = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{4,64}$")]


class WireModel(BaseModel):
    """Frozen; a platform may add members, which are not read."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class QueryWire(WireModel):
    """200 of a query. `score` is judged by the codec: a text that is no number is a refusal of its own."""

    request_id: str
    auth_id: str
    found: StrictBool
    scheme: str
    score: Any
    grade: str | None
    mark: StrictBool
    qualification: StrictBool | None
    released: StrictBool
    score_date: date | None


class AckWire(WireModel):
    """200 of a feedback or a list push; one of the two keys is there."""

    event_id: str = ""
    batch_no: str = ""
    ack_id: str = Field(min_length=1)
    duplicate: StrictBool


class RefusalWire(WireModel):
    """Every refusal of the platform itself."""

    code: str = Field(min_length=1)
    message: str


class ListRecord(BaseModel):
    """A subject on a red or black list; the name is masked everywhere but on the wire."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    subject_id: str = Field(min_length=1, max_length=64)
    subject_name: PersonName
    subject_type: str = ""
    grade: str = ""
    scheme: str = ""
    year: str = ""
    decision_id: str = ""
    reason: str = ""


class ListPush(BaseModel):
    """A batch of a red or black list; idempotent by `batch_no` (R-094: subject and year go into it)."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    batch_no: Key
    kind: Literal["RED", "BLACK"]
    records: tuple[ListRecord, ...] = Field(min_length=1, max_length=5000)


class ListAck(BaseModel):
    """The platform's receipt of a batch."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    batch_no: str
    ack_id: str
    duplicate: bool = False


class ScoreInvalid(ValueError):
    """The platform's score is no score."""


def parse_score(value: Any) -> Decimal | None:
    """The score with its own digits; None where the scheme has none. Raises ScoreInvalid for anything but a number ≥ 0.

    Its range is the scheme's affair (acceptance 28: -1 and "abc" are invalid, an absent score is no grade).
    """
    if value is None or value == "":
        return None
    text = str(value) if isinstance(value, str | int | Decimal) and not isinstance(value, bool) else ""
    whole, _, places = text.partition(".")
    if not (whole.isascii() and whole.isdigit() and len(whole) <= 9) or ("." in text and not _is_digits(places)):
        raise ScoreInvalid("score")
    return Decimal(text)


def _is_digits(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 9
