"""What is not said, and the one line an operator reads about it."""

from __future__ import annotations

from bot.simulator.faults import Fault
from sop.message import Channel, Content, Message
from sop.receipt import State
from tests.world import Person, World, july


async def test_the_fourth_message_of_a_week_is_one_too_many(world: World) -> None:
    await world.publishes(text=plan("a", days=(1, 2, 3, 4)))
    lin = await world.befriends("小林")

    for day in (3, 4, 5, 6):
        await evening(world, day)

    assert [push.state for push in await lin.pushes()] == [State.SENT] * 3 + [State.REFUSED]
    assert await last_reason(lin) == (
        "7 天内已收到 3 条，到了每周 3 条的上限，7月10日 周五 19:35 起可再发，"
        "而发送时限是 7月6日 周一 22:30，所以不发了"
    )


async def test_a_second_message_right_behind_the_first_waits_half_an_hour(world: World) -> None:
    await world.publishes(text=plan("a"))
    await world.publishes(text=plan("b"))
    lin = await world.befriends("小林")

    await evening(world, 3)
    waits = await last_reason(lin)
    await world.turn(minutes=45)

    assert "离上一条太近" in waits
    assert [push.state for push in await lin.pushes()] == [State.SENT, State.CREATED]


async def test_who_opts_out_in_the_minute_before_is_not_sent_to(world: World) -> None:
    await world.publishes(text=plan("a"))
    lin = await world.befriends("小林")
    await half_past_seven(world, 3)

    await lin.says("退订")
    await world.turn(minutes=10)

    assert world.waiting_for("linmo") == []
    assert await last_reason(lin) == "对方已退订，取消发送"


async def test_who_leaves_the_group_in_the_minute_before_is_not_sent_to(world: World) -> None:
    await world.publishes(text=plan("a", trigger='on = "group.joined"'))
    await world.founds("新手答疑群")
    lin = await world.joins("小林", "新手答疑群")
    await half_past_seven(world, 3)

    await lin.leaves("新手答疑群")
    await world.turn(minutes=10)

    assert world.waiting_for("linmo") == []
    assert await last_reason(lin) == "对方已退群，不再发送"


async def test_who_leaves_the_group_before_the_tap_is_taken_out_of_the_task(world: World) -> None:
    await world.publishes(text=plan("a", trigger='on = "group.joined"'))
    await world.founds("新手答疑群")
    lin, zhou = await world.joins("小林", "新手答疑群"), await world.joins("老周", "新手答疑群")
    await half_past_seven(world, 3)
    await world.turn(minutes=5)

    await lin.leaves("新手答疑群")
    await world.turn(minutes=5)
    await world.confirms_all()

    assert (lin.heard_from("linmo"), zhou.heard_from("linmo")) == ([], ["a 的第 1 天"])
    assert await last_reason(lin) == "对方已退群，不再发送"


async def test_who_deletes_the_friend_in_the_minute_before_is_not_sent_to(world: World) -> None:
    await world.publishes(text=plan("a"))
    lin = await world.befriends("小林")
    await half_past_seven(world, 3)

    await lin.deletes("linmo")
    await world.turn(minutes=10)

    assert world.waiting_for("linmo") == []
    assert "好友" in await last_reason(lin)


async def test_a_friend_lost_unheard_is_found_out_when_the_platform_does_not_deliver(world: World) -> None:
    await world.publishes(text=plan("a"))
    lin, zhou = await world.befriends("小林"), await world.befriends("老周")
    world.sim.faults.add(Fault(where="callback", what="drop", match="contact"))
    await lin.deletes("linmo")

    await evening(world, 3)

    (push,) = await lin.pushes()
    assert (push.state, push.reason) == (State.REFUSED, "对方已不是好友，没有送达")
    assert [push.state for push in await zhou.pushes()] == [State.SENT]


async def test_a_used_up_month_is_told_and_keeps_the_next_from_being_tried(world: World) -> None:
    await world.publishes(text=plan("a", days=(1, 2)))
    lin = await world.befriends("小林")
    world.sim.world.delivered[lin.id] += [july(2, "19:01")] * 31  # other apps have used it

    await evening(world, 3)
    await evening(world, 4)

    first, second = await lin.pushes()
    assert (first.state, first.reason) == (State.REFUSED, "对方本月接收群发的次数已用完，没有送达")
    assert second.state is State.REFUSED
    assert "平台的发送额度已用完" in second.reason


