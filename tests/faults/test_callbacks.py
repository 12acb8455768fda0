"""Callbacks get lost, come twice or in the wrong order: what the bot remembers ends up being what is true."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

import pytest

from bot.simulator.faults import Fault
from storage import inbox
from storage.member import MemberStore
from tests.world import Person, World

BEGINNERS, ADVANCED = "新手答疑群", "进阶交流群"
NAMES = ("小林", "老周", "阿璃", "苏苏", "大鹏", "青禾", "木子", "南风")


async def test_a_join_nobody_told_us_of_is_found_within_the_hour(world: World) -> None:
    await world.founds(BEGINNERS)
    lin = await world.befriends("小林")
    lose(world, 1)

    await world.seat(lin, BEGINNERS)
    unknown = (await lin.known()).groups
    await world.turn(hours=1)

    assert unknown == frozenset()
    assert (await lin.known()).groups == {BEGINNERS}


async def test_a_leave_nobody_told_us_of_is_found_within_the_hour(world: World) -> None:
    await world.founds(BEGINNERS)
    lin = await world.joins("小林", BEGINNERS)
    lose(world, 1)

    await lin.leaves(BEGINNERS)
    await world.turn(hours=1)

    assert (await lin.known()).groups == frozenset()


async def test_a_friend_nobody_told_us_of_is_found_within_the_hour(world: World) -> None:
    await world.turn(hours=1)
    lose(world, 1)

    lin = await world.befriends("小林", source="poster_0103")
    await world.turn(hours=1)

    assert "linmo" in {friend.staff for friend in await world.ask(lambda tx: tx.members.friends(lin.id))}
    assert "来自:poster_0103" in await lin.tags()


async def test_a_group_nobody_told_us_of_is_found_within_the_hour(world: World) -> None:
    lose(world, 1)

    chat = await world.founds(BEGINNERS)
    await world.turn(hours=1)

    known = await world.ask(lambda tx: tx.groups.get(chat))
    assert known is not None
    assert known.name == BEGINNERS


async def test_a_callback_that_comes_twice_has_one_effect(world: World) -> None:
    await world.publishes("welcome")
    world.sim.faults.add(Fault(where="callback", what="duplicate", times=20))

    lin = await world.befriends("小林")

    assert len(world.sim.journal.of("delivery", channel="welcome")) == 1
    assert len(await world.ask(lambda tx: tx.journeys.of(lin.id))) == 1


@pytest.mark.parametrize("what", ["drop", "duplicate", "reorder", "delay"])
async def test_an_evening_with_bad_callbacks_ends_with_what_is_true(world: World, what: str) -> None:
    await world.turn(hours=1)
    world.sim.faults.add(Fault(where="callback", what=what, times=1000, chance=0.4, seconds=30))

    await an_evening(world)
    world.sim.faults.clear()
    await world.turn(hours=1, minutes=5)

    assert await remembered(world) == true(world)


async def test_an_event_nobody_has_heard_of_is_kept_and_harms_nobody(world: World) -> None:
    ring(world, "<Event>brand_new_event</Event><ChangeType>never_seen</ChangeType>")

    lin = await world.befriends("小林")

    assert (await lin.known()).name == "小林"
    counts = await world.app.db.read(inbox.counts)
    assert (counts["waiting"], counts["parked"]) == (0, 0)
    assert world.app.handled["unknown"] == 1


async def test_what_cannot_be_handled_is_parked_and_stops_nobody_else(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    poison = world.sim.acts.meet("毒")
    breaks_for(poison.id, monkeypatch)

    world.sim.acts.add_friend(poison.id, "linmo")
    others = [await world.befriends(name) for name in NAMES[:3]]
    await world.turn(hours=1)

    assert {row.lane for row in await world.app.db.read(inbox.parked)} == {poison.id}
    for other in others:
        assert (await other.known()).name == other.name


async def test_what_was_parked_is_handled_when_it_is_replayed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    poison = world.sim.acts.meet("毒")
    breaks_for(poison.id, monkeypatch)
    world.sim.acts.add_friend(poison.id, "linmo", state="poster_0103")
    await world.turn(hours=1)

    monkeypatch.undo()
    for row in await world.app.db.read(inbox.parked):
        await world.app.db.write(partial(inbox.replay, row_id=row.id))
    await world.turn(minutes=1)

    cured = Person(world, poison.id, "毒")
    assert "来自:poster_0103" in await cured.tags()
    assert await world.app.db.read(inbox.parked) == []


# ---------------------------------------------------------------- what happens


def lose(world: World, times: int) -> None:
    world.sim.faults.add(Fault(where="callback", what="drop", match="contact", times=times))


def ring(world: World, event: str) -> None:
    plain = (
        f"<xml><ToUserName>{world.sim.world.corp_id}</ToUserName><FromUserName>sys</FromUserName>"
        f"<CreateTime>1783000000</CreateTime><MsgType>event</MsgType>{event}</xml>"
    )
    world.sim.callbacks.send("contact", plain.encode())


def breaks_for(member: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault of ours that only this member's friendship meets."""
    befriend = MemberStore.befriend

    def broken(self: MemberStore, member_id: str, *rest: object, **more: object) -> bool:
        if member_id == member:
            raise ZeroDivisionError("a fault of ours")
        return befriend(self, member_id, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(MemberStore, "befriend", broken)


async def an_evening(world: World) -> None:
    """People come, sit down, change groups and go; a group changes its name."""
    acts = world.sim.acts
    first, second = acts.create_group("linmo", BEGINNERS), acts.create_group("suhe", ADVANCED)
    people = [acts.meet(name).id for name in NAMES]
    for number, person in enumerate(people):
        acts.add_friend(person, ("linmo", "suhe")[number % 2], state="poster_0103")
        acts.join((first, second)[number % 2], person)
        await world.clock.turn(timedelta(minutes=2))
    for person in people[:3]:
        acts.leave((first, second)[people.index(person) % 2], person)
        acts.join(second, person) if person not in world.sim.world.groups[second].seats else None
    acts.leave(second, people[1])
    acts.rename(first, "新人答疑群")
    await world.settle()


def true(world: World) -> dict[str, object]:
    """Who is whose friend and who sits where, as the platform has it."""
    platform = world.sim.world
    return {
        "friends": {(bond.member, bond.staff) for bond in platform.friendships.values()},
        "seats": {(group.id, who) for group in platform.groups.values() for who in group.seats},
        "names": {group.id: group.name for group in platform.groups.values()},
    }


async def remembered(world: World) -> dict[str, object]:
    """The same as the bot has it."""
    groups = await world.ask(lambda tx: tx.groups.all())
    seats = await world.ask(lambda tx: {group.id: tx.groups.seated(group.id) for group in tx.groups.all()})
    return {
        "friends": await world.ask(lambda tx: tx.members.friendships()),
        "seats": {(group, sitting.member) for group, seated in seats.items() for sitting in seated},
        "names": {group.id: group.name for group in groups},
    }
