"""However facts arrive, one by one or in heaps, early or late, they add up to what the whole log adds up to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, text

from sop.activity import Activity, local_day, roll_up
from sop.engagement import energy_of
from storage.activity import ActivityStore
from storage.engine import Connection, Database
from storage.group import GroupStore
from storage.local_day import A_DAY, day_number, offsets
from storage.recount import Recount
from storage.tables import group_turn, member_day, member_first, member_score, observed_day

SPRING = datetime(2026, 3, 28, 21, 0, tzinfo=UTC)  # three hours before clocks go forward in London
ZONES = {"g": "Asia/Shanghai", "h": "Asia/Shanghai", "london": "Europe/London", "": "Asia/Shanghai"}
KINDS = ("spoke", "spoke", "spoke", "answered", "joined", "staff_spoke")

told = st.builds(
    lambda minute, group, member, kind, words: Activity(
        key=f"{group}:{minute}:{member}:{kind}",
        kind="visited" if not group else kind,
        at=SPRING + timedelta(minutes=minute),
        member=member,
        group=group,
        text_hash=words if kind == "spoke" else "",
    ),
    minute=st.one_of(st.integers(0, 600), st.integers(0, 4 * 1440)),
    group=st.sampled_from(sorted(ZONES)),
    member=st.sampled_from("abc"),
    kind=st.sampled_from(KINDS),
    words=st.sampled_from(("", "x", "y", "z")),
)
histories = st.lists(told, max_size=60, unique_by=lambda fact: fact.key)

Sums = dict[str, Any]


def sums(connection: Connection) -> Sums:
    ask = connection.execute
    days = ask(member_day.select()).all()
    turns = ask(select(group_turn.c.group_id, group_turn.c.member, group_turn.c.spoke_at)).all()
    return {
        "days": sorted((r.group_id, r.day, r.member, r.n, r.turns, r.different, r.answered) for r in days),
        "firsts": sorted(tuple(row) for row in ask(member_first.select())),
        "observed": sorted(tuple(row) for row in ask(observed_day.select())),
        "energy": {(r.group_id, r.member): (r.energy_day, r.energy) for r in ask(member_score.select())},
        "turns": sorted(tuple(row) for row in turns if row.member),
    }


def expected(facts: Sequence[Activity]) -> Sums:
    """All that the log adds up to, from the rule alone."""
    days = [
        (group, row.day.isoformat(), row.member, row.n, row.turns, row.different, row.answered)
        for group, zone in ZONES.items()
        for row in roll_up([fact for fact in facts if fact.group == group], zone)
    ]
    firsts: dict[tuple[str, str], str] = {}
    for fact in facts:
        if fact.counts or (fact.kind == "joined" and fact.group):
            day, whose = local_day(fact.at, ZONES[fact.group]).isoformat(), (fact.group, fact.member)
            firsts[whose] = min(day, firsts.get(whose, day))
    newest = {(group, member): day for group, day, member, *_ in sorted(days)}
    return {
        "days": sorted(days),
        "firsts": sorted((*whose, day) for whose, day in firsts.items()),
        "observed": sorted({(local_day(fact.at, ZONES[fact.group]).isoformat(),) for fact in facts}),
        "energy": {whose: (day, _energy(days, whose, day)) for whose, day in newest.items()},
        "turns": _last_turns(facts),
    }


def _energy(days: Sequence[tuple[Any, ...]], whose: tuple[str, str], at: str) -> Any:
    active = [date.fromisoformat(row[1]) for row in days if (row[0], row[2]) == whose]
    return pytest.approx(energy_of(active, date.fromisoformat(at)))


def _last_turns(facts: Sequence[Activity]) -> list[tuple[str, str, int]]:
    talk = sorted((fact for fact in facts if fact.is_talk), key=lambda fact: (fact.at, fact.key))
    last = {fact.group: (fact.group, fact.member, round(fact.at.timestamp() * 1000)) for fact in talk}
    return sorted(last.values())


def in_savepoints(connection: Connection, check: Callable[[Sequence[Activity], Random], None]) -> None:
    """Run a check on many histories, each on an empty log."""
    store = GroupStore(connection, SPRING)
    for group in ("g", "h", "london"):
        store.meet(group, kind="customer")
    store.describe("london", zone="Europe/London")

    @settings(
        max_examples=15,
        phases=[Phase.generate],
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(histories, st.integers(0, 2**32))
    def each(facts: list[Activity], seed: int) -> None:
        point = connection.begin_nested()
        try:
            check(facts, Random(seed))
        finally:
            point.rollback()

    each()


def in_heaps(facts: Sequence[Activity], dice: Random) -> list[list[Activity]]:
    heaps: list[list[Activity]] = [[] for _ in range(dice.randint(1, 5))]
    for fact in facts:
        dice.choice(heaps).append(fact)
    return heaps


async def test_what_arrives_one_by_one_in_any_order_adds_up_like_the_whole_log(db: Database) -> None:
    def run(connection: Connection) -> None:
        def check(facts: Sequence[Activity], dice: Random) -> None:
            store = ActivityStore(connection)

            for fact in dice.sample(facts, len(facts)):
                store.log(fact)

            assert sums(connection) == expected(facts)

        in_savepoints(connection, check)

    await db.write(run)


@pytest.mark.parametrize("shuffled", [True, False], ids=["in any order", "in order of time"])
async def test_what_arrives_in_heaps_adds_up_like_the_whole_log(db: Database, shuffled: bool) -> None:
    def run(connection: Connection) -> None:
        def check(facts: Sequence[Activity], dice: Random) -> None:
            store, ordered = ActivityStore(connection), sorted(facts, key=lambda fact: fact.at)
            size = dice.randint(1, 30)
            heaps = [ordered[start : start + size] for start in range(0, len(ordered), size)]

            for heap in in_heaps(facts, dice) if shuffled else heaps:
                store.log_all(heap)

            assert sums(connection) == expected(facts)

        in_savepoints(connection, check)

    await db.write(run)


async def test_a_replay_finds_what_the_log_adds_up_to_whatever_stood_there(db: Database) -> None:
    def run(connection: Connection) -> None:
        def check(facts: Sequence[Activity], dice: Random) -> None:
            ActivityStore(connection).log_all(facts)
            for table in (member_first, member_score, observed_day):
                connection.execute(table.delete())
            connection.execute(member_day.update().values(n=7, answered=1))

            for zone in set(ZONES.values()):
                Recount(connection, zone).replay([group for group, own in ZONES.items() if own == zone])

            assert sums(connection) == expected(facts)

        in_savepoints(connection, check)

    await db.write(run)


@pytest.mark.parametrize("zone", ["UTC", "Asia/Shanghai", "Europe/London", "Australia/Lord_Howe"])
async def test_a_day_in_the_database_is_the_day_on_the_wall(db: Database, zone: str) -> None:
    instants = [
        at for since, _ in offsets(zone)[:4] for at in (since - 1, since, since + 12345) if at > A_DAY
    ]
    asked = text(f"SELECT {day_number(zone, 'CAST(:at AS bigint)')}")

    numbers = await db.read(lambda c: [c.scalar(asked, {"at": at}) for at in instants])

    wall = [local_day(datetime.fromtimestamp(at / 1000, UTC), zone) for at in instants]
    assert [date(1970, 1, 1) + timedelta(days=number) for number in numbers] == wall
