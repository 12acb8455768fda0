"""Where "why" is read: the ledger, the journeys, what was missed and the trail, put together on both databases."""

from __future__ import annotations

from functools import partial

import pytest
from sqlalchemy import update

from sop.errors import NotFound
from sop.journey import Journey
from sop.receipt import State
from sop.template import Subject
from sop.why import Because
from storage.due import STEP, Due
from storage.engine import Connection, Database
from storage.instant import to_ms
from storage.outbox import OutboxStore
from storage.tables import journey as journeys
from storage.tx import Tx
from storage.why import WhyStore
from tests.contracts.world import NOW, after, push

ZONE = "Asia/Shanghai"
PLAN = """
id = "plan"
name = "计划"
[trigger]
on = "friend.added"
[audience]
include = '新人'
[[step]]
id = "one"
name = "第一天"
when = { day = 1, time = 19:30:00 }
text = "第一句"
[[step]]
id = "two"
name = "第二天"
when = { day = 2, time = 19:30:00 }
text = "第二句"
"""


@pytest.fixture
async def told(db: Database) -> int:
    """小林 walks a plan: one step was kept back and then sent, the next one missed; 阿宁 walks nothing. The message's number."""

    def furnish(connection: Connection) -> int:
        tx = Tx(connection, NOW)
        saved = tx.templates.save("plan", "计划", PLAN, by="test")
        tx.templates.publish("plan", saved.version, zone=ZONE)
        for member in ("lin", "ning"):
            tx.members.meet(member, seen_at=NOW)
        begun = Journey(
            template="plan", version=1, subject=Subject.MEMBER, whom="lin", run=1, anchor=NOW, arm="短文"
        )
        [journey] = tx.journeys.enrol([begun])
        say(connection, journey.id)
        connection.execute(update(journeys).values(goal_at=to_ms(after(days=2))))
        wait = Due(what=STEP, whom=str(journey.id), occurrence="1", at=after(days=2))
        tx.due.miss(wait, after(days=2, hours=4), "skipped", "错过了发送窗口，跳过")
        return OutboxStore(connection, NOW).recent()[0].id

    return await db.write(furnish)


def say(connection: Connection, journey: int) -> None:
    kept, sent = OutboxStore(connection, after(hours=1)), OutboxStore(connection, after(hours=9))
    kept.add(
        push(journey=journey, template="plan", template_version=1, step="one", why="「计划」的「第一天」")
    )
    [one] = kept.claim(1, channels=["group_send"], fence=1)
    kept.settle([one.id], State.WAITING, fence=1, reason="免打扰时段", due_at=after(hours=9), untried=True)
    kept.trail.messages([one.id], "免打扰时段")
    sent.claim(1, channels=["group_send"], fence=2)
    sent.settle([one.id], State.SENT, fence=2, number="msg-1")


async def test_the_newest_that_decided_is_the_line_and_everything_is_beneath(db: Database, told: int) -> None:
    because = await db.read(lambda c: WhyStore(c, after(days=3), ZONE).template("lin", "plan"))

    assert because.line == "「计划」的「第二天」跳过了：错过了发送窗口，跳过"
    assert [(mark.at, mark.what) for mark in because.trace] == [
        (NOW, "触发「计划」第 1 版，第 1 次，分到「短文」组"),
        (NOW, "在路上，下一步「第一天」"),
        (after(hours=1), "写好：「计划」的「第一天」；走群发，要员工确认，由 wang 发"),
        (after(hours=1), "免打扰时段"),
        (after(hours=9), "规则都放行，交给平台，平台编号 msg-1"),
        (after(hours=9), "平台报告送达"),
        (after(days=2), "达成了模板的目标"),
        (after(days=2, hours=4), "「第二天」跳过了：错过了发送窗口，跳过"),
    ]


async def test_a_message_has_its_own_story_and_is_told_to_nobody_else(db: Database, told: int) -> None:
    because = await db.read(lambda c: WhyStore(c, after(days=3), ZONE).message(told, "lin"))

    assert because.line.startswith("「计划」的「第一天」已送达")
    assert "免打扰时段" in [mark.what for mark in because.trace]
    with pytest.raises(NotFound):
        await db.read(lambda c: WhyStore(c, NOW, ZONE).message(told, "ning"))


async def test_who_walks_nothing_is_told_by_which_rule(db: Database, told: int) -> None:
    because = (await db.read(lambda c: WhyStore(c, NOW, ZONE).templates("ning")))["plan"]

    assert because.line == "没有进入「计划」：现在不在适用人群里"
    assert [mark.what for mark in because.trace] == ["不符合：新人"]


async def test_nobody_knows_why_of_somebody_nobody_knows(db: Database, told: int) -> None:
    for member, template in (("nobody", "plan"), ("lin", "nothing")):
        with pytest.raises(NotFound):
            await db.read(partial(_template, member, template))


def _template(member: str, template: str, connection: Connection) -> Because:
    return WhyStore(connection, NOW, ZONE).template(member, template)
