"""The contract's XSD, compiled once per thread, and what it says of an element without repeating a value."""

from __future__ import annotations

import re
import threading
from functools import cache
from importlib import resources
from typing import Any, Final

from lxml import etree

CONTRACT: Final = resources.files("adapters.bank_soap").joinpath("contract")
UNNAMED: Final = "message"
_XS: Final = "{http://www.w3.org/2001/XMLSchema}"
_ELEMENT: Final = re.compile(r"Element '(?:\{[^}]*\})?(\w+)'")
# Files read at load: a codec does no I/O.
_XSD: Final = CONTRACT.joinpath("bank-types.xsd").read_bytes()
_WSDL: Final = {which: CONTRACT.joinpath(f"{which}.wsdl").read_bytes() for which in ("bank", "notify")}


class _PerThread(threading.local):
    """A validator keeps the errors of its last run, so that two threads must not share one."""

    def __init__(self) -> None:
        self.schema = etree.XMLSchema(etree.fromstring(_XSD))


_local = _PerThread()


@cache
def _names() -> frozenset[str]:
    declared = etree.fromstring(_XSD).iter(f"{_XS}element")
    return frozenset(str(element.get("name")) for element in declared)


def contract_file(which: str) -> bytes:
    """`bank` and `notify` give the WSDL, `types` the XSD, as they stand. Raises KeyError for another name."""
    return _XSD if which == "types" else _WSDL[which]


def violation(element: etree._Element) -> str | None:
    """The name of the first element that breaks the contract; None where the element keeps it.

    libxml2's own text repeats the value it dislikes, so only a name the contract knows comes out of here.
    """
    schema = _local.schema
    try:
        if schema.validate(element):
            return None
    except etree.XMLSchemaValidateError:  # a validation can fail as well as say no
        return UNNAMED
    log: Any = schema.error_log
    for entry in log:
        found = _ELEMENT.match(entry.message)
        if found and found[1] in _names():
            return found[1]
    return UNNAMED
