"""What one line of a field map says: where a value stands, how it is turned into ours, and what if there is none.

Two languages say where: JMESPath for JSON, XPath for XML; both reach the whole message as `$root` from inside a row.
No error repeats a value: it may be anything, a person's name included.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, Protocol

import jmespath
from jmespath.exceptions import JMESPathError
from lxml import etree

from gateway.model.money import format_yuan, parse_yuan
from gateway.model.refusals import Refusal

Scalar = str | int | Decimal | bool | None
_ROOT: Final = "$root."
_OUR_DAY: Final = "%Y-%m-%d"
_OUR_MOMENT: Final = "%Y-%m-%d %H:%M:%S"


class Unfit(ValueError):
    """A value, or the lack of one, that a rule cannot carry over; the text says why in Chinese, without the value."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What an expression may reach besides the place it starts from: the whole message, and what the door knows."""

    root: Any = field(repr=False)
    given: Mapping[str, str] = field(repr=False)


Find = Callable[[Any, Scope], Scalar]
FindRows = Callable[[Any, Scope], list[Any]]


class Language(Protocol):
    """Compiles expressions. Raises ValueError with the reason for one that is none."""

    def value(self, expression: str) -> Find:
        """An expression that finds one value or nothing."""
        ...

    def rows(self, expression: str) -> FindRows:
        """An expression that finds rows."""
        ...


# -- JMESPath --------------------------------------------------------------------------------------------------------


class JsonPaths:
    """JMESPath on parsed JSON; `$root.x` starts at the top of the message."""

    def value(self, expression: str) -> Find:
        """See Language."""
        search = self._compiled(expression)

        def find(place: Any, scope: Scope) -> Scalar:
            found = search(place, scope)
            if isinstance(found, float):
                raise Unfit("表达式算出了浮点数")
            if found is None or isinstance(found, str | int | Decimal):
                return found
            raise Unfit("找到的不是单个值")

        return find

    def rows(self, expression: str) -> FindRows:
        """See Language."""
        search = self._compiled(expression)

        def find(place: Any, scope: Scope) -> list[Any]:
            found = search(place, scope)
            if found is None or found == "":
                return []
            rows = found if isinstance(found, list) else [found]
            if not all(isinstance(row, dict) for row in rows):
                raise Unfit("找到的不是行")
            return rows

        return find

    @staticmethod
    def _compiled(expression: str) -> Callable[[Any, Scope], Any]:
        from_root = expression.startswith(_ROOT)
        try:
            compiled = jmespath.compile(expression.removeprefix(_ROOT))
        except JMESPathError as error:
            raise ValueError(str(error).splitlines()[0]) from None

        def search(place: Any, scope: Scope) -> Any:
            try:
                return compiled.search(scope.root if from_root else place)
            except JMESPathError:  # its text repeats the value
                raise Unfit("表达式不适用于该内容") from None

        return search


# -- XPath -----------------------------------------------------------------------------------------------------------


class XmlPaths:
    """XPath 1.0 on parsed XML; `$root`, and what the door knows as `$infno`, `$msgid`."""

    def __init__(self, namespaces: Mapping[str, str]) -> None:
        self._namespaces = dict(namespaces)

    def value(self, expression: str) -> Find:
        """See Language."""
        search = self._compiled(expression)

        def find(place: Any, scope: Scope) -> Scalar:
            found = search(place, scope)
            if isinstance(found, list):
                if len(found) > 1:
                    raise Unfit("找到不止一个值")
                found = found[0] if found else None
            if isinstance(found, etree._Element):
                return _leaf(found)
            if found is None or isinstance(found, str):
                return found
            raise Unfit("表达式的结果不是文字")

        return find

    def rows(self, expression: str) -> FindRows:
        """See Language."""
        search = self._compiled(expression)

        def find(place: Any, scope: Scope) -> list[Any]:
            found = search(place, scope)
            if isinstance(found, list) and all(isinstance(row, etree._Element) for row in found):
                return found
            raise Unfit("找到的不是行")

        return find

    def _compiled(self, expression: str) -> Callable[[Any, Scope], Any]:
        try:
            # Without namespaces lxml wants None; regular expressions of EXSLT could be made to run for ever.
            compiled = etree.XPath(expression, namespaces=self._namespaces or None, regexp=False, smart_strings=False)
        except etree.XPathError as error:
            raise ValueError(str(error).splitlines()[0]) from None

        def search(place: Any, scope: Scope) -> Any:
            try:
                return compiled(place, root=scope.root, **scope.given)
            except etree.XPathError:
                raise Unfit("表达式不适用于该内容") from None

        return search


def _leaf(element: etree._Element) -> str:
    if len(element):
        raise Unfit("找到的不是单个值")
    return element.text or ""


# -- turning a value -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CodeTable:
    """One code list of a vendor, both ways; where several of theirs mean the same, the first one goes back."""

    ours: Mapping[str, str]
    theirs: Mapping[str, str]


Turn = Callable[[Scalar], Scalar]


def by_codes(table: CodeTable, *, back: bool) -> Turn:
    """Their code into ours, or ``back``. A code the table lacks is refused: a guess would be a wrong claim."""
    known = table.theirs if back else table.ours

    def turn(value: Scalar) -> Scalar:
        code = str(value).strip()
        if code not in known:
            raise Unfit("代码不在码表中")
        return known[code]

    return turn


def by_fen(*, back: bool) -> Turn:
    """A whole number of fen into yuan with two decimals, or ``back``."""

    def turn(value: Scalar) -> Scalar:
        text = str(value).strip()
        if isinstance(value, bool) or not text.removeprefix("-").isdecimal() or not text.isascii():
            raise Unfit("不是整数分")
        return format_yuan(int(text))

    def turn_back(value: Scalar) -> Scalar:
        try:
            return parse_yuan("" if value is None else value, allow_negative=True)
        except Refusal:
            raise Unfit("不是以元为单位的金额") from None

    return turn_back if back else turn


def by_time(theirs: str, *, day: bool, back: bool) -> Turn:
    """A date (``day``) or a moment in their format into yyyy-MM-dd [HH:mm:ss], or ``back``; Asia/Shanghai, unnamed.

    The platform pads dates with a time and HIS cut times off (national interface, 1.1), so either form goes back.
    """
    ours = _OUR_DAY if day else _OUR_MOMENT

    def turn(value: Scalar) -> Scalar:
        return _moment(str(value).strip(), theirs).strftime(ours)

    def turn_back(value: Scalar) -> Scalar:
        text = str(value).strip()
        return _moment(text, _OUR_DAY if len(text) == len("2025-03-03") else _OUR_MOMENT).strftime(theirs)

    return turn_back if back else turn


def _moment(text: str, form: str) -> datetime:
    try:
        return datetime.strptime(text, form)  # noqa: DTZ007 - a wall clock on both sides
    except ValueError:
        raise Unfit("时间格式不符") from None


# -- a rule ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Rule:
    """One line: ``target`` gets what ``find`` finds, turned. ``label`` names the rule, ``line`` is its line."""

    target: str
    line: int
    source: str
    label: str
    find: Find
    turn: Turn | None = None
    default: str | None = None
    required: bool = False

    def value(self, place: Any, scope: Scope) -> Scalar:
        """The value for the target, None where there is none. Raises Unfit."""
        found = self.find(place, scope)
        if found is None or found == "":
            if self.default is None and self.required:
                raise Unfit("缺少必需的值")
            return self.default
        return found if self.turn is None else self.turn(found)


def constant(value: str) -> Find:
    """A value that is always the same."""
    return lambda _place, _scope: value
