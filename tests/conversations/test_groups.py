"""Joining, leaving, and what groups are told."""

from __future__ import annotations

from tests.world import World


async def test_who_joins_a_group_is_seated_and_known_by_name(world: World) -> None:
    await world.founds("新手答疑群")

    lin = await world.joins("小林", "新手答疑群")

    known = await lin.known()
    assert (known.name, known.groups) == ("小林", frozenset({"新手答疑群"}))


async def test_who_leaves_a_group_loses_the_seat(world: World) -> None:
    await world.founds("新手答疑群")
    lin = await world.joins("小林", "新手答疑群")

    await lin.leaves("新手答疑群")

    assert (await lin.known()).groups == frozenset()


async def test_joining_a_group_starts_the_journey_made_for_it_and_leaving_ends_it(world: World) -> None:
    await world.publishes(text=GREETING)
    await world.founds("新手答疑群")
    lin = await world.joins("小林", "新手答疑群")

    await lin.leaves("新手答疑群")

    (journey,) = await world.ask(lambda tx: tx.journeys.of(lin.id))
    assert (journey.template, journey.state) == ("newcomer", "exited")


async def test_a_word_spoken_in_a_customer_group_is_heard_through_the_archive_only(world: World) -> None:
    await world.founds("新手答疑群")
    lin = await world.joins("小林", "新手答疑群")

    await lin.speaks("新手答疑群", "手冲的水温多少合适？")
    await world.turn(minutes=10)

    spoken = await world.ask(lambda tx: tx.activity.of_member(lin.id))
    assert "spoke" in [fact.kind for fact in spoken]


async def test_a_dismissed_group_is_told_nothing_more(world: World) -> None:
    group = await world.founds("新手答疑群")

    world.sim.acts.dismiss(group)
    await world.settle()

    (known,) = await world.ask(lambda tx: tx.groups.all(dismissed=True))
    assert not known.alive


GREETING = """
id = "newcomer"
name = "入群第一周"

[trigger]
on = "group.joined"
group = "新手答疑群"

[audience]
everyone = true

[[step]]
id = "day1"
when = { day = 1, time = 19:30:00 }
text = "第一天好，有问题随时在群里问。"
"""
