"""The scheduler only ticks. What the clock brings is an update like any other, put into the inbox under a unique key.

APScheduler does the arithmetic of the timetable; nothing here is worth losing. Ten schedulers are one, because a slot is one row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from zoneinfo import ZoneInfo

from apscheduler.triggers.cron import CronTrigger

from bot.bell import Bell
from bot.clock import Clock
from sop.passed import Passed, read_passed
from sop.update import ClockTicked
from storage import inbox
from storage.due import DueStore
from storage.engine import Connection, Database
from storage.position import read_position, write_position

TIMETABLE: dict[str, dict[str, str]] = {
    "tasks": {"minute": "*/10"},  # how staff's group-send tasks are doing
    "archive": {"minute": "*/10"},  # what was said in groups
    "kf": {"minute": "7-57/10"},  # what members wrote, should a bell be lost
    "roll": {"minute": "5"},  # scores and alarms
    "day": {"hour": "4", "minute": "20"},  # expiries, decay, housekeeping
    "reconcile": {"minute": "40"},  # what callbacks lost
}
SECOND, NEVER = timedelta(seconds=1), timedelta(days=36500)


@dataclass
class Scheduler:
    """Puts ``ClockTicked`` into the inbox for the timetable's slots, and ``due`` whenever a wait has run out."""

    db: Database
    clock: Clock
    bell: Bell
    zone: str
    woken: Bell  # the worker's
    idle_s: float = 60.0
    timetable: dict[str, dict[str, str]] = field(default_factory=lambda: dict(TIMETABLE))
    _seen: datetime | None = None  # the clock, when we looked last
    _upcoming: dict[str, datetime] = field(default_factory=dict)

    async def run(self) -> None:
        wait = 0.0
        while True:
            with await self.bell.wait(wait):
                wait = await self.look()

    async def look(self) -> float:
        """Tick what was reached since we looked last; how many seconds until there is something to tick again."""
        now = self.clock.now()
        if self._seen is None or now < self._seen:  # we begin, or the clock was put back
            self._upcoming = {name: await self._resume(name, now) for name in self.timetable}
        self._seen = now
        reached = [name for name, slot in self._upcoming.items() if slot <= now]
        if reached:
            self._upcoming |= await self._tick(reached, now)
        next_due = await self._tick_due(now)
        return self._until([*self._upcoming.values(), *([next_due] if next_due else [])])

    def _until(self, instants: Sequence[datetime]) -> float:
        """Seconds until the first of them."""
        now = self.clock.now()
        return min([self.idle_s, *(max(0.0, (instant - now).total_seconds()) for instant in instants)])

    @cached_property
    def _triggers(self) -> dict[str, CronTrigger]:
        zone = ZoneInfo(self.zone)
        return {name: CronTrigger(timezone=zone, **when) for name, when in self.timetable.items()}

    async def _resume(self, name: str, now: datetime) -> datetime:
        """The first slot to tick: the one after the last that passed; slots slept through are caught up with one tick."""
        passed = read_passed(await self.db.read(lambda c: read_position(c, f"tick:{name}")))
        last = passed.before(now)
        return self._open(name, passed, last + SECOND if last else now)

    def _open(self, name: str, passed: Passed, since: datetime) -> datetime:
        """The first slot from an instant on that has not passed."""
        slot = _next(self._triggers[name], since)
        while slot is not None and (last := passed.until(slot)) is not None:
            slot = _next(self._triggers[name], last + SECOND)
        return slot or since + NEVER

    async def _tick(self, reached: Sequence[str], now: datetime) -> dict[str, datetime]:
        """Tick the newest slot of each entry, in one transaction with what has passed; returns the slots after."""

        def write(connection: Connection) -> dict[str, datetime]:
            return {name: self._tick_one(connection, name, now) for name in reached}

        after = await self.db.write(write)
        self.woken.ring()
        return after

    def _tick_one(self, connection: Connection, name: str, now: datetime) -> datetime:
        passed = read_passed(read_position(connection, f"tick:{name}"))
        slot = _latest(self._triggers[name], now)
        if passed.until(slot) is None:
            inbox.insert(connection, [_knock(name, slot, now)])
            passed = passed.with_slot(
                slot, lambda last, following: _next(self._triggers[name], last + SECOND) == following
            )
            write_position(connection, f"tick:{name}", passed.written())
        return self._open(name, passed, now + SECOND)

    async def _tick_due(self, now: datetime) -> datetime | None:
        """Tick when a wait has run out; returns when the next one will."""
        next_at = await self.db.read(lambda c: DueStore(c).next_at())
        if next_at is None or next_at > now:
            return next_at
        slot = now.replace(microsecond=now.microsecond // 100_000 * 100_000)
        await self.db.write(lambda c: inbox.insert(c, [_knock("due", slot, now)]))
        self.woken.ring()
        return now + timedelta(milliseconds=100)


def _knock(name: str, slot: datetime, now: datetime) -> inbox.Knock:
    """The tick of a slot; equal for everybody who ticks it."""
    ticked = ClockTicked(at=slot, name=name, slot=slot, id=f"tick:{name}:{slot.isoformat()}")
    return inbox.knock_of(ticked, lane=f"clock:{name}", now=now)


def _next(trigger: CronTrigger, since: datetime) -> datetime | None:
    slot: datetime | None = trigger.get_next_fire_time(None, since)
    return slot


def _latest(trigger: CronTrigger, now: datetime) -> datetime:
    """The newest slot that is not after ``now``: however many were slept through, one tick makes up for them."""
    for reach in (
        timedelta(minutes=11),
        timedelta(hours=1, minutes=1),
        timedelta(days=1, minutes=1),
        timedelta(days=32),
    ):
        slot = _next(trigger, now - reach)
        if slot is not None and slot <= now:
            while (later := _next(trigger, slot + timedelta(seconds=1))) is not None and later <= now:
                slot = later
            return slot
    return now
