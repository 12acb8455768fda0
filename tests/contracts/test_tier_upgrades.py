"""Each tier upgrade happens once, however many look at the same member at the same moment, and so does what it sets off."""

from __future__ import annotations

import asyncio
import random
from contextlib import AsyncExitStack
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, insert, select, update

from handlers import template, tier
from handlers.context import Context, Settings
from handlers.reaction import react
from handlers.router import Switchboard
from sop.update import ClockTicked, Update, WaitEnded
from storage import schema
from storage.engine import Connection, Database, database
from storage.instant import to_ms
from storage.member import MemberStore
from storage.tables import journey, member, member_day, tier_change
from storage.tx import Tx

JOINED = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)
NOW = JOINED + timedelta(days=20)
HOUSE = Switchboard([tier.router, template.router])
EACH = 4  # looks at every member: the third day, the same told again, the seventh, the daily review
AT_ONCE = 5  # members looked at in one transaction
COUNTS = [100, pytest.param(5000, marks=pytest.mark.full)]
PLAN = """
id = "risen"
name = "升级之后"
[trigger]
on = "tier.changed"
[audience]
everyone = true
[rules]
again = "always"
[[step]]
id = "hello"
when = { after = "1h" }
text = "恭喜"
"""


def furnish(connection: Connection, count: int) -> None:
    """Newcomers who came back on four days of their first week."""
    tx = Tx(connection, JOINED)
    saved = tx.templates.save("risen", "升级之后", PLAN, by="test")
    tx.templates.publish("risen", saved.version, zone="Asia/Shanghai")
    connection.execute(
        insert(member), [{"id": f"m{n}", "seen_at": to_ms(JOINED), "tier": "new"} for n in range(count)]
    )
    days = [date(2026, 3, 2) + timedelta(days=n) for n in (1, 2, 3, 5)]
    rows = [
        {"group_id": "g", "day": day.isoformat(), "member": f"m{n}", "n": 1, "turns": 1, "different": 1, "answered": 0}
        for n in range(count)
        for day in days
    ]  # fmt: skip
    connection.execute(insert(member_day), rows)


def looks(who: int, days: int, told: str) -> WaitEnded:
    data = (("days", str(days)), ("joined", JOINED.isoformat()))
    return WaitEnded(
        at=NOW, id=f"{told}:{who}", what="tier.check", whom=f"m{who}", occurrence=f"day{days}", due=NOW, data=data
    )  # fmt: skip


def hear(connection: Connection, *updates: Update) -> None:
    for one in updates:
        tx = Tx(connection, NOW)
        react(one, tx, HOUSE, lambda one, tx: Context(tx, tx.now, Settings(), str, float, one))


async def everybody_looks(url: str, count: int, seed: int = 7) -> None:
    """Four at once, each in an order of its own; on PostgreSQL each is a process with connections of its own."""
    chance = random.Random(seed)
    review = [[ClockTicked(at=NOW, id="tick", name="day", slot=NOW)]]

    def chunks(days: int, told: str) -> list[list[Any]]:
        updates = [looks(who, days, told) for who in chance.sample(range(count), count)]
        return [updates[start : start + AT_ONCE] for start in range(0, count, AT_ONCE)]

    async with AsyncExitStack() as stack:
        opened = range(EACH if url.startswith("postgresql") else 1)
        stores = [await stack.enter_async_context(database(url)) for _ in opened] * (EACH // len(opened))
        work = [chunks(3, "first"), chunks(3, "again"), chunks(7, "later"), review]
        await asyncio.gather(*(_look(store, one) for store, one in zip(stores, work, strict=True)))


async def _look(store: Database, chunks: list[list[Any]]) -> None:
    for chunk in chunks:
        await store.write(lambda c, chunk=chunk: hear(c, *chunk))  # type: ignore[misc]
    while await store.write(_review_more):
        pass


def _review_more(connection: Connection) -> bool:
    """The daily look goes on in pieces; False when nobody is left."""
    waits = Tx(connection, NOW + timedelta(minutes=1)).due.take(NOW + timedelta(minutes=1), 10)
    for wait in waits:
        data = tuple(sorted(wait.data.items()))
        hear(
            connection,
            WaitEnded(
                at=NOW, id=wait.occurrence, what=wait.what, whom="all", occurrence="", due=NOW, data=data
            ),
        )
    return bool(waits)


def upgrades(connection: Connection) -> tuple[int, int, int]:
    """How many changes were written, how many members stand higher, how many journeys that began."""
    changes = connection.scalar(select(func.count()).select_from(tier_change)) or 0
    risen = connection.scalar(select(func.count()).where(member.c.tier == "potential")) or 0
    return changes, risen, connection.scalar(select(func.count()).select_from(journey)) or 0


@pytest.mark.parametrize("count", COUNTS)
async def test_four_looks_at_a_member_upgrade_them_once(db: Database, database_url: str, count: int) -> None:
    await db.write(lambda c: furnish(c, count))

    await everybody_looks(database_url, count)

    assert await db.read(upgrades) == (count, count, count)


@pytest.mark.services
async def test_looking_before_writing_without_a_lock_would_be_caught(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite has one writer, and needs no lock."""

    def careless(self: MemberStore, member_id: str, to: str, reason: str) -> bool:
        row = {"member": member_id, "before": "new", "after": str(to), "reason": reason, "changed_at": 0}
        self._connection.execute(update(member).where(member.c.id == member_id).values(tier=str(to)))
        self._connection.execute(insert(tier_change), row)
        return True

    monkeypatch.setattr(MemberStore, "promote", careless)
    async with database(postgres_url) as db:
        await schema.ensure(db)
        await db.write(lambda c: furnish(c, 20))
        await everybody_looks(postgres_url, 20)

        assert (await db.read(upgrades))[0] > 20
