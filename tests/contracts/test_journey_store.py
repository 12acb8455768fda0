"""Journeys in storage: one row for each run, one wait for each next step, and an end that stays."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime

from sop.file import read
from sop.journey import Journey, JourneyState
from sop.template import Subject
from storage.due import STEP, Due, DueStore
from storage.engine import Database
from storage.journey import JourneyStore
from tests.contracts.world import NOW, after

ZONE = "Asia/Shanghai"
PLAN = read(
    """
id = "plan"
name = "两天"
[trigger]
on = "friend.added"
[audience]
everyone = true
[[step]]
id = "day1"
when = { day = 1, time = 19:30:00 }
text = "第一天"
[[step]]
id = "day2"
when = { day = 2, time = 19:30:00 }
text = "第二天"
"""
)


def journey(whom: str = "lin", *, run: int = 1, template: str = "plan") -> Journey:
    return Journey(
        template=template, version=1, subject=Subject.MEMBER, whom=whom, run=run, anchor=NOW, reason="进入"
    )


async def enrol(db: Database, *begun: Journey) -> list[Journey]:
    return await db.write(lambda c: JourneyStore(c, NOW).enrol(list(begun)))


async def waits(db: Database, whom: Journey) -> list[Due]:
    return await db.read(lambda c: DueStore(c).of(STEP, str(whom.id)))


async def now_at(db: Database, whom: Journey) -> Journey:
    found = await db.read(lambda c: JourneyStore(c, NOW).get(whom.id))
    assert found is not None
    return found


async def test_a_journey_comes_back_as_it_began(db: Database) -> None:
    (begun,) = await enrol(db, journey())

    found = await now_at(db, begun)

    assert found == replace(journey(), id=begun.id, changed=NOW)


async def test_the_same_run_begins_once_however_many_begin_it(db: Database) -> None:
    begun = await asyncio.gather(*(enrol(db, journey(), journey("zhou")) for _ in range(8)))

    assert sorted(one.whom for several in begun for one in several) == ["lin", "zhou"]
    assert len(await db.read(lambda c: JourneyStore(c, NOW).of("lin"))) == 1


async def test_a_second_run_is_a_journey_of_its_own_and_the_latest(db: Database) -> None:
    await enrol(db, journey(), journey("zhou"))

    await enrol(db, journey(run=2))

    latest = await db.read(lambda c: JourneyStore(c, NOW).latest("plan", ["lin", "zhou", "nobody"]))
    assert {whom: one.run for whom, one in latest.items()} == {"lin": 2, "zhou": 1}


async def test_the_next_step_of_each_waits_once(db: Database) -> None:
    begun = await enrol(db, journey(), journey("zhou"))

    for _ in range(2):
        await db.write(lambda c: JourneyStore(c, NOW).await_steps(PLAN, begun, ZONE, {"staff": "su"}))

    (wait,) = await waits(db, begun[0])
    assert (wait.occurrence, wait.version, wait.data) == ("0", 1, {"staff": "su"})
    assert wait.at == datetime(2026, 3, 6, 11, 30, tzinfo=UTC)


async def test_nobody_waits_behind_the_last_step(db: Database) -> None:
    (begun,) = await enrol(db, journey())

    await db.write(lambda c: JourneyStore(c, NOW).await_steps(PLAN, [replace(begun, step=2)], ZONE))

    assert await waits(db, begun) == []


async def test_many_advance_each_to_their_own_step(db: Database) -> None:
    lin, zhou, ali = await enrol(db, journey(), journey("zhou"), journey("ali"))

    await db.write(
        lambda c: JourneyStore(c, after(hours=1)).advance([replace(lin, step=1), replace(zhou, step=2)])
    )

    found = await db.read(lambda c: JourneyStore(c, NOW).several([lin.id, zhou.id, ali.id]))
    assert [found[one.id].step for one in (lin, zhou, ali)] == [1, 2, 0]
    assert found[lin.id].changed == after(hours=1)


async def test_what_has_ended_stays_as_it_ended(db: Database) -> None:
    (begun,) = await enrol(db, journey())
    await db.write(lambda c: JourneyStore(c, NOW).end([begun.id], JourneyState.EXITED, "已经升级"))

    again = await db.write(lambda c: JourneyStore(c, NOW).end([begun.id], JourneyState.DONE, "走完了"))
    await db.write(lambda c: JourneyStore(c, NOW).advance([replace(begun, step=1)]))

    found = await now_at(db, begun)
    assert (again, found.state, found.reason, found.step) == (0, JourneyState.EXITED, "已经升级", 0)


async def test_who_is_held_out_is_on_a_journey_that_can_end_but_not_go_on(db: Database) -> None:
    (begun,) = await enrol(db, replace(journey(), state=JourneyState.HELD_OUT))

    await db.write(lambda c: JourneyStore(c, NOW).await_steps(PLAN, [begun], ZONE))
    await db.write(lambda c: JourneyStore(c, NOW).advance([replace(begun, step=1)]))
    active = await db.read(lambda c: JourneyStore(c, NOW).active_of("lin"))
    ended = await db.write(lambda c: JourneyStore(c, NOW).end([begun.id], JourneyState.EXITED, "已经下单"))

    assert await waits(db, begun) == []
    assert [one.step for one in active] == [0]
    assert ended == 1


async def test_only_journeys_under_way_are_active(db: Database) -> None:
    first, second = await enrol(db, journey(), journey(template="other"))

    await db.write(lambda c: JourneyStore(c, NOW).end([first.id], JourneyState.DONE, "走完了"))

    active = await db.read(lambda c: JourneyStore(c, NOW).active_of("lin"))
    everything = await db.read(lambda c: JourneyStore(c, NOW).of("lin"))
    assert [one.id for one in active] == [second.id]
    assert [one.id for one in everything] == [second.id, first.id]


async def test_journeys_are_counted_and_listed_by_template_and_state(db: Database) -> None:
    lin, zhou, other = await enrol(db, journey(), journey("zhou"), journey(template="other"))
    await db.write(lambda c: JourneyStore(c, NOW).end([lin.id], JourneyState.DONE, "走完了"))

    counts = await db.read(lambda c: JourneyStore(c, NOW).counts())
    under_way = await db.read(lambda c: JourneyStore(c, NOW).recent(template="plan", state="active"))

    assert counts == {("plan", 1, "done"): 1, ("plan", 1, "active"): 1, ("other", 1, "active"): 1}
    assert [one.id for one in under_way] == [zhou.id]
    assert other.id not in [one.id for one in under_way]
