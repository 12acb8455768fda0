"""Questions that only pages ask. Nothing here writes."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from statistics import median
from typing import Any

from sqlalchemy import Connection, String, case, cast, func, select

from sop.group import Group
from sop.receipt import State
from storage.group import GroupStore
from storage.instant import from_ms, to_ms
from storage.tables import (
    activity,
    due,
    groups,
    inbox,
    journey,
    member,
    member_score,
    outbox,
    score,
    seat,
    task,
    template,
)

OWN_PAST = 56  # days a group is compared with
ENOUGH_PAST = 14  # scores it takes to say what is usual


# ---------------------------------------------------------------- groups


@dataclass(frozen=True, kw_only=True)
class Point:
    """A group's score of one day; without a value it is not zero but unknown, and ``label`` says why."""

    day: str
    value: float | None
    label: str
    coverage: str
    parts: dict[str, Any]

    @property
    def shown(self) -> float | None:
        """What a page may show: a value only where the label vouches for it."""
        return self.value if self.label == "ok" else None


@dataclass(frozen=True, kw_only=True)
class GroupLine:
    """One group as the list shows it; ``points`` are its last scores, oldest first."""

    group: Group
    size: int
    active_at: datetime | None
    points: tuple[Point, ...]

    @property
    def latest(self) -> Point | None:
        return self.points[-1] if self.points else None

    @property
    def change(self) -> float | None:
        """Today's score against the median of the group's own past, days of equal coverage only."""
        latest = self.latest
        if latest is None or latest.shown is None:
            return None
        past = [
            point.shown
            for point in self.points[:-1]
            if point.shown is not None and point.coverage == latest.coverage
        ]
        return latest.shown - median(past) if len(past) >= ENOUGH_PAST else None


def group_lines(connection: Connection, now: datetime, *, only: str = "") -> list[GroupLine]:
    """Every living group (or the one named) with its recent scores."""
    store = GroupStore(connection, now)
    found = [known for known in [store.get(only)] if known] if only else store.all()
    ids = [group.id for group in found]
    points, sizes, active = _points(connection, ids), store.sizes(), _active(connection, ids)
    return [
        GroupLine(
            group=group,
            size=sizes.get(group.id, 0),
            active_at=active.get(group.id),
            points=points.get(group.id, ()),
        )
        for group in found
    ]


def _points(connection: Connection, ids: Collection[str]) -> dict[str, tuple[Point, ...]]:
    nth = func.row_number().over(partition_by=score.c.group_id, order_by=score.c.day.desc()).label("nth")
    newest = select(score, nth).where(score.c.group_id.in_(ids)).subquery()
    rows = connection.execute(select(newest).where(newest.c.nth <= OWN_PAST + 1).order_by(newest.c.day))
    found: dict[str, list[Point]] = {}
    for row in rows:
        point = Point(day=row.day, value=row.value, label=row.label, coverage=row.coverage, parts=row.parts)
        found.setdefault(row.group_id, []).append(point)
    return {group_id: tuple(points) for group_id, points in found.items()}


def _active(connection: Connection, ids: Collection[str]) -> dict[str, datetime]:
    """When somebody last did something in each group: one look into the index for each."""
    last = (
        select(func.max(activity.c.happened_at)).where(activity.c.group_id == groups.c.id).scalar_subquery()
    )
    rows = connection.execute(select(groups.c.id, last).where(groups.c.id.in_(ids)))
    return {group_id: from_ms(at) for group_id, at in rows if at is not None}


@dataclass(frozen=True, kw_only=True)
class Sitter:
    """A member of a group, with how alive they are there."""

    id: str
    name: str
    staff: bool
    tier: str
    joined_at: datetime
    active_at: datetime | None
    value: float | None


def sitters(connection: Connection, group_id: str, *, limit: int, offset: int = 0) -> list[Sitter]:
    """Who is in a group now, the most alive first."""
    rows = connection.execute(
        select(member, seat.c.joined_at, member_score.c.value.label("value"))
        .join(seat, seat.c.member == member.c.id)
        .outerjoin(
            member_score,
            (member_score.c.member == member.c.id) & (member_score.c.group_id == seat.c.group_id),
        )
        .where(seat.c.group_id == group_id, seat.c.left_at.is_(None))
        .order_by(
            member.c.staff, func.coalesce(member_score.c.value, 0).desc(), seat.c.joined_at, member.c.id
        )
        .limit(limit)
        .offset(offset)
    )
    return [
        Sitter(
            id=row.id,
            name=row.name,
            staff=bool(row.staff),
            tier=row.tier,
            joined_at=from_ms(row.joined_at),
            active_at=from_ms(row.active_at) if row.active_at else None,
            value=row.value,
        )
        for row in rows
    ]


# ---------------------------------------------------------------- what happened


@dataclass(frozen=True, kw_only=True)
class Fact:
    """One line of the activity log, with names."""

    kind: str
    member: str
    member_name: str
    group: str
    group_name: str
    at: datetime
    level: str


def facts(connection: Connection, *, member_id: str = "", group_id: str = "", limit: int = 30) -> list[Fact]:
    """The newest activities of a member or a group."""
    query = (
        select(activity, member.c.name.label("member_name"), groups.c.name.label("group_name"))
        .outerjoin(member, member.c.id == activity.c.member)
        .outerjoin(groups, groups.c.id == activity.c.group_id)
        .order_by(activity.c.happened_at.desc(), activity.c.id.desc())
        .limit(limit)
    )
    if member_id:
        query = query.where(activity.c.member == member_id)
    if group_id:
        query = query.where(activity.c.group_id == group_id)
    return [
        Fact(
            kind=row.kind,
            member=row.member,
            member_name=row.member_name or "",
            group=row.group_id,
            group_name=row.group_name or "",
            at=from_ms(row.happened_at),
            level=row.level,
        )
        for row in connection.execute(query)
    ]


