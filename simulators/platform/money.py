"""Amounts: fen inside, yuan on the wire, spelled as real platforms spell them (``90.5``, not ``90.50``)."""

from __future__ import annotations

import json
from decimal import Decimal, InvalidOperation
from typing import Any

import orjson

from simulators.platform.refusals import Refused


class Fen(int):
    """An amount in an answer. A type of its own, so that the renderer knows money from counts."""


def parse_json(text: bytes | str) -> Any:
    """JSON with exact decimals. Raises ValueError."""
    return json.loads(text, parse_float=Decimal)


def decimal_of(value: Any, field: str) -> Decimal:
    """A number sent as a number or as a string. Raises Refused."""
    if isinstance(value, bool) or not isinstance(value, int | str | Decimal):
        raise Refused(f"{field}不能为空" if value is None else f"{field}格式不正确")
    try:
        number = Decimal(value)
    except InvalidOperation:
        raise Refused(f"{field}格式不正确") from None
    if not number.is_finite():
        raise Refused(f"{field}格式不正确")
    return number


def fen_of(value: Any, field: str) -> int:
    """Yuan with at most two decimals as fen. Raises Refused."""
    scaled = decimal_of(value, field) * 100
    if scaled != scaled.to_integral_value():
        raise Refused(f"{field}最多两位小数")
    return int(scaled)


def yuan(fen: int) -> str:
    """Two decimals, for files, the ledger and descriptions."""
    sign, rest = ("-", -fen) if fen < 0 else ("", fen)
    return f"{sign}{rest // 100}.{rest % 100:02d}"


def trimmed(fen: int) -> str:
    """Without trailing zeros."""
    return yuan(fen).rstrip("0").rstrip(".")


def half_up(fen: int, ratio: int) -> int:
    """``fen`` times ``ratio`` ten-thousandths, rounded half up (away from zero for negative amounts)."""
    if fen < 0:
        return -half_up(-fen, ratio)
    return (fen * ratio + 5_000) // 10_000


def _as_number(value: Any) -> Any:
    if isinstance(value, Fen):
        return orjson.Fragment(trimmed(value))
    if isinstance(value, Decimal):
        return orjson.Fragment(f"{value:f}")
    raise TypeError(type(value).__name__)


def _as_string(value: Any) -> Any:
    if isinstance(value, Fen):
        return yuan(value)
    if isinstance(value, Decimal):
        return f"{value:f}"
    raise TypeError(type(value).__name__)


def render(answer: dict[str, Any], *, amounts_as_strings: bool) -> bytes:
    """An answer as JSON text."""
    default = _as_string if amounts_as_strings else _as_number
    return orjson.dumps(answer, default=default, option=orjson.OPT_PASSTHROUGH_SUBCLASS)
