"""Who judges the ISO messages of both sides: the official XSDs where they are at hand, else classes of another hand.

The schemas are no part of this repository: `XINYI_ISO20022_XSD` names their directory. Without it a message must come
back unchanged from a round trip through pyiso20022, whose classes were generated from the same schemas: that finds
unknown, misplaced and missing elements and wrong types, and the facets it keeps as metadata are checked here.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from decimal import Decimal
from enum import Enum
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from lxml import etree
from xsdata.formats.dataclass.context import XmlContext
from xsdata.formats.dataclass.parsers import XmlParser
from xsdata.formats.dataclass.parsers.config import ParserConfig
from xsdata.formats.dataclass.serializers import XmlSerializer

FOLDER = os.environ.get("XINYI_ISO20022_XSD", "")
JUDGE = f"the official XSDs in {FOLDER}" if FOLDER else "round trips through pyiso20022 (no XINYI_ISO20022_XSD)"
_SPACE = "urn:iso:std:iso:20022:tech:xsd:"
_context = XmlContext()


class Invalid(AssertionError):
    """The message breaks the standard; says where."""


@cache
def schema(message: str) -> etree.XMLSchema:
    """The official schema of a message. Raises OSError without the directory."""
    return etree.XMLSchema(file=str(Path(FOLDER, f"{message}.xsd")))


def assert_valid(raw: bytes) -> str:
    """The message's name, if the judge finds nothing against it. Raises Invalid."""
    root = etree.fromstring(raw)
    message = str(etree.QName(root).namespace).removeprefix(_SPACE)
    if FOLDER:
        found = schema(message)
        if not found.validate(root):
            raise Invalid(f"{message}: {found.error_log}")
        return message
    try:
        made = read(raw, message)
    except (TypeError, ValueError, AttributeError) as error:
        raise Invalid(f"{message}: {type(error).__name__} {error}") from error
    if plain(write(made, message)) != plain(raw):
        raise Invalid(f"{message} does not come back unchanged")
    for place, why in facets(made):
        raise Invalid(f"{message}: {place} {why}")
    return message


def read(raw: bytes, message: str) -> Any:
    """The message as objects of pyiso20022."""
    name = message.replace(".", "_")
    module = import_module(f"pyiso20022.{name.split('_')[0]}.{name}.{name}")
    config = ParserConfig(
        fail_on_unknown_properties=True, fail_on_unknown_attributes=True, fail_on_converter_warnings=True
    )
    return XmlParser(context=_context, config=config).from_bytes(raw, module.Document)


def write(made: Any, message: str) -> bytes:
    """The objects as a document."""
    return XmlSerializer(context=_context).render(made, ns_map={None: _SPACE + message}).encode()  # type: ignore[dict-item]


def plain(raw: bytes) -> Any:
    """Names, attributes and texts, numbers by value: how a document is spelt does not matter."""

    def walk(element: etree._Element) -> Any:
        name = etree.QName(element).localname
        text = (element.text or "").strip()
        return name, sorted(element.attrib.items()), [walk(child) for child in element] or _value(text)

    return walk(etree.fromstring(raw))


def _value(text: str) -> Any:
    if re.fullmatch(r"-?\d+\.\d+", text):
        return Decimal(text)
    if re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-]\d\d:\d\d)", text):
        return re.sub(r"\.0+(?=Z|[+-])", "", text)
    return text


def facets(value: Any, place: str = "") -> Iterator[tuple[str, str]]:
    """Every length, pattern and minimum of the classes' metadata that a value breaks."""
    if not is_dataclass(value):
        return
    for one in fields(value):
        inner = getattr(value, one.name)
        for item in inner if isinstance(inner, list) else [inner]:
            where = f"{place}/{one.metadata.get('name', one.name)}"
            why = _broken(item, one.metadata)
            if why:
                yield where, why
            yield from facets(item, where)


def _broken(item: Any, rules: Any) -> str:
    if isinstance(item, Enum):
        return ""
    if isinstance(item, str):
        if len(item) > rules.get("max_length", len(item)) or len(item) < rules.get("min_length", 0):
            return "length"
        pattern = rules.get("pattern")
        return "pattern" if pattern and not re.fullmatch(pattern, item) else ""
    if isinstance(item, Decimal):
        digits = item.as_tuple()
        if len(digits.digits) > rules.get("total_digits", 99) or -int(digits.exponent) > rules.get(
            "fraction_digits", 99
        ):
            return "digits"
    return ""
