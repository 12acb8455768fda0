"""What a guard measures: whom a template reached lately, and how many of them then turned away.

Asked from the few: people who opted out, ended a friendship or left lately, each followed to what they were sent. The many,
who were reached, are counted only when the few might be too many, and only as far as the answer depends on it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Select,
    and_,
    exists,
    func,
    or_,
    select,
    true,
    union,
)

from sop.guard import MOST_WINDOW, Breach, Guard, Measure, breach
from sop.receipt import State
from storage.consent import MARKETING
from storage.due import Due, DueStore
from storage.engine import insert_into
from storage.instant import from_ms, to_ms
from storage.tables import consent, friend, guard, member, outbox, seat

CHECK = "guard.check"  # the wait, some seconds long, for a look at a template whose people turn away
BREATH = timedelta(seconds=10)  # in which many who turn away at once are looked at together
BY_MEMBER = "member"  # friend.lost_by, when the member ended the friendship


def alarm_of(template: str) -> str:
    """How the keys of the alarms begin that tell of this template."""
    return f"guard:{template}:"


class GuardStore:
    def __init__(self, connection: Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    # ------------------------------------------------------------ being told

    def watch(self, templates: Iterable[str]) -> None:
        """Look at these templates shortly; one that will be looked at anyway is looked at once."""
        DueStore(self._connection).add(
            *(
                Due(what=CHECK, whom=template, occurrence="", at=self._now + BREATH)
                for template in sorted(set(templates) - {""})
            )
        )

    def suspect(self, members: Collection[str]) -> None:
        """Look shortly at every template that reached one of these lately: they have just turned away."""
        lately = select(outbox.c.template).where(outbox.c.sent_at >= to_ms(self._now - MOST_WINDOW))
        seats = select(seat.c.group_id).where(seat.c.member.in_(members))
        found = union(lately.where(outbox.c.member.in_(members)), lately.where(outbox.c.group_id.in_(seats)))
        self.watch(self._connection.scalars(found))

    # ------------------------------------------------------------ letting go on

    def begin_anew(self, template: str) -> None:
        """From now on only who is reached from now on counts."""
        insertion = insert_into(self._connection, guard).values(template=template, since_at=to_ms(self._now))
        self._connection.execute(
            insertion.on_conflict_do_update(
                index_elements=["template"], set_={"since_at": insertion.excluded.since_at}
            )
        )

    def resumed(self, template: str) -> datetime | None:
        """When an operator last let it go on."""
        at = self._connection.scalar(select(guard.c.since_at).where(guard.c.template == template))
        return None if at is None else from_ms(at)

    # ------------------------------------------------------------ measuring

    def breach(self, template: str, rule: Guard) -> Breach | None:
        """The first measure above its line, None when all is well."""
        since = rule.since(self._now, self.resumed(template))
        for measure in Measure:
            people = self._people(measure, template, since)
            enough = rule.enough(measure, people)
            if enough >= 0:
                reached = self._reached(measure, template, since, enough + 1)
                if found := breach(rule, measure, people, reached):
                    return found
        return None

    def _people(self, measure: Measure, template: str, since: datetime) -> int:
        """How many different people; told apart here, because SQLite would walk the whole table in their order."""
        queries = turned_away(measure, template, since)
        return len({who for query in queries for who in self._connection.scalars(query)})

    def _reached(self, measure: Measure, template: str, since: datetime, limit: int) -> int:
        """How many people were reached, or were to be, counted up to ``limit``."""
        sent = _sent(template, since)
        alone = select(outbox.c.member).where(*sent, outbox.c.member != "")
        in_groups = (
            select(seat.c.member)
            .join(outbox, outbox.c.group_id == seat.c.group_id)
            .join(member, _is_member(seat.c.member))
            .where(*sent, outbox.c.group_id != "", _sat(seat, outbox.c.sent_at))
        )
        turned_down = [_turned_down(template, since)] if measure is Measure.REFUSALS else []
        parts = [part.distinct().limit(limit).subquery() for part in (alone, in_groups, *turned_down)]
        people = union(*(select(part) for part in parts)).subquery()
        return min(limit, self._connection.scalar(select(func.count()).select_from(people)) or 0)


def turned_away(measure: Measure, template: str, since: datetime) -> list[Select[tuple[str]]]:
    """The members, some of them more than once, who turned away since an instant after this template had reached them."""
    start = to_ms(since)
    match measure:
        case Measure.OPT_OUTS:
            opted_out = select(consent.c.member).where(
                consent.c.decided_at >= start,
                consent.c.purpose == MARKETING,
                consent.c.granted.is_(False),
                _was_reached(template, since, consent.c.member, consent.c.decided_at),
            )
            return [opted_out]
        case Measure.REFUSALS:
            lost = select(friend.c.member).where(
                friend.c.lost_at >= start,
                friend.c.lost_by == BY_MEMBER,
                _was_reached(template, since, friend.c.member, friend.c.lost_at),
            )
            return [lost, _turned_down(template, since)]
        case Measure.LEAVERS:
            left = select(seat.c.member).join(member, _is_member(seat.c.member))
            left = left.where(
                seat.c.left_at >= start,
                seat.c.removed.is_(False),
                _was_reached(template, since, seat.c.member, seat.c.left_at),
            )
            return [left]


def _sent(template: str, since: datetime) -> tuple[ColumnElement[bool], ...]:
    return (
        outbox.c.template == template,
        outbox.c.settled_at >= to_ms(since),
        outbox.c.sent_at >= to_ms(since),
        outbox.c.state == State.SENT,
    )


def _turned_down(template: str, since: datetime) -> Select[tuple[str]]:
    """Who was tried, and the platform did not take it."""
    return select(outbox.c.member).where(
        outbox.c.template == template,
        outbox.c.settled_at >= to_ms(since),
        outbox.c.tried_at >= to_ms(since),
        outbox.c.state == State.REFUSED,
        outbox.c.attempts > 0,
        outbox.c.member != "",
    )


def _was_reached(
    template: str, since: datetime, whom: Column[str], before: Column[int]
) -> ColumnElement[bool]:
    """Whether a template reached this member, alone or in a group, before they turned away."""
    theirs, at = seat.alias(), outbox.c.sent_at
    alone = exists().where(outbox.c.member == whom, *_sent(template, since), at <= before)
    in_group = (
        select(true())
        .select_from(theirs.join(outbox, outbox.c.group_id == theirs.c.group_id))
        # hidden from the planner, which would walk all the template said instead of what the group heard
        .where(theirs.c.member == whom, func.coalesce(outbox.c.template, "") == template)
        .where(at >= to_ms(since), at <= before, _sat(theirs, at))
    )
    return or_(alone, in_group.exists())


def _is_member(whom: Column[str]) -> ColumnElement[bool]:
    """Colleagues and robots sit in groups too."""
    return and_(member.c.id == whom, member.c.staff.is_(False), member.c.bot.is_(False))


def _sat(seats: Any, at: Column[int]) -> ColumnElement[bool]:
    return and_(seats.c.joined_at <= at, or_(seats.c.left_at.is_(None), seats.c.left_at >= at))
