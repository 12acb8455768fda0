"""Holidays 节假日 of the mainland calendar: days off and made-up workdays, as the State Council's office announces them.

Years that are not announced yet are unknown: weekends are guessed as in any year, holidays are not guessed at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta


@dataclass(frozen=True)
class Holiday:
    """One holiday with its adjoining days off, first and last included."""

    name: str
    first: date
    last: date


HOLIDAYS = (  # 国办发明电〔2024〕12号, 国办发明电〔2025〕7号
    Holiday("元旦", date(2025, 1, 1), date(2025, 1, 1)),
    Holiday("春节", date(2025, 1, 28), date(2025, 2, 4)),
    Holiday("清明节", date(2025, 4, 4), date(2025, 4, 6)),
    Holiday("劳动节", date(2025, 5, 1), date(2025, 5, 5)),
    Holiday("端午节", date(2025, 5, 31), date(2025, 6, 2)),
    Holiday("国庆节", date(2025, 10, 1), date(2025, 10, 8)),  # with 中秋节
    Holiday("元旦", date(2026, 1, 1), date(2026, 1, 3)),
    Holiday("春节", date(2026, 2, 15), date(2026, 2, 23)),
    Holiday("清明节", date(2026, 4, 4), date(2026, 4, 6)),
    Holiday("劳动节", date(2026, 5, 1), date(2026, 5, 5)),
    Holiday("端午节", date(2026, 6, 19), date(2026, 6, 21)),
    Holiday("中秋节", date(2026, 9, 25), date(2026, 9, 27)),
    Holiday("国庆节", date(2026, 10, 1), date(2026, 10, 7)),
)
MADE_UP = frozenset(  # weekends on which people work
    {
        date(2025, 1, 26),
        date(2025, 2, 8),
        date(2025, 4, 27),
        date(2025, 9, 28),
        date(2025, 10, 11),
        date(2026, 1, 4),
        date(2026, 2, 14),
        date(2026, 2, 28),
        date(2026, 5, 9),
        date(2026, 9, 20),
        date(2026, 10, 10),
    }
)


def holiday_on(day: date) -> str:
    """Which holiday a day belongs to; empty when it is none, or its year is not announced."""
    return next((one.name for one in HOLIDAYS if one.first <= day <= one.last), "")


def is_workday(day: date) -> bool:
    return day in MADE_UP or (day.weekday() < 5 and not holiday_on(day))


def next_workday(day: date) -> date:
    """The first day from this one on, on which people work."""
    while not is_workday(day):
        day += timedelta(days=1)
    return day


def next_beginning(name: str, since: date) -> date | None:
    """The first day of the next such holiday (of any, when the name is empty) from a day on; None when not announced."""
    return next((one.first for one in HOLIDAYS if one.first >= since and name in ("", one.name)), None)
