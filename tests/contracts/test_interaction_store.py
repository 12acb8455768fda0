"""Runs, answers and check-ins in storage, on both databases."""

from __future__ import annotations

import asyncio
from datetime import date, timedelta

from sop.interaction import options_of
from storage.due import DueStore
from storage.engine import Connection, Database
from storage.interaction import CLOSE, STRAGGLERS, InteractionStore, Run
from tests.contracts.world import NOW, after

TODAY = date(2026, 3, 5)
DRINKS = options_of((("美式", "美式党"), ("拿铁", "拿铁党")))


def run(name: str = "r1", *, group: str = "g", item: str = "coffee", days_ago: float = 0) -> Run:
    opened = NOW - timedelta(days=days_ago)
    return Run(
        id=name,
        item=item,
        kind="light",
        group=group,
        question="第一杯是什么？",
        joke="开机密码。",
        options=DRINKS,
        opened=opened,
        closes=opened + timedelta(days=1),
        post_result=True,
    )


async def opened(db: Database, *runs: Run) -> None:
    def ask(connection: Connection) -> None:
        for one in runs:
            InteractionStore(connection, NOW).open(one)

    await db.write(ask)


async def test_a_run_comes_back_as_it_was_opened(db: Database) -> None:
    await opened(db, run())

    assert await db.read(lambda c: InteractionStore(c, NOW).get("r1")) == run()


async def test_opening_twice_keeps_the_first_and_waits_once_until_all_is_heard(db: Database) -> None:
    await opened(db, run(), run(item="tea"))

    kept = await db.read(lambda c: InteractionStore(c, NOW).get("r1"))
    waits = await db.read(lambda c: DueStore(c).of(CLOSE, "r1"))

    assert kept is not None
    assert kept.item == "coffee"
    assert [wait.at for wait in waits] == [after(days=1) + STRAGGLERS]


async def test_members_are_asked_what_is_open_in_their_groups_or_of_everybody(db: Database) -> None:
    await opened(
        db, run("old", days_ago=2), run("mine", days_ago=0.5), run("theirs", group="h"), run("all", group="")
    )

    found = await db.read(lambda c: InteractionStore(c, NOW).open_for(["g"]))

    assert [one.id for one in found] == ["all", "mine"]


async def test_a_run_is_open_from_its_first_instant_to_its_last_whenever_that_is_asked(db: Database) -> None:
    await opened(db, run("mine", days_ago=2))

    async def open_at(**ago: float) -> bool:
        at = NOW - timedelta(**ago)
        return bool(await db.read(lambda c: InteractionStore(c, NOW).open_for(["g"], at)))

    assert [await open_at(days=2, seconds=1), await open_at(days=2)] == [False, True]
    assert [await open_at(days=1, seconds=1), await open_at(days=1)] == [True, False]


async def test_a_closed_run_is_closed_by_one_only(db: Database) -> None:
    await opened(db, run())

    first = await db.write(lambda c: InteractionStore(c, NOW).close("r1"))
    second = await db.write(lambda c: InteractionStore(c, NOW).close("r1"))

    assert (first, second) == (True, False)
    assert await db.read(lambda c: InteractionStore(c, NOW).open_for(["g"])) == []


async def test_history_tells_what_a_group_has_had(db: Database) -> None:
    await opened(db, run("a", days_ago=7), run("b", item="tea"), run("c", group="h", item="books"))

    had = await db.read(lambda c: InteractionStore(c, NOW).history("g"))

    assert {(one.item, one.at) for one in had} == {("coffee", after(days=-7)), ("tea", NOW)}


async def test_one_person_answers_once_however_often_and_at_the_same_time(db: Database) -> None:
    await opened(db, run())

    await asyncio.gather(
        *(
            db.write(lambda c, option=option: InteractionStore(c, NOW).answer("r1", "lin", option))  # type: ignore[misc]
            for option in "ABABA"
        )
    )

    counts = await db.read(lambda c: InteractionStore(c, NOW).counts("r1"))
    assert sum(counts.values()) == 1


async def test_a_changed_answer_tells_what_it_was_before(db: Database) -> None:
    await opened(db, run())

    def change(connection: Connection) -> list[str | None]:
        store = InteractionStore(connection, NOW)
        return [store.answer("r1", "lin", option) for option in "AB"]

    assert await db.write(change) == [None, "A"]
    assert await db.read(lambda c: InteractionStore(c, NOW).answer_of("r1", "lin")) == "B"


async def test_a_day_counts_once_and_a_gap_ends_the_streak(db: Database) -> None:
    def check_in(connection: Connection) -> list[bool]:
        store = InteractionStore(connection, NOW)
        return [store.check_in("lin", TODAY - timedelta(days=ago)) for ago in (4, 2, 1, 0, 0)]

    assert await db.write(check_in) == [True, True, True, True, False]
    store_says = await db.read(
        lambda c: [
            InteractionStore(c, NOW).streak("lin", TODAY + timedelta(days=ahead)) for ahead in (0, 1, 2)
        ]
    )
    assert store_says == [3, 3, 0]
