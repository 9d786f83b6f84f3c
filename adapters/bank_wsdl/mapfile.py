"""The parts of a bank map as they are written in TOML. Unknown keys are refused, whatever the part.

A map is written by whoever connects a bank, not by a programmer; the format is explained in `mappings/banks/README.md`.
"""

from __future__ import annotations

from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from adapters.bank_wsdl.rules import Formats


class Strict(BaseModel):
    """A table of a map."""

    model_config = ConfigDict(frozen=True, extra="forbid")


S = TypeVar("S", bound=Strict)


class Name(Strict):
    """What people call the bank."""

    zh: str
    en: str


class Head(Strict):
    """[map]: whose map this is, and the file of its code tables."""

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$")
    name: Name
    codes: str = Field(pattern=r"^[A-Za-z0-9_-]+\.csv$")


class Files(Strict):
    """[contract]: the bank's own files and bindings. ``style`` and ``soap`` are what the WSDL must say."""

    wsdl: str
    binding: str
    notify: str
    notify_binding: str
    style: Literal["rpc", "document"]
    soap: Literal["1.1", "1.2"]


class Channel(Strict):
    """[channel]: what was agreed on besides the messages. ``day_switch`` and the formats are Asia/Shanghai."""

    encoding: Literal["utf-8", "gb18030", "gbk", "gb2312"]
    amounts: Literal["yuan", "fen"]
    date: str = "%Y-%m-%d"
    datetime: str = "iso"
    yes: str = "true"
    no: str = "false"
    security: Literal["wsse", "sm2", "none"] = "wsse"
    day_switch: str = Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")
    settling_seconds: int = Field(ge=60, le=86400)
    statement_path: str = ""
    max_records: int = Field(2000, ge=1, le=2000)
    receipt_formats: tuple[str, ...] = ("XML",)
    lacks: tuple[str, ...] = ()

    @property
    def formats(self) -> Formats:
        """How values are written."""
        return Formats(self.amounts, self.date, self.datetime, self.yes, self.no)


class Result(Strict):
    """[result]: the bank's return code. A code the table ``reasons`` has a row for was processed, and refused.

    ``answered``: what only the answer to a question may say, such as "not found".
    """

    code: str
    processed: tuple[str, ...] = Field(min_length=1)
    answered: tuple[str, ...] = ()
    busy: tuple[str, ...] = ()
    pending: tuple[str, ...] = ()
    reasons: str


class FaultWords(Strict):
    """[fault]: where its detail keeps code and text, and whether a Sender's fault means "not processed".

    ``fixed``: what else the detail of a fault of ours must say.
    """

    element: str
    code: str
    text: str
    fixed: dict[str, str] = Field(default_factory=dict)
    sender: Literal["refused", "unknown"] = "unknown"


class Operation(Strict):
    """[operations.X]: the bank's operation and code for it, its question, values it cannot do without.

    ``request`` and ``reply`` hold lines, read by the compiler.
    """

    bank: str
    code: str = ""
    ask: str = ""
    only: dict[str, str | int | bool] = Field(default_factory=dict)
    request: dict[str, Any]
    reply: dict[str, Any]


class Notice(Strict):
    """[notices.X]: the bank's push, and how it is acknowledged."""

    bank: str
    code: str = ""
    request: dict[str, Any]
    ack: dict[str, Any]


class Shared(Strict):
    """[head.X]: lines every message of a kind has; an operation's own line for the same place wins."""

    request: dict[str, Any] = Field(default_factory=dict)
    reply: dict[str, Any] = Field(default_factory=dict)
    notice: dict[str, Any] = Field(default_factory=dict)
    ack: dict[str, Any] = Field(default_factory=dict)


class OutLine(Strict):
    """A line of a message of ours; a bare text means ``from``.

    ``with`` names a word without which the element is left out.
    """

    from_: str = Field("", alias="from")
    value: str | None = None
    codes: str = ""
    unlisted: Literal["refuse", "keep"] = "refuse"
    format: str = ""
    along: str = Field("", alias="with")


class InLine(Strict):
    """A line of a message of theirs; a bare text means ``from``, a list of places is joined.

    ``none`` are texts that mean that there is no value; ``with`` names a target without which this one is not read.
    """

    from_: str | tuple[str, ...] = Field(alias="from", min_length=1)
    codes: str = ""
    unlisted: Literal["refuse", "keep"] = "refuse"
    format: str = ""
    none: tuple[str, ...] = ()
    along: str = Field("", alias="with")

    @property
    def sources(self) -> tuple[str, ...]:
        """The places to read."""
        return (self.from_,) if isinstance(self.from_, str) else self.from_
