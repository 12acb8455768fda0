"""Edits while people are inside: everybody keeps one version unless moved on purpose, and nobody hears a step twice."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random

import pytest
from sqlalchemy import event, select

from bot.clock import TurnedClock
from handlers import version as moving
from sop.journey import Journey
from sop.message import Channel
from sop.receipt import State
from sop.template import Subject
from sop.update import WaitEnded
from storage.due import DueStore
from storage.engine import Connection, Database
from storage.journey import JourneyStore
from storage.member import MemberStore
from storage.outbox import OutboxStore
from storage.tables import due, journey, template
from storage.template import TemplateStore
from storage.version import MIGRATE, VersionStore
from tests.contracts.test_planner import Walk
from tests.contracts.world import NOW

ZONE = "Asia/Shanghai"
SEED = 20261123


@dataclass
class Edited(Walk):
    """Members on a plan that operators keep rewriting."""

    chance: Random = field(default_factory=lambda: Random(SEED))
    number: int = 0
    moved: set[int] = field(default_factory=set)

    async def rewrite(self) -> int:
        """Publish the plan anew with some of its steps, at other hours; its version."""
        kept = sorted(self.chance.sample(range(12), 6))
        steps = "".join(
            f'[[step]]\nid = "s{at}"\nwhen = {{ after = "{at * 5 + self.chance.randrange(1, 4)}h", window = "48h" }}\n'
            f'text = "第 {at} 步，第 {self.number} 次写"\n'
            for at in kept
        )
        self.number += 1
        head = f'id = "growth"\nname = "计划"\nversion = {self.number}\ntrigger = {{ on = "friend.added" }}\n'

        def publish(connection: Connection) -> int:
            store = TemplateStore(connection, self.clock.now())
            saved = store.save(
                "growth", "计划", f"{head}audience = {{ everyone = true }}\n{steps}", by="wang"
            )
            store.publish("growth", saved.version, zone=ZONE)
            return saved.version

        return await self.db.write(publish)

    async def enrol(self, members: range, version: int) -> None:
        def begin(connection: Connection) -> None:
            now = self.clock.now()
            people, journeys = MemberStore(connection, now, lambda u: None), JourneyStore(connection, now)
            template = TemplateStore(connection, now).read("growth", version)
            assert template is not None
            for number in members:
                people.meet(f"wm{number}")
                people.befriend(f"wm{number}", "wang", since=now)
            begun = [
                Journey(
                    template="growth",
                    version=version,
                    subject=Subject.MEMBER,
                    whom=f"wm{n}",
                    run=1,
                    anchor=now,
                )
                for n in members
            ]
            journeys.await_steps(template, journeys.enrol(begun), ZONE)

        await self.db.write(begin)

    async def send(self) -> None:
        """What waits is sent, about every other time before the next edit comes."""
        if self.chance.random() < 0.5:
            return
        ahead = self.clock.now() + timedelta(minutes=5)

        def sent(connection: Connection) -> None:
            ledger = OutboxStore(connection, ahead)
            claimed = ledger.claim(10_000, channels=[Channel.GROUP_SEND], fence=1)
            ledger.settle([entry.id for entry in claimed], State.SENT, fence=1)

        await self.db.write(sent)

    async def move(self, version: int) -> None:
        """Everybody under way goes on in this version."""
        now = self.clock.now()

        def start(connection: Connection) -> set[int]:
            store = JourneyStore(connection, now)
            VersionStore(connection, now).migrate("growth", version)
            return {one.id for one in store.on_other_versions("growth", version, 10_000)}

        self.moved |= await self.db.write(start)
        while await self.db.write(self._tell):
            pass

    def _tell(self, connection: Connection) -> int:
        waits = DueStore(connection).of(MIGRATE, "growth")
        ctx = self.at(connection)
        for wait in waits:
            DueStore(connection).drop(MIGRATE, ["growth"])
            data = tuple(wait.data.items())
            moving.migrate(
                WaitEnded(
                    at=ctx.now,
                    what=wait.what,
                    whom=wait.whom,
                    occurrence=wait.occurrence,
                    due=wait.at,
                    data=data,
                ),
                ctx,
            )
        return len(waits)


@pytest.mark.parametrize(("members", "edits"), [(80, 24), pytest.param(1000, 100, marks=pytest.mark.full)])
async def test_edits_mix_no_versions_and_say_no_step_twice(db: Database, members: int, edits: int) -> None:
    walk = Edited(db, TurnedClock(NOW))
    version, each = await walk.rewrite(), members // 8
    for edit in range(edits):
        if edit < 8:
            await walk.enrol(range(edit * each, (edit + 1) * each), version)
        await walk.clock.turn(timedelta(hours=walk.chance.randrange(3, 15)))
        await walk.plan()
        await walk.send()
        version = await walk.rewrite()
        if walk.chance.random() < 0.3:
            await walk.move(version)

    entries = await db.read(lambda c: OutboxStore(c, NOW).recent(limit=100_000))
    journeys = await db.read(lambda c: JourneyStore(c, NOW).recent(template="growth", limit=10_000))
    said = Counter((entry.message.journey, entry.message.step) for entry in entries)
    spoken: dict[int, set[int]] = {}
    for entry in entries:
        spoken.setdefault(entry.message.journey, set()).add(entry.message.template_version)
    assert len(journeys) == 8 * each
    assert len(said) > members
    assert max(said.values()) == 1
    for one in journeys:
        assert one.id in walk.moved or spoken.get(one.id, {one.version}) == {one.version}
    assert walk.moved


async def test_wherever_publishing_dies_nothing_of_it_is_there(db: Database) -> None:
    walk = Edited(db, TurnedClock(NOW))
    first = await walk.rewrite()
    await walk.enrol(range(3), first)
    draft = await db.write(
        lambda c: TemplateStore(c, NOW).save("growth", "计划", REWRITTEN, by="wang").version
    )
    before = await db.read(_everything)

    died = 0
    while await _dies(db, draft, after=died):
        assert await db.read(_everything) == before
        died += 1

    assert died > 5
    assert await db.read(_everything) != before


REWRITTEN = """
id = "growth"
name = "计划"
version = 2
trigger = { on = "friend.added" }
audience = { everyone = true }

[[step]]
id = "other"
when = { after = "50h" }
text = "重写了"
"""


class Died(Exception):
    """The process is gone in the middle."""


async def _dies(db: Database, version: int, *, after: int) -> bool:
    """Publish and move, and die after so many statements; False when it was done before."""

    def work(connection: Connection) -> None:
        left = [after]

        def count(*_: object) -> None:
            left[0] -= 1
            if left[0] < 0:
                raise Died

        event.listen(connection, "after_cursor_execute", count)
        try:
            TemplateStore(connection, NOW).publish("growth", version, zone=ZONE)
            VersionStore(connection, NOW).migrate("growth", version)
        finally:
            event.remove(connection, "after_cursor_execute", count)

    try:
        await db.write(work)
    except Died:
        return True
    return False


def _everything(connection: Connection) -> list[list[tuple[object, ...]]]:
    tables = (template, journey, due)
    return [
        [tuple(row) for row in connection.execute(select(one).order_by(*one.primary_key))] for one in tables
    ]
