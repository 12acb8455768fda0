"""Facts added up as they arrive, and a whole log added up again, beside the bare SQL that builds the same roll-ups.

    python -m bench.activity [HISTORY] [NEW] [DATABASE URL] [DATABASE URL]

HISTORY facts (1,000,000) lie in the log when NEW (100,000) arrive in batches of 5,000. The floors run on the same database:
the same rows inserted and an additive upsert for what is new, and for the replay one statement over the whole log for each
roll-up. Ratios of arrivals are medians of batches side by side. Databases that are named must be empty: one stays small, one
gets the history.
"""

from __future__ import annotations

import asyncio
import random
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from statistics import median
from typing import Any

from sqlalchemy import Connection, text

from bot.engagement import replay
from sop.activity import Activity
from storage import schema
from storage.activity import ActivityStore, as_row
from storage.engine import Database, database, insert_new
from storage.tables import activity

GROUPS, MEMBERS, A_DAY = 1000, 40, 27_400  # members of a group; facts a day
LONG, AMONG = 14, 3  # messages of a conversation, and how many take part
BATCH = 5000
ZONE = "Asia/Shanghai"
BEGAN = datetime(2025, 1, 1, tzinfo=UTC)

DAY = "(happened_at + 28800000) / 86400000"
ISO = {
    "sqlite": "date(({}) * 86400, 'unixepoch')",
    "postgresql": "to_char(DATE '1970-01-01' + ({})::int, 'YYYY-MM-DD')",
}
DAYS = """
INSERT INTO {into} (group_id, day, member, n, turns, different, answered)
SELECT group_id, {iso}, member, count(*), count(CASE WHEN after = member AND after_day = number THEN NULL ELSE 1 END),
    count(DISTINCT text_hash), max(CASE WHEN after <> member AND after_at - happened_at <= 1800000 THEN 1 ELSE 0 END)
FROM (SELECT group_id, member, happened_at, text_hash, {day} AS number, lead(member) OVER w AS after,
        lead(happened_at) OVER w AS after_at, lead({day}) OVER w AS after_day
    FROM activity WHERE {where} WINDOW w AS (PARTITION BY group_id ORDER BY happened_at, key)) AS said
WHERE true GROUP BY group_id, number, member {conflict}"""
FIRSTS = """
INSERT INTO {into} (group_id, member, day) SELECT group_id, member, min({iso})
FROM (SELECT DISTINCT group_id, member, {day} AS number FROM activity WHERE {where}) AS told
WHERE true GROUP BY group_id, member {conflict}"""
ENERGY = """
INSERT INTO {into} (group_id, member, energy, energy_day)
SELECT group_id, member, sum(pow(2, (number - 20000) / CAST(14 AS double precision))), max({iso})
FROM (SELECT DISTINCT group_id, member, {day} AS number FROM activity WHERE {where}) AS told
WHERE true GROUP BY group_id, member {conflict}"""
TABLES = {
    "member_day": (DAYS, "(group_id, day, member) DO UPDATE SET n = member_day.n + excluded.n, turns = member_day.turns + excluded.turns, different = member_day.different + excluded.different, answered = CASE WHEN member_day.answered = 1 THEN 1 ELSE excluded.answered END"),
    "member_first": (FIRSTS, "(group_id, member) DO NOTHING"),
    "member_score": (ENERGY, "(group_id, member) DO UPDATE SET energy = member_score.energy + excluded.energy, energy_day = excluded.energy_day"),
}  # fmt: skip


def facts(seed: int = 1) -> Iterator[Activity]:
    """Conversations of a few members, one after another all over the groups, without end."""
    dice = random.Random(seed)
    at, number = BEGAN, 0
    while True:
        group = dice.randrange(GROUPS)
        people = [f"wm{group * MEMBERS + dice.randrange(MEMBERS):06d}" for _ in range(AMONG)]
        for _ in range(LONG):
            at += timedelta(days=1) * (2 * dice.random() / A_DAY)
            number += 1
            yield Activity(
                key=f"archive:{number:09d}", kind="spoke", at=at, member=dice.choice(people),
                group=f"wr{group:04d}", level="archive", text_hash=f"{dice.getrandbits(32):08x}", text_len=9,
            )  # fmt: skip


def batched(some: Iterable[Activity]) -> Iterator[list[Activity]]:
    rest = iter(some)
    while batch := list(islice(rest, BATCH)):
        yield batch


async def timed(work: Callable[[], Awaitable[Any]]) -> float:
    started = time.perf_counter()
    await work()
    return time.perf_counter() - started


