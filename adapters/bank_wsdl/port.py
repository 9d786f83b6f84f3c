"""One binding of a bank's WSDL, read by zeep without a network: messages are built and parsed, never sent.

zeep knows types, order and style; it does not look at facets, at names or at what a bank may not say, so `Rules` look
first. Its exceptions are many, some of them Python's own: `FAILURES` lists what a caller has to expect.
"""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn

import zeep
import zeep.exceptions
import zeep.helpers
import zeep.wsdl
from lxml import etree
from zeep.xsd.context import XmlParserContext
from zeep.xsd.elements.indicators import Indicator

from adapters.bank_wsdl.contract import XS, Contract, ContractError, Rules, Wrapper

FAILURES: Final = (
    zeep.exceptions.Error, etree.LxmlError, ArithmeticError, AssertionError, AttributeError, LookupError, OSError,
    RuntimeError, TypeError, ValueError,
)  # fmt: skip
SETTINGS: Final = zeep.Settings(
    strict=True, forbid_dtd=True, forbid_entities=True, forbid_external=True, xml_huge_tree=False
)
SOAP_VERSIONS: Final = {
    "http://schemas.xmlsoap.org/soap/envelope/": "1.1",
    "http://www.w3.org/2003/05/soap-envelope": "1.2",
}
_BASE: Final = "/contract/"
# What zeep cannot read it logs with its traceback, and the value with it.
logging.getLogger("zeep").setLevel(logging.CRITICAL + 1)


class PortError(ContractError):
    """The WSDL has no such binding, or one that cannot be spoken; the text says why."""


class NotOnTheWire(ValueError):
    """A message that cannot be built of, or read into, values; nothing of them is repeated, ``field`` is a name."""

    def __init__(self, field: str, why: str = "") -> None:
        super().__init__(why or field)
        self.field = field


class Offline(zeep.Transport):
    """A transport that opens nothing: contract files come from memory, everything else is refused."""

    _close_session = False  # the base class would open a session

    def __init__(self, contract: Contract) -> None:
        self._contract = contract

    def load(self, url: str) -> bytes:
        """A contract file that is in hand. Raises ContractError for any other address."""
        if not url.startswith(_BASE):
            raise ContractError(f"{url}: outside the contract")
        return self._contract.file(url)

    def _refuse(self, *_given: object) -> NoReturn:
        raise ContractError("the wire is delivery's")

    get = post = post_xml = _refuse


@dataclass(frozen=True, slots=True)
class Place:
    """An element inside a message, as a map names it. ``children`` is empty for a value."""

    name: str
    required: bool
    many: bool
    children: Mapping[str, Place]

    def at(self, path: str) -> Place:
        """The place below this one. Raises LookupError naming the step that leads nowhere."""
        place = self
        for step in path.split("."):
            if step not in place.children:
                raise LookupError(step)
            place = place.children[step]
        return place

    def needed(self) -> Iterator[str]:
        """Paths of the values that may not be missing, as far as their containers may not be either."""
        for child in self.children.values():
            if child.required and not child.many:
                yield from (f"{child.name}.{path}" for path in child.needed()) if child.children else (child.name,)


@dataclass(frozen=True, slots=True)
class Message:
    """A request or an answer: ``tag`` is the qualified name of the body's only child."""

    tag: str
    place: Place = field(repr=False)
    element: Any = field(repr=False)
    types: Any = field(repr=False)
    rules: Rules = field(repr=False)

    def build(self, parent: etree._Element, values: Mapping[str, Any]) -> etree._Element:
        """Write the values as an element below ``parent``. Raises NotOnTheWire naming an element at most."""
        try:
            self.element.render(parent, self.element(**values))
        except zeep.exceptions.ValidationError as missing:
            raise NotOnTheWire(".".join(map(str, missing.path[-1:])) or "message") from None
        except FAILURES:
            raise NotOnTheWire("message") from None
        made = parent[-1]
        made.tag = self.tag
        bad = self.rules.violation(made)
        if bad is not None:
            raise NotOnTheWire(bad)
        return made

    def read(self, element: etree._Element) -> dict[str, Any]:
        """The values of an element that keeps the contract, containers as dicts. Raises NotOnTheWire."""
        if element.tag != self.tag:
            raise NotOnTheWire("message", "another message")
        bad = self.rules.violation(element)
        if bad is not None:
            raise NotOnTheWire(bad, f"breaks the contract at {bad}")
        try:
            context = XmlParserContext(settings=SETTINGS)  # type: ignore[no-untyped-call]
            parsed = self.element.parse(element, self.types, context=context)
            found = zeep.helpers.serialize_object(parsed, dict)  # type: ignore[no-untyped-call]
        except FAILURES as failed:
            raise NotOnTheWire("message", f"zeep: {type(failed).__name__}") from None
        if not isinstance(found, dict):
            raise NotOnTheWire("message", "nothing in it")
        return found


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation: its messages, its style and the SOAP action."""

    name: str
    style: str
    action: str
    request: Message
    answer: Message


@dataclass(frozen=True, slots=True)
class Detail:
    """A fault's own element: where it keeps code and text."""

    tag: str
    code: str
    text: str
    fixed: Mapping[str, str]
    element: Any = field(repr=False)

    def write(self, parent: etree._Element, code: str, text: str) -> None:
        """Write the element. Raises NotOnTheWire."""
        try:
            self.element.render(parent, self.element(**{self.code: code, self.text: text, **self.fixed}))
        except FAILURES:
            raise NotOnTheWire("fault") from None

    def read(self, fault: etree._Element) -> tuple[str, str]:
        """Code and text, empty where the fault has no such element."""
        found = next(fault.iter(self.tag), None)
        said = {} if found is None else {etree.QName(child).localname: child.text or "" for child in found}
        return said.get(self.code, ""), said.get(self.text, "")


