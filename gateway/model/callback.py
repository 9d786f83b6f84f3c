"""Events a hospital is told about (v1, callback types); idempotent by `event_id`, in order per `resource`."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field


class CallbackType(StrEnum):
    """Every type of event, as it stands on the wire."""

    CHARGE_FINAL = "charge.final"
    CHARGE_PENDING = "charge.pending"
    VISIT_OVER_LIMIT = "visit.over_limit"
    VISIT_FINAL = "visit.final"
    HOLD_LAPSING = "hold.lapsing"
    AGREEMENT_CHANGED = "agreement.changed"
    SETTLEMENT_REVERSED = "settlement.reversed"
    PAYOUT_PAID = "payout.paid"
    PAYOUT_FAILED = "payout.failed"
    PAYOUT_RETURNED = "payout.returned"
    FEEDBACK_SENT = "feedback.sent"
    MONTHLY_LINE = "monthly.line"
    MONTHLY_PAID = "monthly.paid"
    TICKET_REPLIED = "ticket.replied"
    MOBILE_ORDER = "mobile.order"


class CallbackEvent(BaseModel):
    """One event. `data` holds JSON values only: amounts as strings with two decimals, nothing medical, no person."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    event_id: str = Field(min_length=1)
    type: CallbackType
    occurred_at: AwareDatetime
    resource: str = Field(min_length=1)
    data: Mapping[str, Any]


class CallbackAck(BaseModel):
    """The hospital took the event; `status` is the HTTP status it said so with."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    event_id: str
    status: int
