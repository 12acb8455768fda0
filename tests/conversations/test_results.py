"""What came of a template: arms hear their own words, goals are noted once, and every number has its people."""

from __future__ import annotations

import pytest

from sop.experiment import HELD_OUT, arm_of
from sop.funnel import Stage, StepLine
from sop.template import Template
from storage.experiment import ExperimentStore
from storage.funnel import FunnelStore, Somebody
from storage.tx import Tx
from tests.world import Person, World, july

PLAN = """
id = "plan"
name = "看你选"
trigger = { on = "friend.added" }
audience = { everyone = true }
goal = { signal = "answered", within_days = 3 }

[[arm]]
name = "问句"
share = 0.5

[[step]]
id = "ask"
when = { after = "1h" }
text = "说说周末：{{ task }}"
task = { kind = "question", question = "周末来吗？", options = ["来", "不来"], closes = "240h" }

[[step.variant]]
arm = "问句"
text = "周末来吗？{{ task }}"
"""


async def plan_of(world: World) -> Template:
    found = await world.ask(lambda tx: tx.templates.read("plan", 1))
    assert found is not None
    return found


async def funnel(world: World) -> StepLine:
    plan = await plan_of(world)
    [line] = await world.ask(lambda tx: FunnelStore(tx.connection, plan, july(1)).lines())
    return line


async def people(world: World, stage: Stage) -> list[Somebody]:
    plan = await plan_of(world)

    def ask(tx: Tx) -> list[Somebody]:
        return FunnelStore(tx.connection, plan, july(1)).people("ask", stage, limit=10)

    return await world.ask(ask)


@pytest.fixture
async def crowd(world: World) -> list[Person]:
    await world.publishes(text=PLAN)
    found = [await world.befriends(name) for name in "甲乙丙丁戊己"]
    await world.turn(hours=2)
    await world.confirms_all()
    await world.turn(minutes=30)
    return found


async def test_each_arm_hears_its_own_words_in_a_task_of_its_own(world: World, crowd: list[Person]) -> None:
    plan = await plan_of(world)
    heard = {person.id: (await person.pushes())[0].message.content.text for person in crowd}

    assert {whom: text.startswith("周末来吗") for whom, text in heard.items()} == {
        person.id: arm_of(plan, person.id) == "问句" for person in crowd
    }


async def test_a_goal_is_noted_once_and_only_in_time(world: World, crowd: list[Person]) -> None:
    early, late, *_ = crowd
    await early.sends(early.link(), option="A")
    await world.turn(days=4)
    await late.sends(late.link(), option="B")

    plan = await plan_of(world)
    tallies = await world.ask(lambda tx: ExperimentStore(tx.connection, tx.now).tallies(plan))

    assert sum(tally.began for tally in tallies.values()) == 6
    assert sum(tally.reached for tally in tallies.values()) == 1
    assert HELD_OUT not in tallies


async def test_every_number_of_the_funnel_has_its_people(world: World, crowd: list[Person]) -> None:
    first = crowd[0]
    await first.sends(first.link(), option="A")

    line = await funnel(world)

    assert line.counts[Stage.DUE] == 6
    for stage in Stage:
        assert len(await people(world, stage)) == line.counts.get(stage, 0), stage
