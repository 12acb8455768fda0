"""The policy gate with what storage knows: who may be sent what now, in few questions however many are asked about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, time, timedelta
from typing import Any

import pytest
from sqlalchemy import event

from sop.file import read
from sop.message import Message
from sop.receipt import State
from sop.template import Template
from sop.timing import Later, Never, Now, QuietHours, Verdict
from storage.engine import Connection, Database
from storage.outbox import OutboxStore
from storage.policy import House, judge, quota_name
from storage.position import write_position
from storage.tx import Tx
from tests.contracts.world import NOW, after, message, push

HOUSE = House(weekly_cap=2, quiet=QuietHours(time(22), time(8)), spacing=timedelta(minutes=30))
PLAN = read(
    """
id = "plan"
name = "计划"
[trigger]
on = "friend.added"
[audience]
everyone = true
[rules]
weekly_cap = 5
[[step]]
id = "one"
when = { day = 1, time = 19:30:00 }
text = "你好"
"""
)


def nobody(template: str, version: int) -> Template | None:
    return None


@pytest.fixture
async def house(db: Database) -> Database:
    """小林 and 阿宁, friends of 王, and a group of 王's."""

    def furnish(connection: Connection) -> None:
        tx = Tx(connection, NOW)
        for member in ("lin", "ning"):
            tx.members.meet(member, seen_at=NOW)
            tx.members.befriend(member, "wang", since=NOW)
        tx.groups.meet("g", name="新手答疑群")
        tx.groups.describe("g", owner="wang")

    await db.write(furnish)
    return db


async def verdicts(
    db: Database, *messages: Message, now: datetime = NOW, house: House = HOUSE
) -> list[Verdict]:
    """What the gate says of these messages, asked at once as the sender does."""

    def ask(connection: Connection) -> list[Verdict]:
        store = OutboxStore(connection, now)
        store.add_all(messages)
        channels = {str(one.channel) for one in messages}
        claimed = sorted(store.claim(100, channels=channels, fence=1), key=lambda entry: entry.id)
        return [verdict for _, verdict in judge(connection, claimed, now, house, nobody)]

    return await db.write(ask)


async def sent(db: Database, *messages: Message, ago: timedelta) -> None:
    """These reached somebody a while ago."""

    def send(connection: Connection) -> None:
        store = OutboxStore(connection, NOW - ago)
        store.add_all(messages)
        claimed = store.claim(100, channels={str(one.channel) for one in messages}, fence=1)
        store.settle([entry.id for entry in claimed], State.SENT, fence=1)

    await db.write(send)


async def test_a_friend_of_the_sender_may_be_written_to(house: Database) -> None:
    assert await verdicts(house, push()) == [Now()]


async def test_who_said_no_gets_no_push_but_every_answer(house: Database) -> None:
    await house.write(lambda c: Tx(c, NOW).consent.decide("lin", False, channel="kf"))

    asked = await verdicts(house, push(), push("p2", to_member="ning"), message())

    assert asked == [Never("对方已退订，不再发送推送"), Now(), Now()]


@pytest.mark.parametrize("change", ["lost", "half", "of somebody else"])
async def test_only_a_whole_friend_of_the_sender_can_be_reached(house: Database, change: str) -> None:
    def happen(connection: Connection) -> None:
        members = Tx(connection, NOW).members
        members.unfriend("lin", "wang", "member", NOW)
        if change == "half":
            members.befriend("lin", "wang", half=True, since=NOW)
        if change == "of somebody else":
            members.befriend("lin", "su", since=NOW)

    await house.write(happen)

    assert await verdicts(house, push()) == [Never("对方已退群或不再是好友，发不到了")]


async def test_a_dismissed_group_is_not_sent_to(house: Database) -> None:
    to_group = push(to_member="", to_group="g")
    alive = await verdicts(house, to_group)

    await house.write(lambda c: Tx(c, NOW).groups.dismiss("g"))

    assert alive == [Now()]
    assert await verdicts(house, replace(to_group, key="p2")) == [Never("对方已退群或不再是好友，发不到了")]


