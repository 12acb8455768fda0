"""Who sits in a group follows the chain of versions, and the platform's list where the chain is broken."""

from __future__ import annotations

from datetime import datetime

from sop.update import GroupDescribed, GroupDismissed, MembersJoined, MembersLeft, Seat, Update
from storage.engine import Connection, Database
from storage.errand import ErrandStore
from storage.tx import Tx
from tests.contracts.heard import START, after, hear

GROUP = "wr1"


def joins(*members: str, before: str, after: str, at: datetime = START) -> MembersJoined:
    return MembersJoined(at=at, id=f"+{after}", group=GROUP, members=members, before=before, after=after)


def leaves(*members: str, before: str, after: str, at: datetime = START) -> MembersLeft:
    return MembersLeft(at=at, id=f"-{after}", group=GROUP, members=members, before=before, after=after)


def listed(*members: str, version: str, at: datetime) -> GroupDescribed:
    seats = tuple(Seat(member=one, joined=int(START.timestamp())) for one in members)
    return GroupDescribed(
        at=at, id=f"={at}", group=GROUP, name="茶友群", owner="li", version=version, seats=seats
    )


class House:
    """One group as the house knows it."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def hear(self, *updates: Update) -> House:
        hear(self.connection, *updates)
        return self

    @property
    def seats(self) -> set[str]:
        return {one.member for one in Tx(self.connection, START).groups.seated(GROUP)}

    @property
    def version(self) -> str:
        group = Tx(self.connection, START).groups.get(GROUP)
        return group.version if group else ""

    @property
    def asks(self) -> bool:
        """Whether the list is being asked for; the question is taken back, as if it had been asked."""
        store = ErrandStore(self.connection)
        asked = [one for one in store.waiting(after(days=9), 50) if (one.what, one.whom) == ("group", GROUP)]
        for one in asked:
            store.done(one)
        return bool(asked)


async def test_a_chain_without_gaps_is_followed(db: Database) -> None:
    def life(connection: Connection) -> tuple[set[str], str, bool]:
        house = House(connection).hear(joins("a", "b", before="", after="v1"))
        assert house.asks
        house.hear(leaves("a", before="v1", after="v2", at=after(seconds=1)))
        return house.seats, house.version, house.asks

    assert await db.write(life) == ({"b"}, "v2", False)


async def test_a_gap_asks_for_the_whole_list(db: Database) -> None:
    def life(connection: Connection) -> tuple[bool, str, set[str]]:
        house = House(connection).hear(joins("a", before="", after="v1"))
        assert house.asks
        house.hear(leaves("x", before="v7", after="v8", at=after(minutes=1)))
        asks, version = house.asks, house.version
        house.hear(listed("a", "c", version="v8", at=after(minutes=1, seconds=3)))
        return asks, version, house.seats

    assert await db.write(life) == (True, "v1", {"a", "c"})


async def test_a_list_behind_what_was_heard_is_not_believed_and_asked_for_again(db: Database) -> None:
    def life(connection: Connection) -> tuple[set[str], bool]:
        house = House(connection).hear(listed("a", version="v1", at=START))
        house.hear(joins("b", before="v1", after="v2", at=after(minutes=1)))
        assert house.asks
        house.hear(listed("a", version="v1", at=after(minutes=1, seconds=1)))
        return house.seats, house.asks

    assert await db.write(life) == ({"a", "b"}, True)


async def test_a_list_of_another_version_is_believed_when_things_have_settled(db: Database) -> None:
    def life(connection: Connection) -> tuple[set[str], str]:
        house = House(connection).hear(joins("a", before="", after="v1"))
        house.hear(listed("a", "b", version="v9", at=after(minutes=1)))
        return house.seats, house.version

    assert await db.write(life) == ({"a", "b"}, "v9")


async def test_what_a_list_told_already_changes_nothing_when_its_callback_comes(db: Database) -> None:
    def life(connection: Connection) -> tuple[set[str], str]:
        house = House(connection).hear(joins("a", before="", after="v1"))
        house.hear(listed("a", "b", version="v2", at=after(minutes=1)))
        house.hear(joins("b", before="v1", after="v2", at=after(seconds=50)))
        return house.seats, house.version

    assert await db.write(life) == ({"a", "b"}, "v2")


async def test_a_leaving_heard_before_the_joining_leaves_nobody_seated(db: Database) -> None:
    def life(connection: Connection) -> set[str]:
        house = House(connection)
        house.hear(
            leaves("a", before="v1", after="v2", at=after(seconds=9)), joins("a", before="", after="v1")
        )
        return house.seats

    assert await db.write(life) == set()


async def test_who_comes_back_is_seated_though_the_leaving_is_heard_last(db: Database) -> None:
    def life(connection: Connection) -> set[str]:
        house = House(connection).hear(joins("a", before="", after="v1"))
        house.hear(joins("a", before="v2", after="v3", at=after(seconds=20)))
        house.hear(leaves("a", before="v1", after="v2", at=after(seconds=10)))
        return house.seats

    assert await db.write(life) == {"a"}


async def test_a_group_dissolved_before_we_heard_of_it_is_dissolved(db: Database) -> None:
    def life(connection: Connection) -> bool:
        hear(connection, GroupDismissed(at=START, id="d", group=GROUP), joins("a", before="", after="v1"))
        group = Tx(connection, START).groups.get(GROUP)
        return group is not None and group.alive

    assert await db.write(life) is False
