"""Parallel coupon claims with every sync, beside raw SQLite doing the bare statement with the same group commit.

python -m bench.claims [CLAIMS]
"""

from __future__ import annotations

import asyncio
import sqlite3
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

import uvloop

from bot.clock import SystemClock
from sop.coupon import Batch, Issued
from storage import schema
from storage.coupon import CouponStore
from storage.engine import GROUP_SIZE, SqliteDatabase

CALLERS = 64
BATCH = "bench"


async def ours(path: Path, claims: int) -> tuple[float, int]:
    """Claims a second of as many members, and how many got a code; there are half as many codes."""
    now = SystemClock().now()
    async with SqliteDatabase(f"sqlite:///{path}") as db:
        await schema.ensure(db)
        await db.write(lambda c: CouponStore(c, now).open(Batch(id=BATCH, name="券")))
        codes = [f"B{number:06d}" for number in range(claims // 2)]
        await db.write(lambda c: CouponStore(c, now).stock(BATCH, codes))
        waiting = iter(range(claims))
        issued = 0

        async def caller() -> None:
            nonlocal issued
            for number in waiting:
                member = f"wm{number:06d}"
                answer = await db.write(lambda c, member=member: CouponStore(c, now).issue(BATCH, member))  # type: ignore[misc]
                issued += isinstance(answer, Issued)

        started = time.perf_counter()
        await asyncio.gather(*(caller() for _ in range(CALLERS)))
        return claims / (time.perf_counter() - started), issued


def floor(path: Path, claims: int) -> float:
    """The bare update, as many in one commit as our writer takes."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute("CREATE TABLE coupon (id INTEGER PRIMARY KEY, member TEXT)")
        db.execute("CREATE INDEX free ON coupon (id) WHERE member IS NULL")
        db.executemany("INSERT INTO coupon (id) VALUES (?)", ((number,) for number in range(claims // 2)))
        take = "UPDATE coupon SET member = ? WHERE id = (SELECT id FROM coupon WHERE member IS NULL LIMIT 1)"
        started = time.perf_counter()
        for start in range(0, claims, GROUP_SIZE):
            db.execute("BEGIN IMMEDIATE")
            for number in range(start, min(start + GROUP_SIZE, claims)):
                db.execute(take, (f"wm{number:06d}",))
            db.execute("COMMIT")
        return claims / (time.perf_counter() - started)


async def main(claims: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        rate, issued = await ours(Path(folder) / "ours.sqlite", claims)
        bare = await asyncio.to_thread(floor, Path(folder) / "floor.sqlite", claims)
    print(f"claims    {claims:,} members want {claims // 2:,} codes, {CALLERS} at a time, synchronous FULL")
    print(f"  bare update, group commit {bare:10,.0f} claims/s")
    print(
        f"  CouponStore.issue         {rate:10,.0f} claims/s   {rate / bare:.2f} of the floor; {issued:,} issued"
    )
    assert issued == claims // 2, "oversold or undersold"


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000))
