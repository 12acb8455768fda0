"""A plan, a community, and both answers to what becomes of them: what the rehearsal says, and what the engine does.

The engine is the real one: planner, gate and sender over SQLite, and the handlers that begin journeys and hear answers. Only
the platform is a table that takes everything, and the clock goes straight to the next instant at which anything is due.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from sqlalchemy import Connection, delete, select

from bot.bell import Bell
from bot.chance import SeededChance
from bot.clock import TurnedClock
from bot.planner import Planner
from bot.rehearsal import rehearse
from bot.sender import Sender
from handlers.context import Context, Settings
from handlers.journey import end_for
from handlers.template import begin, start_slot
from sop.field import MemberDate
from sop.file import read
from sop.message import Channel, Content, Message
from sop.receipt import State
from sop.rehearsal import LINK, TASK, answer_lot
from sop.rehearsed import Summary
from sop.stage import ANSWERS_AFTER, Absence, Outcome, Scene, Walker
from sop.template import CLOCKED, Signal, Template
from sop.timing import local_day
from sop.update import ClockTicked, Update, WaitEnded
from storage.consent import ConsentStore
from storage.due import STEP, DueStore
from storage.engine import Database
from storage.field import FieldStore
from storage.instant import to_ms
from storage.kf import KfStore
from storage.outbox import Entry, OutboxStore
from storage.policy import House, quota_name
from storage.position import write_position
from storage.tables import journey, metadata, missed, outbox
from storage.tx import Tx
from storage.zone import ZoneStore
from tests.contracts.post import Post

ZONE = "Asia/Shanghai"
ACCOUNT, HOOK = "kf-1", "运营群"
SHORT = re.compile(r"http://127\.0\.0\.1:8080/l/[\w-]+")
STATES = {State.WAITING: "waiting", State.REFUSED: "refused", State.CANCELLED: "cancelled"}
Line = tuple[
    str, ...
]  # whom, step, what became of it, when it left or why it did not, channel, sender, words


@dataclass(frozen=True, kw_only=True)
class Person:
    """A member on the day the plan begins."""

    id: str
    name: str = ""
    tags: tuple[str, ...] = ()
    friend: str = "linmo"  # empty: nobody's, or nobody's any more
    half: bool = False
    opted_out: bool = False
    zone: str = ""
    pushed: tuple[timedelta, ...] = ()  # how long ago they were sent something
    spent: timedelta | None = None  # how long the platform will take nothing more for them
    wrote: timedelta | None = None  # how long ago they wrote to 微信客服
    day: date | None = None  # their birthday


@dataclass(frozen=True, kw_only=True)
class Chat:
    """A group on that day."""

    id: str
    kind: str = "customer"
    owner: str = "suhe"
    zone: str = ""
    pushed: tuple[timedelta, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Case:
    """A plan, a community, and the days that are played."""

    text: str
    start: datetime
    days: int
    people: tuple[Person, ...] = ()
    chats: tuple[Chat, ...] = ()
    house: House = field(default_factory=House)
    answer_rate: float = 0.0


@dataclass(frozen=True)
class Told:
    """What became of every step of everybody, and how many tasks each staff member was asked to confirm on each day."""

    lines: Counter[Line] = field(default_factory=Counter)
    tasks: Counter[tuple[str, str]] = field(default_factory=Counter)


async def both(db: Database, case: Case) -> tuple[Told, Told]:
    """What the rehearsal foretells, and what happens then; the database is emptied first."""
    await db.write(lambda c: settle(c, case))
    foretold = await _foretell(db, case)
    return foretold, await Engine(db, case).run()


# ---------------------------------------------------------------- the community


def settle(connection: Connection, case: Case) -> None:
    for table in reversed(metadata.sorted_tables):
        connection.execute(delete(table))
    tx = Tx(connection, case.start)
    for staff in ("linmo", "suhe"):
        tx.members.meet(staff, staff=True)
    for one in case.people:
        _settle_person(tx, one)
    for chat in case.chats:
        tx.groups.meet(chat.id, kind=chat.kind, name=f"群{chat.id}")
        tx.groups.describe(chat.id, owner=chat.owner, zone=chat.zone)
        _push(tx, chat.pushed, "suhe", to_group=chat.id)


def _settle_person(tx: Tx, one: Person) -> None:
    tx.members.meet(one.id, name=one.name, seen_at=tx.now - timedelta(days=30))
    if one.friend:
        tx.members.befriend(one.id, one.friend, half=one.half, since=tx.now - timedelta(days=20))
    for tag in one.tags:
        tx.tags.add(one.id, tag, reason="")
    if one.opted_out:
        ConsentStore(tx.connection, tx.now).decide(one.id, False, channel="kf")
    if one.zone:
        ZoneStore(tx.connection).keep({one.id: one.zone})
    if one.spent:
        write_position(tx.connection, quota_name(one.id), (tx.now + one.spent).isoformat())
    if one.wrote is not None:
        KfStore(tx.connection).hear(one.id, ACCOUNT, tx.now - one.wrote)
    if one.day:
        FieldStore(tx.connection).keep([MemberDate(one.id, "生日", one.day)])
    _push(tx, one.pushed, "linmo", to_member=one.id)


def _push(tx: Tx, ago: Sequence[timedelta], sender: str, *, to_member: str = "", to_group: str = "") -> None:
    """Something was sent so long ago, and confirmed at once."""
    for number, span in enumerate(ago):
        at, key = tx.now - span, f"earlier:{to_member or to_group}:{number}"
        store = OutboxStore(tx.connection, at)
        said = Content(f"以前的 {number}")
        store.add(
            Message(
                key=key,
                channel=Channel.GROUP_SEND,
                content=said,
                to_member=to_member,
                to_group=to_group,
                sender=sender,
            )
        )
        store.claim(1, channels=[Channel.GROUP_SEND], fence=0)
        entry = store.by_key(key)
        assert entry is not None
        store.settle([entry.id], State.SENT, fence=0)


# ---------------------------------------------------------------- what is foretold


async def _foretell(db: Database, case: Case) -> Told:
    template, told = read(case.text), Told()

    def seen(walker: Walker, scenes: Sequence[Scene | Absence]) -> None:
        told.lines.update(_line(template, one) for one in scenes if isinstance(one, Scene))

    summary: Summary = await rehearse(
        db, template, settings(case), now=case.start, start=case.start, days=case.days,
        answer_rate=case.answer_rate, seen=seen,
    )  # fmt: skip
    told.tasks.update({(staff, day): number for staff, day, number in summary.confirmations()})
    return told


def _line(template: Template, scene: Scene) -> Line:
    sent = scene.outcome is Outcome.SENT
    when = scene.at.isoformat() if sent else scene.reason
    way = (str(scene.channel or ""), scene.sender, scene.text)
    return scene.whom, template.sayings[scene.step].id, str(scene.outcome), when, *way


def settings(case: Case) -> Settings:
    return Settings(house=case.house, kf_account=ACCOUNT, webhook=HOOK)


# ---------------------------------------------------------------- what happens


class Engine:
    """The planner, the sender and the handlers of a community, taking turns until the last day."""

    def __init__(self, db: Database, case: Case) -> None:
        self.db, self.case = db, case
        self.clock, self.post, self.chance = TurnedClock(case.start), Post(), SeededChance(5)
        self.told = Told()
        bell = Bell(self.clock)
        self.planner = Planner(db, self._context, self.clock, bell, "one", alone=True)
        self.sender = Sender(db, self.post, self.clock, bell, bell, case.house, "one")
        self.answers: list[tuple[datetime, str, str, Signal]] = []  # when who does what, and of which step
        self._seen = 0

    async def run(self) -> Told:
        await self.sender.start()
        await self.db.write(self._publish)
        while (upcoming := await self._step()) is not None:
            self.clock._now = upcoming
        await self.db.read(self._read)
        return self.told

    def _publish(self, connection: Connection) -> None:
        ctx, plan = self._ctx(connection), read(self.case.text)
        ctx.tx.templates.save(plan.id, plan.name, self.case.text, by="su")
        ctx.tx.templates.publish(plan.id, 1, zone=ZONE)
        template = ctx.tx.templates.read(plan.id, 1)
        assert template is not None
        self.template = template
        if template.trigger.on not in CLOCKED:
            people = ctx.tx.members.several([one.id for one in self.case.people])
            begin(template, people, ctx)
        else:  # a slot of this very instant is played too
            ctx.tx.templates.schedule(template, ZONE, after=ctx.now - timedelta(milliseconds=1))

    async def _step(self) -> datetime | None:
        """Everything that is due now; returns when anything is again, None after the last day."""
        await self.db.write(self._hear)
        await self.db.write(self._begin)
        while await self.planner.plan_once():
            pass
        await self.sender.send_once()
        await self._note()
        upcoming = [*await self.db.read(self._upcoming), *(answer[0] for answer in self.answers)]
        first = min(upcoming, default=None)
        assert first is None or first > self.clock.now()
        return first if first and first < self.case.start + timedelta(days=self.case.days) else None

    def _begin(self, connection: Connection) -> None:
        ctx = self._ctx(connection)
        for wait in ctx.tx.due.take(ctx.now, 100):
            start_slot(
                WaitEnded(
                    at=ctx.now, what=wait.what, whom=wait.whom, occurrence=wait.occurrence, due=wait.at
                ),
                ctx,
            )

    def _hear(self, connection: Connection) -> None:
        ctx = self._ctx(connection)
        due = [one for one in self.answers if one[0] <= ctx.now]
        self.answers = [one for one in self.answers if one[0] > ctx.now]
        for _, member, step, signal in due:
            end_for(member, signal, ctx, step=(self.template.id, step), at=ctx.now)

    def _upcoming(self, connection: Connection) -> list[datetime]:
        waits = DueStore(connection)
        found = (waits.next_at(), waits.next_step_at(), OutboxStore(connection, self.clock.now()).next_at())
        return [at for at in found if at is not None]

    async def _note(self) -> None:
        """What has just left: a task on somebody's phone, and perhaps an answer to come."""
        now, fresh = self.clock.now(), self.post.arrived[self._seen :]
        self._seen = len(self.post.arrived)
        for parcel in fresh:
            if parcel.channel is Channel.GROUP_SEND:
                self.told.tasks[parcel.sender, local_day(now, ZONE).isoformat()] += 1
        if fresh and self.case.answer_rate:
            for member, step in await self.db.read(lambda c: _left_at(c, now)):
                self._may_answer(member, step, now)

    def _may_answer(self, member: str, step: str, now: datetime) -> None:
        asked = self.template.step(step)
        signals = [branch.on for branch in asked.branches if branch.on] if asked else []
        if asked and signals and answer_lot(self.template, asked, member) < self.case.answer_rate:
            self.answers.append((now + ANSWERS_AFTER, member, step, signals[0]))

    # ------------------------------------------------------------ what became of it

    def _read(self, connection: Connection) -> None:
        self.told.lines.update(self._ledger(connection))
        self.told.lines.update(self._missed(connection))

    def _ledger(self, connection: Connection) -> list[Line]:
        entries = OutboxStore(connection, self.clock.now()).recent(limit=10_000)
        return [self._line(entry) for entry in entries if entry.message.template]

    def _line(self, entry: Entry) -> Line:
        message, became = entry.message, STATES.get(entry.state, "sent")
        left = entry.tried_at.isoformat() if became == "sent" and entry.tried_at else entry.reason
        text = SHORT.sub(TASK if self._has_task(message.step) else LINK, message.content.text)
        whom = message.to_member or message.to_group
        return whom, message.step, became, left, str(message.channel), message.sender, text

    def _has_task(self, step: str) -> bool:
        known = self.template.step(step)
        return known is not None and known.task is not None

    def _missed(self, connection: Connection) -> list[Line]:
        whom = dict(connection.execute(select(journey.c.id, journey.c.whom)).all())
        rows = connection.execute(select(missed).where(missed.c.what == STEP, missed.c.fate != "late"))
        return [
            (
                whom[int(row.whom)],
                self.template.steps[int(row.occurrence)].id,
                row.fate,
                row.reason,
                "",
                "",
                "",
            )
            for row in rows
        ]

    def _ctx(self, connection: Connection) -> Context:
        now = self.clock.now()
        return self._context(ClockTicked(at=now, name="due", slot=now), Tx(connection, now))

    def _context(self, update: Update, tx: Tx) -> Context:
        return Context(tx, tx.now, settings(self.case), self.chance.token, self.chance.fraction, update)


def _left_at(connection: Connection, now: datetime) -> list[tuple[str, str]]:
    rows = connection.execute(
        select(outbox.c.member, outbox.c.step).where(
            outbox.c.tried_at == to_ms(now),
            outbox.c.member != "",
            outbox.c.state.in_([State.CREATED, State.SENT]),
            outbox.c.template != "",
        )
    )
    return [(row.member, row.step) for row in rows]
