"""Completing a JSON message without rewriting it.

A platform's reply and a hospital's request are handed on byte for byte: `90.5` stays `90.5`, members keep their order,
fields nobody knows stay where they are. So the gateway looks for the spans of members and splices bytes between them.
The scanner is strict about what it walks over (one object, its members, their ends); what lies deeper is skipped by
its brackets, since `json.loads` has judged the whole message before.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

_WS: Final = re.compile(rb"[ \t\n\r]*")
_STRING: Final = re.compile(rb'"[^"\\\x00-\x1f]*(?:\\(?:["\\/bfnrt]|u[0-9A-Fa-f]{4})[^"\\\x00-\x1f]*)*"')
_SCALAR: Final = re.compile(rb"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|true|false|null")
# A whole member with a plain value, or up to the bracket of another one; what does not match is told apart afterwards.
_MEMBER: Final = re.compile(
    b"("
    + _STRING.pattern
    + b")"
    + _WS.pattern
    + b":"
    + _WS.pattern
    + b"("
    + _STRING.pattern
    + b"|"
    + _SCALAR.pattern
    + b")?"
)
_AFTER: Final = re.compile(_WS.pattern + b"([,}])" + _WS.pattern)
# Inside a container only strings and brackets matter; a lone quote is an unfinished string.
_STRUCTURE: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[{}\[\]"]', re.DOTALL)
_CLOSING: Final = {ord("{"): ord("}"), ord("["): ord("]")}


class RawJsonError(ValueError):
    """The bytes are not the JSON object they should be; says where, never what stands there."""

    def __init__(self, what: str, at: int) -> None:
        super().__init__(f"{what} at byte {at}")
        self.what = what
        self.at = at


class Span(NamedTuple):
    """A member's value: `raw[start:end]`."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class ObjectSpan:
    """An object: the place after its opening brace, its members by name in order, the place after the last one."""

    opening: int
    members: Mapping[str, Span]
    last: int
    end: int


def scan_object(raw: bytes, start: int = 0, end: int | None = None) -> ObjectSpan:
    """Scan the one object in `raw[start:end]`. Raises RawJsonError for anything else and for a repeated member."""
    limit = len(raw) if end is None else end
    at = _skip(raw, start)
    if raw[at : at + 1] != b"{":
        raise RawJsonError("object expected", at)
    found = _members(raw, at + 1)
    if found.end > limit or _skip(raw, found.end) < limit:
        raise RawJsonError("object does not end where it should", found.end)
    return found


def _members(raw: bytes, opening: int) -> ObjectSpan:
    members: dict[str, Span] = {}
    at = _skip(raw, opening)
    last = opening
    if raw[at : at + 1] == b"}":
        return ObjectSpan(opening, members, last, at + 1)
    while True:
        name, span = _member(raw, at)
        if name in members:
            raise RawJsonError("member repeated", at)
        members[name] = span
        last = span.end
        mark = _AFTER.match(raw, last)
        if mark is None:
            raise RawJsonError("comma or brace expected", _skip(raw, last))
        if mark[1] == b"}":
            return ObjectSpan(opening, members, last, mark.end(1))
        at = mark.end()


def _member(raw: bytes, at: int) -> tuple[str, Span]:
    found = _MEMBER.match(raw, at)
    if found is None:
        raise _no_member(raw, at)
    if found[2] is not None:
        return _name(found[1], at), Span(*found.span(2))
    start = found.end()
    if raw[start : start + 1] not in (b"{", b"["):
        raise RawJsonError("value expected", start)
    return _name(found[1], at), Span(start, _container_end(raw, start))


def _no_member(raw: bytes, at: int) -> RawJsonError:
    key = _STRING.match(raw, at)
    return RawJsonError("member name expected", at) if key is None else RawJsonError("colon expected", key.end())


def _name(key: bytes, at: int) -> str:
    try:
        return str(json.loads(key)) if b"\\" in key else key[1:-1].decode("utf-8")
    except ValueError:
        raise RawJsonError("member name unreadable", at) from None


def _skip(raw: bytes, at: int) -> int:
    found = _WS.match(raw, at)
    return found.end() if found else at


def _container_end(raw: bytes, at: int) -> int:
    awaited: list[int] = []
    for found in _STRUCTURE.finditer(raw, at):
        mark = raw[found.start()]
        if mark in _CLOSING:
            awaited.append(_CLOSING[mark])
        elif mark == ord('"'):
            if found.end() - found.start() == 1:
                break
        elif awaited.pop() != mark:
            raise RawJsonError("brackets do not match", found.start())
        elif not awaited:
            return found.end()
    raise RawJsonError("unfinished value", at)


def value_of(raw: bytes, path: Sequence[str]) -> bytes | None:
    """The bytes of the value at `path`, or None where a member on the way is missing or no object.

    Raises RawJsonError where the outermost value is no object.
    """
    found = scan_object(raw)
    for depth, name in enumerate(path):
        span = found.members.get(name)
        if span is None:
            return None
        if depth == len(path) - 1:
            return raw[span.start : span.end]
        if raw[span.start : span.start + 1] != b"{":
            return None
        found = scan_object(raw, span.start, span.end)
    return raw


def set_members(raw: bytes, values: Mapping[str, bytes]) -> bytes:
    """Give members of the outermost object new values, in place where they exist and behind the last one otherwise.

    `values` maps names to JSON in UTF-8, e.g. `{"sign_no": b'"4201"'}`. Every other byte stays. Raises RawJsonError.
    """
    return edit_members(raw, scan_object(raw), values)


def edit_members(raw: bytes, found: ObjectSpan, values: Mapping[str, bytes]) -> bytes:
    """`set_members` on a message that has been scanned."""
    edits = [(span.start, span.end, values[name]) for name, span in found.members.items() if name in values]
    added = b",".join(quote(name) + b":" + value for name, value in values.items() if name not in found.members)
    if added:
        edits.append((found.last, found.last, (b"," if found.members else b"") + added))
    pieces, at = [], 0
    for start, end, value in sorted(edits, key=lambda edit: edit[:2]):
        pieces += [raw[at:start], value]
        at = end
    return b"".join([*pieces, raw[at:]])


def insert_into_object(raw: bytes, path: Sequence[str], member: bytes) -> bytes:
    """Put one member, e.g. `b'"creditpay":{…}'`, into the object at `path`; missing or null objects are made.

    A member of that name is replaced. Raises RawJsonError where something on the path is no object, or the member is
    not exactly one.
    """
    added = b"{" + member + b"}"
    wanted = scan_object(added)
    if len(wanted.members) != 1:
        raise RawJsonError("exactly one member expected", 0)
    name, span = next(iter(wanted.members.items()))
    return _insert(raw, tuple(path), name, added[span.start : span.end])


def _insert(raw: bytes, path: tuple[str, ...], name: str, value: bytes) -> bytes:
    if not path:
        return set_members(raw, {name: value})
    held = value_of(raw, path[:1])
    inner = b"{}" if held is None or held == b"null" else held
    return set_members(raw, {path[0]: _insert(inner, path[1:], name, value)})


def quote(text: str) -> bytes:
    """A JSON string in UTF-8, Chinese unescaped."""
    return json.dumps(text, ensure_ascii=False).encode("utf-8")
