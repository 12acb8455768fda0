"""The one due table: a wait is a row, once for each occurrence."""

from __future__ import annotations

import asyncio

from sqlalchemy import Connection

from storage.due import Due, DueStore
from storage.engine import Database
from tests.contracts.world import NOW, after


def wait(
    whom: str = "1", *, what: str = "expiry", occurrence: str = "0", seconds: float = 0, **data: str
) -> Due:
    return Due(what=what, whom=whom, occurrence=occurrence, at=after(seconds=seconds), data=data)


async def note(db: Database, *waits: Due) -> None:
    await db.write(lambda c: DueStore(c).add(*waits))


async def take(db: Database, *, seconds: float = 0, limit: int = 100) -> list[str]:
    return await db.write(lambda c: [due.whom for due in DueStore(c).take(after(seconds=seconds), limit)])


async def test_a_wait_is_noted_once_for_each_occurrence(db: Database) -> None:
    await note(db, wait(), wait(), wait(occurrence="1"))
    await note(db, wait(seconds=99))

    found = await db.read(lambda c: DueStore(c).of("expiry", "1"))

    assert [(due.occurrence, due.at) for due in found] == [("0", NOW), ("1", NOW)]


async def test_what_is_due_is_taken_oldest_first_and_what_is_not_stays(db: Database) -> None:
    await note(db, wait("c", seconds=3), wait("a", seconds=1), wait("b", seconds=2), wait("d", seconds=9))

    assert await take(db, seconds=5, limit=2) == ["a", "b"]
    assert await take(db, seconds=5) == ["c"]
    assert await db.read(lambda c: DueStore(c).next_at()) == after(seconds=9)


async def test_what_is_taken_is_gone_only_with_the_transaction(db: Database) -> None:
    await note(db, wait("a"))

    def take_and_fail(connection: Connection) -> None:
        DueStore(connection).take(NOW, 10)
        raise RuntimeError

    await asyncio.gather(db.write(take_and_fail), return_exceptions=True)

    assert await take(db) == ["a"]
    assert await take(db) == []


async def test_several_who_take_at_once_never_take_the_same(db: Database) -> None:
    await note(db, *(wait(str(number)) for number in range(100)))

    taken = await asyncio.gather(*(take(db, limit=10) for _ in range(12)))

    whom = [one for part in taken for one in part]
    whom += await take(db)
    assert sorted(whom) == sorted(str(number) for number in range(100))


async def test_what_a_wait_carries_comes_back(db: Database) -> None:
    await note(db, wait("a", welcome_code="CODE"))

    (due,) = await db.write(lambda c: DueStore(c).take(NOW, 1))

    assert (due.data, due.at) == ({"welcome_code": "CODE"}, NOW)


async def test_waits_no_longer_wanted_are_dropped(db: Database) -> None:
    await note(db, wait("a"), wait("a", occurrence="1"), wait("b"), wait("a", what="slot"))

    dropped = await db.write(lambda c: DueStore(c).drop("expiry", ["a", "z"]))

    assert dropped == 2
    assert sorted(await take(db)) == ["a", "b"]


async def test_a_missed_wait_is_listed_once_with_its_fate(db: Database) -> None:
    for _ in range(2):
        await db.write(lambda c: DueStore(c).miss(wait("a"), after(hours=3), "skipped", "错过了发送窗口"))

    (missed,) = await db.read(lambda c: DueStore(c).missed())

    assert (missed.whom, missed.fate, missed.reason) == ("a", "skipped", "错过了发送窗口")
