"""Tags go both ways between Qunxing and WeCom, and never round in circles."""

from __future__ import annotations

from datetime import timedelta

from sop.update import Friendship, MemberDescribed, TagRequested
from tests.world import Person, World


async def tagged(world: World, person: Person, tag: str, *, added: bool = True, settle: bool = True) -> None:
    """An operator tags someone, or takes a tag from them."""
    wanted = TagRequested(at=world.clock.now(), id=f"tag:{tag}:{added}:{world.clock.now()}", member=person.id, tag=tag,
                          added=added, by="阿宁")  # fmt: skip
    await world.app.desk.ask(wanted)
    if settle:
        await world.settle()


def marked(world: World, person: Person, staff: str = "linmo") -> set[str]:
    """What WeCom shows on a friendship."""
    bond = world.sim.world.friendships[staff, person.id]
    return {world.sim.world.tags[number].name for number in bond.tags}


def calls(world: World, api: str) -> int:
    return len(world.sim.journal.of("call", api=f"externalcontact/{api}"))


async def test_a_tag_given_here_is_marked_on_every_friendship(world: World) -> None:
    lin = await world.befriends("小林")
    world.sim.acts.add_friend(lin.id, "suhe")
    await world.settle()

    await tagged(world, lin, "职场新人")

    assert (marked(world, lin), marked(world, lin, "suhe")) == ({"职场新人"}, {"职场新人"})
    assert calls(world, "mark_tag") == 2


async def test_a_tag_older_than_the_friendship_is_marked_on_it_too(world: World) -> None:
    lin = await world.befriends("小林")
    await tagged(world, lin, "职场新人")

    world.sim.acts.add_friend(lin.id, "suhe")
    await world.settle()

    assert marked(world, lin, "suhe") == {"职场新人"}


async def test_a_tag_set_by_staff_comes_here_and_is_not_marked_again(world: World) -> None:
    lin = await world.befriends("小林")
    tea = world.sim.acts.create_tag("爱喝茶", "兴趣")

    world.sim.acts.edit_friend("linmo", lin.id, add=[tea])
    await world.settle()
    await world.turn(hours=2)

    assert "爱喝茶" in (await lin.known()).tags
    assert calls(world, "mark_tag") == 0


async def test_a_tag_unset_by_staff_goes_here_too(world: World) -> None:
    lin = await world.befriends("小林")
    tea = world.sim.acts.create_tag("爱喝茶", "兴趣")
    world.sim.acts.edit_friend("linmo", lin.id, add=[tea])
    await world.settle()

    world.sim.acts.edit_friend("linmo", lin.id, remove=[tea])
    await world.settle()

    assert "爱喝茶" not in (await lin.known()).tags
    assert calls(world, "mark_tag") == 0


async def test_a_tag_of_ours_unset_by_staff_goes_here_too(world: World) -> None:
    lin = await world.befriends("小林")
    await tagged(world, lin, "职场新人")
    (number,) = world.sim.world.friendships["linmo", lin.id].tags

    world.sim.acts.edit_friend("linmo", lin.id, remove=[number])
    await world.settle()

    assert "职场新人" not in (await lin.known()).tags
    assert calls(world, "mark_tag") == 1


async def test_a_tag_one_of_two_staff_unset_stays_with_the_member(world: World) -> None:
    lin = await world.befriends("小林")
    world.sim.acts.add_friend(lin.id, "suhe")
    await world.settle()
    await tagged(world, lin, "职场新人")
    (number,) = world.sim.world.friendships["suhe", lin.id].tags

    world.sim.acts.edit_friend("suhe", lin.id, remove=[number])
    await world.settle()

    assert "职场新人" in (await lin.known()).tags
    assert (marked(world, lin), marked(world, lin, "suhe")) == ({"职场新人"}, set())


async def test_a_reading_that_lags_does_not_bring_a_removed_tag_back(world: World) -> None:
    lin = await world.befriends("小林")
    await tagged(world, lin, "职场新人")
    (number,) = world.sim.world.friendships["linmo", lin.id].tags
    await tagged(world, lin, "职场新人", added=False)
    stale = Friendship("linmo", since=int(world.clock.now().timestamp()), tags=((number, "职场新人"),))

    at = world.clock.now() - timedelta(minutes=1)
    await world.app.desk.tell(
        MemberDescribed(at=at, member=lin.id, name="小林", friends=(stale,)), lane=lin.id
    )
    await world.settle()

    assert "职场新人" not in (await lin.known()).tags
    assert marked(world, lin) == set()


async def test_a_reading_older_than_our_mark_does_not_take_the_tag_away(world: World) -> None:
    lin = await world.befriends("小林")
    at = world.clock.now()
    await tagged(world, lin, "职场新人", settle=False)

    stale = Friendship("linmo", since=int(at.timestamp()))
    await world.app.desk.tell(
        MemberDescribed(at=at, member=lin.id, name="小林", friends=(stale,)), lane=lin.id
    )
    await world.settle()

    assert "职场新人" in (await lin.known()).tags
    assert marked(world, lin) == {"职场新人"}


async def test_a_mark_does_not_start_the_journeys_again(world: World) -> None:
    lin = await world.befriends("小林")
    await tagged(world, lin, "职场新人")

    world.sim.acts.edit_friend("linmo", lin.id, remark="杭州小林")
    await world.settle()
    await world.turn(hours=2)

    history = await world.ask(lambda tx: tx.activity.of_member(lin.id))
    assert [row.kind for row in history].count("tagged") == 1


async def test_a_corporate_tag_deleted_unnoticed_is_made_again_when_it_is_needed(world: World) -> None:
    lin, xia = await world.befriends("小林"), await world.befriends("小夏")
    await tagged(world, lin, "职场新人")
    (number,) = world.sim.world.friendships["linmo", lin.id].tags
    world.sim.world.tags.pop(number)

    await tagged(world, xia, "职场新人")
    await world.turn(minutes=1)

    assert marked(world, xia) == {"职场新人"}


async def test_a_tag_renamed_in_the_console_is_renamed_here_and_nothing_starts(world: World) -> None:
    lin = await world.befriends("小林")
    tea = world.sim.acts.create_tag("爱喝茶", "兴趣")
    world.sim.acts.edit_friend("linmo", lin.id, add=[tea])
    await world.settle()

    world.sim.acts.rename_tag(tea, "茶友")
    await world.settle()

    assert (await lin.known()).tags == {"茶友"}
    assert calls(world, "mark_tag") == 0


async def test_a_corporate_tag_deleted_in_the_console_stays_with_members(world: World) -> None:
    lin = await world.befriends("小林")
    tea = world.sim.acts.create_tag("爱喝茶", "兴趣")
    world.sim.acts.edit_friend("linmo", lin.id, add=[tea])
    await world.settle()

    world.sim.acts.delete_tag(tea)
    await world.settle()
    await world.turn(hours=2)

    assert (await lin.known()).tags == {"爱喝茶"}


async def test_a_tag_for_a_member_nobody_has_as_a_friend_waits_for_nobody(world: World) -> None:
    lin = await world.befriends("小林")
    world.sim.faults.clear()
    world.sim.world.friendships.pop(("linmo", lin.id))

    await tagged(world, lin, "职场新人")

    assert await world.ask(lambda tx: tx.errands.waiting(world.clock.now() + timedelta(days=1), 9)) == []
    assert "职场新人" in (await lin.known()).tags
