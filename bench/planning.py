"""One planning tick over many journeys of which a tenth is due, beside the bare set-based statements in the same database.

python -m bench.planning [JOURNEYS] [postgresql://…]
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median

import uvloop
from sqlalchemy import Connection, make_url, text

from bench.community import a_tenth_due, planner_over, said, writes
from bot.clock import SystemClock
from bot.planner import Planner
from sop.render import render
from storage import schema
from storage.checkpoint import Checkpointer
from storage.engine import Database, PostgresDatabase, SqliteDatabase
from storage.instant import to_ms

# what no planner could do with less: say that something is to be said, move on, wait again
BARE = (
    """INSERT INTO outbox (key, channel, sender, member, content, digest, urgent, marketing, template, version, step,
                            journey, why, state, created_at, due_at)
       SELECT 'step:' || j.id || ':' || 'day1', 'group_send', '', j.whom, '{"text": ""}', '', false, true, 'growth', 1, 'day1',
              j.id, '「七天成长计划」的「第一天」', 'planned', CAST(:now AS BIGINT), d.due_at
       FROM due d JOIN journey j ON j.id = CAST(d.whom AS BIGINT) WHERE d.what = 'step' AND d.due_at <= :now ORDER BY d.id""",
    """UPDATE journey SET step = 1, changed_at = :now
       WHERE id IN (SELECT CAST(whom AS BIGINT) FROM due WHERE what = 'step' AND due_at <= :now)""",
    """UPDATE due SET occurrence = '1', data = '{}', due_at = CAST(:now AS BIGINT) + 86400000 WHERE what = 'step' AND due_at <= :now""",
)
ROUNDS = 3  # of which the median counts; what a statement costs varies with what the disk does beside it
WORDED = 10_000  # messages whose words are found, of those that are planned


def bare(connection: Connection) -> None:
    for statement in BARE:
        connection.execute(text(statement), {"now": to_ms(SystemClock().now())})


async def floor(db: Database) -> float:
    started = time.perf_counter()
    await db.write(bare)
    return time.perf_counter() - started


async def ours(planner: Planner) -> tuple[float, list[float]]:
    """How long the sets of one tick take, and each of its transactions, in seconds; the first warms the process up."""
    await planner._may_plan()
    started = time.perf_counter()
    await planner._look()
    await planner._take_set()
    with writes(planner.db) as took:
        while await planner._take_set():
            pass
    return time.perf_counter() - started, sorted(took)


async def words(planner: Planner) -> tuple[float, list[float]]:
    """How long finding and storing the words of a message takes, and each transaction, in seconds."""
    found = 0
    started = time.perf_counter()
    with writes(planner.db) as took:
        while found < WORDED and (more := await planner._find_words()):
            found += more
    return (time.perf_counter() - started) / max(found, 1), sorted(took)


def carried_over(db: Database) -> float:
    """Seconds until what was written is out of SQLite's log too; whoever wrote at one go has more left of it."""
    if not isinstance(db, SqliteDatabase):
        return 0.0
    started = time.perf_counter()
    Checkpointer(make_url(db.url).database or "").carry_over()
    return time.perf_counter() - started


def rendering() -> float:
    """Seconds a message: a greeting by name, a day and a link, for each member their own."""
    wording = '{{ member.name | default: "朋友" }}，今天是第 {{ day }} 天，这篇只要三分钟：{{ link }}'
    said = [
        {"member": {"name": f"成员{n}"}, "day": 3, "link": f"https://q.example.com/l/{n}"}
        for n in range(20_000)
    ]
    started = time.perf_counter()
    for one in said:
        assert render(wording, one).text
    return (time.perf_counter() - started) / len(said)


@asynccontextmanager
async def empty(url: str) -> AsyncIterator[Database]:
    """A database of our schema that is gone afterwards."""
    if not url:
        with tempfile.TemporaryDirectory() as folder:
            async with SqliteDatabase(f"sqlite:///{Path(folder) / 'bench.sqlite'}") as db:
                await schema.ensure(db)
                yield db
        return
    name = "qunxing_bench"
    await _administer(url, f"DROP DATABASE IF EXISTS {name}", f"CREATE DATABASE {name}")
    async with PostgresDatabase(make_url(url).set(database=name).render_as_string(hide_password=False)) as db:
        await schema.ensure(db)
        yield db
    await _administer(url, f"DROP DATABASE {name}")


async def _administer(url: str, *statements: str) -> None:
    import asyncpg

    connection = await asyncpg.connect(make_url(url).render_as_string(hide_password=False))
    for statement in statements:
        await connection.execute(statement)
    await connection.close()


async def measure(url: str, count: int) -> None:
    bare_s, ours_s, longest = list[float](), list[float](), 0.0
    for _ in range(ROUNDS):
        async with empty(url) as db:
            await a_tenth_due(db, count, SystemClock().now())
            bare_s.append(await floor(db) + carried_over(db))
        async with empty(url) as db:
            await a_tenth_due(db, count, SystemClock().now())
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            planner = planner_over(db)
            took, held = await ours(planner)
            ours_s.append(took + carried_over(db))
            longest = max(longest, held[-1])
            assert await db.read(said) == count // 10
            grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
            each, worded = await words(planner)
    floor_s, planned_s = median(bare_s), median(ours_s)
    print(
        f"planning  {count:,} journeys, {count // 10:,} due, {'PostgreSQL' if url else 'SQLite'}, median of {ROUNDS}"
    )
    print(f"  bare set-based statements {floor_s * 1000:9,.0f} ms")
    print(
        f"  one planning tick         {planned_s * 1000:9,.0f} ms   {planned_s / floor_s:.2f} times the bare statements"
    )
    print(
        f"  write transactions        longest {longest * 1000:.1f} ms, median {median(held) * 1000:.1f} ms; memory grew by {grown / 1024:.0f} MB"
    )
    print(
        f"  words beside it           {each * 1e6:.0f} µs a message with reading and storing, "
        f"longest write {worded[-1] * 1000:.1f} ms"
    )


async def main(arguments: list[str]) -> None:
    url = next((one for one in arguments if "://" in one), "")
    count = next((int(one) for one in arguments if one.isdigit()), 1_000_000)
    await measure(url, count)
    print(f"  rendering                 {rendering() * 1e6:.1f} µs a message, each of its own words")


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1:]))
