"""A template that drives people away stops by itself, says so once, and goes on when an operator wants it to."""

from __future__ import annotations

import pytest

from storage.alarm import open_alarms
from storage.guard import GuardStore
from storage.operator import OperatorStore
from tests.conversations.test_pause import PLAN, evening
from tests.world import Person, World


async def crowd(world: World, size: int, plan: str = PLAN) -> list[Person]:
    """Friends of 林墨 who have all read the first evening of the plan."""
    await world.publishes(text=plan)
    people = [world.sim.acts.meet(f"成员{number}") for number in range(size)]
    for one in people:
        world.sim.acts.add_friend(one.id, "linmo")
    await world.settle()
    await evening(world, 3)
    await world.confirms_all()
    return [Person(world, one.id, one.name) for one in people]


async def test_who_is_left_gets_nothing_more_when_too_many_opt_out(world: World) -> None:
    people = await crowd(world, 22)

    await world.all_say("退订", *people[:20])
    await evening(world, 4)
    await world.confirms_all()

    assert [person.heard_from("linmo") for person in people[20:]] == [["第一天"]] * 2


async def test_operators_are_told_once_with_numbers_cause_and_next_step(world: World) -> None:
    people = await crowd(world, 8)

    await world.all_say("退订", *people[:6])
    await world.all_say("退订", people[6])
    page = await world.console("/templates/plan/versions")
    deeds = await world.ask(lambda tx: OperatorStore(tx.connection, tx.now).deeds())

    (told,) = [line for line in world.app_told("linmo") if "自动暂停" in line]
    assert told.startswith("「三天计划」已自动暂停：过去 1 天发到 8 人，其中 6 人退订（75%），到了设定的 5%")
    assert "点「恢复」" in told
    assert "自动暂停：过去 1 天发到 8 人" in page
    assert [deed.who for deed in deeds if deed.what == "paused a template"] == ["系统"]


async def test_ended_friendships_are_heard_too(world: World) -> None:
    people = await crowd(world, 5)

    for person in people:
        world.sim.acts.drop_staff(person.id, "linmo")
    await world.settle()

    assert "5 人删了好友" in await reason(world)


async def test_it_goes_on_when_an_operator_says_so_and_does_not_stop_for_the_same_people(
    world: World,
) -> None:
    people = await crowd(world, 7)
    await world.all_say("退订", *people[:5])
    await world.change(lambda tx: tx.pauses.resume("plan"))

    await world.all_say("退订", people[5])
    await evening(world, 4)
    await world.confirms_all()

    assert people[-1].heard_from("linmo") == ["第一天", "第二天"]
    assert await world.ask(lambda tx: open_alarms(tx.connection)) == []


async def test_a_guard_that_is_off_lets_everything_go_on(world: World) -> None:
    people = await crowd(world, 5, PLAN.replace("[[step]]", "[guard]\noff = true\n\n[[step]]", 1))

    await world.all_say("退订", *people)

    assert await reason(world) == ""


async def test_a_tap_that_was_quicker_than_the_opt_out_still_counts(world: World) -> None:
    """The platform tells of a tap only when it is asked; who opts out in between was reached all the same."""
    people = await crowd(world, 5)
    await world.change(lambda tx: tx.guards.begin_anew("plan"))
    await evening(world, 4)
    (waiting,) = world.waiting_for()

    world.sim.acts.confirm("linmo", waiting.id)
    await world.all_say("退订", *people)
    await world.turn(minutes=15)

    assert "发到 5 人，其中 5 人退订" in await reason(world)


async def test_not_looking_would_be_caught(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(GuardStore, "breach", lambda *asked: None)
    people = await crowd(world, 6)

    await world.all_say("退订", *people[:5])
    await evening(world, 4)
    await world.confirms_all()

    assert people[-1].heard_from("linmo") == ["第一天", "第二天"]


async def reason(world: World) -> str:
    return (await world.ask(lambda tx: tx.pauses.reason("plan"))) or ""