async def test_who_is_nobody_s_friend_has_nobody_to_hear_it_from(world: World) -> None:
    await world.publishes(text=plan("a", trigger='on = "group.joined"'))
    await world.founds("新手答疑群")
    stranger = Person(world, world.sim.acts.meet("路过").id, "路过")
    await world.seat(stranger, "新手答疑群")

    await evening(world, 3)

    assert await stranger.pushes() == []
    assert await world.missed() == ["「路过」没有可以代发的员工"]


async def test_who_comes_back_hears_from_us_again(world: World) -> None:
    await world.publishes(text=plan("a", days=(1, 2)))
    lin = await world.befriends("小林")

    await lin.says("退订。")
    await evening(world, 3)
    await lin.says("订阅")
    await evening(world, 4)

    assert [push.state for push in await lin.pushes()] == [State.REFUSED, State.SENT]
    assert lin.heard_from("linmo") == ["a 的第 2 天"]


async def test_who_opted_out_is_still_answered(world: World) -> None:
    await world.coupons("latte", 1, name="拿铁券")
    lin = await world.befriends("小林")

    await lin.says("退订")

    assert "到手啦" in await lin.says("领券")


async def test_why_names_the_plan_the_day_and_the_way_out(world: World) -> None:
    await world.publishes(text=plan("a"))
    lin = await world.befriends("小林")
    await evening(world, 3)

    reply = await lin.says("为什么发给我")

    assert "「a 的第 1 天……」来自「计划 a」的「第 1 天」" in reply
    assert "7月3日 周五 19:3" in reply
    assert "退订" in reply


async def test_an_operator_reads_each_reason_in_the_console(world: World) -> None:
    await world.publishes(text=plan("a"))
    lin = await world.befriends("小林")
    await lin.says("退订")
    await evening(world, 3)

    page = await world.console("/messages?tab=refused")

    assert "对方已退订，不再发送推送" in page
    assert "小林" in page


# ---------------------------------------------------------------- the evening


async def half_past_seven(world: World, day: int) -> None:
    """The step's moment has come; its message still waits for its neighbours."""
    await world.leap_to(july(day, "19:29"))
    await world.turn(seconds=20)


async def evening(world: World, day: int) -> None:
    """The step's moment comes, the task is made, and 林墨 confirms it."""
    await world.leap_to(july(day, "19:29"))
    await world.turn(minutes=5)
    await world.confirms_all()


async def last_reason(person: Person) -> str:
    return (await person.pushes())[-1].reason


def plan(name: str, *, days: tuple[int, ...] = (1,), trigger: str = 'on = "friend.added"') -> str:
    """A template with one step at half past seven on each of these days."""
    head = f'id = "{name}"\nname = "计划 {name}"\n[trigger]\n{trigger}\n[audience]\neveryone = true\n'
    return head + "".join(STEP.format(name=name, day=day) for day in days)


STEP = """
[[step]]
id = "day{day}"
name = "第 {day} 天"
when = {{ day = {day}, time = 19:30:00, window = "3h" }}
text = "{name} 的第 {day} 天"
"""


async def test_a_group_the_platform_says_nothing_of_is_not_waited_for_forever(world: World) -> None:
    """The platform lists only groups that got something: one whose month is used up never appears."""
    await world.founds("新手答疑群")
    group = world.groups["新手答疑群"]
    world.sim.world.delivered[group] += [world.clock.now()] * 31
    said = Message(
        key="weekly", channel=Channel.GROUP_SEND, content=Content("本周小调查"),
        to_group=group, sender="linmo", urgent=True, marketing=False,
    )  # fmt: skip
    await world.change(lambda tx: tx.outbox.add(said))
    await world.confirms_all()
    await world.turn(hours=1)
    before = await world.ask(lambda tx: tx.outbox.by_key("weekly"))

    await world.turn(hours=25)

    after = await world.ask(lambda tx: tx.outbox.by_key("weekly"))
    assert before is not None
    assert after is not None
    assert (before.state, after.state) == (State.CONFIRMED, State.REFUSED)
    assert await world.ask(lambda tx: tx.tasks.unfinished()) == []
