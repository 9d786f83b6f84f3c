"""Compiles the lines of a bank map against the bank's WSDL and the canonical words; gathers every fault with its line.

Checked here: every place exists in the WSDL and holds a value, every word exists and its codes are of its vocabulary,
every element the bank requires is filled, everything a canonical answer needs is read.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from adapters.bank_wsdl import canon
from adapters.bank_wsdl.canon import Kind
from adapters.bank_wsdl.mapfile import InLine, OutLine, S
from adapters.bank_wsdl.port import Place
from adapters.bank_wsdl.rules import (
    Formats,
    In,
    InRows,
    Out,
    OutRows,
    Turn,
    by_codes,
    find_in,
    reader,
    to_codes,
    writer,
)
from gateway.model.fieldmap_file import lines_of
from gateway.model.fieldmap_rules import CodeTable

ROWS: Final = "[]"
KeyPath = tuple[str, ...]
OutRules = tuple[Out | OutRows, ...]
InRules = tuple[In | InRows, ...]
_HEADS: Final[Mapping[KeyPath, str]] = {
    ("operations", "request"): "request",
    ("operations", "reply"): "reply",
    ("notices", "request"): "notice",
    ("notices", "ack"): "ack",
}


@dataclass(frozen=True, slots=True)
class Scope:
    """What a section of lines speaks of: a model, words of the message, and vocabularies."""

    model: type[BaseModel] | None
    said: Mapping[str, Kind]
    vocabulary: Mapping[str, frozenset[str]]

    def kind(self, word: str) -> Kind:
        """The kind of a word. Raises LookupError for one that is none."""
        if word.startswith("@"):
            return self.said[word]
        if self.model is None:
            raise LookupError(word)
        return canon.kind_of(self.model, word)

    def rows(self, name: str) -> Scope:
        """The scope inside a list. Raises LookupError."""
        if self.model is None:
            raise LookupError(name)
        mark = f"{name}{ROWS}."
        inner = {path.removeprefix(mark): words for path, words in self.vocabulary.items() if path.startswith(mark)}
        return Scope(canon.rows_of(self.model, name), {}, inner)


class Compiler:
    """Of one map file. ``problems`` has one line per fault: file:line: key: reason."""

    def __init__(self, name: str, text: str) -> None:
        self.name, self._lines = name, lines_of(text)
        self.problems: list[str] = []
        self.codes: Mapping[str, CodeTable] = {}
        self.formats = Formats("", "", "", "", "")

    def wrong(self, path: KeyPath, why: str) -> None:
        """Note a fault at the nearest line that can be named: an operation's own, or the one it has from [head]."""
        section = _HEADS.get((path[0], *path[2:3])) if len(path) > 3 else None
        if section is not None and path[:4] not in self._lines and ("head", section, path[3]) in self._lines:
            path = ("head", section, *path[3:])
        known = (path[:end] for end in range(len(path), 0, -1) if path[:end] in self._lines)
        self.problems.append(f"{self.name}:{self._lines.get(next(known, ()), 1)}: {'.'.join(path)}: {why}")

    def part(self, kind: type[S], held: Any, path: KeyPath) -> S | None:
        """A strict part of the map; None where it is faulty."""
        try:
            return kind.model_validate(held)
        except ValidationError as error:
            for row in error.errors(include_input=False, include_url=False, include_context=False):
                self.wrong((*path, *map(str, row["loc"])), row["msg"])
        return None

    # -- ours → theirs ----------------------------------------------------------------------------------------------

    def outgoing(self, lines: Mapping[str, Any], path: KeyPath, place: Place, scope: Scope) -> OutRules:
        """The rules of a message of ours; ``lines`` by places on the bank's side."""
        made = [self._out(key, held, (*path, key), place, scope) for key, held in lines.items()]
        for missing in unfilled(place, "", {key.removesuffix(ROWS) for key in lines}):
            self.wrong(path, f"银行必填项 {missing} 没有来源 / nothing fills the required element")
        return tuple(rule for rule in made if rule is not None)

    def _out(self, key: str, held: Any, path: KeyPath, place: Place, scope: Scope) -> Out | OutRows | None:
        try:
            compile_ = self._out_rows if key.endswith(ROWS) else self._leaf_out
            return compile_(key, held, path, place, scope)
        except LookupError as lost:
            self.wrong(path, f"没有 {lost.args[0]} / no such place or word")
        except ValueError as why:
            self.wrong(path, str(why))
        return None

    def _leaf_out(self, key: str, held: Any, path: KeyPath, place: Place, scope: Scope) -> Out | None:
        _leaf(place, key)
        line = self.part(OutLine, {"from": held} if isinstance(held, str) else held, path)
        if line is None:
            return None
        if bool(line.from_) == (line.value is not None):
            raise ValueError("须有 from 或 value 之一 / one of from and value")
        along = self._along(line.along, scope)
        if line.value is not None:
            return Out(key, find_in("@"), str, line.value, along)
        kind = scope.kind(line.from_)
        turn = writer(kind, self.formats, line.format)
        if line.codes:
            table = self._table(line.codes)
            self._covers(table, scope.vocabulary.get(line.from_, ()), path)
            turn = to_codes(table, keep=line.unlisted == "keep")
        return Out(key, find_in(line.from_), turn, None, along)

    @staticmethod
    def _along(word: str, scope: Scope) -> Callable[[Any, Mapping[str, Any]], Any] | None:
        if not word:
            return None
        scope.kind(word)
        return find_in(word)

    def _out_rows(self, key: str, held: Any, path: KeyPath, place: Place, scope: Scope) -> OutRows:
        key = key.removesuffix(ROWS)
        each, lines = _each(held)
        inside = _repeated(place, key)
        rules = self.outgoing(lines, path, inside, scope.rows(each))
        return OutRows(key, each, tuple(rule for rule in rules if isinstance(rule, Out)))

    def _covers(self, table: CodeTable, words: Collection[str], path: KeyPath) -> None:
        lacking = sorted(set(words) - table.theirs.keys())
        if lacking:
            self.wrong(path, f"码表缺 {', '.join(lacking)} / the code table lacks them")

    # -- theirs → ours ----------------------------------------------------------------------------------------------

    def incoming(self, lines: Mapping[str, Any], path: KeyPath, place: Place, scope: Scope) -> InRules:
        """The rules of a message of theirs; ``lines`` by canonical words. What depends on another word comes last."""
        made = [self._in(key, held, (*path, key), place, scope) for key, held in lines.items()]
        rules = [rule for rule in made if rule is not None]
        return tuple(sorted(rules, key=lambda rule: isinstance(rule, In) and bool(rule.along)))

    def _in(self, key: str, held: Any, path: KeyPath, place: Place, scope: Scope) -> In | InRows | None:
        try:
            compile_ = self._in_rows if key.endswith(ROWS) else self._leaf_in
            return compile_(key, held, path, place, scope)
        except LookupError as lost:
            self.wrong(path, f"没有 {lost.args[0]} / no such place or word")
        except ValueError as why:
            self.wrong(path, str(why))
        return None

    def _leaf_in(self, key: str, held: Any, path: KeyPath, place: Place, scope: Scope) -> In | None:
        line = self.part(InLine, held if isinstance(held, dict) else {"from": held}, path)
        if line is None:
            return None
        for source in line.sources:
            _leaf(place, source)
        kind = scope.kind(key)
        turn: Turn = reader(kind, self.formats, line.format)
        if line.codes:
            table = self._table(line.codes)
            self._speaks(table, key, kind, scope, path)
            turn = by_codes(table, kind, keep=line.unlisted == "keep")
        return In(key, line.sources, turn, frozenset(line.none), line.along)

    def _in_rows(self, key: str, held: Any, path: KeyPath, place: Place, scope: Scope) -> InRows:
        name = key.removesuffix(ROWS)
        each, lines = _each(held)
        inside = _repeated(place, each)
        rules = self.incoming(lines, path, inside, scope.rows(name))
        return InRows(name, each, tuple(rule for rule in rules if isinstance(rule, In)))

    def _speaks(self, table: CodeTable, word: str, kind: Kind, scope: Scope, path: KeyPath) -> None:
        """Every code of a table becomes a word that exists."""
        known = {"true", "false"} if kind is Kind.FLAG else scope.vocabulary.get(word)
        wrong = [] if known is None else sorted(set(table.ours.values()) - known)
        if wrong:
            self.wrong(path, f"码表中的 {', '.join(wrong)} 不是 {word} 的取值 / no values of the word")

    def _table(self, name: str) -> CodeTable:
        if name not in self.codes:
            raise ValueError(f"没有码表 {name} / no such code table")
        return self.codes[name]

    def says(self, lines: Mapping[str, Any], path: KeyPath, needed: Collection[str]) -> None:
        """What an answer or a notice must say is read from somewhere."""
        read = set(lines) | {f"{key}.{inner}" for key, held in lines.items() if key.endswith(ROWS) for inner in held}
        for word in sorted(set(needed) - read):
            self.wrong(path, f"没有读取 {word} / nothing reads the word, which is needed")


# -- places -------------------------------------------------------------------------------------------------------


def unfilled(place: Place, prefix: str, filled: Collection[str]) -> Iterator[str]:
    """Required elements no line fills; those inside an optional one count as soon as something in it is filled."""
    for child in place.children.values():
        path = f"{prefix}{child.name}"
        used = path in filled or any(one.startswith(f"{path}.") for one in filled)
        if child.many or not child.children:
            if child.required and path not in filled:
                yield path
        elif child.required or used:
            yield from unfilled(child, f"{path}.", filled)


def _leaf(place: Place, path: str) -> None:
    found = place.at(path)
    if found.children or found.many:
        raise ValueError(f"{path} 不是单个值 / is no single value")


def _repeated(place: Place, path: str) -> Place:
    found = place.at(path)
    if not found.many:
        raise ValueError(f"{path} 不重复 / is not repeated")
    return found


def _each(held: Any) -> tuple[str, Mapping[str, Any]]:
    if not isinstance(held, dict) or not isinstance(held.get("each"), str):
        raise ValueError("缺少 each / each is missing")
    return held["each"], {key: value for key, value in held.items() if key != "each"}
