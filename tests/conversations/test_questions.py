"""A question half answered is remembered, and a command is still a command meanwhile."""

from __future__ import annotations

from tests.world import World


async def test_what_is_said_after_the_question_is_its_answer(world: World) -> None:
    await world.publishes(text=WEEKLY_AIM)
    lin = await world.befriends("小林")
    await world.turn(minutes=3)

    question = await lin.says("今日任务")
    thanks = await lin.says("把周报提前写完")

    assert "最想推进" in question
    assert "谢谢" in thanks
    assert await answers(world) == {"把周报提前写完": 1}


async def test_opting_out_in_the_middle_of_a_question_is_heard_as_opting_out(world: World) -> None:
    await world.publishes(text=WEEKLY_AIM)
    lin = await world.befriends("小林")
    await world.turn(minutes=3)
    await lin.says("今日任务")

    reply = await lin.says("退订")

    assert "不再给你推送" in reply
    assert await answers(world) == {}


async def answers(world: World) -> dict[str, int]:
    """What was answered to the one question asked."""
    (run,) = await world.ask(lambda tx: tx.interactions.open_for([]))
    return await world.ask(lambda tx: tx.interactions.counts(run.id))


WEEKLY_AIM = """
id = "aim"
name = "本周目标"

[trigger]
on = "friend.added"

[audience]
everyone = true

[[step]]
id = "ask"
when = { after = "1m" }
text = "想一想：{{ question }} {{ task }}"
task = { kind = "question", question = "这周你最想推进的一件事是什么？", closes = "24h" }
"""
