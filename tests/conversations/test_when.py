"""A step comes when its reader's own clock says so, or when they have done what it waits for."""

from __future__ import annotations

import pytest

from sop.hour import PRIOR
from sop.timing import spoken
from storage.due import STEP
from tests.world import Person, World, july

PLAN = """
id = "plan"
name = "看你做了什么"

[trigger]
on = "friend.added"

[audience]
everyone = true

[[step]]
id = "hello"
when = { day = 1, time = 19:30:00 }
text = "晚上好，明天来吗？{{ task }}"
task = { kind = "question", question = "明天来吗？", options = ["来", "不来"], closes = "90h" }

[[step]]
id = "thanks"
when = { after_event = "answered", delay = "2h", within = "3d" }
text = "谢谢你的回答"

[[step]]
id = "bye"
when = { wait = "1h" }
text = "先说到这里"
"""


@pytest.fixture
async def lin(world: World) -> Person:
    await world.publishes(text=PLAN)
    person = await world.befriends("小林")
    await at(world, 3, "19:29")
    return person


async def test_a_step_comes_so_long_after_what_the_member_did(world: World, lin: Person) -> None:
    await world.leap_to(july(4, "08:00"))
    await lin.sends(lin.link(), option="A")
    await at(world, 4, "09:55")
    early = heard(lin)
    await at(world, 4, "10:01")

    assert early == []
    assert heard(lin) == ["谢谢你的回答"]


async def test_who_does_not_do_it_misses_the_step_and_goes_on(world: World, lin: Person) -> None:
    await at(world, 6, "19:35")
    await at(world, 6, "20:40")

    assert heard(lin) == ["先说到这里"]
    assert await world.missed() == ["等了 3 天，没有等到「已经作答」，跳过"]


async def test_what_was_done_before_its_turn_counts(world: World) -> None:
    await world.publishes(text=PLAN.replace('"answered", delay', '"replied", delay'))
    lin = await world.befriends("小林")

    await lin.says("在吗")
    await at(world, 3, "19:29")
    await at(world, 3, "20:10")

    assert heard(lin) == ["谢谢你的回答"]


async def test_half_past_seven_is_half_past_seven_where_the_group_is(world: World) -> None:
    joined = PLAN.replace('on = "friend.added"', 'on = "group.joined"')
    group = await world.founds("纽约校友")
    await world.change(lambda tx: tx.zones.keep_of_group(group, "America/New_York"))
    await world.publishes(text=joined)

    ann = await world.joins("Ann", "纽约校友")
    await world.change(lambda tx: tx.zones.keep({ann.id: "Europe/Berlin"}))  # too late for this journey

    [journey] = await world.ask(lambda tx: tx.journeys.of(ann.id))
    [wait] = await world.ask(lambda tx: tx.due.of(STEP, str(journey.id)))
    assert spoken(wait.at, "America/New_York") == "7月3日 周五 19:30"


async def test_quiet_hours_are_those_where_the_member_lives(world: World) -> None:
    """Half past seven in New York is the middle of the quiet hours of Shanghai, and not kept back."""
    await world.publishes(text=PLAN)
    ann = await world.befriends("Ann")
    await world.change(lambda tx: tx.zones.keep({ann.id: "America/New_York"}))
    bo = await world.befriends("Bo")
    await at(world, 3, "19:29")  # half past seven in the morning in New York

    states = {one.id: [str(push.state) for push in await one.pushes()] for one in (ann, bo)}
    reasons = [push.reason for push in await ann.pushes()]

    assert states == {ann.id: ["waiting"], bo.id: ["sent"]}
    assert "免打扰时段，等到 7月3日 周五 08:00" in reasons[0]


async def test_what_people_follow_is_learnt_over_night(world: World) -> None:
    text = PLAN.replace("day = 1, time = 19:30:00", "best = true, day = 1")
    await world.publishes(text=text)
    lin = await world.befriends("小林")
    await world.befriends("小周")
    await at(world, 3, "19:29")
    await lin.sends(lin.link(), option="A")

    await world.leap_to(july(5, "04:30"))
    [everybody, *_] = await world.ask(lambda tx: tx.hours.known())
    effect = await world.ask(lambda tx: tx.hours.effect("plan"))

    assert everybody.group == "全部"
    assert everybody.sends == pytest.approx(2.0)
    assert everybody.rates[4 * 24 + 19] > PRIOR[4 * 24 + 19]  # one of two followed on Friday evening
    assert (effect.learnt.sends + effect.usual.sends, effect.learnt.hits + effect.usual.hits) == (2, 1)
    assert effect.line.startswith("还不知道")


async def at(world: World, day: int, time: str) -> None:
    await world.leap_to(july(day, time))
    await world.turn(minutes=5)
    await world.confirms_all()


def heard(person: Person) -> list[str]:
    """What they heard after the first step and its card."""
    return [line for line in person.heard_from("linmo") if "晚上好" not in line and "/l/" not in line]
