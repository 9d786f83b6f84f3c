"""Refusals: the one exception a rule raises, and the dictionary that explains every code to a person.

One row of `mappings/codes/refusals.csv` is one meaning on every door. A code that is not in the dictionary is a mistake
of the programmer, so `describe` lets the KeyError through and a test compares dictionary and code base.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Any

ERR_MSG_LIMIT = 200
"""Longest `err_msg` a HIS is known to store, in characters (national interface, response envelope)."""


class Refusal(Exception):
    """A rule said no: nothing was changed and nothing was sent.

    `code` is a code of the dictionary, `detail` an explanation free of personal data, `field` the field to blame in the
    request (if there is one) and `facts` further machine-readable facts of the answer, such as `excess_amt`.
    """

    def __init__(self, code: str, detail: str = "", *, field: str | None = None, **facts: Any) -> None:
        super().__init__(code, detail)
        self.code = code
        self.detail = detail
        self.field = field
        self.facts: dict[str, Any] = facts

    def __str__(self) -> str:
        """Code, field and detail; the facts stay out because a caller may put amounts of a person there."""
        where = f" ({self.field})" if self.field else ""
        return f"{self.code}{where}: {self.detail}" if self.detail else f"{self.code}{where}"


@dataclass(frozen=True, slots=True)
class RefusalCode:
    """One row of the dictionary: the texts a person reads and who has to act next."""

    code: str
    http_status: int
    zh: str
    en: str
    next_action_zh: str
    next_action_en: str
    owner: str


@cache
def dictionary() -> Mapping[str, RefusalCode]:
    """Every code with its row, in the order of the file. Raises ValueError for a doubled or incomplete row."""
    text = resources.files("mappings").joinpath("codes/refusals.csv").read_text(encoding="utf-8")
    rows: dict[str, RefusalCode] = {}
    for row in csv.DictReader(io.StringIO(text)):
        if row["code"] in rows or not all(row.values()):
            raise ValueError(f"refusals.csv: doubled or incomplete row {row['code']}")
        rows[row["code"]] = RefusalCode(**{**row, "http_status": int(row["http_status"])})  # type: ignore[arg-type]
    return MappingProxyType(rows)


def describe(code: str) -> RefusalCode:
    """Return the dictionary row of a code. Raises KeyError for an unknown code, which is a programming error."""
    return dictionary()[code]


def cashier_text(code: str, exchange_id: str, detail_zh: str = "") -> str:
    """Chinese text for the cashier, ending in ` [CODE|exchange id]` (contracts §3).

    Too long a text loses its middle, never the code and the exchange id: those are what support asks for.
    """
    row = describe(code)
    tail = f" [{code}|{exchange_id}]"
    text = f"{row.zh}：{detail_zh}" if detail_zh else row.zh
    full = f"{text}。{row.next_action_zh}"
    return full[: ERR_MSG_LIMIT - len(tail)] + tail


# Read at import, so that a broken dictionary stops the start and not the first refusal.
dictionary()
