"""What a 智能机器人 is told becomes the same typed updates as everything else."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bot.wecom.aibot_parse import knock_of, parse_told
from bot.wecom.settings import Aibot
from sop.errors import Malformed
from sop.update import AppOpened, CardClicked, FeedbackGiven, MessageHeard, Unknown, Update

NOW = datetime(2026, 1, 3, 2, 0, tzinfo=UTC)
BOT = Aibot(name="helper", mode="webhook", display_name="群星 助手", plain_ids=True)
SOCKET = replace(BOT, mode="websocket")
URL = "https://qyapi.weixin.qq.com/cgi-bin/aibot/response?response_code=RC1"
GROUP = {"chatid": "CHAT-staff-01", "chattype": "group"}


def told(msgtype: str, **fields: Any) -> dict[str, Any]:
    """A message in a single chat, unless ``fields`` say otherwise."""
    head = {"msgid": "QXBOT-0001", "aibotid": "AIB-qx", "chattype": "single", "from": {"userid": "LinMo"}}
    return {**head, "response_url": URL, "msgtype": msgtype, **fields}


def event(eventtype: str, **fields: Any) -> dict[str, Any]:
    return told("event", create_time=1767405600, event={"eventtype": eventtype, **fields})


def meant(fields: dict[str, Any], bot: Aibot = BOT) -> Update:
    knock = knock_of("ww", bot.door, json.dumps(fields).encode(), NOW, request="req-1")
    return parse_told(bot, knock.body, "id")


def heard(fields: dict[str, Any], bot: Aibot = BOT) -> MessageHeard:
    update = meant(fields, bot)
    assert isinstance(update, MessageHeard)
    return update


MIXED = {
    "msg_item": [
        {"msgtype": "text", "text": {"content": "@群星 助手 看看"}},
        {"msgtype": "image", "image": {"url": "https://files/1"}},
        {"msgtype": "text", "text": {"content": "这张"}},
    ]
}


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        (told("text", text={"content": " 待办 "}), "待办"),
        (told("text", text={"content": "@群星 助手 待办"}), "@群星 助手 待办"),
        (told("text", text={"content": "@群星 助手 待办"}, **GROUP), "待办"),
        (told("text", text={"content": "@群星 助手\u2005待办"}, **GROUP), "待办"),
        (told("text", text={"content": "待办 @群星 助手"}, **GROUP), "待办"),
        (told("text", text={"content": "@群星 助手们 待办"}, **GROUP), "@群星 助手们 待办"),
        (told("text", text={"content": "@群星 助手"}, **GROUP), ""),
        (told("voice", voice={"content": "活跃度"}), "活跃度"),
        (told("mixed", mixed=MIXED, **GROUP), "看看\n这张"),
        (told("image", image={"url": "https://files/1"}), ""),
        (told("file", file={"url": "https://files/1"}), ""),
        (told("video", video={"url": "https://files/1"}), ""),
    ],
)
def test_a_message_says_what_was_said_without_the_bot_s_own_name(fields: dict[str, Any], text: str) -> None:
    update = heard(fields)

    assert (update.text, update.media, update.member) == (text, fields["msgtype"], "linmo")
    assert (update.via, update.account, update.from_staff) == ("aibot", "helper", True)


def test_without_a_display_name_the_first_mention_is_taken_off() -> None:
    nameless = replace(BOT, display_name="")

    assert heard(told("text", text={"content": "@小助手 待办"}, **GROUP), nameless).text == "待办"


@pytest.mark.parametrize(
    ("quote", "quoted"),
    [
        ({"msgtype": "text", "text": {"content": "周三前完成签到"}}, "周三前完成签到"),
        ({"msgtype": "voice", "voice": {"content": "听不清"}}, "听不清"),
        ({"msgtype": "mixed", "mixed": {"msg_item": [{"msgtype": "text", "text": {"content": "图"}}]}}, "图"),
        ({"msgtype": "image", "image": {"url": "https://files/1"}}, "[图片]"),
        ({"msgtype": "file", "file": {"url": "https://files/1"}}, "[文件]"),
    ],
)
def test_what_was_quoted_is_kept(quote: dict[str, Any], quoted: str) -> None:
    assert heard(told("text", text={"content": "谁还没签"}, quote=quote)).quoted == quoted


def test_a_message_knows_its_group() -> None:
    assert heard(told("text", text={"content": "待办"}, **GROUP)).group == "CHAT-staff-01"
    assert heard(told("text", text={"content": "待办"})).group == ""


def test_an_encrypted_id_is_kept_to_the_letter_and_called_an_alias() -> None:
    stranger = replace(BOT, plain_ids=False)

    update = heard(told("text", text={"content": "待办"}), stranger)

    assert (update.member, update.alias) == ("LinMo", True)


def test_over_callbacks_the_answer_is_asked_for_six_minutes_and_taken_for_an_hour() -> None:
    ticket = heard(told("text", text={"content": "待办"})).ticket

    assert ticket is not None
    assert ticket.asked_until == NOW + timedelta(minutes=5, seconds=45)
    assert ticket.valid_until == NOW + timedelta(hours=1)
    assert json.loads(ticket.code) == {"kind": "message", "url": URL, "request": "req-1", "chat": "LinMo"}


def test_over_the_long_connection_nobody_asks_and_the_number_is_repeated() -> None:
    ticket = heard(told("text", text={"content": "待办"}, **GROUP), SOCKET).ticket

    assert ticket is not None
    assert (ticket.asked_until, ticket.valid_until) == (None, None)
    assert json.loads(ticket.code)["request"] == "req-1"
    assert json.loads(ticket.code)["chat"] == "CHAT-staff-01"


def test_opening_the_chat_can_be_greeted_for_five_seconds() -> None:
    update = meant(event("enter_chat"))

    assert isinstance(update, AppOpened)
    assert (update.via, update.app, update.staff) == ("aibot", "helper", "linmo")
    assert update.at == datetime.fromtimestamp(1767405600, UTC)
    assert update.ticket is not None
    assert update.ticket.valid_until == NOW + timedelta(seconds=5)


CHOSEN = [{"question_key": "w02", "option_ids": {"option_id": ["tea", "latte"]}}]
FLAT = [{"questionkey": "w02", "optionids": {"optionid": ["tea", "latte"]}}]


@pytest.mark.parametrize(
    "fields",
    [
        event(
            "template_card_event",
            template_card_event={
                "card_type": "vote_interaction",
                "event_key": "submit",
                "task_id": "poll-w02",
                "selected_items": {"selected_item": CHOSEN},
            },
        ),
        event(
            "template_card_event",
            template_card_event={
                "cardtype": "vote_interaction",
                "eventkey": "submit",
                "taskid": "poll-w02",
                "selecteditems": {"selecteditem": FLAT},
            },
        ),
        event(
            "template_card_event",
            event_key="submit",
            task_id="poll-w02",
            selected_items={"selected_item": CHOSEN},
        ),
    ],
    ids=["nested", "nested without underscores", "flat"],
)
def test_a_click_on_a_card_is_read_however_it_is_spelt(fields: dict[str, Any]) -> None:
    update = meant(fields)

    assert isinstance(update, CardClicked)
    assert (update.task, update.key, update.via) == ("poll-w02", "submit", "aibot")
    assert update.options == (("w02", ("tea", "latte")),)


def test_a_card_s_menu_is_a_click_without_options() -> None:
    update = meant(event("template_card_event", template_card_event={"event_key": "mute", "task_id": "t"}))

    assert isinstance(update, CardClicked)
    assert (update.key, update.options) == ("mute", ())


def test_feedback_is_a_verdict_with_its_reasons() -> None:
    said = {"id": "reply:1", "type": 2, "content": "不对", "inaccurate_reason_list": [1, 3, 9]}

    update = meant(event("feedback_event", feedback_event=said))

    assert isinstance(update, FeedbackGiven)
    assert (update.answer, update.verdict, update.words) == ("reply:1", "bad", "不对")
    assert update.reasons == ("答非所问", "内容有误", "9")


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        (event("disconnected_event"), "aibot/event/disconnected_event"),
        (event("something_new", something_new={"a": 1}), "aibot/event/something_new"),
        (told("hologram"), "aibot/hologram"),
    ],
)
def test_what_we_have_no_name_for_is_unknown_and_harmless(fields: dict[str, Any], name: str) -> None:
    assert meant(fields) == Unknown(at=meant(fields).at, id="id", name=name)


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"[]",
        b"not json",
        b'{"msgtype": 7}',
        b'{"msgtype": "text"}',
        b'{"msgtype": "text", "text": "x", "from": {"userid": "a"}}',
        b'{"msgtype": "text", "text": {"content": "x"}}',
        b'{"msgtype": "text", "text": {"content": "x"}, "from": {"userid": ""}}',
        b'{"msgtype": "text", "text": {"content": "x"}, "from": {"userid": "%s"}}' % (b"a" * 65),
        b'{"msgtype": "text", "text": {"content": "x"}, "chattype": "group", "from": {"userid": "a"}}',
        b'{"msgtype": "text", "text": {"content": "x"}, "from": {"userid": "a\\u0000b"}}',
        b'{"msgtype": "mixed", "mixed": {"msg_item": [{"msgtype": "text"}]}, "from": {"userid": "a"}}',
        b'{"msgtype": "event", "event": {"eventtype": "feedback_event"}, "from": {"userid": "a"}}',
        b'{"msgtype": "event", "create_time": 99999999999999, "event": {"eventtype": "enter_chat"}, "from": {"userid": "a"}}',
        b"[" * 100_000,
    ],
)
def test_what_makes_no_sense_is_malformed_and_nothing_else(said: bytes) -> None:
    knock = knock_of("ww", BOT.door, said, NOW)

    with pytest.raises(Malformed):
        parse_told(BOT, knock.body, "id")


def test_signs_no_database_takes_are_shown_as_another() -> None:
    said = rb'{"msgtype": "text", "text": {"content": "a\ud800b\u0000c"}, "from": {"userid": "a"}}'

    update = parse_told(BOT, knock_of("ww", BOT.door, said, NOW).body, "id")

    assert isinstance(update, MessageHeard)
    assert update.text == "a\ufffdb\ufffdc"


def test_the_same_msgid_is_the_same_fact_whatever_else_differs() -> None:
    first = knock_of("ww", BOT.door, json.dumps(told("text", text={"content": "a"})).encode(), NOW)
    again = knock_of("ww", BOT.door, json.dumps(told("text", text={"content": "b"})).encode(), NOW)
    other = knock_of("ww", "aibot/other", json.dumps(told("text", text={"content": "a"})).encode(), NOW)

    assert first.key == again.key
    assert first.key != other.key


def test_without_a_msgid_the_same_words_are_the_same_fact() -> None:
    said = b'{"msgtype": "text", "text": {"content": "a"}, "from": {"userid": "a"}}'

    later = NOW + timedelta(seconds=9)
    assert knock_of("ww", BOT.door, said, NOW).key == knock_of("ww", BOT.door, said, later).key
