"""Alarms: what operators should look at, until one of them says they have."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select, update

from storage.engine import insert_into
from storage.instant import from_ms, to_ms
from storage.tables import alarm


@dataclass(frozen=True, kw_only=True)
class Alarm:
    """One line for operators, about a group or about the whole house."""

    id: int
    group: str
    text: str
    raised_at: datetime


def raise_alarm(connection: Connection, key: str, text: str, now: datetime, *, group: str = "") -> bool:
    """Let operators know; the same ``key`` is the same alarm, seen or not. False when it was raised before."""
    row = connection.execute(
        insert_into(connection, alarm)
        .values(key=key[:160], text=text, group_id=group, raised_at=to_ms(now))
        .on_conflict_do_nothing(index_elements=["key"])
        .returning(alarm.c.id)
    ).first()
    return row is not None


def open_alarms(connection: Connection, limit: int = 20) -> list[Alarm]:
    """Alarms nobody has acknowledged, the newest first."""
    rows = connection.execute(
        select(alarm).where(alarm.c.seen_at.is_(None)).order_by(alarm.c.id.desc()).limit(limit)
    )
    return [
        Alarm(id=row.id, group=row.group_id, text=row.text, raised_at=from_ms(row.raised_at)) for row in rows
    ]


def close_alarms(connection: Connection, beginning: str, now: datetime) -> None:
    """What open alarms whose keys begin like this said is over."""
    connection.execute(
        update(alarm)
        .where(alarm.c.key.startswith(beginning, autoescape=True), alarm.c.seen_at.is_(None))
        .values(seen_at=to_ms(now))
    )


def acknowledge(connection: Connection, alarm_id: int, now: datetime) -> bool:
    """Somebody has seen it; the second to say so changes nothing. False when there is no such alarm."""
    connection.execute(
        update(alarm).where(alarm.c.id == alarm_id, alarm.c.seen_at.is_(None)).values(seen_at=to_ms(now))
    )
    return connection.scalar(select(alarm.c.id).where(alarm.c.id == alarm_id)) is not None
