"""What the policy gate needs to know of the messages about to leave, asked in a few questions however many they are."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar

from sqlalchemy import Column, Connection, and_, func, not_, select

from sop.consent import Consent
from sop.hour import Best
from sop.kf import Session, closed
from sop.message import Channel
from sop.quota import Span, month_began, opens_again
from sop.receipt import State
from sop.timing import AHEAD, WEEK, Later, Now, QuietHours, Rival, Situation, Verdict, may_send
from storage.among import among
from storage.consent import ConsentStore
from storage.instant import from_ms, to_ms
from storage.kf import KfStore, Place
from storage.outbox import Entry
from storage.pause import PauseStore
from storage.rival import RivalStore, TemplateOf
from storage.tables import friend, groups, outbox, position
from storage.zone import ZoneStore

COUNTED = (State.SENDING, State.CREATED, State.CONFIRMED, State.SENT, State.UNKNOWN)


@dataclass(frozen=True)
class House:
    """The community's own rules, for templates that bring none."""

    zone: str = "Asia/Shanghai"
    weekly_cap: int | None = 3
    quiet: QuietHours | None = None
    spacing: timedelta = timedelta(minutes=30)
    hour_hold_out: float = 0.1
    group_send_limit: Span = Span.MONTH

    @property
    def best(self) -> Best:
        return Best(self.quiet, self.hour_hold_out)


@dataclass(frozen=True)
class Lately:
    """When each recipient was sent what counts against the budget, and when 企业群发 of any sort."""

    sent: dict[str, list[datetime]] = field(default_factory=dict)
    sends: dict[str, list[datetime]] = field(default_factory=dict)


T = TypeVar("T")


def judge(
    connection: Connection, entries: Sequence[Entry], now: datetime, house: House, template_of: TemplateOf
) -> list[tuple[Entry, Verdict]]:
    """A verdict for each message, in their order; what passes counts against the budget of what is less important, or behind."""
    if not entries:
        return []
    known = _Known.gather(connection, entries, now, template_of)
    verdicts: dict[int, Verdict] = {}
    for entry in sorted(entries, key=known.priority, reverse=True):
        verdict = may_send(known.situation(entry, house, template_of, now), now)
        if isinstance(verdict, Now):
            known.count(entry, now)
        elif isinstance(verdict, Later):
            known.wait(entry, verdict.until, now)
        verdicts[entry.id] = verdict
    return [(entry, verdicts[entry.id]) for entry in entries]


@dataclass
class _Known:
    refused: set[str]
    friends: set[tuple[str, str]]
    alive: dict[str, str]
    quota: dict[str, datetime]
    sent: dict[str, list[datetime]]
    sessions: dict[Place, Session]
    answered: dict[Place, int]
    paused: frozenset[str]
    zones: dict[str, str]
    sends: dict[str, list[datetime]]  # 企业群发 each has got
    priorities: dict[int, int]  # of the messages
    rivals: dict[str, list[Rival]]

    @classmethod
    def gather(
        cls, connection: Connection, entries: Sequence[Entry], now: datetime, template_of: TemplateOf
    ) -> _Known:
        members = {entry.message.to_member for entry in entries if entry.message.to_member}
        chats = {entry.message.to_group for entry in entries if entry.message.to_group}
        own = [entry.id for entry in entries]
        kf = KfStore(connection)
        sessions = kf.sessions({place for entry in entries if (place := _place(entry))})
        paused = PauseStore(connection, now).paused()
        priorities = {entry.id: _priority(entry, template_of) for entry in entries}
        alone = lately(connection, members, outbox.c.member, now, own)
        together = lately(connection, chats, outbox.c.group_id, now, own)
        rivals = RivalStore(connection, now, template_of)
        above = rivals.more_important(min(priorities.values()), paused)
        return cls(
            refused=ConsentStore(connection, now).refused(members) if members else set(),
            friends=_friends(connection, members),
            alive=_alive(connection, chats),
            quota=quota_of(connection, members | chats),
            sent=alone.sent | together.sent,
            sessions=sessions,
            answered=kf.answered(sessions, but=own),
            paused=paused,
            zones=ZoneStore(connection).of(members, chats),
            sends=alone.sends | together.sends,
            priorities=priorities,
            rivals=rivals.of(members | chats, above),
        )

    def priority(self, entry: Entry) -> int:
        return self.priorities[entry.id]

    def wait(self, entry: Entry, until: datetime, now: datetime) -> None:
        """What may leave soon is more important than what it is asked about after it."""
        message = entry.message
        if message.marketing and not message.urgent and until <= now + AHEAD:
            rival = Rival(until, self.priority(entry), message.why)
            self.rivals.setdefault(entry.recipient, []).append(rival)

    def count(self, entry: Entry, now: datetime) -> None:
        """What leaves now is seen by those behind it."""
        if entry.message.channel is Channel.GROUP_SEND:
            self.sends.setdefault(entry.recipient, []).append(now)
        if entry.message.marketing and not entry.message.urgent:
            self.sent.setdefault(entry.recipient, []).append(now)
        if (place := _place(entry)) is not None:
            self.answered[place] = self.answered.get(place, 0) + 1

    def _closed(self, entry: Entry, now: datetime) -> str:
        """Why the platform takes nothing more for this member; of a session we do not know it tells us itself."""
        place = _place(entry)
        session = self.sessions.get(place) if place else None
        return (
            closed(session, self.answered.get((session.member, session.account), 0), now) if session else ""
        )

    def situation(self, entry: Entry, house: House, template_of: TemplateOf, now: datetime) -> Situation:
        message = entry.message
        template = template_of(message.template, message.template_version) if message.template else None
        return Situation(
            zone=self.zones.get(entry.recipient) or house.zone,
            urgent=message.urgent,
            marketing=message.marketing,
            consent=Consent.REFUSED if message.to_member in self.refused else Consent.UNASKED,
            belongs=self._belongs(entry),
            quota_until=self._quota(entry, house, now),
            closed=self._closed(entry, now),
            paused=message.template in self.paused,
            sent=self.sent.get(entry.recipient, ()),
            rivals=[
                one for one in self.rivals.get(entry.recipient, ()) if one.priority > self.priority(entry)
            ],
            weekly_cap=_first(template.weekly_cap if template else None, house.weekly_cap)
            if message.marketing
            else None,
            quiet=_first(template.quiet if template else None, house.quiet),
            spacing=house.spacing if message.marketing else timedelta(),
            deadline=message.deadline,
        )

    def _quota(self, entry: Entry, house: House, now: datetime) -> datetime | None:
        """When the platform takes more for this recipient: as it told us, or as we count ourselves."""
        told = self.quota.get(entry.recipient)
        if entry.message.channel is not Channel.GROUP_SEND:
            return told
        counted = opens_again(self.sends.get(entry.recipient, ()), house.group_send_limit, now)
        return max((one for one in (told, counted) if one is not None), default=None)

    def _belongs(self, entry: Entry) -> bool:
        message = entry.message
        if message.channel is not Channel.GROUP_SEND:
            return True
        if message.to_group:
            return message.to_group in self.alive
        return (message.to_member, message.sender) in self.friends


