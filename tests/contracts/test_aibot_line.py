"""The long connection has one holder among all processes, comes back when it breaks, and never fights for the bot."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

import pytest

from bot.aibot_line import Lines
from bot.bell import Bell
from bot.chance import SeededChance
from bot.wecom.aibot_socket import Line
from sop.errors import Blocked, Busy
from storage import inbox, lease, schema
from storage.engine import Connection, SqliteDatabase
from tests.contracts.robots import Bench, bench_of, held

T = TypeVar("T")


class Fragile(SqliteDatabase):
    """A database that can be away."""

    away = 0

    async def write(self, work: Callable[[Connection], T], *, urgent: bool = False) -> T:
        if urgent and self.away:
            self.away -= 1
            raise OSError(28, "No space left on device")
        return await super().write(work, urgent=urgent)


@dataclass
class Fleet:
    """Processes that share a database and each want to hold the bot's connection."""

    bench: Bench
    db: Fragile
    alarms: list[str] = field(default_factory=list)
    lines: dict[str, Line] = field(default_factory=dict)
    tasks: dict[str, asyncio.Task[None]] = field(default_factory=dict)

    async def start(self, name: str, line: Line | None = None) -> Line:
        """One process more."""
        origin = self.bench.line
        own = line or Line(
            origin.bot, origin.url, origin.outgoing, self.bench.clock, SeededChance(len(self.tasks))
        )
        lines = Lines(
            self.db,
            {"helper": own},
            "wwqx2026demo0001",
            self.bench.clock,
            Bell(self.bench.clock),
            Bell(self.bench.clock, here=False),
            lambda: None,
            self.alarm,
            name,
        )
        self.lines[name] = own
        self.tasks[name] = asyncio.create_task(lines.run())
        await self.later(seconds=1)
        return own

    async def stop(self, name: str) -> None:
        self.tasks[name].cancel()
        await asyncio.gather(self.tasks[name], return_exceptions=True)

    async def alarm(self, text: str) -> None:
        self.alarms.append(text)

    async def later(self, **time: float) -> None:
        """Time passes; real work in between is given its moment."""
        for _ in range(5):
            await self.bench.clock.settle()
            await asyncio.sleep(0.005)
        await self.bench.clock.turn(timedelta(**time))
        for _ in range(5):
            await self.bench.clock.settle()
            await asyncio.sleep(0.005)

    @property
    def open(self) -> list[str]:
        return [name for name, line in self.lines.items() if line.open]

    @property
    def subscriptions(self) -> int:
        return self.bench.frames.count("aibot_subscribe")

    async def stored(self) -> int:
        return sum((await self.db.read(inbox.counts)).values())


@pytest.fixture
async def fleet(tmp_path: Path) -> AsyncIterator[Fleet]:
    async with (
        bench_of("websocket") as bench,
        Fragile(f"sqlite:///{tmp_path / 'lines.sqlite'}", synchronous="OFF") as db,
    ):
        await schema.ensure(db)
        fleet = Fleet(bench, db)
        yield fleet
        for name in fleet.tasks:
            await fleet.stop(name)


async def test_of_two_processes_one_connects(fleet: Fleet) -> None:
    await fleet.start("one")
    await fleet.start("two")
    await fleet.later(minutes=10)

    assert fleet.open == ["one"]
    assert fleet.subscriptions == 1


async def test_when_the_holder_stops_another_takes_over(fleet: Fleet) -> None:
    await fleet.start("one")
    await fleet.start("two")

    await fleet.stop("one")
    await fleet.later(seconds=16)

    assert fleet.open == ["two"]


async def test_the_lease_of_a_dead_holder_ends_by_itself(fleet: Fleet) -> None:
    now = fleet.bench.clock.now()
    await fleet.db.write(lambda c: lease.claim(c, ["aibot:helper"], "died", now, timedelta(seconds=90)))
    await fleet.start("one")
    assert fleet.open == []

    await fleet.later(seconds=106)

    assert fleet.open == ["one"]


