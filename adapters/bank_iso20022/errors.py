"""The bank's reason codes and what each means to us: `errors.csv`, one row per bank, operation and code.

The codes are ISO 20022 external ones (ExternalStatusReason1Code and its neighbours for mandates and reversals).
``verdict`` is what a rejection with that reason leads to: ``refused`` (nothing was booked) or ``unknown`` (ask first:
duplicates and technical failures say nothing about the original).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from types import MappingProxyType
from typing import Final

ANY: Final = "*"
BANK_CLIENT_FAULT: Final = "BANK_CLIENT_FAULT"
VERDICTS: Final = frozenset({"refused", "unknown"})


@dataclass(frozen=True, slots=True)
class Meaning:
    """One row: the verdict, the unified code of the register and the texts a person reads."""

    bank: str
    operation: str
    code: str
    verdict: str
    unified_code: str
    zh: str
    en: str
    next_action_zh: str
    next_action_en: str
    owner: str


def _load() -> Mapping[tuple[str, str, str], Meaning]:
    """Raises ValueError for a doubled, incomplete or unknown row, so that a broken dictionary stops the start."""
    text = resources.files("adapters.bank_iso20022").joinpath("errors.csv").read_text("utf-8")
    rows: dict[tuple[str, str, str], Meaning] = {}
    for row in csv.DictReader(io.StringIO(text)):
        place = (row["bank"], row["operation"], row["code"])
        if place in rows or not all(row.values()) or row["verdict"] not in VERDICTS:
            raise ValueError(f"errors.csv: {place}")
        rows[place] = Meaning(**row)
    return MappingProxyType(rows)


DICTIONARY: Final = _load()


def meaning(operation: str, code: str, bank: str = ANY) -> Meaning | None:
    """The closest row: this bank and operation, then any bank, then any operation; None for an unseen code."""
    for place in ((bank, operation), (ANY, operation), (bank, ANY), (ANY, ANY)):
        found = DICTIONARY.get((*place, code))
        if found is not None:
            return found
    return None