def names(
    connection: Connection, *, members: Collection[str] = (), chats: Collection[str] = ()
) -> dict[str, str]:
    """What people and groups are called, by id; who has no name is left out."""
    people = select(member.c.id, member.c.name).where(member.c.id.in_(members), member.c.name != "")
    rooms = select(groups.c.id, groups.c.name).where(groups.c.id.in_(chats), groups.c.name != "")
    found = [query for query, wanted in ((people, members), (rooms, chats)) if wanted]
    return {one: name for query in found for one, name in connection.execute(query)}


def count_members(connection: Connection, text: str = "", tier: str = "") -> dict[str, int]:
    """How many members there are of each tier, among those whose name or id holds ``text``."""
    query = select(member.c.tier, func.count().label("members")).where(
        member.c.staff.is_(False), member.c.bot.is_(False)
    )
    if text:
        query = query.where(member.c.name.contains(text, autoescape=True) | (member.c.id == text))
    if tier:
        query = query.where(member.c.tier == tier)
    return {row.tier: row.members for row in connection.execute(query.group_by(member.c.tier))}


# ---------------------------------------------------------------- what waits


@dataclass(frozen=True, kw_only=True)
class Confirmation:
    """A group-send task that waits for its sender's tap, with one of its messages."""

    number: str
    sender: str
    sender_name: str
    to_groups: bool
    recipients: int
    text: str
    created_at: datetime
    reminders: int


def confirmations(connection: Connection, limit: int = 50) -> list[Confirmation]:
    """What staff have yet to confirm, the oldest first."""
    sharing = (
        select(outbox.c.number, func.count().label("recipients"), func.min(outbox.c.id).label("first"))
        .where(outbox.c.number != "", outbox.c.state == State.CREATED)
        .group_by(outbox.c.number)
        .subquery()
    )
    rows = connection.execute(
        select(task, sharing.c.recipients, outbox.c.content, member.c.name.label("sender_name"))
        .join(sharing, sharing.c.number == task.c.number)
        .join(outbox, outbox.c.id == sharing.c.first)
        .outerjoin(member, member.c.id == task.c.sender)
        .where(task.c.state == State.CREATED)
        .order_by(task.c.created_at)
        .limit(limit)
    )
    return [
        Confirmation(
            number=row.number,
            sender=row.sender,
            sender_name=row.sender_name or "",
            to_groups=bool(row.to_groups),
            recipients=row.recipients,
            text=row.content.get("text", ""),
            created_at=from_ms(row.created_at),
            reminders=row.reminders,
        )
        for row in rows
    ]


def received_since(connection: Connection, since: datetime) -> int:
    """How many updates arrived since an instant."""
    return connection.scalar(select(func.count()).where(inbox.c.received_at >= to_ms(since))) or 0


def sent_since(connection: Connection, since: datetime) -> int:
    """How many messages were delivered since an instant."""
    query = select(func.count()).where(outbox.c.state == State.SENT, outbox.c.sent_at >= to_ms(since))
    return connection.scalar(query) or 0


# ---------------------------------------------------------------- journeys


@dataclass(frozen=True, kw_only=True)
class TemplateLine:
    """How many walk a template, by state, and when the next of them is due."""

    template: str
    counts: dict[str, int]
    next_at: datetime | None


def journeys_by_template(connection: Connection) -> dict[str, TemplateLine]:
    """Every template somebody ever walked."""
    counts: dict[str, dict[str, int]] = {}
    for name, state, count in connection.execute(
        select(journey.c.template, journey.c.state, func.count()).group_by(
            journey.c.template, journey.c.state
        )
    ):
        counts.setdefault(name, {})[state] = count
    following = _next_by_template(connection)
    return {
        name: TemplateLine(template=name, counts=states, next_at=following.get(name))
        for name, states in counts.items()
    }


def _next_by_template(connection: Connection) -> dict[str, datetime]:
    rows = connection.execute(
        select(journey.c.template, func.min(due.c.due_at))
        .join(due, due.c.whom == cast(journey.c.id, String))
        .where(due.c.what == "step", journey.c.state == "active")
        .group_by(journey.c.template)
    )
    return {name: from_ms(at) for name, at in rows}


def next_steps(connection: Connection, journeys: Collection[int]) -> dict[int, datetime]:
    """When each of these journeys goes on."""
    rows = connection.execute(
        select(due.c.whom, func.min(due.c.due_at))
        .where(due.c.what == "step", due.c.whom.in_([str(one) for one in journeys]))
        .group_by(due.c.whom)
    )
    return {int(whom): from_ms(at) for whom, at in rows}


def template_names(connection: Connection) -> dict[str, str]:
    """What templates are called, by their newest version."""
    rows = connection.execute(select(template.c.id, template.c.name).order_by(template.c.version))
    return {row.id: row.name for row in rows}


# ---------------------------------------------------------------- messages


def delivered_of(connection: Connection, numbers: Collection[str]) -> dict[str, tuple[int, int]]:
    """For each task, to how many it was delivered and how many it has."""
    sent = func.sum(case((outbox.c.state == State.SENT, 1), else_=0))
    rows = connection.execute(
        select(outbox.c.number, sent, func.count())
        .where(outbox.c.number.in_(numbers))
        .group_by(outbox.c.number)
    )
    return {number: (int(delivered), count) for number, delivered, count in rows}
