"""The first week of two newcomers: one takes part, one only looks on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sop.receipt import State
from tests.world import Person, World

FRIDAY_EVENING = datetime(2026, 7, 3, 11, 45, tzinfo=UTC)  # 19:45 in Shanghai, a quarter after the day's step


async def test_who_takes_part_in_the_first_three_days_is_promoted_and_left_in_peace(world: World) -> None:
    await world.coupons("growth_gift", 10)
    await world.publishes("welcome", "seven_day_growth")
    lin = await world.befriends("小林")

    for day in range(2):
        await evening_of(world, day)
        await world.confirms_all()
        await answer_newest(lin)
    for day in range(2, 6):
        await evening_of(world, day)

    assert (await lin.known()).tier == "potential"
    (climb,) = await world.ask(lambda tx: tx.members.climbs(lin.id))
    assert "%" in climb.reason
    plan = next(
        one
        for one in await world.ask(lambda tx: tx.journeys.of(lin.id))
        if one.template == "seven_day_growth"
    )
    assert (plan.state, plan.reason) == ("exited", "已经升级")


async def test_who_only_looks_on_hears_all_seven_days_and_stays_new(world: World) -> None:
    await world.coupons("growth_gift", 10)
    await world.publishes("seven_day_growth")
    zhou = await world.befriends("老周")

    for day in range(8):
        await evening_of(world, day)
        await world.confirms_all()

    assert (await zhou.known()).tier == "new"
    sent = [entry.message.step for entry in await zhou.messages() if entry.state is State.SENT]
    assert sent == [f"day{day}" for day in range(1, 8)]


async def evening_of(world: World, day: int) -> None:
    """Live a whole hour of that evening; the machine slept since the last one."""
    evening = FRIDAY_EVENING + timedelta(days=day)
    await world.leap_to(evening - timedelta(hours=1))
    await world.turn_to(evening)


async def answer_newest(person: Person) -> None:
    """Open the newest task and answer it, as somebody with a phone would."""
    newest = (await person.messages())[-1]
    url = newest.message.content.text.split()[-1]
    page = await person.opens(url)
    form = page.forms[0]
    chosen = {name: values[0] for name, values in form.choices.items()}
    written = dict.fromkeys(form.blanks, "每天写十分钟")
    await person.world.sim.browsers.submit(person.id, form, **chosen, **written)
    await person.world.settle()
