"""A large community on the eve of a step: everybody's journey is due at once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from aiohttp import web
from sqlalchemy import Connection, func, insert, select, text

from bot.bell import Bell
from bot.chance import SystemChance
from bot.clock import SystemClock
from bot.planner import Planner
from handlers.context import Context, Settings
from sop.update import Update
from storage.engine import Database, T, Work
from storage.instant import to_ms
from storage.tables import due, friend, journey, member, outbox
from storage.template import TemplateStore
from storage.tx import Tx

STAFF = 20
TEMPLATE = """
id = "growth"
name = "七天成长计划"
version = 1

[trigger]
on = "friend.added"

[audience]
everyone = true

[[step]]
id = "day1"
name = "第一天"
when = { after = "1h", window = "24h" }
text = \"\"\"
晚上好，今天是「七天成长计划」第一天。今晚这篇只要三分钟，讲怎样把一件大事切成十分钟：
{{ link }}
\"\"\"
link = { url = "https://example.com/growth-1", title = "每天十分钟" }

[[step]]
id = "day2"
name = "第二天"
when = { after = "25h", window = "24h" }
text = "第二天，继续。"
"""


def planner_over(db: Database, account: str = "") -> Planner:
    """A planner that says what it says in 微信客服 as ``account``."""
    clock, chance, settings = SystemClock(), SystemChance(), Settings(kf_account=account)

    def context_of(update: Update, tx: Tx) -> Context:
        return Context(tx, tx.now, settings, chance.token, chance.fraction, update)

    return Planner(db, context_of, clock, Bell(clock), "bench", alone=True)


async def publish(db: Database, now: datetime, template: str = TEMPLATE) -> None:
    await db.write(
        lambda c: TemplateStore(c, now).save("growth", "七天成长计划", template, by="bench") and None
    )
    await db.write(lambda c: TemplateStore(c, now).publish("growth", 1, zone="Asia/Shanghai") and None)


async def populate(db: Database, count: int, now: datetime) -> None:
    """``count`` members, friends of a few staff, on a journey whose first step is due now."""
    await publish(db, now)
    for start in range(0, count, 5000):
        numbers = range(start, min(start + 5000, count))
        await db.write(lambda c, numbers=numbers: _write(c, numbers, to_ms(now)))  # type: ignore[misc]


def _write(connection: Connection, numbers: range, now: int) -> None:
    begun = now - 3_600_000
    connection.execute(
        insert(member), [{"id": f"wm{n}", "seen_at": begun, "name": f"成员{n}"} for n in numbers]
    )
    connection.execute(
        insert(friend),
        [{"member": f"wm{n}", "staff": f"staff{n % STAFF}", "since_at": begun} for n in numbers],
    )
    connection.execute(
        insert(journey),
        [
            {
                "id": n + 1, "template": "growth", "version": 1, "subject": "member", "whom": f"wm{n}", "run": 1,
                "state": "active", "anchor_at": begun, "changed_at": begun,
            }
            for n in numbers
        ],
    )  # fmt: skip
    connection.execute(
        insert(due),
        [
            {"what": "step", "whom": str(n + 1), "occurrence": "0", "due_at": now, "version": 1, "data": {}}
            for n in numbers
        ],
    )


# as many rows as asked for, numbered from 0: in each database's own words
NUMBERS = {
    "sqlite": "WITH RECURSIVE numbers(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < :count)",
    "postgresql": "WITH numbers AS (SELECT n FROM generate_series(0, CAST(:count AS BIGINT) - 1) AS n)",
}
CROWD = (
    "INSERT INTO member (id, seen_at, name) {numbers} SELECT 'wm' || n, CAST(:begun AS BIGINT), '成员' || n FROM numbers",
    "INSERT INTO friend (member, staff, since_at) {numbers} SELECT 'wm' || n, 'staff' || (n % 20), CAST(:begun AS BIGINT) FROM numbers",
    """INSERT INTO journey (id, template, version, subject, whom, run, state, anchor_at, changed_at)
       {numbers} SELECT n + 1, 'growth', 1, 'member', 'wm' || n, 1, 'active', CAST(:begun AS BIGINT), CAST(:begun AS BIGINT) FROM numbers""",
    # this evening's step is due for a tenth, at one moment; the others' is tomorrow
    """INSERT INTO due (what, whom, occurrence, due_at, version, data)
       {numbers} SELECT 'step', CAST(n + 1 AS TEXT), '0', CAST(:now AS BIGINT) + CASE WHEN n % 10 = 3 THEN 0 ELSE 86400000 END,
       1, '{{}}' FROM numbers""",
)


async def a_tenth_due(db: Database, count: int, now: datetime) -> None:
    """``count`` members on a journey; the first step of a tenth of them is due."""
    await publish(db, now)
    about = {"count": count, "begun": to_ms(now) - 3_600_000, "now": to_ms(now)}
    for statement in CROWD:
        words = text(statement.format(numbers=NUMBERS[db.dialect]))
        await db.write(lambda c, words=words: c.execute(words, about) and None)  # type: ignore[misc]
    await db.write(lambda c: c.execute(text("ANALYZE")) and None)
    if db.dialect == "sqlite":
        await db.read(lambda c: c.execute(text("PRAGMA wal_checkpoint(TRUNCATE)")) and None)


async def plan_everything(planner: Planner) -> None:
    """Plan until no step is due; the next step of each waits a day."""
    while await planner.plan_once():
        pass


def said(connection: Connection) -> int:
    return connection.scalar(select(func.count()).select_from(outbox)) or 0


@contextmanager
def writes(db: Database) -> Iterator[list[float]]:
    """How long each transaction held the writer, from its beginning until it was on disk, in seconds."""
    took, write = list[float](), db.write

    async def timed(work: Work[T], *, urgent: bool = False) -> T:
        started = time.perf_counter()
        try:
            return await write(work, urgent=urgent)
        finally:
            took.append(time.perf_counter() - started)

    db.write = timed  # type: ignore[method-assign]
    try:
        yield took
    finally:
        db.write = write  # type: ignore[method-assign]


def plan_app(app: web.Application, db: Database) -> None:
    """Routes that begin a planning tick and tell how it is going."""
    planner, running = planner_over(db), list[asyncio.Task[None]]()

    async def warm(request: web.Request) -> web.Response:
        """One chunk, so that statements and texts are compiled, as they are in a process that has run for a while."""
        await planner.plan_once()
        return web.Response()

    async def begin(request: web.Request) -> web.Response:
        running.append(asyncio.create_task(plan_everything(planner)))
        return web.Response()

    async def done(request: web.Request) -> web.Response:
        return web.Response(text=str(await db.read(said)))

    app.router.add_get("/warm", warm)
    app.router.add_get("/plan", begin)
    app.router.add_get("/planned", done)
