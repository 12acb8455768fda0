"""The ready SOPs, each played from its first day to its last: what was said, on which evening, in which order."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import date, datetime, timedelta

import pytest

from sop.field import MemberDate
from sop.receipt import State
from sop.timing import spoken
from sop.update import OrderPaid
from storage.outbox import Entry
from storage.template import SLOT
from storage.tx import Tx
from tests.world import LIBRARY, Person, World

ZONE = "Asia/Shanghai"
BEGINNERS = "新手答疑群"
Begin = Callable[[World], Awaitable[object]]


async def befriended(world: World) -> Person:
    return await world.befriends("小林")


async def joined(world: World) -> Person:
    await world.founds(BEGINNERS)
    return await world.joins("小林", BEGINNERS)


async def ordered(world: World) -> Person:
    lin = await world.befriends("小林")
    await world.app.desk.ask(OrderPaid(at=world.clock.now(), id="o1", member=lin.id, order="o1"))
    await world.settle()
    return lin


async def born(world: World) -> Person:
    lin = await world.befriends("小林")
    await world.change(lambda tx: tx.fields.keep([MemberDate(lin.id, "birthday", date(1990, 7, 20))]))
    return lin


PLAYS: dict[str, tuple[Begin, list[str]]] = {
    "welcome": (befriended, ["hello 7月2日 周四 19:0"]),
    "newcomer_group": (
        joined,
        [
            "ask_well 7月3日 周五 19:00 欢迎来到新手答疑群。想让回答来得快，提问时带上三样：想做成什么，试过什么，卡在哪一步。",
            "was_it_answered 7月5日 周日 19:00 进群三天了，问的问题有人答上来吗？点一个，我们好知道该补哪一课：",
            "next 7月9日 周四 19:00 来群里一周了。如果还想往前走一步，从这篇三分钟的短文开始：",
        ],
    ),
    "seven_day_growth": (
        befriended,
        [
            "day1 7月3日 周五 19:30 晚上好，今天是「7天成长计划」第一天。",
            "day2 7月4日 周六 19:30 第二天。昨天写下的那件事，今天碰它了吗？没碰也没关系，先看看时间都去了哪。",
            "day3 7月5日 周日 19:30 ",
            "day4 7月6日 周一 19:30 ",
            "day5 7月7日 周二 19:30 ",
            "day6 7月8日 周三 19:30 ",
            "day7 7月9日 周四 19:30 第七天，恭喜你走到这里。",
        ],
    ),
    "weekly_pick": (befriended, ["read 7月8日 周三 19:30 周三了，一周过半，留三分钟给自己。"]),
    "weekly_light": (joined, ["play 7月4日 周六 19:30 "]),
    "topic_poll": (
        joined,
        [
            "vote 7月15日 周三 19:30 下个月的分享聊什么，这次听大家的。",
            "last_call 7月16日 周四 19:30 选题投票明晚截止，还没投的伙伴，点一下只要三秒：",
            "preview 7月24日 周五 19:30 投票选出来的主题，嘉宾已经在准备了。",
        ],
    ),
    "monthly_checkin": (
        joined,
        [
            "open 8月1日 周六 09:30 新的一个月，新的一期打卡开始啦！",
            "week1 8月7日 周五 20:10 打卡第 7 天！从第一天坚持到现在的伙伴，今晚就能点亮「打卡7天」。",
            "week2 8月14日 周五 20:10 两周了，走到一半啦。",
            "week3 8月21日 周五 20:10 第 21 天，最后一道关口！",
            "close 8月28日 周五 20:10 这一期打卡今天收官，谢谢每一位认真对待自己的伙伴。",
        ],
    ),
    "story_call": (
        joined,
        [
            "call 1月8日 周五 19:30 这周想听听大家的故事，题目是：我的第一份工作。",
            "opening 1月10日 周日 19:30 不知道怎么开头的，可以从这半句接下去：",
            "thanks 1月15日 周五 19:30 一周的故事收齐了，谢谢每一位愿意翻开旧日记的人。",
        ],
    ),
    "event_live": (
        befriended,
        [
            "sign_up 1月10日 周日 19:30 下周六晚上八点，我们请来一位做了十年产品经理的老朋友，聊一个小时：怎样把一个念头做成东西。",
            "day_before 1月15日 周五 19:30 明晚八点的直播，还有最后一些位子。想来的，现在报名也来得及：",
            "on_air 1月16日 周六 19:40 还有二十分钟开播。没报名的也欢迎，点开就能看：",
            "replay 1月17日 周日 19:30 昨晚的直播没赶上没关系，回放剪好了，去掉了寒暄，四十分钟：",
            "after 1月20日 周三 19:30 直播里没来得及回答的问题，嘉宾答应这周再答一轮。",
        ],
    ),
    "repurchase": (
        ordered,
        [
            "use_it_well 7月3日 周五 18:40 谢谢你的支持，东西应该在路上了。",
            "how_is_it 7月9日 周四 18:40 用了几天了，合口味吗？点一个就行，不满意的我们来补：",
            "come_back 7月23日 周四 18:40 算算日子，上次那一包也快见底了。",
        ],
    ),
    "birthday": (born, ["wish 7月20日 周一 09:30 今天是你的生日，祝你生日快乐。"]),
    "festival": (joined, ["hello 9月24日 周四 16:00 明天开始放假啦，先祝大家假期愉快。"]),
    "coupon_winback": (
        befriended,
        [
            "hello 7月25日 周六 18:40 好久不见，最近还好吗？",
            "remind 7月29日 周三 18:40 提醒一声：留给你的那张券，这两天就要到期啦。",
        ],
    ),
}


@pytest.mark.parametrize("name", sorted(path.stem for path in LIBRARY.glob("*.toml")))
async def test_a_ready_sop_is_said_to_its_last_day(world: World, name: str) -> None:
    begin, expected = PLAYS[name]
    await stock(world)
    await world.publishes(name)
    await begin(world)

    await live_on(world, steps=len(expected))

    heard = await said(world, name)
    assert len(heard) == len(expected)
    assert all(line.startswith(start) for line, start in zip(heard, expected, strict=True)), heard


async def test_who_signs_up_for_the_live_hears_other_words_than_who_does_not(world: World) -> None:
    await world.publishes("event_live")
    lin, zhou = await world.befriends("小林"), await world.befriends("老周")
    await live_on(world, steps=2)
    await lin.sends(lin.link(), option="A")

    await live_on(world, steps=6)

    assert "给你留的门在这里" in lin.heard_from("linmo")[-2]
    assert "没报名的也欢迎" in zhou.heard_from("linmo")[-2]


async def test_who_wants_another_taste_is_offered_one(world: World) -> None:
    await stock(world)
    await world.publishes("repurchase")
    lin = await ordered(world)
    await live_on(world, steps=2)
    await lin.sends(lin.link(), option="B")

    await live_on(world, steps=3)

    assert "上次你说想换个口味" in lin.heard_from("linmo")[-2]


# ---------------------------------------------------------------- how it is played


async def stock(world: World) -> None:
    for batch in ("growth_gift", "winback", "regular", "birthday", "checkin_14", "checkin_21"):
        await world.coupons(batch, 3, name="老朋友券")


async def live_on(world: World, *, steps: int) -> None:
    """Sleep from one thing that is due to the next, confirming what waits, until so many steps were said in all."""
    while await steps_said(world) < steps:
        await world.leap_to(await soon(world) - timedelta(minutes=1))
        await world.turn(minutes=4)
        await world.confirms_all()


async def soon(world: World) -> datetime:
    """When the next step is due, or the clock starts a plan; with neither, the night three weeks ahead."""

    def look(tx: Tx) -> datetime | None:
        slots = [wait.at for one in tx.templates.published() for wait in tx.due.of(SLOT, one.id)]
        return tx.due.next_step_at() or min(slots, default=None)

    return await world.ask(look) or (world.clock.now() + timedelta(days=21)).replace(hour=20, minute=22)


async def steps_said(world: World) -> int:
    return len([one for one in await ledger(world) if one.message.journey and "." not in one.message.step])


async def ledger(world: World) -> list[Entry]:
    """Every message, the oldest first."""
    return list(await world.ask(lambda tx: tx.outbox.recent(limit=1000)))[::-1]


async def said(world: World, template: str) -> list[str]:
    """Step, moment and first line of what a plan said, the oldest first."""
    return [
        f"{one.message.step} {spoken(one.created_at, ZONE)} {one.message.content.text.strip().splitlines()[0]}"
        for one in await ledger(world)
        if one.message.template == template and "." not in one.message.step and one.state is State.SENT
    ]
