"""Group-send tasks in memory: what waits for a tap, to whom, and what is still to be heard."""

from __future__ import annotations

import pytest

from sop.receipt import State
from storage.engine import Connection, Database
from storage.outbox import OutboxStore
from storage.task import Task, TaskStore
from tests.contracts.world import NOW, after, push

OPENED = Task("task-1", "wang", False, State.CREATED, NOW)


@pytest.fixture
async def made(db: Database) -> list[int]:
    """A task of three, which waits for its sender; the ids of its messages."""

    def make(connection: Connection) -> list[int]:
        ledger = OutboxStore(connection, NOW)
        for whom, hours in (("lin", 1), ("bo", 2), ("zhou", 3)):
            ledger.add(push(whom, to_member=whom, deadline=after(hours=hours)))
        ids = [entry.id for entry in ledger.claim(9, channels=["group_send"], fence=1)]
        ledger.settle(ids, State.CREATED, fence=1, number="task-1")
        TaskStore(connection).open(OPENED)
        return ids

    return await db.write(make)


async def test_a_task_waits_for_its_sender_and_holds_its_messages(db: Database, made: list[int]) -> None:
    await db.write(lambda c: TaskStore(c).open(OPENED))

    tasks = await db.read(lambda c: TaskStore(c).unfinished())
    two = await db.read(lambda c: TaskStore(c).to("task-1", ["lin", "zhou", "nobody"]))

    assert tasks == [OPENED]
    assert [entry.recipient for entry in two] == ["lin", "zhou"]
    assert await db.read(lambda c: TaskStore(c).size("task-1")) == 3
    assert await db.read(lambda c: TaskStore(c).last_deadline("task-1")) == after(hours=3)


async def test_a_closed_task_is_not_asked_about_again(db: Database, made: list[int]) -> None:
    await db.write(lambda c: TaskStore(c).close("task-1", State.SENT, NOW))

    assert await db.read(lambda c: TaskStore(c).unfinished()) == []


async def test_of_whom_nothing_more_is_heard_is_settled(db: Database, made: list[int]) -> None:
    await db.write(lambda c: OutboxStore(c, NOW).move(made[:1], State.SENT))

    assert await db.read(lambda c: TaskStore(c).settled("task-1")) == {"lin"}
    assert await db.read(lambda c: TaskStore(c).states("task-1")) == {State.SENT, State.CREATED}


async def test_a_task_taken_back_waits_anew_for_those_in_their_window_only(
    db: Database, made: list[int]
) -> None:
    noon = after(hours=2)

    again = await db.write(
        lambda c: TaskStore(c).move("task-1", State.CREATED, State.WAITING, "重新建任务", noon, alive_at=noon)
    )

    left = await db.read(lambda c: OutboxStore(c, noon).recent(states=[State.WAITING]))
    assert again == 1
    assert [(entry.recipient, entry.due_at, entry.attempts) for entry in left] == [("zhou", noon, 0)]
