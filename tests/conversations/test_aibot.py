"""A 智能机器人 in an internal group and alone: the same handlers as the app, over both transports."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from handlers.staff import HELP
from sop.receipt import State
from tests.world import THURSDAY, World, world_at


@pytest.fixture(params=["webhook", "websocket"])
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    """A corp with a 智能机器人 of either transport."""
    async with world_at(THURSDAY, tmp_path, aibot=request.param) as world:
        await world.settle()
        yield world


def team(world: World) -> str:
    """An internal group in which the bot sits."""
    group = world.sim.bots.found("社群运营组", "linmo", "suhe")
    world.sim.bots.invite(group, "helper")
    return group


async def test_a_mention_in_an_internal_group_is_answered_like_a_message_to_the_app(world: World) -> None:
    in_app = await world.staff_says("待办")

    in_group = await world.bot_hears("@群星 待办", group=team(world))

    assert in_group == in_app
    assert "没有等你确认的群发" in in_group


async def test_what_does_not_name_the_bot_is_not_heard(world: World) -> None:
    assert await world.bot_hears("待办", group=team(world)) == ""


async def test_alone_the_bot_needs_no_name_to_be_called(world: World) -> None:
    assert "没有等你确认的群发" in await world.bot_hears("待办")


async def test_whatever_it_does_not_understand_it_says_what_it_can_do(world: World) -> None:
    assert await world.bot_hears("@群星 今天吃什么", group=team(world)) == HELP


async def test_opening_the_chat_is_greeted_once_a_day(world: World) -> None:
    world.sim.bots.open_chat("linmo")
    await world.settle()
    world.sim.bots.open_chat("linmo")
    await world.settle()

    assert [line.text for line in world.sim.world.talks["aibot/helper/linmo"]] == [HELP]


async def test_an_answer_is_one_message_of_the_ledger_and_sent(world: World) -> None:
    await world.bot_hears("待办")

    entries = await world.ask(lambda tx: tx.outbox.recent())
    assert [(entry.message.channel, entry.state) for entry in entries] == [("aibot", State.SENT)]
