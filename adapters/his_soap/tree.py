"""National nodes and fields as XML and back, without losing anything.

A field is an element, an array a repeated element, text stays the text it is. What XML has no word for stands in
attributes that a reader may ignore: `type` (number, boolean, null, object, list, json), `of="list"` on every row of an
array, `name` on `_` where a name is none in XML, `escaped="json"` where a text has characters XML forbids.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Any, Final

from lxml import etree

from gateway.model.exact_json import NotJson, dumps, loads
from gateway.model.refusals import Refusal

NS: Final = "urn:xinyi:his:v1"
MAX_DEPTH: Final = 32
ROW: Final = "item"
_LIST_MARK: Final = "[]"
_SHOWN: Final = 64
_DEEP: Final = 64  # a parser gives up at 256
_NAMELESS: Final = "_"
_NAME: Final = re.compile(r"(?!_$)[A-Za-z_\u4e00-\u9fff][A-Za-z0-9_.\-\u4e00-\u9fff]*")
UNFIT: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,63})(?:\.[0-9]{1,64})?(?:[eE][+-]?[0-9]{1,6})?")
_ATTRIBUTES: Final = frozenset({"type", "of", "name", "escaped_name", "escaped"})


class Digits(str):
    """A JSON number as it was written."""

    __slots__ = ()


# -- reading ---------------------------------------------------------------------------------------------------------


@cache
def arrays() -> Mapping[str, frozenset[str]]:
    """infno → nodes that are arrays also with a single row: the field tables, and `arrays.csv` for the rest."""
    found: dict[str, set[str]] = {}
    for row in _rows("adapters.insurance", "fields.csv"):
        if row["direction"] == "in" and row["node"].endswith(_LIST_MARK):
            found.setdefault(row["infno"], set()).add(row["node"].removesuffix(_LIST_MARK))
    for row in _rows("adapters.his_soap", "arrays.csv"):
        found.setdefault(row["infno"], set()).add(row["node"])
    return MappingProxyType({infno: frozenset(nodes) for infno, nodes in found.items()})


def _rows(package: str, name: str) -> Iterator[dict[str, str]]:
    text = resources.files(package).joinpath(name).read_text("utf-8")
    return iter(csv.DictReader(io.StringIO(text)))


def to_input(payload: etree._Element, infno: str) -> dict[str, Any]:
    """The national `input`. Raises Refusal INVALID_FIELD or MALFORMED, naming the element and no value."""
    return _members(payload, arrays().get(infno, frozenset()), "payload", 0)


def _members(holder: etree._Element, lists: frozenset[str], path: str, depth: int) -> dict[str, Any]:
    if depth > MAX_DEPTH:
        raise Refusal("MALFORMED", f"报文嵌套超过 {MAX_DEPTH} 层")
    if _has_text(holder):
        raise _invalid(path, "元素与文字混排")
    grouped: dict[str, list[etree._Element]] = {}
    for child in holder:
        grouped.setdefault(_name(child, path), []).append(child)
    return {
        name: _member(found, name in lists, lists, f"{path}.{name[:_SHOWN]}", depth) for name, found in grouped.items()
    }


def _member(found: list[etree._Element], listed: bool, lists: frozenset[str], path: str, depth: int) -> Any:
    first = found[0]
    rows = len(found) > 1 or first.get("of") == "list"
    if not rows and listed and not len(first) and not first.text:
        return []
    values = [_value(child, lists, path, depth) for child in found]
    whole = first.get("type") == "list" and not rows
    return values if (rows or listed) and not whole else values[0]


def _value(element: etree._Element, lists: frozenset[str], path: str, depth: int) -> Any:
    if not _ATTRIBUTES.issuperset(map(str, element.keys())):
        raise _invalid(path, "不支持的属性")
    kind = element.get("type", "object" if len(element) else "text")
    if kind == "object":
        return _members(element, lists, path, depth + 1)
    if kind == "list":
        return list(_members_of_list(element, lists, path, depth + 1))
    read = _LEAVES.get(kind)
    if read is None or len(element):
        raise _invalid(path, "类型不合法")
    text = element.text or ""
    if element.get("escaped") == "json":
        text = _unescaped(text, path)
    try:
        return read(text)
    except (ValueError, ArithmeticError):
        raise _invalid(path, "类型不合法") from None


def _members_of_list(holder: etree._Element, lists: frozenset[str], path: str, depth: int) -> Iterator[Any]:
    if depth > MAX_DEPTH:
        raise Refusal("MALFORMED", f"报文嵌套超过 {MAX_DEPTH} 层")
    if _has_text(holder) or any(_name(child, path) != ROW for child in holder):
        raise _invalid(path, "类型不合法")
    for child in holder:
        yield _value(child, lists, path, depth)


def _has_text(holder: etree._Element) -> bool:
    return any(text and text.strip() for text in (holder.text, *(child.tail for child in holder)))


def _name(element: etree._Element, path: str) -> str:
    name = etree.QName(element)
    if name.namespace is not None:
        raise _invalid(path, "元素的命名空间不合法")
    if name.localname != _NAMELESS:
        return name.localname
    escaped = element.get("escaped_name")
    return element.get("name", "") if escaped is None else _unescaped(escaped, path)


def _unescaped(text: str, path: str) -> str:
    try:
        plain = json.loads(f'"{text}"')
    except ValueError:
        plain = None
    if not isinstance(plain, str):
        raise _invalid(path, "类型不合法")
    return plain


def _number(text: str) -> Any:
    if not _NUMBER.fullmatch(text):
        raise ValueError("no number")
    return Decimal(text) if set(text) & set(".eE") else int(text)


def _boolean(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError("no boolean")
    return text == "true"


def _null(text: str) -> None:
    if text:
        raise ValueError("null has no text")


_LEAVES: Final[Mapping[str, Callable[[str], Any]]] = MappingProxyType(
    {
        "text": str,
        "number": _number,
        "boolean": _boolean,
        "null": _null,
        "json": loads,
    }
)


def _invalid(path: str, why: str) -> Refusal:
    return Refusal("INVALID_FIELD", f"{path}: {why}", field=path)


# -- writing ---------------------------------------------------------------------------------------------------------


def read_reply(body: bytes) -> dict[str, Any]:
    """A national answer with its numbers as `Digits`. Raises NotJson."""
    try:
        content = json.loads(body.decode("utf-8-sig"), parse_float=Digits, parse_int=Digits)
    except (ValueError, RecursionError) as error:
        raise NotJson(type(error).__name__) from None
    if not isinstance(content, dict):
        raise NotJson("no object")
    return content


def put_members(holder: etree._Element, content: Mapping[str, Any]) -> None:
    """Write an object's members as elements of ``holder``, such that `to_input` would read them back."""
    _put_members(holder, content.items(), 0)


