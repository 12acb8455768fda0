"""A clock that jumps by an hour, a day or a year makes nothing happen twice, and nothing never."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import delete, select

from bot.bell import Bell
from bot.chance import SystemChance
from bot.clock import TurnedClock
from bot.planner import Planner
from bot.scheduler import Scheduler
from handlers.context import Context, Settings
from sop.file import read
from sop.journey import Journey
from sop.passed import Passed
from sop.template import Subject
from sop.timing import local_day
from sop.update import Update
from storage.engine import Connection, Database
from storage.tables import due, inbox, journey, missed, outbox
from storage.template import SLOT, TemplateStore
from storage.tx import Tx
from tests.contracts.world import NOW

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
JUMPS = [sign * span for span in (HOUR, DAY, 400 * DAY) for sign in (1, -1)]
FEW = 10  # of each; stated are 100
ZONE = "America/New_York"
WEEKLY = """
id = "weekly"
name = "每周一次"
[trigger]
on = "weekly"
weekday = "sat"
time = 20:00:00
[audience]
everyone = true
[[step]]
id = "only"
when = { after = "0s" }
text = "周末好"
"""


class Deaf(Bell):
    """A worker's bell that nobody listens to, and that so must not stop the clock."""

    def ring(self) -> None:
        pass


@dataclass
class Tower:
    """A scheduler whose clock can be put forward and back; what it ticks is taken away at once, as if handled and forgotten."""

    db: Database
    clock: TurnedClock
    ticked: list[datetime] = field(default_factory=list)
    expected: set[datetime] = field(default_factory=set)
    scheduler: Scheduler = field(init=False)

    def __post_init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        timetable = {"day": {"hour": "4", "minute": "20"}}
        bell, worker = Bell(self.clock), Deaf(self.clock)
        self.scheduler = Scheduler(self.db, self.clock, bell, ZONE, worker, timetable=timetable)

    async def passes(self, span: timedelta) -> None:
        """Time goes on without a jump; every slot on the way is expected."""
        until = self.clock.now() + span
        while self.clock.now() < until:
            await self.goes_to(min(until, self.clock.now() + 6 * HOUR))

    async def goes_to(self, instant: datetime) -> None:
        before = self.clock.now()
        self.clock._now = instant
        self.expected |= slots(before, instant)
        await self.look()

    async def jumps(self, span: timedelta) -> None:
        self.clock._now += span
        await self.look()

    async def look(self) -> None:
        await self.scheduler.look()
        self.ticked += await self.db.write(taken)


def slots(after: datetime, until: datetime) -> set[datetime]:
    """Every 4:20 on the wall in New York in a stretch of time, found by looking at every minute of it."""
    zone, found = ZoneInfo(ZONE), set()
    minute = after.replace(second=0, microsecond=0)
    while minute <= until:
        there = minute.astimezone(zone)
        if minute > after and (there.hour, there.minute, there.fold) == (4, 20, 0):
            found.add(minute)
        minute += timedelta(minutes=20)
    return found


def taken(connection: Connection) -> list[datetime]:
    rows = list(connection.execute(select(inbox.c.id, inbox.c.body).order_by(inbox.c.id)))
    connection.execute(delete(inbox))
    return [datetime.fromisoformat(json.loads(row.body)["slot"]) for row in rows]


async def wander(db: Database, each: int) -> Tower:
    """So many jumps of each size in any order, with some days between them."""
    chance, tower = Random(7), Tower(db, TurnedClock(datetime(2026, 3, 1, 12, tzinfo=UTC)))
    await tower.look()
    jumps = JUMPS * each
    chance.shuffle(jumps)
    for jump in jumps:
        await tower.passes(chance.randrange(1, 60) * HOUR)
        await tower.jumps(jump)
        if chance.random() < 0.2:
            tower.begin()  # and starts anew
    return tower


async def test_jumps_repeat_and_skip_no_slot(sqlite: Database) -> None:
    tower = await wander(sqlite, FEW)

    assert [slot for slot, count in Counter(tower.ticked).items() if count > 1] == []
    assert tower.expected - set(tower.ticked) == set()


@pytest.mark.full
async def test_a_hundred_jumps_of_each_size_repeat_and_skip_no_slot(sqlite: Database) -> None:
    tower = await wander(sqlite, 100)

    assert [slot for slot, count in Counter(tower.ticked).items() if count > 1] == []
    assert tower.expected - set(tower.ticked) == set()


def forgets(passed: Passed, slot: datetime, follows: Any) -> Passed:
    return Passed()


def swallows(passed: Passed, slot: datetime, follows: Any) -> Passed:
    first = min([slot, *(first for first, _ in passed.stretches)])
    return Passed(((first, max([slot, *(last for _, last in passed.stretches)])),))


