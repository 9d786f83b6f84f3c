"""A HIS vendor's field map at work: their message into the national envelope, the national answer into their words.

Pure: parsed content in, content out, and beside it which source went where by which rule. Maps are files
(`gateway.model.fieldmap_file`); a hospital names its vendor's map in the settings.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from gateway.model.exact_json import NotJson, loads
from gateway.model.fieldmap_rules import FindRows, Rule, Scalar, Scope, Unfit
from gateway.model.refusals import Refusal

ALWAYS: Final = "always"
_INFNO: Final = re.compile(r"[0-9A-Z]{4,6}")
Format = Literal["json", "xml"]


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that was carried over: the map's line, where it was, by which rule, where it went. Never the value."""

    line: int
    source: str
    rule: str
    target: str


class Untranslatable(Refusal):
    """A message that a rule cannot carry over: INVALID_FIELD with the national field, the source and the reason."""

    def __init__(self, line: int, source: str, target: str, why: str) -> None:
        super().__init__("INVALID_FIELD", f"{target} ← {source}: {why}", field=target)
        self.line, self.source, self.target, self.why = line, source, target, why


@dataclass(frozen=True, slots=True)
class Node:
    """A target node: one object, or with ``each`` a row for every row found."""

    name: str
    rules: tuple[Rule, ...]
    each: FindRows | None = None
    source: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True)
class Translated:
    """The content in the other's words and how it came about."""

    content: Mapping[str, Any] = field(repr=False)
    steps: tuple[Step, ...]
    left: tuple[Step, ...] = ()  # answers only: what no rule could turn and was handed on as it was


@dataclass(frozen=True, slots=True)
class FieldMap:
    """A vendor's map. ``requests`` and ``answers``: nodes by infno, ``answers`` also under `always`."""

    id: str
    zh: str
    en: str
    format: Format
    encoding: str
    envelope: tuple[Rule, ...]
    requests: Mapping[str, tuple[Node, ...]]
    answers: Mapping[str, tuple[Node, ...]]

    def parse_json(self, body: bytes) -> Mapping[str, Any]:
        """The vendor's JSON message. Raises Refusal MALFORMED: wrong encoding, no object, a member named twice."""
        try:
            content = loads(body.decode(self.encoding).removeprefix("\ufeff"), unique=True)
        except (NotJson, UnicodeDecodeError):
            content = None
        if not isinstance(content, dict):
            raise Refusal("MALFORMED", f"报文须为 {self.encoding.upper()} 编码的 JSON 对象")
        return content

    def read(self, message: Any, given: Mapping[str, str]) -> Translated:
        """Their message (parsed JSON, or the XML element of the payload) as the members of a national envelope.

        ``given``: what the door knows already (infno, msgid, fixmedins_code …), used where the map says nothing.
        Raises Untranslatable, or Refusal UNKNOWN_INFNO for a transaction the map does not hold.
        """
        scope = Scope(message, given)
        steps: dict[int, Step] = {}
        head: dict[str, Any] = {}
        for rule in self.envelope:
            value = _strictly(rule, message, scope, rule.target)
            if value is not None and value != "":
                head[rule.target] = value if isinstance(value, str) else str(value)
                steps.setdefault(rule.line, _step(rule, rule.target))
        content: dict[str, Any] = {name: value for name, value in given.items() if value} | head
        infno = str(content.get("infno", ""))
        if infno not in self.requests:
            raise Refusal("UNKNOWN_INFNO", infno if _INFNO.fullmatch(infno) else "infno", field="infno")
        content["input"] = _input(self.requests[infno], message, scope, steps)
        return Translated(content, tuple(steps.values()))

    def words_answer(self, infno: str) -> bool:
        """Whether the answer to a transaction is put in the vendor's words; otherwise it stays national."""
        return ALWAYS in self.answers or infno in self.answers

    def write(self, infno: str, answer: Mapping[str, Any]) -> Translated:
        """The national answer (parsed) in the vendor's words.

        An answer is never withheld because of the map: a value no rule can turn goes on as it is and is told in
        ``left``.
        """
        scope = Scope(answer, {})
        content: dict[str, Any] = {}
        steps: dict[int, Step] = {}
        left: dict[int, Step] = {}
        for node in (*self.answers.get(ALWAYS, ()), *self.answers.get(infno, ())):
            if node.each is None:
                for rule in node.rules:
                    _leniently(rule, answer, scope, content, rule.target, steps, left)
            else:
                found = _rows_leniently(node, answer, scope, left)
                if rows := [_row_leniently(node, row, scope, steps, left) for row in found]:
                    _put(content, node.name, rows)
        return Translated(content, tuple(steps.values()), tuple(left.values()))


