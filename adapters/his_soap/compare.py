"""Whether a msgid known from the other HIS door comes with the same content: XML has no numbers, and Call no opter.

Compared is what both messages can say: the transaction, the payload, and the insured area where both name one. A number
equals its text (90.5 and "90.50", not "090.5"), one row equals an array of one, an empty field one that is left out.
Two texts are equal only to the letter, as everywhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final

from gateway.model.exact_json import NotJson, loads

MAX_DIFFERENCES: Final = 20
_SHOWN: Final = 64
_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,63})(?:\.[0-9]{1,64})?")


def differences(first: bytes, again: bytes) -> list[str]:
    """Dotted names of the fields in which two national messages (JSON) differ; never their values. At most 20.

    A payload that came as a string of JSON is read. Raises NotJson.
    """
    one, two = loads(first), loads(again)
    found = [*_differing(one.get("infno"), two.get("infno"), "infno")]
    if one.get("insuplc_admdvs") and two.get("insuplc_admdvs"):
        found += _differing(one["insuplc_admdvs"], two["insuplc_admdvs"], "insuplc_admdvs")
    found += _differing(_payload(one), _payload(two), "input")
    return sorted(set(found))[:MAX_DIFFERENCES]


def _payload(message: Any) -> Any:
    held = message.get("input")
    try:
        return loads(held) if isinstance(held, str) else held
    except NotJson:
        return held


def _differing(one: Any, two: Any, path: str) -> Iterator[str]:
    one, two = _single(one), _single(two)
    if _is_empty(one) and _is_empty(two):
        return
    if isinstance(one, dict) and isinstance(two, dict):
        for name in one.keys() | two.keys():
            yield from _differing(one.get(name), two.get(name), f"{path}.{name[:_SHOWN]}")
    elif isinstance(one, list) and isinstance(two, list) and len(one) == len(two):
        for place, (left, right) in enumerate(zip(one, two, strict=True)):
            yield from _differing(left, right, f"{path}.{place}")
    elif isinstance(one, dict | list) or isinstance(two, dict | list) or not _same(one, two):
        yield path


def _single(value: Any) -> Any:
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def _is_empty(value: Any) -> bool:
    """As the fingerprint sees it: nothing, or only empty members."""
    if isinstance(value, dict):
        return all(_is_empty(member) for member in value.values())
    if isinstance(value, list):
        return all(_is_empty(member) for member in value)
    return value is None or value == ""


def _same(one: Any, two: Any) -> bool:
    if isinstance(one, str) and isinstance(two, str):
        return one == two
    if isinstance(one, bool) or isinstance(two, bool):
        return _worded(one) == _worded(two)
    left, right = _number(one), _number(two)
    return left is not None and left == right


def _worded(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _number(value: Any) -> Decimal | None:
    if isinstance(value, str):
        return Decimal(value) if _NUMBER.fullmatch(value) else None
    return Decimal(value) if isinstance(value, int | Decimal) else None
