"""Who goes first when a member's week is nearly used up: what waits, what is due soon, and what the platform still takes."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import Connection

from sop.file import read
from sop.journey import Journey
from sop.quota import Span
from sop.template import Subject, Template
from sop.timing import Later, Now, Verdict
from storage.due import STEP, Due
from storage.engine import Database
from storage.outbox import OutboxStore
from storage.policy import House, judge
from storage.tx import Tx
from tests.contracts.world import NOW, after, push

HOUSE = House(weekly_cap=1, spacing=timedelta())
PLAN = """
id = "{name}"
name = "{name}"
[trigger]
on = "friend.added"
[audience]
everyone = true
[rules]
priority = {priority}
[[step]]
id = "one"
when = {{ day = 1, time = 19:30:00 }}
text = "你好"
marketing = {marketing}
"""


def plan(name: str, priority: int, marketing: str = "true") -> str:
    return PLAN.format(name=name, priority=priority, marketing=marketing)


@pytest.fixture
async def house(db: Database) -> Database:
    """小林, a friend of 王, and two templates in force, one more important than the other."""

    def furnish(connection: Connection) -> None:
        tx = Tx(connection, NOW)
        tx.members.meet("lin", seen_at=NOW)
        tx.members.befriend("lin", "wang", since=NOW)
        for name, priority in (("low", -1), ("high", 3)):
            tx.templates.save(name, name, plan(name, priority), by="su")
            tx.templates.publish(name, 1, zone=HOUSE.zone)

    await db.write(furnish)
    return db


def asked(connection: Connection, *names: str, house: House = HOUSE) -> dict[str, Verdict]:
    """What the gate says of a message of each of these templates, claimed together."""
    tx = Tx(connection, NOW)
    tx.outbox.add_all([push(f"{name}1", template=name, template_version=1, step="one") for name in names])
    claimed = OutboxStore(connection, NOW).claim(10, channels=["group_send"], fence=1)
    verdicts = judge(connection, claimed, NOW, house, tx.templates.read)
    return {entry.message.template: verdict for entry, verdict in verdicts}


def begin(connection: Connection, name: str, hours: float) -> None:
    """小林 is on this template, whose step is due in so many hours."""
    tx = Tx(connection, NOW)
    one = Journey(template=name, version=1, subject=Subject.MEMBER, whom="lin", run=1, anchor=NOW)
    [begun] = tx.journeys.enrol([one])
    tx.due.add(Due(what=STEP, whom=str(begun.id), occurrence="0", at=after(hours=hours), version=1))


async def test_of_two_at_once_the_more_important_goes_first(house: Database) -> None:
    verdicts = await house.write(lambda c: asked(c, "low", "high"))

    assert verdicts["high"] == Now()
    assert isinstance(verdicts["low"], Later)


@pytest.mark.parametrize(("hours", "gives_way"), [(5, True), (23.9, True), (24.1, False)])
async def test_the_less_important_waits_for_what_is_due_within_a_day(
    house: Database, hours: float, gives_way: bool
) -> None:
    def ask(connection: Connection) -> Verdict:
        begin(connection, "high", hours)
        return asked(connection, "low")["low"]

    verdict = await house.write(ask)

    assert isinstance(verdict, Later) == gives_way
    assert not gives_way or "先留给更重要的「high」" in getattr(verdict, "reason", "")


async def test_the_more_important_waits_for_nobody(house: Database) -> None:
    def ask(connection: Connection) -> Verdict:
        begin(connection, "low", 1)
        return asked(connection, "high")["high"]

    assert await house.write(ask) == Now()


async def test_what_waits_to_be_sent_is_given_way_to(house: Database) -> None:
    def ask(connection: Connection) -> Verdict:
        soon = push("soon", template="high", template_version=1, step="one", not_before=after(hours=2))
        Tx(connection, NOW).outbox.add(soon)
        return asked(connection, "low")["low"]

    assert isinstance(await house.write(ask), Later)


async def test_nobody_gives_way_to_what_is_paused_or_no_promotion(house: Database) -> None:
    def ask(connection: Connection) -> tuple[Verdict, Verdict]:
        tx = Tx(connection, NOW)
        begin(connection, "high", 1)
        tx.pauses.pause("high", "su")
        paused = asked(connection, "low")["low"]
        tx.pauses.resume("high")
        tx.templates.save("high", "high", plan("high", 3, "false"), by="su")
        notice: Template = read(plan("high", 3, "false"))
        claimed = [tx.outbox.by_key("low1")]
        verdicts = judge(
            connection,
            [entry for entry in claimed if entry],
            NOW,
            HOUSE,
            lambda name, version: notice if name == "high" else tx.templates.read(name, version),
        )
        return paused, verdicts[0][1]

    assert await house.write(ask) == (Now(), Now())


async def test_what_the_platform_takes_in_a_day_is_kept_to(house: Database) -> None:
    tight = House(weekly_cap=None, spacing=timedelta(), group_send_limit=Span.DAY)

    verdicts = await house.write(lambda c: asked(c, "high", "low", house=tight))

    assert verdicts["high"] == Now()
    assert isinstance(verdicts["low"], Later)
    assert verdicts["low"].until == NOW + timedelta(days=1)
    assert "平台的发送额度已用完" in verdicts["low"].reason