async def test_what_the_bot_is_told_is_stored_once(fleet: Fleet) -> None:
    await fleet.start("one")

    fleet.bench.sim.bots.say("linmo", "待办")
    fleet.bench.sim.bots.open_chat("linmo")
    await fleet.bench.sim.quiet()
    await fleet.later(seconds=0)

    assert await fleet.stored() == 2


async def test_what_cannot_be_stored_is_kept_until_it_can(fleet: Fleet) -> None:
    await fleet.start("one")
    fleet.db.away = 1

    fleet.bench.sim.bots.say("linmo", "待办")
    await asyncio.sleep(0.2)
    before = await fleet.stored()
    await asyncio.sleep(1.2)

    assert (before, await fleet.stored()) == (0, 1)


async def test_a_broken_connection_comes_back_and_hears_again(fleet: Fleet) -> None:
    await fleet.start("one")

    fleet.bench.sim.bots.sockets.cut("helper")
    await fleet.later(seconds=2)
    fleet.bench.sim.bots.say("linmo", "待办")
    await fleet.later(seconds=1)

    assert fleet.open == ["one"]
    assert await fleet.stored() == 1


@dataclass(eq=False)
class Failing(Line):
    """A line on which every attempt ends with ``ending``."""

    ending: Exception = field(default_factory=lambda: Busy("nobody there"))
    tries: list[datetime] = field(default_factory=list)

    async def hold(self, *args: Any, **kwargs: Any) -> None:
        self.tries.append(self.clock.now())
        raise self.ending


def failing(fleet: Fleet, ending: Exception) -> Failing:
    line = fleet.bench.line
    return Failing(line.bot, line.url, line.outgoing, fleet.bench.clock, SeededChance(1), ending=ending)


async def test_attempts_come_ever_more_slowly_but_never_end(fleet: Fleet) -> None:
    line = failing(fleet, Busy("nobody there"))

    await fleet.start("one", line)
    await fleet.later(minutes=5)

    assert pauses(line.tries)[:8] == [1, 2, 4, 8, 16, 30, 30, 30]


async def test_credentials_that_are_not_taken_are_tried_five_times_and_told(fleet: Fleet) -> None:
    line = failing(fleet, Blocked("密钥不对", code=40001))

    await fleet.start("one", line)
    await fleet.later(hours=1)

    assert len(line.tries) == 5
    assert len(fleet.alarms) == 1
    assert "密钥不对" in fleet.alarms[0]


async def test_taken_over_by_a_stranger_nobody_of_us_fights_and_an_operator_is_told(fleet: Fleet) -> None:
    await fleet.start("one")
    await fleet.start("two")

    stranger = await held(fleet.bench)
    await fleet.later(hours=1)

    assert fleet.open == []
    assert fleet.subscriptions == 2
    assert [text for text in fleet.alarms if "接管" in text] == fleet.alarms
    assert len(fleet.alarms) == 1
    stranger.cancel()
    await asyncio.gather(stranger, return_exceptions=True)


async def test_taken_over_by_one_of_us_is_no_alarm(fleet: Fleet) -> None:
    await fleet.start("one")
    now = fleet.bench.clock.now()

    await fleet.db.write(
        lambda c: lease.claim(c, ["aibot:helper"], "two", now, timedelta(hours=2), anyway=True)
    )
    ours = await held(fleet.bench)
    await fleet.later(hours=1)

    assert fleet.open == []
    assert fleet.alarms == []
    ours.cancel()
    await asyncio.gather(ours, return_exceptions=True)


async def test_whose_lease_is_gone_lets_go(fleet: Fleet) -> None:
    await fleet.start("one")
    now = fleet.bench.clock.now()

    await fleet.db.write(
        lambda c: lease.claim(c, ["aibot:helper"], "two", now, timedelta(hours=2), anyway=True)
    )
    await fleet.later(seconds=31)

    assert fleet.open == []
    assert fleet.bench.sim.bots.sockets.living == {}


def pauses(instants: Sequence[datetime]) -> list[int]:
    return [round((after - before).total_seconds()) for before, after in pairwise(instants)]
