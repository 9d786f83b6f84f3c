"""JSON without binary floats: a number keeps the digits it was written with."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, NoReturn


class NotJson(ValueError):
    """The text is not JSON, or JSON nobody should send: NaN, endless nesting, an absurd number, a member twice."""


def _no_constant(name: str) -> NoReturn:
    raise NotJson(f"{name} is no JSON number")


def _each_once(members: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(members)
    if len(content) != len(members):
        raise NotJson("member repeated")
    return content


def loads(text: str | bytes, *, unique: bool = False) -> Any:
    """Parse UTF-8 JSON; numbers with a point or exponent become Decimal. Raises NotJson, whatever is wrong.

    ``unique`` refuses an object that names a member twice, of which the last one would win.
    """
    once = _each_once if unique else None
    try:
        plain = text.decode("utf-8-sig") if isinstance(text, bytes) else text
        return json.loads(plain, parse_float=Decimal, parse_constant=_no_constant, object_pairs_hook=once)
    except (ValueError, ArithmeticError, RecursionError) as error:
        # The message of a foreign text's error may quote it, so only its kind is told.
        raise NotJson(type(error).__name__) from None


def dumps(value: Any) -> str:
    """Write JSON as compactly as `json.dumps`, Decimal with its own digits. Raises TypeError for other types."""
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{_text(str(name))}:{dumps(member)}" for name, member in value.items()) + "}"
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return "[" + ",".join(dumps(item) for item in value) + "]"
    if isinstance(value, float):
        raise TypeError("a binary float is no amount")
    return _text(value)


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
