"""The trail: what was decided on the way, once for as long as it holds, and forgotten after its days."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event, func, select

import storage.trail
from handlers import day
from handlers.context import Context, Settings
from handlers.reaction import react
from handlers.router import Switchboard
from sop.receipt import State
from sop.update import ClockTicked
from storage.engine import Connection, Database
from storage.outbox import OutboxStore
from storage.tables import trail
from storage.trail import TrailStore
from storage.tx import Tx
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


async def test_a_trail_is_found_by_its_index_however_long_it_is(sqlite: Database) -> None:
    asked: list[str] = []

    def ask(connection: Connection) -> None:
        raw = connection.connection.dbapi_connection
        assert raw is not None
        with listening(connection) as statements:
            TrailStore(connection, NOW).of_messages([1])
            TrailStore(connection, NOW).of_journey(1)
        for words, given in statements:
            asked.extend(row[3] for row in raw.execute(f"EXPLAIN QUERY PLAN {words}", given))

    await sqlite.read(ask)

    assert [line.split(" (")[0] for line in asked if "SEARCH" in line or "SCAN" in line] == [
        "SEARCH trail USING INDEX ix_trail_message",
        "SEARCH trail USING INDEX ix_trail_journey",
    ]


@contextmanager
def listening(connection: Connection) -> Iterator[list[tuple[str, Any]]]:
    """What is asked of the database meanwhile, with its values."""
    heard: list[tuple[str, Any]] = []

    def hear(conn: Any, cursor: Any, words: str, given: Any, *more: Any) -> None:
        heard.append((words, given))

    event.listen(connection, "before_cursor_execute", hear)
    try:
        yield heard
    finally:
        event.remove(connection, "before_cursor_execute", hear)


async def test_the_day_s_housekeeping_forgets_what_is_older_than_the_setting(db: Database) -> None:
    def tick(connection: Connection) -> None:
        TrailStore(connection, after(days=-31)).messages([1], "很久以前")
        TrailStore(connection, after(days=-29)).messages([2], "不久以前")
        told = ClockTicked(at=NOW, id="tick", name="day", slot=NOW)
        settings = Settings(trail_days=30)
        react(
            told,
            Tx(connection, NOW),
            Switchboard([day.router]),
            lambda one, tx: Context(tx, tx.now, settings, str, float, one),
        )

    await db.write(tick)

    assert list(await db.read(lambda c: TrailStore(c, NOW).of_messages([1, 2]))) == [2]
