"""What callbacks lost is found again by looking, and what was told is left alone."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from bot.simulator.faults import Fault
from bot.simulator.world import Friendship
from storage.alarm import open_alarms
from storage.errand import Errand
from tests.world import Person, World

DEAF = Fault(where="callback", what="drop", times=10**6)
NEXT_ROUND = {"hours": 1}


def deafen(world: World) -> None:
    """From here on no callback arrives."""
    world.sim.faults.add(DEAF)


async def friends(world: World) -> set[tuple[str, str]]:
    return await world.ask(lambda tx: tx.members.friendships())


async def seats(world: World, group: str) -> set[str]:
    sitting = await world.ask(lambda tx: tx.groups.seated(world.groups[group]))
    return {seat.member for seat in sitting}


async def looks_first(world: World) -> None:
    """The first look at the directory, which everybody there before survives without a welcome."""
    await world.change(lambda tx: tx.errands.add(Errand(what="directory", whom="all", at=tx.now)))


async def test_a_friend_nobody_told_us_of_is_found_and_begins_the_plan(world: World) -> None:
    await world.publishes("seven_day_growth")
    await looks_first(world)
    deafen(world)

    lin = await world.befriends("小林", source="poster_0103")
    await world.turn(**NEXT_ROUND)

    known = await lin.known()
    assert (known.name, known.source, "来自:poster_0103" in known.tags) == ("小林", "poster_0103", True)
    journeys = await world.ask(lambda tx: tx.journeys.of(lin.id))
    assert [journey.template for journey in journeys] == ["seven_day_growth"]


async def test_who_was_a_friend_before_we_came_begins_nothing(world: World) -> None:
    await world.publishes("seven_day_growth")
    deafen(world)
    lin = await world.befriends("小林")

    await looks_first(world)

    assert (await lin.known()).name == "小林"
    assert await world.ask(lambda tx: tx.journeys.of(lin.id)) == []


async def test_a_friend_a_staff_member_deleted_unheard_is_a_friend_no_more(world: World) -> None:
    lin, xia = await world.befriends("小林"), await world.befriends("小夏")
    await world.turn(hours=1)
    deafen(world)

    world.sim.acts.drop_member("linmo", lin.id)
    await world.turn(**NEXT_ROUND)

    assert await friends(world) == {(xia.id, "linmo")}


async def test_who_deleted_the_staff_side_stays_gone_though_the_staff_side_still_lists_them(
    world: World,
) -> None:
    lin = await world.befriends("小林")
    await lin.deletes("linmo")

    await world.turn(hours=25)

    assert await friends(world) == set()


async def test_who_came_back_unheard_is_a_friend_again(world: World) -> None:
    lin = await world.befriends("小林")
    await lin.deletes("linmo")
    await world.turn(hours=1)
    deafen(world)

    world.sim.acts.add_friend(lin.id, "linmo")
    await world.turn(**NEXT_ROUND)

    assert await friends(world) == {(lin.id, "linmo")}


async def test_a_group_dissolved_unheard_is_over(world: World) -> None:
    await world.founds("新手群")
    await world.founds("进阶群")
    await world.turn(hours=1)
    deafen(world)

    world.sim.acts.dismiss(world.groups["新手群"])
    await world.turn(**NEXT_ROUND)

    assert [group.name for group in await world.ask(lambda tx: tx.groups.all())] == ["进阶群"]


async def test_joins_and_leaves_unheard_are_made_up_for(world: World) -> None:
    await world.founds("新手群")
    lin = await world.joins("小林", "新手群")
    await world.turn(hours=1)
    deafen(world)

    xia = await world.joins("小夏", "新手群")
    await lin.leaves("新手群")
    await world.turn(**NEXT_ROUND)

    assert await seats(world, "新手群") == {"linmo", xia.id}


async def test_a_quiet_hour_asks_for_no_member_one_by_one(world: World) -> None:
    for number in range(5):
        await world.befriends(f"小林{number}")
    await world.turn(hours=2)
    before = len(world.sim.journal.of("call", api="externalcontact/get"))

    await world.turn(hours=3)

    assert len(world.sim.journal.of("call", api="externalcontact/get")) == before


def lose(world: World, people: list[Person], tags: list[str], count: int) -> dict[str, set[Any]]:
    """``count`` changes whose callbacks are deleted: new and ended friendships, tags, seats; what is true after them."""
    acts, one = world.sim.acts, world.sim.world
    for number in range(count):
        person = people[number % len(people)]
        match number % 5:
            case 0:
                acts.add_friend(acts.meet(f"新人{number}").id, "linmo", state="poster")
            case 1:
                acts.edit_friend("linmo", person.id, add=[tags[number % len(tags)]])
            case 2:
                acts.edit_friend("linmo", person.id, remove=[tags[(number + 3) % len(tags)]])
            case 3:
                acts.join(world.groups["新手群"], acts.meet(f"路人{number}").id, state="wall")
            case 4:
                gone = next((one for one in one.groups[world.groups["新手群"]].seats if one != "linmo"), "")
                acts.leave(world.groups["新手群"], gone)
    for person in people[::4]:
        acts.drop_member("linmo", person.id)
    return {
        "friends": {(bond.member, bond.staff) for bond in one.friendships.values()},
        "seats": set(one.groups[world.groups["新手群"]].seats),
        "tags": {(bond.member, one.tags[tag].name) for bond in one.friendships.values() for tag in bond.tags},
    }


async def test_what_a_thousand_deleted_callbacks_told_is_right_after_one_round(world: World) -> None:
    await world.founds("新手群")
    people = [await world.befriends(f"小林{number}") for number in range(20)]
    tags = [world.sim.acts.create_tag(f"兴趣{number}", "兴趣") for number in range(7)]
    await world.turn(hours=1)
    deafen(world)

    truth = lose(world, people, tags, 1000)
    await world.turn(**NEXT_ROUND)

    assert await friends(world) == truth["friends"]
    assert await seats(world, "新手群") == truth["seats"]
    named = {f"兴趣{number}" for number in range(7)}
    still = {member for member, _ in truth["friends"]}
    known = await world.ask(lambda tx: tx.members.several(sorted(still)))
    assert {(member.id, tag) for member in known for tag in member.tags & named} == truth["tags"]


async def test_a_walk_broken_off_goes_on_where_it_stopped(world: World) -> None:
    for number in range(250):
        person = world.sim.acts.meet(f"小林{number}")
        world.sim.world.friendships["linmo", person.id] = Friendship("linmo", person.id, world.clock.now())
    refusals = [
        Fault(where="api", what="error", match="externalcontact/batch/get_by_user", times=2),
    ]

    world.sim.faults.add(*refusals)
    await looks_first(world)
    await world.turn(minutes=10)

    asked = [
        entry["request"]
        for entry in world.sim.journal.of("call", api="externalcontact/batch/get_by_user")
        if "fault" not in entry
    ]
    assert len(await friends(world)) == 250
    assert ['"cursor"' in request for request in asked] == [False, True, True]


async def test_an_employee_the_platform_does_not_know_spoils_nothing_for_others(world: World) -> None:
    world.sim.acts.hire("ghost", "离职的人")
    lin = world.sim.acts.meet("小林")
    world.sim.world.friendships["suhe", lin.id] = Friendship("suhe", lin.id, world.clock.now())
    staff = ["linmo", "ghost", "suhe"]
    world.sim.world.staff.pop("ghost")

    data = {"staff": staff, "cursor": "", "walk": (world.clock.now() - timedelta(hours=1)).isoformat()}
    await world.change(lambda tx: tx.errands.add(Errand(what="friends", whom="0", at=tx.now, data=data)))
    await world.turn(minutes=1)

    assert await friends(world) == {(lin.id, "suhe")}


# ---------------------------------------------------------------- a platform that answers badly


async def alarms(world: World) -> list[str]:
    return [alarm.text for alarm in await world.app.db.read(open_alarms)]


def crowd(world: World, count: int, staff: str = "linmo") -> None:
    for number in range(count):
        person = world.sim.acts.meet(f"小林{number}")
        world.sim.world.friendships[staff, person.id] = Friendship(staff, person.id, world.clock.now())


async def test_a_place_the_platform_has_lost_is_begun_again(world: World) -> None:
    crowd(world, 150)
    world.sim.faults.add(
        Fault(where="api", what="refuse", match="externalcontact/batch/get_by_user", code=50100)
    )

    walk = Errand(what="friends", whom="0", at=world.clock.now(), data=a_walk(world, cursor="100"))
    await world.change(lambda tx: tx.errands.add(walk))
    await world.turn(minutes=1)

    assert len(await friends(world)) == 150


async def test_pages_that_go_round_in_circles_end_the_walk_and_nobody_s_friendship(world: World) -> None:
    lin = await world.befriends("小林")
    crowd(world, 250)

    def plan(tx: Any) -> None:
        data = a_walk(
            world, cursor="50", used=["150"]
        )  # the page after 50 says to go on at 150, where we were
        tx.errands.add(Errand(what="friends", whom="0", at=tx.now, data=data))

    await world.change(plan)
    await world.turn(minutes=1)

    assert len(world.sim.journal.of("call", api="externalcontact/batch/get_by_user")) == 1
    assert await world.ask(lambda tx: tx.errands.count(["friends"])) == 0
    assert (lin.id, "linmo") in await friends(world)


async def test_an_employee_without_a_licence_is_told_and_keeps_their_friends(world: World) -> None:
    lin = await world.befriends("小林", "suhe")
    world.sim.world.staff["suhe"].licensed = False

    await world.turn(hours=1)

    assert (lin.id, "suhe") in await friends(world)
    assert any("suhe" in text and "许可" in text for text in await alarms(world))


async def test_with_very_many_staff_groups_are_found_by_their_owners(world: World) -> None:
    world.sim.world.rules.unfiltered_staff = 1
    deafen(world)

    await world.founds("新手群")
    await looks_first(world)

    assert [group.name for group in await world.ask(lambda tx: tx.groups.all())] == ["新手群"]


async def test_a_garbled_page_is_asked_for_again_and_nothing_is_lost(world: World) -> None:
    crowd(world, 5)
    world.sim.faults.add(
        Fault(where="api", what="garble", match="externalcontact/batch/get_by_user", times=2)
    )

    await looks_first(world)
    await world.turn(minutes=2)

    assert len(await friends(world)) == 5


def a_walk(world: World, *, cursor: str = "", used: list[str] | None = None) -> dict[str, Any]:
    """The data of a walk through 林墨's friends that has come so far."""
    return {"staff": ["linmo"], "cursor": cursor, "used": used or [], "walk": world.clock.now().isoformat()}
