"""A step whose time went by while nobody could say it waits for an operator's word: say it after all, or never."""

from __future__ import annotations

from datetime import timedelta

from sop.journey import MissDecided
from sop.receipt import State
from tests.world import Person, World, july


async def test_a_missed_step_that_asks_is_said_when_an_operator_wants_it(world: World) -> None:
    lin = await slept_through(world)

    reply = await decides(world, send=True)
    await world.turn(minutes=5)
    await world.confirms_all()

    assert "发件箱" in reply
    assert lin.heard_from("linmo") == ["晚上好，今天读第一页。"]
    assert [entry.state for entry in await lin.messages()] == [State.SENT]
    assert (await world.missed())[0].endswith("错过了，等运营决定是否补发；运营 苏禾 决定现在补发")


async def test_nobody_can_want_it_twice(world: World) -> None:
    lin = await slept_through(world)

    replies = [await decides(world, send=True) for _ in range(2)]
    await world.turn(minutes=5)

    assert replies[1] == "这一步已经有人处理过了。"
    assert len(await lin.messages()) == 1


async def test_a_missed_step_nobody_wants_is_never_said(world: World) -> None:
    lin = await slept_through(world)

    await decides(world, send=False)
    await world.turn(hours=1)

    assert await lin.messages() == []
    assert (await world.missed())[0].endswith("；运营 苏禾 决定不发了")


async def test_what_an_operator_sends_late_still_keeps_the_rules(world: World) -> None:
    lin = await slept_through(world)
    await lin.says("退订")

    await decides(world, send=True)
    await world.turn(minutes=5)

    (push,) = await lin.pushes()
    assert push.state is State.REFUSED
    assert "退订" in push.reason


async def test_to_who_has_gone_nothing_is_sent_late(world: World) -> None:
    lin = await slept_through(world)
    await lin.deletes("linmo")

    reply = await decides(world, send=True)

    assert reply.startswith("没有补发：")
    assert await lin.messages() == []


async def slept_through(world: World) -> Person:
    """Friday's step was due at 18:00 with an hour's window; the bot wakes at ten past eight."""
    await world.publishes(text=ASKING)
    lin = await world.befriends("小林")
    await world.leap_to(july(3, "17:59"))
    await world.leap_to(july(3, "20:10"))
    await world.settle()
    return lin


async def decides(world: World, *, send: bool) -> str:
    (miss,) = await world.ask(lambda tx: tx.due.missed())
    await world.clock.turn(timedelta(seconds=1))
    decided = MissDecided(
        at=world.clock.now(), id=f"d{world.clock.now()}", miss=miss.id, send=send, by="苏禾"
    )
    reply = await world.app.desk.ask(decided)
    assert reply is not None
    return reply.content.text


ASKING = """
id = "daily"
name = "每日一页"

[trigger]
on = "friend.added"

[audience]
everyone = true

[[step]]
id = "day1"
when = { day = 1, time = 18:00:00, window = "1h" }
on_miss = "ask"
text = "晚上好，今天读第一页。"

[[step]]
id = "day9"
when = { day = 9, time = 18:00:00, window = "1h" }
text = "又见面啦。"
"""
