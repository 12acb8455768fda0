"""Totals of what the bot did, for comparing with what others saw."""

from __future__ import annotations

from sqlalchemy import Connection, func, select

from storage import inbox
from storage.tables import activity, answer, coupon, groups, journey, outbox, score, task
from storage.tables import inbox as inbox_table


def doors(connection: Connection) -> int:
    """Callbacks of the platform that are stored, whatever became of them."""
    return connection.scalar(select(func.count()).where(inbox_table.c.door != inbox.SELF)) or 0


def messages(connection: Connection) -> dict[tuple[str, str], int]:
    """Messages by (channel, state)."""
    rows = connection.execute(
        select(outbox.c.channel, outbox.c.state, func.count()).group_by(outbox.c.channel, outbox.c.state)
    )
    return {(channel, state): count for channel, state, count in rows}


def tasks(connection: Connection) -> int:
    return connection.scalar(select(func.count()).select_from(task)) or 0


def claimed(connection: Connection) -> int:
    return connection.scalar(select(func.count()).where(coupon.c.member.is_not(None))) or 0


def stocked(connection: Connection) -> int:
    return connection.scalar(select(func.count()).select_from(coupon)) or 0


def scored(connection: Connection) -> int:
    """Groups that have a score."""
    return connection.scalar(select(func.count(func.distinct(score.c.group_id)))) or 0


def group_count(connection: Connection) -> int:
    return connection.scalar(select(func.count()).where(groups.c.dismissed_at.is_(None))) or 0


def answers(connection: Connection) -> int:
    return connection.scalar(select(func.count()).select_from(answer)) or 0


def journeys(connection: Connection) -> int:
    return connection.scalar(select(func.count()).select_from(journey)) or 0


def activities(connection: Connection) -> int:
    return connection.scalar(select(func.count()).select_from(activity)) or 0
