"""Where a journey goes on depends on what the member does: opens, answers, or neither in time."""

from __future__ import annotations

import pytest

from sop.journey import Journey
from tests.world import Person, World, july

PLAN = """
id = "plan"
name = "看你选"

[trigger]
on = "friend.added"

[audience]
everyone = true

[[step]]
id = "ask"
when = { day = 1, time = 19:30:00 }
text = "周末来吗？{{ task }}"
task = { kind = "question", question = "周末来吗？", options = ["来", "不来"], closes = "48h" }
decide = "24h"

  [[step.branch]]
  on = "answered"
  to = "thanks"

  [[step.branch]]
  on = "replied"
  to = "end"

  [[step.branch]]
  on = "else"
  to = "nudge"

[[step]]
id = "thanks"
when = { wait = "1h" }
text = "收到，给你留位。"
then = "after"

[[step]]
id = "nudge"
when = { wait = "1h" }
text = "还没想好？周末见也不迟。"

[[step]]
id = "after"
when = { day = 5, time = 19:30:00 }
text = "周末过得怎么样？"
"""


@pytest.fixture
async def lin(world: World) -> Person:
    await world.publishes(text=PLAN)
    person = await world.befriends("小林")
    await at(world, 3, "19:29")
    return person


async def test_who_answers_goes_the_way_of_those_who_answer(world: World, lin: Person) -> None:
    await lin.sends(lin.link(), option="A")

    await at(world, 3, "20:51")
    await at(world, 7, "19:29")

    assert heard(lin) == ["收到，给你留位。", "周末过得怎么样？"]
    assert await state(lin) == ("done", "走完了全部步骤")


async def test_who_does_nothing_in_time_goes_the_way_of_the_others(world: World, lin: Person) -> None:
    await at(world, 4, "19:34")
    await at(world, 4, "20:34")
    await at(world, 7, "19:29")

    assert heard(lin) == ["还没想好？周末见也不迟。", "周末过得怎么样？"]


async def test_a_branch_may_end_the_journey(world: World, lin: Person) -> None:
    await lin.says("周末我要加班")
    await at(world, 4, "20:40")
    await at(world, 7, "19:29")

    assert heard(lin) == []
    assert await state(lin) == ("done", "走完了全部步骤")


async def test_an_answer_after_the_time_changes_nothing(world: World, lin: Person) -> None:
    await at(world, 4, "19:34")

    await lin.sends(lin.link(), option="A")
    await at(world, 4, "20:40")

    assert heard(lin) == ["还没想好？周末见也不迟。"]


async def test_an_answer_to_something_else_decides_nothing(world: World, lin: Person) -> None:
    await world.publishes("welcome")
    zhou = await world.befriends("老周")
    await at(world, 4, "19:29")

    welcome = next(line for line in zhou.heard_from("linmo") if "一道题" in line)
    await zhou.sends(welcome.split()[-1], option="A")

    assert (await walking(zhou)).deciding


async def test_it_waits_on_its_own_however_often_it_is_asked(world: World, lin: Person) -> None:
    await lin.sends(lin.link(), option="A")
    await lin.says("来")
    await at(world, 3, "20:51")

    assert heard(lin) == ["收到，给你留位。"]


async def test_a_question_that_was_never_put_is_answered_by_nobody(world: World) -> None:
    await world.publishes(text=PLAN.replace('decide = "24h"', 'decide = "24h"\non_miss = "skip"'))
    lin = await world.befriends("小林")
    await at(world, 4, "08:30")
    await at(world, 4, "09:34")

    assert lin.heard_from("linmo") == ["还没想好？周末见也不迟。"]


# ---------------------------------------------------------------- how it is told


async def at(world: World, day: int, time: str) -> None:
    await world.leap_to(july(day, time))
    await world.turn(minutes=5)
    await world.confirms_all()


def heard(person: Person) -> list[str]:
    """What they heard after the question and its card."""
    return [line for line in person.heard_from("linmo") if "周末来吗" not in line and "/l/" not in line]


async def walking(person: Person) -> Journey:
    found = await person.world.ask(lambda tx: tx.journeys.of(person.id))
    return next(one for one in found if one.template == "plan")


async def state(person: Person) -> tuple[str, str]:
    journey = await walking(person)
    return journey.state, journey.reason
