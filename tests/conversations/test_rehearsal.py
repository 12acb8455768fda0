"""What a rehearsal foretells is what happens when the same clock runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from random import Random

import pytest

from bot.rehearsal import rehearse
from sop.file import read
from sop.receipt import State
from sop.stage import Absence, Outcome, Scene, Walker
from sop.timing import local
from storage.due import STEP
from storage.tx import Tx
from tests.world import World, july, world_at

DAYS = 2  # played from 17:55 on; everything is planned between 18:00 and 22:00
SHANGHAI = "Asia/Shanghai"
PLAN = """
id = "plan"
name = "随便一个计划"

[trigger]
on = "date"
date = 2026-07-03
time = 18:00:00

[audience]
{audience}

[rules]
weekly_cap = {cap}
quiet_hours = {{ from = 19:00:00, to = {quiet} }}
"""
SAID = """
[[step]]
id = "s{number}"
when = {{ {when}, window = "{window}" }}
on_miss = "{on_miss}"
text = "第 {number} 句"
"""
Line = tuple[str, str, str, str]  # whom, step, what became of it, and when it left or why it did not


def plan(chance: Random) -> str:
    """A plan of a few steps in the evenings, some of them in vain."""
    moments = sorted((day, chance.randrange(18 * 60, 21 * 60 + 30, 7)) for day in (0, 0, 1, 1))
    head = PLAN.format(
        audience=chance.choice(["everyone = true", 'include = "tier:new"', 'include = "tier:core"']),
        cap=chance.choice([1, 2, 7]),
        quiet=chance.choice(["19:30:00", "20:15:00"]),
    )
    return head + "".join(
        SAID.format(
            number=number,
            when=_when(chance, day, minutes),
            window=chance.choice(["45m", "2h", "24h"]),
            on_miss=chance.choice(["late", "skip", "ask"]),
        )
        for number, (day, minutes) in enumerate(moments)
    )


def _when(chance: Random, day: int, minutes: int) -> str:
    """A time of day, a date, or on the second evening the best hour."""
    time = f"time = {minutes // 60:02d}:{minutes % 60:02d}:00"
    ways = [f"day = {day}, {time}", f"date = 2026-07-{3 + day:02d}, {time}"]
    best = f"best = true, day = {day}, from = 18:00:00, to = 21:00:00"
    return chance.choice([*ways, best] if day else ways)


@pytest.mark.parametrize("seed", [1, *(pytest.param(n, marks=pytest.mark.full) for n in range(2, 40))])
async def test_a_rehearsal_foretells_what_happens(seed: int, tmp_path: Path) -> None:
    text = plan(Random(seed))
    async with world_at(july(3, "17:50"), tmp_path) as world:
        await people(world)
        foretold = await foretell(world, text)

        await world.publishes(text=text)
        for day in range(DAYS):
            await world.leap_to(july(3 + day, "17:55"))
            await evening(world)

        assert foretold or "tier:core" in text
        assert await happened(world) == foretold


async def people(world: World) -> None:
    """Two friends, one who wants nothing, and one nobody can write to."""
    await world.befriends("小林")
    await world.befriends("小苏", "suhe")
    silent = await world.befriends("小陈")
    await silent.says("退订")
    alone = await world.befriends("小何")
    await alone.deletes("linmo")


async def evening(world: World) -> None:
    """Everything that is asked of staff is confirmed while it is asked."""
    for _ in range(250):
        await world.turn(seconds=20)  # and as long for what the platform takes its time with
        for staff in ("linmo", "suhe"):
            for task in world.waiting_for(staff):
                world.sim.acts.confirm(staff, task.id)


async def foretell(world: World, text: str) -> set[Line]:
    """What the rehearsal says of the same evenings."""
    template, found = read(text), set[Line]()

    def seen(walker: Walker, scenes: Sequence[Scene | Absence]) -> None:
        found.update(
            line(one.whom, template.steps[one.step].id, one) for one in scenes if isinstance(one, Scene)
        )

    settings, now = world.app.settings, world.clock.now()
    await rehearse(world.app.db, template, settings, now=now, start=now, days=DAYS, seen=seen)
    return found


def line(whom: str, step: str, scene: Scene) -> Line:
    when = f"{local(scene.at, SHANGHAI):%d %H:%M}" if scene.outcome is Outcome.SENT else scene.reason
    return whom, step, str(scene.outcome), when


async def happened(world: World) -> set[Line]:
    """The ledger and the list of what was missed, in the same words."""
    return await world.ask(lambda tx: {*_left(tx), *_missed(tx)})


def _left(tx: Tx) -> set[Line]:
    found = set()
    for entry in tx.outbox.recent(limit=1000):
        message = entry.message
        if message.template != "plan":
            continue
        outcome = {State.WAITING: Outcome.WAITING, State.REFUSED: Outcome.REFUSED}.get(
            entry.state, Outcome.SENT
        )
        when, left = entry.reason, entry.tried_at
        if outcome is Outcome.SENT and left is not None:
            when = f"{local(left, SHANGHAI):%d %H:%M}"
        found.add((message.to_member, message.step, str(outcome), when))
    return found


def _missed(tx: Tx) -> set[Line]:
    rows = [row for row in tx.due.missed(1000) if row.what == STEP and row.fate != "late"]
    journeys = tx.journeys.several([int(row.whom) for row in rows])
    return {(journeys[int(row.whom)].whom, f"s{int(row.occurrence)}", row.fate, row.reason) for row in rows}
