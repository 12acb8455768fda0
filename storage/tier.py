"""What tiers are judged by: everybody's habit of coming, in one question."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, func, select

from sop.activity import local_day
from sop.tier import WINDOW, Habit, Tier
from storage.instant import from_ms
from storage.tables import member, member_day

DAY = timedelta(days=1)


@dataclass(frozen=True)
class Standing:
    """A member with their tier, since when, and how they came to each of their groups."""

    member: str
    tier: Tier
    since: datetime
    first_seen: datetime
    habits: tuple[Habit, ...]


class TierStore:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def standings(self, today: date, zone: str, *, after: str = "") -> Iterator[Standing]:
        """Everybody behind ``after`` whose tier could change: who was active in the last eight weeks, or has a tier to lose."""
        rows: dict[str, list[Any]] = defaultdict(list)
        for row in self._connection.execute(_habits(today, after)):
            rows[row.id].append(row)
        for found in rows.values():
            who = found[0]
            seen = from_ms(who.seen_at)
            habits = tuple(_habit(row, local_day(seen, zone)) for row in found)
            yield Standing(who.id, Tier(who.tier), from_ms(who.tier_at), seen, habits)


def _habits(today: date, after: str) -> Any:
    recent, earlier = (today - DAY * WINDOW).isoformat(), (today - DAY * 2 * WINDOW).isoformat()
    by_group = (
        select(
            member_day.c.member,
            func.count().filter(member_day.c.day >= recent).label("recent"),
            func.count().filter(member_day.c.day < recent).label("before"),
            func.max(member_day.c.day).label("last"),
        )
        .where(member_day.c.day >= earlier, member_day.c.day < today.isoformat())
        .group_by(member_day.c.member, member_day.c.group_id)
        .subquery()
    )
    return (
        select(member.c.id, member.c.tier, member.c.tier_at, member.c.seen_at, by_group)
        .outerjoin(by_group, by_group.c.member == member.c.id)
        .where(
            member.c.staff.is_(False),
            member.c.bot.is_(False),
            member.c.id > after,
            by_group.c.member.is_not(None) | (member.c.tier != Tier.NEW),
        )
        .order_by(member.c.id)
    )


def _habit(row: Any, first_seen: date) -> Habit:
    return Habit(
        active_days=row.recent or 0,
        last_active=date.fromisoformat(row.last) if row.last else None,
        before=bool(row.before),
        first_seen=first_seen,
    )
