"""WeCom answers badly or not at all: what was sent is not sent twice, what nobody knows of waits in review."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from bot.outgoing import Outgoing
from bot.simulator.faults import Fault
from sop.message import Channel, Content, Message
from sop.receipt import State
from sop.update import MessageReviewed
from storage.outbox import Entry
from tests.world import THURSDAY, World, july, world_at

IMPATIENCE_S = 0.3  # what stands for ten real seconds without an answer
TOO_LONG_S = 0.5
DONE_UNANSWERED = ("lose", "garble")
NOT_DONE = ("cut", "error")
WITHIN = timedelta(seconds=60)  # how soon an unknown must be seen


# ---------------------------------------------------------------- the ways things are said


@dataclass(frozen=True)
class Way:
    """A channel, the call it uses, and how somebody comes to be written to through it."""

    channel: Channel
    api: str
    say: Callable[[World], Awaitable[object]]


async def staff_ask(world: World) -> None:
    await world.staff_says("待办")


async def a_friend_comes(world: World) -> None:
    await world.publishes("welcome")
    await world.befriends("小林")


async def a_member_asks(world: World) -> None:
    lin = await world.befriends("小林")
    await lin.says("为什么发给我")


async def a_group_s_robot_speaks(world: World) -> None:
    said = Message(key="ops", channel=Channel.WEBHOOK, content=Content("今晚八点开会"), sender="ops")
    await world.change(lambda tx: tx.outbox.add(said))


async def a_daily_text_is_due(world: World) -> None:
    await world.publishes(text=DAILY)
    await world.befriends("小林")
    await world.leap_to(july(3, "19:29"))
    await world.turn(minutes=3)


APP = Way(Channel.APP, "message/send", staff_ask)
WELCOME = Way(Channel.WELCOME, "externalcontact/send_welcome_msg", a_friend_comes)
KF = Way(Channel.KF, "kf/send_msg", a_member_asks)
WEBHOOK = Way(Channel.WEBHOOK, "webhook/send", a_group_s_robot_speaks)
TASK = Way(Channel.GROUP_SEND, "externalcontact/add_msg_template", a_daily_text_is_due)


def ways(*some: Way) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("way", some, ids=[str(way.channel) for way in some])


def faults(*what: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("what", what)


# ---------------------------------------------------------------- where a repeat is dropped


@ways(APP)
@faults(*DONE_UNANSWERED, *NOT_DONE)
async def test_an_unanswered_app_message_is_repeated_and_read_once(world: World, way: Way, what: str) -> None:
    break_once(world, way, what)

    await way.say(world)

    assert (await only(world, way)).state is State.SENT
    assert arrived(world, way) == 1


@ways(WELCOME)
@faults(*DONE_UNANSWERED, *NOT_DONE)
async def test_an_unanswered_welcome_is_repeated_within_its_code_s_life_and_read_once(
    world: World, way: Way, what: str
) -> None:
    break_once(world, way, what)

    await way.say(world)

    assert (await only(world, way)).state is State.SENT
    assert arrived(world, way) == 1
    assert len(calls(world, way)) == 2


# ---------------------------------------------------------------- where nobody may repeat


@ways(KF, WEBHOOK)
@faults(*DONE_UNANSWERED, *NOT_DONE)
async def test_where_the_platform_drops_no_repeat_review_sees_it_and_nobody_repeats_it(
    world: World, way: Way, what: str
) -> None:
    break_once(world, way, what)

    await way.say(world)
    seen = await only(world, way)
    await world.turn(hours=2)

    assert seen.state is State.UNKNOWN
    assert "没有得到可信的答复" in seen.reason
    assert (await only(world, way)).state is State.UNKNOWN
    assert len(calls(world, way)) == 1
    assert arrived(world, way) == (what in DONE_UNANSWERED)


@ways(KF, WEBHOOK)
async def test_what_nobody_knows_of_is_in_review_within_a_minute(world: World, way: Way) -> None:
    break_once(world, way, "lose")

    await way.say(world)

    (unknown,) = await world.ask(lambda tx: tx.outbox.recent(states=[State.UNKNOWN]))
    assert unknown.tried_at is not None
    assert world.clock.now() - unknown.tried_at <= WITHIN


async def test_a_person_may_let_it_be_sent_again_once(world: World) -> None:
    break_once(world, KF, "cut")
    await KF.say(world)
    message = (await only(world, KF)).id

    await world.app.desk.ask(
        MessageReviewed(at=world.clock.now(), id="r1", message=message, delivered=False, by="苏禾")
    )
    await world.settle()

    assert (await only(world, KF)).state is State.SENT
    assert arrived(world, KF) == 1


async def test_an_answer_that_comes_too_late_is_no_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.app.Outgoing", partial(Outgoing, timeout_s=IMPATIENCE_S))
    async with world_at(THURSDAY, tmp_path) as world:
        world.sim.faults.add(Fault(where="api", what="slow", match=KF.api, seconds=TOO_LONG_S))

        await KF.say(world)

        assert (await only(world, KF)).state is State.UNKNOWN
        assert arrived(world, KF) == 1


# ---------------------------------------------------------------- group-send tasks


@faults(*DONE_UNANSWERED)
async def test_a_task_that_was_made_and_not_told_of_is_found_and_adopted(world: World, what: str) -> None:
    break_once(world, TASK, what)

    await TASK.say(world)
    await world.turn(minutes=2)
    adopted = await only(world, TASK)
    await world.confirms_all()

    assert adopted.state is State.CREATED
    assert (await only(world, TASK)).state is State.SENT
    assert len(world.sim.world.tasks) == arrived(world, TASK) == 1


@faults(*NOT_DONE)
async def test_a_task_that_was_never_made_is_not_made_by_itself(world: World, what: str) -> None:
    break_once(world, TASK, what)

    await TASK.say(world)
    await world.turn(minutes=15)

    lost = await only(world, TASK)
    assert (lost.state, lost.reason) == (State.UNKNOWN, "十分钟内没查到这条群发任务，请人工核对后再决定")
    assert len(calls(world, TASK)) == 1
    assert world.sim.world.tasks == {}


# ---------------------------------------------------------------- refusals


@ways(APP, KF, WEBHOOK)
async def test_a_refusal_for_good_is_kept_with_its_reason_and_not_tried_again(world: World, way: Way) -> None:
    break_once(world, way, "refuse", code=45002)

    await way.say(world)
    await world.turn(hours=1)

    refused = await only(world, way)
    assert refused.state is State.REFUSED
    assert "错误码 45002" in refused.reason
    assert len(calls(world, way)) == 1


@ways(APP, KF, WEBHOOK, TASK)
async def test_a_busy_platform_is_asked_again_and_takes_it_once(world: World, way: Way) -> None:
    break_once(world, way, "refuse", code=-1)

    await way.say(world)
    if way is TASK:
        await world.confirms_all()

    assert (await only(world, way)).state is State.SENT
    assert arrived(world, way) == 1


async def test_who_runs_into_a_limit_waits_for_its_window_and_goes_on(world: World) -> None:
    people = [await world.befriends(name) for name in ("小林", "老周", "阿璃", "苏苏")]
    world.sim.limits.allowance.call_minute = 2

    await world.all_say("为什么发给我", *people)
    await world.turn(minutes=4)

    assert arrived(world, KF) == 4
    refused = [call for call in calls(world, KF) if call["answer"]["errcode"] == 45009]
    assert 1 <= len(refused) <= 2, "a closed window was hammered"


# ---------------------------------------------------------------- tokens


async def test_a_token_that_ends_between_two_answers_costs_one_fetch_and_no_answer(world: World) -> None:
    lin = await world.befriends("小林")
    await lin.says("为什么发给我")
    before = len(world.sim.journal.of("call", api="gettoken"))

    world.sim.credentials.revoke("kf")
    reply = await lin.says("为什么发给我")

    assert reply != ""
    assert len(world.sim.journal.of("call", api="gettoken")) == before + 1


# ---------------------------------------------------------------- an hour without WeCom


async def test_after_an_hour_without_wecom_what_is_still_in_its_window_goes_out_once(world: World) -> None:
    await world.publishes(text=DAILY)
    people = [await world.befriends(name) for name in ("小林", "老周", "阿璃")]

    await an_hour_away(world)
    await world.confirms_all()

    for person in people:
        assert person.heard_from("linmo") == ["晚上好，今天读第一页。"]
        assert [entry.state for entry in await person.messages()] == [State.SENT]
    assert len(world.sim.world.tasks) == 1


async def test_what_outlived_its_window_meanwhile_is_listed_with_a_reason_and_not_sent(world: World) -> None:
    await world.publishes(text=DAILY.replace('"3h"', '"15m"'))
    lin = await world.befriends("小林")

    await an_hour_away(world)
    await world.confirms_all()

    (kept,) = await lin.messages()
    assert kept.state is State.REFUSED
    assert kept.reason == "已过发送时限 7月3日 周五 19:45，不再补发"
    assert world.sim.world.tasks == {}


async def an_hour_away(world: World) -> None:
    """On Friday evening nobody answers from ten to seven for an hour; the day's text is due meanwhile."""
    await world.leap_to(july(3, "18:50"))
    port = await world.sim.hang_up()
    await world.clock.turn(timedelta(hours=1))
    await world.sim.serve(port=port)
    await world.turn(minutes=10)


# ---------------------------------------------------------------- what was seen


def break_once(world: World, way: Way, what: str, *, code: int = 0) -> None:
    world.sim.faults.add(Fault(where="api", what=what, match=way.api, code=code))


def calls(world: World, way: Way) -> Sequence[dict[str, Any]]:
    """Requests of this way that reached the platform, answered or not."""
    return world.sim.journal.of("call", api=way.api)


def arrived(world: World, way: Way) -> int:
    """How many messages people really saw."""
    return len(world.sim.journal.of("delivery", channel=str(way.channel)))


async def only(world: World, way: Way) -> Entry:
    entries = await world.ask(lambda tx: tx.outbox.recent())
    (entry,) = [entry for entry in entries if entry.message.channel is way.channel]
    return entry


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
