"""Field types of a locality profile: what a TOML value may look like and what it becomes.

A ratio or a score is a quoted decimal, an amount a quoted sum of yuan that becomes fen: a bare TOML float would already
have lost digits, so it is refused.
"""

from __future__ import annotations

import re
from datetime import time
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from gateway.model.money import InvalidAmount, parse_yuan

_DECIMAL = re.compile(r"[0-9]{1,9}(\.[0-9]{1,6})?")
_CLOCK = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")


class Strict(BaseModel):
    """Frozen; an unknown key is refused, because a misspelt key would silently mean its default."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def _decimal(value: Any) -> Decimal:
    if isinstance(value, Decimal):
        return value
    if isinstance(value, bool) or not isinstance(value, str | int) or not _DECIMAL.fullmatch(str(value)):
        raise ValueError('须为带引号的十进制数，如 "0.60" / a quoted decimal')
    return Decimal(value)


def _yuan(value: Any) -> int:
    if not isinstance(value, str):
        raise ValueError('须为带引号的金额，如 "500.00" / a quoted amount in yuan')
    try:
        return parse_yuan(value)
    except InvalidAmount as refused:
        raise ValueError(refused.detail) from None


def _clock(value: Any) -> time:
    if isinstance(value, time):
        return value
    if not isinstance(value, str) or not _CLOCK.fullmatch(value):
        raise ValueError('须为 "HH:MM" / a quoted time of day')
    return time.fromisoformat(value)


Number = Annotated[Decimal, BeforeValidator(_decimal)]
"""A decimal such as a score, written with quotes."""

Ratio = Annotated[Number, Field(ge=0, le=1)]
"""A share between 0 and 1, written with quotes."""

YuanFen = Annotated[int, BeforeValidator(_yuan)]
"""An amount written in yuan with quotes, in fen once loaded."""

ClockTime = Annotated[time, BeforeValidator(_clock)]
"""A time of day in Asia/Shanghai, written "HH:MM"."""

Code = Annotated[str, Field(pattern=r"^[A-Za-z0-9]{12}$")]
"""An institution's code (fixmedins_code)."""

AreaPrefix = Annotated[str, Field(pattern=r"^[0-9]{2,6}$")]
"""The beginning of an administrative division code."""

Area = Annotated[str, Field(pattern=r"^[0-9]{6}$")]
"""A full administrative division code."""

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")]
"""An identifier in lower case: a locality, a scheme, a bank, a handler."""

MonthDay = Annotated[str, Field(pattern=r"^(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$")]
"""A day of every year, "MM-DD"."""
