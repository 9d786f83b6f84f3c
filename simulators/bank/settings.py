"""``/_sim/settings``: how this bank behaves. Times of day and delays are business time, Asia/Shanghai."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

_CLOCK = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")
NOTICES = ("none", "async", "all")


class SettingRefused(ValueError):
    """The setting makes no sense; the text says why."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The first six are the agreed ones; the others are this simulator's own."""

    settling_minutes: int = 10
    """A request that has waited longer than this inside the bank is not executed any more, so that the bank's
    NOT_FOUND is final after it."""
    day_switch: str = "23:00"
    """From here on bookings belong to the next day, full refunds are no reversals, and the day's statement exists."""
    auto_receipts: bool = True
    needs_sms: bool = False
    sms_token: str = "000000"
    dedup: bool = True
    """False: a repeated serial is executed again."""
    auto_notices: str = "async"
    """``async``: what the caller cannot have learnt from an answer (payout records, returns, repayments, overdue debts,
    changed agreements); ``all``: every money operation as well; ``none``."""
    payout_seconds: int = 0
    """Business seconds between accepting a payout batch and booking its records."""
    pending_seconds: int = 0
    """Above zero, a withholding is answered PDNG and booked after as many business seconds."""


def _whole(value: Any, name: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= 10_000_000:
        raise SettingRefused(f"{name} is a whole number")
    return value


def _checked(name: str, value: Any, present: Any) -> Any:
    if name == "auto_notices":
        value = {True: "all", False: "none"}.get(value, value) if isinstance(value, bool) else value
        if value not in NOTICES:
            raise SettingRefused(f"auto_notices is one of {', '.join(NOTICES)}")
    elif name == "day_switch":
        if not isinstance(value, str) or not _CLOCK.fullmatch(value):
            raise SettingRefused("day_switch is HH:MM")
    elif isinstance(present, bool):
        if not isinstance(value, bool):
            raise SettingRefused(f"{name} is true or false")
    elif isinstance(present, int):
        return _whole(value, name)
    elif not isinstance(value, str) or not value:
        raise SettingRefused(f"{name} is a text")
    return value


def changed(settings: Settings, content: Any) -> Settings:
    """The settings with what was posted; raises SettingRefused for an unknown name or an impossible value."""
    if not isinstance(content, Mapping):
        raise SettingRefused("an object of settings is expected")
    known = asdict(settings)
    for name in content:
        if name not in known:
            raise SettingRefused(f"unknown setting {name}; known: {', '.join(f.name for f in fields(settings))}")
    return replace(settings, **{name: _checked(name, value, known[name]) for name, value in content.items()})
