"""Throttling of sign-in: each failure makes the next attempt wait longer."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime, timedelta

FREE = 5  # failures nobody has to wait for
FIRST, LONGEST = timedelta(seconds=5), timedelta(minutes=15)
FORGOTTEN = timedelta(hours=1)
REMEMBERED = 10_000


@dataclass
class Throttle:
    """Failures by who tried from where; kept in memory, the oldest forgotten first."""

    _failures: OrderedDict[str, tuple[int, datetime]] = field(default_factory=OrderedDict)

    def wait(self, key: str, now: datetime) -> timedelta:
        """How long this one still has to wait; zero when it may try."""
        count, last = self._recent(key, now)
        if count < FREE:
            return timedelta()
        doublings: int = 2 ** min(count - FREE, 16)
        pause = min(FIRST * doublings, LONGEST)
        return max(last + pause - now, timedelta())

    def failed(self, key: str, now: datetime) -> None:
        count, _ = self._recent(key, now)
        self._failures[key] = (count + 1, now)
        self._failures.move_to_end(key)
        while len(self._failures) > REMEMBERED:
            self._failures.popitem(last=False)

    def succeeded(self, key: str) -> None:
        self._failures.pop(key, None)

    def _recent(self, key: str, now: datetime) -> tuple[int, datetime]:
        count, last = self._failures.get(key, (0, now))
        return (0, now) if now - last > FORGOTTEN else (count, last)
