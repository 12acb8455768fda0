"""Who a rehearsal is played with: everything the rules ask of each member or group, read in pages."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime

from sqlalchemy import Connection, func, select

from sop.group import Group, GroupKind
from sop.hour import PRIOR, Rates
from sop.message import Channel
from sop.sender import Senders
from sop.stage import Walker
from sop.template import AtBest, On, Subject, Template
from storage.audience import AudienceStore
from storage.consent import ConsentStore
from storage.field import FieldStore
from storage.group import GroupStore
from storage.hour import HourStore, Segment
from storage.journey import JourneyStore
from storage.kf import KfStore, Place
from storage.member import MemberStore
from storage.policy import lately, quota_of
from storage.tables import coupon_batch, member, outbox
from storage.way import WayStore
from storage.zone import ZoneStore

PAGE = 1000  # members read at a time


class RehearsalStore:
    """Reads only. ``house`` are the senders every recipient shares."""

    def __init__(self, connection: Connection, now: datetime, zone: str, house: Senders) -> None:
        self._connection, self._now, self._zone, self._house = connection, now, zone, house
        self._hours = HourStore(connection, now)

    def size(self, template: Template) -> int:
        """How many there are to look at."""
        if template.subject is Subject.GROUP:
            return len(self._groups())
        people = member.c.staff.is_(False), member.c.bot.is_(False)
        return self._connection.scalar(select(func.count()).select_from(member).where(*people)) or 0

    def batches(self) -> frozenset[str]:
        """The coupon batches there are."""
        return frozenset(self._connection.scalars(select(coupon_batch.c.id)))

    def invites(self, template: Template) -> frozenset[str] | None:
        """The names of the groups that its end asks members into; None when nothing leads there."""
        name = template.finish.invite
        way = WayStore(self._connection, self._now).into(name) if name else None
        if way is None or not way.image:
            return None if name else frozenset()
        groups = GroupStore(self._connection, self._now).all()
        return frozenset(group.name for group in groups if group.id in way.way.groups)

    def page(self, template: Template, after: str = "", limit: int = PAGE) -> list[Walker]:
        """The next members in the order of their ids; all groups at once for a template of groups."""
        if template.subject is Subject.GROUP:
            return [] if after else self._of_groups(template)
        return self._of_members(template, after, limit)

    def _of_members(self, template: Template, after: str, limit: int) -> list[Walker]:
        people = MemberStore(self._connection, self._now).page(after=after, limit=limit)
        audiences = AudienceStore(self._connection, self._now, self._zone)
        people, ids = audiences.informed(people, template.expressions), [one.id for one in people]
        friends = MemberStore(self._connection, self._now).senders(ids)
        refused = ConsentStore(self._connection, self._now).refused(ids)
        last = JourneyStore(self._connection, self._now).latest(template.id, ids)
        quota = quota_of(self._connection, ids)
        past = lately(self._connection, ids, outbox.c.member, self._now)
        zones = ZoneStore(self._connection).of(ids)
        rates = self._rates(template, self._hours.segments_of(ids))
        days = self._days(template, ids)
        places = self._places(template, ids)
        kf = KfStore(self._connection)
        sessions = kf.sessions(places.values())
        answered = kf.answered(sessions)
        return [
            Walker(
                to=one,
                senders=replace(self._house, kf=places[one.id][1], staff=friends.get(one.id, "")),
                last=last.get(one.id),
                refused=one.id in refused,
                quota_until=quota.get(one.id),
                sent=tuple(past.sent.get(one.id, ())),
                sends=tuple(past.sends.get(one.id, ())),
                session=sessions.get(places[one.id]),
                answered=answered.get(places[one.id], 0),
                zone=zones.get(one.id, ""),
                day=days.get(one.id),
                rates=rates.get(one.id, PRIOR),
            )
            for one in people
        ]

    def _rates(self, template: Template, segments: Mapping[str, Segment]) -> dict[str, Rates]:
        """What each may expect by hour of the week, where a step asks for it."""
        if not any(isinstance(step.when, AtBest) for step in template.steps):
            return {}
        hours = self._hours
        return {who: hours.rates(segment) for who, segment in segments.items()}

    def _days(self, template: Template, ids: Sequence[str]) -> dict[str, date]:
        """The day of each on which the template begins for them, where it is theirs alone."""
        trigger = template.trigger
        return FieldStore(self._connection).days(trigger.field, ids) if trigger.on is On.DATE_FIELD else {}

    def _places(self, template: Template, ids: Collection[str]) -> dict[str, Place]:
        """With which account of 微信客服 each would be written to, where a step goes that way."""
        asked = any(step.channel is Channel.KF for step in template.steps)
        wrote = KfStore(self._connection).accounts_of(ids) if asked else {}
        return {one: (one, wrote.get(one, self._house.kf)) for one in ids}

    # ------------------------------------------------------------ groups

    def _groups(self) -> list[Group]:
        known = GroupStore(self._connection, self._now).all()
        return [group for group in known if group.kind != GroupKind.IMPORTED]

    def _of_groups(self, template: Template) -> list[Walker]:
        audiences = AudienceStore(self._connection, self._now, self._zone)
        groups = audiences.informed_groups(self._groups(), template.expressions)
        ids = [group.id for group in groups]
        last = JourneyStore(self._connection, self._now).latest(template.id, ids)
        rates = self._rates(template, {one: (one, "") for one in ids})
        quota = quota_of(self._connection, ids)
        past = lately(self._connection, ids, outbox.c.group_id, self._now)
        return [
            Walker(
                to=one,
                senders=replace(self._house, staff=one.owner),
                last=last.get(one.id),
                quota_until=quota.get(one.id),
                sent=tuple(past.sent.get(one.id, ())),
                sends=tuple(past.sends.get(one.id, ())),
                zone=one.zone,
                rates=rates.get(one.id, PRIOR),
            )
            for one in groups
        ]
