"""What happens in the corp reaches us by encrypted callbacks: late, twice, out of order, or not at all."""

from __future__ import annotations

from typing import Any

import pytest

from bot.simulator.faults import Fault
from bot.simulator.notice import announce
from bot.simulator.world import Group, app_talk
from sop.archive import purpose
from storage.alarm import open_alarms
from storage.operator import OPERATOR, OperatorStore
from tests.world import Person, World, july

TEAROOM = "茶友群"


def operator_read(world: World) -> list[str]:
    """What the app wrote to the operator."""
    lines = world.sim.world.talks[app_talk("qunxing", "linmo")]
    return [line.text for line in lines if line.speaker != "linmo"]


async def alarms(world: World) -> list[str]:
    return await world.ask(lambda tx: [one.text for one in open_alarms(tx.connection)])


async def seats(world: World) -> set[str]:
    sitting = await world.ask(lambda tx: tx.groups.seated(world.groups[TEAROOM]))
    return {one.member for one in sitting if not one.staff}


def truly(world: World) -> Group:
    return world.sim.world.groups[world.groups[TEAROOM]]


def asked(world: World, api: str, **request: Any) -> list[dict[str, Any]]:
    """Calls of an API whose request held these values."""
    return [
        one
        for one in world.sim.journal.of("call", api=f"externalcontact/{api}")
        if all(one["request"].get(key) == value for key, value in request.items())
    ]


async def many(world: World, *names: str) -> list[Person]:
    return [await world.befriends(name) for name in names]


# ---------------------------------------------------------------- an employee leaves


async def on_the_way(world: World) -> Person:
    """A member whose only friend is suhe, at the beginning of the seven days."""
    await world.publishes("seven_day_growth")
    return await world.befriends("小林", "suhe")


async def test_who_leaves_in_the_middle_of_a_plan_sends_nothing_more_and_operators_hear_of_it(
    world: World,
) -> None:
    lin = await on_the_way(world)

    world.sim.acts.office.leave_corp("suhe")
    await world.settle()
    await world.leap_to(july(3, "19:28"))
    await world.turn(minutes=10)

    left = [text for text in operator_read(world) if "离开企业" in text]
    assert len(left) == 1
    assert "1 位成员没有别的同事可以联系，其中 1 位正在走 SOP" in left[0]
    assert left[0] in await alarms(world)
    assert {str(entry.state) for entry in await lin.pushes()} <= {"cancelled"}


async def test_who_takes_over_carries_the_plan_on(world: World) -> None:
    lin = await on_the_way(world)
    world.sim.acts.office.leave_corp("suhe")
    await world.settle()

    world.sim.acts.office.take_over(lin.id, "suhe", "linmo")
    await world.settle()
    await world.leap_to(july(3, "19:28"))
    await world.turn(minutes=10)

    (journey,) = await world.ask(lambda tx: tx.journeys.of(lin.id))
    assert journey.state == "active"
    assert [task.rows.keys() for task in world.waiting_for("linmo")] == [{"linmo"}]


async def test_who_leaves_is_signed_out_of_the_console(world: World) -> None:
    def employ(tx: Any) -> None:
        OperatorStore(tx.connection, tx.now).add("suhe", "hash", OPERATOR)

    await world.change(employ)

    world.sim.acts.office.leave_corp("suhe")
    await world.settle()

    (account,) = await world.ask(lambda tx: OperatorStore(tx.connection, tx.now).all())
    assert not account.active


async def test_an_employee_with_another_number_goes_on_as_before(world: World) -> None:
    lin = await on_the_way(world)

    world.sim.acts.office.renumber("suhe", "suhe.2")
    await world.settle()
    await world.leap_to(july(3, "19:28"))
    await world.turn(minutes=10)

    assert await world.ask(lambda tx: tx.members.friendships()) == {(lin.id, "suhe.2")}
    assert world.waiting_for("suhe.2")


async def test_a_member_nobody_could_take_over_is_told_operators_by_name(world: World) -> None:
    lin = await world.befriends("小林")

    world.sim.acts.office.fail_transfer(lin.id, "suhe")
    await world.settle()

    (text,) = operator_read(world)
    assert "小林" in text
    assert "拒绝" in text


# ---------------------------------------------------------------- half a friend, then a whole one


async def test_half_a_friend_is_asked_about_only_when_whole(world: World) -> None:
    await world.publishes("welcome", "seven_day_growth")
    lin = await world.befriends("小林", half=True, source="poster_0103")
    before = [*asked(world, "get", external_userid=lin.id), *asked(world, "mark_tag")]

    world.sim.acts.accept_friend("linmo", lin.id)
    await world.settle()

    assert before == []
    assert (await lin.known()).name == "小林"
    assert not [one for one in world.sim.journal.of("call") if one["answer"].get("errcode") == 84061]


async def test_half_and_then_whole_is_one_welcome_and_one_enrolment(world: World) -> None:
    await world.publishes("welcome", "seven_day_growth")
    lin = await world.befriends("小林", half=True)

    world.sim.acts.accept_friend("linmo", lin.id)
    await world.settle()

    assert len(world.sim.journal.of("delivery", channel="welcome", to=lin.id)) == 1
    journeys = await world.ask(lambda tx: tx.journeys.of(lin.id))
    assert sorted(one.template for one in journeys) == ["seven_day_growth", "welcome"]


async def test_a_source_tag_of_half_a_friend_is_marked_when_they_are_whole(world: World) -> None:
    lin = await world.befriends("小林", half=True, source="poster_0103")

    world.sim.acts.accept_friend("linmo", lin.id)
    await world.settle()

    bond = world.sim.world.friendships["linmo", lin.id]
    assert [world.sim.world.tags[number].name for number in bond.tags] == ["来自:poster_0103"]


