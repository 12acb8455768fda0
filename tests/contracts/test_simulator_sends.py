"""What the simulated platform lets out: welcomes, mass sends that people confirm, cards that are pressed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from bot.simulator.world import Staff
from tests.contracts.simulated import STAFF, Stage, on_stage

APP = "app/qunxing"
HELLO = {"text": {"content": "欢迎"}}


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with on_stage() as one:
        yield one


def welcome(code: str) -> dict[str, Any]:
    return {"welcome_code": code, **HELLO}


async def test_a_welcome_code_works_once(stage: Stage) -> None:
    _, code = stage.friend()

    codes = [await stage.code("externalcontact/send_welcome_msg", welcome(code)) for _ in range(2)]
    assert codes == [0, 41051]


async def test_a_welcome_code_is_dead_after_twenty_seconds(stage: Stage) -> None:
    _, code = stage.friend()
    await stage.clock.turn(timedelta(seconds=20))

    assert await stage.code("externalcontact/send_welcome_msg", welcome(code)) == 41050


async def test_no_welcome_once_they_are_talking(stage: Stage) -> None:
    member, code = stage.friend()
    stage.acts.write(member, STAFF, "你好")

    assert await stage.code("externalcontact/send_welcome_msg", welcome(code)) == 41051


async def test_a_second_app_is_told_that_the_first_is_at_it(stage: Stage) -> None:
    _, code = stage.friend()
    stage.sim.world.codes[code].busy_for = APP

    assert await stage.code("externalcontact/send_welcome_msg", welcome(code)) == 41096


async def test_a_welcome_set_in_the_console_takes_the_code_away(stage: Stage) -> None:
    stage.sim.world.staff[STAFF] = Staff(STAFF, "林墨", console_welcome=True)
    _, code = stage.friend()
    await stage.sim.quiet()

    assert code == ""
    assert "WelcomeCode" not in stage.receiver.heard[0].plain


async def test_half_a_friendship_brings_the_code_and_the_whole_brings_none_after_it(stage: Stage) -> None:
    member, code = stage.friend(half=True, state="poster_0103")
    early = await stage.code("externalcontact/get", external_userid=member)
    await stage.code("externalcontact/send_welcome_msg", welcome(code))
    stage.acts.accept_friend(STAFF, member)
    await stage.sim.quiet()

    changes = [one.field("ChangeType") for one in stage.receiver.heard]
    assert changes == ["add_half_external_contact", "add_external_contact"]
    assert early == 84061
    assert stage.receiver.heard[1].field("WelcomeCode") == ""


async def task(stage: Stage, members: list[str]) -> str:
    body = {"sender": STAFF, "external_userid": members, "text": {"content": "周末小调查"}}
    made = await stage.call("externalcontact/add_msg_template", body)
    await stage.clock.turn(timedelta(seconds=4))
    return str(made["msgid"])


async def results(stage: Stage, msgid: str) -> list[dict[str, Any]]:
    answer = await stage.call("externalcontact/get_groupmsg_send_result", {"msgid": msgid, "userid": STAFF})
    rows: list[dict[str, Any]] = answer["send_list"]
    return rows


async def test_nothing_goes_out_before_somebody_confirms(stage: Stage) -> None:
    member, _ = stage.friend()
    msgid = await task(stage, [member])
    before = await results(stage, msgid)
    stage.acts.confirm(STAFF, msgid)
    after = await stage.call("externalcontact/get_groupmsg_task", {"msgid": msgid})

    assert [row["status"] for row in before] == [0]
    assert after["task_list"][0]["status"] == 2
    assert [row["status"] for row in await results(stage, msgid)] == [1]
    assert stage.sim.journal.of("delivery", channel="group_send", to=member)


async def test_a_new_task_cannot_be_asked_about_for_some_seconds(stage: Stage) -> None:
    member, _ = stage.friend()
    body = {"sender": STAFF, "external_userid": [member], "text": {"content": "早"}}
    made = await stage.call("externalcontact/add_msg_template", body)

    assert await stage.code("externalcontact/get_groupmsg_task", {"msgid": made["msgid"]}) == 41063


async def test_who_is_no_friend_any_more_gets_nothing(stage: Stage) -> None:
    kept, _ = stage.friend("留下的")
    gone, _ = stage.friend("走掉的")
    msgid = await task(stage, [kept, gone])
    stage.acts.drop_staff(gone, STAFF)
    stage.acts.confirm(STAFF, msgid)

    rows = {row["external_userid"]: row["status"] for row in await results(stage, msgid)}
    assert rows == {kept: 1, gone: 2}


async def test_nobody_gets_more_in_a_day_than_the_administrator_allows(stage: Stage) -> None:
    stage.sim.world.rules.quota = "day"
    member, _ = stage.friend()
    first, second = await task(stage, [member]), await task(stage, [member])
    stage.acts.confirm(STAFF, first)
    stage.acts.confirm(STAFF, second)

    assert [row["status"] for row in await results(stage, second)] == [3]


async def test_a_group_s_row_appears_only_once_it_is_sent(stage: Stage) -> None:
    group = stage.acts.create_group(STAFF, "新手答疑群")
    body = {"chat_type": "group", "sender": STAFF, "chat_id_list": [group], "text": {"content": "投票啦"}}
    msgid = (await stage.call("externalcontact/add_msg_template", body))["msgid"]
    await stage.clock.turn(timedelta(seconds=4))
    before = await results(stage, msgid)
    stage.acts.confirm(STAFF, msgid)

    assert before == []
    assert [row["chat_id"] for row in await results(stage, msgid)] == [group]
    assert stage.sim.world.archive[-1]["from"] == STAFF
    assert stage.sim.world.archive[-1]["text"] == {"content": "投票啦"}


async def test_a_fourth_reminder_in_a_day_is_refused(stage: Stage) -> None:
    member, _ = stage.friend()
    msgid = await task(stage, [member])
    codes = [await stage.code("externalcontact/remind_groupmsg_send", {"msgid": msgid}) for _ in range(4)]
    await stage.later(hours=25)

    assert codes == [0, 0, 0, 41094]
    assert await stage.code("externalcontact/remind_groupmsg_send", {"msgid": msgid}) == 0


async def test_a_cancelled_task_cannot_be_confirmed(stage: Stage) -> None:
    member, _ = stage.friend()
    msgid = await task(stage, [member])
    await stage.code("externalcontact/cancel_groupmsg_send", {"msgid": msgid})
    stage.acts.confirm(STAFF, msgid)

    assert [row["status"] for row in await results(stage, msgid)] == [0]
    assert await stage.code("externalcontact/remind_groupmsg_send", {"msgid": msgid}) == 41093


async def test_a_task_for_strangers_only_is_refused(stage: Stage) -> None:
    body = {"sender": STAFF, "external_userid": ["wmNobody"], "text": {"content": "早"}}

    assert await stage.code("externalcontact/add_msg_template", body) == 41048


async def test_tasks_of_the_month_can_be_listed(stage: Stage) -> None:
    member, _ = stage.friend()
    msgid = await task(stage, [member])
    now = int(stage.clock.now().timestamp())
    body = {"chat_type": "single", "start_time": now - 3600, "end_time": now + 3600}
    listed = await stage.call("externalcontact/get_groupmsg_list_v2", body)

    assert [one["msgid"] for one in listed["group_msg_list"]] == [msgid]
    assert listed["group_msg_list"][0]["text"] == {"content": "周末小调查"}


def card(task_id: str) -> dict[str, Any]:
    options = [{"id": "tea", "text": "冷泡茶"}, {"id": "latte", "text": "燕麦拿铁"}]
    shown = {
        "card_type": "vote_interaction",
        "main_title": {"title": "喝什么？"},
        "checkbox": {"question_key": "q1", "option_list": options},
        "submit_button": {"text": "投票", "key": "vote"},
        "task_id": task_id,
    }
    return {"touser": STAFF, "msgtype": "template_card", "agentid": 1000002, "template_card": shown}


async def test_a_pressed_card_tells_what_was_chosen_and_can_be_updated_once(stage: Stage) -> None:
    await stage.code("message/send", card("poll-1"), by=APP)
    code = stage.acts.press_card(STAFF, "poll-1", "vote", options={"q1": ["tea"]})
    await stage.sim.quiet()
    update = {
        "agentid": 1000002,
        "response_code": code,
        "userids": [STAFF],
        "button": {"replace_name": "已投票"},
    }

    heard = stage.receiver.of("template_card_event")[0]
    assert (heard.field("TaskId"), heard.field("OptionId")) == ("poll-1", "tea")
    assert await stage.code("message/update_template_card", update, by=APP) == 0
    assert await stage.code("message/update_template_card", update, by=APP) == 60140


async def test_the_same_request_within_the_interval_is_shown_once(stage: Stage) -> None:
    text = {"touser": STAFF, "msgtype": "text", "agentid": 1000002, "text": {"content": "早"}}
    once = {**text, "enable_duplicate_check": 1, "duplicate_check_interval": 600}
    for _ in range(2):
        await stage.code("message/send", once, by=APP)
    await stage.clock.turn(timedelta(seconds=601))
    await stage.code("message/send", once, by=APP)

    assert len(stage.sim.journal.of("delivery", channel="app")) == 2


async def test_unknown_staff_come_back_in_lower_case(stage: Stage) -> None:
    text = {"msgtype": "text", "agentid": 1000002, "text": {"content": "早"}}
    some = await stage.call("message/send", {**text, "touser": "LINMO|NoBody"}, by=APP)
    none = await stage.call("message/send", {**text, "touser": "NoBody"}, by=APP)

    assert (some["errcode"], some["invaliduser"]) == (0, "nobody")
    assert none["errcode"] == 81013
