"""The scheduler only ticks. What the clock brings is an update like any other, put into the inbox under a unique key.

APScheduler does the arithmetic of the timetable; nothing here is worth losing. Ten schedulers are one, because a slot is one row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from apscheduler.triggers.cron import CronTrigger

from bot.bell import Bell
from bot.clock import Clock
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

    async def run(self) -> None:
        zone = ZoneInfo(self.zone)
        triggers = {name: CronTrigger(timezone=zone, **when) for name, when in self.timetable.items()}
        upcoming = {name: await self._first_slot(name, trigger) for name, trigger in triggers.items()}
        wait = 0.0
        while True:
            with await self.bell.wait(wait):
                now = self.clock.now()
                reached = {name: triggers[name] for name, slot in upcoming.items() if slot <= now}
                upcoming |= await self._tick(reached, now)
                next_due = await self._tick_due(now)
            wait = self._until([*upcoming.values(), *([next_due] if next_due else [])])

    def _until(self, instants: Sequence[datetime]) -> float:
        """Seconds until the first of them."""
        now = self.clock.now()
        return min([self.idle_s, *(max(0.0, (instant - now).total_seconds()) for instant in instants)])

    async def _first_slot(self, name: str, trigger: CronTrigger) -> datetime:
        """The first slot after the last one ticked; slots slept through are caught up with one tick."""
        last = await self.db.read(lambda c: read_position(c, f"tick:{name}"))
        now = self.clock.now()
        since = datetime.fromisoformat(last) + timedelta(seconds=1) if last else now
        return _next(trigger, since) or now

    async def _tick(self, reached: Mapping[str, CronTrigger], now: datetime) -> dict[str, datetime]:
        """Tick the newest slot of each entry, in one transaction with how far we are; returns the slots after."""
        if not reached:
            return {}
        slots = {name: _latest(trigger, now) for name, trigger in reached.items()}

        def write(connection: Connection) -> None:
            inbox.insert(connection, [_knock(name, slot, now) for name, slot in slots.items()])
            for name, slot in slots.items():
                write_position(connection, f"tick:{name}", slot.isoformat())

        await self.db.write(write)
        self.woken.ring()
        after = now + timedelta(seconds=1)
        return {name: _next(trigger, after) or now + timedelta(hours=1) for name, trigger in reached.items()}

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
