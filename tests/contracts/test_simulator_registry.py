"""Ways in, greetings, remarks and statistics as the simulated platform keeps them, with its refusals."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from bot.simulator.scan import scan
from bot.simulator.statistic import ZONE
from tests.contracts.simulated import STAFF, Stage, on_stage

TO_STAFF: dict[str, Any] = {"type": 1, "scene": 2, "state": "poster", "user": [STAFF]}
GREETING: dict[str, Any] = {"text": {"content": "欢迎 %NICKNAME%"}, "notify": 1}


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with on_stage() as one:
        yield one


async def way(stage: Stage, **how: Any) -> str:
    answer = await stage.call("externalcontact/add_contact_way", {**TO_STAFF, **how})
    assert answer["errcode"] == 0, answer
    return str(answer["config_id"])


async def join_way(stage: Stage, *groups: str, **how: Any) -> str:
    body = {"scene": 2, "chat_id_list": list(groups), "state": "wall", **how}
    answer = await stage.call("externalcontact/groupchat/add_join_way", body)
    assert answer["errcode"] == 0, answer
    return str(answer["config_id"])


def midnight(stage: Stage, *, days_ago: int = 1) -> int:
    today = stage.clock.now().astimezone(ZONE).replace(hour=0, minute=0, second=0, microsecond=0)
    return int((today - timedelta(days=days_ago)).timestamp())


# ---------------------------------------------------------------- ways to staff


async def test_who_scans_a_way_brings_its_state(stage: Stage) -> None:
    number = await way(stage)
    lin = stage.acts.meet("小林")

    scan(stage.acts, lin.id, number)
    await stage.sim.quiet()

    (added,) = stage.receiver.of("add_external_contact")
    assert (added.field("State"), added.field("UserID")) == ("poster", STAFF)


async def test_staff_of_a_way_take_turns(stage: Stage) -> None:
    stage.acts.hire("suhe", "苏禾")
    number = await way(stage, type=2, user=[STAFF, "suhe"])

    led_to = [scan(stage.acts, stage.acts.meet(name).id, number) for name in ("甲", "乙", "丙")]

    assert led_to == [STAFF, "suhe", STAFF]


async def test_a_way_that_wants_consent_makes_half_a_friend(stage: Stage) -> None:
    number = await way(stage, skip_verify=False)

    scan(stage.acts, stage.acts.meet("小林").id, number)
    await stage.sim.quiet()

    assert len(stage.receiver.of("add_half_external_contact")) == 1


async def test_a_way_is_told_changed_listed_and_dropped(stage: Stage) -> None:
    number = await way(stage)

    await stage.call("externalcontact/update_contact_way", {"config_id": number, "remark": "新名字"})
    told = (await stage.call("externalcontact/get_contact_way", {"config_id": number}))["contact_way"]
    listed = (await stage.call("externalcontact/list_contact_way", {}))["contact_way"]
    await stage.call("externalcontact/del_contact_way", {"config_id": number})

    assert (told["remark"], told["state"], told["user"], listed) == (
        "新名字",
        "poster",
        [STAFF],
        [{"config_id": number}],
    )
    assert await stage.code("externalcontact/get_contact_way", {"config_id": number}) == 40035


@pytest.mark.parametrize(
    ("how", "code"),
    [
        ({"type": 3}, 40035),
        ({"scene": 0}, 40035),
        ({"user": []}, 40035),
        ({"user": [STAFF, "suhe"]}, 40035),
        ({"type": 2, "user": [STAFF] * 101}, 41041),
        ({"user": ["ghost"]}, 60111),
        ({"state": "很" * 31}, 40035),
        ({"remark": "很" * 31}, 40035),
        ({"skip_verify": "yes"}, 40035),
    ],
)
async def test_a_way_nobody_can_make(stage: Stage, how: dict[str, Any], code: int) -> None:
    assert await stage.code("externalcontact/add_contact_way", {**TO_STAFF, **how}) == code
    assert stage.sim.world.ways == {}


async def test_ways_of_both_kinds_share_one_quota(stage: Stage) -> None:
    stage.sim.limits.allowance.ways = 1
    await way(stage)
    group = stage.acts.create_group(STAFF, "新手群")

    body = {"scene": 2, "chat_id_list": [group]}
    assert await stage.code("externalcontact/add_contact_way", TO_STAFF) == 41045
    assert await stage.code("externalcontact/groupchat/add_join_way", body) == 41045


# ---------------------------------------------------------------- ways into groups


async def test_a_seat_taken_through_a_way_shows_its_state_in_the_details_only(stage: Stage) -> None:
    group = stage.acts.create_group(STAFF, "新手群")
    number = await join_way(stage, group)
    lin = stage.acts.meet("小林")

    scan(stage.acts, lin.id, number)
    await stage.later(seconds=5)
    await stage.sim.quiet()

    chat = (await stage.call("externalcontact/groupchat/get", {"chat_id": group}))["group_chat"]
    (seat,) = (one for one in chat["member_list"] if one["userid"] == lin.id)
    assert (seat["state"], seat["join_scene"]) == ("wall", 3)
    assert "wall" not in stage.receiver.of("update")[-1].plain


async def test_a_full_group_opens_another(stage: Stage) -> None:
    stage.sim.world.rules.room_seats = 2
    group = stage.acts.create_group(STAFF, "新手群")
    number = await join_way(stage, group, room_base_name="新手群", room_base_id=2)

    led_to = [scan(stage.acts, stage.acts.meet(name).id, number) for name in ("甲", "乙")]

    assert led_to[0] == group
    assert stage.sim.world.groups[led_to[1]].name == "新手群2"


@pytest.mark.parametrize(
    "body",
    [
        {"chat_id_list": []},
        {"chat_id_list": ["wrNowhere"]},
        {"scene": 5},
        {"state": "很" * 31},
        {"room_base_name": "很" * 41},
        {"auto_create_room": 2},
    ],
)
async def test_a_way_into_groups_nobody_can_make(stage: Stage, body: dict[str, Any]) -> None:
    group = stage.acts.create_group(STAFF, "新手群")

    whole = {"scene": 2, "chat_id_list": [group], **body}
    assert await stage.code("externalcontact/groupchat/add_join_way", whole) == 40035


async def test_at_most_five_groups_share_a_way(stage: Stage) -> None:
    groups = [stage.acts.create_group(STAFF, f"群{number}") for number in range(6)]

    body = {"scene": 2, "chat_id_list": groups}
    assert await stage.code("externalcontact/groupchat/add_join_way", body) == 40035
    assert (
        await stage.code("externalcontact/groupchat/add_join_way", {**body, "chat_id_list": groups[:5]}) == 0
    )


async def test_an_update_of_a_way_into_groups_forgets_what_it_does_not_say(stage: Stage) -> None:
    group = stage.acts.create_group(STAFF, "新手群")
    number = await join_way(stage, group)

    body = {"config_id": number, "scene": 2, "chat_id_list": [group]}
    await stage.call("externalcontact/groupchat/update_join_way", body)

    told = (await stage.call("externalcontact/groupchat/get_join_way", {"config_id": number}))["join_way"]
    assert (told["state"], told["auto_create_room"], bool(told["qr_code"])) == ("", 1, True)


# ---------------------------------------------------------------- greetings, remarks, licences


async def test_a_greeting_lives_in_the_library(stage: Stage) -> None:
    base = "externalcontact/group_welcome_template"
    number = (await stage.call(f"{base}/add", GREETING))["template_id"]

    await stage.call(f"{base}/edit", {"template_id": number, "text": {"content": "嗨"}})
    told = await stage.call(f"{base}/get", {"template_id": number})
    await stage.call(f"{base}/del", {"template_id": number})

    assert told["text"] == {"content": "嗨"}
    assert await stage.code(f"{base}/get", {"template_id": number}) == 40035


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, 44004),
        ({"text": {"content": "很" * 1001}}, 45002),
        ({"text": {"content": "嗨"}, "link": {"title": "t"}}, 40035),
        ({"text": {"content": "嗨"}, "notify": 2}, 40035),
    ],
)
async def test_a_greeting_the_library_does_not_take(stage: Stage, body: dict[str, Any], code: int) -> None:
    assert await stage.code("externalcontact/group_welcome_template/add", body) == code


async def test_the_library_holds_a_hundred_and_each_belongs_to_who_made_it(stage: Stage) -> None:
    base = "externalcontact/group_welcome_template"
    numbers = [(await stage.call(f"{base}/add", GREETING))["template_id"] for _ in range(100)]

    assert await stage.code(f"{base}/add", GREETING) == 41055
    assert await stage.code(f"{base}/del", {"template_id": numbers[0]}, by="app/qunxing") == 41058


async def test_a_remark_is_seen_on_its_friendship_and_makes_no_callback(stage: Stage) -> None:
    member, _ = stage.friend("阿璃")
    await stage.sim.quiet()
    heard = len(stage.receiver.heard)

    await stage.call(
        "externalcontact/remark", {"userid": STAFF, "external_userid": member, "remark": "杭州阿璃"}
    )
    await stage.sim.quiet()

    bond = (await stage.call("externalcontact/get", external_userid=member))["follow_user"][0]
    assert (bond["remark"], len(stage.receiver.heard)) == ("杭州阿璃", heard)


async def test_staff_without_a_licence_are_named_and_their_friends_are_not_told(stage: Stage) -> None:
    stage.acts.hire("suhe", "苏禾")
    stage.sim.world.staff["suhe"].licensed = False
    stage.friend("阿璃")

    api = "externalcontact/batch/get_by_user"
    both = await stage.call(api, {"userid_list": [STAFF, "suhe"]})

    assert (len(both["external_contact_list"]), both["fail_info"]["unlicensed_userid_list"]) == (1, ["suhe"])
    assert await stage.code(api, {"userid_list": ["suhe"]}) == 701008


async def test_with_very_many_staff_groups_are_listed_by_owner_only(stage: Stage) -> None:
    stage.sim.world.rules.unfiltered_staff = 0
    group = stage.acts.create_group(STAFF, "新手群")

    api, owner = "externalcontact/groupchat/list", {"owner_filter": {"userid_list": [STAFF]}}
    assert await stage.code(api, {"status_filter": 0, "limit": 10}) == 81017
    assert (await stage.call(api, owner))["group_chat_list"] == [{"chat_id": group, "status": 0}]


# ---------------------------------------------------------------- statistics


async def test_yesterday_is_told_per_owner_and_per_day(stage: Stage) -> None:
    group = stage.acts.create_group(STAFF, "新手群")
    lin = stage.acts.meet("小林")
    stage.acts.join(group, lin.id)
    stage.acts.speak(group, lin.id, "大家好")
    await stage.later(days=1)
    begin = midnight(stage)

    span = {"day_begin_time": begin + 3600, "owner_filter": {"userid_list": [STAFF]}}
    (owner,) = (await stage.call("externalcontact/groupchat/statistic", span))["items"]
    (day,) = (await stage.call("externalcontact/groupchat/statistic_group_by_day", span))["items"]

    assert (owner["owner"], day["stat_time"]) == (STAFF, begin)
    assert owner["data"] == day["data"]
    assert {key: owner["data"][key] for key in ("chat_total", "member_total", "msg_total")} == {
        "chat_total": 1, "member_total": 2, "msg_total": 1,
    }  # fmt: skip


async def test_what_staff_did_is_added_up(stage: Stage) -> None:
    member, _ = stage.friend("阿璃")
    stage.acts.write(STAFF, member, "你好")
    await stage.later(days=1)
    begin = midnight(stage)

    body = {"userid": [STAFF], "start_time": begin, "end_time": begin}
    (told,) = (await stage.call("externalcontact/get_user_behavior_data", body))["behavior_data"]

    assert (told["new_contact_cnt"], told["chat_cnt"], told["message_cnt"]) == (1, 1, 1)


@pytest.mark.parametrize(("start", "end"), [(0, 0), (181, 181), (31, 1), (1, 2)])
async def test_days_that_are_not_over_too_old_or_too_many_are_refused(
    stage: Stage, start: int, end: int
) -> None:
    span = {"day_begin_time": midnight(stage, days_ago=start), "day_end_time": midnight(stage, days_ago=end)}
    body = {**span, "owner_filter": {"userid_list": [STAFF]}}

    assert await stage.code("externalcontact/groupchat/statistic_group_by_day", body) == 40035


async def test_numbers_are_told_of_at_most_a_hundred_owners_and_always_of_some(stage: Stage) -> None:
    api, begin = "externalcontact/groupchat/statistic", midnight(stage)

    many = {"day_begin_time": begin, "owner_filter": {"userid_list": [STAFF] * 101}}
    assert await stage.code(api, many) == 81017
    assert await stage.code(api, {"day_begin_time": begin}) == 40035
    assert datetime.fromtimestamp(begin, ZONE).hour == 0
