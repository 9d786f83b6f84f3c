"""Dates as the interface writes them."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal

from simulators.platform.refusals import Refused

_SHAPES = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y%m%d")
_MOST_DAYS = 400


def stamp(moment: datetime) -> str:
    """``yyyy-MM-dd HH:mm:ss``."""
    return moment.strftime("%Y-%m-%d %H:%M:%S")


def date_time(value: str, name: str) -> str:
    """A date or time of the interface as ``yyyy-MM-dd HH:mm:ss``. Raises Refused."""
    for shape in _SHAPES:
        try:
            return stamp(datetime.strptime(value, shape))  # noqa: DTZ007 - local time by contract
        except ValueError:
            continue
    raise Refused(f"{name}日期格式不正确")


def days(first: str, last: str) -> list[str]:
    """Every day from first to last, both included. Raises Refused."""
    begin, end = (date.fromisoformat(date_time(value, "日期")[:10]) for value in (first, last))
    count = (end - begin).days + 1
    if not 1 <= count <= _MOST_DAYS:
        raise Refused("起止日期不正确")
    return [(begin + timedelta(days=n)).isoformat() for n in range(count)]


def age_on(day: datetime, born: str) -> Decimal | None:
    """Years with one decimal, n4,1; None without a date of birth."""
    if not born:
        return None
    year, month, day_of_month = (int(part) for part in born[:10].split("-"))
    months = (day.year - year) * 12 + day.month - month - (day.day < day_of_month)
    return (Decimal(months) / 12).quantize(Decimal("0.1"))
