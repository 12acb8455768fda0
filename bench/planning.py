"""One planning tick over journeys that are all due, beside one bare set-based statement in the same database.

python -m bench.planning [JOURNEYS]
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import uvloop
from sqlalchemy import Connection, text

from bench.community import longest_transactions, plan_everything, planner_over, populate, said
from bot.clock import SystemClock
from storage import schema
from storage.engine import SqliteDatabase

# what a planner could not do with less: take what is due, say something, move on, wait again
BARE = (
    """INSERT INTO outbox (key, channel, sender, member, content, digest, urgent, marketing, journey, state, created_at, due_at)
       SELECT 'bare:' || j.id, 'group_send', f.staff, j.whom, '{"text": "hello"}', 'd', 0, 1, j.id, 'waiting', :now, :now
       FROM due d JOIN journey j ON j.id = CAST(d.whom AS INTEGER) JOIN friend f ON f.member = j.whom
       WHERE d.due_at <= :now""",
    "UPDATE journey SET step = 1 WHERE id IN (SELECT CAST(whom AS INTEGER) FROM due WHERE due_at <= :now)",
    "UPDATE due SET occurrence = '1', due_at = :now + 86400000 WHERE due_at <= :now",
)


def bare(connection: Connection) -> None:
    now = {"now": int(time.time() * 1000)}
    for statement in BARE:
        connection.execute(text(statement), now)


async def main(count: int) -> None:
    clock = SystemClock()
    with tempfile.TemporaryDirectory() as folder:
        async with SqliteDatabase(f"sqlite:///{Path(folder) / 'bare.sqlite'}") as db:
            await schema.ensure(db)
            await populate(db, count, clock.now())
            started = time.perf_counter()
            await db.write(bare)
            floor = count / (time.perf_counter() - started)
        async with SqliteDatabase(f"sqlite:///{Path(folder) / 'ours.sqlite'}") as db:
            await schema.ensure(db)
            await populate(db, count, clock.now())
            planner = planner_over(db)
            with longest_transactions() as took:
                started = time.perf_counter()
                await plan_everything(planner)
                ours = count / (time.perf_counter() - started)
            assert await db.read(said) == count
    writes = sorted(took)
    print(f"planning  {count} journeys due at once, rendered into messages")
    print(
        f"  bare set-based statement {floor:10,.0f} rows/s in one transaction of {count / floor * 1000:,.0f} ms"
    )
    print(
        f"  one planning tick        {ours:10,.0f} rows/s   {floor / ours:.1f} times the bare statement's time"
    )
    print(
        f"  write transactions       longest {writes[-1] * 1000:.1f} ms, median {writes[len(writes) // 2] * 1000:.1f} ms"
    )


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000))
