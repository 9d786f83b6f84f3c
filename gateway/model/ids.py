"""Identifiers: sortable ids, the institution's msgid, the settlement key and numbers derived from content."""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from gateway.model.clock import SHANGHAI
from gateway.model.refusals import Refusal

_BASE32 = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_BASE36 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_INSTITUTION = re.compile(r"[A-Za-z0-9]{12}")
_TAIL = re.compile(r"[0-9]{18}")
_STAMP = "%Y%m%d%H%M%S"


@dataclass(frozen=True, slots=True)
class IdSource:
    """Where an id takes its time (ms since the epoch) and its randomness from; tests replace it."""

    now_ms: Callable[[], int]
    entropy: Callable[[int], bytes]


SYSTEM = IdSource(now_ms=lambda: time.time_ns() // 1_000_000, entropy=os.urandom)


def _encode(number: int, alphabet: str, width: int) -> str:
    """Write the number in the alphabet's base, zero-padded; digits above `width` are left off."""
    digits = []
    for _ in range(width):
        number, digit = divmod(number, len(alphabet))
        digits.append(alphabet[digit])
    return "".join(reversed(digits))


def new_id(prefix: str = "", *, source: IdSource = SYSTEM) -> str:
    """Return a unique id of 26 upper-case alphanumerics after the prefix: 48 bits of time, then 80 random bits.

    Ids of different milliseconds sort by time. The time is the machine's: an id orders rows, it is no business date.
    """
    moment = source.now_ms() & (2**48 - 1)
    return prefix + _encode(moment << 80 | int.from_bytes(source.entropy(10)), _BASE32, 26)


def build_msgid(fixmedins_code: str, at: datetime, serial: int) -> str:
    """Return the institution's message id: code (12), yyyyMMddHHmmss in Asia/Shanghai, serial of four digits.

    Raises ValueError for a code of another length, a naive time or a serial outside 0…9999 (the caller's counter wraps
    to the next second; national interface §1.3).
    """
    if not _INSTITUTION.fullmatch(fixmedins_code):
        raise ValueError("fixmedins_code has 12 letters or digits")
    if at.tzinfo is None:
        raise ValueError("a msgid needs a time with an offset")
    if not 0 <= serial <= 9999:
        raise ValueError("the serial of a msgid has four digits")
    return f"{fixmedins_code}{at.astimezone(SHANGHAI).strftime(_STAMP)}{serial:04d}"


def is_msgid(text: str, fixmedins_code: str) -> bool:
    """Say whether the text is a msgid of this institution with a real date and time in it."""
    tail = text.removeprefix(fixmedins_code)
    if len(text) != 30 or tail == text or not _TAIL.fullmatch(tail):
        return False
    try:
        datetime.strptime(tail[:14], _STAMP).replace(tzinfo=SHANGHAI)
    except ValueError:
        return False
    return True


def _canonical(part: str, field: str) -> str:
    text = unicodedata.normalize("NFKC", part).strip().upper()
    if not text or "|" in text:
        raise Refusal("INVALID_FIELD", f"{field}: 结算键的组成部分不得为空或含竖线", field=field)
    return text


def settlement_key(pool_area: str, fixmedins_code: str, setl_id: str) -> str:
    """Return the key that identifies a settlement for ever: pooling area, institution and setl_id (D.5).

    The area comes from our own profile, never from the message: setl_id is unique per settlement centre only. Each part
    is NFKC, trimmed and upper-cased. Raises Refusal INVALID_FIELD for an empty part or one with the separator in it.
    """
    parts = {"pool_area": pool_area, "fixmedins_code": fixmedins_code, "setl_id": setl_id}
    return "|".join(_canonical(part, field) for field, part in parts.items())


def derive_number(prefix: str, *parts: object, length: int = 30) -> str:
    """Return a number of `length` characters [A-Z0-9] derived from the parts alone.

    The same content gives the same number on any machine, also after a restore (D.6). Parts are compared by their text
    (str, int, date). Raises ValueError if fewer than 16 characters (82 bits) are left after the prefix.
    """
    room = length - len(prefix)
    if room < 16 or not re.fullmatch(r"[A-Z0-9]*", prefix):
        raise ValueError("a derived number needs a prefix of [A-Z0-9] and 16 characters after it")
    content = json.dumps([str(part) for part in parts], ensure_ascii=False, separators=(",", ":"))
    return prefix + _encode(int.from_bytes(hashlib.sha256(content.encode()).digest()), _BASE36, room)
