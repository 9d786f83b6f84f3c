"""The dictionary of the platform's failure texts: `errors.csv`, first matching row wins.

The platform has one failure code for everything, so the text decides whether nothing happened or nobody knows
(national interface, 1.4 and 6.1). Texts are provincial: `province` is a prefix of the area code, `*` any province.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib import resources

REGEX = "re:"
ANY = "*"
ERR_MSG_LENGTH = 200


class Meaning(StrEnum):
    """What a listed text says about the business."""

    REFUSED = "refused"  # reached, said no, nothing happened
    UNKNOWN = "unknown"  # the platform does not know itself


@dataclass(frozen=True, slots=True)
class ErrorRow:
    """One row: where it applies, what it means, and the texts for a person."""

    province: str
    infnos: frozenset[str]
    code: str
    pattern: re.Pattern[str]
    meaning: Meaning
    unified_code: str
    zh: str
    en: str
    next_action_zh: str
    next_action_en: str
    owner: str

    def applies(self, area: str, infno: str, infcode: str, text: str) -> bool:
        """True where province, transaction, code and text all fit."""
        return (
            (self.province == ANY or area.startswith(self.province))
            and (ANY in self.infnos or infno in self.infnos)
            and self.code in (ANY, infcode)
            and self.pattern.search(text) is not None
        )


def read_rows(text: str) -> tuple[ErrorRow, ...]:
    """Rows of a dictionary in their order. Raises ValueError for an incomplete row or a broken pattern."""
    return tuple(_row(number, row) for number, row in enumerate(csv.DictReader(io.StringIO(text)), start=2))


def _row(number: int, row: dict[str, str]) -> ErrorRow:
    # Only the pattern may be empty: any text of that code.
    missing = [name for name, value in row.items() if not value and name != "pattern"]
    if missing:
        raise ValueError(f"errors.csv line {number}: {', '.join(missing)} missing")
    pattern = row["pattern"]
    source = pattern.removeprefix(REGEX) if pattern.startswith(REGEX) else re.escape(pattern)
    try:
        compiled = re.compile(source)
    except re.error as error:
        raise ValueError(f"errors.csv line {number}: {error}") from error
    return ErrorRow(
        province=row["province"],
        infnos=frozenset(row["infno"].split("|")),
        code=row["code"],
        pattern=compiled,
        meaning=Meaning(row["verdict"]),
        unified_code=row["unified_code"],
        zh=row["zh"],
        en=row["en"],
        next_action_zh=row["next_action_zh"],
        next_action_en=row["next_action_en"],
        owner=row["owner"],
    )


@cache
def dictionary() -> tuple[ErrorRow, ...]:
    """The shipped dictionary."""
    return read_rows(resources.files(__package__).joinpath("errors.csv").read_text("utf-8"))


def explain(area: str, infno: str, infcode: str, text: str, rows: Sequence[ErrorRow] | None = None) -> ErrorRow | None:
    """The row for a failure, or None for a text nobody has seen yet. `area`: the hospital's area code (6 digits).

    The message proper is in the first 200 characters (1.2); a stack trace behind it may only make an unlisted text
    unknown, never a refusal.
    """
    listed = dictionary() if rows is None else rows
    head = text[:ERR_MSG_LENGTH]
    for row in listed:
        if row.applies(area, infno, infcode, head):
            return row
    if len(text) > ERR_MSG_LENGTH:
        unknowns = (row for row in listed if row.meaning is Meaning.UNKNOWN)
        return next((row for row in unknowns if row.applies(area, infno, infcode, text)), None)
    return None
