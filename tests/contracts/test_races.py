"""Whoever has left, or said no, by the time a send begins is not written to, however close the race was."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, insert, select

from bot.bell import Bell
from bot.clock import TurnedClock
from bot.gateway import Parcel
from bot.planner import Planner
from bot.sender import Sender
from handlers import ROUTERS
from handlers.context import Context, Settings
from handlers.reaction import react
from handlers.router import Switchboard
from sop.receipt import Sent, State
from sop.update import ConsentChanged, FriendLost, Update
from storage.engine import Database
from storage.instant import to_ms
from storage.policy import House
from storage.tables import due, friend, journey, member, outbox
from storage.template import TemplateStore
from storage.tx import Tx
from tests.contracts.post import Post
from tests.contracts.world import NOW

BEGUN = (State.SENDING, State.SENT, State.UNKNOWN)
CHUNK = 20  # whose step comes due together
HOUSE = Switchboard(ROUTERS)
PLAN = """
id = "growth"
name = "成长计划"
[trigger]
on = "friend.added"
[audience]
everyone = true
[guard]
off = true
[[step]]
id = "day1"
when = { after = "1h" }
channel = "kf"
text = "第一天"
"""


class Unhurried(Post):
    """A platform that takes its time, now more and now less."""

    chance = random.Random(3)

    async def send(self, parcel: Parcel) -> Sent:
        for _ in range(self.chance.randrange(20)):
            await asyncio.sleep(0)
        return await super().send(parcel)


@dataclass
class Race:
    """Steps that come due while members go away: what each transaction of theirs saw of our message, and how it ended."""

    db: Database
    goes: Callable[[str], Update]
    clock: TurnedClock = field(default_factory=lambda: TurnedClock(NOW))
    post: Unhurried = field(default_factory=Unhurried)
    seen: dict[str, list[str]] = field(default_factory=dict)  # member → states when they had gone
    linger: float = 60.0  # for how many looks at the database the slowest waits; a slower machine needs more

    def __post_init__(self) -> None:
        bells = [Bell(self.clock) for _ in range(3)]
        self.planner = Planner(self.db, self.context_of, self.clock, bells[0], "planner", alone=True)
        self.sender = Sender(self.db, self.post, self.clock, bells[1], bells[2], House(), "sender")
        self.chance = random.Random(11)

    def context_of(self, update: Update, tx: Tx) -> Context:
        return Context(tx, tx.now, Settings(kf_account="wk"), str, float, update)

    async def run(self, count: int) -> None:
        await self.db.write(lambda c: furnish(c, count))
        await self.sender.start()
        for start in range(0, count, CHUNK):
            self.clock._now += timedelta(seconds=1)
            members = [f"m{number}" for number in range(start, min(start + CHUNK, count))]
            await asyncio.gather(self.work(), *(self.leave(one) for one in members))
            self._even_the_odds(len(self.written_to() & set(members)))
        await self.work()

    def _even_the_odds(self, written: int) -> None:
        if written < CHUNK / 3:
            self.linger = min(300.0, self.linger * 1.6)
        elif written > CHUNK * 2 / 3:
            self.linger = max(4.0, self.linger / 1.6)

    async def work(self) -> None:
        while await self.planner.plan_once():
            pass
        await self._dawdle(20)  # what is planned stands for a while, and may be taken back
        while await self.sender.send_once():
            pass

    async def _dawdle(self, most: int) -> None:
        for _ in range(self.chance.randrange(most)):
            await self.db.read(lambda c: c.scalar(select(1)))

    async def leave(self, who: str) -> None:
        await self._dawdle(int(self.linger))
        self.seen[who] = await self.db.write(lambda c: self._leave(c, who))

    def _leave(self, connection: Connection, who: str) -> list[str]:
        react(self.goes(who), Tx(connection, self.clock.now()), HOUSE, self._told)
        return list(connection.scalars(select(outbox.c.state).where(outbox.c.member == who)))

    def _told(self, update: Update, tx: Tx) -> Context:
        return self.context_of(update, tx)

    async def after_all(self) -> list[str]:
        """Who was written to although nothing had begun when they had gone."""
        rows = await self.db.read(lambda c: c.execute(select(outbox.c.member, outbox.c.state)).all())
        begun = {row.member for row in rows if row.state in BEGUN}
        return sorted(who for who, seen in self.seen.items() if who in begun and not set(seen) & set(BEGUN))

    def written_to(self) -> set[str]:
        return {recipient for parcel in self.post.arrived for recipient in parcel.recipients}


def furnish(connection: Connection, count: int) -> None:
    """Friends whose step comes due a second after the last twenty's."""
    store = TemplateStore(connection, NOW)
    store.save("growth", "成长计划", PLAN, by="test")
    store.publish("growth", 1, zone="Asia/Shanghai")
    numbers, second = range(count), 1000
    at = [to_ms(NOW) + (number // CHUNK + 1) * second for number in numbers]
    shared: dict[str, Any] = {
        "template": "growth",
        "version": 1,
        "subject": "member",
        "run": 1,
        "state": "active",
    }
    rows: list[tuple[Any, Sequence[dict[str, Any]]]] = [
        (member, [{"id": f"m{n}", "seen_at": to_ms(NOW)} for n in numbers]),
        (friend, [{"member": f"m{n}", "staff": "wang", "since_at": to_ms(NOW)} for n in numbers]),
        (
            journey,
            [
                shared | {"id": n + 1, "whom": f"m{n}", "anchor_at": at[n] - 3600 * second, "changed_at": to_ms(NOW)}
                for n in numbers
            ],
        ),
        (
            due,
            [
                {"what": "step", "whom": str(n + 1), "occurrence": "0", "due_at": at[n], "version": 1, "data": {}}
                for n in numbers
            ],
        ),
    ]  # fmt: skip
    for table, values in rows:
        connection.execute(insert(table), values)


def leaves(who: str) -> Update:
    return FriendLost(at=NOW, id=f"lost:{who}", member=who, staff="wang", by="member")


def says_no(who: str) -> Update:
    return ConsentChanged(at=NOW, id=f"no:{who}", member=who, granted=False, channel="kf")


def stated(count: int) -> Any:
    return pytest.param(count, marks=[pytest.mark.full, pytest.mark.timeout(600)], id="stated")


@pytest.mark.parametrize("count", [pytest.param(100, id="few"), stated(2000)])
async def test_nothing_begins_after_a_leave_we_have_recorded(db: Database, count: int) -> None:
    race = Race(db, leaves)

    await race.run(count)

    assert await race.after_all() == []
    close(race, count)


@pytest.mark.parametrize("count", [pytest.param(100, id="few"), stated(5000)])
async def test_nothing_begins_after_an_opt_out_commits(db: Database, count: int) -> None:
    race = Race(db, says_no)

    await race.run(count)

    assert await race.after_all() == []
    close(race, count)


def close(race: Race, count: int) -> None:
    """A race that one side always wins says nothing."""
    written = len(race.written_to())
    print(f"{count} races, {written} were written to first")
    assert count * 0.05 < written < count * 0.95
