"""Members, tags and groups as the simulated platform tells of them, and what it calls back about."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from bot.simulator.acts import INVITED
from tests.contracts.simulated import STAFF, Stage, on_stage


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with on_stage() as one:
        yield one


async def described(stage: Stage, group: str) -> dict[str, Any]:
    answer = await stage.call("externalcontact/groupchat/get", {"chat_id": group, "need_name": 1})
    found: dict[str, Any] = answer["group_chat"]
    return found


async def test_a_member_is_told_of_with_source_and_tags(stage: Stage) -> None:
    member, _ = stage.friend("阿璃", state="poster_0103")
    tag = stage.acts.create_tag("爱喝茶", "兴趣")
    stage.acts.edit_friend(STAFF, member, add=[tag])
    answer = await stage.call("externalcontact/get", external_userid=member)

    bond = answer["follow_user"][0]
    assert answer["external_contact"]["name"] == "阿璃"
    assert (bond["state"], bond["tags"][0]["tag_name"]) == ("poster_0103", "爱喝茶")


async def test_members_of_staff_come_page_by_page(stage: Stage) -> None:
    members = [stage.friend(str(number))[0] for number in range(5)]
    first = await stage.call("externalcontact/batch/get_by_user", {"userid_list": [STAFF], "limit": 3})
    body = {"userid_list": [STAFF], "limit": 3, "cursor": first["next_cursor"]}
    second = await stage.call("externalcontact/batch/get_by_user", body)

    both = [*first["external_contact_list"], *second["external_contact_list"]]
    assert [one["external_contact"]["external_userid"] for one in both] == members
    assert second["next_cursor"] == ""


async def test_staff_without_members_have_no_list(stage: Stage) -> None:
    assert await stage.code("externalcontact/list", userid=STAFF) == 84061


async def test_who_deleted_whom_is_told_apart(stage: Stage) -> None:
    one, _ = stage.friend("甲")
    other, _ = stage.friend("乙")
    stage.acts.drop_staff(one, STAFF)
    stage.acts.drop_member(STAFF, other, transferred=True)
    await stage.sim.quiet()

    assert [heard.field("ExternalUserID") for heard in stage.receiver.of("del_follow_user")] == [one]
    assert stage.receiver.of("del_external_contact")[0].field("Source") == "DELETE_BY_TRANSFER"


async def test_what_the_api_changes_is_not_called_back(stage: Stage) -> None:
    member, _ = stage.friend()
    await stage.sim.quiet()
    before = len(stage.receiver.heard)
    made = await stage.call("externalcontact/add_corp_tag", {"group_name": "层级", "tag": [{"name": "潜力"}]})
    tag = made["tag_group"]["tag"][0]["id"]
    body = {"userid": STAFF, "external_userid": member, "add_tag": [tag]}
    code = await stage.code("externalcontact/mark_tag", body)
    await stage.sim.quiet()

    assert code == 0
    assert stage.sim.world.friendships[STAFF, member].tags == {tag}
    assert len(stage.receiver.heard) == before


async def test_what_staff_change_in_the_client_is_called_back(stage: Stage) -> None:
    member, _ = stage.friend()
    stage.acts.edit_friend(STAFF, member, remark="老客")
    stage.acts.rename_tag(stage.acts.create_tag("茶", "兴趣"), "茶友")
    await stage.sim.quiet()

    assert len(stage.receiver.of("edit_external_contact")) == 1
    tags = [one for one in stage.receiver.heard if one.field("Event") == "change_external_tag"]
    assert [one.field("ChangeType") for one in tags] == ["create", "update"]


async def test_an_app_may_delete_only_tags_of_its_own(stage: Stage) -> None:
    tag = stage.acts.create_tag("茶", "兴趣")

    assert await stage.code("externalcontact/del_corp_tag", {"tag_id": [tag]}) == 81011


async def test_an_unknown_tag_cannot_be_set(stage: Stage) -> None:
    member, _ = stage.friend()
    body = {"userid": STAFF, "external_userid": member, "add_tag": ["etNone"]}

    assert await stage.code("externalcontact/mark_tag", body) == 40068


async def test_versions_of_a_group_form_a_chain(stage: Stage) -> None:
    group = stage.acts.create_group(STAFF, "新手答疑群")
    first, second = (stage.acts.meet(name).id for name in ("甲", "乙"))
    stage.acts.join(group, first, second, scene=INVITED)
    stage.acts.leave(group, first)
    await stage.sim.quiet()
    joined, left = (one for one in stage.receiver.heard if one.field("UpdateDetail"))

    assert (joined.field("MemChangeCnt"), joined.plain.count("<Item>"), joined.field("JoinScene")) == (
        "2",
        2,
        "0",
    )
    assert joined.field("CurMemVer") == left.field("LastMemVer")
    await stage.clock.turn(timedelta(seconds=3))
    assert (await described(stage, group))["member_version"] == left.field("CurMemVer")


async def test_the_detail_of_a_group_is_two_seconds_behind(stage: Stage) -> None:
    group = stage.acts.create_group(STAFF, "新手答疑群")
    await stage.clock.turn(timedelta(seconds=5))
    stage.acts.join(group, stage.acts.meet("甲").id)
    early = await described(stage, group)
    await stage.clock.turn(timedelta(seconds=2))
    late = await described(stage, group)

    assert [len(one["member_list"]) for one in (early, late)] == [1, 2]
    assert late["member_list"][1]["join_scene"] == 3
    assert early["member_version"] != late["member_version"]


async def test_a_group_changes_name_and_owner_and_ends(stage: Stage) -> None:
    stage.acts.hire("suhe", "苏禾")
    group = stage.acts.create_group(STAFF, "旧名")
    stage.acts.rename(group, "新名")
    stage.acts.hand_over(group, "suhe")
    stage.acts.dismiss(group)
    await stage.sim.quiet()

    told = [one.field("UpdateDetail") or one.field("ChangeType") for one in stage.receiver.heard]
    assert told == ["create", "change_name", "change_owner", "dismiss"]
    listed = await stage.call("externalcontact/groupchat/list", {"limit": 10})
    assert listed["group_chat_list"] == []


async def test_a_word_in_a_group_makes_no_callback(stage: Stage) -> None:
    group, member = stage.acts.create_group(STAFF, "新手答疑群"), stage.acts.meet("甲").id
    stage.acts.join(group, member)
    await stage.sim.quiet()
    before = len(stage.receiver.heard)
    stage.acts.speak(group, member, "大家好")
    await stage.sim.quiet()

    assert len(stage.receiver.heard) == before
    assert stage.sim.world.archive[-1]["text"] == {"content": "大家好"}
