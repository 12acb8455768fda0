"""Tags that change all the time: every decision sees one moment of them, and what is left is what the edits add up to."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest
from sqlalchemy import Connection, insert, select

from bot.bell import Bell
from bot.clock import TurnedClock
from bot.planner import Planner
from handlers import ROUTERS
from handlers.context import Context, Settings
from handlers.reaction import react
from handlers.router import Switchboard
from sop.update import Friendship, MemberDescribed, Update
from storage.engine import Database
from storage.instant import to_ms
from storage.tables import activity, friend, member, member_tag, outbox
from storage.template import TemplateStore
from storage.tx import Tx
from tests.contracts.world import NOW

HOUSE = Switchboard(ROUTERS)
EDITORS, EACH = 4, 10  # how often each member is edited
TAGS = ("甲", "乙")
PLAN = """
id = "swap"
name = "跟进"
[trigger]
on = "tag.added"
tag = "甲"
[audience]
include = '甲'
[rules]
again = "always"
weekly_cap = 50
[[step]]
id = "day1"
when = { after = "0s", window = "12h" }
channel = "kf"
text = "都没有"
[[step.variant]]
for = '甲 & 乙'
text = "都有"
[[step.variant]]
for = '甲'
text = "甲"
[[step.variant]]
for = '乙'
text = "乙"
"""
WEEKLY = """
id = "weekly"
name = "每周"
[trigger]
on = "weekly"
weekday = "sat"
time = 20:00:00
[audience]
include = '甲'
[[step]]
id = "only"
when = { after = "0s" }
channel = "kf"
text = "周末好"
"""


@dataclass
class Edits:
    """Staff give a member one of two tags in their client, never none and never both, again and again."""

    db: Database
    count: int
    clock: TurnedClock = field(default_factory=lambda: TurnedClock(NOW + timedelta(hours=8)))
    model: dict[str, str] = field(default_factory=dict)  # member → the tag they should have
    changes: Counter[str] = field(default_factory=Counter)  # "+甲", "-甲" … → how often

    def context_of(self, update: Update, tx: Tx) -> Context:
        return Context(tx, tx.now, Settings(kf_account="wk"), str, float, update)

    async def run(self) -> None:
        await self.db.write(lambda c: furnish(c, self.count // EACH))
        await self.db.write(lambda c: kept(c, begin=True))
        planner = Planner(self.db, self.context_of, self.clock, Bell(self.clock), "planner", alone=True)
        editors = asyncio.gather(*(self.edit(number) for number in range(EDITORS)))
        while not editors.done():
            await planner.plan_once()
        await editors
        while await planner.plan_once():
            pass

    async def edit(self, number: int) -> None:
        """Every editor has members of their own, as every lane of the inbox has."""
        chance, now = random.Random(number), NOW
        theirs = [f"m{n}" for n in range(number, self.count // EACH, EDITORS)]
        for who in [chance.choice(theirs) for _ in range(EACH * len(theirs))]:
            now += timedelta(seconds=20)
            tag = chance.choice(TAGS)
            await self.db.write(lambda c, who=who, tag=tag, now=now: self._tell(c, who, tag, now))  # type: ignore[misc]
            self._expect(who, tag)

    def _tell(self, connection: Connection, who: str, tag: str, now: datetime) -> None:
        seen = Friendship("wang", since=1, tags=((f"number-{tag}", tag),))
        told = MemberDescribed(at=now, id=f"{who}:{now}", member=who, friends=(seen,), whole=False)
        react(told, Tx(connection, now), HOUSE, self.context_of)

    def _expect(self, who: str, tag: str) -> None:
        before = self.model.get(who)
        if before != tag:
            self.changes.update([f"+{tag}", *([f"-{before}"] if before else [])])
            self.model[who] = tag


def furnish(connection: Connection, members: int) -> None:
    store = TemplateStore(connection, NOW)
    for name, text in (("swap", PLAN), ("weekly", WEEKLY)):
        store.save(name, "跟进", text, by="test")
        store.publish(name, 1, zone="Asia/Shanghai")
    since = to_ms(NOW)
    connection.execute(insert(member), [{"id": f"m{n}", "seen_at": since} for n in range(members)])
    connection.execute(
        insert(friend), [{"member": f"m{n}", "staff": "wang", "since_at": since} for n in range(members)]
    )


@pytest.mark.parametrize("count", [200, pytest.param(5000, marks=pytest.mark.full)], ids=["few", "stated"])
async def test_tags_edited_at_once_end_as_the_edits_say_with_their_reasons(db: Database, count: int) -> None:
    edits = Edits(db, count)

    await edits.run()

    carried, logged = await db.read(ended)
    assert {who: tag for who, tag, _ in carried} == edits.model
    assert {reason for *_, reason in carried} == {"wang 在企业微信里打的标签"}
    assert logged == edits.changes


@pytest.mark.parametrize("count", [200, pytest.param(5000, marks=pytest.mark.full)], ids=["few", "stated"])
async def test_no_decision_sees_half_an_edit(db: Database, count: int) -> None:
    edits = Edits(db, count)

    await edits.run()

    said = await db.read(lambda c: Counter(one["text"] for one in c.scalars(select(outbox.c.content))))
    print(f"{count} edits, said {dict(said)}")
    assert set(said) <= {"甲", "乙"}
    assert said.total() > count / EACH / 2


async def test_the_kept_audience_ends_as_the_edits_say(db: Database) -> None:
    edits = Edits(db, 200)

    await edits.run()

    wanted = sorted(who for who, tag in edits.model.items() if tag == "甲")
    assert sorted(await db.write(kept)) == wanted


def ended(connection: Connection) -> tuple[list[tuple[str, str, str]], Counter[str]]:
    tags = connection.execute(select(member_tag.c.member, member_tag.c.tag, member_tag.c.reason)).all()
    told = connection.scalars(select(activity.c.ref).where(activity.c.kind == "tagged"))
    return [(row.member, row.tag, row.reason) for row in tags], Counter(told)


def kept(connection: Connection, *, begin: bool = False) -> list[str]:
    """Who is noted to belong, with whatever changed since."""
    tx = Tx(connection, NOW + timedelta(hours=8))
    audiences, plan = tx.audiences("Asia/Shanghai"), tx.templates.read("weekly", 1)
    assert plan is not None
    more = begin and audiences.begins_to_keep(plan)
    while more:
        more = audiences.walk(plan)
    while audiences.absorb([plan]):
        pass
    assert audiences.is_current(plan)
    return audiences.kept("weekly")
