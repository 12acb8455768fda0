"""What the clock starts begins with those who belong, and nobody else."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from sop.field import MemberDate
from storage.tx import Tx
from tests.world import World, july, world_at

PLAN = """
id = "plan"
name = "计划"
[trigger]
{trigger}
time = 09:00:00
[audience]
{audience}
[[step]]
id = "one"
when = {{ day = 0, time = 19:30:00 }}
text = "晚上好"
"""


async def began(world: World) -> set[str]:
    journeys = await world.ask(lambda tx: tx.journeys.recent(template="plan"))
    return {journey.whom for journey in journeys}


async def test_a_birthday_begins_the_day_before_for_those_who_belong(tmp_path: Path) -> None:
    async with world_at(july(5), tmp_path) as world:
        lin, zhou, wu = [await world.befriends(name) for name in ("林一", "周二", "吴三")]
        days = [
            MemberDate(lin.id, "birthday", date(1990, 7, 7)),
            MemberDate(zhou.id, "birthday", date(1990, 7, 8)),
            MemberDate(wu.id, "birthday", date(1990, 7, 7)),
        ]
        await world.change(lambda tx: tx.fields.keep(days))
        await world.change(lambda tx: tx.tags.add(wu.id, "不过生日", reason="试"))
        trigger = 'on = "date_field"\nfield = "birthday"\ndays_before = 1'
        await world.publishes(
            text=PLAN.format(trigger=trigger, audience="everyone = true\nexclude = '不过生日'")
        )

        await world.turn_to(july(6, "09:05"))

        assert await began(world) == {lin.id}


async def test_what_is_kept_starts_a_slot_and_what_changed_since_counts(tmp_path: Path) -> None:
    async with world_at(july(5), tmp_path) as world:
        lin, zhou = await world.befriends("林一"), await world.befriends("周二")
        await world.change(lambda tx: tx.tags.add(lin.id, "甲", reason="试"))
        await world.publishes(
            text=PLAN.format(trigger='on = "weekly"\nweekday = "mon"', audience="include = '甲'")
        )
        await world.turn_to(july(5, "14:00"))

        def change(tx: Tx) -> list[str]:
            kept = tx.audiences("Asia/Shanghai").kept("plan")
            tx.tags.remove(lin.id, "甲", reason="试")
            tx.tags.add(zhou.id, "甲", reason="试")
            return kept

        before = await world.change(change)
        await world.turn_to(july(6, "09:05"))

        assert before == [lin.id]
        assert await began(world) == {zhou.id}
