"""The ledger of sends: one effect is one row, and only its holder says what became of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar

import pytest

from sop.message import Channel, Choice, Content, Link, Message, Option
from sop.receipt import State
from storage.engine import Database
from storage.outbox import Entry, OutboxStore
from tests.contracts.world import NOW, after, message, push

T = TypeVar("T")
ALL = [str(channel) for channel in Channel]
Ledger = Callable[[OutboxStore], T]


async def write(db: Database, work: Ledger[T], *, seconds: float = 0) -> T:
    return await db.write(lambda c: work(OutboxStore(c, after(seconds=seconds))))


async def read(db: Database, work: Ledger[T], *, seconds: float = 0) -> T:
    return await db.read(lambda c: work(OutboxStore(c, after(seconds=seconds))))


async def add(db: Database, *messages: Message) -> None:
    await write(db, lambda ledger: ledger.add_all(messages))


async def claim(db: Database, *, limit: int = 10, fence: int = 1, seconds: float = 0) -> list[Entry]:
    return await write(db, lambda ledger: ledger.claim(limit, channels=ALL, fence=fence), seconds=seconds)


async def settle(db: Database, entry: Entry, state: State, *, fence: int = 1, **more: Any) -> int:
    return await write(db, lambda ledger: ledger.settle([entry.id], state, fence=fence, **more))


async def states(db: Database) -> dict[str, State]:
    entries = await read(db, lambda ledger: ledger.recent())
    return {entry.message.key: entry.state for entry in entries}


# ---------------------------------------------------------------- saying


async def test_one_effect_is_one_message_however_often_it_is_said(db: Database) -> None:
    await add(db, message("a"), message("b"))
    await add(db, message("b", content=Content("另一句")), message("c"), message("c"))

    entry = await read(db, lambda ledger: ledger.by_key("b"))
    assert set(await states(db)) == {"a", "b", "c"}
    assert entry is not None
    assert entry.message.content.text == "你好"


async def test_who_says_it_first_is_told_so(db: Database) -> None:
    told = [await write(db, lambda ledger: ledger.add(message("a"))) for _ in range(2)]

    assert told == [True, False]


async def test_a_message_comes_back_as_it_was_said(db: Database) -> None:
    content = Content(
        "投个票",
        Link("标题", "https://a/b", "说明"),
        Choice("t", "哪天？", (Option("1", "周一"), Option("2", "周二"))),
    )
    said = push(
        "p", content=content, to_member="lin", deadline=after(hours=3), not_before=after(minutes=2), template="seven",
        template_version=3, step="day1", journey=7, why="「七天」的「第一天」",
    )  # fmt: skip

    await add(db, said)

    entry = await read(db, lambda ledger: ledger.by_key("p"))
    assert entry is not None
    assert entry.message == said


# ---------------------------------------------------------------- claiming


async def test_replies_leave_before_pushes_and_older_before_newer(db: Database) -> None:
    await add(db, push("push", not_before=NOW - timedelta(hours=2)), message("reply 1"), message("reply 2"))

    claimed = await claim(db, limit=2)

    assert [entry.message.key for entry in claimed] == ["reply 1", "reply 2"]


async def test_urgency_goes_before_channel_and_age(db: Database) -> None:
    await add(
        db,
        push("old push"),
        message(
            "app",
            channel=Channel.APP,
            to_member="",
            to_staff="wang",
            sender="main",
            not_before=after(seconds=2),
        ),
        message("kf", not_before=after(seconds=1)),
        push(
            "webhook", channel=Channel.WEBHOOK, to_member="", to_group="g", not_before=NOW - timedelta(days=1)
        ),
    )

    claimed = await claim(db, seconds=5)

    assert [entry.message.key for entry in claimed] == ["kf", "app", "webhook", "old push"]


async def test_nothing_is_claimed_before_its_time_or_twice(db: Database) -> None:
    await add(db, message("now"), message("later", not_before=after(seconds=60)))

    assert [entry.message.key for entry in await claim(db)] == ["now"]
    assert await claim(db, seconds=59) == []
    assert await read(db, lambda ledger: ledger.next_at()) == after(seconds=60)
    assert [entry.message.key for entry in await claim(db, seconds=60)] == ["later"]


async def test_several_senders_never_claim_the_same(db: Database) -> None:
    await add(db, *(message(f"m{number}") for number in range(60)))

    parts = await asyncio.gather(*(claim(db, limit=7, fence=fence) for fence in range(1, 10)))

    claimed = [entry.message.key for part in parts for entry in part]
    claimed += [entry.message.key for entry in await claim(db, limit=60, fence=99)]
    assert sorted(claimed) == sorted(f"m{number}" for number in range(60))


async def test_only_the_asked_channels_are_claimed(db: Database) -> None:
    await add(db, message("kf"), push("push"))

    def only_kf(ledger: OutboxStore) -> tuple[bool, bool, list[Entry]]:
        return (
            ledger.any_waiting(["kf"]),
            ledger.any_waiting(["app"]),
            ledger.claim(9, channels=["kf"], fence=1),
        )

    kf, app, claimed = await write(db, only_kf)
    assert (kf, app, [entry.message.key for entry in claimed]) == (True, False, ["kf"])


# ---------------------------------------------------------------- what became of it


async def test_only_the_holder_says_what_became_of_a_message(db: Database) -> None:
    await add(db, message("a"))
    (entry,) = await claim(db, fence=5)

    stale = await settle(db, entry, State.SENT, fence=4)
    held = await settle(db, entry, State.SENT, fence=5, number="no-1")
    again = await settle(db, entry, State.REFUSED, fence=5)

    assert (stale, held, again) == (0, 1, 0)
    assert await states(db) == {"a": State.SENT}


async def test_what_could_not_leave_waits_again_and_was_not_an_attempt(db: Database) -> None:
    await add(db, message("a"))
    for seconds in (0, 60, 120):
        (entry,) = await claim(db, fence=1, seconds=seconds)
        await settle(db, entry, State.WAITING, reason="忙", due_at=after(seconds=seconds + 60))

    (entry,) = await claim(db, seconds=180)
    assert (entry.attempts, entry.doubt_at) == (1, None)


async def test_doubt_begins_with_the_first_unanswered_attempt(db: Database) -> None:
    await add(db, message("a"))
    for seconds in (0, 10):
        (entry,) = await claim(db, fence=1, seconds=seconds)
        await settle(db, entry, State.WAITING, due_at=NOW, doubt=True)

    (entry,) = await claim(db, seconds=20)
    assert (entry.attempts, entry.doubt_at) == (3, NOW)


async def test_what_a_dead_sender_left_belongs_to_who_takes_over(db: Database) -> None:
    await add(db, message("a"), message("b", not_before=after(seconds=60)))
    await claim(db, fence=1)
    await claim(db, fence=1, seconds=60)

    assert await read(db, lambda ledger: ledger.any_orphan(after(seconds=30)))
    (orphan,) = await write(db, lambda ledger: ledger.orphaned(after(seconds=30), fence=2))

    assert (orphan.message.key, orphan.doubt_at) == ("a", NOW)
    assert await settle(db, orphan, State.SENT) == 0
    assert await settle(db, orphan, State.UNKNOWN, fence=2) == 1


async def test_a_person_lets_an_unknown_message_be_sent_again(db: Database) -> None:
    await add(db, message("a"))
    (entry,) = await claim(db)
    await settle(db, entry, State.UNKNOWN, doubt=True)

    moved = await write(db, lambda ledger: ledger.move([entry.id], State.WAITING), seconds=600)

    (again,) = await claim(db, seconds=600)
    assert (moved, again.doubt_at, again.attempts) == (1, None, 1)


@pytest.mark.parametrize("settled", [State.SENT, State.REFUSED])
async def test_what_is_settled_is_not_sent_again(db: Database, settled: State) -> None:
    await add(db, message("a"))
    (entry,) = await claim(db)
    await settle(db, entry, settled)

    assert await write(db, lambda ledger: ledger.move([entry.id], State.WAITING)) == 0
    assert await claim(db, seconds=9999) == []


async def test_what_is_being_sent_cannot_be_moved_by_others(db: Database) -> None:
    await add(db, message("a"))
    (entry,) = await claim(db)

    assert await write(db, lambda ledger: ledger.move([entry.id], State.CANCELLED)) == 0


async def test_pushes_that_still_wait_for_somebody_are_cancelled_and_replies_stay(db: Database) -> None:
    await add(
        db,
        push("push"),
        message("reply"),
        push("other", to_member="bo"),
        push("walk", to_member="", journey=7),
    )

    await write(db, lambda ledger: ledger.cancel(member="lin", reason="已退订"))
    await write(db, lambda ledger: ledger.cancel(journey=7, reason="旅程结束"))

    found = await states(db)
    assert [key for key, state in found.items() if state is State.CANCELLED] == ["walk", "push"]


# ---------------------------------------------------------------- group-send tasks


async def test_a_task_found_after_all_takes_its_unknown_messages(db: Database) -> None:
    await add(db, push("a"))
    (entry,) = await claim(db)
    await settle(db, entry, State.UNKNOWN)

    await write(db, lambda ledger: ledger.adopt([entry.id], "task-1", reason="等待确认"))

    adopted = await read(db, lambda ledger: ledger.get(entry.id))
    assert adopted is not None
    assert (adopted.state, adopted.number) == (State.CREATED, "task-1")


async def test_every_state_is_counted(db: Database) -> None:
    await add(db, message("a"), message("b"))
    await claim(db, limit=1)

    counts = await read(db, lambda ledger: ledger.counts())

    assert counts == dict.fromkeys(map(str, State), 0) | {"waiting": 1, "sending": 1}


# ---------------------------------------------------------------- what the platform comes for


async def test_a_waiting_message_is_handed_over_once_before_its_time(db: Database) -> None:
    await add(db, message("a", not_before=after(minutes=6)))

    given = [await write(db, lambda ledger: ledger.hand_over("a", "stream-1")) for _ in range(2)]

    entry = await read(db, lambda ledger: ledger.by_key("a"))
    assert given == [True, False]
    assert entry is not None
    assert (entry.state, entry.number, entry.sent_at) == (State.SENT, "stream-1", NOW)


async def test_what_a_sender_has_in_hand_is_not_handed_over(db: Database) -> None:
    await add(db, message("a"))
    await claim(db)

    assert not await write(db, lambda ledger: ledger.hand_over("a", "stream-1"))


async def test_what_is_too_late_is_not_handed_over(db: Database) -> None:
    await add(db, message("a", deadline=after(minutes=1)))

    assert not await write(db, lambda ledger: ledger.hand_over("a", "stream-1"), seconds=60)


async def test_only_what_can_leave_from_here_is_claimed(db: Database) -> None:
    await add(
        db,
        message("a", channel=Channel.AIBOT, sender="here", to_member="", to_staff="lin"),
        message("b", channel=Channel.AIBOT, sender="elsewhere", to_member="", to_staff="lin"),
        message("c"),
    )
    silent = {str(Channel.AIBOT): ["elsewhere"]}

    claimed = await db.write(lambda c: OutboxStore(c, NOW, silent).claim(10, channels=ALL, fence=1))
    rest = await db.read(lambda c: OutboxStore(c, NOW, silent).next_at())

    assert {entry.message.key for entry in claimed} == {"a", "c"}
    assert rest is None


async def test_no_template_waits_behind_all_of_another(db: Database) -> None:
    await add(db, *(push(f"a{number}", template="a") for number in range(20)))
    await add(db, *(push(f"b{number}", template="b") for number in range(3)))

    claimed = await claim(db, limit=6)

    assert [entry.message.template for entry in claimed] == ["a", "b"] * 3
