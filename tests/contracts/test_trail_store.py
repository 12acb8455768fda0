"""The trail: what was decided on the way, once for as long as it holds, and forgotten after its days."""

from __future__ import annotations

from sqlalchemy import func, select

import storage.trail
from sop.receipt import State
from storage.engine import Connection, Database
from storage.outbox import OutboxStore
from storage.tables import trail
from storage.trail import TrailStore
from tests.contracts.world import NOW, after, push


async def test_what_was_decided_comes_back_in_order_each_with_its_message(db: Database) -> None:
    await db.write(lambda c: TrailStore(c, NOW).messages([1, 2], "免打扰"))
    await db.write(lambda c: TrailStore(c, after(hours=1)).messages([1], "额度已用完"))
    await db.write(lambda c: TrailStore(c, NOW).journeys([(1, "走了另一条路")]))

    found = await db.read(lambda c: TrailStore(c, NOW).of_messages([1, 2, 3]))
    walked = await db.read(lambda c: TrailStore(c, NOW).of_journey(1))

    assert [(mark.at, mark.what) for mark in found[1]] == [(NOW, "免打扰"), (after(hours=1), "额度已用完")]
    assert [mark.what for mark in found[2]] == ["免打扰"]
    assert 3 not in found
    assert [mark.what for mark in walked] == ["走了另一条路"]


async def test_what_has_had_its_time_is_forgotten_in_pieces(db: Database, monkeypatch: object) -> None:
    await db.write(lambda c: TrailStore(c, after(days=-9)).messages(range(1, 8), "早就过去了"))
    await db.write(lambda c: TrailStore(c, NOW).messages([8], "刚刚"))
    storage.trail.FORGOTTEN_AT_ONCE, usual = 5, storage.trail.FORGOTTEN_AT_ONCE
    try:
        whole = [await db.write(lambda c: TrailStore(c, NOW).forget(after(days=-1))) for _ in range(2)]
    finally:
        storage.trail.FORGOTTEN_AT_ONCE = usual

    assert whole == [False, True]
    assert await db.read(_count) == 1


async def test_what_is_taken_out_of_the_ledger_leaves_no_trail_for_its_number(db: Database) -> None:
    def unsay(connection: Connection) -> None:
        store = OutboxStore(connection, NOW)
        store.add(push(journey=7, step="one"))
        store.trail.messages([entry.id for entry in store.recent()], "免打扰")
        store.unsay([7])

    await db.write(unsay)

    assert await db.read(_count) == 0


async def test_what_is_settled_says_when_and_what_waits_again_does_not(db: Database) -> None:
    def settle(connection: Connection) -> list[object]:
        store = OutboxStore(connection, NOW)
        store.add_all([push("a"), push("b", to_member="bo"), push("c", to_member="zhou")])
        a, b, c = (entry.id for entry in store.claim(9, channels=["group_send"], fence=1))
        late = OutboxStore(connection, after(hours=1))
        late.settle([a], State.SENT, fence=1)
        late.settle([b], State.REFUSED, fence=1, reason="对方已退订", untried=True)
        late.settle([c], State.WAITING, fence=1, reason="免打扰")
        return [(entry.settled_at, entry.attempts) for entry in store.several([a, b, c])]

    assert await db.write(settle) == [(after(hours=1), 1), (after(hours=1), 0), (None, 0)]


def _count(connection: Connection) -> int:
    return connection.scalar(select(func.count()).select_from(trail)) or 0
