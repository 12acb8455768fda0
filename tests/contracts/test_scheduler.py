"""The scheduler ticks: each slot once however many tick, and one tick for all that were slept through."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from bot.bell import Bell
from bot.clock import TurnedClock
from bot.scheduler import TIMETABLE, Scheduler
from storage.due import Due, DueStore
from storage.engine import Database
from storage.tables import inbox
from tests.contracts.world import NOW, after

ZONE = "Asia/Shanghai"


@dataclass
class Tower:
    """A database with as many schedulers as one likes, all on one clock."""

    db: Database
    clock: TurnedClock
    zone: str = ZONE
    idle_s: float = 60.0
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    @asynccontextmanager
    async def ticking(self, count: int = 1, **timetable: dict[str, str]) -> AsyncIterator[list[Scheduler]]:
        schedulers = [self._scheduler(timetable) for _ in range(count)]
        self.tasks = [asyncio.create_task(scheduler.run()) for scheduler in schedulers]
        await self.begun(schedulers)
        try:
            yield schedulers
        finally:
            for task in self.tasks:
                task.cancel()
            await asyncio.gather(*self.tasks, return_exceptions=True)

    def _scheduler(self, timetable: dict[str, dict[str, str]]) -> Scheduler:
        bells = Bell(self.clock), self.zone, Deaf(self.clock)
        return Scheduler(self.db, self.clock, *bells, idle_s=self.idle_s, timetable=timetable)

    async def one_dies(self, at: int, **timetable: dict[str, str]) -> None:
        """Called away wherever it stands, and a new one begins in its place."""
        self.tasks[at].cancel()
        await asyncio.gather(self.tasks[at], return_exceptions=True)
        self.tasks[at] = asyncio.create_task(self._scheduler(timetable).run())

    async def begun(self, schedulers: list[Scheduler]) -> None:
        """Until all have read where they are and sleep."""
        for scheduler in schedulers:
            scheduler.bell.ring()
        await self.clock.settle()
        await asyncio.sleep(0.05)
        await self.clock.settle()

    async def pass_time(self, **span: float) -> None:
        """Turn; nobody takes ticks up here, so the worker's bell is let go at once."""
        await self.clock.turn(timedelta(**span))

    async def ticks(self, name: str) -> list[datetime]:
        bodies = await self.db.read(lambda c: list(c.scalars(select(inbox.c.body).order_by(inbox.c.id))))
        told = [json.loads(body) for body in bodies]
        return [datetime.fromisoformat(one["slot"]) for one in told if one["name"] == name]


class Deaf(Bell):
    """A worker's bell that nobody listens to, and that so must not stop the clock."""

    def ring(self) -> None:
        pass


@pytest.fixture
def tower(db: Database, clock: TurnedClock) -> Tower:
    return Tower(db, clock)


HOURLY = {"minute": "5"}
DAILY = {"hour": "4", "minute": "20"}


def utc(day: int, hour: int, minute: int) -> datetime:
    return datetime(2026, 3, day, hour, minute, tzinfo=UTC)


async def test_each_slot_is_ticked_once(tower: Tower) -> None:
    async with tower.ticking(roll=HOURLY):
        await tower.pass_time(hours=3)

    assert await tower.ticks("roll") == [utc(5, 11, 5), utc(5, 12, 5), utc(5, 13, 5)]


async def test_several_schedulers_are_one(tower: Tower) -> None:
    async with tower.ticking(3, roll=HOURLY, tasks={"minute": "*/10"}):
        await tower.pass_time(hours=2)

    assert len(await tower.ticks("roll")) == 2
    assert len(await tower.ticks("tasks")) == 13  # from 19:00 to 21:00, both included


@pytest.mark.parametrize("count", [40, pytest.param(1000, marks=pytest.mark.full)], ids=["few", "stated"])
async def test_four_schedulers_of_which_one_dies_at_every_slot_tick_each_once(
    tower: Tower, count: int
) -> None:
    chance = random.Random(11)
    async with tower.ticking(4, beat={"minute": "*"}):
        for _ in range(count):
            turning = asyncio.create_task(tower.pass_time(minutes=1))
            for _ in range(chance.randrange(40)):  # somewhere in the middle of its work
                await asyncio.sleep(0)
            await tower.one_dies(chance.randrange(4), beat={"minute": "*"})
            await turning

    ticks = await tower.ticks("beat")
    assert ticks == [NOW + timedelta(minutes=minute) for minute in range(count + 1)]


async def test_slots_slept_through_are_caught_up_with_one_tick(tower: Tower) -> None:
    async with tower.ticking(roll=HOURLY):
        await tower.pass_time(hours=1)
    await tower.pass_time(hours=48)  # nobody ticks

    async with tower.ticking(roll=HOURLY):
        await tower.pass_time(minutes=1)

    assert await tower.ticks("roll") == [utc(5, 11, 5), utc(7, 11, 5)]


async def test_a_daily_slot_is_in_local_time(tower: Tower) -> None:
    async with tower.ticking(day=DAILY):
        await tower.pass_time(days=2)

    assert await tower.ticks("day") == [utc(5, 20, 20), utc(6, 20, 20)]


@pytest.mark.parametrize("zone", ["America/New_York", "Europe/Berlin", "Australia/Lord_Howe"])
async def test_a_local_day_has_one_tick_also_when_clocks_change(db: Database, zone: str) -> None:
    tower = Tower(db, TurnedClock(datetime(2026, 3, 1, 0, 0, tzinfo=UTC)), zone, idle_s=1e6)
    async with tower.ticking(day=DAILY):
        for _ in range(250):
            await tower.pass_time(days=1)

    days = [slot.astimezone(ZoneInfo(zone)).date() for slot in await tower.ticks("day")]
    assert len(days) == len(set(days)) == (days[-1] - days[0]).days + 1


async def test_a_wait_that_ran_out_is_ticked(tower: Tower) -> None:
    await tower.db.write(
        lambda c: DueStore(c).add(Due(what="expiry", whom="1", occurrence="0", at=after(seconds=90)))
    )
    async with tower.ticking():
        await tower.pass_time(seconds=89)
        before = await tower.ticks("due")
        await tower.pass_time(seconds=2)

    assert before == []
    assert (await tower.ticks("due"))[0] == after(seconds=90)


async def test_a_new_wait_is_heard_of_by_the_bell(tower: Tower) -> None:
    async with tower.ticking() as (scheduler,):
        await tower.db.write(lambda c: DueStore(c).add(Due(what="expiry", whom="1", occurrence="0", at=NOW)))
        scheduler.bell.ring()
        await tower.clock.settle()

    assert len(await tower.ticks("due")) == 1


def test_the_timetable_can_be_read() -> None:
    assert set(TIMETABLE) == {"tasks", "archive", "kf", "roll", "day", "reconcile"}
