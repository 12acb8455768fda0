"""What staff are told and may ask: sends that wait for their tap, and how their groups are doing."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from sop.activity import Activity
from sop.receipt import State
from storage.tx import Tx
from tests.world import World, july

GROUP = "进阶交流群"


# ---------------------------------------------------------------- sends that wait


async def test_staff_who_do_not_confirm_are_reminded_after_two_hours_and_once_more_after_four(
    world: World,
) -> None:
    await world.publishes(text=DAILY)
    await world.befriends("小林")
    await friday_evening(world)

    reminded = [await reminders_by(world, july(3, time)) for time in ("21:25", "21:45", "23:25", "23:45")]

    assert reminded == [0, 1, 1, 2]


async def test_nobody_is_reminded_oftener_than_the_platform_takes(world: World) -> None:
    await world.publishes(text=DAILY.replace('"12h"', '"72h"'))
    await world.befriends("小林")
    await friday_evening(world)

    reminded = [await reminders_by(world, july(4, time)) for time in ("01:05", "07:05", "13:05", "19:05")]

    assert reminded[-1] == 2


async def test_who_confirmed_is_not_reminded(world: World) -> None:
    await world.publishes(text=DAILY)
    await world.befriends("小林")
    await friday_evening(world)
    (task,) = world.waiting_for("linmo")

    await world.confirms_all()
    await world.leap_to(july(3, "21:45"))

    assert task.reminders == []


async def test_a_step_may_remind_sooner(world: World) -> None:
    await world.publishes(text=DAILY + 'on_no_confirm = { do = "remind", after = "30m" }\n')
    await world.befriends("小林")
    await friday_evening(world)

    assert await reminders_by(world, july(3, "20:15")) == 1


async def test_a_deputy_takes_over_those_who_are_their_friends_too(world: World) -> None:
    await world.publishes(text=DAILY + 'on_no_confirm = { do = "deputy", after = "1h", deputy = "suhe" }\n')
    lin, zhou = await world.befriends("小林"), await world.befriends("老周")
    await friday_evening(world)
    before = waiting(world, "linmo"), waiting(world, "suhe")
    world.sim.acts.add_friend(lin.id, "suhe")

    await world.leap_to(july(3, "20:45"))
    await world.turn(minutes=2)

    assert before == ([lin.id, zhou.id], [])
    assert (waiting(world, "linmo"), waiting(world, "suhe")) == ([zhou.id], [lin.id])


async def test_what_the_deputy_confirms_arrives_in_the_deputy_s_name(world: World) -> None:
    await world.publishes(text=DAILY + 'on_no_confirm = { do = "deputy", after = "1h", deputy = "suhe" }\n')
    lin = await world.befriends("小林")
    world.sim.acts.add_friend(lin.id, "suhe")
    await friday_evening(world)

    await world.leap_to(july(3, "20:45"))
    await world.turn(minutes=2)
    await world.confirms_all("suhe")

    assert (lin.heard_from("linmo"), lin.heard_from("suhe")) == ([], ["今天读第一页。"])


async def test_whom_the_deputy_does_not_know_stays_with_the_sender_who_is_reminded(world: World) -> None:
    await world.publishes(text=DAILY + 'on_no_confirm = { do = "deputy", after = "1h", deputy = "suhe" }\n')
    await world.befriends("小林", "linmo")
    await friday_evening(world)

    assert await reminders_by(world, july(3, "20:45")) == 1
    assert len(world.waiting_for("linmo")) == 1


async def test_what_nobody_confirmed_in_time_is_recalled_and_says_so(world: World) -> None:
    await world.publishes(text=DAILY.replace('"12h"', '"3h"'))
    lin = await world.befriends("小林")
    await friday_evening(world)
    (task,) = world.waiting_for("linmo")

    await world.leap_to(july(3, "22:45"))
    await world.turn(minutes=5)

    assert task.cancelled is not None
    (push,) = await lin.pushes()
    assert (push.state, push.reason) == (State.CANCELLED, "「linmo」没有在发送窗口内确认，任务已撤回")


async def test_待办_lists_what_waits_for_the_one_who_asks(world: World) -> None:
    await world.publishes(text=DAILY)
    for name in ("小林", "老周"):
        await world.befriends(name, "linmo")
    await friday_evening(world)

    mine, theirs = await world.staff_says("待办", "linmo"), await world.staff_says("待办", "suhe")

    assert mine == "有 1 条群发等你在企业微信里点确认：\n·「今天读第一页。」发给 2 位成员"
    assert theirs == "没有等你确认的群发，辛苦啦。"


async def test_待办_is_empty_once_confirmed(world: World) -> None:
    await world.publishes(text=DAILY)
    await world.befriends("小林")
    await friday_evening(world)

    await world.confirms_all()

    assert await world.staff_says("待办") == "没有等你确认的群发，辛苦啦。"


async def test_any_other_word_is_answered_with_what_can_be_asked(world: World) -> None:
    reply = await world.staff_says("你好")

    assert "待办" in reply
    assert "活跃度" in reply


# ---------------------------------------------------------------- how groups are doing


async def test_活跃度_says_of_a_young_group_that_it_has_no_score_yet(world: World) -> None:
    await world.founds(GROUP)

    assert await world.staff_says("活跃度") == f"· {GROUP}：还没有评分"


async def test_活跃度_tells_the_newest_score_of_each_group(world: World) -> None:
    await lively(world)

    await world.leap_to(july(3, "00:10"))

    assert re.fullmatch(rf"· {GROUP}：\d+ 分", await world.staff_says("活跃度"))


async def test_a_group_below_its_line_is_told_to_operators_once(world: World) -> None:
    await lively(world, line=99.0)

    for day in (3, 4, 5):
        await world.leap_to(july(day, "00:06"))
        await world.leap_to(july(day, "08:01"))  # nobody is woken

    (alarm,) = world.app_told("linmo")
    assert alarm.startswith(f"「{GROUP}」活跃度 ")
    assert "低于警戒线 99 分" in alarm
    assert world.app_told("suhe") == []


async def test_a_group_above_its_line_worries_nobody(world: World) -> None:
    await lively(world, line=1.0)

    await world.leap_to(july(3, "00:10"))

    assert world.app_told("linmo") == []


async def lively(world: World, *, line: float | None = None) -> None:
    """A group in which four people have talked every evening of eight weeks."""
    group = await world.founds(GROUP)

    def remember(tx: Tx) -> None:
        tx.activity.log_all([_spoke(group, day, member) for day in range(56) for member in range(4)])
        tx.engagement.set_line(group, line)

    await world.change(remember)


def _spoke(group: str, days_ago: int, member: int) -> Activity:
    at = july(2, "18:00") - timedelta(days=days_ago) + timedelta(minutes=member)
    return Activity(
        key=f"{days_ago}.{member}", kind="spoke", at=at, member=f"wm{member}", group=group, level="archive"
    )


# ---------------------------------------------------------------- the evening


async def friday_evening(world: World) -> None:
    """The step's moment has come, and the task is on the sender's phone since 19:32."""
    await world.leap_to(july(3, "19:29"))
    await world.turn(minutes=5)


def waiting(world: World, staff: str) -> list[str]:
    """Who would hear what waits on a staff member's phone."""
    return [row.recipient for task in world.waiting_for(staff) for row in task.rows[staff]]


async def reminders_by(world: World, instant: datetime) -> int:
    """How often the platform was asked to remind the sender, up to an instant."""
    await world.leap_to(instant)
    (task,) = world.sim.world.tasks.values()
    return len(task.reminders)


DAILY = """
id = "daily"
name = "每日一页"

[trigger]
on = "friend.added"

[audience]
everyone = true

[[step]]
id = "day1"
when = { day = 1, time = 19:30:00, window = "12h" }
text = "今天读第一页。"
"""
