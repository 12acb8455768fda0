"""Group-send tasks: what waits for a person's tap, and how far its recipients' results are in."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, select, update

from sop.receipt import SETTLED, State
from storage.engine import insert_into
from storage.instant import from_ms, maybe_from_ms, maybe_ms, to_ms
from storage.outbox import Entry, entry
from storage.tables import outbox, task
from storage.trail import TrailStore


@dataclass(frozen=True)
class Task:
    """A group-send task that waits for its sender's tap."""

    number: str
    sender: str
    to_groups: bool
    state: str
    created_at: datetime
    reminders: int = 0
    confirmed_at: datetime | None = None


class TaskStore:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def open(self, opened: Task) -> None:
        """Keep a new task; one that is known stays as it is."""
        insertion = insert_into(self._connection, task).on_conflict_do_nothing(index_elements=["number"])
        self._connection.execute(
            insertion.values(
                number=opened.number,
                sender=opened.sender,
                to_groups=opened.to_groups,
                state=opened.state,
                created_at=to_ms(opened.created_at),
            )
        )

    def get(self, number: str) -> Task | None:
        row = self._connection.execute(select(task).where(task.c.number == number)).one_or_none()
        return None if row is None else _task(row)

    def unfinished(self) -> list[Task]:
        """Tasks whose results may still change, the oldest first."""
        rows = self._connection.execute(
            select(task).where(task.c.state.in_((State.CREATED, State.CONFIRMED))).order_by(task.c.created_at)
        )
        return [_task(row) for row in rows]

    def close(self, number: str, state: State, confirmed_at: datetime | None = None) -> None:
        self._connection.execute(
            update(task)
            .where(task.c.number == number)
            .values(state=state, confirmed_at=maybe_ms(confirmed_at))
        )

    def count_reminder(self, number: str) -> None:
        self._connection.execute(
            update(task).where(task.c.number == number).values(reminders=task.c.reminders + 1)
        )

    # ------------------------------------------------------------ its messages

    def first(self, number: str) -> Entry | None:
        """The first message of a task; they all say the same."""
        row = self._connection.execute(
            select(outbox).where(outbox.c.number == number).order_by(outbox.c.id).limit(1)
        ).one_or_none()
        return None if row is None else entry(row)

    def size(self, number: str) -> int:
        """How many recipients it has."""
        return self._connection.scalar(select(func.count()).where(outbox.c.number == number)) or 0

    def to(self, number: str, recipients: Collection[str]) -> list[Entry]:
        """Its messages to these members or groups."""
        whom = outbox.c.member.in_(recipients) | outbox.c.group_id.in_(recipients)
        rows = self._connection.execute(
            select(outbox).where(outbox.c.number == number, whom).order_by(outbox.c.id)
        )
        return [entry(row) for row in rows]

    def states(self, number: str) -> set[State]:
        """Every state that one of its messages is in."""
        states = self._connection.scalars(select(outbox.c.state).where(outbox.c.number == number).distinct())
        return {State(state) for state in states}

    def settled(self, number: str) -> set[str]:
        """Recipients of whom nothing more will be heard; whom we took out may turn out to have got it before."""
        rows = self._connection.execute(
            select(outbox.c.member, outbox.c.group_id).where(
                outbox.c.number == number, outbox.c.state.in_((State.SENT, State.REFUSED))
            )
        )
        return {row.member or row.group_id for row in rows}

    def last_deadline(self, number: str) -> datetime | None:
        """Until when the last of its messages is worth saying; None when one of them always is."""
        count, dated, last = self._connection.execute(
            select(func.count(), func.count(outbox.c.deadline_at), func.max(outbox.c.deadline_at)).where(
                outbox.c.number == number
            )
        ).one()
        return maybe_from_ms(last) if count == dated else None

    def move(
        self,
        number: str,
        before: State,
        state: State,
        reason: str,
        now: datetime,
        *,
        alive_at: datetime | None = None,
    ) -> int:
        """Move all its messages that are in one state to another; with ``alive_at`` those still worth saying then."""
        settled_at = to_ms(now) if state in SETTLED else None
        values: dict[str, Any] = {"state": state, "reason": reason, "settled_at": settled_at}
        if state is State.WAITING and alive_at is not None:
            values |= {"doubt_at": None, "attempts": 0, "due_at": to_ms(alive_at)}
        where: list[ColumnElement[bool]] = [outbox.c.number == number, outbox.c.state == before]
        if alive_at is not None:
            where.append(outbox.c.deadline_at > to_ms(alive_at))
        if state is State.WAITING:
            TrailStore(self._connection, now).messages_of(*where, what=reason)
        return self._connection.execute(update(outbox).where(*where).values(**values)).rowcount


def _task(row: Any) -> Task:
    return Task(
        number=row.number,
        sender=row.sender,
        to_groups=row.to_groups,
        state=row.state,
        created_at=from_ms(row.created_at),
        reminders=row.reminders,
        confirmed_at=maybe_from_ms(row.confirmed_at),
    )
