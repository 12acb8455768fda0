"""Days kept of members: whose day it is."""

from __future__ import annotations

from datetime import date

from sqlalchemy import Connection

from sop.field import MemberDate
from storage.engine import Database
from storage.field import FieldStore


def born(who: str, year: int, month: int, day: int) -> MemberDate:
    return MemberDate(who, "birthday", date(year, month, day))


async def test_whose_day_it_is_follows_the_calendar_of_this_year(db: Database) -> None:
    people = [born("ann", 1992, 2, 29), born("bo", 1990, 2, 28), born("chen", 2027, 2, 28)]

    def ask(connection: Connection) -> list[list[str]]:
        store = FieldStore(connection)
        store.keep([born("bo", 1980, 5, 5)])
        store.keep(people)
        days = [date(2026, 2, 28), date(2028, 2, 28), date(2028, 2, 29), date(2026, 5, 5)]
        return [store.whose("birthday", day) for day in days]

    assert await db.write(ask) == [["ann", "bo"], ["bo", "chen"], ["ann"], []]


async def test_whose_day_it_is_comes_in_turns(db: Database) -> None:
    def ask(connection: Connection) -> list[list[str]]:
        store = FieldStore(connection)
        store.keep([born(who, 1990, 5, 5) for who in "abc"])
        day = date(2026, 5, 5)
        return [store.whose("birthday", day, limit=2), store.whose("birthday", day, after="b", limit=2)]

    assert await db.write(ask) == [["a", "b"], ["c"]]


async def test_the_days_of_some_are_those_kept_under_the_name(db: Database) -> None:
    def ask(connection: Connection) -> dict[str, date]:
        store = FieldStore(connection)
        store.keep(
            [
                born("ann", 1992, 2, 29),
                born("bo", 1990, 2, 28),
                MemberDate("ann", "wedding", date(2020, 1, 1)),
            ]
        )
        return store.days("birthday", ["ann", "chen"])

    assert await db.write(ask) == {"ann": date(1992, 2, 29)}
