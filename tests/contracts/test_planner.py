"""The planner: due steps become messages in sets, once, and one that cannot be said stops nobody."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import pytest

from bot.bell import Bell
from bot.chance import SystemChance
from bot.clock import TurnedClock
from bot.planner import TERM, Planner
from handlers import step
from handlers.context import Context, Settings
from handlers.planning import Overtaken, Plan, carry_out, plan
from sop.journey import Journey, JourneyState
from sop.template import Subject, Template
from sop.update import Update
from storage.due import DueStore
from storage.engine import Connection, Database
from storage.journey import JourneyStore
from storage.lease import Stale
from storage.link import LinkStore, Tracked
from storage.member import MemberStore
from storage.outbox import OutboxStore
from storage.template import TemplateStore
from storage.tx import Tx
from tests.contracts.world import NOW

TWO_DAYS = """
id = "growth"
name = "成长计划"
version = 1
trigger = { on = "friend.added" }
audience = { everyone = true }

[[step]]
id = "day1"
when = { after = "1m" }
text = "看看这篇 {{ link }}"
link = { url = "https://example.com/1" }

[[step]]
id = "day2"
when = { after = "24h" }
text = "第二天"
"""


@dataclass
class Walk:
    """Members on a journey whose first step is due, and planners over their database."""

    db: Database
    clock: TurnedClock

    async def begin(self, *members: str, minutes: float = 2) -> None:
        def begin(connection: Connection) -> None:
            templates = TemplateStore(connection, NOW)
            templates.save("growth", "成长计划", TWO_DAYS, by="wang")
            templates.publish("growth", 1, zone="Asia/Shanghai")
            template = templates.read("growth", 1)
            assert template is not None
            self._enrol(connection, template, members)

        await self.db.write(begin)
        await self.clock.turn(timedelta(minutes=minutes))

    def _enrol(self, connection: Connection, template: Template, members: tuple[str, ...]) -> None:
        people, journeys = MemberStore(connection, NOW, lambda u: None), JourneyStore(connection, NOW)
        for member in members:
            people.meet(member)
            people.befriend(member, "wang", since=NOW)
        begun = [
            Journey(template="growth", version=1, subject=Subject.MEMBER, whom=member, run=1, anchor=NOW)
            for member in members
        ]
        journeys.await_steps(template, journeys.enrol(begun), "Asia/Shanghai")

    def planner(self, name: str = "one", *, alone: bool = False) -> Planner:
        return Planner(self.db, self.context, self.clock, Bell(self.clock), name, alone=alone)

    def context(self, update: Update, tx: Tx) -> Context:
        chance = SystemChance()
        return Context(tx, tx.now, Settings(), chance.token, chance.fraction, update)

    def at(self, connection: Connection) -> Context:
        """The same as a planner has it, over any connection."""
        return self.planner()._context(connection)

    async def plan(self, planner: Planner | None = None) -> None:
        """Plan until nobody's turn has come."""
        planner = planner or self.planner(alone=True)
        while await planner.plan_once():
            pass

    async def singly(self) -> Plan:
        """What those whose turn has come would be said, each decided alone."""
        now = self.clock.now()
        return await self.db.read(lambda c: plan(self.at(c), DueStore(c).turns(now)))

    async def said(self) -> dict[str, str]:
        entries = await self.db.read(lambda c: OutboxStore(c, NOW).recent())
        return {entry.message.to_member: entry.message.content.text for entry in entries}

    async def missed(self) -> list[tuple[str, str]]:
        rows = await self.db.read(lambda c: DueStore(c).missed())
        return [(row.whom, row.fate) for row in rows]


@pytest.fixture
def walk(db: Database, clock: TurnedClock) -> Walk:
    return Walk(db, clock)


async def test_a_due_step_becomes_a_message_and_a_wait_for_the_next(walk: Walk) -> None:
    await walk.begin("wm1", "wm2")

    await walk.plan()

    assert set(await walk.said()) == {"wm1", "wm2"}
    assert await walk.db.read(lambda c: DueStore(c).next_step_at()) == NOW + timedelta(hours=24)


async def test_what_is_planned_is_planned_once(walk: Walk) -> None:
    await walk.begin("wm1")

    await walk.plan()
    again = await walk.planner().plan_once()

    assert again == 0
    assert len(await walk.said()) == 1


async def test_of_two_planners_one_plans(walk: Walk) -> None:
    await walk.begin("wm1")
    one, other = walk.planner("one"), walk.planner("other")

    first = await one.plan_once()
    await walk.begin("wm2", minutes=0)

    assert first > 0
    assert await other.plan_once() == 0
    assert await one.plan_once() > 0


async def test_a_planner_that_slept_past_its_lease_stores_nothing(walk: Walk) -> None:
    await walk.begin("wm1")
    sleepy, other = walk.planner("sleepy"), walk.planner("other")
    await walk.plan(sleepy)
    await walk.begin("wm2")
    stale = await walk.singly()
    await walk.clock.turn(2 * TERM)
    await walk.plan(other)

    with pytest.raises(Stale):
        await sleepy._write(lambda ctx: carry_out(stale, ctx))

    assert len(await walk.said()) == 2


async def test_whose_journey_ends_before_the_plan_is_stored_hears_nothing(walk: Walk) -> None:
    await walk.begin("wm1", "wm2")
    planned = await walk.singly()

    def leave(connection: Connection) -> None:
        [gone] = JourneyStore(connection, NOW).active_of("wm1")
        JourneyStore(connection, NOW).end([gone.id], JourneyState.EXITED, "退群")
        DueStore(connection).drop("step", [str(gone.id)])

    await walk.db.write(leave)
    await walk.db.write(lambda c: carry_out(planned, walk.at(c)))

    assert set(await walk.said()) == {"wm2"}
    assert await walk.db.read(lambda c: JourneyStore(c, NOW).active_of("wm1")) == []


async def test_a_step_that_cannot_be_written_is_listed_and_stops_nobody(
    walk: Walk, monkeypatch: pytest.MonkeyPatch
) -> None:
    await walk.begin("wm1", "wm2")
    write: Callable[..., object] = step.Scribe.write

    def stumbling(scribe: step.Scribe, template: Template, due: object, to: step.Recipient) -> object:
        if to.journey.whom == "wm1":
            raise ZeroDivisionError
        return write(scribe, template, due, to)

    monkeypatch.setattr(step.Scribe, "write", stumbling)
    await walk.plan()

    assert set(await walk.said()) == {"wm2"}
    assert [became for _, became in await walk.missed()] == ["failed"]


async def test_a_link_somebody_made_meanwhile_is_the_one_in_the_message(walk: Walk) -> None:
    await walk.begin("wm1")
    planned = await walk.singly()
    [ours] = planned.links
    theirs = Tracked("theirs", ours.target, ours.title, ours.template, ours.step, ours.owner)
    await walk.db.write(lambda c: LinkStore(c, NOW).keep([theirs]))

    with pytest.raises(Overtaken):
        await walk.db.write(lambda c: carry_out(planned, walk.at(c)))
    await walk.plan()

    assert "/l/theirs" in (await walk.said())["wm1"]


async def test_a_late_step_without_words_says_that_it_had_none(walk: Walk) -> None:
    await walk.begin("wm1", minutes=30)
    await walk.db.write(lambda c: MemberStore(c, NOW, lambda u: None).unfriend("wm1", "wang", "member", NOW))

    await walk.plan()

    assert await walk.said() == {}
    assert [became for _, became in await walk.missed()] == ["unsaid"]
