"""月度打卡: opened in the group on the first, done by a word or on the page, once a day, and rewarded in stages."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from sop.coupon import Coupon
from storage.tx import Tx
from tests.world import Person, World, july

GROUP = "新手答疑群"


async def test_on_the_first_of_the_month_the_group_is_called_together(world: World) -> None:
    await world.publishes("monthly_checkin")
    await world.founds(GROUP)

    await world.leap_to(august(1, "09:29"))
    await world.turn(minutes=5)
    await world.confirms_all()

    assert "新的一期打卡开始啦" in world.group_heard(GROUP)[0]


async def test_the_link_in_the_group_leads_to_a_check_in(world: World) -> None:
    await world.publishes("monthly_checkin")
    await world.founds(GROUP)
    lin = await world.joins("小林", GROUP)
    await world.leap_to(august(1, "09:29"))
    await world.turn(minutes=5)
    await world.confirms_all()

    done = await lin.sends(world.link_in(GROUP))

    assert "打卡成功，第一天" in done.html


async def test_the_same_day_counts_once_whichever_way_it_is_said(world: World) -> None:
    await world.founds(GROUP)
    lin = await world.joins("小林", GROUP)

    told = [await lin.says("打卡"), await lin.says("签到！")]
    await lin.speaks(GROUP, "打卡")
    await world.turn(minutes=10)

    assert told == ["打卡成功，第一天，明天见～"] * 2
    assert await streak(lin) == 1


async def test_a_day_ends_at_midnight_in_shanghai(world: World) -> None:
    lin = await world.befriends("小林")

    await world.leap_to(july(2, "23:58"))
    late = await lin.says("打卡")
    await world.leap_to(july(3, "00:01"))
    early = await lin.says("打卡")

    assert (late, early) == ("打卡成功，第一天，明天见～", "打卡成功，已经连续 2 天啦，继续保持～")


async def test_a_day_left_out_begins_the_count_anew(world: World) -> None:
    lin = await checked_in(world, days=5)

    await world.leap_to(july(4))

    assert await lin.says("打卡") == "打卡成功，第一天，明天见～"


async def test_seven_days_in_a_row_light_a_badge(world: World) -> None:
    await world.publishes("monthly_checkin")
    lin = await checked_in(world, days=6)

    reply = await lin.says("打卡")

    assert "已经连续 7 天啦，点亮「打卡7天」" in reply
    assert await lin.tags() == {"打卡7天"}


async def test_fourteen_days_bring_a_coupon_once(world: World) -> None:
    await world.publishes("monthly_checkin")
    await world.coupons("checkin_14", 5, name="打卡咖啡券")
    lin = await checked_in(world, days=13)

    replies = [await lin.says("打卡"), await lin.says("打卡")]

    assert "「打卡咖啡券」已经放进「我的券」" in replies[0]
    assert "咖啡券" not in replies[1]
    assert [coupon.code for coupon in await held(lin)] == ["checkin_14-0000"]


async def test_a_reward_that_has_run_out_is_not_promised_and_operators_hear_of_it(world: World) -> None:
    await world.publishes("monthly_checkin")
    await world.coupons("checkin_14", 0, name="打卡咖啡券")
    lin = await checked_in(world, days=13)

    reply = await lin.says("打卡")

    assert "连续 14 天" in reply
    assert "已经放进" not in reply
    assert "奖励券「打卡咖啡券」却发不出去" in await world.console("/")


# ---------------------------------------------------------------- how it is told


def august(day: int, time: str) -> datetime:
    return july(31, time) + timedelta(days=day)


async def checked_in(world: World, *, days: int) -> Person:
    """A friend who has checked in on each of the days before today."""
    lin = await world.befriends("小林")

    def remember(tx: Tx) -> None:
        for back in range(1, days + 1):
            tx.interactions.check_in(lin.id, date(2026, 7, 2) - timedelta(days=back))

    await world.change(remember)
    return lin


async def streak(person: Person) -> int:
    today = date(2026, 7, 2)
    return await person.world.ask(lambda tx: tx.interactions.streak(person.id, today))


async def held(person: Person) -> list[Coupon]:
    return await person.world.ask(lambda tx: tx.coupons.held_by(person.id))
