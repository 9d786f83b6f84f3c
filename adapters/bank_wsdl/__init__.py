"""A bank that brings its own WSDL: one generic adapter, completed by a map file in `mappings/banks/`."""

from __future__ import annotations

from typing import Final

from adapters.bank_wsdl import dialect
from adapters.bank_wsdl.codec import HEAVY, MappedCodec
from adapters.bank_wsdl.door import MappedDoor
from gateway.delivery.declare import Adapter, Manifest

__all__ = ["ADAPTER", "HEAVY", "MappedCodec", "mapped"]

_MANIFEST: Final = Manifest.load("adapters.bank_wsdl")


def mapped(name: str) -> Adapter:
    """The adapter of one bank, by the name of a shipped map or the path of a .toml file.

    Raises MapError naming file, line and key of every fault, and OSError.
    """
    found = dialect.load(name)
    return Adapter(manifest=manifest_of(found), codec=MappedCodec(found), door=MappedDoor(found), heavy=HEAVY)


def manifest_of(bank: dialect.Dialect) -> Manifest:
    """The manifest with what the map says of the bank; guarantees are code and never a map's."""
    channel = bank.channel
    own = {
        "map": bank.id, "map_digest": bank.digest[:12], "soap": [bank.soap], "encoding": channel.encoding,
        "security": channel.security, "day_switch": channel.day_switch, "statement_path": channel.statement_path,
        "max_records": channel.max_records, "receipt_formats": list(channel.receipt_formats),
        "lacks": list(channel.lacks),
        "only": {name: dict(one.only) for name, one in bank.operations.items() if one.only},
    }  # fmt: skip
    settling = {"settling_seconds": channel.settling_seconds}
    operations = {name: row.model_copy(update=settling) for name, row in _MANIFEST.operations.items()}
    capabilities = {**_MANIFEST.capabilities, **own}
    return _MANIFEST.model_copy(update={"capabilities": capabilities, "operations": operations})


ADAPTER: Final = Adapter(manifest=_MANIFEST, mapped=mapped)
