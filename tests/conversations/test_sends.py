"""Sends a person must confirm, and what is kept back with its reason."""

from __future__ import annotations

from datetime import timedelta

from sop.receipt import State
from tests.world import World, july


async def test_a_group_send_is_created_and_not_sent_before_staff_confirm(world: World) -> None:
    await world.publishes(text=DAILY)
    lin = await world.befriends("小林")

    await friday_evening(world)

    (message,) = await lin.messages()
    assert message.state is State.CREATED
    assert "确认" in message.reason
    assert lin.heard_from("linmo") == []


async def test_a_confirmed_group_send_is_delivered_and_says_so(world: World) -> None:
    await world.publishes(text=DAILY)
    lin = await world.befriends("小林")
    await friday_evening(world)

    await world.confirms_all()

    (message,) = await lin.messages()
    assert message.state is State.SENT
    assert lin.heard_from("linmo") == ["晚上好，今天读第一页。"]


async def test_equal_texts_of_one_sender_share_one_task(world: World) -> None:
    await world.publishes(text=DAILY)
    for name in ("小林", "阿璃", "老周"):
        await world.befriends(name)

    await friday_evening(world)

    (task,) = world.sim.world.tasks.values()
    assert len(task.rows["linmo"]) == 3


async def test_who_unsubscribed_gets_no_push_and_the_reason_is_kept(world: World) -> None:
    await world.publishes(text=DAILY)
    lin = await world.befriends("小林")
    await lin.says("退订")

    await friday_evening(world)

    pushes = [entry for entry in await lin.messages() if not entry.message.urgent]
    assert [entry.state for entry in pushes] == [State.REFUSED]
    assert "退订" in pushes[0].reason


async def test_a_message_for_the_night_waits_for_the_morning(world: World) -> None:
    await world.publishes(text=DAILY.replace("19:30:00", "23:30:00").replace('"3h"', '"12h"'))
    lin = await world.befriends("小林")

    await friday_evening(world, "23:30")

    (message,) = await lin.messages()
    assert message.state is State.WAITING
    assert "免打扰" in message.reason


async def test_who_opts_out_before_the_tap_is_taken_out_and_the_rest_still_hear_it(world: World) -> None:
    await world.publishes(text=DAILY)
    lin, zhou = await world.befriends("小林"), await world.befriends("老周")
    await friday_evening(world)

    await lin.says("退订")
    await world.confirms_all()

    assert lin.heard_from("linmo") == []
    assert zhou.heard_from("linmo") == ["晚上好，今天读第一页。"]
    (push,) = [entry for entry in await lin.messages() if not entry.message.urgent]
    assert (push.state, push.reason) == (State.CANCELLED, "对方已退订，从群发任务里撤出")


async def test_a_task_nobody_confirms_is_taken_back_when_its_window_ends(world: World) -> None:
    await world.publishes(text=DAILY)
    lin = await world.befriends("小林")
    await friday_evening(world)

    await world.turn(hours=4)
    await world.confirms_all()

    (push,) = await lin.messages()
    assert push.state is State.CANCELLED
    assert lin.heard_from("linmo") == []


async def friday_evening(world: World, slot: str = "19:30") -> None:
    """It becomes Friday, the slot of the day comes, and ten minutes more."""
    await world.leap_to(july(3, slot) - timedelta(minutes=1))
    await world.turn(minutes=10)


DAILY = """
id = "daily"
name = "每日一页"

[trigger]
on = "friend.added"

[audience]
everyone = true

[[step]]
id = "day1"
when = { day = 1, time = 19:30:00, window = "3h" }
text = "晚上好，今天读第一页。"
"""