# -- towards the platform: all or nothing ----------------------------------------------------------------------------


def _input(nodes: tuple[Node, ...], message: Any, scope: Scope, steps: dict[int, Step]) -> dict[str, Any]:
    content: dict[str, Any] = {}
    for node in nodes:
        if node.each is None:
            found = _object(node, message, scope, f"input.{node.name}", f"input.{node.name}", steps)
            if found:
                content[node.name] = found
            continue
        rows = [
            _object(node, row, scope, f"input.{node.name}.{place}", f"input.{node.name}[]", steps)
            for place, row in enumerate(_rows(node, message, scope))
        ]
        if rows:
            content[node.name] = rows
    return content


def _object(node: Node, place: Any, scope: Scope, path: str, shown: str, steps: dict[int, Step]) -> dict[str, Scalar]:
    content: dict[str, Scalar] = {}
    for rule in node.rules:
        value = _strictly(rule, place, scope, f"{path}.{rule.target}")
        if value is not None and value != "":
            content[rule.target] = value
            steps.setdefault(rule.line, _step(rule, f"{shown}.{rule.target}"))
    return content


def _rows(node: Node, message: Any, scope: Scope) -> list[Any]:
    assert node.each is not None
    try:
        return node.each(message, scope)
    except Unfit as unfit:
        raise Untranslatable(node.line, node.source, f"input.{node.name}", str(unfit)) from None


def _strictly(rule: Rule, place: Any, scope: Scope, target: str) -> Scalar:
    try:
        return rule.value(place, scope)
    except Unfit as unfit:
        raise Untranslatable(rule.line, rule.source, target, str(unfit)) from None


def _step(rule: Rule, target: str) -> Step:
    return Step(rule.line, rule.source, rule.label, target)


# -- towards the HIS: never withheld ---------------------------------------------------------------------------------


def _leniently(
    rule: Rule,
    place: Any,
    scope: Scope,
    content: dict[str, Any],
    shown: str,
    steps: dict[int, Step],
    left: dict[int, Step],
) -> None:
    try:
        value = rule.value(place, scope)
    except Unfit:
        left.setdefault(rule.line, _step(rule, shown))
        value = _as_found(rule, place, scope)
    if value is not None:
        _put(content, rule.target, value)
        steps.setdefault(rule.line, _step(rule, shown))


def _as_found(rule: Rule, place: Any, scope: Scope) -> Scalar:
    try:
        return rule.find(place, scope)
    except Unfit:
        return None


def _row_leniently(node: Node, row: Any, scope: Scope, steps: dict[int, Step], left: dict[int, Step]) -> dict[str, Any]:
    content: dict[str, Any] = {}
    for rule in node.rules:
        _leniently(rule, row, scope, content, f"{node.name}[].{rule.target}", steps, left)
    return content


def _rows_leniently(node: Node, answer: Any, scope: Scope, left: dict[int, Step]) -> Iterator[Any]:
    assert node.each is not None
    try:
        yield from node.each(answer, scope)
    except Unfit:
        left.setdefault(node.line, Step(node.line, node.source, "each", node.name))


def _put(content: dict[str, Any], path: str, value: Any) -> None:
    *way, last = path.split(".")
    for name in way:
        content = content.setdefault(name, {})
    content[last] = value
