"""Whatever was due while nothing ran is said once, or listed as missed; nothing is passed over in silence."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any

import pytest
from sqlalchemy import select

from bot.bell import Bell
from bot.chance import SystemChance
from bot.clock import TurnedClock
from bot.planner import Planner
from handlers.context import Context, Settings
from sop.journey import Journey
from sop.template import Subject
from sop.update import Update
from storage.due import STEP, DueStore
from storage.engine import Connection, Database
from storage.tables import due, journey, missed, outbox
from storage.tx import Tx
from tests.contracts.world import NOW

SPANS = [
    timedelta(seconds=1),
    timedelta(seconds=40),
    timedelta(minutes=9),
    timedelta(hours=1),
    timedelta(hours=3),
    timedelta(hours=8),
    timedelta(hours=16),
    timedelta(hours=24),
    timedelta(hours=36),
    timedelta(hours=48),
]
JOBS = 50  # due in each of these times: 500 in all
PLAN = """
id = "{name}"
name = "{name}"
[trigger]
on = "friend.added"
[audience]
everyone = true
[[step]]
id = "one"
when = {{ after = "0s", window = "{window}" }}
on_miss = "{name}"
text = "第一句"
"""
PLANS = {"late": "6h", "skip": "24h", "ask": "1h"}


@dataclass
class Down:
    """Members whose step comes due while nobody plans, and what became of them when somebody does again."""

    db: Database
    clock: TurnedClock

    async def sleeps(self, span: timedelta) -> dict[str, Counter[str]]:
        await self.db.write(lambda c: self._begin(c, span))
        await self.clock.leap_to(NOW + span)
        planner = Planner(self.db, self._context, self.clock, Bell(self.clock), "one", alone=True)
        while await planner.plan_once():
            pass
        return await self.db.read(self._fates)

    def _begin(self, connection: Connection, span: timedelta) -> None:
        tx, chance = Tx(connection, NOW), Random(span.total_seconds())
        for name, window in PLANS.items():
            tx.templates.save(name, name, PLAN.format(name=name, window=window), by="su")
            tx.templates.publish(name, 1, zone="Asia/Shanghai")
        for number in range(JOBS):
            who, name = f"wm{number}", list(PLANS)[number % len(PLANS)]
            tx.members.meet(who, seen_at=NOW)
            tx.members.befriend(who, "wang", since=NOW)
            at: datetime = NOW + chance.random() * span
            one = Journey(template=name, version=1, subject=Subject.MEMBER, whom=who, run=1, anchor=at)
            template = tx.templates.read(name, 1)
            assert template is not None
            tx.journeys.await_steps(template, tx.journeys.enrol([one]), "Asia/Shanghai")

    def _fates(self, connection: Connection) -> dict[str, Counter[str]]:
        """What became of each journey's step, by the words of the ledger and of the list."""
        found = {str(one): Counter[str]() for one in connection.scalars(select(journey.c.id))}
        for row in connection.execute(select(outbox.c.journey)):
            found[str(row.journey)]["said"] += 1
        for row in connection.execute(select(missed.c.whom, missed.c.fate).where(missed.c.what == STEP)):
            found[row.whom][row.fate] += 1
        for row in connection.execute(select(due.c.whom).where(due.c.what == STEP)):
            found[row.whom]["waits"] += 1
        return found

    def _context(self, update: Update, tx: Tx) -> Context:
        chance = SystemChance()
        return Context(tx, tx.now, Settings(), chance.token, chance.fraction, update)


ENDS = ({"said": 1}, {"said": 1, "late": 1}, {"skipped": 1}, {"asked": 1})


@pytest.mark.parametrize("span", SPANS, ids=str)
async def test_nothing_is_silent_however_long_nothing_ran(
    sqlite: Database, clock: TurnedClock, span: timedelta
) -> None:
    fates = await Down(sqlite, clock).sleeps(span)

    assert len(fates) == JOBS
    assert [fate for fate in fates.values() if dict(fate) not in ENDS] == []


async def test_after_two_days_each_rule_has_done_what_it_says(db: Database, clock: TurnedClock) -> None:
    fates = await Down(db, clock).sleeps(SPANS[-1])

    kinds = Counter("+".join(sorted(fate)) for fate in fates.values())
    assert set(kinds) == {"late+said", "skipped", "asked"} | ({"said"} & set(kinds))


async def test_who_lists_nothing_is_seen(
    sqlite: Database, clock: TurnedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lists_nothing(*_: Any) -> None:
        return None

    monkeypatch.setattr(DueStore, "miss", lists_nothing)

    fates = await Down(sqlite, clock).sleeps(SPANS[-1])

    assert [fate for fate in fates.values() if not fate]
