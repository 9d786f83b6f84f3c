"""One generic, declarative mapping between canonical models and XML elements, read in both directions.

A table lists, in the order of the XSD, which element holds which field. `Table.put` writes a model as elements,
`Table.take` reads elements into field values. Names starting with ``@`` belong to the wire alone (header, result head,
control totals): they are written from, and read into, the values beside the model. Nothing here knows SOAP.

No error names a value: what a field holds may be personal, its name never is.
"""

from __future__ import annotations

import base64
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Final, NamedTuple

from lxml import etree
from pydantic import BaseModel, ValidationError

from gateway.model.clock import SHANGHAI
from gateway.model.masked import mask_text

NS: Final = "urn:xinyi:bank-channel:v1"

Values = dict[str, Any]
Put = Callable[[etree._Element, Any, Mapping[str, Any]], None]
Take = Callable[[etree._Element, Values], None]


class BindingError(ValueError):
    """A value that cannot be written to, or read from, the element ``field``. The value itself is not repeated."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.field = name


def qualified(name: str) -> str:
    """The element's name with the namespace of the channel."""
    return f"{{{NS}}}{name}"


class Scalar(NamedTuple):
    """How a value is written as text and read from it; reading raises ValueError."""

    write: Callable[[Any], str]
    read: Callable[[str], Any]


def _same(value: Any) -> Any:
    return value


def _read_moment(text: str) -> datetime:
    return datetime.fromisoformat(text.strip()).astimezone(SHANGHAI)


def _write_moment(value: datetime) -> str:
    if value.tzinfo is None:
        raise ValueError("a moment without an offset")
    return value.isoformat(timespec="milliseconds" if value.microsecond % 1000 == 0 else "microseconds")


def _read_base64(text: str) -> bytes:
    return base64.b64decode("".join(text.split()), validate=True)


TEXT: Final = Scalar(_same, _same)
REMARK: Final = Scalar(_same, mask_text)  # free text of the bank: numbers of people and accounts in it are masked
PERSONAL: Final = Scalar(operator.methodcaller("reveal"), _same)  # the model's field makes the masked type
NUMBER: Final = Scalar(str, int)  # fen, counts
FLAG: Final = Scalar(lambda value: "true" if value else "false", lambda text: text.strip() in ("true", "1"))
DAY: Final = Scalar(date.isoformat, lambda text: date.fromisoformat(text.strip()))
MOMENT: Final = Scalar(_write_moment, _read_moment)
BYTES: Final = Scalar(lambda value: base64.b64encode(value).decode(), _read_base64)
PACKED: Final = Scalar(_same, lambda text: "".join(text.split()))  # base64 kept as text
FOUND: Final = Scalar(lambda value: "FOUND" if value else "NOT_FOUND", lambda text: text == "FOUND")


def absent(value: Any) -> bool:
    """The default test of an optional element: empty text, zero, false, nothing."""
    return not value


def missing(value: Any) -> bool:
    """The test for optional numbers where zero is a value."""
    return value is None


@dataclass(frozen=True, slots=True)
class Row:
    """One or several elements of a message. ``offered`` rows are passed over while the model has no such field."""

    put: Put
    takes: Mapping[str, Take]
    offered: str = ""


def leaf(
    name: str,
    attr: str,
    scalar: Scalar = TEXT,
    *,
    optional: bool = False,
    skip: Callable[[Any], bool] = absent,
) -> Row:
    """An element with text ⇄ a field. An optional one is left out when ``skip`` says so of the value."""
    tag, wire_only = qualified(name), attr.startswith("@")
    write, read = scalar

    def put(parent: etree._Element, source: Any, beside: Mapping[str, Any]) -> None:
        value = beside.get(attr) if wire_only else getattr(source, attr)
        if not (optional and skip(value)):
            _set_text(parent, tag, name, write, value)

    def take(element: etree._Element, values: Values) -> None:
        try:
            values[attr] = read(element.text or "")
        except ValueError:
            raise BindingError(name) from None

    return Row(put, {tag: take})


def _set_text(parent: etree._Element, tag: str, name: str, write: Callable[[Any], str], value: Any) -> None:
    try:
        etree.SubElement(parent, tag).text = write(value)
    except ValueError:  # control characters, lone surrogates, a moment without an offset
        raise BindingError(name) from None


def offered(name: str, attr: str, scalar: Scalar = TEXT, *, skip: Callable[[Any], bool] = absent) -> Row:
    """An optional element the canonical model may take up: bound as soon as the model has a field ``attr``."""
    row = leaf(name, attr, scalar, optional=True, skip=skip)
    return Row(row.put, row.takes, attr)


def derived(name: str, make: Callable[[Any], str]) -> Row:
    """An element computed from the model; reading keeps its text under ``@`` + name."""
    tag, attr = qualified(name), f"@{name}"

    def put(parent: etree._Element, source: Any, _beside: Mapping[str, Any]) -> None:
        _set_text(parent, tag, name, make, source)

    def take(element: etree._Element, values: Values) -> None:
        values[attr] = element.text or ""

    return Row(put, {tag: take})


