"""What follows when a plan is walked to its end: tags that are added, and the next plan."""

from __future__ import annotations

from tests.world import World, july

FIRST = """
id = "first"
name = "第一份"

[trigger]
on = "friend.added"

[audience]
everyone = true

[exit]
on = ["replied"]

[finish]
tags_add = ["走完第一份"]
chain = "second"

[[step]]
id = "only"
when = { day = 1, time = 19:30:00 }
text = "只有一步"
"""
SECOND = """
id = "second"
name = "第二份"

[trigger]
on = "tag.added"
tag = "从不打的标签"

[audience]
everyone = true
exclude = '勿扰'

[[step]]
id = "hello"
when = { wait = "1h" }
text = "第二份开始了"
"""


async def test_who_walks_to_the_end_keeps_their_tags_gains_one_and_goes_on(world: World) -> None:
    await world.publishes(text=SECOND)
    await world.publishes(text=FIRST)
    lin = await world.befriends("小林")
    await world.change(lambda tx: tx.tags.add(lin.id, "职场新人", reason="手工"))

    await live_on(world)

    assert await lin.tags() == {"职场新人", "走完第一份"}
    assert lin.heard_from("linmo") == ["只有一步", "第二份开始了"]


async def test_who_leaves_before_the_end_gains_nothing(world: World) -> None:
    await world.publishes(text=SECOND)
    await world.publishes(text=FIRST)
    lin = await world.befriends("小林")
    await lin.says("在吗")

    await live_on(world)

    assert await lin.tags() == frozenset()
    assert lin.heard_from("linmo") == []


async def test_the_next_plan_has_its_own_audience(world: World) -> None:
    await world.publishes(text=SECOND)
    await world.publishes(text=FIRST)
    lin = await world.befriends("小林")
    await world.change(lambda tx: tx.tags.add(lin.id, "勿扰", reason="手工"))

    await live_on(world)

    assert lin.heard_from("linmo") == ["只有一步"]


async def test_a_next_plan_that_is_not_published_is_no_obstacle(world: World) -> None:
    await world.publishes(text=FIRST)
    lin = await world.befriends("小林")

    await live_on(world)

    assert await lin.tags() == {"走完第一份"}


async def live_on(world: World) -> None:
    for day, time in ((3, "19:29"), (3, "20:30")):
        await world.leap_to(july(day, time))
        await world.turn(minutes=5)
        await world.confirms_all()
