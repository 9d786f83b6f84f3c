"""The field tables of the national interface as data (`fields.csv`, chapter 3) and the check of an input against them.

Overlong, ill-typed and missing fields are found before anything is sent. Fields no table names always pass, because
provinces add their own; and of what the tables require, only the business keys and the money are demanded here: a
hospital that works with its province today must go on working, so the platform judges the rest.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Any, Final

from gateway.model.money import parse_yuan
from gateway.model.refusals import Refusal

LIST_MARK: Final = "[]"
# 2207A and its like carry the input of the plain number (3.5).
_SAME_INPUT: Final = {"2206A": "2206", "2207A": "2207", "2304A": "2304"}
# Refund rows are negative (3.9), and a day's totals are net of refunds (3.11).
_SIGNED: Final = frozenset({"2204", "2301", "3201"})
_DEMANDED: Final = frozenset("Y")
_STRICTLY: Final = frozenset("YP")
_PARTS: Final = ("fulamt_ownpay_amt", "overlmt_selfpay", "preselfpay_amt", "inscp_scp_amt")
_WITH_PARTS: Final = frozenset({"2207", "2304"})


@dataclass(frozen=True, slots=True)
class FieldRule:
    """One row of a table. `required`: Y here and there, P by the platform, C under a condition, N never."""

    field: str
    zh: str
    kind: str
    length: int
    scale: int
    required: str


Nodes = Mapping[str, tuple[FieldRule, ...]]


@cache
def tables() -> Mapping[tuple[str, str], Nodes]:
    """(infno, `in` or `out`) → node → rules. A node of rows has its name without the `[]` of the file."""
    text = resources.files(__package__).joinpath("fields.csv").read_text("utf-8")
    found: dict[tuple[str, str], dict[str, tuple[FieldRule, ...]]] = {}
    for row in csv.DictReader(io.StringIO(text)):
        nodes = found.setdefault((row["infno"], row["direction"]), {})
        node = row["node"].removesuffix(LIST_MARK)
        nodes[node] = (*nodes.get(node, ()), _rule(row))
    return MappingProxyType(found)


def _rule(row: Mapping[str, str]) -> FieldRule:
    length, scale = int(row["length"] or 0), int(row["scale"] or 0)
    return FieldRule(row["field"], row["zh"], row["type"], length, scale, row["required"])


def fields_of(infno: str, direction: str = "in") -> Nodes:
    """The nodes of a transaction with their rules; empty where no table is kept."""
    return tables().get((_SAME_INPUT.get(infno, infno), direction), MappingProxyType({}))


def validate_input(infno: str, content: Mapping[str, Any], *, strict: bool = False) -> None:
    """Check the parsed `input` of a transaction against its table; `strict` demands all that the tables require.

    Raises Refusal INVALID_FIELD, INVALID_AMOUNT (amounts in yuan, n16,2) or SPLIT_MISMATCH, each naming the field with
    its path, e.g. `input.data.medfee_sumamt`. A transaction without a table passes.
    """
    plain = _SAME_INPUT.get(infno, infno)
    demanded = _STRICTLY if strict else _DEMANDED
    for node, rules in fields_of(plain).items():
        needed = any(rule.required in demanded for rule in rules)
        for path, row in _rows(content, node, rules, needed=needed):
            _check_row(row, rules, path, demanded, signed=plain in _SIGNED)
    if plain in _WITH_PARTS:
        _check_split(content)


def _check_row(
    row: Mapping[str, Any], rules: tuple[FieldRule, ...], path: str, demanded: frozenset[str], *, signed: bool
) -> None:
    for rule in rules:
        value = row.get(rule.field)
        if value is not None and value != "":
            _check(rule, value, f"{path}.{rule.field}", signed=signed)
        elif rule.required in demanded:
            raise _invalid(f"{path}.{rule.field}", f"缺少{rule.zh}")


def _rows(
    content: Mapping[str, Any], node: str, rules: tuple[FieldRule, ...], *, needed: bool
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Rows of a node with their paths; one object and a list of objects are both seen in the wild (3.9)."""
    found = content.get(node)
    path = f"input.{node}"
    if found is None and node == "data" and any(rule.field in content for rule in rules):
        yield "input", content  # a vendor's envelope without the data node
        return
    if isinstance(found, Mapping):
        yield path, found
        return
    if not found and not needed:
        return
    if not isinstance(found, list) or not found:
        raise _invalid(path, "缺少节点")
    for place, row in enumerate(found):
        if not isinstance(row, Mapping):
            raise _invalid(f"{path}.{place}", "节点类型不合法")
        yield f"{path}.{place}", row


def _invalid(path: str, why: str) -> Refusal:
    return Refusal("INVALID_FIELD", f"{path}: {why}", field=path)


def _check(rule: FieldRule, value: Any, path: str, *, signed: bool) -> None:
    if rule.kind == "number" and rule.scale == 2 and rule.length == 16:
        parse_yuan(value, field=path, allow_negative=signed)
    elif rule.kind == "number":
        _check_number(rule, value, path)
    elif rule.kind == "string":
        _check_text(rule, value, path)
    else:
        _check_moment(rule, value, path)


def _check_text(rule: FieldRule, value: Any, path: str) -> None:
    # Codes are sent as numbers by some HIS; the platform reads both.
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise _invalid(path, f"{rule.zh}类型不合法")
    if len(str(value)) > rule.length:
        raise _invalid(path, f"{rule.zh}超过 {rule.length} 个字符")


def _check_number(rule: FieldRule, value: Any, path: str) -> None:
    try:
        if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
            raise InvalidOperation
        number = Decimal(value)
    except InvalidOperation:
        raise _invalid(path, f"{rule.zh}不是数字") from None
    places = number.as_tuple().exponent
    # NaN and infinity have a letter for an exponent.
    if not isinstance(places, int) or -places > rule.scale or number.adjusted() >= rule.length - rule.scale:
        raise _invalid(path, f"{rule.zh}超出 {rule.length} 位、{rule.scale} 位小数")


def _check_moment(rule: FieldRule, value: Any, path: str) -> None:
    """Date and date-time stand in for each other: platforms pad dates, and HIS cut times (1.1)."""
    text = value if isinstance(value, str) else ""
    try:
        if len(text) == 10:
            date.fromisoformat(text)
        else:
            datetime.strptime(text, "%Y-%m-%d %H:%M:%S")  # noqa: DTZ007 - only the form is judged
    except ValueError:
        raise _invalid(path, f"{rule.zh}须为 yyyy-MM-dd 或 yyyy-MM-dd HH:mm:ss") from None


def _check_split(content: Mapping[str, Any]) -> None:
    """medfee_sumamt = its four parts (3.6, I1), where the request carries all of them; some HIS send them empty."""
    data = content.get("data")
    if not isinstance(data, Mapping):
        return
    parts = [part for name in _PARTS if (part := data.get(name)) is not None and part != ""]
    if len(parts) < len(_PARTS):
        return
    # Zeros beside a real total are the other spelling of "not told" (register of disagreements, 10).
    fen = [parse_yuan(part) for part in parts]
    if any(fen) and sum(fen) != parse_yuan(data["medfee_sumamt"]):
        raise Refusal(
            "SPLIT_MISMATCH",
            "medfee_sumamt 不等于全自费、超限价、先行自付与政策范围内金额之和",
            field="input.data.medfee_sumamt",
        )
