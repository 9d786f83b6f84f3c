"""The contract's XSD, compiled once per thread, and what it says of an element without repeating a value."""

from __future__ import annotations

from importlib import resources
from typing import Final

from lxml import etree

from gateway.model.xml import Schema

CONTRACT: Final = resources.files("adapters.bank_soap").joinpath("contract")
# Files read at load: a codec does no I/O.
_XSD: Final = CONTRACT.joinpath("bank-types.xsd").read_bytes()
_WSDL: Final = {which: CONTRACT.joinpath(f"{which}.wsdl").read_bytes() for which in ("bank", "notify")}
_SCHEMA: Final = Schema(_XSD)


def contract_file(which: str) -> bytes:
    """`bank` and `notify` give the WSDL, `types` the XSD, as they stand. Raises KeyError for another name."""
    return _XSD if which == "types" else _WSDL[which]


def violation(element: etree._Element) -> str | None:
    """The name of the first element that breaks the contract; None where the element keeps it."""
    return _SCHEMA.violation(element)
