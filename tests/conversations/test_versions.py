"""Versions while people are under way: who stays, who moves, and that nobody hears a step twice."""

from __future__ import annotations

import pytest

from sop.journey import Journey
from storage.tx import Tx
from storage.version import VersionStore
from tests.world import Person, World, july

PLAN = """
id = "plan"
name = "三天计划"

[trigger]
on = "friend.added"

[audience]
everyone = true

[[step]]
id = "one"
when = { day = 1, time = 19:30:00 }
text = "第一天"

[[step]]
id = "two"
when = { day = 2, time = 19:30:00 }
text = "第二天"

[[step]]
id = "three"
when = { day = 3, time = 19:30:00 }
text = "第三天"
"""
REWRITTEN = PLAN.replace("第二天", "新的第二天").replace("第三天", "新的第三天")
SHORTER = PLAN[: PLAN.index('[[step]]\nid = "two"')] + PLAN[PLAN.index('[[step]]\nid = "three"') :]


async def test_whoever_is_under_way_stays_on_their_version(world: World) -> None:
    await world.publishes(text=PLAN)
    lin = await world.befriends("小林")
    await evening(world, 3)

    await world.publishes(text=REWRITTEN)
    zhou = await world.befriends("老周")
    await evening(world, 4)
    await evening(world, 5)

    assert lin.heard_from("linmo") == ["第一天", "第二天", "第三天"]
    assert zhou.heard_from("linmo") == ["第一天", "新的第二天"]


async def test_whoever_is_moved_goes_on_in_the_new_words_and_hears_nothing_twice(world: World) -> None:
    await world.publishes(text=PLAN)
    lin = await world.befriends("小林")
    await evening(world, 3)
    await world.publishes(text=REWRITTEN)

    await move(world, 2)
    await evening(world, 4)
    await evening(world, 5)

    assert lin.heard_from("linmo") == ["第一天", "新的第二天", "新的第三天"]


async def test_what_waits_in_the_outbox_is_written_anew(world: World) -> None:
    await world.publishes(text=PLAN)
    lin = await world.befriends("小林")
    await evening(world, 3)
    await world.publishes(text=REWRITTEN)
    await world.leap_to(july(4, "19:29"))
    await world.turn(minutes=1, seconds=20)
    assert [one.message.content.text for one in await lin.pushes()] == ["第一天", "第二天"]

    await move(world, 2)
    await world.turn(minutes=5)
    await world.confirms_all()

    assert lin.heard_from("linmo") == ["第一天", "新的第二天"]


async def test_a_step_that_is_gone_is_passed_over(world: World) -> None:
    await world.publishes(text=PLAN)
    lin = await world.befriends("小林")
    await evening(world, 3)
    await world.publishes(text=SHORTER)

    await move(world, 2)
    await evening(world, 4)
    await evening(world, 5)

    assert lin.heard_from("linmo") == ["第一天", "第三天"]


async def test_many_move_in_chunks_and_none_is_left(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("handlers.version.CHUNK", 2)
    await world.publishes(text=PLAN)
    for name in "甲乙丙丁戊":
        await world.befriends(name)
    await world.publishes(text=REWRITTEN)
    before = await world.ask(lambda tx: tx.journeys.by_version("plan"))

    await move(world, 2)

    waits = await world.ask(lambda tx: tx.due.steps(tx.due.turns(july(9)), july(9)))
    assert before == {1: {0: 5}}
    assert await world.ask(lambda tx: tx.journeys.by_version("plan")) == {2: {0: 5}}
    assert [(wait.occurrence, wait.version) for wait in waits] == [("0", 2)] * 5


async def test_the_preview_says_who_would_go_where_and_does_nothing(world: World) -> None:
    await world.publishes(text=PLAN)
    lin = await world.befriends("小林")
    await evening(world, 3)
    await world.befriends("老周")
    await world.publishes(text=SHORTER)

    passages = await world.ask(lambda tx: versions(tx).passages("plan", 2))

    told = [(one.before.id, one.after.id, one.count) for one in passages if one.before and one.after]
    assert told == [("one", "one", 1), ("two", "three", 1)]
    assert (await journey(lin)).version == 1


# ---------------------------------------------------------------- how it is told


def versions(tx: Tx) -> VersionStore:
    return VersionStore(tx.connection, tx.now)


async def move(world: World, version: int) -> None:
    await world.change(lambda tx: versions(tx).migrate("plan", version))
    await world.turn(minutes=2)


async def evening(world: World, day: int) -> None:
    await world.leap_to(july(day, "19:29"))
    await world.turn(minutes=5)
    await world.confirms_all()


async def journey(person: Person) -> Journey:
    (found,) = await person.world.ask(lambda tx: tx.journeys.of(person.id))
    return found
