"""What follows when a plan is walked to its end: tags that are added, and the next plan."""

from __future__ import annotations

from sqlalchemy import select

from sop.way import Way, WayKind
from storage.errand import Errand
from storage.tables import link
from storage.tx import Tx
from storage.way import Standing
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


INVITING = FIRST.replace('chain = "second"', 'invite = "老友群"')
OWN_WORDS = INVITING.replace(
    'invite = "老友群"', 'invite = "老友群"\ninvite_text = "来老友群坐坐：{{ link }}"'
)


async def opens_a_way(world: World, *groups: str) -> None:
    way = Way(state="friends", name="老友群", kind=WayKind.JOIN, groups=groups)

    def wish(tx: Tx) -> None:
        tx.ways.add(way, by="阿宁")
        tx.errands.add(Errand(what="way", whom=way.state, data={"do": "make"}, at=tx.now))

    await world.change(wish)


async def test_who_walks_to_the_end_is_asked_into_the_group_once(world: World) -> None:
    await opens_a_way(world, await world.founds("老友"))
    await world.publishes(text=INVITING)
    lin = await world.befriends("小林")

    await live_on(world)

    assert [text.split("http")[0] for text in lin.heard_from("linmo")] == [
        "只有一步",
        "你好，邀请你加入「老友群」。点开下面的二维码，长按识别就能进群：",
        "加入「老友群」\n",  # the card
    ]
    way = await world.ask(lambda tx: tx.ways.into("老友群"))
    leads_to = select(link.c.target).where(link.c.step == "finish.invite")
    assert way is not None
    assert await world.ask(lambda tx: tx.connection.scalars(leads_to).all()) == [way.image]


async def test_the_operators_own_words_invite(world: World) -> None:
    await opens_a_way(world, await world.founds("老友"))
    await world.publishes(text=OWN_WORDS)
    lin = await world.befriends("小林")

    await live_on(world)

    assert lin.heard_from("linmo")[1].startswith("来老友群坐坐：http")


async def test_who_sits_in_the_group_is_not_asked_into_it(world: World) -> None:
    group = await world.founds("老友")
    await opens_a_way(world, group)
    await world.publishes(text=INVITING)
    lin = await world.befriends("小林")
    await world.seat(lin, "老友")

    await live_on(world)

    assert lin.heard_from("linmo") == ["只有一步"]


async def test_who_opted_out_before_the_end_is_not_invited(world: World) -> None:
    await opens_a_way(world, await world.founds("老友"))
    await world.publishes(text=INVITING.replace('"replied"', '"promoted"'))
    lin = await world.befriends("小林")
    await lin.says("退订")

    await live_on(world)

    assert lin.heard_from("linmo") == []


async def test_an_invitation_whose_way_was_taken_away_says_what_is_missing(world: World) -> None:
    await opens_a_way(world, await world.founds("老友"))
    await world.publishes(text=INVITING)
    await world.change(lambda tx: tx.ways.settle("friends", Standing.DROPPED))
    lin = await world.befriends("小林")

    await live_on(world)

    [missed] = await world.ask(lambda tx: tx.due.missed())
    assert lin.heard_from("linmo") == ["只有一步"]
    assert missed.reason == "没有叫「老友群」的入群活码，先在「渠道」页建一个"


async def live_on(world: World) -> None:
    for day, time in ((3, "19:29"), (3, "20:30")):
        await world.leap_to(july(day, time))
        await world.turn(minutes=5)
        await world.confirms_all()
