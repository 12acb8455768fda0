"""The local day of an instant, in SQL that both databases understand: the changes of a zone's clock are written out."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from storage.instant import MILLISECOND

A_DAY = timedelta(days=1) // MILLISECOND
FROM, TO = 631_152_000, 3_155_760_000  # 1990 to 2070, in seconds
STEP = 5 * 86_400  # no clock is put forward and back within so few days


@lru_cache(maxsize=64)
def offsets(zone: str) -> tuple[tuple[int, int], ...]:
    """Since which instant a zone is how far ahead of UTC, both in milliseconds, the latest first."""
    place = ZoneInfo(zone)
    found = [(0, _ahead(place, FROM))]
    for second in range(FROM, TO, STEP):
        if (then := _ahead(place, second + STEP)) != found[-1][1]:
            found.append((_change(place, second, second + STEP) * 1000, then))
    return tuple(reversed(found))


def _change(place: ZoneInfo, since: int, until: int) -> int:
    """The second from which clocks show what they show at ``until``."""
    while until - since > 1:
        middle = (since + until) // 2
        same = _ahead(place, middle) == _ahead(place, until)
        since, until = (since, middle) if same else (middle, until)
    return until


def _ahead(place: ZoneInfo, second: int) -> int:
    return (datetime.fromtimestamp(second, place).utcoffset() or timedelta(0)) // MILLISECOND


def day_number(zone: str, at: str = "happened_at") -> str:
    """The SQL for the local day of an instant, counted from 1970."""
    *recent, (_, first) = offsets(zone)
    if not recent:
        return f"({at} + {first}) / {A_DAY}"
    cases = " ".join(f"WHEN {at} >= {since} THEN {ahead}" for since, ahead in recent)
    return f"({at} + CASE {cases} ELSE {first} END) / {A_DAY}"
