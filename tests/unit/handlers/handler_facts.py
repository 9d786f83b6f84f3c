"""Facts shared by the handler tests: the shipped profiles, the calendar, and shorthands."""

from __future__ import annotations

from datetime import datetime

from gateway.model.calendar import WorkingCalendar
from gateway.model.clock import SHANGHAI
from gateway.model.money import format_yuan, parse_yuan
from gateway.model.profile import LocalityProfile, load_all

PROFILES = load_all()
CN = WorkingCalendar.load()


def profile(locality: str) -> LocalityProfile:
    """A shipped profile."""
    return PROFILES.by_locality(locality)


def with_credit(locality: str, **changes: object) -> LocalityProfile:
    """A shipped profile with keys of its credit part changed."""
    shipped = profile(locality)
    assert shipped.credit is not None
    return shipped.model_copy(update={"credit": shipped.credit.model_copy(update=changes)})


def with_payout(locality: str = "ningxia", **changes: object) -> LocalityProfile:
    """A shipped profile with keys of its payout part changed."""
    shipped = profile(locality)
    assert shipped.payout is not None
    return shipped.model_copy(update={"payout": shipped.payout.model_copy(update=changes)})


def fen(yuan: str) -> int:
    """An amount as the requirements write it, 1,234.56."""
    return parse_yuan(yuan.replace(",", ""), allow_negative=True)


def yuan(amount: int) -> str:
    """Fen as yuan."""
    return format_yuan(amount)


def at(text: str) -> datetime:
    """A moment in Asia/Shanghai, "2025-03-10 14:59:59"."""
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI)
