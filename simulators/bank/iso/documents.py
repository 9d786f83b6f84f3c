"""ISO 20022 documents as this bank writes and reads them, from the standard's own words.

Where ``XINYI_ISO20022_XSD`` names a folder with the official schemas, every document in and out is held against them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from lxml import etree

from simulators.bank import soap
from simulators.bank.house import TurnedAway

SPACE = "urn:iso:std:iso:20022:tech:xsd:"
CREDIT_TRANSFER = "pain.001.001.09"
STATUS_REPORT = "pain.002.001.10"
REVERSAL = "pain.007.001.10"
DIRECT_DEBIT = "pain.008.001.09"
STATEMENT = "camt.053.001.08"
ADVICE = "camt.054.001.08"
ROOTS = {
    CREDIT_TRANSFER: "CstmrCdtTrfInitn",
    STATUS_REPORT: "CstmrPmtStsRpt",
    REVERSAL: "CstmrPmtRvsl",
    DIRECT_DEBIT: "CstmrDrctDbtInitn",
    STATEMENT: "BkToCstmrStmt",
    ADVICE: "BkToCstmrDbtCdtNtfctn",
}
SCHEMAS = "XINYI_ISO20022_XSD"
_YUAN = re.compile(r"(0|[1-9][0-9]{0,15})\.([0-9]{2})")

Elements = Sequence[tuple[str, Any]]


@dataclass(frozen=True, slots=True)
class Fen:
    """An amount element, written in yuan with its currency."""

    value: int


def yuan(fen: int) -> str:
    """Fen as yuan with two decimals; below zero with a sign."""
    whole, cents = divmod(abs(fen), 100)
    return f"{'-' if fen < 0 else ''}{whole}.{cents:02d}"


@cache
def _schema(message: str) -> etree.XMLSchema | None:
    folder = os.environ.get(SCHEMAS)
    return etree.XMLSchema(file=str(Path(folder, f"{message}.xsd"))) if folder else None


def valid(element: etree._Element, message: str) -> bool:
    """Whether the official schema has nothing against it; true where there is no schema to ask."""
    schema = _schema(message)
    return schema is None or bool(schema.validate(element))


# -- writing --------------------------------------------------------------------------------------------------------


def document(message: str, content: Elements) -> bytes:
    """A document's bytes. Raises ValueError when the bank itself breaks the standard."""
    space = f"{SPACE}{message}"
    root = etree.Element(f"{{{space}}}Document", nsmap={"iso": space})
    _fill(etree.SubElement(root, f"{{{space}}}{ROOTS[message]}"), space, content)
    if not valid(root, message):
        raise ValueError(f"{message} breaks the standard")
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8")


def _fill(parent: etree._Element, space: str, content: Elements) -> None:
    for name, value in content:
        if value is None or value == "":
            continue
        child = etree.SubElement(parent, f"{{{space}}}{name}")
        if isinstance(value, Fen):
            child.text = yuan(value.value)
            child.set("Ccy", "CNY")
        elif isinstance(value, list | tuple):
            _fill(child, space, value)
        else:
            child.text = str(value)


# -- reading --------------------------------------------------------------------------------------------------------


class Tree:
    """An element of a document that was read; paths are local names, as all of them are in one namespace."""

    def __init__(self, element: etree._Element) -> None:
        self._element = element

    def all(self, path: str) -> Iterator[Tree]:
        """Every element of a path."""
        steps = "/".join("{*}" + step for step in path.split("/"))
        return (Tree(found) for found in self._element.iterfind(steps))

    def one(self, path: str) -> Tree:
        """The only element of a path. Raises TurnedAway."""
        found = list(self.all(path))
        if len(found) != 1:
            raise TurnedAway("INVALID_FIELD", f"{path} 须恰有一个")
        return found[0]

    def text(self, path: str, default: str | None = None) -> str:
        """The text of a leaf. Raises TurnedAway when it is missing and has no default."""
        found = list(self.all(path))
        if not found and default is not None:
            return default
        said = self.one(path)._element.text or ""
        if not said:
            raise TurnedAway("INVALID_FIELD", f"{path} 不得为空")
        return said

    def fen(self, path: str) -> int:
        """An amount in CNY with two decimals, above zero. Raises TurnedAway."""
        found = self.one(path)
        if found._element.get("Ccy") != "CNY":
            raise TurnedAway("INVALID_FIELD", f"{path} 币种须为 CNY")
        value = fen(self.text(path), path)
        if not value:
            raise TurnedAway("INVALID_FIELD", f"{path} 须大于零")
        return value


def fen(text: str, path: str) -> int:
    """Fen of a decimal with two digits after the point. Raises TurnedAway."""
    found = _YUAN.fullmatch(text)
    if found is None:
        raise TurnedAway("INVALID_FIELD", f"{path} 金额格式不合法")
    return int(found[1]) * 100 + int(found[2])


def read(body: bytes, *expected: str) -> tuple[str, Tree]:
    """The message and its root. Raises TurnedAway for anything but a valid document of ``expected``."""
    try:
        element = soap.parse_xml(body)
    except soap.Fault as fault:
        raise TurnedAway("MALFORMED", fault.text) from fault
    name = etree.QName(element)
    message = (name.namespace or "").removeprefix(SPACE)
    children = list(element)
    if message not in expected or name.localname != "Document" or len(children) != 1:
        raise TurnedAway("MALFORMED", "不是此地址接受的报文")
    if etree.QName(children[0]).localname != ROOTS[message] or not valid(element, message):
        raise TurnedAway("INVALID_FIELD", "报文不符合 ISO 20022 模式")
    return message, Tree(children[0])