def passed(*names: str) -> Row:
    """Elements of the contract that say nothing to us: never written, passed over in reading."""
    return Row(_put_nothing, {qualified(name): _take_nothing for name in names})


def _put_nothing(_parent: etree._Element, _source: Any, _beside: Mapping[str, Any]) -> None:
    return None


def _take_nothing(_element: etree._Element, _values: Values) -> None:
    return None


def part(name: str, attr: str, table: Table, *, skip: Callable[[Any], bool] | None = None, offer: bool = False) -> Row:
    """An element with elements in it ⇄ a nested model; left out when ``skip`` says so of the nested model."""
    tag = qualified(name)

    def put(parent: etree._Element, source: Any, beside: Mapping[str, Any]) -> None:
        value = getattr(source, attr)
        if skip is None or not skip(value):
            table.put(etree.SubElement(parent, tag), value, beside)

    def take(element: etree._Element, values: Values) -> None:
        values[attr] = table.make(element)

    return Row(put, {tag: take}, attr if offer else "")


def many(name: str, attr: str, item: str, table: Table, *, optional: bool = False, total: str = "") -> Row:
    """A list element with items ⇄ a tuple of models. The items' amounts ``total`` are added up under ``@`` + name."""
    tag, item_tag, total_tag = qualified(name), qualified(item), qualified(total)

    def put(parent: etree._Element, source: Any, beside: Mapping[str, Any]) -> None:
        values = getattr(source, attr)
        if values or not optional:
            holder = etree.SubElement(parent, tag)
            for value in values:
                table.put(etree.SubElement(holder, item_tag), value, beside)

    def take(element: etree._Element, values: Values) -> None:
        values[attr] = tuple([table.make(child) for child in element])
        if total:
            values[f"@{name}"] = sum(int(child.findtext(total_tag, "0")) for child in element)

    return Row(put, {tag: take})


def box(name: str, *rows: Row) -> Row:
    """An element that exists on the wire only: its rows belong to the surrounding model."""
    tag, inner = qualified(name), Table(None, *rows)

    def put(parent: etree._Element, source: Any, beside: Mapping[str, Any]) -> None:
        inner.put(etree.SubElement(parent, tag), source, beside)

    return Row(put, {tag: inner.take})


def one_of(*leaves: tuple[str, str]) -> Row:
    """A choice of the XSD, as (element, field) pairs: the first field with a value is written."""
    rows = [(attr, leaf(name, attr)) for name, attr in leaves]

    def put(parent: etree._Element, source: Any, beside: Mapping[str, Any]) -> None:
        for attr, row in rows:
            if getattr(source, attr):
                row.put(parent, source, beside)
                return

    return Row(put, {tag: take for _, row in rows for tag, take in row.takes.items()})


@dataclass(init=False, slots=True)
class Table:
    """The rows of one message or structure, in the order of the XSD.

    ``finish`` completes the values read before the model is made of them. A table without a model is a wire-only one.
    """

    model: type[BaseModel] | None
    rows: tuple[Row, ...]
    finish: Callable[[Values], None] | None
    _puts: tuple[Put, ...] = field(repr=False)
    _takes: Mapping[str, Take] = field(repr=False)

    def __init__(
        self, model: type[BaseModel] | None, *rows: Row, finish: Callable[[Values], None] | None = None
    ) -> None:
        self.model, self.rows, self.finish = model, rows, finish
        known = {} if model is None else model.model_fields
        bound = [(row, not row.offered or row.offered in known) for row in rows]
        self._puts = tuple(row.put for row, live in bound if live)
        self._takes = {tag: take if live else _take_nothing for row, live in bound for tag, take in row.takes.items()}

    @property
    def tags(self) -> frozenset[str]:
        """Qualified names of the elements this table knows at its own level."""
        return frozenset(self._takes)

    def put(self, element: etree._Element, source: Any, beside: Mapping[str, Any]) -> None:
        """Write the model's fields as children of ``element``. Raises BindingError."""
        for put in self._puts:
            put(element, source, beside)

    def take(self, element: etree._Element, values: Values) -> None:
        """Read the children into ``values``. Raises BindingError; an element nobody declared is one as well."""
        takes = self._takes
        for child in element:
            take = takes.get(child.tag)
            if take is None:
                raise BindingError(_safe_name(element))
            take(child, values)

    def make(self, element: etree._Element) -> Any:
        """The model an element holds. Raises BindingError."""
        values: Values = {}
        self.take(element, values)
        return self.model_of(values)

    def model_of(self, values: Values) -> Any:
        """The model made of what was read; what belongs to the wire alone is left aside. Raises BindingError."""
        if self.finish is not None:
            self.finish(values)
        if self.model is None:
            raise TypeError("a wire-only table makes no model")
        try:
            return self.model(**{name: value for name, value in values.items() if name[0] != "@"})
        except ValidationError as invalid:
            # Only the field's name: pydantic's text repeats the value.
            where = invalid.errors(include_input=False, include_context=False)[0]["loc"]
            name = str(where[0]) if where else "?"
        raise BindingError(name)


def _safe_name(element: etree._Element) -> str:
    return etree.QName(element).localname
