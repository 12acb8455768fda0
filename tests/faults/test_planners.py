"""Several planners are one, also while they are killed in the middle: every due step is said once."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, func, insert, select

from bot.clock import SystemClock
from storage.engine import Database, database
from storage.instant import to_ms
from storage.schema import ensure
from storage.tables import due, journey, lease, member, missed, outbox
from storage.template import TemplateStore

CHILD = Path(__file__).with_name("planners.py")
AT_ONCE = 4
SPREAD = timedelta(milliseconds=30)  # from one step's instant to the next
PATIENCE_S = 60.0
PLAN = """
id = "growth"
name = "成长计划"
[trigger]
on = "friend.added"
[audience]
everyone = true
[[step]]
id = "day1"
when = { after = "1h" }
channel = "kf"
text = "第一天"
"""


@dataclass
class Crew:
    """Planners in processes of their own; a killed one is replaced at once."""

    url: str
    stack: ExitStack
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    hired: int = 0

    def hire(self) -> None:
        self.hired += 1
        name = f"planner-{self.hired}"
        process = self.stack.enter_context(
            subprocess.Popen([sys.executable, str(CHILD), self.url, name], cwd=CHILD.parents[2])
        )
        self.stack.callback(process.kill)
        self.running[name] = process

    def kill(self, name: str) -> None:
        process = self.running.pop(name)
        process.kill()
        process.wait()
        self.hire()


def furnish(connection: Connection, count: int, now: datetime) -> None:
    """Members whose step comes due one after the other."""
    store = TemplateStore(connection, now)
    store.save("growth", "成长计划", PLAN, by="test")
    store.publish("growth", 1, zone="Asia/Shanghai")
    hour = timedelta(hours=1)
    at = [to_ms(now + SPREAD * number) for number in range(count)]
    begun = {"template": "growth", "version": 1, "subject": "member", "run": 1, "state": "active"}
    connection.execute(insert(member), [{"id": f"m{n}", "seen_at": to_ms(now)} for n in range(count)])
    connection.execute(
        insert(journey),
        [
            begun | {"id": n + 1, "whom": f"m{n}", "anchor_at": at[n] - hour // timedelta(milliseconds=1), "changed_at": to_ms(now)}
            for n in range(count)
        ],
    )  # fmt: skip
    connection.execute(
        insert(due),
        [
            {"what": "step", "whom": str(n + 1), "occurrence": "0", "due_at": at[n], "version": 1, "data": {}}
            for n in range(count)
        ],
    )


def planned(connection: Connection) -> int:
    return connection.scalar(select(func.count()).select_from(outbox)) or 0


def at_work(connection: Connection) -> str:
    return connection.scalar(select(lease.c.holder).where(lease.c.name == "planner")) or ""


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("count", "kills"), [(100, 2), pytest.param(1000, 20, marks=pytest.mark.full)], ids=["few", "stated"]
)
async def test_four_planners_that_are_killed_say_every_step_once(
    database_url: str, count: int, kills: int
) -> None:
    async with database(database_url) as db:
        await ensure(db)
        await db.write(lambda c: furnish(c, count, SystemClock().now()))
        with ExitStack() as stack:
            landed = await _kill_at_work(db, Crew(database_url, stack), count, kills)

        said = await db.read(lambda c: c.execute(select(outbox.c.journey, outbox.c.state)).all())
        silent = await db.read(lambda c: c.scalar(select(func.count()).select_from(missed)))

    print(f"{landed} of {kills} kills landed, {len(said)} said, {silent} missed")
    assert landed >= kills // 2, "too few kills landed to say anything"
    assert (sorted(row.journey for row in said), silent) == (list(range(1, count + 1)), 0)
    assert {row.state for row in said} == {"waiting"}


async def _kill_at_work(db: Database, crew: Crew, count: int, kills: int) -> int:
    """Kill whoever plans, again and again; how often somebody was killed who had begun and was not done."""
    for _ in range(AT_ONCE):
        crew.hire()
    chance, landed, ends = random.Random(7), 0, asyncio.get_running_loop().time() + PATIENCE_S
    while (done := await db.read(_worded)) < count and asyncio.get_running_loop().time() < ends:
        await asyncio.sleep(chance.uniform(0.1, 0.6))
        holder = await db.read(at_work)
        if done and landed < kills and holder in crew.running:
            crew.kill(holder)
            landed += await db.read(planned) < count
    return landed


def _worded(connection: Connection) -> int:
    waiting = select(func.count()).select_from(outbox).where(outbox.c.state == "waiting")
    return connection.scalar(waiting) or 0