@pytest.mark.parametrize("mutant", [forgets, swallows])
async def test_a_scheduler_that_forgets_or_swallows_slots_is_seen(
    sqlite: Database, mutant: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Passed, "with_slot", mutant)

    tower = await wander(sqlite, FEW)

    assert len(tower.ticked) > len(set(tower.ticked)) or tower.expected - set(tower.ticked)


# ---------------------------------------------------------------- journeys

STEPS = 30
PLAN = """
id = "plan"
name = "一个月"
[trigger]
on = "friend.added"
[audience]
everyone = true
"""
DAILY = """
[[step]]
id = "day{day}"
when = {{ day = {day}, time = 09:00:00, window = "4h" }}
text = "第 {day} 天"
"""


async def walk(db: Database, each: int) -> dict[tuple[int, str], int]:
    """Members walk a month of daily steps while the clock jumps; how often each step they passed was said or listed."""
    chance, clock = Random(11), TurnedClock(NOW)
    await db.write(begin_walk)
    planner = Planner(db, context, clock, Bell(clock), "one", alone=True)
    jumps = JUMPS * each
    chance.shuffle(jumps)
    for jump in jumps:
        for step in (jump, *[7 * HOUR] * chance.randrange(8)):
            clock._now += step
            while await planner.plan_once():
                pass
    return await db.read(accounted)


def begin_walk(connection: Connection) -> None:
    tx = Tx(connection, NOW)
    text = PLAN + "".join(DAILY.format(day=day) for day in range(1, STEPS + 1))
    tx.templates.save("plan", "一个月", text, by="su")
    tx.templates.publish("plan", 1, zone=ZONE)
    template = tx.templates.read("plan", 1)
    assert template is not None
    for who in ("lin", "zhou", "wu"):
        tx.members.meet(who, seen_at=NOW)
        tx.members.befriend(who, "wang", since=NOW)
        one = Journey(template="plan", version=1, subject=Subject.MEMBER, whom=who, run=1, anchor=NOW)
        tx.journeys.await_steps(template, tx.journeys.enrol([one]), ZONE)


def accounted(connection: Connection) -> dict[tuple[int, str], int]:
    found = Counter[tuple[int, str]]()
    for row in connection.execute(select(journey.c.id, journey.c.step)):
        found.update({(row.id, f"day{at + 1}"): 0 for at in range(row.step)})
    for row in connection.execute(select(outbox.c.journey, outbox.c.step)):
        found[row.journey, row.step] += 1
    for whom, at, fate in connection.execute(select(missed.c.whom, missed.c.occurrence, missed.c.fate)):
        found[int(whom), f"day{int(at) + 1}"] += fate != "late"
    return dict(found)


def context(update: Update, tx: Tx) -> Context:
    chance = SystemChance()
    return Context(tx, tx.now, Settings(), chance.token, chance.fraction, update)


async def test_jumps_repeat_and_skip_no_step(sqlite: Database) -> None:
    steps = await walk(sqlite, FEW)

    assert len(steps) >= 3 * STEPS // 2
    assert {step for step, times in steps.items() if times != 1} == set()


@pytest.mark.full
async def test_a_hundred_jumps_of_each_size_repeat_and_skip_no_step(sqlite: Database) -> None:
    steps = await walk(sqlite, 100)

    assert {step for step, times in steps.items() if times != 1} == set()


# ---------------------------------------------------------------- what the clock starts


async def test_a_weekly_template_begins_again_as_soon_as_the_clock_is_right_again(db: Database) -> None:
    """Put forward by a year and back, the clock has begun one week too early, and begins none of the others late."""
    plan = read(WEEKLY)

    def ask(connection: Connection) -> list[datetime]:
        store = TemplateStore(connection, NOW)
        store.save("weekly", "每周一次", WEEKLY, by="su")
        store.publish("weekly", 1, zone=ZONE)
        store.pass_slot(plan, ZONE, first(connection))
        far = NOW + 400 * DAY
        store.schedule(plan, ZONE, after=far)
        store.schedule(plan, ZONE, after=NOW)
        return waits(connection)

    def waits(connection: Connection) -> list[datetime]:
        rows = connection.scalars(select(due.c.occurrence).where(due.c.what == SLOT).order_by(due.c.due_at))
        return [datetime.fromisoformat(one) for one in rows]

    def first(connection: Connection) -> datetime:
        return waits(connection)[0]

    passed, following, far = await db.write(ask)

    assert local_day(following, ZONE) - local_day(passed, ZONE) == 7 * DAY
    assert far > NOW + 400 * DAY
