"""优惠券: asked for by a word, given by a plan, one for each, never more than there are, and gone on the day."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bot.simulator.faults import Fault
from tests.world import World, july


async def test_who_asks_twice_hears_the_same_code(world: World) -> None:
    await world.coupons("latte", 3, name="拿铁券")
    lin = await world.befriends("小林")

    first, second = await lin.says("领券"), await lin.says("优惠券")

    assert "「拿铁券」到手啦！券码：latte-0000" in first
    assert "还是这张：latte-0000" in second
    assert await claimed(world) == 1


@pytest.mark.parametrize("words", ["领券！", " 领券。", "领优惠券～"])
async def test_a_sign_behind_the_word_makes_no_difference(world: World, words: str) -> None:
    await world.coupons("latte", 3, name="拿铁券")
    lin = await world.befriends("小林")

    assert "到手啦" in await lin.says(words)


async def test_a_question_about_coupons_is_no_claim(world: World) -> None:
    await world.coupons("latte", 3, name="拿铁券")
    lin = await world.befriends("小林")

    reply = await lin.says("领券规则是什么")

    assert "同事来回你" in reply
    assert await claimed(world) == 0


async def test_two_people_get_two_codes(world: World) -> None:
    await world.coupons("latte", 3, name="拿铁券")
    lin, zhou = await world.befriends("小林"), await world.befriends("老周")

    told = [await lin.says("领券"), await zhou.says("领券")]

    assert ["latte-0000" in told[0], "latte-0001" in told[1]] == [True, True]


async def test_when_all_are_gone_that_is_said_kindly(world: World) -> None:
    await world.coupons("latte", 1, name="拿铁券")
    lin, zhou = await world.befriends("小林"), await world.befriends("老周")
    await lin.says("领券")

    reply = await zhou.says("领券")

    assert "领完了" in reply
    assert await zhou.tags() == frozenset()


async def test_two_who_ask_at_once_for_the_last_one_are_one_winner_and_one_told_so(world: World) -> None:
    await world.coupons("latte", 1, name="拿铁券")
    lin, zhou = await world.befriends("小林"), await world.befriends("老周")

    told = await world.all_say("领券", lin, zhou)

    assert sorted("到手啦" in text for text in told) == [False, True]
    assert sorted("领完了" in text for text in told) == [False, True]
    assert await claimed(world) == 1


async def test_a_batch_opens_and_ends_to_the_second(world: World) -> None:
    opens, ends = july(2, "20:00"), july(2, "21:00")
    await world.coupons("latte", 9, name="拿铁券", starts=opens, ends=ends)
    early, first, last, late = [await world.befriends(name) for name in ("甲", "乙", "丙", "丁")]

    told = []
    for person, instant in (
        (early, opens - timedelta(seconds=1)),
        (first, opens),
        (last, ends - timedelta(seconds=1)),
        (late, ends),
    ):
        await world.clock.turn_to(instant)
        told.append(await person.says("领券 拿铁券"))

    assert "7月2日 周四 20:00 开抢" in told[0]
    assert ["到手啦" in text for text in told] == [False, True, True, False]
    assert "已经结束" in told[3]


async def test_a_code_whose_message_was_lost_is_told_again(world: World) -> None:
    await world.coupons("latte", 3, name="拿铁券")
    lin = await world.befriends("小林")
    world.sim.faults.add(Fault(where="api", what="lose", match="kf/send_msg"))

    await lin.says("领券")
    again = await lin.says("领券")

    assert "latte-0000" in again
    assert await claimed(world) == 1


async def test_a_code_that_has_expired_is_no_longer_offered(world: World) -> None:
    await world.coupons("latte", 3, name="拿铁券", valid_days=7)
    lin = await world.befriends("小林")
    told = await lin.says("领券")

    await world.leap_to(july(9, "19:05"))

    assert "7月9日 周四 19:0" in told
    assert "已经过期" in await lin.says("领券")


async def test_an_unused_code_is_remembered_two_days_before_it_ends(world: World) -> None:
    await world.coupons("latte", 3, name="拿铁券", valid_days=7)
    lin = await world.befriends("小林")
    await lin.says("领券")

    await world.leap_to(july(7, "19:10"))
    await world.leap_to(july(8, "10:31"))
    await world.confirms_all()

    (reminder,) = lin.heard_from("linmo")[:1]
    assert "拿铁券」这两天就要到期" in reminder
    assert "latte-0000" not in reminder


async def test_a_plan_s_step_gives_each_a_page_to_claim_on(world: World) -> None:
    await world.coupons("latte", 2, name="拿铁券")
    await world.publishes(text=GIFT)
    lin, zhou = await world.befriends("小林"), await world.befriends("老周")
    await world.leap_to(july(3, "19:29"))
    await world.turn(minutes=5)
    await world.confirms_all()

    pages = [await person.sends(person.link()) for person in (lin, zhou)]
    again = await lin.opens(lin.link())

    assert ["latte-0000" in pages[0].html, "latte-0001" in pages[1].html] == [True, True]
    assert "latte-0000" in again.html
    assert await claimed(world) == 2


async def test_a_plan_without_its_batch_says_nothing_and_says_why(world: World) -> None:
    await world.publishes(text=GIFT)
    await world.befriends("小林")

    await world.leap_to(july(3, "19:29"))
    await world.turn(minutes=5)

    assert world.waiting_for("linmo") == []
    (missed,) = await world.missed()
    assert "没有券批次「latte」" in missed


# ---------------------------------------------------------------- how it is told


async def claimed(world: World) -> int:
    return (await world.ask(lambda tx: tx.coupons.usage()))[0].claimed


GIFT = """
id = "gift"
name = "见面礼"

[trigger]
on = "friend.added"

[audience]
everyone = true

[[step]]
id = "day1"
when = { day = 1, time = 19:30:00, window = "3h" }
text = "送你一张券：{{ task }}"
task = { kind = "coupon", batch = "latte" }
"""
