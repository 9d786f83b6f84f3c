"""One line of a bank map at work: where a value stands on either side, and how it is turned. Pure.

No error repeats a value: it may be anything, a person's name included. Errors name the place on the bank's side.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Final

from adapters.bank_wsdl.canon import Kind, Values
from gateway.model.clock import SHANGHAI
from gateway.model.fieldmap_rules import CodeTable
from gateway.model.masked import Masked, mask_text
from gateway.model.money import format_yuan, parse_yuan
from gateway.model.refusals import Refusal

YUAN: Final = "yuan"
ISO: Final = "iso"  # a format of moments: ISO 8601 with the offset, as xs:dateTime wants it


class Unfit(ValueError):
    """A value that cannot be carried over; the text is the bank's name of its place."""


@dataclass(frozen=True, slots=True)
class Formats:
    """How a bank writes what is not text: amounts in yuan or fen, days, moments in Asia/Shanghai, yes and no."""

    amounts: str
    date: str
    datetime: str
    yes: str
    no: str


Turn = Callable[[Any], Any]


# -- turning ------------------------------------------------------------------------------------------------------


def writer(kind: Kind, formats: Formats, form: str = "") -> Turn:
    """A canonical value as the bank writes it. The turn raises ValueError."""
    turns: dict[Kind, Turn] = {
        Kind.FEN: format_yuan if formats.amounts == YUAN else str,
        Kind.DAY: lambda value: value.strftime(form or formats.date),
        Kind.MOMENT: lambda value: _written(value.astimezone(SHANGHAI), form or formats.datetime),
        Kind.FLAG: lambda value: formats.yes if value else formats.no,
        Kind.BYTES: bytes,
    }
    return turns.get(kind, str)


def reader(kind: Kind, formats: Formats, form: str = "") -> Turn:
    """A value of the bank as the canonical one. The turn raises ValueError, Refusal included."""
    turns: dict[Kind, Turn] = {
        Kind.FEN: _fen_of_yuan if formats.amounts == YUAN else _whole,
        Kind.COUNT: _whole,
        Kind.DAY: lambda raw: _day(raw, form or formats.date),
        Kind.MOMENT: lambda raw: _moment(raw, form or formats.datetime),
        Kind.FLAG: lambda raw: _flag(raw, formats),
        Kind.BYTES: _bytes,
    }
    return turns.get(kind, _text)


def _written(value: datetime, form: str) -> str:
    return value.isoformat(timespec="milliseconds") if form == ISO else value.strftime(form)


def _text(raw: Any) -> str:
    return base64.b64encode(raw).decode() if isinstance(raw, bytes) else str(raw)


def _fen_of_yuan(raw: Any) -> int:
    return parse_yuan(raw, allow_negative=True)


def _whole(raw: Any) -> int:
    if isinstance(raw, bool):
        raise ValueError
    return int(str(raw))


def _day(raw: Any, form: str) -> date:
    if isinstance(raw, date):
        return raw.date() if isinstance(raw, datetime) else raw
    return _strict(str(raw), form).date()


def _moment(raw: Any, form: str) -> datetime:
    if isinstance(raw, datetime):
        made = raw
    else:
        made = datetime.fromisoformat(str(raw).strip()) if form == ISO else _strict(str(raw), form)
    return made.replace(tzinfo=SHANGHAI) if made.tzinfo is None else made.astimezone(SHANGHAI)


def _strict(text: str, form: str) -> datetime:
    """strptime takes more than it writes (one digit for two); an answer has to be exact."""
    made = datetime.strptime(text.strip(), form)  # noqa: DTZ007 - the caller knows the zone
    if made.strftime(form) != text.strip():
        raise ValueError
    return made


def _flag(raw: Any, formats: Formats) -> bool:
    if isinstance(raw, bool):
        return raw
    if str(raw) not in (formats.yes, formats.no):
        raise ValueError
    return str(raw) == formats.yes


def _bytes(raw: Any) -> bytes:
    return raw if isinstance(raw, bytes) else base64.b64decode("".join(str(raw).split()), validate=True)


_OURS_OF_FLAG: Final = {"true": True, "false": False}


def by_codes(table: CodeTable, kind: Kind, *, keep: bool) -> Turn:
    """Their code as our word. One the table lacks is refused, or kept as it is where that was allowed."""

    def turn(raw: Any) -> Any:
        code = str(raw).strip()
        if code not in table.ours and not keep:
            raise ValueError
        word = table.ours.get(code, code)
        return _OURS_OF_FLAG[word] if kind is Kind.FLAG else int(word) if kind is Kind.COUNT else word

    return turn


