"""A bank's contract files as bytes in hand: its WSDL, the XSD beside it, and what both say of an element. Pure.

Files are read once, when a map is loaded; from then on nothing here opens anything.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from importlib.resources.abc import Traversable
from typing import Any, Final

from lxml import etree

WSDL: Final = "http://schemas.xmlsoap.org/wsdl/"
XS: Final = "http://www.w3.org/2001/XMLSchema"
_SUFFIXES: Final = (".wsdl", ".xsd")
_ADDRESS: Final = re.compile(rb"(<[A-Za-z0-9]+:address\s+location=)\"[^\"]*\"")
_ELEMENT: Final = re.compile(r"Element '(?:\{[^}]*\})?(\w+)'")
UNNAMED: Final = "message"


class ContractError(ValueError):
    """The contract files cannot be used; the text says which and why."""


@dataclass(frozen=True, slots=True)
class Contract:
    """One WSDL and every contract file of its folder, by file name."""

    name: str
    files: Mapping[str, bytes] = field(repr=False)

    @classmethod
    def read(cls, wsdl: Traversable, folder: Traversable) -> Contract:
        """Raises OSError, and ContractError for a WSDL that is none."""
        beside = (entry for entry in folder.iterdir() if entry.name.endswith(_SUFFIXES))
        made = cls(wsdl.name, {entry.name: entry.read_bytes() for entry in (*beside, wsdl)})
        if made.root.tag != f"{{{WSDL}}}definitions":
            raise ContractError(f"{wsdl.name}: no WSDL 1.1")
        return made

    @property
    def root(self) -> etree._Element:
        """The WSDL, parsed anew. Raises ContractError."""
        return self._parsed(self.name)

    @property
    def digest(self) -> str:
        """Changes with any byte of any file."""
        lines = [f"{name} {sha256(content).hexdigest()}" for name, content in sorted(self.files.items())]
        return sha256("\n".join(lines).encode()).hexdigest()

    def file(self, location: str) -> bytes:
        """The content a relative location of this folder means. Raises ContractError for any other."""
        name = location.rpartition("/")[2]
        if name not in self.files:
            raise ContractError(f"{location}: not among the contract files")
        return self.files[name]

    def served(self, address: str) -> bytes:
        """The WSDL in one piece, schemas inline, with its address set: importable by any toolkit."""
        root = self.root
        for types in root.iterfind(f"{{{WSDL}}}types"):
            found = list(self._schemas(types, set()))
            types[:] = found
        quoted = address.replace("&", "&amp;").replace('"', "&quot;").encode()
        text = etree.tostring(root, xml_declaration=True, encoding="UTF-8")
        return _ADDRESS.sub(lambda match: match[1] + b'"' + quoted + b'"', text)

    def schemas(self) -> Iterator[etree._Element]:
        """Every schema with a target namespace, imported ones first."""
        seen: set[str] = set()
        for types in self.root.iterfind(f"{{{WSDL}}}types"):
            yield from self._schemas(types, seen)

    def _schemas(self, types: etree._Element, seen: set[str]) -> Iterator[etree._Element]:
        for schema in types.iterfind(f"{{{XS}}}schema"):
            # A copy of the element alone would lose the prefixes declared above it.
            yield from self._with_imports(etree.fromstring(etree.tostring(schema)), seen)

    def _with_imports(self, schema: etree._Element, seen: set[str]) -> Iterator[etree._Element]:
        if schema.find(f"{{{XS}}}include") is not None or schema.find(f"{{{XS}}}redefine") is not None:
            raise ContractError("xs:include and xs:redefine are not supported: one file per namespace")
        for imported in schema.iterfind(f"{{{XS}}}import"):
            location = str(imported.attrib.pop("schemaLocation", ""))
            if location and location not in seen:
                seen.add(location)
                self.file(location)
                yield from self._with_imports(self._parsed(location.rpartition("/")[2]), seen)
        if schema.get("targetNamespace"):
            yield schema

    def _parsed(self, name: str) -> etree._Element:
        parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, remove_comments=False)
        try:
            root = etree.fromstring(self.files[name], parser)
        except etree.XMLSyntaxError as broken:
            raise ContractError(f"{name}: {broken.msg}") from None
        if root.getroottree().docinfo.internalDTD is not None:
            raise ContractError(f"{name}: DOCTYPE")
        return root


# -- what the contract says of a message --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Wrapper:
    """An element of RPC style, which no XSD declares: its name, and its parts as (name, type)."""

    tag: str
    parts: tuple[tuple[str, str], ...]


class _InHand(etree.Resolver):
    """Gives lxml the schemas by number; anything else is not there."""

    def __init__(self, schemas: Mapping[str, bytes]) -> None:
        super().__init__()
        self._schemas = schemas

    def resolve(self, system_url: str, public_id: str, context: Any) -> Any:  # type: ignore[override]
        found: Any = self._schemas.get(system_url, b"")  # bytes will do, the stubs want text
        return self.resolve_string(found, context, base_url=system_url)


class Rules:
    """The contract's XSD with the wrappers of RPC style, compiled once per thread."""

    def __init__(self, contract: Contract, wrappers: tuple[Wrapper, ...]) -> None:
        schemas = list(contract.schemas())
        self._places = {f"mem:{number}": etree.tostring(schema) for number, schema in enumerate(schemas)}
        self._spaces = [str(schema.get("targetNamespace")) for schema in schemas]
        self._drivers = [self._driver(space, wrappers) for space in sorted({_space(one.tag) for one in wrappers})]
        if not self._drivers:
            self._drivers = [self._driver("", ())]
        declared = (element.get("name") for schema in schemas for element in schema.iter(f"{{{XS}}}element"))
        self._names = {str(name) for name in declared} | {name for one in wrappers for name, _ in one.parts}
        self._local = threading.local()
        self._compiled()

    def violation(self, element: etree._Element) -> str | None:
        """The name of the first element that breaks the contract; None where the element keeps it.

        libxml2's own text repeats the value it dislikes, so only a name the contract knows comes out of here.
        """
        found: str | None = UNNAMED
        for schema in self._compiled():
            try:
                if schema.validate(element):
                    return None
            except etree.XMLSchemaValidateError:  # a validation can fail as well as say no
                return UNNAMED
            found = self._named(schema.error_log)
        return found

    def _named(self, log: Any) -> str:
        names = (match[1] for entry in log if (match := _ELEMENT.match(entry.message)))
        return next((name for name in names if name in self._names), UNNAMED)

    def _compiled(self) -> list[etree.XMLSchema]:
        """A validator keeps the errors of its last run, so that two threads must not share one."""
        if not hasattr(self._local, "schemas"):
            parser = etree.XMLParser(resolve_entities=False, no_network=True)
            parser.resolvers.add(_InHand(self._places))
            read = partial(etree.fromstring, parser=parser)
            try:
                self._local.schemas = [etree.XMLSchema(read(driver)) for driver in self._drivers]
            except etree.XMLSchemaParseError as broken:
                raise ContractError(f"XSD: {broken}") from None
        made: list[etree.XMLSchema] = self._local.schemas
        return made

    def _driver(self, space: str, wrappers: tuple[Wrapper, ...]) -> bytes:
        """A schema that brings all others in and declares the wrappers of one namespace."""
        root = etree.Element(f"{{{XS}}}schema", nsmap={"xs": XS})
        if space:
            root.set("targetNamespace", space)
        for number, known in enumerate(self._spaces):
            if known == space:
                etree.SubElement(root, f"{{{XS}}}include", schemaLocation=f"mem:{number}")
            else:
                etree.SubElement(root, f"{{{XS}}}import", namespace=known, schemaLocation=f"mem:{number}")
        for wrapper in wrappers:
            if _space(wrapper.tag) == space:
                _declare(root, wrapper)
        return etree.tostring(root)


def _declare(root: etree._Element, wrapper: Wrapper) -> None:
    element = etree.SubElement(root, f"{{{XS}}}element", name=etree.QName(wrapper.tag).localname)
    inner = etree.SubElement(etree.SubElement(element, f"{{{XS}}}complexType"), f"{{{XS}}}sequence")
    for name, kind in wrapper.parts:
        space = _space(kind)
        part = etree.SubElement(inner, f"{{{XS}}}element", nsmap={"p": space}, name=name, form="unqualified")
        part.set("type", f"p:{etree.QName(kind).localname}")


def _space(tag: str) -> str:
    return etree.QName(tag).namespace or ""
