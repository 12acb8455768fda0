"""Scores are made of what had happened, kept by day, and made again when late facts change them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import func, select, update

from sop.activity import Activity
from sop.engagement import OBSERVING, OK, PARTIAL, Score
from sop.group import Group
from storage.activity import ActivityStore
from storage.engagement import EngagementStore
from storage.engine import Connection, Database
from storage.group import GroupStore
from storage.tables import group_turn, member, member_day, observed_day, score

ZONE = "Asia/Shanghai"
BEGAN = date(2026, 1, 1)
LAST = date(2026, 3, 1)
NOW = datetime(2026, 3, 2, 0, 5, tzinfo=UTC)
DAY = timedelta(days=1)


def said(day: date, minute: float, who: str, *, group: str = "g") -> Activity:
    at = datetime(day.year, day.month, day.day, 2, tzinfo=UTC) + timedelta(minutes=minute)
    return Activity(
        key=f"{group}:{at.isoformat()}:{who}", kind="spoke", at=at, member=who, group=group, level="archive"
    )


def two_months(people: int = 5, group: str = "g") -> list[Activity]:
    days = [BEGAN + DAY * number for number in range((LAST - BEGAN).days + 1)]
    return [said(day, minute, f"m{minute}", group=group) for day in days for minute in range(people)]


async def remember(db: Database, facts: Iterable[Activity], *, kind: str = "customer") -> Group:
    def work(connection: Connection) -> Group:
        groups = GroupStore(connection, NOW)
        groups.meet("g", kind=kind)
        ActivityStore(connection).log_all(list(facts))
        group = groups.get("g")
        assert group is not None
        return group

    return await db.write(work)


async def roll(db: Database, group: Group, last: date = LAST) -> list[Score]:
    return await db.write(lambda c: EngagementStore(c).roll(group, last, ZONE, coverage="archive", now=NOW))


async def test_a_group_never_scored_gets_its_last_eight_weeks_at_once(db: Database) -> None:
    group = await remember(db, two_months())

    scores = await roll(db, group)
    trend = await db.read(lambda c: EngagementStore(c).trend("g", LAST, days=56))

    assert len(scores) == 56
    assert trend == scores
    assert [trend[0].label, trend[-1].label] == [OBSERVING, OK]


async def test_where_nothing_is_new_nothing_is_done(db: Database) -> None:
    group = await remember(db, two_months())
    await roll(db, group)

    assert await roll(db, group) == []


async def test_the_next_day_costs_one_score(db: Database) -> None:
    group = await remember(db, two_months())
    await roll(db, group)
    await remember(db, [said(LAST + DAY, 1, "m1")])

    assert [found.as_of for found in await roll(db, group, LAST + DAY)] == [LAST + 2 * DAY]


async def test_a_late_fact_changes_the_scores_after_its_day_and_no_others(db: Database) -> None:
    group = await remember(db, two_months())
    before = {found.as_of: found.value for found in await roll(db, group)}
    await remember(db, [said(LAST - 5 * DAY, 700, "late")])

    again = await roll(db, group)
    fresh = await db.read(lambda c: EngagementStore(c).score(group, LAST + DAY, ZONE, coverage="archive"))

    assert [found.as_of for found in again] == [LAST - DAY * age for age in (4, 3, 2, 1, 0, -1)]
    assert again[-1].value != before[LAST + DAY]
    assert again[-1] == fresh


async def test_a_score_of_the_past_uses_nothing_that_came_after(db: Database) -> None:
    facts = two_months()
    group = await remember(db, [fact for fact in facts if fact.at < datetime(2026, 2, 9, 16, tzinfo=UTC)])
    then = await db.read(
        lambda c: EngagementStore(c).score(group, date(2026, 2, 10), ZONE, coverage="archive")
    )
    midnight = Activity(
        key="late",
        kind="spoke",
        member="zz",
        group="g",
        at=datetime(2026, 2, 9, 16, 1, tzinfo=UTC),
        level="archive",
    )

    await remember(db, [*facts, midnight])

    assert then == await db.read(
        lambda c: EngagementStore(c).score(group, date(2026, 2, 10), ZONE, coverage="archive")
    )


async def test_days_without_any_word_from_the_platform_are_unknown(db: Database) -> None:
    group = await remember(db, two_months())
    await db.write(lambda c: c.execute(observed_day.delete().where(observed_day.c.day >= "2026-02-20")))

    found = await db.read(lambda c: EngagementStore(c).score(group, LAST + DAY, ZONE, coverage="archive"))

    assert (found.label, found.observed) == (PARTIAL, 18)


async def test_of_an_imported_group_every_day_is_observed(db: Database) -> None:
    group = await remember(db, two_months(), kind="imported")

    found = await db.read(lambda c: EngagementStore(c).score(group, LAST + DAY, "UTC", coverage="archive"))
    observed = await db.read(lambda c: c.scalar(select(func.count()).select_from(observed_day)))

    assert (found.label, found.coverage, observed) == (OK, "import", 0)


async def test_staff_and_robots_are_not_scored(db: Database) -> None:
    group = await remember(db, two_months(people=6))
    await db.write(lambda c: c.execute(member.insert().values(id="m5", staff=True, seen_at=0)))
    await db.write(lambda c: c.execute(member.insert().values(id="m4", bot=True, seen_at=0)))

    at_once = await db.read(lambda c: EngagementStore(c).score(group, LAST + DAY, ZONE, coverage="archive"))
    rolled = (await roll(db, group))[-1]
    left = await db.read(lambda c: set(c.scalars(select(member_day.c.member))))

    assert at_once.members == rolled.members == 4
    assert left == {"m0", "m1", "m2", "m3"}


async def test_who_drowned_the_group_answered_nobody(db: Database) -> None:
    flood = [said(LAST, 30 + number / 100, "flood") for number in range(40)]
    lonely = said(LAST, 20, "lonely")
    group = await remember(db, [*two_months(), lonely, *flood])

    found = await db.read(lambda c: EngagementStore(c).score(group, LAST + DAY, ZONE, coverage="archive"))

    assert found.excluded.flood_days == 1
    assert found.parts["reciprocity"] == pytest.approx((5 + 1) / (6 + 2))  # nobody answered lonely


async def test_a_newcomer_is_whom_the_platform_says_has_just_joined(db: Database) -> None:
    group = await remember(db, two_months())
    joined = datetime(2026, 2, 20, tzinfo=UTC)
    await remember(db, [said(date(2026, 2, 21), 600, "old"), said(date(2026, 2, 21), 601, "new")])

    def seats(connection: Connection) -> None:
        groups = GroupStore(connection, NOW)
        groups.seat("g", "old", joined_at=datetime(2025, 6, 1, tzinfo=UTC))
        groups.seat("g", "new", joined_at=joined)

    await db.write(seats)

    found = await db.read(lambda c: EngagementStore(c).score(group, LAST + DAY, ZONE, coverage="archive"))
    assert found.parts["newcomers"] == pytest.approx(1 / 5)


async def test_members_are_scored_by_how_likely_they_are_to_return(db: Database) -> None:
    faithful = two_months(people=2)
    group = await remember(db, [*faithful, said(LAST - 40 * DAY, 90, "gone"), said(LAST - DAY, 90, "fresh")])

    await roll(db, group)
    scores = await db.read(lambda c: EngagementStore(c).member_scores("g"))

    assert scores["m0"] > 95
    assert scores["m0"] > scores["fresh"] > scores["gone"] > 0


async def test_a_group_is_compared_with_its_own_last_eight_weeks(db: Database) -> None:
    group = await remember(db, two_months())
    await roll(db, group)

    own = await db.read(lambda c: EngagementStore(c).usual("g", LAST, coverage="archive"))
    other = await db.read(lambda c: EngagementStore(c).usual("g", LAST, coverage="page"))

    assert own is not None
    assert 30 < own < 80
    assert other is None


async def test_an_alarm_is_raised_once(db: Database) -> None:
    def twice(connection: Connection) -> tuple[bool, bool]:
        store = EngagementStore(connection)
        return store.raise_alarm("k", "冷了", NOW, group="g"), store.raise_alarm("k", "冷了", NOW, group="g")

    assert await db.write(twice) == (True, False)


async def test_what_was_rolled_is_stale_no_more(db: Database) -> None:
    group = await remember(db, two_months())
    await roll(db, group)

    stale = await db.read(lambda c: c.scalar(select(group_turn.c.stale_day)))
    kept = await db.read(lambda c: c.scalar(select(func.count()).select_from(score)))
    await db.write(lambda c: c.execute(update(group_turn).values(stale_day=BEGAN.isoformat())))
    again = await roll(db, group)

    assert (stale, kept) == ("", 56)
    assert len(again) == 28
