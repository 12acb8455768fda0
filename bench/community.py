"""A large community on the eve of a step: everybody's journey is due at once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from aiohttp import web
from sqlalchemy import Connection, Engine, event, func, insert, select

from bot.bell import Bell
from bot.chance import SystemChance
from bot.clock import SystemClock
from bot.planner import Planner
from handlers.context import Context, Settings
from sop.update import Update
from storage.engine import Database
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


def planner_over(db: Database) -> Planner:
    clock, chance = SystemClock(), SystemChance()

    def context_of(update: Update, tx: Tx) -> Context:
        return Context(tx, tx.now, Settings(), chance.token, chance.fraction, update)

    return Planner(db, context_of, clock, Bell(clock), "bench", alone=True)


async def populate(db: Database, count: int, now: datetime) -> None:
    """``count`` members, friends of a few staff, on a journey whose first step is due now."""
    await db.write(
        lambda c: TemplateStore(c, now).save("growth", "七天成长计划", TEMPLATE, by="bench") and None
    )
    await db.write(lambda c: TemplateStore(c, now).publish("growth", 1, zone="Asia/Shanghai") and None)
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


async def plan_everything(planner: Planner) -> None:
    """Plan until no step is due; the next step of each waits a day."""
    while await planner.plan_once():
        pass


def said(connection: Connection) -> int:
    return connection.scalar(select(func.count()).select_from(outbox)) or 0


@contextmanager
def longest_transactions() -> Iterator[list[float]]:
    """How long each transaction held the writer, in seconds."""
    begun: dict[int, float] = {}
    took: list[float] = []

    def begin(connection: Connection) -> None:
        begun[id(connection)] = time.perf_counter()

    def end(connection: Connection) -> None:
        took.append(time.perf_counter() - begun[id(connection)])

    event.listen(Engine, "begin", begin)
    event.listen(Engine, "commit", end)
    try:
        yield took
    finally:
        event.remove(Engine, "begin", begin)
        event.remove(Engine, "commit", end)


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
