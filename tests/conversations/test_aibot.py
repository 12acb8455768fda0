"""A 智能机器人 in an internal group and alone: the same handlers as the app, over both transports."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from bot.aibot_door import LATE, WORKING
from bot.app import App, Role
from bot.chance import SeededChance
from bot.clock import TurnedClock
from bot.simulator.corp import add_bot
from bot.simulator.faults import Fault
from bot.simulator.simulator import Simulator
from handlers.staff import HELP
from sop.message import Channel, Choice, Content, Message, Option
from sop.receipt import State
from tests.world import THURSDAY, World, config_of, world_at


@pytest.fixture(params=["webhook", "websocket"])
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    """A corp with a 智能机器人 of either transport."""
    async with world_at(THURSDAY, tmp_path, aibot=request.param) as world:
        await world.settle()
        yield world


@pytest.fixture
async def called(tmp_path: Path) -> AsyncIterator[World]:
    async with world_at(THURSDAY, tmp_path, aibot="webhook") as world:
        yield world


@pytest.fixture
async def lined(tmp_path: Path) -> AsyncIterator[World]:
    async with world_at(THURSDAY, tmp_path, aibot="websocket") as world:
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


ASK = "interaction:w02"
CHOICE = Choice(ASK, "周末想喝什么?", (Option("latte", "燕麦拿铁"), Option("tea", "冷泡茶")))


async def push(world: World, content: Content, group: str) -> None:
    """Something the bot says by itself."""
    pushed = Message(
        key="push:1", channel=Channel.AIBOT, content=content, to_group=group, sender="helper", marketing=False
    )
    await world.change(lambda tx: tx.outbox.add(pushed))


async def test_a_vote_in_a_group_changes_the_card_for_who_voted(lined: World) -> None:
    group = team(lined)
    await lined.bot_hears("@群星 待办", group=group)
    await push(lined, Content("每周小调查", choice=CHOICE), group)
    card = lined.sim.world.talks[f"internal/{group}"][-1]

    lined.sim.bots.press("suhe", card.data["card"]["task_id"], "submit", {"choice": ["tea"]}, group=group)
    await lined.settle()

    assert card.data["card"]["checkbox"].get("disable") is None
    assert card.data["seen"]["suhe"]["checkbox"]["disable"] is True
    clicks = await lined.ask(lambda tx: tx.activity.of_member("suhe", limit=9))
    assert ("clicked", f"{ASK}:submit") in [(click.kind, click.ref) for click in clicks]


async def test_where_nobody_spoke_to_it_the_bot_is_refused_and_says_so(lined: World) -> None:
    await push(lined, Content("直播提醒"), "CHAT-stranger")

    (entry,) = await lined.ask(lambda tx: tx.outbox.recent())
    assert entry.state is State.REFUSED


async def test_called_back_it_cannot_speak_first(called: World) -> None:
    await push(called, Content("直播提醒"), team(called))

    (entry,) = await called.ask(lambda tx: tx.outbox.recent())
    assert entry.state is State.REFUSED
    assert "长连接" in entry.reason


async def test_feedback_on_an_answer_is_remembered(world: World) -> None:
    await world.bot_hears("待办")
    line = world.sim.world.talks["aibot/helper/linmo"][-1]

    world.sim.bots.judge("linmo", line.data["feedback"], 2, words="不对")
    await world.settle()

    deeds = await world.ask(lambda tx: tx.activity.of_member("linmo", limit=9))
    assert [deed.ref for deed in deeds if deed.kind == "judged"] == [f"bad:{line.data['feedback']}"]


async def test_what_is_told_twice_is_answered_once(called: World) -> None:
    called.sim.faults.add(Fault(where="callback", what="duplicate", match="aibot/*"))

    answer = await called.bot_hears("待办")

    assert answer.count("没有等你确认的群发") == 1


async def test_a_bot_that_does_not_know_who_speaks_says_so(tmp_path: Path) -> None:
    async with world_at(THURSDAY, tmp_path, aibot="webhook", plain_ids=False) as world:
        assert "不知道你是哪位同事" in await world.bot_hears("待办")


async def test_when_the_bot_stops_its_connection_is_closed(tmp_path: Path) -> None:
    async with world_at(THURSDAY, tmp_path, aibot="websocket") as world:
        await world.settle()
        sockets = world.sim.bots.sockets
        before = list(sockets.living)
        await world.app.__aexit__(None, None, None)

        assert before == ["helper"]
        assert sockets.living == {}


async def test_after_a_drop_it_is_answered_again(lined: World) -> None:
    lined.sim.bots.sockets.cut("helper")
    await lined.turn(seconds=5)

    assert "没有等你确认的群发" in await lined.bot_hears("待办")


# ---------------------------------------------------------------- a worker that is away


@asynccontextmanager
async def halves(folder: Path) -> AsyncIterator[tuple[World, Callable[[], Awaitable[App]]]]:
    """A web and sending process, and a working one that is started when the story says so."""
    clock = TurnedClock(THURSDAY)
    async with AsyncExitStack() as stack:
        sim = await stack.enter_async_context(Simulator(clock=clock, chance=SeededChance(7)))
        await sim.serve()
        sim.acts.hire("linmo", "林墨")
        sim.bots.poll_s = 5.0
        add_bot(sim.world, "webhook")
        config = config_of(sim, folder)
        front = App(config, clock=clock, roles=[Role.WEB, Role.SEND], idle_s=10.0)
        await stack.enter_async_context(front)
        await sim.connect(f"http://127.0.0.1:{front.port}")

        async def work() -> App:
            return await stack.enter_async_context(App(config, clock=clock, roles=[Role.WORK], idle_s=10.0))

        yield World(sim, front, clock), work


async def test_while_the_worker_is_slow_the_stream_goes_on_and_then_ends(tmp_path: Path) -> None:
    async with halves(tmp_path) as (world, work):
        world.sim.bots.say("linmo", "待办")
        await world.sim.quiet()
        talk = world.sim.world.talks["aibot/helper/linmo"]
        before = talk[-1].text

        await work()
        for _ in range(20):
            await world.clock.turn(timedelta(seconds=1))
            await asyncio.sleep(0.02)

        assert before == WORKING
        assert "没有等你确认的群发" in talk[-1].text
        assert len(world.sim.journal.of("call", api="aibot/response")) == 0


async def test_an_answer_that_comes_after_six_minutes_takes_the_response_url_once(tmp_path: Path) -> None:
    async with halves(tmp_path) as (world, work):
        world.sim.bots.say("linmo", "待办")
        await world.sim.quiet()
        await world.clock.turn(timedelta(minutes=7))
        talk = world.sim.world.talks["aibot/helper/linmo"]
        before = talk[-1].text

        await work()
        for _ in range(20):
            await world.clock.turn(timedelta(seconds=1))
            await asyncio.sleep(0.02)

        assert before == LATE
        assert "没有等你确认的群发" in talk[-1].text
        assert len(world.sim.journal.of("call", api="aibot/response")) == 1


async def test_two_processes_hold_one_connection(tmp_path: Path) -> None:
    async with world_at(THURSDAY, tmp_path, aibot="websocket") as world:
        await world.settle()
        second = App(world.app.config, clock=world.clock, roles=[Role.SEND], idle_s=3600.0)
        async with second:
            await world.turn(minutes=3)

            subscriptions = [one for one in world.sim.journal.of("frame") if one["cmd"] == "aibot_subscribe"]
            assert len(subscriptions) == 1
            assert not second.gateway.aibots.lines["helper"].open
