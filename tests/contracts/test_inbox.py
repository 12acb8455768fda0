"""What the platform told us: stored once, handed out in order, never in anybody's way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from functools import partial

import pytest
from sqlalchemy import Connection, func, select

from sop.errors import Forged
from storage import inbox
from storage.engine import Database
from storage.inbox import SHARDS, Intake, Knock, Waiting
from storage.tables import inbox as table
from tests.contracts.world import NOW, after, heard, knock, said

ALL = range(SHARDS)


async def arrive(db: Database, *knocks: Knock) -> None:
    await db.write(lambda c: inbox.insert(c, knocks))


async def ready(db: Database, *, seconds: float = 0, limit: int = 100) -> list[Waiting]:
    return await db.read(lambda c: inbox.waiting(c, ALL, after(seconds=seconds), limit))


async def bodies(db: Database, *, seconds: float = 0) -> list[str]:
    return [row.body.decode() for row in await ready(db, seconds=seconds)]


def rows(connection: Connection) -> int:
    return connection.scalar(select(func.count()).select_from(table)) or 0


# ---------------------------------------------------------------- arriving


async def test_one_fact_is_one_row_however_often_it_arrives(db: Database) -> None:
    await arrive(db, knock("a"), knock("a", at=after(hours=1)), knock("b"))
    await arrive(db, knock("a"))

    assert await bodies(db) == ["a", "b"]


async def test_the_same_words_at_another_door_are_another_fact(db: Database) -> None:
    await arrive(db, knock("a", door="contact"), knock("a", door="kf"))

    assert len(await ready(db)) == 2


async def test_facts_of_one_sender_in_one_second_are_never_merged(db: Database) -> None:
    await arrive(db, *(knock(f"<x>{number}</x>", lane="lin") for number in range(500)))

    assert await db.read(rows) == 500


def test_equal_updates_of_our_own_are_one_fact() -> None:
    first, again, other = heard(said("领券")), heard(said("领券")), heard(said("领券", at=after(seconds=1)))

    assert first.key == again.key
    assert first.key != other.key


async def test_what_arrives_together_shares_a_commit_and_all_hear_of_it(db: Database) -> None:
    intake = Intake(db)

    await asyncio.gather(*(intake.put(partial(knock, f"{number}")) for number in range(200)))

    assert await db.read(rows) == 200


async def test_when_storing_fails_every_caller_learns_it(db: Database) -> None:
    class Broken:
        async def store_new(self, table: object, rows: object, *unique: str) -> None:
            raise OSError("no space left on device")

    intake = Intake(Broken())  # type: ignore[arg-type]

    told = await asyncio.gather(
        *(intake.put(partial(knock, str(n))) for n in range(20)), return_exceptions=True
    )

    assert [type(answer) for answer in told] == [OSError] * 20


async def test_a_knock_that_cannot_be_made_is_its_own_callers_affair(db: Database) -> None:
    def forged() -> Knock:
        raise Forged("signature does not match")

    intake = Intake(db)
    makers: list[Callable[[], Knock]] = [partial(knock, "a"), forged, partial(knock, "b")]

    told = await asyncio.gather(*(intake.put(make) for make in makers), return_exceptions=True)

    assert [type(answer) for answer in told] == [type(None), Forged, type(None)]
    assert await db.read(rows) == 2


async def test_a_caller_who_hung_up_spoils_nothing_for_the_others(db: Database) -> None:
    intake = Intake(db)
    callers = [asyncio.ensure_future(intake.put(partial(knock, f"{number}"))) for number in range(5)]
    await asyncio.sleep(0)
    callers[0].cancel()

    await asyncio.gather(*callers[1:])

    assert await db.read(rows) == 5


# ---------------------------------------------------------------- handing out


async def test_the_oldest_comes_first_and_only_from_the_shards_asked_for(db: Database) -> None:
    lanes = [f"lane {number}" for number in range(40)]
    await arrive(db, *(knock(lane, lane=lane) for lane in lanes))

    mine = await db.read(lambda c: inbox.waiting(c, [0, 1, 2], NOW, 100))

    assert [row.lane for row in mine] == [lane for lane in lanes if inbox.shard_of(lane) in (0, 1, 2)]


async def test_what_is_done_is_not_handed_out_again(db: Database) -> None:
    await arrive(db, knock("a"), knock("b"))
    first, _ = await ready(db)

    await db.write(lambda c: inbox.done(c, [first.id]))

    assert await bodies(db) == ["b"]
    assert await db.read(inbox.counts) == {"waiting": 1, "done": 1, "parked": 0}


async def test_a_lane_waits_whole_for_its_failed_row_and_others_go_on(db: Database) -> None:
    await arrive(db, knock("lin 1"), knock("lin 2"), knock("bo 1", lane="bo"))
    first = (await ready(db))[0]

    await db.write(lambda c: inbox.failed(c, first, "broken", NOW))

    assert await bodies(db) == ["bo 1"]
    assert await bodies(db, seconds=1) == ["lin 1", "lin 2", "bo 1"]


async def test_many_that_wait_for_a_retry_stand_in_nobodys_way(db: Database) -> None:
    await arrive(db, *(knock(f"poison {n}", lane=f"lane {n}") for n in range(60)), knock("good", lane="good"))
    poison = (await ready(db))[:60]

    def fail_all(connection: Connection) -> None:
        for row in poison:
            inbox.failed(connection, row, "broken", NOW)

    await db.write(fail_all)

    assert [row.body for row in await ready(db, limit=50)] == [b"good"]


async def test_what_keeps_failing_is_parked_after_three_retries_and_frees_its_lane(db: Database) -> None:
    await arrive(db, knock("poison"), knock("good"))
    instant, outcomes = 0.0, []
    for _ in range(4):
        row = (await ready(db, seconds=instant))[0]
        now = after(seconds=instant)
        outcomes.append(await db.write(partial(inbox.failed, row=row, error="broken", now=now)))
        instant += 60

    assert outcomes == [False, False, False, True]
    assert await bodies(db) == ["good"]


async def test_a_parked_row_can_be_read_with_its_reason_and_replayed(db: Database) -> None:
    await arrive(db, knock("poison"))
    (row,) = await ready(db)
    await db.write(lambda c: inbox.park(c, row, "no such event"))
    (parked,) = await db.read(inbox.parked)

    replayed = await db.write(lambda c: inbox.replay(c, parked.id))

    assert (parked.error, replayed) == ("no such event", True)
    assert await bodies(db) == ["poison"]
    assert not await db.write(lambda c: inbox.replay(c, parked.id))


async def test_a_late_verdict_changes_nothing_that_was_settled_meanwhile(db: Database) -> None:
    await arrive(db, knock("a"), knock("b", lane="bo"))
    slow, parked_slow = await ready(db)
    await db.write(lambda c: inbox.done(c, [slow.id, parked_slow.id]))

    await db.write(lambda c: inbox.failed(c, slow, "broken", NOW))
    await db.write(lambda c: inbox.park(c, parked_slow, "broken"))

    assert await db.read(inbox.counts) == {"waiting": 0, "done": 2, "parked": 0}


async def test_the_worker_knows_when_to_look_again(db: Database) -> None:
    assert await db.read(inbox.next_retry) is None
    await arrive(db, knock("a"), knock("b"))
    (row, _) = await ready(db)
    await db.write(lambda c: inbox.failed(c, row, "broken", NOW))

    assert await db.read(inbox.next_retry) == after(seconds=1)


@pytest.mark.parametrize(("age", "left"), [(timedelta(days=29), 1), (timedelta(days=31), 0)])
async def test_handled_rows_are_forgotten_after_their_time(db: Database, age: timedelta, left: int) -> None:
    await arrive(db, knock("a", at=NOW - age))
    (row,) = await ready(db)
    await db.write(lambda c: inbox.done(c, [row.id]))

    await db.write(lambda c: inbox.forget(c, NOW - timedelta(days=30)))

    assert await db.read(rows) == left


async def test_what_still_waits_is_never_forgotten(db: Database) -> None:
    await arrive(db, knock("a", at=NOW - timedelta(days=99)))

    await db.write(lambda c: inbox.forget(c, NOW))

    assert await bodies(db) == ["a"]
