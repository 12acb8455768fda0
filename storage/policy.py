"""What the policy gate needs to know of the messages about to leave, asked in a few questions however many they are."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from sqlalchemy import Column, Connection, func, select

from sop.consent import Consent
from sop.hour import Best
from sop.kf import Session, closed
from sop.message import Channel
from sop.receipt import State
from sop.template import Template
from sop.timing import WEEK, Now, QuietHours, Situation, Verdict, may_send
from storage.consent import ConsentStore
from storage.instant import from_ms, to_ms
from storage.kf import KfStore, Place
from storage.outbox import Entry
from storage.pause import PauseStore
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

    @property
    def best(self) -> Best:
        return Best(self.quiet, self.hour_hold_out)


T = TypeVar("T")
TemplateOf = Callable[[str, int], Template | None]


def judge(
    connection: Connection, entries: Sequence[Entry], now: datetime, house: House, template_of: TemplateOf
) -> list[tuple[Entry, Verdict]]:
    """A verdict for each message, in their order; what passes counts against the budget of those behind it."""
    if not entries:
        return []
    known = _Known.gather(connection, entries, now)
    judged = []
    for entry in entries:
        verdict = may_send(known.situation(entry, house, template_of, now), now)
        if isinstance(verdict, Now):
            known.count(entry, now)
        judged.append((entry, verdict))
    return judged


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

    @classmethod
    def gather(cls, connection: Connection, entries: Sequence[Entry], now: datetime) -> _Known:
        members = {entry.message.to_member for entry in entries if entry.message.to_member}
        chats = {entry.message.to_group for entry in entries if entry.message.to_group}
        since, own = now - WEEK, [entry.id for entry in entries]
        kf = KfStore(connection)
        sessions = kf.sessions({place for entry in entries if (place := _place(entry))})
        return cls(
            refused=ConsentStore(connection, now).refused(members) if members else set(),
            friends=_friends(connection, members),
            alive=_alive(connection, chats),
            quota=quota_of(connection, members | chats),
            sent=sent_to(connection, members, outbox.c.member, since, own)
            | sent_to(connection, chats, outbox.c.group_id, since, own),
            sessions=sessions,
            answered=kf.answered(sessions, but=own),
            paused=PauseStore(connection, now).paused(),
            zones=ZoneStore(connection).of(members, chats),
        )

    def count(self, entry: Entry, now: datetime) -> None:
        """What leaves now is seen by those behind it."""
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
            quota_until=self.quota.get(entry.recipient),
            closed=self._closed(entry, now),
            paused=message.template in self.paused,
            sent=self.sent.get(entry.recipient, ()),
            weekly_cap=_first(template.weekly_cap if template else None, house.weekly_cap)
            if message.marketing
            else None,
            quiet=_first(template.quiet if template else None, house.quiet),
            spacing=house.spacing if message.marketing else timedelta(),
            deadline=message.deadline,
        )

    def _belongs(self, entry: Entry) -> bool:
        message = entry.message
        if message.channel is not Channel.GROUP_SEND:
            return True
        if message.to_group:
            return message.to_group in self.alive
        return (message.to_member, message.sender) in self.friends


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
            friend.c.member.in_(members), friend.c.lost_at.is_(None), friend.c.half.is_(False)
        )
    )
    return {(row.member, row.staff) for row in rows}


def _alive(connection: Connection, chats: Collection[str]) -> dict[str, str]:
    if not chats:
        return {}
    rows = connection.execute(
        select(groups.c.id, groups.c.owner).where(groups.c.id.in_(chats), groups.c.dismissed_at.is_(None))
    )
    return {row.id: row.owner for row in rows}


def quota_of(connection: Connection, recipients: Collection[str]) -> dict[str, datetime]:
    """Whom the platform told us it takes nothing more for, and until when; it can't be asked, only learnt from refusals."""
    names = [quota_name(recipient) for recipient in recipients]
    rows = connection.execute(select(position.c.name, position.c.value).where(position.c.name.in_(names)))
    return {row.name.removeprefix("quota:"): datetime.fromisoformat(row.value) for row in rows}


def quota_name(recipient: str) -> str:
    return f"quota:{recipient}"


def sent_to(
    connection: Connection,
    recipients: Collection[str],
    column: Column[str],
    since: datetime,
    own: Collection[int],
) -> dict[str, list[datetime]]:
    """When each was sent what counts against the budget; ``own`` messages are not counted."""
    if not recipients:
        return {}
    spoken = func.coalesce(outbox.c.sent_at, outbox.c.tried_at)
    rows = connection.execute(
        select(column, spoken).where(
            column.in_(recipients),
            outbox.c.urgent.is_(False),
            outbox.c.marketing,
            outbox.c.state.in_(COUNTED),
            spoken >= to_ms(since),
            outbox.c.id.not_in(own),  # they are marked sending already
        )
    )
    found: dict[str, list[datetime]] = {}
    for recipient, at in rows:
        found.setdefault(recipient, []).append(from_ms(at))
    return found
