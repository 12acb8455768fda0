"""Where the answer to "why" is read: the ledger, the journeys, what was missed, and the rules in force."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, exists, or_, select, union

from sop.audience import Facts
from sop.errors import NotFound
from sop.journey import Journey, Stay, enrol
from sop.member import Member
from sop.message import Channel
from sop.receipt import State
from sop.template import Subject, Template
from sop.why import (
    Because,
    Got,
    Mark,
    Missed,
    Standing,
    Told,
    of_journey,
    of_message,
    of_template,
    outside,
    to_member,
)
from storage.audience import AudienceStore
from storage.consent import ConsentStore
from storage.due import STEP
from storage.group import GroupStore
from storage.instant import from_ms
from storage.journey import JourneyStore
from storage.member import MemberStore
from storage.outbox import Entry, OutboxStore, entry
from storage.pause import PauseStore
from storage.tables import journey, missed, outbox, seat
from storage.task import TaskStore
from storage.template import TemplateStore
from storage.trail import TrailStore


class WhyStore:
    """Reads only; instants are said in ``zone``."""

    def __init__(self, connection: Connection, now: datetime, zone: str) -> None:
        self._connection, self._now, self._zone = connection, now, zone

    def message(self, message_id: int, member: str = "") -> Because:
        """Why a message was said, or not; with ``member`` only one that was for them, alone or in a group of theirs."""
        entry = OutboxStore(self._connection, self._now).get(message_id)
        groups = GroupStore(self._connection, self._now).of_member(member) if member else []
        theirs = {member, *(group.id for group in groups)}
        if entry is None or (member and entry.recipient not in theirs):
            raise NotFound("message", str(message_id))
        walked = JourneyStore(self._connection, self._now).get(entry.message.journey)
        plan = walked and self._template(walked.template, walked.version)
        before = of_journey(plan, walked, self._decided(walked))[:-1] if plan and walked else ()
        [told] = self._as_told([entry])
        return of_message(told, self._zone, before=before)

    def template(self, member_id: str, template_id: str) -> Because:
        """Why a member got something of a template, or nothing."""
        member = MemberStore(self._connection, self._now).get(member_id)
        if member is None:
            raise NotFound("member", member_id)
        walked = JourneyStore(self._connection, self._now).latest(template_id, [member_id]).get(member_id)
        plan = self._plan(template_id, walked)
        facts = self._facts(plan, member)
        again = enrol(plan, facts, walked, self._now)
        wish = ConsentStore(self._connection, self._now).in_force(member_id)
        standing = Standing(
            outside=outside(plan.audience, facts),
            refused=wish.at if wish and not wish.granted else None,
            paused=PauseStore(self._connection, self._now).reason(template_id),
            stay=again.reason if isinstance(again, Stay) else "",
            journey=walked,
            decided=self._decided(walked) if walked else (),
            missed=self._missed(plan, walked) if walked else (),
            told=self._told(walked) if walked else (),
        )
        return of_template(plan, self._zone, standing)

    def templates(self, member_id: str) -> dict[str, Because]:
        """The same for everything in force, and everything the member has ever walked."""
        walked = select(journey.c.template).where(journey.c.whom == member_id).distinct()
        running = TemplateStore(self._connection, self._now).running()
        ids = {one.id for one in running if one.subject is Subject.MEMBER}
        ids |= set(self._connection.scalars(walked))
        return {one: self.template(member_id, one) for one in sorted(ids)}

    def got(self, member_id: str, limit: int = 1) -> list[Got]:
        """The newest that reached somebody unasked, alone or in a group where they sat at that moment, in their own words."""
        theirs = seat.c.member == member_id
        sat = exists().where(
            theirs,
            seat.c.group_id == outbox.c.group_id,
            seat.c.joined_at <= outbox.c.sent_at,
            or_(seat.c.left_at.is_(None), seat.c.left_at > outbox.c.sent_at),
        )
        walked, mine = select(journey.c.id).where(journey.c.whom == member_id), select(outbox.c.id)
        ids = union(  # each by an index of its own
            mine.where(outbox.c.member == member_id),
            mine.where(outbox.c.journey.in_(walked)),
            mine.where(outbox.c.group_id.in_(select(seat.c.group_id).where(theirs)), sat),
        )
        unasked = or_(outbox.c.urgent.is_(False), outbox.c.channel == Channel.WELCOME)
        query = (
            select(outbox)
            .where(outbox.c.id.in_(ids), outbox.c.state == State.SENT, unasked)
            .order_by(outbox.c.sent_at.desc(), outbox.c.id.desc())
            .limit(limit)
        )
        return [self._got(entry(row)) for row in self._connection.execute(query).all()]

    def _got(self, sent: Entry) -> Got:
        message = sent.message
        group = GroupStore(self._connection, self._now).get(message.to_group) if message.to_group else None
        walked = JourneyStore(self._connection, self._now).get(message.journey) if message.journey else None
        plan = self._template(message.template, message.template_version) if message.template else None
        because = to_member(
            plan, walked.anchor if walked else None, self._zone, group=group.called if group else ""
        )
        return Got(
            text=message.content.text,
            at=sent.sent_at or sent.created_at,
            group=group.called if group else "",
            source=message.why or "我们的日常内容",
            because=because,
        )

    def _template(self, template_id: str, version: int) -> Template | None:
        return TemplateStore(self._connection, self._now).read(template_id, version)

    def _plan(self, template_id: str, walked: Journey | None) -> Template:
        store = TemplateStore(self._connection, self._now)
        published = store.published_version(template_id)
        version = walked.version if walked else published.version if published else 0
        plan = store.read(template_id, version)
        if plan is None:
            raise NotFound("template", template_id)
        return plan

    def _facts(self, plan: Template, member: Member) -> Facts:
        audiences = AudienceStore(self._connection, self._now, self._zone)
        [informed] = audiences.informed([member], plan.audience.expressions)
        return informed.facts()

    def _decided(self, walked: Journey) -> list[Mark]:
        reached = self._connection.scalar(select(journey.c.goal_at).where(journey.c.id == walked.id))
        goal = [] if reached is None else [Mark(from_ms(reached), "达成了模板的目标")]
        return TrailStore(self._connection, self._now).of_journey(walked.id) + goal

    def _missed(self, plan: Template, walked: Journey) -> list[Missed]:
        rows = self._connection.execute(
            select(missed).where(missed.c.what == STEP, missed.c.whom == str(walked.id)).order_by(missed.c.id)
        )
        return [
            Missed(
                step=_step(plan, row.occurrence),
                fate=row.fate,
                reason=row.reason,
                due=from_ms(row.due_at),
                noticed=from_ms(row.noticed_at),
            )
            for row in rows
        ]

    def _told(self, walked: Journey) -> list[Told]:
        ids = self._connection.scalars(select(outbox.c.id).where(outbox.c.journey == walked.id)).all()
        return self._as_told(OutboxStore(self._connection, self._now).several(ids))

    def _as_told(self, entries: Sequence[Entry]) -> list[Told]:
        """Messages with everything that was decided about them, their senders by the names people know."""
        trails = TrailStore(self._connection, self._now).of_messages([entry.id for entry in entries])
        tasks, senders = TaskStore(self._connection), {entry.message.sender for entry in entries}
        people = MemberStore(self._connection, self._now).several(senders)
        called = {one.id: one.name or one.id for one in people}
        told = []
        for one in entries:
            task = tasks.get(one.number) if one.number else None
            sender = called.get(one.message.sender, one.message.sender)
            confirmed = task.confirmed_at if task else None
            told.append(_told(one, sender, trails.get(one.id, ()), confirmed=confirmed))
        return told


def _step(plan: Template, occurrence: str) -> str:
    index = int("".join(sign for sign in occurrence if sign.isdigit()) or 0)
    if index == len(plan.steps) and plan.finish.invite:
        return plan.finish.invitation("").called
    return plan.steps[index].called if index < len(plan.steps) else occurrence


def _told(entry: Entry, sender: str, trail: Sequence[Mark], *, confirmed: datetime | None) -> Told:
    message = entry.message
    return Told(
        step=message.step,
        state=entry.state,
        channel=message.channel,
        sender=sender,
        reason=entry.reason,
        why=message.why,
        written=entry.created_at,
        due=entry.due_at,
        tried=entry.tried_at if entry.attempts else None,
        confirmed=confirmed,
        sent=entry.sent_at,
        settled=entry.settled_at,
        number=entry.number,
        trail=tuple(trail),
    )
