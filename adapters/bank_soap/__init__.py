"""A bank over SOAP/XML: the channel of `contract/`, namespace `urn:xinyi:bank-channel:v1`."""

from __future__ import annotations

from typing import Final

from adapters.bank_soap import door
from adapters.bank_soap.codec import HEAVY, BankCodec
from gateway.delivery.declare import Adapter, Manifest

__all__ = ["ADAPTER", "HEAVY", "BankCodec"]

ADAPTER: Final = Adapter(manifest=Manifest.load("adapters.bank_soap"), codec=BankCodec(), door=door, heavy=HEAVY)
