"""Whatever the platform can tell, the simulator tells on request, and our edge understands it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from bot.simulator.notice import NOTICES
from bot.wecom.parse import parse
from sop.notice import PlatformTold
from sop.update import CardClicked, FriendAdded, MembersLeft, MessageHeard, TagEdited, Unknown, Update
from tests.contracts.simulated import STAFF, Stage, on_stage

DOCUMENTED = {
    *(f"message/{kind}" for kind in ("text", "image", "voice", "video", "location", "link")),
    *("subscribe", "unsubscribe", "enter_agent", "LOCATION", "click", "view", "view_miniprogram"),
    *("scancode_push", "scancode_waitmsg", "pic_sysphoto", "pic_photo_or_album", "pic_weixin", "location_select"),
    *("batch_job_result", "template_card_event", "template_card_menu_event", "open_approval_change"),
    *("share_agent_change", "share_chain_change", "inactive_alert", "close_inactive_agent", "reopen_inactive_agent"),
    *("low_active_alert", "low_active", "active_restored", "taskcard_click"),
    *(f"change_contact/{change}_user" for change in ("create", "update", "delete")),
    *(f"change_contact/{change}_party" for change in ("create", "update", "delete")),
    "change_contact/update_tag",
    *(f"change_external_contact/{way}_external_contact" for way in ("add", "add_half", "edit", "del")),
    *(f"change_external_contact/{name}" for name in ("del_follow_user", "transfer_fail", "msg_audit_approved")),
    *(f"change_external_chat/{change}" for change in ("create", "dismiss", "add_member", "del_member")),
    *(f"change_external_chat/change_{what}" for what in ("owner", "name", "notice")),
    *(f"change_external_tag/{change}" for change in ("create", "update", "delete", "shuffle", "delete_group")),
    *(f"customer_acquisition/balance_{how}" for how in ("low", "exhausted", "increased")),
    *(f"customer_acquisition/{name}" for name in ("quota_expire_soon", "link_unavailable", "delete_link")),
    *(f"customer_acquisition/{name}" for name in ("open_profile", "friend_request", "customer_start_chat")),
    *("customer_acquisition/message_from_customer", "kf_msg_or_event", "kf_account_auth_change", "msgaudit_notify"),
}  # fmt: skip


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with on_stage() as one:
        yield one


async def order(stage: Stage, deed: str, **wanted: Any) -> tuple[int, dict[str, Any]]:
    """Order a deed through the simulator's own door."""
    url = f"{stage.sim.api_base}/sim/deeds"
    async with stage.session.post(url, json={"deed": deed, **wanted}) as reply:
        return reply.status, await reply.json()


async def told(stage: Stage) -> list[Update]:
    """What our edge makes of everything the receiver heard."""
    await stage.sim.quiet()
    return [parse(one.door, one.plain.encode(), "k") for one in stage.receiver.heard]


async def test_everything_documented_can_be_ordered(stage: Stage) -> None:
    async with stage.session.get(f"{stage.sim.api_base}/sim/deeds") as reply:
        offered = {one["deed"] for one in await reply.json()}

    assert DOCUMENTED - offered == set()


@pytest.mark.parametrize("name", NOTICES)
async def test_a_notice_is_told_and_understood(name: str, stage: Stage) -> None:
    status, _ = await order(stage, name)

    (update,) = await told(stage)
    assert status == 200
    assert isinstance(update, MessageHeard) if name.startswith("message/") else update_name(update) == name


def update_name(update: Update) -> str:
    assert isinstance(update, PlatformTold), update
    return update.name


async def test_a_notice_bears_the_fields_one_asks_for(stage: Stage) -> None:
    await order(stage, "customer_acquisition/link_unavailable", fields={"LinkId": "ca77"})

    (update,) = await told(stage)
    assert isinstance(update, PlatformTold)
    assert update.fact("LinkId") == "ca77"


async def test_an_alert_names_an_instant_to_come(stage: Stage) -> None:
    await order(stage, "low_active_alert")

    (update,) = await told(stage)
    assert isinstance(update, PlatformTold)
    assert int(update.fact("EffectTime")) > stage.clock.now().timestamp()