def _put_members(holder: etree._Element, members: Iterable[tuple[str, Any]], depth: int) -> None:
    for name, value in members:
        if isinstance(value, list) and value:
            for item in value:
                row = _element(holder, name)
                row.set("of", "list")
                _put(row, item, depth)
        else:
            _put(_element(holder, name), value, depth)


def _element(holder: etree._Element, name: str) -> etree._Element:
    if _NAME.fullmatch(name):
        return etree.SubElement(holder, name)
    element = etree.SubElement(holder, _NAMELESS)
    if UNFIT.search(name):
        element.set("escaped_name", json.dumps(name)[1:-1])
    else:
        element.set("name", name)
    return element


def _put(element: etree._Element, value: Any, depth: int) -> None:
    if isinstance(value, Mapping | list) and depth >= _DEEP:
        _put_text(element, _as_json(value), "json")
    elif isinstance(value, Mapping):
        if not value:
            element.set("type", "object")
        _put_members(element, value.items(), depth + 1)
    elif isinstance(value, list):
        element.set("type", "list")
        for item in value:
            _put(etree.SubElement(element, ROW), item, depth + 1)
    elif value is None:
        element.set("type", "null")
    elif isinstance(value, bool):
        _put_text(element, "true" if value else "false", "boolean")
    elif isinstance(value, Digits | int | Decimal):
        _put_text(element, str(value), "number")
    else:
        _put_text(element, str(value), "")


def _put_text(element: etree._Element, text: str, kind: str) -> None:
    if kind:
        element.set("type", kind)
    if UNFIT.search(text):
        element.set("escaped", "json")
        text = json.dumps(text)[1:-1]
    element.text = text


def _as_json(value: Any) -> str:
    """Deeper than a parser would follow: kept as JSON."""
    if isinstance(value, Digits):
        return str(value)
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{dumps(str(name))}:{_as_json(member)}" for name, member in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(_as_json(item) for item in value) + "]"
    return dumps(value)
