"""Statistics 统计: what the platform counts about groups and staff, a day late, and how far a number reaches.

Group numbers are told per owner or per day of the whole corp, never per group. Some of them count everything up to that
day, so what happened on a day is the difference to the day before; without that day nothing is known.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum


class Level(StrEnum):
    """What one row of numbers is about."""

    OWNER = "owner"  # all groups of one owner
    DAY = "day"  # all groups of the corp
    STAFF = "staff"  # one employee's own conversations with members


RUNNING = frozenset({"chat_total", "chat_has_msg", "member_total", "member_has_msg", "msg_total"})


@dataclass(frozen=True)
class Statistic:
    """The platform's numbers for one day; ``whom`` is a staff id, empty for the whole corp."""

    day: date
    level: Level
    whom: str = ""
    figures: Mapping[str, float] = field(default_factory=dict)


def happened(before: Statistic | None, after: Statistic) -> dict[str, float | None]:
    """What happened on the day of ``after``: running totals less those of the day ``before``, None where unknown.

    A total that went down (groups dissolved, members gone) is told as it is, below zero.
    """
    is_day_before = before is not None and (after.day - before.day).days == 1
    return {
        name: (
            value
            if name not in RUNNING
            else value - before.figures[name]
            if before is not None and is_day_before and name in before.figures
            else None
        )
        for name, value in after.figures.items()
    }