async def arrive(db: Database, new: Sequence[Activity]) -> float:
    return await timed(lambda: db.write(lambda c: ActivityStore(c).log_all(new, unmask=False)))


def statement(connection: Connection, table: str, into: str, where: str, *, upsert: bool) -> str:
    words, conflict = TABLES[table]
    iso = ISO[connection.dialect.name].format("number")
    return words.format(
        into=into, iso=iso, day=DAY, where=where, conflict=f"ON CONFLICT {conflict}" if upsert else ""
    )


async def bare_arrive(db: Database, new: Sequence[Activity]) -> float:
    """The same rows, inserted and upserted."""

    def add(connection: Connection) -> None:
        last = connection.scalar(text("SELECT max(id) FROM activity")) or 0
        insert_new(connection, activity, [as_row(fact) for fact in new], "key")
        for table in TABLES:
            connection.execute(text(statement(connection, table, table, f"id > {last}", upsert=True)))

    return await timed(lambda: db.write(add))


async def bare_replay(db: Database) -> None:
    def build(connection: Connection) -> None:
        for table in TABLES:
            connection.execute(text(statement(connection, table, f"bare_{table}", "true", upsert=False)))

    await db.write(build)


def bare_tables(connection: Connection) -> None:
    for table in TABLES:
        like = f"(LIKE {table} INCLUDING ALL)" if connection.dialect.name == "postgresql" else None
        if like:
            connection.execute(text(f"CREATE TABLE bare_{table} {like}"))
            continue
        rows = connection.execute(
            text(
                "SELECT sql FROM sqlite_master WHERE tbl_name = :table AND sql IS NOT NULL ORDER BY type DESC"
            ),
            {"table": table},
        )
        for (made,) in rows.all():
            connection.execute(
                text(made.replace(table, f"bare_{table}").replace("INDEX ix_", "INDEX bare_ix_"))
            )


async def fill(db: Database, told: Iterable[Activity]) -> None:
    """The log alone, without what it adds up to."""
    for some in batched(told):
        rows = [as_row(fact) for fact in some]
        await db.write(lambda c, rows=rows: insert_new(c, activity, rows, "key"))  # type: ignore[misc]


async def again(db: Database, history: int) -> None:
    """All of it added up again, beside the bare SQL."""
    await db.write(bare_tables)
    bare = await timed(lambda: bare_replay(db))
    await replay(db, zone=ZONE)
    ours = await timed(lambda: replay(db, zone=ZONE))
    print(
        f"replay    {db.dialect:10} {history:,} facts: bare SQL {bare:.1f} s  ours {ours:.1f} s  ratio {ours / bare:.2f}",
        flush=True,
    )


async def arrivals(small: Database, large: Database, told: Iterator[Activity], count: int) -> None:
    """Batch after batch on nothing, on the history, and by bare SQL on the history, side by side in time."""
    await arrive(
        large, list(islice(told, BATCH))
    )  # what the replay left to write back is not for these to pay
    rows = []
    for _ in range(count // BATCH):
        new, others = (list(islice(told, BATCH)) for _ in range(2))
        rows.append((await arrive(small, new), await arrive(large, new), await bare_arrive(large, others)))
    nothing, much, bare = (sum(column) for column in zip(*rows, strict=True))
    growth = median(on_much / on_nothing for on_nothing, on_much, _ in rows)
    ratio = median(on_much / by_sql for _, on_much, by_sql in rows)
    print(
        f"arrival   {large.dialect:10} {count:,} facts: on nothing {nothing:.2f} s  on the history {much:.2f} s"
        f"  growth {growth:.2f}   bare SQL {bare:.2f} s  ratio {ratio:.2f}",
        flush=True,
    )


async def measure(small_url: str, large_url: str, history: int, count: int) -> None:
    async with database(small_url) as small, database(large_url) as large:
        for db in (small, large):
            await schema.ensure(db)
        told = facts()
        await fill(large, islice(told, history))
        await again(large, history)
        await arrivals(small, large, told, count)


async def main(history: int, count: int, *urls: str) -> None:
    if urls:
        await measure(urls[0], urls[-1], history, count)
        return
    with tempfile.TemporaryDirectory() as folder:
        places = (f"sqlite:///{folder}/{name}.sqlite" for name in ("small", "large"))
        await measure(*places, history, count)


if __name__ == "__main__":
    numbers = [int(told.replace(",", "").replace("_", "")) for told in sys.argv[1:3]]
    history, count = (*numbers, *(1_000_000, 100_000)[len(numbers) :])
    asyncio.run(main(history, count, *sys.argv[3:5]))