async def test_the_week_s_budget_counts_what_was_sent_in_seven_days(house: Database) -> None:
    await sent(house, push("a"), ago=timedelta(days=6))
    await sent(house, push("b"), ago=timedelta(days=7, seconds=1))

    allowed = await verdicts(house, push("c"))
    await sent(house, push("d"), ago=timedelta(days=5))
    too_many = (await verdicts(house, push("e")))[0]

    assert allowed == [Now()]
    assert isinstance(too_many, Later)
    assert "每周 2 条的上限" in too_many.reason


async def test_replies_and_notices_count_against_no_budget(house: Database) -> None:
    await sent(house, message("a"), message("b"), ago=timedelta(days=1))
    await sent(house, push("c", marketing=False), push("d", marketing=False), ago=timedelta(days=1))

    assert await verdicts(house, push()) == [Now()]


async def test_a_template_s_own_cap_comes_before_the_house_s(house: Database) -> None:
    await sent(house, push("a"), push("b"), ago=timedelta(days=1))

    def ask(connection: Connection) -> Sequence[Verdict]:
        store = OutboxStore(connection, NOW)
        store.add(push("c", template="plan", template_version=1, step="one"))
        claimed = store.claim(10, channels=["group_send"], fence=1)
        return [verdict for _, verdict in judge(connection, claimed, NOW, HOUSE, lambda *_: PLAN)]

    assert await house.write(ask) == [Now()]


async def test_two_at_once_to_the_same_person_are_not_both_let_through(house: Database) -> None:
    first, second, other = await verdicts(house, push("a"), push("b"), push("c", to_member="ning"))

    assert (first, other) == (Now(), Now())
    assert second == Later(after(minutes=30), "离上一条太近，3月5日 周四 19:30 再发")


async def test_the_night_is_left_alone(house: Database) -> None:
    (asked,) = await verdicts(house, push(), now=after(hours=4))

    assert asked == Later(after(hours=13), "免打扰时段，等到 3月6日 周五 08:00")


async def test_what_would_only_be_late_is_not_said_at_all(house: Database) -> None:
    (asked,) = await verdicts(house, push(deadline=after(hours=5)), now=after(hours=4))

    assert isinstance(asked, Never)
    assert "而发送时限是 3月6日 周五 00:00，所以不发了" in asked.reason


async def test_whose_month_is_used_up_waits_for_the_next(house: Database) -> None:
    ends = after(days=26)
    await house.write(lambda c: write_position(c, quota_name("lin"), ends.isoformat()))

    full, free = await verdicts(house, push("a"), push("b", to_member="ning"))

    assert isinstance(full, Later)
    assert full.until == ends
    assert free == Now()


async def test_a_notice_holds_up_no_push_beside_it(house: Database) -> None:
    asked = await verdicts(house, push("a", marketing=False), push("b"))

    assert asked == [Now(), Now()]


async def test_a_hundred_are_judged_with_no_more_questions_than_one(sqlite: Database) -> None:
    one = await sqlite.write(lambda c: questions(c, 1))
    many = await sqlite.write(lambda c: questions(c, 100))

    assert many == one


def questions(connection: Connection, messages: int) -> int:
    """How many statements it takes to judge so many messages to as many people."""
    tx = Tx(connection, NOW)
    asked: list[Any] = []
    people = [f"m{messages}.{number}" for number in range(messages)]
    for person in people:
        tx.members.befriend(person, "wang", since=NOW)
    tx.outbox.add_all([push(person, to_member=person) for person in people])
    claimed = tx.outbox.claim(messages, channels=["group_send"], fence=1)
    event.listen(connection, "before_cursor_execute", lambda *about: asked.append(about))
    judge(connection, claimed, NOW, HOUSE, nobody)
    return len(asked)
