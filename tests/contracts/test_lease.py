"""Who may work on what, until when, with a number that shows whoever slept too long."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import Connection

from storage import lease
from storage.engine import Database
from tests.contracts.world import NOW, after

TERM = timedelta(seconds=30)
NAMES = ("shard-0", "shard-1")


async def claims(db: Database, holder: str, *, seconds: float = 0, anyway: bool = False) -> dict[str, int]:
    now = after(seconds=seconds)
    return await db.write(lambda c: lease.claim(c, NAMES, holder, now, TERM, anyway=anyway))


async def guards(db: Database, held: dict[str, int], *, seconds: float = 0) -> None:
    await db.write(lambda c: lease.guard(c, held, after(seconds=seconds), TERM))


async def test_what_one_holds_another_does_not_get(db: Database) -> None:
    first = await claims(db, "a")

    assert set(first) == set(NAMES)
    assert await claims(db, "b", seconds=29) == {}


async def test_a_lease_that_ran_out_is_free_with_a_larger_number(db: Database) -> None:
    first = await claims(db, "a")

    second = await claims(db, "b", seconds=30)

    assert all(second[name] > first[name] for name in NAMES)


async def test_whoever_slept_past_a_lease_is_stale(db: Database) -> None:
    first = await claims(db, "a")
    await claims(db, "b", seconds=31)

    with pytest.raises(lease.Stale, match="shard-0, shard-1"):
        await guards(db, first, seconds=32)


async def test_nothing_of_a_stale_transaction_is_kept(db: Database) -> None:
    first = await claims(db, "a")
    second = await claims(db, "b", seconds=31)

    def write_and_guard(connection: Connection) -> None:
        lease.claim(connection, ["other"], "a", NOW, TERM)
        lease.guard(connection, first, NOW, TERM)

    with pytest.raises(lease.Stale):
        await db.write(write_and_guard)

    assert (await db.write(lambda c: lease.claim(c, ["other"], "b", NOW, TERM))) == {"other": 1}
    await guards(db, second)


async def test_every_piece_of_work_renews_the_lease(db: Database) -> None:
    held = await claims(db, "a")

    await guards(db, held, seconds=20)

    assert await claims(db, "b", seconds=45) == {}


async def test_a_late_holder_whose_lease_nobody_took_goes_on(db: Database) -> None:
    held = await claims(db, "a")

    await guards(db, held, seconds=3600)

    assert await claims(db, "b", seconds=3601) == {}


async def test_a_lease_given_back_is_free_at_once(db: Database) -> None:
    held = await claims(db, "a")

    await db.write(lambda c: lease.release(c, held))

    assert set(await claims(db, "b")) == set(NAMES)


async def test_nobody_gives_back_what_has_become_anothers(db: Database) -> None:
    first = await claims(db, "a")
    await claims(db, "b", seconds=31)

    await db.write(lambda c: lease.release(c, first))

    assert await claims(db, "c", seconds=32) == {}


async def test_who_is_alone_takes_over_from_a_dead_predecessor_at_once(db: Database) -> None:
    dead = await claims(db, "before the crash")

    taken = await claims(db, "after the crash", anyway=True)

    assert set(taken) == set(NAMES)
    with pytest.raises(lease.Stale):
        await guards(db, dead)


async def test_a_fence_only_grows(db: Database) -> None:
    fences = [await db.write(lambda c: lease.next_fence(c, "sender", "a")) for _ in range(3)]

    assert fences == sorted(set(fences))