async def test_every_deed_of_people_and_administrators_is_understood(stage: Stage) -> None:
    lin, _ = stage.friend("小林")
    group = stage.acts.create_group(STAFF, "茶友群")
    tags = stage.acts.office.create_tag_group("喜好", ["茶", "咖啡"])
    first, second = (one.id for one in stage.sim.world.tags.values())
    wu = stage.acts.meet("小吴").id
    pair, account = {"member": lin, "staff": STAFF}, next(iter(stage.sim.world.accounts))
    orders: list[tuple[str, dict[str, Any]]] = [
        ("message/text", {"staff": STAFF, "text": "你好"}),
        ("enter_agent", {"staff": STAFF}),
        ("click", {"staff": STAFF, "key": "HELP"}),
        ("template_card_menu_event", {"staff": STAFF, "task_id": "t1", "key": "mute"}),
        ("template_card_event", {"staff": STAFF, "task_id": "t1", "key": "ok", "options": {"q": ["a", "b"]}}),
        ("change_contact/create_user", {"staff": "suhe", "name": "苏禾"}),
        ("change_external_contact/edit_external_contact", {**pair, "remark": "小林-杭州"}),
        ("change_external_contact/transfer_fail", {**pair, "reason": "customer_limit_exceed"}),
        ("change_external_contact/msg_audit_approved", pair),
        ("change_external_contact/take_over", {"member": lin, "old": STAFF, "new": "suhe"}),
        ("change_external_contact/del_follow_user", {"member": lin, "staff": "suhe"}),
        ("change_external_contact/add_half_external_contact", {"member": wu, "staff": STAFF}),
        ("change_external_contact/accept", {"member": wu, "staff": STAFF}),
        ("change_external_contact/del_external_contact", {"member": wu, "staff": STAFF}),
        ("change_external_chat/add_member", {"group": group, "people": [lin, wu]}),
        ("change_external_chat/del_member", {"group": group, "person": lin}),
        ("change_external_chat/remove_member", {"group": group, "people": [wu]}),
        ("change_external_chat/change_name", {"group": group, "name": "茶馆"}),
        ("change_external_chat/change_notice", {"group": group, "notice": "周六见"}),
        ("change_external_chat/change_owner", {"group": group, "owner": "suhe"}),
        ("change_external_chat/dismiss", {"group": group}),
        ("change_external_tag/update", {"tag_id": first, "name": "红茶"}),
        ("change_external_tag/delete", {"tag_id": second}),
        ("change_external_tag/update_group", {"group": tags, "name": "口味"}),
        ("change_external_tag/shuffle", {"group": tags}),
        ("change_external_tag/delete_group", {"group": tags}),
        ("change_contact/update_user", {"staff": "suhe", "new": "suhe.2"}),
        ("change_contact/delete_user", {"staff": "suhe.2"}),
        ("kf_account_auth_change", {"added": [account], "removed": ["wkQXold"]}),
        ("kf_msg_or_event", {"account": account}),
    ]

    answers = [(name, *(await order(stage, name, **wanted))) for name, wanted in orders]

    assert [answer for answer in answers if answer[1] != 200] == []
    updates = await told(stage)
    assert len(updates) > len(orders)
    assert not any(isinstance(one, Unknown) for one in updates)


async def test_a_deleted_tag_group_says_nothing_of_its_tags(stage: Stage) -> None:
    tags = stage.acts.office.create_tag_group("喜好", ["茶", "咖啡"])
    await stage.sim.quiet()
    before = len(stage.receiver.heard)

    stage.acts.office.delete_tag_group(tags)

    (update,) = (await told(stage))[before:]
    assert isinstance(update, TagEdited)
    assert (update.what, update.change, update.tag) == ("tag_group", "delete", tags)
    assert (await stage.call("externalcontact/get_corp_tag_list", {}))["tag_group"] == []


async def test_who_left_the_corp_is_no_employee_for_the_api_any_more(stage: Stage) -> None:
    stage.friend("小林")

    stage.acts.office.leave_corp(STAFF)

    assert await stage.code("externalcontact/list", userid=STAFF) == 60111


async def test_a_half_friend_cannot_be_asked_about_until_accepted(stage: Stage) -> None:
    member, code = stage.friend("小林", half=True)
    before = await stage.code("externalcontact/get", external_userid=member)
    stage.acts.accept_friend(STAFF, member)

    after = await stage.code("externalcontact/get", external_userid=member)

    assert (before, after, bool(code)) == (84061, 0, True)
    half, whole = [one for one in await told(stage) if isinstance(one, FriendAdded)]
    assert (half.half, whole.half) == (True, False)


async def test_removed_people_are_told_apart_from_those_who_left(stage: Stage) -> None:
    group = stage.acts.create_group(STAFF, "茶友群")
    one, two = stage.acts.meet("小林").id, stage.acts.meet("小吴").id
    stage.acts.join(group, one, two)
    stage.acts.leave(group, one)
    stage.acts.remove(group, two)

    scenes = [update.scene for update in await told(stage) if isinstance(update, MembersLeft)]

    assert scenes == [0, 1]


async def test_the_menu_of_a_card_is_no_button(stage: Stage) -> None:
    stage.acts.choose_in_card(STAFF, "t1", "mute")

    (update,) = await told(stage)
    assert isinstance(update, CardClicked)
    assert (update.menu, update.key) == (True, "mute")


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"deed": "moon"}, "nothing is called moon"),
        ({"deed": "change_contact/delete_user"}, "it needs staff"),
        ({"deed": "change_contact/delete_user", "staff": "nobody"}, "there is no nobody"),
        ({"deed": "change_contact/delete_user", "staff": "a", "colour": "red"}, "it needs staff"),
    ],
)
async def test_an_order_that_makes_no_sense_is_refused_in_words(
    wanted: dict[str, str], said: str, stage: Stage
) -> None:
    status, answer = await order(stage, **wanted)

    assert status == 400
    assert said in answer["error"]
