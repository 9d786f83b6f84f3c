"""Reading XML from strangers: sizes bounded before parsing, one encoding, no DOCTYPE, no entity, no xsi attribute.

Comments and processing instructions are gone before an amount is read, or refused where the caller says so: a parser
that keeps them reads `12` out of `12<!-- -->.34` (bank channels, 7.1 and 7.2). Nothing here opens a file or a socket.
"""

from __future__ import annotations

import re
import threading
from typing import Any, Final, NamedTuple

from lxml import etree

_XS: Final = "{http://www.w3.org/2001/XMLSchema}"
_ELEMENT: Final = re.compile(r"Element '(?:\{[^}]*\})?(\w+)'")
_DECLARATION: Final = re.compile(r"\ufeff?<\?xml[^>]{0,200}\?>")
_DECLARED: Final = re.compile(rb"(?:\xef\xbb\xbf)?<\?xml[^>]{0,200}?encoding\s*=\s*[\"']([A-Za-z0-9._-]{1,40})[\"']")
_HAS_XSI: Final = etree.XPath("boolean(//@xsi:*)", namespaces={"xsi": "http://www.w3.org/2001/XMLSchema-instance"})
_NAMES: Final = {
    "utf-8": frozenset({"utf-8", "utf8"}),
    "gb18030": frozenset({"gb18030", "gbk", "gb2312"}),
}
UNNAMED: Final = "message"


class Limits(NamedTuple):
    """What a message may be at most: bytes, and pieces of markup (a million empty elements fit into 4 MB)."""

    size: int
    markup: int


class Unreadable(ValueError):
    """Bytes that are no document of the channel; ``reason`` says why and repeats nothing of them."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


TOO_LARGE: Final = "too large"


class _Parsers(threading.local):
    """A parser is not shared between threads: heavy messages are read in one."""

    def __init__(self) -> None:
        self.dropping, self.keeping = _parser(drop=True), _parser(drop=False)


def _parser(*, drop: bool) -> etree.XMLParser:
    return etree.XMLParser(
        encoding="utf-8",
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        huge_tree=False,
        remove_comments=drop,
        remove_pis=drop,
        collect_ids=False,
    )


_local = _Parsers()


def is_encoding(name: str, encoding: str = "utf-8") -> bool:
    """Whether a declared name stands for the encoding that was agreed: GBK and GB2312 are parts of GB18030."""
    return name.strip().lower() in _NAMES[encoding]


def parse_xml(raw: bytes, limits: Limits, *, encoding: str = "utf-8", comments: bool = True) -> etree._Element:
    """The root of a document nobody has to fear, of UTF-8 or, where agreed, GB18030 bytes. Raises Unreadable.

    Comments and instructions are dropped; without ``comments`` a document that holds one is refused.
    """
    if not raw.strip():
        raise Unreadable("empty")
    if len(raw) > limits.size or raw.count(b"<") > limits.markup:
        raise Unreadable(TOO_LARGE)
    declared = _DECLARED.match(raw)
    if declared is not None and not is_encoding(declared[1].decode("ascii"), encoding):
        raise Unreadable(f"not {encoding.upper()}")
    root = _parsed(raw, encoding, _local.dropping if comments else _local.keeping)
    if root is None:
        raise Unreadable(f"no well-formed XML in {encoding.upper()}")
    if root.getroottree().docinfo.internalDTD is not None:
        raise Unreadable("DOCTYPE")
    if _HAS_XSI(root):
        raise Unreadable("xsi attribute")
    if not comments and next(root.iter(etree.Comment, etree.ProcessingInstruction), None) is not None:
        raise Unreadable("comment or processing instruction")
    return root


def _parsed(raw: bytes, encoding: str, parser: etree.XMLParser) -> etree._Element | None:
    """The parser's error repeats what it met, so it goes no further than this."""
    try:
        text = raw.decode(encoding)
        # libxml2 is given one encoding only: what was declared is cut off with the declaration.
        utf8 = raw if encoding == "utf-8" else _DECLARATION.sub("", text, count=1).encode()
        return etree.fromstring(utf8, parser)
    except (etree.XMLSyntaxError, ValueError):
        return None


def to_bytes(root: etree._Element, encoding: str = "utf-8") -> bytes:
    """The document with its declaration; what the encoding lacks becomes a character reference, never a guess."""
    if encoding == "utf-8":
        return etree.tostring(root, xml_declaration=True, encoding="UTF-8")
    text = f"<?xml version='1.0' encoding='{encoding.upper()}'?>\n{etree.tostring(root, encoding='unicode')}"
    return text.encode(encoding, "xmlcharrefreplace")


class Schema:
    """An XSD, compiled once per thread, and what it says of an element without repeating a value."""

    def __init__(self, xsd: bytes) -> None:
        self._xsd = xsd
        self._local = threading.local()
        declared = etree.fromstring(xsd).iter(f"{_XS}element")
        self._names = frozenset(str(element.get("name")) for element in declared)

    def violation(self, element: etree._Element) -> str | None:
        """The name of the first element that breaks the contract; None where the element keeps it.

        libxml2's own text repeats the value it dislikes, so only a name the contract knows comes out of here.
        """
        schema = self._compiled()
        try:
            if schema.validate(element):
                return None
        except etree.XMLSchemaValidateError:  # a validation can fail as well as say no
            return UNNAMED
        log: Any = schema.error_log
        for entry in log:
            found = _ELEMENT.match(entry.message)
            if found and found[1] in self._names:
                return found[1]
        return UNNAMED

    def _compiled(self) -> etree.XMLSchema:
        """A validator keeps the errors of its last run, so that two threads must not share one."""
        if not hasattr(self._local, "schema"):
            self._local.schema = etree.XMLSchema(etree.fromstring(self._xsd))
        schema: etree.XMLSchema = self._local.schema
        return schema
