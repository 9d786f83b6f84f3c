"""Write a year's calendar file: `python mappings/calendar/make_table.py 2026 国办发明电〔2025〕7号`.

Days come from chinesecalendar. Read the result against the State Council's notice before committing it; a test compares
every day of it with two libraries. A year chinesecalendar does not know raises NotImplementedError, as it should.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from datetime import date, timedelta
from pathlib import Path

import chinese_calendar


def _rows(days: Iterable[date]) -> str:
    return "".join(f"  {day.isoformat()},\n" for day in days)


def table(year: int, notice: str) -> str:
    """Return the file's text: weekdays that are off, weekend days that are worked."""
    days = [date(year, 1, 1) + timedelta(days=offset) for offset in range(366)]
    days = [day for day in days if day.year == year]
    off = [day for day in days if day.weekday() < 5 and chinese_calendar.is_holiday(day)]
    makeup = [day for day in days if day.weekday() >= 5 and chinese_calendar.is_workday(day)]
    return (
        f"# Weekdays that are off and weekend days that are worked; every other day follows the week.\n"
        f'year = {year}\nversion = "cn-{year}.1"\nsource = "国务院办公厅关于{year}年部分节假日安排的通知（{notice}）"\n'
        f"off_days = [\n{_rows(off)}]\nmakeup_days = [\n{_rows(makeup)}]\n"
    )


if __name__ == "__main__":
    wanted = int(sys.argv[1])
    Path(__file__).with_name(f"{wanted}.toml").write_text(table(wanted, sys.argv[2]), encoding="utf-8")
