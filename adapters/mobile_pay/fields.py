"""What of a hospital's mobile-payment request is looked at before it is sent: its keys and its money.

As for the national transactions, the rest is the centre's to judge: hospitals send fields of their provinces.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

from gateway.model.mobile import AMOUNTS, PAY, QUERY, REFUND, REVOKE, UPLOAD, business_of
from gateway.model.money import parse_yuan
from gateway.model.refusals import Refusal

KEYS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType({
    UPLOAD: ("medOrgOrd",),
    PAY: ("payOrdId",),
    REFUND: ("payOrdId", "appRefdSn"),
    QUERY: ("payOrdId",),
    REVOKE: ("payOrdId",),
})  # fmt: skip
REFUND_TYPES: Final = frozenset({"ALL", "CASH", "HI"})
_KEY: Final = re.compile(r"[0-9A-Za-z_\-]{1,64}")


def validate_input(infno: str, content: Mapping[str, Any]) -> None:
    """Check the parsed `input`. Raises Refusal INVALID_FIELD or INVALID_AMOUNT naming the field with its path."""
    data = business_of(content)
    path = "input" if data is content else "input.data"
    for name in KEYS.get(infno, ()):
        if not isinstance(data.get(name), str | int) or not _KEY.fullmatch(str(data[name])):
            raise _invalid(f"{path}.{name}")
    if infno == REFUND:
        _check_refund(data, path)
    for place, value in _amounts(data, path):
        parse_yuan(value, field=place, allow_negative=False)


def _check_refund(data: Mapping[str, Any], path: str) -> None:
    if data.get("totlRefdAmt") in (None, ""):
        raise _invalid(f"{path}.totlRefdAmt")
    if data.get("refdType") not in (None, "", *REFUND_TYPES):
        raise _invalid(f"{path}.refdType")


def _amounts(node: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(node, Mapping):
        for name, value in node.items():
            if name in AMOUNTS and value not in (None, ""):
                yield f"{path}.{name}", value
            else:
                yield from _amounts(value, f"{path}.{name}")
    elif isinstance(node, list):
        for place, item in enumerate(node):
            yield from _amounts(item, f"{path}.{place}")


def _invalid(place: str) -> Refusal:
    return Refusal("INVALID_FIELD", f"{place}: 缺少或不合法", field=place)
