"""What a value must look like on this channel: references, names, accounts, amounts, moments. Strict both ways.

An XSD allows what no bank in China takes: five decimals, an amount of zero, a name of 140 characters of any script. The
bank's core keeps names in the charset it told us (credential ``charset``) and counts its bytes, so a name that does not
fit is never cut nor replaced: it goes to a person instead (facts of the channel, 7.1 and 7.3).
"""

from __future__ import annotations

import re
import unicodedata
from datetime import date, datetime
from typing import Final

from gateway.model.clock import SHANGHAI
from gateway.model.money import InvalidAmount, format_yuan, parse_yuan

CHARSETS: Final = frozenset({"gb18030", "gbk", "gb2312", "utf-8"})
DEFAULT_CHARSET: Final = "gb18030"
NAME: Final = 140
_REFERENCE: Final = re.compile(r"[A-Za-z0-9/\-?:().,'+ ]{1,35}")
_ACCOUNT: Final = re.compile(r"[A-Za-z0-9 -]{1,34}")
_PLAIN: Final = re.compile(r"[0-9A-Za-z\u4e00-\u9fa5（）·]+")  # what nearly every name is made of
_CNAPS: Final = re.compile(r"[0-9]{12}")
_CODE: Final = re.compile(r"[A-Z0-9]{1,4}")
_COUNT: Final = re.compile(r"[0-9]{1,15}")
# Python reads more spellings of a date than a bank writes.
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_MOMENT: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})"
)
_UNWRITABLE: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp", "Zs"})
_IDEOGRAPHS: Final = range(0x20000, 0x3FFFE)  # newer than this Python's tables, and in people's names
_MAX_FEN: Final = 10**18 - 1


class Unfit(ValueError):
    """A value that cannot stand in, or was not found in, the element ``field``. The value itself is not repeated."""

    def __init__(self, field: str) -> None:
        super().__init__(field)
        self.field = field


# -- writing --------------------------------------------------------------------------------------------------------


def reference(field: str, value: str) -> str:
    """A number of ours or of the bank's, Max35Text. Raises Unfit outside the characters every bank takes."""
    slashes = value.startswith("/") or value.endswith("/") or "//" in value
    if _REFERENCE.fullmatch(value) is None or slashes or value != value.strip():
        raise Unfit(field)
    return value


def account(field: str, value: str) -> str:
    """An account number, Max34Text. Raises Unfit."""
    if _ACCOUNT.fullmatch(value) is None or value != value.strip():
        raise Unfit(field)
    return value


def cnaps(field: str, value: str) -> str:
    """A bank code of twelve digits (联行号). Raises Unfit."""
    if _CNAPS.fullmatch(value) is None:
        raise Unfit(field)
    return value


def code(field: str, value: str) -> str:
    """An external code of up to four characters. Raises Unfit."""
    if _CODE.fullmatch(value) is None:
        raise Unfit(field)
    return value


def words(field: str, value: str, limit: int, charset: str) -> str:
    """A text people read, at most ``limit`` characters and as many bytes in the bank's charset. Raises Unfit."""
    if not value or value != value.strip() or len(value) > limit:
        raise Unfit(field)
    if _PLAIN.fullmatch(value) is None and not all(map(_writable, value)):
        raise Unfit(field)
    if _bytes_in(field, value, charset) > limit:
        raise Unfit(field)
    return value


def _bytes_in(field: str, value: str, charset: str) -> int:
    if charset not in CHARSETS:
        raise Unfit("charset")
    if charset == "utf-8":
        return len(value)
    try:
        return len(value.encode(charset))
    except UnicodeEncodeError:  # its text would repeat the name
        raise Unfit(field) from None


def _writable(sign: str) -> bool:
    kind = unicodedata.category(sign)
    if kind == "Cn":
        return ord(sign) in _IDEOGRAPHS
    return sign == " " or kind not in _UNWRITABLE


def amount(field: str, fen: int) -> str:
    """Fen as yuan with two decimals. Raises Unfit unless above zero and within eighteen digits."""
    if not 0 < fen <= _MAX_FEN:
        raise Unfit(field)
    return format_yuan(fen)


def moment(field: str, value: datetime) -> str:
    """A time with its offset, in milliseconds. Raises Unfit for one without."""
    if value.tzinfo is None:
        raise Unfit(field)
    return value.isoformat(timespec="milliseconds")


# -- reading --------------------------------------------------------------------------------------------------------


def read_fen(field: str, value: str) -> int:
    """An amount above zero with at most two decimals. Raises Unfit."""
    fen = read_sum(field, value)
    if not fen:
        raise Unfit(field)
    return fen


def read_sum(field: str, value: str) -> int:
    """A control sum, which may be zero. Raises Unfit."""
    try:
        return parse_yuan(value)
    except InvalidAmount:
        raise Unfit(field) from None


def read_count(field: str, value: str) -> int:
    """Max15NumericText. Raises Unfit."""
    if _COUNT.fullmatch(value) is None:
        raise Unfit(field)
    return int(value)


def read_day(field: str, value: str) -> date:
    """A day of Asia/Shanghai. Raises Unfit."""
    try:
        return date.fromisoformat(value if _DAY.fullmatch(value) else "")
    except ValueError:
        raise Unfit(field) from None


def read_moment(field: str, value: str) -> datetime:
    """A time with its offset, in Asia/Shanghai. Raises Unfit; one without an offset could be any hour."""
    try:
        found = datetime.fromisoformat(value if _MOMENT.fullmatch(value) else "")
        return found.astimezone(SHANGHAI)
    except (ValueError, OverflowError):
        raise Unfit(field) from None


def read_text(limit: int, field: str, value: str) -> str:
    """A text of at most ``limit`` characters. Raises Unfit."""
    if len(value) > limit:
        raise Unfit(field)
    return value


def read_id(field: str, value: str) -> str:
    """Max35Text. Raises Unfit."""
    return read_text(35, field, value)