class Port:
    """A binding and its operations. Raises PortError and ContractError."""

    def __init__(self, contract: Contract, binding: str) -> None:
        self.contract = contract
        self._document = _document(contract)
        found = _binding(contract, self._document, binding)
        self.soap = SOAP_VERSIONS[found.nsmap["soap-env"]]
        wrapped = {operation.name: _wrappers(operation) for operation in _operations(found)}
        rules = Rules(contract, tuple(one for pair in wrapped.values() for one in pair))
        self.operations: Mapping[str, Operation] = {
            operation.name: _operation(operation, rules) for operation in _operations(found)
        }

    def detail(self, element: str, code: str, text: str, fixed: Mapping[str, str]) -> Detail:
        """The element of a fault's detail. Raises PortError where the contract has none, or other children."""
        for schema in self.contract.schemas():
            if any(one.get("name") == element for one in schema.iterfind(f"{{{XS}}}element")):
                tag = f"{{{schema.get('targetNamespace')}}}{element}"
                found = self._document.types.get_element(tag)
                said, known = {code, text, *fixed}, dict(found.type.elements)
                wrong = (said - known.keys()) | {name for name in known.keys() - said if not known[name].is_optional}
                if wrong:
                    raise PortError(f"{element}: {', '.join(sorted(wrong))}")
                return Detail(tag, code, text, fixed, found)
        raise PortError(f"no element {element}")


def _document(contract: Contract) -> Any:
    transport: Any = Offline(contract)  # zeep's stubs want the class
    try:
        text = io.BytesIO(contract.file(contract.name))
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)  # zeep leaves out what it does not understand, and warns
            return zeep.wsdl.Document(text, transport, base=_BASE + contract.name, settings=SETTINGS)
    except ContractError:
        raise
    except UserWarning as left_out:
        raise PortError(f"{contract.name}: {left_out}") from None
    except (*FAILURES, SyntaxError) as failed:
        raise PortError(f"{contract.name}: {type(failed).__name__}: {str(failed)[:200]}") from None


def _binding(contract: Contract, document: Any, name: str) -> Any:
    found = [one for one in document.bindings.values() if one.name.localname == name and hasattr(one, "default_style")]
    if not found:
        known = ", ".join(one.name.localname for one in document.bindings.values())
        raise PortError(f"{contract.name}: no SOAP binding {name!r}; known: {known}")
    return found[0]


def _operations(binding: Any) -> list[Any]:
    found = list(binding.all().values())
    for operation in found:
        for message in (operation.input, operation.output):
            if message is None or message.body is None:
                raise PortError(f"{operation.name}: an operation has a request and an answer")
            if message.header is not None and message.header.type._element:
                raise PortError(f"{operation.name}: SOAP header parts are not supported")
    return found


def _tag(operation: Any, message: Any) -> str:
    """Of RPC style the answer's name is the operation's and ``Response`` (WS-I), of document style the element's."""
    name = message.body.qname
    if operation.style == "rpc" and message is operation.output:
        return f"{{{name.namespace or ''}}}{operation.name}Response"
    return str(name)


def _wrappers(operation: Any) -> tuple[Wrapper, ...]:
    if operation.style != "rpc":
        return ()
    made = []
    for message in (operation.input, operation.output):
        parts = message.abstract.parts
        lacking = [name for name, part in parts.items() if part.type is None]
        if lacking:
            raise PortError(f"{operation.name}: the part {lacking[0]} of RPC style needs a type")
        kinds = tuple((name, str(part.type.qname)) for name, part in parts.items())
        made.append(Wrapper(_tag(operation, message), kinds))
    return tuple(made)


def _operation(operation: Any, rules: Rules) -> Operation:
    request, answer = (
        Message(
            _tag(operation, message), Place("", True, False, _children(message.body.type, 0)), message.body,
            message.wsdl.types, rules,
        )
        for message in (operation.input, operation.output)
    )  # fmt: skip
    return Operation(operation.name, operation.style, operation.soapaction or "", request, answer)


_DEEPEST: Final = 12


def _children(kind: Any, depth: int) -> dict[str, Place]:
    """What is inside a complex type; a type that contains itself is not followed for ever."""
    if depth > _DEEPEST or not hasattr(kind, "elements_nested"):
        return {}
    inside = (pair for _, found in kind.elements_nested for pair in _flat(found, optional=False))
    return {element.attr_name: _place(element, optional, depth) for element, optional in inside}


def _flat(found: Any, *, optional: bool) -> Iterator[tuple[Any, bool]]:
    """The elements of a group with whether they may be missing: nobody fills all branches of a choice."""
    if isinstance(found, zeep.xsd.Element):
        yield found, optional or bool(found.is_optional)
    elif isinstance(found, Indicator):
        if found.accepts_multiple:
            raise PortError("a repeated group is not supported, a repeated element is")
        loose = optional or bool(found.is_optional) or isinstance(found, zeep.xsd.Choice)
        members: Any = found
        for inner in members:
            yield from _flat(inner, optional=loose)


def _place(element: Any, optional: bool, depth: int) -> Place:
    most = element.max_occurs
    inside = _children(element.type, depth + 1)
    return Place(str(element.attr_name), not optional, most == "unbounded" or most > 1, inside)