def to_codes(table: CodeTable, *, keep: bool) -> Turn:
    """Our word as their code."""

    def turn(value: Any) -> str:
        word = ("true" if value else "false") if isinstance(value, bool) else str(value)
        if word not in table.theirs and not keep:
            raise ValueError
        return table.theirs.get(word, word)

    return turn


# -- canonical → bank ---------------------------------------------------------------------------------------------


def find_in(path: str) -> Callable[[Any, Mapping[str, Any]], Any]:
    """A field of the model by dots, or a word of the message; None where there is nothing on the way."""
    if path.startswith("@"):
        return lambda _source, said: said.get(path)
    steps = path.split(".")

    def find(source: Any, _said: Mapping[str, Any]) -> Any:
        for step in steps:
            if source is None:
                return None
            source = getattr(source, step)
        return source

    return find


@dataclass(frozen=True, slots=True)
class Out:
    """One element of a message of ours. What is None or an empty text is left out."""

    path: str
    find: Callable[[Any, Mapping[str, Any]], Any] = field(repr=False)
    turn: Turn = field(repr=False)
    constant: str | None = None
    along: Callable[[Any, Mapping[str, Any]], Any] | None = field(default=None, repr=False)

    def put(self, made: Values, source: Any, said: Mapping[str, Any]) -> None:
        """Write the element. Raises Unfit."""
        value = self._value(source, said)
        if value is not None:
            *steps, last = self.path.split(".")
            for step in steps:
                made = made.setdefault(step, {})
            made[last] = value

    def _value(self, source: Any, said: Mapping[str, Any]) -> Any:
        if self.along is not None and not self.along(source, said):
            return None
        if self.constant is not None:
            return self.constant
        value = self.find(source, said)
        if isinstance(value, Masked):
            value = value.reveal()
        if value is None or value == "":
            return None
        try:
            return self.turn(value)
        except ValueError:
            raise Unfit(self.path) from None


@dataclass(frozen=True, slots=True)
class OutRows:
    """A repeated element: one for each item of a list of the model."""

    path: str
    each: str
    rules: tuple[Out, ...]

    def put(self, made: Values, source: Any, said: Mapping[str, Any]) -> None:
        """Write the elements. Raises Unfit."""
        *steps, last = self.path.split(".")
        for step in steps:
            made = made.setdefault(step, {})
        made[last] = [fill(self.rules, item, said) for item in getattr(source, self.each)]


def fill(rules: Sequence[Out | OutRows], source: Any, said: Mapping[str, Any]) -> Values:
    """The message as nested dicts. Raises Unfit."""
    made: Values = {}
    for rule in rules:
        rule.put(made, source, said)
    return made


# -- bank → canonical ---------------------------------------------------------------------------------------------


def at(raw: Any, path: str) -> Any:
    for step in path.split("."):
        if not isinstance(raw, Mapping):
            return None
        raw = raw.get(step)
    return raw


@dataclass(frozen=True, slots=True)
class In:
    """One canonical value. Several ``sources`` are joined; what is in ``none`` means that there is no value.

    ``along`` is another target: without it this one is not read.
    """

    target: str
    sources: tuple[str, ...]
    turn: Turn = field(repr=False)
    none: frozenset[str] = frozenset()
    along: str = ""

    def take(self, raw: Mapping[str, Any], values: Values) -> None:
        """Read the value. Raises Unfit."""
        found = self._found(raw)
        absent = found is None or found == "" or (bool(self.none) and str(found) in self.none)
        if absent or (self.along and self.along not in values):
            return
        try:
            value = self.turn(found)
        except (ValueError, LookupError, binascii.Error, Refusal):
            raise Unfit(self.sources[0]) from None
        _place(values, self.target, mask_text(value) if self.target.endswith("_text") else value)

    def _found(self, raw: Mapping[str, Any]) -> Any:
        if len(self.sources) == 1:
            return at(raw, self.sources[0])
        parts = [at(raw, source) for source in self.sources]
        return None if None in parts else "".join(map(str, parts))


@dataclass(frozen=True, slots=True)
class InRows:
    """A list of the model: one item for each repeated element."""

    target: str
    each: str
    rules: tuple[In, ...]

    def take(self, raw: Mapping[str, Any], values: Values) -> None:
        """Read the items. Raises Unfit."""
        values[self.target] = [take(self.rules, row) for row in at(raw, self.each) or ()]


def take(rules: Sequence[In | InRows], raw: Mapping[str, Any]) -> Values:
    """Everything the rules read, nested models as dicts. Raises Unfit."""
    values: Values = {}
    for rule in rules:
        rule.take(raw, values)
    return values


def _place(values: Values, target: str, value: Any) -> None:
    if not target.startswith("@"):
        *steps, target = target.split(".")
        for step in steps:
            values = values.setdefault(step, {})
    values[target] = value
