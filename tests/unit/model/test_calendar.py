"""The working calendar against two libraries, and every date the requirements name."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import chinese_calendar
import holidays
import pytest

from gateway.model.calendar import WorkingCalendar, YearTable
from gateway.model.refusals import Refusal

CN = WorkingCalendar.load()
DAYS = [date(2024, 1, 1) + timedelta(days=offset) for offset in range(366 + 365 + 365)]


def test_every_day_of_three_years_agrees_with_two_libraries() -> None:
    china = holidays.country_holidays("CN", years=[2024, 2025, 2026])
    ours = [CN.is_working_day(day) for day in DAYS]
    assert ours == [chinese_calendar.is_workday(day) for day in DAYS]
    assert ours == [china.is_working_day(day) for day in DAYS]


@pytest.mark.parametrize(("year", "count"), [(2024, 251), (2025, 248), (2026, 248)])
def test_number_of_working_days(year: int, count: int) -> None:
    assert CN.working_days_between(date(year, 1, 1), date(year, 12, 31)) == count
    assert not CN.is_working_day(date(year, 1, 1))


@pytest.mark.parametrize(
    ("settled", "paid"),
    [
        ("2025-03-03", "2025-03-04"),
        ("2025-03-07", "2025-03-10"),
        ("2025-03-08", "2025-03-10"),
        ("2025-03-31", "2025-04-01"),
        ("2025-09-26", "2025-09-28"),
        ("2025-09-27", "2025-09-28"),
        ("2025-09-28", "2025-09-29"),
        ("2025-09-29", "2025-09-30"),
        *[(f"2025-10-{day:02d}", "2025-10-09") for day in range(1, 9)],
        ("2025-09-30", "2025-10-09"),
        ("2025-10-09", "2025-10-10"),
        ("2025-10-10", "2025-10-11"),
        ("2025-10-11", "2025-10-13"),
        ("2025-06-29", "2025-06-30"),
        ("2025-06-30", "2025-07-01"),
    ],
)
def test_next_working_day_after_settlement(settled: str, paid: str) -> None:
    """R-113, R-121, R-144, acceptance 9."""
    assert CN.next_working_day(date.fromisoformat(settled)) == date.fromisoformat(paid)


@pytest.mark.parametrize(
    ("fifth", "due"),
    [
        ("2025-04-05", "2025-04-07"),
        ("2025-07-05", "2025-07-07"),
        ("2025-10-05", "2025-10-09"),
        ("2026-05-05", "2026-05-06"),
        ("2026-10-05", "2026-10-08"),
        ("2025-03-05", "2025-03-05"),
    ],
)
def test_fifth_is_deferred_over_holidays(fifth: str, due: str) -> None:
    """R-124, acceptance 12."""
    assert CN.on_or_after(date.fromisoformat(fifth)) == date.fromisoformat(due)


@pytest.mark.parametrize(
    ("start", "count", "end"),
    [
        ("2025-09-26", 5, "2025-10-10"),
        ("2025-09-15", 20, "2025-10-17"),
        ("2025-10-15", 20, "2025-11-12"),
        ("2026-01-15", 20, "2026-02-12"),
        ("2026-02-15", 20, "2026-03-20"),
        ("2025-04-15", 20, "2025-05-15"),
        ("2025-04-15", 0, "2025-04-15"),
    ],
)
def test_counting_working_days(start: str, count: int, end: str) -> None:
    """R-135, R-136, A.6."""
    first, last = date.fromisoformat(start), date.fromisoformat(end)
    assert CN.add_working_days(first, count) == last
    assert CN.working_days_between(first, last) == count


def test_unknown_year_is_refused_also_when_only_the_answer_lies_there() -> None:
    assert CN.on_or_after(date(2026, 12, 31)) == date(2026, 12, 31)
    for question in (
        lambda: CN.next_working_day(date(2026, 12, 31)),
        lambda: CN.is_working_day(date(2027, 1, 4)),
        lambda: CN.add_working_days(date(2026, 12, 30), 2),
        lambda: CN.next_working_day(date(2023, 12, 1)),
    ):
        with pytest.raises(Refusal) as refused:
            question()
        assert refused.value.code == "CALENDAR_MISSING"


def test_counting_backwards_is_no_question() -> None:
    with pytest.raises(ValueError, match="forward"):
        CN.add_working_days(date(2025, 3, 3), -1)
    assert CN.working_days_between(date(2025, 3, 3), date(2025, 3, 1)) == 0


def _year_file(folder: Path, year: int, off: str = "", makeup: str = "") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    text = f'year = {year}\nversion = "b-{year}"\nsource = "银行公告"\noff_days = [{off}]\nmakeup_days = [{makeup}]\n'
    (folder / f"{year}.toml").write_text(text, encoding="utf-8")


def test_bank_overlay_the_later_date_wins(tmp_path: Path) -> None:
    """AMB-28: the bank is shut on the make-up Sunday, and on a Tuesday of its own."""
    _year_file(tmp_path / "somebank", 2025, "2025-03-04, 2025-10-01, 2025-10-02", "")
    both = WorkingCalendar.load("somebank", directory=tmp_path)
    assert both.next_working_day(date(2025, 9, 26)) == date(2025, 9, 29)
    assert both.next_working_day(date(2025, 3, 3)) == date(2025, 3, 5)
    assert both.next_working_day(date(2025, 9, 30)) == date(2025, 10, 9)
    assert both.version.endswith("cn-2026.1+b-2025")
    with pytest.raises(Refusal):
        both.next_working_day(date(2025, 12, 31))


def test_imported_year_joins_the_shipped_ones(tmp_path: Path) -> None:
    _year_file(tmp_path, 2027, "2027-01-01")
    longer = WorkingCalendar.load(directory=tmp_path)
    assert longer.next_working_day(date(2026, 12, 31)) == date(2027, 1, 4)
    assert longer.years == (2024, 2025, 2026, 2027)


def test_missing_calendar_and_bad_names() -> None:
    with pytest.raises(Refusal, match="CALENDAR_MISSING"):
        WorkingCalendar.load("nobank")
    with pytest.raises(ValueError, match="calendar's name"):
        WorkingCalendar.load("../localities")


@pytest.mark.parametrize(
    "text",
    [
        "year = 2025",
        'year = 2025\nversion = "1"\nsource = "s"\noff_days = [2024-01-01]\nmakeup_days = []',
        'year = 2025\nversion = "1"\nsource = "s"\noff_days = []\nmakeup_days = [2025-01-27]',
        'year = 2025\nversion = "1"\nsource = "s"\noff_days = [2025-01-26]\nmakeup_days = [2025-01-26]',
        'year = 2025\nversion = "1"\nsource = "s"\noff_days = [2025-01-01T00:00:00]\nmakeup_days = []',
    ],
)
def test_broken_tables_are_refused_by_name(text: str) -> None:
    with pytest.raises(ValueError, match=r"^2025\.toml: "):
        YearTable.parse(text, "2025.toml")


def test_a_file_named_after_another_year_is_refused(tmp_path: Path) -> None:
    _year_file(tmp_path, 2027)
    (tmp_path / "2027.toml").rename(tmp_path / "2028.toml")
    with pytest.raises(ValueError, match="another name"):
        WorkingCalendar.load(directory=tmp_path)
