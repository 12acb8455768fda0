"""The log keeps each fact once, and adds up the same whatever the order of arrival, on both databases."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from sop.activity import Activity, hash_of, roll_up, talk
from sop.engagement import energy_of
from storage.activity import ActivityStore
from storage.engine import Connection, Database
from storage.group import GroupStore
from storage.tables import member_day, member_first, member_score, observed_day

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
SHANGHAI = "Asia/Shanghai"


def said(minute: float, member: str, text: str = "", *, group: str = "g", kind: str = "spoke") -> Activity:
    return Activity(
        key=f"{group}:{minute}:{member}:{kind}", kind=kind, at=START + timedelta(minutes=minute), member=member,
        group=group, level="archive", text_hash=hash_of(text), text_len=len(text),
    )  # fmt: skip


def a_fortnight(seed: int = 7, count: int = 300) -> list[Activity]:
    """Talk with midnights, repeats, ties, deeds and joins in it."""
    dice = random.Random(seed)
    facts = []
    for number in range(count):
        minute = dice.choice([dice.randrange(14 * 1440), 15 * 60 + dice.randrange(-20, 20)])
        kind = dice.choices(["spoke", "answered", "joined", "staff_spoke"], [16, 2, 1, 1])[0]
        facts.append(said(minute, dice.choice("abcde"), f"第{number % 9}句", kind=kind))
    return list({fact.key: fact for fact in facts}.values())


async def log(db: Database, facts: Iterable[Activity]) -> list[bool]:
    def work(connection: Connection) -> list[bool]:
        store = ActivityStore(connection)
        return [store.log(fact) for fact in facts]

    return await db.write(work)


def sums(connection: Connection) -> dict[str, list[tuple[Any, ...]]]:
    """Everything the log adds up to."""
    ask = connection.execute
    days = ask(member_day.select()).all()
    scores = ask(member_score.select()).all()
    return {
        "days": sorted((r.group_id, r.day, r.member, r.n, r.turns, r.different, r.answered) for r in days),
        "firsts": sorted(tuple(row) for row in ask(member_first.select())),
        "observed": sorted(tuple(row) for row in ask(observed_day.select())),
        "energy": sorted((r.group_id, r.member, r.energy_day, round(r.energy, 9)) for r in scores),
    }


def expected_days(facts: Sequence[Activity], zone: str = SHANGHAI) -> list[tuple[Any, ...]]:
    groups = sorted({fact.group for fact in facts})
    return sorted(
        (group, day.day.isoformat(), day.member, day.n, day.turns, day.different, day.answered)
        for group in groups
        for day in roll_up([fact for fact in facts if fact.group == group], zone)
    )


async def test_a_fact_told_again_changes_nothing(db: Database) -> None:
    first = await log(db, [said(0, "a", "早")])
    before = await db.read(sums)

    again = await log(db, [said(0, "a", "早")])

    assert (first, again) == ([True], [False])
    assert await db.read(sums) == before


async def test_adding_up_one_by_one_equals_adding_up_at_once(db: Database) -> None:
    facts = sorted(a_fortnight(), key=lambda fact: (fact.at, fact.key))

    await log(db, facts)

    assert (await db.read(sums))["days"] == expected_days(facts)


@pytest.mark.parametrize("seed", range(4))
async def test_the_order_of_arrival_does_not_matter(sqlite: Database, seed: int) -> None:
    facts = a_fortnight(seed, 150)
    shuffled = facts[:]
    random.Random(seed + 100).shuffle(shuffled)

    await log(sqlite, shuffled)

    found = await sqlite.read(sums)
    assert found["days"] == expected_days(facts)
    for group, member, day, energy in found["energy"]:
        days = [date.fromisoformat(row[1]) for row in found["days"] if (row[0], row[2]) == (group, member)]
        assert energy == pytest.approx(energy_of(days, date.fromisoformat(day)))


async def test_many_at_once_are_the_same_as_one_by_one(db: Database) -> None:
    facts = a_fortnight(11)

    new = await db.write(lambda c: ActivityStore(c).log_all(facts))
    found = await db.read(sums)
    again = await db.write(lambda c: ActivityStore(c).log_all(facts))

    assert (new, again) == (len(facts), 0)
    assert found["days"] == expected_days(facts)
    assert await db.read(sums) == found


async def test_what_comes_after_a_batch_follows_on(db: Database) -> None:
    await db.write(lambda c: ActivityStore(c).log_all([said(0, "a"), said(5, "b")]))

    await log(db, [said(9, "a"), said(10, "a")])

    rows = {row[2]: row[3:] for row in (await db.read(sums))["days"]}
    assert rows == {"a": (3, 2, 3, 1), "b": (1, 1, 1, 1)}


async def test_a_group_with_a_zone_of_its_own_has_its_own_days(db: Database) -> None:
    def work(connection: Connection) -> None:
        groups = GroupStore(connection, START)
        groups.meet("utc", kind="customer")
        groups.describe("utc", zone="UTC")
        store = ActivityStore(connection)
        for group in ("utc", "home"):
            store.log(said(8 * 60, "a", group=group))  # 17:00 in London, 01:00 of the next day in Shanghai

    await db.write(work)

    days = {row[0]: row[1] for row in (await db.read(sums))["days"]}
    assert days == {"utc": "2026-03-02", "home": "2026-03-03"}


async def test_a_text_sent_to_five_groups_in_a_day_is_nobodys_talk(db: Database) -> None:
    flyer = [said(number, "ad", "加我微信领资料", group=f"g{number}") for number in range(5)]
    honest = said(30, "a", "谁有资料", group="g0")

    await log(db, [*flyer[:4], honest])
    counted = (await db.read(sums))["days"]
    await log(db, flyer[4:])

    assert len(counted) == 5
    assert [row[2] for row in (await db.read(sums))["days"]] == ["a"]
    assert [row[1] for row in (await db.read(sums))["firsts"]] == ["a"]


async def test_five_greetings_on_five_days_are_talk(db: Database) -> None:
    await log(db, [said(number * 1440, "a", "早", group=f"g{number}") for number in range(5)])

    assert len((await db.read(sums))["days"]) == 5


async def test_broadcasts_in_a_long_history_are_found_in_the_end(db: Database) -> None:
    flyer = [said(number, "ad", "加我微信领资料", group=f"g{number}") for number in range(6)]

    def work(connection: Connection) -> int:
        store = ActivityStore(connection)
        for fact in flyer:
            store.log_all([fact], unmask=False)
        return store.unmask()

    assert await db.write(work) == 6
    assert (await db.read(sums))["days"] == []


async def test_who_turns_out_to_be_staff_never_talked(db: Database) -> None:
    await log(db, [said(0, "a"), said(1, "s"), said(2, "a")])

    await db.write(lambda c: ActivityStore(c).disown("g", {"s": "staff_spoke"}))

    assert [row[2:] for row in (await db.read(sums))["days"]] == [("a", 2, 1, 2, 0)]


async def test_a_join_says_since_when_and_a_deed_outside_groups_is_kept_too(db: Database) -> None:
    joined = said(0, "a", kind="joined")
    visited = said(3000, "a", group="", kind="visited")

    await log(db, [said(2000, "a"), joined, visited])

    found = await db.read(sums)
    assert ("g", "a", "2026-03-02") in found["firsts"]
    assert [row[:3] for row in found["days"] if not row[0]] == [("", "2026-03-04", "a")]


async def test_a_question_taken_back_counts_no_more_outside_groups_too(db: Database) -> None:
    once, twice = said(0, "a", group="", kind="asked"), said(3, "a", group="", kind="asked")
    await log(db, [once, twice])

    await db.write(lambda c: ActivityStore(c).recall(once.key))
    left = (await db.read(sums))["days"]
    await db.write(lambda c: ActivityStore(c).recall(twice.key))

    assert left == [("", "2026-03-02", "a", 1, 1, 1, 0)]
    found = await db.read(sums)
    assert (found["days"], found["firsts"]) == ([], [])


async def test_our_own_doing_does_not_make_a_day_observed(db: Database) -> None:
    await log(db, [said(0, "a", kind="received"), said(1440, "", kind="unknown")])

    assert (await db.read(sums))["observed"] == [("2026-03-03",)]


async def test_the_newest_facts_come_first(db: Database) -> None:
    await log(db, [said(0, "a"), said(5, "a"), said(3, "b")])

    def work(connection: Connection) -> tuple[list[str], list[str], list[tuple[date, int, int]]]:
        store = ActivityStore(connection)
        day = date(2026, 3, 2)
        mine, ours = store.of_member("a"), store.of_group("g", limit=2)
        return [fact.key for fact in mine], [fact.member for fact in ours], store.daily("g", day, day)

    mine, ours, daily = await db.read(work)

    assert mine == ["g:5:a:spoke", "g:0:a:spoke"]
    assert ours == ["a", "b"]
    assert daily == [(date(2026, 3, 2), 2, 3)]


async def test_a_flood_of_one_day_stays_small_in_memory(db: Database) -> None:
    await log(db, [said(number / 10, "a", f"第{number}条") for number in range(90)])

    row = await db.read(lambda c: c.execute(member_day.select()).one())

    assert (row.n, row.turns, row.different) == (90, 1, 64)


def test_talk_of_the_past_has_a_key_of_its_own() -> None:
    class Line:
        group, member, at, text, from_staff = "g", "a", START, "早", False

    facts = [talk(Line(), number) for number in range(2)]

    assert len({fact.key for fact in facts}) == 2
    assert facts[0].is_talk
    assert not any(first.key == second.key for first, second in itertools.combinations(facts, 2))
