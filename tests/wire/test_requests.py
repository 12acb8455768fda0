"""What each question and each message looks like on the wire, and what the answers become."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bot.gateway import CorpTag, Identity, Parcel
from bot.wecom.card import run_of
from bot.wecom.gateway import WeComGateway
from sop.errors import Blocked, Busy, NotFound, Refused, Unanswered
from sop.message import CAPABILITIES, Channel, Choice, Content, Link, Option
from sop.receipt import Sent
from sop.update import Friendship, GroupDescribed, MemberDescribed, Seat, TaskReported

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
ALICE, BOB = "wmQXalice", "wmQXbob"
LINK = Link("30 秒投票", "https://qx.example.org/l/abc", "点开看看")
CHOICE = Choice("run:7", "周末想喝什么？", (Option("A", "燕麦拿铁"), Option("B", "冷泡茶")))


def parcel(channel: Channel, text: str = "你好", **values: Any) -> Parcel:
    content = Content(text, link=values.pop("link", None), choice=values.pop("choice", None))
    to = values.pop("to", ("linmo",) if channel is Channel.APP else (ALICE,))
    return Parcel(channel=channel, content=content, recipients=to, **{"key": "k1", **values})


# ---------------------------------------------------------------- app messages


async def test_a_text_to_staff(gateway: WeComGateway, wire: Any) -> None:
    wire.answer("message/send", {"msgid": "MSG1", "invaliduser": "suhe", "unlicenseduser": ""})

    sent = await gateway.send(parcel(Channel.APP, to=("linmo", "SuHe"), audience="staff", sender="second"))

    assert sent == Sent("MSG1", ("SuHe",))
    assert (wire.last.method, wire.last.path, wire.last.query) == ("POST", "message/send", {})
    assert wire.last.token == "T-second-secret-1"
    body = wire.last.body
    assert 1800 <= body.pop("duplicate_check_interval") <= 14_400
    assert body == {
        "touser": "linmo|SuHe",
        "msgtype": "text",
        "agentid": 1000003,
        "text": {"content": "你好"},
        "enable_duplicate_check": 1,
    }


async def test_a_repeat_has_the_same_bytes_and_another_message_has_not(
    gateway: WeComGateway, wire: Any
) -> None:
    for key in ("k1", "k1", "k2"):
        await gateway.send(parcel(Channel.APP, audience="staff", key=key))

    first, repeat, other = (asked.body for asked in wire.asked)
    assert first == repeat
    assert first != other


async def test_a_link_to_staff_is_a_card(gateway: WeComGateway, wire: Any) -> None:
    await gateway.send(parcel(Channel.APP, audience="staff", link=LINK))

    assert wire.last.body["textcard"] == {
        "title": "30 秒投票",
        "description": "你好",
        "url": "https://qx.example.org/l/abc",
        "btntxt": "查看",
    }


async def test_a_link_beside_a_long_text_is_an_anchor(gateway: WeComGateway, wire: Any) -> None:
    await gateway.send(parcel(Channel.APP, "长" * 300, audience="staff", link=LINK))

    assert wire.last.body["text"]["content"].endswith('<a href="https://qx.example.org/l/abc">30 秒投票</a>')


async def test_a_choice_to_staff_is_a_vote(gateway: WeComGateway, wire: Any) -> None:
    await gateway.send(parcel(Channel.APP, audience="staff", choice=CHOICE))

    card = wire.last.body["template_card"]
    assert card["card_type"] == "vote_interaction"
    assert card["main_title"] == {"title": "周末想喝什么？", "desc": "你好"}
    assert [option["id"] for option in card["checkbox"]["option_list"]] == ["A", "B"]
    assert run_of(card["task_id"]) == "run:7"


async def test_an_app_nobody_configured_blocks(gateway: WeComGateway, wire: Any) -> None:
    with pytest.raises(Blocked, match="other"):
        await gateway.send(parcel(Channel.APP, audience="staff", sender="other"))

    assert wire.asked == []


# ---------------------------------------------------------------- to members


async def test_a_welcome(gateway: WeComGateway, wire: Any) -> None:
    sent = await gateway.send(parcel(Channel.WELCOME, welcome_code="W1", link=LINK))

    assert sent == Sent("W1")
    assert wire.last.path == "externalcontact/send_welcome_msg"
    assert wire.last.token.startswith("T-contact-secret")
    card = {"title": "30 秒投票", "url": "https://qx.example.org/l/abc", "desc": "点开看看"}
    assert wire.last.body == {
        "welcome_code": "W1",
        "text": {"content": "你好"},
        "attachments": [{"msgtype": "link", "link": card}],
    }


async def test_a_welcome_already_given_is_done(gateway: WeComGateway, wire: Any) -> None:
    wire.answer("externalcontact/send_welcome_msg", {"errcode": 41051})

    assert await gateway.send(parcel(Channel.WELCOME, welcome_code="W1")) == Sent("W1")


@pytest.mark.parametrize(("code", "fate"), [(41050, Refused), (41053, Refused), (41096, Busy)])
async def test_a_welcome_s_other_endings(gateway: WeComGateway, wire: Any, code: int, fate: type) -> None:
    wire.answer("externalcontact/send_welcome_msg", {"errcode": code})

    with pytest.raises(fate):
        await gateway.send(parcel(Channel.WELCOME, welcome_code="W1"))


async def test_a_welcome_without_a_code_is_refused_at_home(gateway: WeComGateway, wire: Any) -> None:
    with pytest.raises(Refused):
        await gateway.send(parcel(Channel.WELCOME))

    assert wire.asked == []


async def test_a_mass_send_to_members(gateway: WeComGateway, wire: Any) -> None:
    wire.answer("externalcontact/add_msg_template", {"msgid": "msgQX1", "fail_list": [BOB]})

    sent = await gateway.send(parcel(Channel.GROUP_SEND, to=(ALICE, BOB), sender="linmo"))

    assert sent == Sent("msgQX1", (BOB,))
    assert wire.last.body == {
        "chat_type": "single",
        "sender": "linmo",
        "external_userid": [ALICE, BOB],
        "text": {"content": "你好"},
    }


async def test_a_mass_send_to_groups_says_its_choice_in_words(gateway: WeComGateway, wire: Any) -> None:
    wire.answer("externalcontact/add_msg_template", {"msgid": "msgQX2"})

    await gateway.send(
        parcel(Channel.GROUP_SEND, to=("wrG1",), audience="group", sender="linmo", choice=CHOICE, link=LINK)
    )

    body = wire.last.body
    assert (body["chat_type"], body["chat_id_list"]) == ("group", ["wrG1"])
    assert body["text"]["content"] == "你好\n周末想喝什么？\nA. 燕麦拿铁\nB. 冷泡茶"
    assert body["attachments"][0]["link"]["url"] == LINK.url


async def test_a_mass_send_without_a_number_is_unknown(gateway: WeComGateway, wire: Any) -> None:
    wire.answer("externalcontact/add_msg_template", {"fail_list": []})

    with pytest.raises(Unanswered):
        await gateway.send(parcel(Channel.GROUP_SEND, sender="linmo"))


async def test_a_text_in_kf(gateway: WeComGateway, wire: Any) -> None:
    sent = await gateway.send(parcel(Channel.KF, sender="wkQX1", link=LINK))

    body = wire.last.body
    assert (wire.last.path, wire.last.token) == ("kf/send_msg", "T-kf-secret-1")
    assert sent == Sent(body["msgid"])
    assert len(body.pop("msgid")) == 32
    assert body == {
        "touser": ALICE,
        "open_kfid": "wkQX1",
        "msgtype": "text",
        "text": {"content": "你好\n30 秒投票\nhttps://qx.example.org/l/abc"},
    }


async def test_a_choice_in_kf_is_a_menu(gateway: WeComGateway, wire: Any) -> None:
    await gateway.send(parcel(Channel.KF, sender="wkQX1", choice=CHOICE))

    assert wire.last.body["msgmenu"] == {
        "head_content": "你好\n周末想喝什么？",
        "list": [
            {"type": "click", "click": {"id": "run:7:A", "content": "燕麦拿铁"}},
            {"type": "click", "click": {"id": "run:7:B", "content": "冷泡茶"}},
        ],
    }


async def test_a_welcome_in_kf(gateway: WeComGateway, wire: Any) -> None:
    await gateway.send(parcel(Channel.KF, sender="wkQX1", welcome_code="C1"))

    assert wire.last.path == "kf/send_msg_on_event"
    assert wire.last.body["code"] == "C1"
    assert "touser" not in wire.last.body


async def test_a_webhook_needs_no_token(gateway: WeComGateway, wire: Any) -> None:
    await gateway.send(parcel(Channel.WEBHOOK, to=(), sender="运营群", choice=CHOICE))

    assert (wire.last.query, wire.last.token, wire.fetches) == ({"key": "hook-key"}, "", [])
    assert wire.last.body["text"]["content"].splitlines()[-1] == "B. 冷泡茶"


SENDERS = {
    Channel.APP: "community",
    Channel.APPCHAT: "second",
    Channel.WEBHOOK: "运营群",
    Channel.KF: "wkQX1",
    Channel.AIBOT: "helper",
}


@pytest.mark.parametrize("channel", list(Channel))
async def test_a_text_too_long_is_refused_at_home(gateway: WeComGateway, wire: Any, channel: Channel) -> None:
    long = "a" * (CAPABILITIES[channel].max_bytes + 1)
    audience = "staff" if channel is Channel.APP else "member"

    with pytest.raises(Refused):
        await gateway.send(
            parcel(channel, long, audience=audience, sender=SENDERS.get(channel, "linmo"), welcome_code="W1")
        )

    assert wire.asked == []


@pytest.mark.parametrize("channel", [Channel.WELCOME, Channel.KF])
async def test_a_channel_for_one_takes_no_two(gateway: WeComGateway, channel: Channel) -> None:
    with pytest.raises(Refused):
        await gateway.send(parcel(channel, to=(ALICE, BOB), welcome_code="W1"))


# ---------------------------------------------------------------- tasks


async def test_a_task_nobody_confirmed(gateway: WeComGateway, wire: Any) -> None:
    wire.answer("externalcontact/get_groupmsg_task", {"task_list": [{"userid": "LinMo", "status": 0}]})

    report = await gateway.task("msgQX1", "linmo", to_groups=False)

    assert report == TaskReported(at=NOW, task="msgQX1", sender="linmo", confirmed=False)


async def test_a_confirmed_task_tells_each_recipient_page_by_page(gateway: WeComGateway, wire: Any) -> None:
    wire.answer("externalcontact/get_groupmsg_task", {"task_list": [{"userid": "LinMo", "status": 2}]})
    wire.answer(
        "externalcontact/get_groupmsg_send_result",
        {"send_list": [{"external_userid": ALICE, "status": 1, "send_time": 1767300000}], "next_cursor": "c"},
        {"send_list": [{"external_userid": BOB, "status": 3}, {"external_userid": "wmC", "status": 2}]},
    )

    report = await gateway.task("msgQX1", "linmo", to_groups=False)

    assert report.confirmed
    assert report.results == (
        (ALICE, "delivered", 1767300000),
        (BOB, "quota_used", 0),
        ("wmC", "not_friend", 0),
    )
    assert wire.last.body["cursor"] == "c"


async def test_a_task_still_being_dispatched_is_asked_later(gateway: WeComGateway, wire: Any) -> None:
    wire.answer("externalcontact/get_groupmsg_task", {"errcode": 41063})

    with pytest.raises(Busy):
        await gateway.task("msgQX1", "linmo", to_groups=False)


LISTED = {
    "msgid": "msgQX9",
    "create_time": str(int(NOW.timestamp())),
    "text": {"content": "你好"},
    "attachments": [{"msgtype": "link", "link": {"title": LINK.title, "url": LINK.url}}],
}


def _tasks(wire: Any, listed: list[dict[str, Any]], recipients: list[str]) -> None:
    wire.answer("externalcontact/get_groupmsg_list_v2", {"group_msg_list": listed})
    wire.answer("externalcontact/get_groupmsg_task", {"task_list": [{"userid": "linmo", "status": 0}]})
    rows = [{"external_userid": one, "status": 0} for one in recipients]
    wire.answer("externalcontact/get_groupmsg_send_result", {"send_list": rows})


SOUGHT = parcel(Channel.GROUP_SEND, to=(ALICE, BOB), sender="linmo", link=LINK)


async def test_a_task_created_without_an_answer_is_found_again(gateway: WeComGateway, wire: Any) -> None:
    other = {**LISTED, "msgid": "msgQX8", "text": {"content": "别的"}}
    _tasks(wire, [other, LISTED], [ALICE, BOB])

    assert await gateway.find_task(SOUGHT, NOW - timedelta(minutes=1)) == "msgQX9"
    assert wire.asked[0].body["start_time"] < NOW.timestamp() - 60


async def test_who_looks_in_the_same_moments_shares_one_list(gateway: WeComGateway, wire: Any) -> None:
    _tasks(wire, [LISTED], [ALICE, BOB])

    found = [await gateway.find_task(SOUGHT, NOW - timedelta(minutes=minutes)) for minutes in (2, 1)]

    lists = [asked for asked in wire.asked if asked.path.endswith("get_groupmsg_list_v2")]
    assert (found, len(lists)) == (["msgQX9"] * 2, 1)


async def test_an_equal_task_for_others_is_not_ours(gateway: WeComGateway, wire: Any) -> None:
    _tasks(wire, [LISTED], ["wmSomeoneElse"])

    assert await gateway.find_task(SOUGHT, NOW - timedelta(minutes=1)) is None


async def test_two_tasks_that_could_be_ours_are_for_a_person_to_tell_apart(
    gateway: WeComGateway, wire: Any
) -> None:
    _tasks(wire, [LISTED, {**LISTED, "msgid": "msgQX10"}], [ALICE, BOB])

    assert await gateway.find_task(SOUGHT, NOW - timedelta(minutes=1)) is None


async def test_reminding_and_cancelling(gateway: WeComGateway, wire: Any) -> None:
    await gateway.remind("msgQX1")
    await gateway.cancel("msgQX1")

    assert [(asked.path, asked.body) for asked in wire.asked] == [
        ("externalcontact/remind_groupmsg_send", {"msgid": "msgQX1"}),
        ("externalcontact/cancel_groupmsg_send", {"msgid": "msgQX1"}),
    ]


# ---------------------------------------------------------------- who is who


async def test_staff_and_their_members(gateway: WeComGateway, wire: Any) -> None:
    wire.answer("externalcontact/get_follow_user_list", {"follow_user": ["LinMo", "suhe"]})
    wire.answer("externalcontact/list", {"external_userid": [ALICE]})

    assert await gateway.staff() == ("linmo", "suhe")
    assert await gateway.members_of("linmo") == (ALICE,)
    assert (wire.last.method, wire.last.query) == ("GET", {"userid": "linmo"})


async def test_staff_without_members_have_none(gateway: WeComGateway, wire: Any) -> None:
    wire.answer("externalcontact/list", {"errcode": 84061})

    assert await gateway.members_of("suhe") == ()


async def test_a_member_is_described_with_every_friendship(gateway: WeComGateway, wire: Any) -> None:
    contact = {
        "external_userid": ALICE,
        "name": "阿璃",
        "avatar": "",
        "gender": 2,
        "unionid": "o1",
        "type": 1,
    }
    tags = [
        {"group_name": "层级", "tag_name": "潜力", "tag_id": "et1", "type": 1},
        {"tag_name": "自建", "type": 2},
    ]
    first = {"userid": "LinMo", "remark": "杭州", "createtime": 1767232800, "state": "poster", "tags": tags}
    wire.answer(
        "externalcontact/get",
        {"external_contact": contact, "follow_user": [first], "next_cursor": "c"},
        {"external_contact": contact, "follow_user": [{"userid": "suhe", "createtime": 1}]},
    )

    assert await gateway.member(ALICE) == MemberDescribed(
        at=NOW,
        member=ALICE,
        name="阿璃",
        unionid="o1",
        gender=2,
        friends=(
            Friendship("linmo", "杭州", "poster", 1767232800, (("et1", "潜力"),)),
            Friendship("suhe", since=1),
        ),
    )


async def test_a_group_is_described_with_every_seat(gateway: WeComGateway, wire: Any) -> None:
    seats = [
        {"userid": "LinMo", "type": 1, "join_time": 5, "join_scene": 1, "name": "林墨"},
        {"userid": ALICE, "type": 2, "join_time": 6, "join_scene": 3, "name": "阿璃",
         "invitor": {"userid": "LinMo"}, "state": "poster"},
    ]  # fmt: skip
    chat = {"chat_id": "wrG1", "name": "新手答疑群", "owner": "LinMo", "create_time": 4, "notice": "n",
            "member_list": seats, "admin_list": [], "member_version": "v1"}  # fmt: skip
    wire.answer("externalcontact/groupchat/get", {"group_chat": chat})

    assert await gateway.group("wrG1") == GroupDescribed(
        at=NOW,
        group="wrG1",
        name="新手答疑群",
        owner="linmo",
        notice="n",
        created=4,
        version="v1",
        seats=(
            Seat("linmo", "林墨", True, 5, 1),
            Seat(ALICE, "阿璃", False, 6, 3, "linmo", "poster"),
        ),
    )
    assert wire.last.body == {"chat_id": "wrG1", "need_name": 1}


async def test_a_name_without_end_is_kept_as_far_as_it_fits(gateway: WeComGateway, wire: Any) -> None:
    wire.answer("externalcontact/groupchat/get", {"group_chat": {"chat_id": "wrG1", "name": "群" * 500}})

    assert (await gateway.group("wrG1")).name == "群" * 128


async def test_groups_are_listed_to_the_end(gateway: WeComGateway, wire: Any) -> None:
    wire.answer(
        "externalcontact/groupchat/list",
        {"group_chat_list": [{"chat_id": "wr1", "status": 0}], "next_cursor": "c"},
        {"group_chat_list": [{"chat_id": "wr2", "status": 1}]},
    )

    assert await gateway.groups() == ("wr1", "wr2")
    assert wire.last.body == {"status_filter": 0, "limit": 1000, "cursor": "c"}


async def test_with_too_many_staff_groups_are_asked_for_by_owner(gateway: WeComGateway, wire: Any) -> None:
    wire.answer("externalcontact/get_follow_user_list", {"follow_user": [f"s{n}" for n in range(150)]})
    wire.answer(
        "externalcontact/groupchat/list",
        {"errcode": 81017},
        {"group_chat_list": [{"chat_id": "wr1"}]},
        {"group_chat_list": [{"chat_id": "wr2"}]},
    )

    assert await gateway.groups() == ("wr1", "wr2")
    assert len(wire.last.body["owner_filter"]["userid_list"]) == 50


TAGS = {
    "group_id": "g1",
    "group_name": "群星",
    "tag": [{"id": "et1", "name": "潜力"}, {"id": "et2", "name": "旧", "deleted": True}],
}


async def test_tags_that_live_are_listed(gateway: WeComGateway, wire: Any) -> None:
    wire.answer("externalcontact/get_corp_tag_list", {"tag_group": [TAGS, {**TAGS, "deleted": True}]})

    assert await gateway.tags() == (CorpTag("et1", "潜力", "群星"),)


async def test_a_tag_is_added_by_group_name(gateway: WeComGateway, wire: Any) -> None:
    wire.answer("externalcontact/add_corp_tag", {"tag_group": TAGS})

    assert await gateway.add_tag("潜力", group="群星") == CorpTag("et1", "潜力", "群星")
    assert wire.last.body == {"group_name": "群星", "tag": [{"name": "潜力"}]}


async def test_a_tag_that_exists_is_looked_up(gateway: WeComGateway, wire: Any) -> None:
    wire.answer("externalcontact/add_corp_tag", {"errcode": 40071})
    wire.answer("externalcontact/get_corp_tag_list", {"tag_group": [TAGS]})

    assert (await gateway.add_tag("潜力", group="群星")).id == "et1"
    with pytest.raises(NotFound):
        await gateway.add_tag("没有", group="群星")


async def test_marking_a_friendship(gateway: WeComGateway, wire: Any) -> None:
    await gateway.mark(ALICE, "linmo", add=("et1",))

    assert wire.last.body == {"userid": "linmo", "external_userid": ALICE, "add_tag": ["et1"]}


@pytest.mark.parametrize(
    ("answer", "identity"),
    [
        ({"userid": "LinMo", "user_ticket": "t"}, Identity(staff="linmo")),
        ({"openid": "o1", "external_userid": ALICE}, Identity(member=ALICE, openid="o1")),
        ({"openid": "o2"}, Identity(openid="o2")),
    ],
)
async def test_who_came_back_from_the_login_page(
    gateway: WeComGateway, wire: Any, answer: dict[str, str], identity: Identity
) -> None:
    wire.answer("auth/getuserinfo", answer)

    assert await gateway.who("CODE") == identity
    assert wire.last.query == {"code": "CODE"}


async def test_a_used_code_is_refused(gateway: WeComGateway, wire: Any) -> None:
    wire.answer("auth/getuserinfo", {"errcode": 40029})

    with pytest.raises(Refused):
        await gateway.who("CODE")
