"""Staff across the whole schema: what an employee leaves behind, and every place that knows them by a number."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    PrimaryKeyConstraint,
    Select,
    UniqueConstraint,
    delete,
    exists,
    func,
    select,
    update,
)

from sop.message import Channel
from sop.receipt import State
from storage.member import LEFT
from storage.operator import rename_owner
from storage.outbox import Entry, digest_of, entry
from storage.tables import (
    activity,
    answer,
    check_in,
    conversation,
    friend,
    group_turn,
    groups,
    journey,
    kf_session,
    mark,
    member,
    member_day,
    member_first,
    member_score,
    member_tag,
    outbox,
    seat,
    sighting,
    statistic,
    task,
    tier_change,
)

NUMBERS: tuple[Column[Any], ...] = (
    member.c.id,
    member_tag.c.member,
    tier_change.c.member,
    friend.c.staff,
    sighting.c.staff,
    mark.c.staff,
    groups.c.owner,
    seat.c.member,
    outbox.c.staff,
    task.c.sender,
    journey.c.whom,
    kf_session.c.staff,
    conversation.c.member,
    answer.c.member,
    check_in.c.member,
    activity.c.member,
    member_day.c.member,
    member_first.c.member,
    member_score.c.member,
    group_turn.c.member,
    statistic.c.whom,
)  # wherever the number of an employee may stand


@dataclass(frozen=True)
class Departure:
    """What an employee left behind: members nobody else can write to, how many of them are on journeys, and groups."""

    members: int
    travelling: int
    groups: tuple[str, ...]


class StaffStore:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def left_behind(self, staff: str) -> Departure:
        """What waits to be taken over after an employee left the corp."""
        alone = _alone(staff)
        members = self._connection.scalar(select(func.count()).select_from(alone.subquery())) or 0
        travelling = select(func.count(journey.c.whom.distinct())).where(
            journey.c.whom.in_(alone), journey.c.state == "active"
        )
        owned = select(groups.c.name).where(groups.c.owner == staff, groups.c.dismissed_at.is_(None))
        names = tuple(self._connection.scalars(owned.order_by(groups.c.name)))
        return Departure(members, self._connection.scalar(travelling) or 0, names)

    def to_send(self, staff: str) -> list[Entry]:
        """What an employee was to send or confirm, and nobody has yet."""
        return self._open(outbox.c.sender == staff)

    def to_say_to(self, member: str) -> list[Entry]:
        """What employees were to send to a member, and have not yet."""
        return self._open(outbox.c.member == member)

    def _open(self, whose: ColumnElement[bool]) -> list[Entry]:
        by_staff = outbox.c.channel.in_((Channel.GROUP_SEND, Channel.MOMENT, Channel.WELCOME))
        unsent = outbox.c.state.in_((State.WAITING, State.CREATED))
        query = select(outbox).where(whose, by_staff, unsent).order_by(outbox.c.id)
        return [entry(row) for row in self._connection.execute(query)]

    def pass_on(self, waiting: Entry, staff: str) -> None:
        """Another employee says it; equal messages are found by sender, so they are told apart anew."""
        digest = digest_of(replace(waiting.message, sender=staff))
        self._connection.execute(
            update(outbox).where(outbox.c.id == waiting.id).values(sender=staff, digest=digest)
        )

    def rename(self, old: str, new: str) -> None:
        """Whoever was ``old`` is ``new`` everywhere; where both are known already, ``new`` stays as it is."""
        for column in NUMBERS:
            for others in _keys(column):
                taken = column.table.alias()
                doubled = exists().where(
                    taken.c[column.name] == new, *(taken.c[other.name] == other for other in others)
                )
                self._connection.execute(delete(column.table).where(column == old, doubled))
            self._connection.execute(update(column.table).where(column == old).values({column: new}))
        rename_owner(self._connection, old, new)


def _alone(staff: str) -> Select[tuple[str]]:
    """Members whose last friend was this employee, who left."""
    others = friend.alias()
    kept = exists().where(
        others.c.member == friend.c.member, others.c.lost_at.is_(None), others.c.half.is_(False)
    )
    return select(friend.c.member).where(friend.c.staff == staff, friend.c.lost_by == LEFT, ~kept)


def _keys(column: Column[Any]) -> list[list[Column[Any]]]:
    """The other columns of every key this column is part of."""
    keys = [
        list(key.columns)
        for key in column.table.constraints
        if isinstance(key, PrimaryKeyConstraint | UniqueConstraint)
    ]
    return [[other for other in key if other is not column] for key in keys if column in key]
