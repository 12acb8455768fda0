"""The platform's own numbers: asked for once a day, kept with their level, never more than they say."""

from __future__ import annotations

from datetime import date, timedelta

from sop.statistic import Level, Statistic, happened
from sop.update import ClockTicked
from tests.world import THURSDAY, World

WEDNESDAY, TODAY = THURSDAY.date() - timedelta(days=1), THURSDAY.date()


async def a_day_ends(world: World) -> None:
    """The clock stands in the next afternoon, and the day's tick comes; the hours between are skipped."""
    world.clock._now += timedelta(days=1)
    tick = ClockTicked(
        at=world.clock.now(), id=f"day:{world.clock.now()}", name="day", slot=world.clock.now()
    )
    await world.app.desk.tell(tick, lane="clock:day")
    await world.settle()


async def told(world: World, level: Level, whom: str = "") -> dict[date, dict[str, float | None]]:
    return await world.ask(
        lambda tx: tx.statistics.happened(level, WEDNESDAY, TODAY + timedelta(days=9), whom)
    )


async def test_yesterday_is_known_per_owner_per_day_and_per_employee(world: World) -> None:
    await world.founds("新手群")
    lin = await world.joins("小林", "新手群")
    await lin.speaks("新手群", "大家好")

    await a_day_ends(world)

    owner, day = await told(world, Level.OWNER, "linmo"), await told(world, Level.DAY)
    assert (owner[TODAY]["new_member_cnt"], day[TODAY]["msg_total"]) == (2, 1)
    assert (await told(world, Level.STAFF, "linmo"))[TODAY]["new_contact_cnt"] == 1


async def test_a_running_total_without_the_day_before_says_nothing(world: World) -> None:
    await world.founds("新手群")

    await a_day_ends(world)

    assert (await told(world, Level.OWNER, "linmo"))[TODAY]["chat_total"] is None


async def test_a_day_nobody_could_ask_for_is_asked_for_the_next_day(world: World) -> None:
    await world.founds("新手群")
    world.clock._now += timedelta(days=1)  # the day's tick of Friday is lost

    await a_day_ends(world)

    assert set(await told(world, Level.DAY)) == {TODAY - timedelta(days=1), TODAY, TODAY + timedelta(days=1)}


def test_what_happened_is_the_difference_to_the_day_before_only() -> None:
    monday = Statistic(date(2026, 6, 29), Level.DAY, "", {"msg_total": 10})
    tuesday = Statistic(
        date(2026, 6, 30), Level.DAY, "", {"msg_total": 17, "new_member_cnt": 2, "chat_total": 3}
    )
    thursday = Statistic(date(2026, 7, 2), Level.DAY, "", {"msg_total": 20})

    assert happened(monday, tuesday) == {"msg_total": 7, "new_member_cnt": 2, "chat_total": None}
    assert happened(tuesday, thursday) == {"msg_total": None}
