"""Ways in: made at WeCom, scanned by people, told apart by tags; and the greetings of groups."""

from __future__ import annotations

from typing import Any

from bot.simulator.faults import Fault
from bot.simulator.scan import scan
from sop.greeting import Greeting
from sop.way import Way, WayKind
from storage.errand import Errand
from storage.greeting import GreetingStore, KeptGreeting
from storage.way import KeptWay, Standing
from tests.world import Person, World

POSTER = Way(
    state="poster_0103", name="一月海报", kind=WayKind.CONTACT, staff=("linmo",), tags=("海报来的", "杭州")
)


async def wishes(world: World, way: Way) -> KeptWay:
    """An operator wants a way; what became of it."""

    def wish(tx: Any) -> None:
        tx.ways.add(way, by="阿宁")
        tx.errands.add(Errand(what="way", whom=way.state, data={"do": "make"}, at=tx.now))

    await world.change(wish)
    return await kept(world, way)


async def kept(world: World, way: Way) -> KeptWay:
    found = await world.ask(lambda tx: tx.ways.get(way.state))
    assert found is not None
    return found


async def comes_through(world: World, way: KeptWay, name: str) -> Person:
    member = world.sim.acts.meet(name)
    scan(world.sim.acts, member.id, way.number)
    await world.settle()
    return Person(world, member.id, name)


async def test_who_scans_the_poster_carries_its_tags(world: World) -> None:
    way = await wishes(world, POSTER)

    lin = await comes_through(world, way, "小林")

    assert (way.standing, bool(way.number), bool(way.image)) == (Standing.READY, True, True)
    assert (await lin.known()).tags == {"海报来的", "杭州"}
    assert {world.sim.world.tags[tag].name for tag in world.sim.world.friendships["linmo", lin.id].tags} == {
        "海报来的",
        "杭州",
    }


async def test_a_way_without_tags_tags_by_its_name(world: World) -> None:
    way = await wishes(world, Way(state="p2", name="二月海报", kind=WayKind.CONTACT, staff=("linmo",)))

    lin = await comes_through(world, way, "小林")

    assert (await lin.known()).tags == {"来自:二月海报"}


async def test_who_joins_a_group_through_a_way_is_tagged_though_no_callback_says_so(world: World) -> None:
    group = await world.founds("新手群")
    wall = Way(state="wall", name="门店墙", kind=WayKind.JOIN, groups=(group,), tags=("门店来的",))
    way = await wishes(world, wall)

    lin = await comes_through(world, way, "小林")

    known = await lin.known()
    assert known.tags == {"门店来的"}
    assert (known.source, set(known.groups)) == ("wall", {"新手群"})


async def test_a_tag_an_operator_took_away_does_not_come_back_with_the_next_look(world: World) -> None:
    group = await world.founds("新手群")
    wall = Way(state="wall", name="门店墙", kind=WayKind.JOIN, groups=(group,), tags=("门店来的",))
    lin = await comes_through(world, await wishes(world, wall), "小林")

    await world.change(lambda tx: tx.tags.remove(lin.id, "门店来的", reason="运营去掉"))
    await world.turn(hours=2)

    assert (await lin.known()).tags == set()


async def test_a_way_whose_making_was_never_answered_is_found_again(world: World) -> None:
    world.sim.faults.add(Fault(where="api", what="lose", match="externalcontact/add_contact_way"))

    await wishes(world, POSTER)
    await world.turn(minutes=1)

    way = await kept(world, POSTER)
    assert way.standing is Standing.READY
    assert list(world.sim.world.ways) == [way.number]


async def test_a_way_to_somebody_unknown_is_refused_with_the_reason(world: World) -> None:
    way = await wishes(world, Way(state="p", name="海报", kind=WayKind.CONTACT, staff=("ghost",)))

    assert (way.standing, way.number) == (Standing.REFUSED, "")
    assert "员工" in way.reason


async def test_without_room_for_more_ways_the_operators_are_told_what_to_do(world: World) -> None:
    world.sim.limits.allowance.ways = 0

    way = await wishes(world, POSTER)

    assert way.standing is Standing.MAKING
    assert "删掉不用的" in way.reason


async def test_a_way_that_was_dropped_still_says_where_people_came_from(world: World) -> None:
    way = await wishes(world, POSTER)

    await world.change(
        lambda tx: tx.errands.add(Errand(what="way", whom="poster_0103", data={"do": "drop"}, at=tx.now))
    )

    assert (await kept(world, POSTER)).standing is Standing.DROPPED
    assert way.number not in world.sim.world.ways
    assert await world.ask(lambda tx: tx.ways.tags_of("poster_0103")) == ("海报来的", "杭州")


# ---------------------------------------------------------------- greetings

HELLO = Greeting(name="新手群", text="欢迎 %NICKNAME%")


async def greets(world: World, greeting: Greeting) -> KeptGreeting:
    def wish(tx: Any) -> None:
        store = GreetingStore(tx.connection, tx.now)
        if store.get(greeting.name) is None:
            store.add(greeting)
        else:
            store.change(greeting)
        tx.errands.add(Errand(what="greeting", whom=greeting.name, data={"do": "keep"}, at=tx.now))

    await world.change(wish)
    found = await world.ask(lambda tx: GreetingStore(tx.connection, tx.now).get(greeting.name))
    assert found is not None
    return found


async def test_a_greeting_goes_into_the_library_once_and_changes_there(world: World) -> None:
    first = await greets(world, HELLO)
    second = await greets(world, Greeting(name="新手群", text="你好 %NICKNAME%"))

    assert (first.number, second.standing) == (second.number, Standing.READY)
    (kept,) = world.sim.world.greetings.values()
    assert kept.content["text"] == {"content": "你好 %NICKNAME%"}


async def test_a_greeting_somebody_else_made_is_refused_with_the_reason(world: World) -> None:
    await greets(world, HELLO)
    (theirs,) = world.sim.world.greetings.values()
    theirs.by = "another"

    greeting = await greets(world, Greeting(name="新手群", text="改一下"))

    assert greeting.standing is Standing.REFUSED
    assert "不是本应用创建" in greeting.reason
