"""The plans of the library, walked by those they are for: seven days of growth, and a coupon for whom we have missed."""

from __future__ import annotations

from datetime import timedelta

from sop.journey import Journey, JourneyState
from sop.receipt import State
from sop.update import CouponRedeemed
from tests.world import LIBRARY, Person, World, july

# ---------------------------------------------------------------- seven days of growth


async def test_what_the_welcome_asked_decides_the_words_of_the_next_evening(world: World) -> None:
    await world.publishes("welcome", "seven_day_growth")
    lin, zhou = await world.befriends("小林"), await world.befriends("老周")
    await lin.sends(lin.link(), option="C")  # 在创业，或者正准备出发
    await zhou.sends(zhou.link(), option="A")

    await evening(world, 3)

    assert "创业的人最不缺的是想法" in last_text(lin)
    assert "想改变的人很多" in last_text(zhou)


async def test_each_wording_is_one_task_for_all_who_read_it(world: World) -> None:
    await world.publishes("welcome", "seven_day_growth")
    people = [await world.befriends(name) for name in ("甲", "乙", "丙")]
    await people[0].sends(people[0].link(), option="C")

    await world.leap_to(july(3, "19:29"))
    await world.turn(minutes=5)

    assert sorted(len(task.rows["linmo"]) for task in world.waiting_for("linmo")) == [1, 2]


async def test_one_task_of_three_in_three_days_is_a_promotion_and_ends_the_plan(world: World) -> None:
    await world.publishes("welcome", "seven_day_growth")
    lin = await world.befriends("小林")
    await lin.sends(lin.link(), option="A")
    await evening(world, 3)
    await evening(world, 4)

    await evening(world, 5)

    assert (await lin.known()).tier == "potential"
    assert [push.message.step for push in await lin.pushes()] == ["day1", "day2"]
    assert await ended(lin, "seven_day_growth") == ("exited", "已经升级")


async def test_the_reason_of_a_promotion_is_kept_for_operators_to_read(world: World) -> None:
    await world.publishes("welcome", "seven_day_growth")
    lin = await world.befriends("小林")
    await lin.sends(lin.link(), option="A")
    await evening(world, 3)
    await evening(world, 4)

    await world.leap_to(july(5, "19:10"))

    reason = "前 3 天 3 个任务完成了 1 个，互动率 33%，达到 30%"
    assert reason in await world.console(f"/members/{lin.id}")


async def test_who_does_none_of_three_tasks_stays_new_and_hears_on(world: World) -> None:
    await world.publishes("welcome", "seven_day_growth")
    zhou = await world.befriends("老周")

    for day in (3, 4, 5):
        await evening(world, day)

    assert (await zhou.known()).tier == "new"
    assert [push.message.step for push in await zhou.pushes()] == ["day1", "day2", "day3"]


async def test_who_is_held_out_is_counted_and_never_written_to(world: World) -> None:
    text = (LIBRARY / "seven_day_growth.toml").read_text("utf-8").replace("hold_out = 0.1", "hold_out = 0.5")
    await world.publishes(text=text)
    people = [await world.befriends(name) for name in "甲乙丙丁戊"]

    await evening(world, 3)

    written_to = [bool(await person.pushes()) for person in people]
    assert written_to == [(await one_journey(person)).state is JourneyState.ACTIVE for person in people]
    assert set(written_to) == {True, False}


# ---------------------------------------------------------------- whom we have missed


async def test_who_was_silent_for_three_weeks_is_greeted_with_a_coupon(world: World) -> None:
    lin = await silent(world)

    await evening(world, 25, "18:39")

    assert "好久不见" in last_text(lin)
    done = await lin.sends(lin.link())
    assert "winback-0000" in done.html


async def test_who_said_a_word_meanwhile_is_not_missed(world: World) -> None:
    await world.coupons("winback", 5, name="老友券")
    await world.publishes("coupon_winback")
    lin = await world.befriends("小林")
    await world.leap_to(july(15))
    await lin.says("你好")

    await world.leap_to(july(24, "04:21"))

    assert await journeys(lin) == []


async def test_who_used_the_coupon_is_not_reminded_of_it(world: World) -> None:
    lin = await silent(world)
    await evening(world, 25, "18:39")
    await lin.sends(lin.link())

    used = CouponRedeemed(at=world.clock.now(), id="shop:o1", code="winback-0000", order="o1")
    await world.app.desk.ask(used)
    await evening(world, 29, "18:39")

    assert await ended(lin, "coupon_winback") == ("exited", "已经用券")
    assert len(await lin.pushes()) == 1


async def test_who_did_not_is_reminded_once_and_then_left_in_peace_for_a_quarter(world: World) -> None:
    lin = await silent(world)
    await evening(world, 25, "18:39")

    await evening(world, 29, "18:39")
    await world.leap_to(july(31, "04:21") + timedelta(days=30))
    await world.turn(minutes=5)

    assert [push.state for push in await lin.pushes()] == [State.SENT, State.SENT]
    assert len(await journeys(lin)) == 1


async def test_after_a_quarter_who_is_silent_still_is_greeted_again(world: World) -> None:
    lin = await silent(world)
    await evening(world, 25, "18:39")
    await evening(world, 29, "18:39")

    await world.leap_to(july(29, "23:00") + timedelta(days=91))
    await world.turn(minutes=5)

    assert len(await journeys(lin)) == 2


# ---------------------------------------------------------------- how it is told


async def silent(world: World) -> Person:
    """Somebody who came on the 2nd and did nothing since; it is the 24th."""
    await world.coupons("winback", 5, name="老友券")
    await world.publishes("coupon_winback")
    lin = await world.befriends("小林")
    await world.leap_to(july(24, "04:21"))
    return lin


async def evening(world: World, day: int, time: str = "19:29") -> None:
    """The moment of the day's step comes, the task is made, and 林墨 confirms it."""
    await world.leap_to(july(day, time))
    await world.turn(minutes=5)
    await world.confirms_all()


def last_text(person: Person) -> str:
    """The newest text in the conversation with 林墨, the card under it left aside."""
    return person.heard_from("linmo")[-2]


async def journeys(person: Person) -> list[Journey]:
    return await person.world.ask(lambda tx: tx.journeys.of(person.id))


async def one_journey(person: Person) -> Journey:
    (journey,) = await journeys(person)
    return journey


async def ended(person: Person, template: str) -> tuple[str, str]:
    (journey,) = [one for one in await journeys(person) if one.template == template]
    return journey.state, journey.reason
