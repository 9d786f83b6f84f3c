"""A bank's dialect: everything a codec and a door need of one bank, and where its files are found."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Final

from adapters.bank_soap.outcome import PROCESSED
from adapters.bank_wsdl import mapfile
from adapters.bank_wsdl import port as ports
from adapters.bank_wsdl.contract import Contract, ContractError
from adapters.bank_wsdl.port import Port
from adapters.bank_wsdl.rules import In, InRows, Out, OutRows
from gateway.model.fieldmap_file import MapError
from gateway.model.fieldmap_rules import CodeTable

BUSY: Final = "900001"  # the verdict rules' word for "nothing was processed"
PENDING: Final = "900002"  # and for "taken, the outcome is open"
_AT_LINE: Final = re.compile(r"at line (\d+)")


@dataclass(frozen=True, slots=True)
class Exchange:
    """One canonical operation as the bank does it. ``only``: what a request must say, or it is not sent."""

    wire: ports.Operation
    code: str
    only: Mapping[str, str | int | bool]
    request: tuple[Out | OutRows, ...] = field(repr=False)
    reply: tuple[In | InRows, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Push:
    """One push of the bank and its acknowledgement."""

    name: str
    wire: ports.Operation
    code: str
    request: tuple[In | InRows, ...] = field(repr=False)
    ack: tuple[Out | OutRows, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Dialect:
    """One bank. ``digest`` changes with any byte of its map, code tables and contract files."""

    id: str
    digest: str
    channel: mapfile.Channel
    result: mapfile.Result
    soap: str
    fault: ports.Detail
    push_fault: ports.Detail
    sender_refuses: bool
    contract: Contract = field(repr=False)
    notify: Contract = field(repr=False)
    reasons: CodeTable = field(repr=False)
    operations: Mapping[str, Exchange] = field(repr=False)
    pushes: Mapping[str, Push] = field(repr=False)

    def resp_code(self, told: str, *, question: bool, rejected: bool) -> str:
        """The return code in the words of the verdict rules; one that nobody listed stays as it is: unknown.

        A reason is believed beside a rejection alone, "not found" beside a question: else code and status contradict.
        """
        if told in self.result.processed or (question and told in self.result.answered):
            return PROCESSED
        if rejected and not question and told in self.reasons.ours:
            return PROCESSED
        if told in self.result.busy:
            return BUSY
        return PENDING if told in self.result.pending else told


@dataclass(frozen=True, slots=True)
class Places:
    """Folders to look in, the first that has a file wins."""

    codes: Sequence[Traversable]
    contracts: Sequence[Traversable]

    @classmethod
    def of(cls, own: Path | None) -> Places:
        """The product's folders; for a map of an installation's own, what lies beside it comes first."""
        beside: list[Traversable] = [] if own is None else [own.parent]
        return cls(
            (*beside, resources.files("mappings") / "codes"),
            (*beside, resources.files("adapters.bank_wsdl") / "contract"),
        )

    def code_file(self, name: str) -> str:
        """The text of a file of code tables. Raises OSError."""
        folder = _having(self.codes, (name,))
        return folder.joinpath(name).read_text(encoding="utf-8")

    def port(self, file: str, binding: str) -> Port:
        """A binding of a WSDL. Raises OSError and ContractError."""
        *folders, name = file.split("/")
        if ".." in folders:
            raise ContractError(f"{file}: outside the contract folders")
        folder = _having(self.contracts, (*folders, name)).joinpath(*folders)
        return Port(Contract.read(folder / name, folder), binding)


def _having(places: Sequence[Traversable], path: Sequence[str]) -> Traversable:
    for place in places:
        if place.joinpath(*path).is_file():
            return place
    raise FileNotFoundError(f"{'/'.join(path)}: no such file")


def load(name: str) -> Dialect:
    """A shipped map by its name, or one of an installation's own by the path of its .toml file.

    Raises MapError with every fault, and OSError.
    """
    own = Path(name) if name.endswith(".toml") else None
    file = resources.files("mappings") / "banks" / f"{name}.toml" if own is None else own
    return parse(file.read_text(encoding="utf-8"), file.name, Places.of(own))


def parse(text: str, name: str, places: Places | None = None) -> Dialect:
    """Read a map from TOML text. Raises MapError with every fault."""
    from adapters.bank_wsdl.loading import Loading

    try:
        raw: dict[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as broken:
        at = _AT_LINE.search(str(broken))
        raise MapError([f"{name}:{at[1] if at else 1}: -: 不是合法的 TOML / not valid TOML: {broken}"]) from None
    return Loading(name, text, raw, places or Places.of(None)).dialect()
