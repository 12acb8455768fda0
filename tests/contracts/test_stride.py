"""Strides: what goes on by set goes on as it would one by one, on both databases; whoever is a case of their own is left."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select, text

from bot.clock import TurnedClock
from handlers import planning
from sop.journey import Journey
from sop.template import Subject
from storage.due import DueStore
from storage.engine import Connection, Database
from storage.journey import JourneyStore
from storage.member import MemberStore
from storage.tables import due, journey, missed, outbox
from storage.template import TemplateStore
from tests.contracts.test_planner import Walk
from tests.contracts.world import NOW

HEAD = """
id = "plan"
name = "计划"
version = 1
trigger = { on = "friend.added" }
audience = { everyone = true }
"""
WHENS = (  # in the order of time
    "{ day = 0, time = 09:00:00 }", '{ after = "1m" }', '{ wait = "2h" }', '{ after = "30h", window = "1h" }',
    '{ wait = "2d", window = "1h" }', '{ weekday = "sat", time = 10:00:00 }', '{ weekday = "mon", time = 07:00:00, week = 2 }',
    "{ day = 19, time = 19:30:00 }", '{ day = 20, time = 00:00:00, window = "5m" }', '{ best = true, day = 21, window = "1h" }',
    '{ after_event = "replied", within = "2d" }', '{ date = 2026-03-14, time = 12:00:00, workday = true }',
    "{ day = 22, time = 02:30:00, workday = true }",
)  # fmt: skip


ZONES = ("", "America/New_York", "Asia/Tokyo")  # whose clocks change on 8 March, and whose never do


def template_of(whens: list[str], more: str = "") -> str:
    steps = (
        f'[[step]]\nid = "s{number}"\nwhen = {when}\ntext = "第 {{{{ day }}}} 天"\n{more}'
        for number, when in enumerate(whens)
    )
    return HEAD + "\n".join(steps)


async def walked(
    walk: Walk, source: str, begun: list[timedelta], turns: list[timedelta]
) -> list[list[tuple[Any, ...]]]:
    """What the tables hold after members began some time ago and the clock was turned a few times."""
    clock = walk.clock

    def begin(connection: Connection) -> None:
        for table in (outbox, due, missed, journey):
            connection.execute(delete(table))
        templates = TemplateStore(connection, NOW)
        saved = templates.save("plan", "计划", source, by="wang").version
        templates.publish("plan", saved, zone="Asia/Shanghai")
        template = templates.read("plan", saved)
        assert template is not None
        people, journeys = MemberStore(connection, NOW, lambda u: None), JourneyStore(connection, NOW)
        for number, before in enumerate(begun):
            people.meet(f"wm{number}")
            people.befriend(f"wm{number}", "wang", since=NOW)
            one = Journey(
                template="plan", version=saved, subject=Subject.MEMBER, whom=f"wm{number}", run=1, anchor=NOW - before,
                zone=ZONES[number % len(ZONES)],
            )  # fmt: skip
            journeys.await_steps(template, journeys.enrol([one]), "Asia/Shanghai")

    await walk.db.write(begin)
    walk.clock = TurnedClock(NOW)
    for late in turns:
        due_at = await walk.db.read(lambda c: DueStore(c).next_step_at())
        await walk.clock.turn(max(timedelta(), (due_at or NOW) - walk.clock.now()) + late)
        await walk.plan()
    walk.clock = clock
    return await walk.db.read(standing)


def standing(connection: Connection) -> list[list[tuple[Any, ...]]]:
    asked = (
        select(journey.c.whom, journey.c.state, journey.c.step, journey.c.reason, journey.c.changed_at),
        select(journey.c.whom, due.c.occurrence, due.c.due_at).join_from(
            due, journey, text("journey.id = CAST(due.whom AS BIGINT)")
        ),
        select(outbox.c.member, outbox.c.step, outbox.c.state, outbox.c.content, outbox.c.why, outbox.c.due_at, outbox.c.deadline_at, outbox.c.sender, outbox.c.channel),
        select(journey.c.whom, missed.c.occurrence, missed.c.fate, missed.c.reason).join_from(
            missed, journey, text("journey.id = CAST(missed.whom AS BIGINT)")
        ),
    )  # fmt: skip
    return [sorted(map(_row, connection.execute(one)), key=repr) for one in asked]


def _row(row: Any) -> tuple[Any, ...]:
    return tuple(row)


SPANS = st.integers(0, 6 * 24 * 60).map(lambda minutes: timedelta(minutes=minutes))


# how late we look after the next step is due: at once, within its grace, or when it is missed
LATE = st.sampled_from([0, 0, 0, 1, 9, 11, 61, 400]).map(lambda minutes: timedelta(minutes=minutes))


@given(
    chosen=st.sets(st.integers(0, len(WHENS) - 1), min_size=1, max_size=4),
    begun=st.lists(SPANS, min_size=1, max_size=6),
    turns=st.lists(LATE, min_size=3, max_size=8),
)
@example(chosen={1, 5}, begun=[timedelta(days=6), timedelta()], turns=[timedelta(minutes=1)] * 3)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_planning_by_set_is_planning_one_by_one(
    db: Database, chosen: set[int], begun: list[timedelta], turns: list[timedelta]
) -> None:
    source = template_of([WHENS[number] for number in sorted(chosen)])
    walk = Walk(db, TurnedClock(NOW))

    by_set = await walked(walk, source, begun, turns)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(planning, "strides", lambda *a, **k: [])
        one_by_one = await walked(walk, source, begun, turns)

    assert by_set == one_by_one
