"""The working calendar: what counts as a working day, from a table of the State Council's notices and never a guess.

A year without a table is refused with CALENDAR_MISSING, also when only the answer would lie in that year (R-121,
AMB-28): a payout that waits for a calendar is late, a payout on a guessed day is wrong.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from gateway.model.refusals import Refusal

_DAY = timedelta(days=1)
_NAME = re.compile(r"[a-z0-9_-]+")
DEFAULT = "cn"
"""The calendar of the State Council; its files lie directly in `mappings/calendar/`."""


@dataclass(frozen=True, slots=True)
class YearTable:
    """One year: weekdays that are off and weekend days that are worked, with the notice they come from."""

    year: int
    version: str
    source: str
    off_days: frozenset[date]
    makeup_days: frozenset[date]

    @classmethod
    def parse(cls, text: str, name: str) -> YearTable:
        """Read a calendar file. Raises ValueError naming the file for a wrong key, a foreign year or a doubled day."""
        raw: dict[str, Any] = tomllib.loads(text)
        if set(raw) != {"year", "version", "source", "off_days", "makeup_days"}:
            raise ValueError(f"{name}: a calendar has year, version, source, off_days and makeup_days")
        off, makeup = frozenset(raw["off_days"]), frozenset(raw["makeup_days"])
        if not all(type(day) is date and day.year == raw["year"] for day in off | makeup) or off & makeup:
            raise ValueError(f"{name}: a day is of another year, or both off and worked")
        if any(day.weekday() < 5 for day in makeup):
            raise ValueError(f"{name}: a make-up day is a Saturday or Sunday")
        return cls(raw["year"], raw["version"], raw["source"], off, makeup)

    def works(self, day: date) -> bool:
        """Say whether a day of this year is worked."""
        return day in self.makeup_days or (day.weekday() < 5 and day not in self.off_days)


class WorkingCalendar:
    """Working days of one calendar, optionally under a bank's overlay: a day counts only if both work (AMB-28).

    So an answer is never earlier than either calendar alone would give: the later date wins.
    """

    def __init__(self, tables: Iterable[YearTable], overlay: WorkingCalendar | None = None) -> None:
        self._years = {table.year: table for table in tables}
        self._overlay = overlay

    @classmethod
    def load(cls, overlay: str = "", *, name: str = DEFAULT, directory: Path | None = None) -> WorkingCalendar:
        """Load `mappings/calendar/`, or the folder of that name in it, with the overlay's folder on top.

        `directory` holds imported years in the same layout; they win over those in the package. Raises Refusal
        CALENDAR_MISSING for a calendar without any year and ValueError for a broken file.
        """
        places: list[Traversable] = [resources.files("mappings").joinpath("calendar")]
        if directory is not None:
            places.append(directory)
        tables = {table.year: table for place in places for table in _read(place, name)}
        if not tables:
            raise Refusal("CALENDAR_MISSING", f"没有名为 {name} 的工作日历", calendar=name)
        bank = cls.load(name=overlay, directory=directory) if overlay else None
        return cls(tables.values(), bank)

    @property
    def version(self) -> str:
        """Versions of all years in use, for the record of a decision."""
        own = ",".join(self._years[year].version for year in self.years)
        return f"{own}+{self._overlay.version}" if self._overlay else own

    @property
    def years(self) -> tuple[int, ...]:
        """The years this calendar itself knows."""
        return tuple(sorted(self._years))

    def is_working_day(self, day: date) -> bool:
        """Say whether the day is worked. Raises Refusal CALENDAR_MISSING for a year without a table."""
        table = self._years.get(day.year)
        if table is None:
            raise Refusal("CALENDAR_MISSING", f"缺少 {day.year} 年度工作日历", year=day.year)
        return table.works(day) and (self._overlay is None or self._overlay.is_working_day(day))

    def _from(self, day: date) -> Iterator[date]:
        while True:
            if self.is_working_day(day):
                yield day
            day += _DAY

    def on_or_after(self, day: date) -> date:
        """Return the day itself or the first working day after it."""
        return next(self._from(day))

    def next_working_day(self, day: date) -> date:
        """Return the first working day strictly after the day (T+1, R-113)."""
        return next(self._from(day + _DAY))

    def add_working_days(self, day: date, count: int) -> date:
        """Return the count-th working day after the day; the day itself for 0. Raises ValueError for a negative count.

        The day after is day 1, so five working days after an approval are counted as in R-135.
        """
        if count < 0:
            raise ValueError("working days are counted forward")
        for _ in range(count):
            day = self.next_working_day(day)
        return day

    def working_days_between(self, after: date, until: date) -> int:
        """Return how many working days lie after `after`, up to and including `until`; 0 if `until` is not later."""
        days = range(1, (until - after).days + 1)
        return sum(self.is_working_day(after + timedelta(days=offset)) for offset in days)


def _read(place: Traversable, name: str) -> Iterator[YearTable]:
    if not _NAME.fullmatch(name):
        raise ValueError("a calendar's name has lower-case letters, digits, - and _")
    folder = place if name == DEFAULT else place.joinpath(name)
    if folder.is_dir():
        for entry in folder.iterdir():
            if entry.name.endswith(".toml"):
                table = YearTable.parse(entry.read_text(encoding="utf-8"), entry.name)
                if entry.name != f"{table.year}.toml":
                    raise ValueError(f"{entry.name}: the file of {table.year} has another name")
                yield table
