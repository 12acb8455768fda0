"""What questions about the directory, ways in, greetings and statistics look like on the wire, and what answers become."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from bot.registry import FriendPage, GroupPage, MadeWay
from bot.wecom.gateway import WeComGateway
from sop.errors import Blocked, NotFound, Refused, SendError, Unanswered
from sop.greeting import Greeting
from sop.statistic import Level, Statistic
from sop.update import Friendship, MemberDescribed
from sop.way import Scene, Way, WayKind

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
ALICE = "wmQXalice"
CONTACT_TOKEN = "T-contact-secret-1"
POSTER = Way(state="poster_0103", name="一月海报", kind=WayKind.CONTACT, staff=("linmo",))
WALL = Way(
    state="wall", name="门店墙", kind=WayKind.JOIN, groups=("wrG1", "wrG2"), room_name="新手群", room_number=3
)
DAY = date(2026, 1, 1)
MIDNIGHT = 1767196800  # 2026-01-01 00:00 in UTC+8


def asked(wire: Any) -> tuple[str, str, Any, str]:
    return wire.last.method, wire.last.path, wire.last.body, wire.last.token


# ---------------------------------------------------------------- friends and groups, page by page


async def test_a_page_of_friends(gateway: WeComGateway, wire: Any) -> None:
    contact = {
        "external_userid": ALICE,
        "name": "阿璃",
        "avatar": "a",
        "type": 1,
        "gender": 2,
        "unionid": "o1",
    }
    follow = {"userid": "LinMo", "remark": "杭州", "description": "", "createtime": 1767232800,
              "tag_id": ["et1"], "remark_mobiles": [], "state": "poster", "add_way": 1}  # fmt: skip
    wire.answer(
        "externalcontact/batch/get_by_user",
        {"external_contact_list": [{"external_contact": contact, "follow_info": follow}],
         "next_cursor": "c2", "fail_info": {"unlicensed_userid_list": ["SuHe"]}},
    )  # fmt: skip

    page = await gateway.friend_page(("linmo", "suhe"), "c1")

    bond = Friendship("linmo", "杭州", "poster", 1767232800, (("et1", ""),))
    told = MemberDescribed(at=NOW, member=ALICE, name="阿璃", avatar="a", unionid="o1", gender=2, friends=(bond,),
                           whole=False)  # fmt: skip
    assert page == FriendPage((told,), "c2", ("suhe",))
    body = {"userid_list": ["linmo", "suhe"], "limit": 100, "cursor": "c1"}
    assert asked(wire) == ("POST", "externalcontact/batch/get_by_user", body, CONTACT_TOKEN)


async def test_the_first_page_has_no_cursor(gateway: WeComGateway, wire: Any) -> None:
    assert await gateway.friend_page(("linmo",), "") == FriendPage((), "", ())
    assert wire.last.body == {"userid_list": ["linmo"], "limit": 100}


@pytest.mark.parametrize(("code", "page"), [(84061, ()), (701008, ("linmo",))])
async def test_staff_without_friends_or_licence_have_an_empty_page(
    gateway: WeComGateway, wire: Any, code: int, page: tuple[str, ...]
) -> None:
    wire.answer("externalcontact/batch/get_by_user", {"errcode": code})

    assert await gateway.friend_page(("linmo",), "") == FriendPage((), "", page)


@pytest.mark.parametrize("path", ["externalcontact/batch/get_by_user", "externalcontact/groupchat/list"])
async def test_a_place_the_platform_has_lost_is_not_found(
    gateway: WeComGateway, wire: Any, path: str
) -> None:
    wire.answer(path, {"errcode": 50100})
    ask = gateway.friend_page if "batch" in path else gateway.group_page

    with pytest.raises(NotFound):
        await ask(("linmo",), "old")


async def test_unknown_staff_are_refused(gateway: WeComGateway, wire: Any) -> None:
    wire.answer("externalcontact/batch/get_by_user", {"errcode": 60111})

    with pytest.raises(Refused):
        await gateway.friend_page(("ghost",), "")


async def test_a_page_of_groups(gateway: WeComGateway, wire: Any) -> None:
    wire.answer(
        "externalcontact/groupchat/list",
        {"group_chat_list": [{"chat_id": "wr1", "status": 0}], "next_cursor": "c2"},
    )

    assert await gateway.group_page(("linmo",), "c1") == GroupPage(("wr1",), "c2")
    body = {"status_filter": 0, "limit": 1000, "owner_filter": {"userid_list": ["linmo"]}, "cursor": "c1"}
    assert asked(wire) == ("POST", "externalcontact/groupchat/list", body, CONTACT_TOKEN)


async def test_with_too_many_staff_a_page_of_groups_wants_owners(gateway: WeComGateway, wire: Any) -> None:
    wire.answer("externalcontact/groupchat/list", {"errcode": 81017})

    assert await gateway.group_page((), "") == GroupPage((), "", too_many=True)


async def test_a_list_that_goes_round_in_circles_is_left(gateway: WeComGateway, wire: Any) -> None:
    rounds = [{"group_chat_list": [{"chat_id": "wr1"}], "next_cursor": cursor} for cursor in ("a", "b", "a")]
    wire.answer("externalcontact/groupchat/list", *rounds)

    with pytest.raises(Unanswered):
        await gateway.groups()


async def test_a_member_whose_pages_never_end_is_asked_for_later(gateway: WeComGateway, wire: Any) -> None:
    contact = {"external_contact": {"external_userid": ALICE}, "follow_user": [], "next_cursor": "c"}
    wire.answer("externalcontact/get", contact)

    with pytest.raises(Unanswered):
        await gateway.member(ALICE)
    assert len(wire.asked) == 2


async def test_a_member_nobody_has_as_a_friend_has_no_friendships(gateway: WeComGateway, wire: Any) -> None:
    wire.answer("externalcontact/get", {"errcode": 84061})

    assert await gateway.member(ALICE) == MemberDescribed(at=NOW, member=ALICE)


@pytest.mark.parametrize(
    ("code", "error"), [(40035, NotFound), (60011, Refused), (50002, Refused), (60020, Blocked)]
)
async def test_only_a_group_that_is_unknown_is_not_found(
    gateway: WeComGateway, wire: Any, code: int, error: type[Exception]
) -> None:
    wire.answer("externalcontact/groupchat/get", {"errcode": code})

    with pytest.raises(error):
        await gateway.group("wrG1")


# ---------------------------------------------------------------- remarks and marks


async def test_a_remark(gateway: WeComGateway, wire: Any) -> None:
    await gateway.remark(ALICE, "linmo", "杭州阿璃")

    body = {"userid": "linmo", "external_userid": ALICE, "remark": "杭州阿璃"}
    assert asked(wire) == ("POST", "externalcontact/remark", body, CONTACT_TOKEN)


async def test_unmarking_a_friendship(gateway: WeComGateway, wire: Any) -> None:
    await gateway.mark(ALICE, "linmo", remove=("et1",))

    body = {"userid": "linmo", "external_userid": ALICE, "remove_tag": ["et1"]}
    assert asked(wire) == ("POST", "externalcontact/mark_tag", body, CONTACT_TOKEN)


async def test_a_mark_the_platform_has_no_tag_for_is_not_found(gateway: WeComGateway, wire: Any) -> None:
    wire.answer("externalcontact/mark_tag", {"errcode": 40068})

    with pytest.raises(NotFound):
        await gateway.mark(ALICE, "linmo", add=("et1",))


async def test_a_tag_s_name_is_cut_to_what_the_platform_takes(gateway: WeComGateway, wire: Any) -> None:
    short = "来" * 30
    wire.answer("externalcontact/add_corp_tag", {"tag_group": {"group_name": "群星", "tag": [{"id": "et1", "name": short}]}})  # fmt: skip

    assert (await gateway.add_tag("来" * 33, group="群星")).name == short


# ---------------------------------------------------------------- ways in


async def test_a_way_to_one_employee(gateway: WeComGateway, wire: Any) -> None:
    wire.answer("externalcontact/add_contact_way", {"config_id": "cw1", "qr_code": "https://q.example/1"})

    assert await gateway.make_way(POSTER) == MadeWay("cw1", "https://q.example/1")
    body = {
        "type": 1,
        "scene": 2,
        "remark": "一月海报",
        "skip_verify": True,
        "state": "poster_0103",
        "user": ["linmo"],
    }
    assert asked(wire) == ("POST", "externalcontact/add_contact_way", body, CONTACT_TOKEN)


async def test_a_way_to_several_for_a_mini_program(gateway: WeComGateway, wire: Any) -> None:
    way = Way(state="s", name="n", kind=WayKind.CONTACT, staff=("a", "b"), scene=Scene.MINI_PROGRAM,
              needs_no_consent=False)  # fmt: skip
    wire.answer("externalcontact/add_contact_way", {"config_id": "cw1"})

    assert await gateway.make_way(way) == MadeWay("cw1", "")
    assert [wire.last.body[key] for key in ("type", "scene", "skip_verify", "user")] == [
        2,
        1,
        False,
        ["a", "b"],
    ]


async def test_changing_and_dropping_a_way_to_staff(gateway: WeComGateway, wire: Any) -> None:
    await gateway.change_way("cw1", POSTER)
    await gateway.drop_way("cw1", WayKind.CONTACT)

    change = {
        "config_id": "cw1",
        "remark": "一月海报",
        "skip_verify": True,
        "state": "poster_0103",
        "user": ["linmo"],
    }
    assert [(one.path, one.body) for one in wire.asked] == [
        ("externalcontact/update_contact_way", change),
        ("externalcontact/del_contact_way", {"config_id": "cw1"}),
    ]


async def test_a_way_made_without_an_answer_is_found_by_its_state(gateway: WeComGateway, wire: Any) -> None:
    wire.answer(
        "externalcontact/list_contact_way",
        {"contact_way": [{"config_id": "cw1"}], "next_cursor": "c"},
        {"contact_way": [{"config_id": "cw2"}]},
    )
    wire.answer(
        "externalcontact/get_contact_way",
        {"contact_way": {"config_id": "cw1", "state": "other"}},
        {"contact_way": {"config_id": "cw2", "state": "poster_0103", "qr_code": "q"}},
    )

    assert await gateway.find_way(POSTER, NOW - timedelta(minutes=1)) == MadeWay("cw2", "q")
    span = {"start_time": int(NOW.timestamp()) - 60, "end_time": int(NOW.timestamp()) + 1, "limit": 1000}
    assert wire.asked[0].body == span
    assert wire.asked[1].body == {"config_id": "cw1"}
    assert wire.asked[2].body == {**span, "cursor": "c"}


async def test_a_way_into_groups_tells_its_picture_when_asked(gateway: WeComGateway, wire: Any) -> None:
    wire.answer("externalcontact/groupchat/add_join_way", {"config_id": "jw1"})
    wire.answer("externalcontact/groupchat/get_join_way", {"join_way": {"config_id": "jw1", "qr_code": "q"}})

    assert await gateway.make_way(WALL) == MadeWay("jw1", "q")
    made, got = wire.asked
    assert (made.method, made.path, made.token) == (
        "POST",
        "externalcontact/groupchat/add_join_way",
        CONTACT_TOKEN,
    )
    assert made.body == {
        "scene": 2, "remark": "门店墙", "auto_create_room": 1, "room_base_name": "新手群", "room_base_id": 3,
        "chat_id_list": ["wrG1", "wrG2"], "state": "wall",
    }  # fmt: skip
    assert (got.path, got.body) == ("externalcontact/groupchat/get_join_way", {"config_id": "jw1"})


async def test_changing_a_way_into_groups_overwrites_all_of_it(gateway: WeComGateway, wire: Any) -> None:
    plain = Way(state="wall", name="墙", kind=WayKind.JOIN, groups=("wrG1",), opens_rooms=False)

    await gateway.change_way("jw1", plain)
    await gateway.drop_way("jw1", WayKind.JOIN)

    whole = {"config_id": "jw1", "scene": 2, "remark": "墙", "auto_create_room": 0, "chat_id_list": ["wrG1"],
             "state": "wall"}  # fmt: skip
    assert [(one.path, one.body) for one in wire.asked] == [
        ("externalcontact/groupchat/update_join_way", whole),
        ("externalcontact/groupchat/del_join_way", {"config_id": "jw1"}),
    ]


@pytest.mark.parametrize(("way", "code"), [(POSTER, 41041), (POSTER, 41045), (WALL, 41045)])
async def test_a_way_too_many_is_refused(gateway: WeComGateway, wire: Any, way: Way, code: int) -> None:
    path = "externalcontact/add_contact_way" if way is POSTER else "externalcontact/groupchat/add_join_way"
    wire.answer(path, {"errcode": code})

    with pytest.raises(SendError) as told:
        await gateway.make_way(way)
    assert told.value.code == code


# ---------------------------------------------------------------- greetings

HELLO = Greeting(
    name="新手群", text="欢迎 %NICKNAME%", url="https://x.example/1", title="新手指南", description="看看"
)


async def test_a_greeting_is_put_into_the_library(gateway: WeComGateway, wire: Any) -> None:
    wire.answer("externalcontact/group_welcome_template/add", {"template_id": "gw1"})

    assert await gateway.add_greeting(HELLO) == "gw1"
    body = {
        "text": {"content": "欢迎 %NICKNAME%"},
        "link": {"title": "新手指南", "desc": "看看", "url": "https://x.example/1"},
        "notify": 1,
    }
    assert asked(wire) == ("POST", "externalcontact/group_welcome_template/add", body, CONTACT_TOKEN)


async def test_editing_and_dropping_a_greeting(gateway: WeComGateway, wire: Any) -> None:
    await gateway.edit_greeting("gw1", Greeting(name="n", text="嗨"))
    await gateway.drop_greeting("gw1")

    assert [(one.path, one.body) for one in wire.asked] == [
        ("externalcontact/group_welcome_template/edit", {"template_id": "gw1", "text": {"content": "嗨"}}),
        ("externalcontact/group_welcome_template/del", {"template_id": "gw1"}),
    ]


@pytest.mark.parametrize(("code", "error"), [(41055, Blocked), (41058, Refused)])
async def test_a_full_library_and_the_greetings_of_others(
    gateway: WeComGateway, wire: Any, code: int, error: type[Exception]
) -> None:
    wire.answer("externalcontact/group_welcome_template/edit", {"errcode": code})

    with pytest.raises(error):
        await gateway.edit_greeting("gw1", HELLO)


# ---------------------------------------------------------------- statistics


async def test_the_numbers_of_owners_come_page_by_page(gateway: WeComGateway, wire: Any) -> None:
    wire.answer(
        "externalcontact/groupchat/statistic",
        {
            "total": 2,
            "next_offset": 1,
            "items": [{"owner": "LinMo", "data": {"msg_total": 9, "chat_total": 1}}],
        },
        {"total": 2, "next_offset": 2, "items": [{"owner": "suhe", "data": {"msg_total": 0}}]},
    )

    assert await gateway.owner_statistics(DAY, ("linmo", "suhe")) == (
        Statistic(DAY, Level.OWNER, "linmo", {"msg_total": 9, "chat_total": 1}),
        Statistic(DAY, Level.OWNER, "suhe", {"msg_total": 0}),
    )
    body = {"day_begin_time": MIDNIGHT, "day_end_time": MIDNIGHT, "owner_filter": {"userid_list": ["linmo", "suhe"]},
            "order_by": 1, "order_asc": 0, "offset": 1, "limit": 1000}  # fmt: skip
    assert asked(wire) == ("POST", "externalcontact/groupchat/statistic", body, CONTACT_TOKEN)


async def test_the_numbers_of_days_are_those_of_all_owners_together(gateway: WeComGateway, wire: Any) -> None:
    day = {"stat_time": MIDNIGHT, "data": {"chat_total": 2}}
    wire.answer("externalcontact/groupchat/statistic_group_by_day", {"items": [day]})
    owners = tuple(f"s{number}" for number in range(150))

    (told,) = await gateway.day_statistics(DAY, DAY, owners)

    assert told == Statistic(DAY, Level.DAY, "", {"chat_total": 4})
    first, second = (one.body["owner_filter"]["userid_list"] for one in wire.asked)
    assert (len(first), len(second)) == (100, 50)
    assert wire.last.body == {"day_begin_time": MIDNIGHT, "day_end_time": MIDNIGHT, "owner_filter": {"userid_list": second}}  # fmt: skip


async def test_the_numbers_of_one_employee(gateway: WeComGateway, wire: Any) -> None:
    row = {
        "stat_time": MIDNIGHT,
        "chat_cnt": 3,
        "message_cnt": 8,
        "reply_percentage": 50.5,
        "negative_feedback_cnt": 0,
    }
    wire.answer("externalcontact/get_user_behavior_data", {"behavior_data": [row]})

    (told,) = await gateway.staff_statistics(DAY, "linmo")

    figures = {"chat_cnt": 3, "message_cnt": 8, "reply_percentage": 50.5, "negative_feedback_cnt": 0}
    assert told == Statistic(DAY, Level.STAFF, "linmo", figures)
    body = {"userid": ["linmo"], "start_time": MIDNIGHT, "end_time": MIDNIGHT}
    assert asked(wire) == ("POST", "externalcontact/get_user_behavior_data", body, CONTACT_TOKEN)


# ---------------------------------------------------------------- answers nobody documented

Ask = Callable[[WeComGateway], Awaitable[Any]]
TORN: dict[str, tuple[str, dict[str, Any], Ask]] = {
    "a row that is no object": (
        "externalcontact/batch/get_by_user",
        {"external_contact_list": ["x"]},
        lambda g: g.friend_page(("linmo",), ""),
    ),
    "a friend without follow_info": (
        "externalcontact/batch/get_by_user",
        {"external_contact_list": [{"external_contact": {"external_userid": ALICE}}]},
        lambda g: g.friend_page(("linmo",), ""),
    ),
    "a friend without an id": (
        "externalcontact/batch/get_by_user",
        {"external_contact_list": [{"external_contact": {}, "follow_info": {"userid": "linmo"}}]},
        lambda g: g.friend_page(("linmo",), ""),
    ),
    "a cursor that is a number": (
        "externalcontact/groupchat/list",
        {"group_chat_list": [], "next_cursor": 7},
        lambda g: g.group_page((), ""),
    ),
    "a group without an id": (
        "externalcontact/groupchat/list",
        {"group_chat_list": [{"status": 0}]},
        lambda g: g.group_page((), ""),
    ),
    "a member list that is none": (
        "externalcontact/groupchat/get",
        {"group_chat": {"chat_id": "wr1", "member_list": "all"}},
        lambda g: g.group("wr1"),
    ),
    "a time that is none": (
        "externalcontact/groupchat/get",
        {"group_chat": {"chat_id": "wr1", "create_time": "yesterday"}},
        lambda g: g.group("wr1"),
    ),
    "a member without external_contact": (
        "externalcontact/get",
        {"follow_user": []},
        lambda g: g.member(ALICE),
    ),
    "staff that are no texts": (
        "externalcontact/get_follow_user_list",
        {"follow_user": [1]},
        lambda g: g.staff(),
    ),
    "a tag without a name": (
        "externalcontact/get_corp_tag_list",
        {"tag_group": [{"group_name": "g", "tag": [{"id": "et1"}]}]},
        lambda g: g.tags(),
    ),
    "a way without a number": ("externalcontact/add_contact_way", {}, lambda g: g.make_way(POSTER)),
    "a greeting without a number": (
        "externalcontact/group_welcome_template/add",
        {},
        lambda g: g.add_greeting(HELLO),
    ),
    "an owner without numbers": (
        "externalcontact/groupchat/statistic",
        {"items": [{"owner": "linmo"}]},
        lambda g: g.owner_statistics(DAY, ("linmo",)),
    ),
    "a day that is none": (
        "externalcontact/groupchat/statistic_group_by_day",
        {"items": [{"stat_time": 10**30, "data": {}}]},
        lambda g: g.day_statistics(DAY, DAY, ("linmo",)),
    ),
    "pages that go backwards": (
        "externalcontact/groupchat/statistic",
        {"total": 9, "next_offset": -1, "items": []},
        lambda g: g.owner_statistics(DAY, ("linmo",)),
    ),
}


@pytest.mark.parametrize("name", TORN)
async def test_an_answer_that_makes_no_sense_is_not_believed(
    gateway: WeComGateway, wire: Any, name: str
) -> None:
    path, answer, ask = TORN[name]
    wire.answer(path, answer)

    with pytest.raises(Unanswered):
        await ask(gateway)
