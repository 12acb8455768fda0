"""A template that is paused stands still wherever it is: in plans, in the outbox, on the staff's phones; then it goes on."""

from __future__ import annotations

import pytest

from sop.receipt import State
from sop.timing import PAUSED
from storage.pause import LAID_ASIDE
from storage.policy import _Known
from tests.world import Person, World, july

PLAN = """
id = "plan"
name = "三天计划"

[trigger]
on = "friend.added"

[audience]
everyone = true

[[step]]
id = "one"
when = { day = 1, time = 19:30:00, window = "2h" }
on_miss = "skip"
text = "第一天"

[[step]]
id = "two"
when = { day = 2, time = 19:30:00, window = "5h" }
text = "第二天"

[[step]]
id = "three"
when = { day = 3, time = 19:30:00 }
text = "第三天"
"""


@pytest.fixture
async def lin(world: World) -> Person:
    await world.publishes(text=PLAN)
    return await world.befriends("小林")


async def test_a_step_that_comes_due_meanwhile_follows_its_own_rule_afterwards(
    world: World, lin: Person
) -> None:
    await pause(world)
    await evening(world, 3)
    await evening(world, 4)
    assert await lin.pushes() == []

    await world.leap_to(july(4, "21:00"))
    await resume(world)

    assert await told(lin) == ["第二天"]
    assert await laid_aside(world, lin) == 1
    skipped, late = (await world.missed())[::-1]
    assert "错过了发送窗口，跳过" in skipped
    assert "错过后在窗口内补发" in late


async def test_what_waits_in_the_outbox_waits_on_and_is_said_once(world: World, lin: Person) -> None:
    await world.leap_to(july(3, "19:29"))
    await world.turn(minutes=1, seconds=20)  # planned; it leaves with the next whole minute
    await pause(world)
    await world.turn(minutes=20)
    (waiting,) = await lin.pushes()
    assert (waiting.state, waiting.reason) == (State.WAITING, PAUSED)

    await resume(world)

    assert await told(lin) == ["第一天"]


async def test_a_task_nobody_has_tapped_is_taken_back_and_made_anew(world: World, lin: Person) -> None:
    await world.leap_to(july(3, "19:29"))
    await world.turn(minutes=5)
    assert len(world.waiting_for()) == 1

    await pause(world)
    await world.turn(minutes=2)
    taken_back = len(world.waiting_for())
    await resume(world)

    assert taken_back == 0
    assert await told(lin) == ["第一天"]


async def test_going_on_says_nothing_a_second_time(world: World, lin: Person) -> None:
    await evening(world, 3)
    await world.confirms_all()

    await pause(world)
    await world.turn(minutes=30)
    await resume(world)
    await evening(world, 4)
    await world.confirms_all()

    assert lin.heard_from("linmo") == ["第一天", "第二天"]


async def test_nobody_begins_while_a_template_is_paused(world: World, lin: Person) -> None:
    await pause(world)

    zhou = await world.befriends("老周")
    await resume(world)

    assert await world.ask(lambda tx: tx.journeys.of(zhou.id)) == []
    assert len(await world.ask(lambda tx: tx.journeys.of(lin.id))) == 1


async def test_a_slot_that_comes_meanwhile_is_listed_and_the_next_one_is_waited_for(world: World) -> None:
    await world.publishes("weekly_light")
    await world.founds("新手答疑群")
    await world.change(lambda tx: tx.pauses.pause("weekly_light", "linmo"))

    await evening(world, 4)
    await world.change(lambda tx: tx.pauses.resume("weekly_light"))
    await evening(world, 11)

    assert await world.missed() == ["模板暂停着，这一期没有开始：7月4日 周六 19:30"]
    assert len(world.waiting_for()) == 1


async def test_a_journey_that_ends_meanwhile_does_not_go_on(world: World, lin: Person) -> None:
    await pause(world)
    await evening(world, 3)

    await lin.deletes("linmo")
    await resume(world)
    await evening(world, 4)

    assert await lin.pushes() == []


async def test_not_asking_the_gate_would_be_caught(
    world: World, lin: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.leap_to(july(3, "19:29"))
    await world.turn(minutes=1, seconds=20)
    await pause(world)
    gather = _Known.gather

    def forgetful(*asked: object) -> _Known:
        known = gather(*asked)  # type: ignore[arg-type]
        known.paused = frozenset()
        return known

    monkeypatch.setattr(_Known, "gather", forgetful)
    await world.turn(minutes=20)

    assert (await lin.pushes())[0].state is not State.WAITING


# ---------------------------------------------------------------- how it is told


async def laid_aside(world: World, person: Person) -> int:
    """How often a step had to wait because the template stood still."""
    (journey,) = await world.ask(lambda tx: tx.journeys.of(person.id))
    marks = await world.ask(lambda tx: tx.trail.of_journey(journey.id))
    return sum(mark.what == LAID_ASIDE for mark in marks)


async def pause(world: World) -> None:
    await world.change(lambda tx: tx.pauses.pause("plan", "linmo"))


async def resume(world: World) -> None:
    await world.change(lambda tx: tx.pauses.resume("plan"))
    await world.turn(minutes=5)


async def evening(world: World, day: int) -> None:
    await world.leap_to(july(day, "19:29"))
    await world.turn(minutes=5)


async def told(person: Person) -> list[str]:
    """What reaches them once 林墨 confirms everything."""
    await person.world.confirms_all()
    return person.heard_from("linmo")
