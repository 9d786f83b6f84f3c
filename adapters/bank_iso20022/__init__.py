"""A bank that speaks ISO 20022: pain.001/007/008 answered by pain.002, camt.054 as notices and receipts."""

from __future__ import annotations

from typing import Final

from adapters.bank_iso20022 import door
from adapters.bank_iso20022.codec import HEAVY, IsoCodec
from gateway.delivery.declare import Adapter, Manifest

__all__ = ["ADAPTER", "HEAVY", "IsoCodec"]

ADAPTER: Final = Adapter(manifest=Manifest.load("adapters.bank_iso20022"), codec=IsoCodec(), door=door, heavy=HEAVY)
