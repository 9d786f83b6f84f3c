"""The canonical words between flows and a credit platform.

A query leaves only under a live authorisation and says why (R-043); feedback is about settled, confirmed
debts (AMB-33).
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from pydantic import BaseModel, ConfigDict, Field

from gateway.model.masked import CertNo, PersonName


class CreditModel(BaseModel):
    """Frozen, and refuses fields nobody declared."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class CreditQuery(CreditModel):
    """Ask for the score or grade of a person in a scheme."""

    request_id: str
    auth_id: str = Field(min_length=1)
    query_reason: str = Field(min_length=1)
    scheme: str
    psn_cert_type: str
    certno: CertNo
    psn_name: PersonName


class CreditAnswer(CreditModel):
    """Score with date and scheme. ``found`` false: the platform has nothing on the person (``NO_GRADE``)."""

    request_id: str
    found: bool
    scheme: str = ""
    score: Decimal | None = None
    grade: str = ""
    score_date: date | None = None
    dishonest: bool = False
    qualification: bool | None = None
    released: bool = True


class CreditFeedback(CreditModel):
    """Negative information, its correction or its repair; idempotent by ``event_id`` (R-052)."""

    event_id: str
    auth_id: str
    scheme: str
    certno: CertNo
    event_type: str
    amount_fen: int
    overdue_days: int
    status: str  # OPEN, RESOLVED


class CreditAck(CreditModel):
    """The platform's receipt of a feedback."""

    event_id: str
    ack_id: str
    duplicate: bool = False