async def test_the_whole_friend_heard_before_the_half_one_is_whole(world: World) -> None:
    world.sim.faults.add(Fault(where="callback", what="reorder"))
    lin = world.sim.acts.meet("小林")
    world.sim.acts.add_friend(lin.id, "linmo", half=True)
    world.sim.acts.accept_friend("linmo", lin.id)
    await world.settle()

    assert await world.ask(lambda tx: tx.members.friendships()) == {(lin.id, "linmo")}


async def test_who_agrees_to_be_archived_is_remembered_to_have(world: World) -> None:
    lin = await world.befriends("小林")

    world.sim.acts.office.agree_to_archive(lin.id, "linmo")
    await world.settle()

    decided = await world.ask(lambda tx: tx.consent.in_force(lin.id, purpose("linmo")))
    assert decided is not None
    assert decided.granted


# ---------------------------------------------------------------- groups


async def test_a_lost_change_of_a_group_is_found_with_the_next_one(world: World) -> None:
    await world.founds(TEAROOM)
    lin, wu, xia = await many(world, "小林", "小吴", "小夏")
    await world.seat(lin, TEAROOM)
    world.sim.faults.add(Fault(where="callback", what="drop"))
    await world.seat(wu, TEAROOM)

    await world.seat(xia, TEAROOM)

    assert await seats(world) == {lin.id, wu.id, xia.id}
    group = await world.ask(lambda tx: tx.groups.get(world.groups[TEAROOM]))
    assert group is not None
    assert group.version == truly(world).version


@pytest.mark.parametrize("trouble", ["duplicate", "reorder", "delay"])
async def test_changes_of_a_group_told_in_any_manner_end_in_the_truth(world: World, trouble: str) -> None:
    await world.founds(TEAROOM)
    lin, wu, xia = await many(world, "小林", "小吴", "小夏")
    world.sim.faults.add(Fault(where="callback", what=trouble, match="contact", times=3, seconds=20))

    group = world.groups[TEAROOM]
    world.sim.acts.join(group, lin.id, wu.id)
    await world.clock.turn_to(july(2, "19:30"))
    world.sim.acts.leave(group, lin.id)
    world.sim.acts.join(group, xia.id)
    await world.turn(minutes=1)

    assert await seats(world) == {wu.id, xia.id} == truly(world).seats.keys() - {"linmo"}


async def test_a_list_still_behind_unseats_nobody(world: World) -> None:
    await world.founds(TEAROOM)
    lin, wu = await many(world, "小林", "小吴")
    await world.seat(lin, TEAROOM)
    world.sim.world.rules.group_lag_s = 12.0

    await world.seat(wu, TEAROOM)

    assert await seats(world) == {lin.id, wu.id}
    left = await world.ask(lambda tx: [fact for fact in tx.activity.of_member(wu.id) if fact.kind == "left"])
    assert left == []


async def test_a_dissolved_group_stays_dissolved_whatever_comes_late(world: World) -> None:
    await world.founds(TEAROOM)
    (lin,) = await many(world, "小林")
    world.sim.faults.add(Fault(where="callback", what="delay", match="contact", seconds=60))
    world.sim.acts.join(world.groups[TEAROOM], lin.id)
    world.sim.acts.dismiss(world.groups[TEAROOM])

    await world.turn(minutes=2)

    (group,) = await world.ask(lambda tx: tx.groups.all(dismissed=True))
    assert not group.alive


# ---------------------------------------------------------------- the platform speaks


async def test_an_app_about_to_lose_its_customers_is_a_loud_alarm_told_once(world: World) -> None:
    for _ in range(3):
        world.sim.faults.add(Fault(where="callback", what="duplicate"))
        await tells(world, "low_active_alert", EffectTime=int(july(20).timestamp()))

    (text,) = operator_read(world)
    assert "不再让它使用客户数据" in text
    assert "2026 年 7 月 20 日 12:00" in text
    assert await alarms(world) == [text]


async def test_good_news_takes_the_alarm_back(world: World) -> None:
    await tells(world, "low_active")

    await tells(world, "active_restored")

    (left,) = await alarms(world)
    assert "可以重新使用客户数据" in left


async def tells(world: World, deed: str, **fields: Any) -> None:
    """Let the platform say something."""
    announce(world.sim.world, world.sim.callbacks, deed, fields=fields)
    await world.settle()


# ---------------------------------------------------------------- tags


async def test_a_tag_group_deleted_in_the_console_takes_its_numbers_not_what_members_are(
    world: World,
) -> None:
    lin = await world.befriends("小林")
    tags = world.sim.acts.office.create_tag_group("喜好", ["爱喝茶", "爱咖啡"])
    tea = next(iter(world.sim.world.tags))
    world.sim.acts.edit_friend("linmo", lin.id, add=[tea])
    await world.settle()

    world.sim.acts.office.delete_tag_group(tags)
    await world.settle()

    assert "爱喝茶" in (await lin.known()).tags
    assert await world.ask(lambda tx: (tx.tags.platform_id("爱喝茶"), tx.tags.called(tea))) == ("", "")


async def test_shuffled_tags_are_listed_anew(world: World) -> None:
    world.sim.acts.office.create_tag_group("喜好", ["爱喝茶", "爱咖啡"])
    await world.settle()
    before = len(asked(world, "get_corp_tag_list"))

    world.sim.acts.office.shuffle_tags()
    await world.settle()

    assert len(asked(world, "get_corp_tag_list")) == before + 1
