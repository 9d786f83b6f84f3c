"""ISO documents as elements: written from nested pairs, read through a view that wants each element where it belongs.

The standard's XSDs are not shipped, so reading trusts nothing: one root of one version, an element that is asked for
exactly once where it may occur once, text in leaves only. Elements nobody asks for are passed over, as the standard has
hundreds. No error names a value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

from lxml import etree

from adapters.bank_iso20022 import text
from adapters.bank_iso20022.standard import CURRENCY, ROOTS, message_of, namespace
from adapters.bank_iso20022.text import Unfit
from gateway.model.xml import Limits, Unreadable, parse_xml

T = TypeVar("T")
D = TypeVar("D")


class Money(NamedTuple):
    """An amount element: fen, written in yuan with the currency as an attribute."""

    fen: int


Pairs = Sequence[tuple[str, Any]]
"""Elements in the order of the standard: (name, text | Money | pairs | Rows). None is left out."""


class Rows(NamedTuple):
    """One element many times over: the same elements in every content, none left out. Made once, copied and filled."""

    contents: Sequence[Pairs]


def document(message: str, content: Pairs) -> etree._Element:
    """The Document of a message with ``content`` below its root. Raises Unfit."""
    space = namespace(message)
    root = etree.Element(f"{{{space}}}Document", nsmap={None: space})  # type: ignore[dict-item]
    put(etree.SubElement(root, f"{{{space}}}{ROOTS[message]}"), content)
    return root


def put(parent: etree._Element, content: Pairs) -> None:
    """Write pairs as children of ``parent``, in its namespace. Raises Unfit."""
    _put(parent, f"{{{etree.QName(parent).namespace}}}", content)


def _put(parent: etree._Element, space: str, content: Pairs) -> None:
    for name, value in content:
        if value is None:
            continue
        if isinstance(value, Rows):
            _put_rows(parent, space, name, value.contents)
            continue
        child = etree.SubElement(parent, space + name)
        if isinstance(value, str):
            _set_text(child, name, value)
        elif isinstance(value, Money):
            child.text = text.amount(name, value.fen)
            child.set("Ccy", CURRENCY)
        else:
            _put(child, space, value)


def _put_rows(parent: etree._Element, space: str, name: str, contents: Sequence[Pairs]) -> None:
    first = etree.SubElement(parent, space + name)
    _put(first, space, contents[0])
    for content in contents[1:]:
        row = deepcopy(first)
        said: list[tuple[str, str]] = []
        _collect(content, said)
        places = [element for element in row.iter() if not len(element)]
        for element, (leaf, value) in zip(places, said, strict=True):
            _set_text(element, leaf, value)
        parent.append(row)


def _collect(content: Pairs, said: list[tuple[str, str]]) -> None:
    """The leaves of a content in document order."""
    for name, value in content:
        if isinstance(value, str):
            said.append((name, value))
        elif isinstance(value, Money):
            said.append((name, text.amount(name, value.fen)))
        else:
            _collect(value, said)


def _set_text(child: etree._Element, name: str, value: str) -> None:
    if not value:
        raise Unfit(name)
    try:
        child.text = value
    except ValueError:  # control characters, lone surrogates
        raise Unfit(name) from None


# -- reading --------------------------------------------------------------------------------------------------------


class Document(NamedTuple):
    """A document that was read: the message's name and the view of its root; ``element`` for an XSD to look at."""

    message: str
    root: View
    element: etree._Element


def read(raw: bytes, limits: Limits) -> Document:
    """A document of one of the channel's messages. Raises Unreadable."""
    element = parse_xml(raw, limits)
    name = etree.QName(element)
    space = name.namespace or ""
    message = message_of(space)
    if message is None or name.localname != "Document":
        raise Unreadable("no document of this channel's messages")
    children = list(element)
    if len(children) != 1 or children[0].tag != f"{{{space}}}{ROOTS[message]}":
        raise Unreadable("not the one root of its message")
    return Document(message, View(children[0], f"{{{space}}}"), element)


@dataclass(frozen=True, slots=True)
class View:
    """An element, asked by paths such as ``GrpHdr/MsgId``. Every method raises Unfit with the name that is wrong."""

    element: etree._Element
    space: str

    def each(self, name: str) -> Iterator[View]:
        """The children of a name."""
        return (View(child, self.space) for child in self.element.iterchildren(self.space + name))

    def maybe(self, path: str) -> View | None:
        """The one element of a path; None where a step of it is missing."""
        here = self.element
        for name in path.split("/"):
            found = list(here.iterchildren(self.space + name))
            if not found:
                return None
            if len(found) > 1:
                raise Unfit(name)
            here = found[0]
        return View(here, self.space)

    def one(self, path: str) -> View:
        """The one element of a path."""
        found = self.maybe(path)
        if found is None:
            raise Unfit(path.rpartition("/")[2])
        return found

    def text(self, path: str, read: Callable[[str, str], T]) -> T:
        """The value of a leaf that must be there."""
        return self.one(path).value(read)

    def option(self, path: str, read: Callable[[str, str], T], default: D) -> T | D:
        """The value of a leaf that may be missing."""
        found = self.maybe(path)
        return default if found is None else found.value(read)

    def value(self, read: Callable[[str, str], T]) -> T:
        """What a leaf says. An empty one says nothing, which is not allowed."""
        name = str(etree.QName(self.element).localname)
        said = self.element.text or ""
        if not said or len(self.element):
            raise Unfit(name)
        return read(name, said)

    def money(self, path: str) -> int:
        """Fen of an amount in yuan; another currency is another amount."""
        found = self.one(path)
        if found.element.get("Ccy") != CURRENCY:
            raise Unfit("Ccy")
        return found.value(text.read_fen)
