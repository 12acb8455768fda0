"""Whoever has walked a plan to its end, or reached its goal, is invited to a group: once, by the ordinary way, or told why not."""

from __future__ import annotations

from typing import Any

import pytest

from sop.errors import TemplateError
from sop.receipt import State
from sop.template import INVITE
from sop.way import Way, WayKind
from storage.errand import Errand
from storage.version import VersionStore
from tests.world import Person, World, july

PLAN = """
id = "first"
name = "第一份"

[trigger]
on = "friend.added"

[audience]
everyone = true

[goal]
signal = "replied"

[finish]
invite = "老友群"

[[step]]
id = "only"
when = { day = 1, time = 19:30:00 }
text = "只有一步"
"""
ON_GOAL = PLAN.replace('invite = "老友群"', 'invite = "老友群"\ntags_add = ["到了"]\non_goal = true')


async def opened(world: World, *names: str) -> None:
    """Groups with a way in."""
    chats = tuple([await world.founds(name) for name in names])
    way = Way(state="old_friends", name="老友入群", kind=WayKind.JOIN, groups=chats)

    def wish(tx: Any) -> None:
        tx.ways.add(way, by="阿宁")
        tx.errands.add(Errand(what="way", whom=way.state, data={"do": "make"}, at=tx.now))

    await world.change(wish)


async def live_on(world: World) -> None:
    for day, time in ((3, "19:29"), (3, "20:30"), (4, "12:00")):
        await world.leap_to(july(day, time))
        await world.turn(minutes=5)
        await world.confirms_all()


async def test_who_sits_in_the_group_is_not_invited_and_why_says_so(world: World) -> None:
    await opened(world, "老友群")
    await world.publishes(text=PLAN)
    lin = await world.joins("小林", "老友群")

    await live_on(world)

    assert lin.heard_from("linmo") == ["只有一步"]
    assert await decided(world, lin.id) == ["没有邀请进「老友群」：已经在群里"]


async def test_who_opts_out_before_the_invitation_leaves_does_not_get_it(world: World) -> None:
    await opened(world, "老友群")
    await world.publishes(text=PLAN)
    lin = await world.befriends("小林")
    await world.leap_to(july(3, "19:29"))
    await world.turn(seconds=90)
    [invited] = [one.state for one in await lin.pushes() if one.message.step == INVITE]
    await lin.says("退订")

    await live_on(world)

    assert invited is State.WAITING
    assert not any("邀请" in said for said in lin.heard_from("linmo"))


async def test_who_reaches_the_goal_is_invited_then_and_not_again_at_the_end(world: World) -> None:
    await opened(world, "老友群")
    await world.publishes(text=ON_GOAL)
    lin = await world.befriends("小林")
    await lin.says("你好")
    await world.turn(minutes=5)
    await world.confirms_all()
    at_the_goal = [one.message.why for one in await lin.pushes()]
    await forgets(world, lin)

    await live_on(world)

    assert await lin.tags() == frozenset()
    assert at_the_goal == ["达成了「第一份」的目标，邀请进「老友群」"]
    assert sum("邀请你加入「" in said for said in lin.heard_from("linmo")) == 1
    assert "只有一步" in lin.heard_from("linmo")


async def test_what_a_goal_brought_about_stays_when_the_journey_moves_to_another_version(
    world: World,
) -> None:
    await opened(world, "老友群")
    quiet = ON_GOAL.replace("[goal]", "[rules.quiet_hours]\nfrom = 19:00:00\nto = 20:00:00\n\n[goal]")
    await world.publishes(text=quiet)
    lin = await world.befriends("小林")
    await lin.says("你好")
    [before] = await lin.pushes()
    await world.publishes(text=quiet.replace("只有一步", "换了说法"))
    await world.change(lambda tx: VersionStore(tx.connection, tx.now).migrate("first", 2))

    await live_on(world)

    assert before.state is State.WAITING
    [journey] = await world.ask(lambda tx: tx.journeys.of(lin.id))
    assert journey.version == 2
    assert sum("邀请你加入「" in said for said in lin.heard_from("linmo")) == 1


async def test_who_never_reaches_the_goal_is_invited_at_the_end(world: World) -> None:
    await opened(world, "老友群")
    await world.publishes(text=ON_GOAL)
    lin = await world.befriends("小林")

    await live_on(world)
    await forgets(world, lin)
    await lin.says("你好")  # the goal, after the end
    await world.turn(minutes=5)
    await world.confirms_all()

    assert await lin.tags() == frozenset()
    assert sum("邀请你加入「" in said for said in lin.heard_from("linmo")) == 1


async def test_a_plan_that_invites_to_nowhere_is_not_published(world: World) -> None:
    await opened(world, "老朋友群")

    with pytest.raises(TemplateError, match="没有叫「老友群」的群或入群活码；应为 老朋友群"):
        await world.publishes(text=PLAN)

    assert await world.ask(lambda tx: tx.templates.published()) == []


async def forgets(world: World, lin: Person) -> None:
    """The tag of the end was there, and an operator takes it away: an end that came twice would bring it back."""
    assert await lin.tags() == {"到了"}
    await world.change(lambda tx: tx.tags.remove(lin.id, "到了", reason="手工"))


async def decided(world: World, member: str) -> list[str]:
    [journey] = await world.ask(lambda tx: tx.journeys.of(member))
    return [mark.what for mark in await world.ask(lambda tx: tx.trail.of_journey(journey.id))]