def _priority(entry: Entry, template_of: TemplateOf) -> int:
    """The priority of the template that says it; what no template says is ordinary."""
    message = entry.message
    plan = template_of(message.template, message.template_version) if message.template else None
    return plan.priority if plan else 0


def _place(entry: Entry) -> Place | None:
    """The session a message wants into; one that answers a code of the platform needs none."""
    message = entry.message
    if message.channel is not Channel.KF or message.welcome_code:
        return None
    return message.to_member, message.sender


def _first(own: T | None, house: T | None) -> T | None:
    return house if own is None else own


def _friends(connection: Connection, members: Collection[str]) -> set[tuple[str, str]]:
    if not members:
        return set()
    rows = connection.execute(
        select(friend.c.member, friend.c.staff).where(
            among(friend.c.member, members), friend.c.lost_at.is_(None), friend.c.half.is_(False)
        )
    )
    return {(row.member, row.staff) for row in rows}


def _alive(connection: Connection, chats: Collection[str]) -> dict[str, str]:
    if not chats:
        return {}
    rows = connection.execute(
        select(groups.c.id, groups.c.owner).where(among(groups.c.id, chats), groups.c.dismissed_at.is_(None))
    )
    return {row.id: row.owner for row in rows}


def quota_of(connection: Connection, recipients: Collection[str]) -> dict[str, datetime]:
    """Whom the platform told us it takes nothing more for, and until when; it can't be asked, only learnt from refusals."""
    names = [quota_name(recipient) for recipient in recipients]
    rows = connection.execute(select(position.c.name, position.c.value).where(among(position.c.name, names)))
    return {row.name.removeprefix("quota:"): datetime.fromisoformat(row.value) for row in rows}


def quota_name(recipient: str) -> str:
    return f"quota:{recipient}"


def lately(
    connection: Connection,
    recipients: Collection[str],
    column: Column[str],
    now: datetime,
    own: Collection[int] = (),
) -> Lately:
    """What each was sent in the last week, or this month; ``own`` messages, marked sending already, are not counted."""
    found = Lately()
    if not recipients:
        return found
    spoken = func.coalesce(outbox.c.sent_at, outbox.c.tried_at)
    counts = and_(outbox.c.urgent.is_(False), outbox.c.marketing)
    rows = connection.execute(
        select(column.label("whom"), spoken.label("at"), outbox.c.channel, counts.label("counts")).where(
            among(column, recipients),
            outbox.c.state.in_(COUNTED),
            spoken >= to_ms(min(month_began(now), now - WEEK)),
            not_(among(outbox.c.id, own)),
        )
    )
    for row in rows:
        at = from_ms(row.at)
        if row.counts and at >= now - WEEK:
            found.sent.setdefault(row.whom, []).append(at)
        if row.channel == Channel.GROUP_SEND:
            found.sends.setdefault(row.whom, []).append(at)
    return found
