"""The inbox: what the platform told us, stored before it is acknowledged, handled once, parked when it cannot be.

Rows of one lane (a member, a group) are handled in the order they came; lanes fall into shards, and
a worker leases shards.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import zlib
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, Select, delete, func, literal_column, select, update

from sop.packed import to_plain
from sop.update import Update
from storage.engine import Database, insert_new
from storage.instant import from_ms, to_ms
from storage.tables import inbox

SHARDS = 16
WAITING, DONE, PARKED = 0, 1, 2
SELF = "self"  # the door of what we tell ourselves: the clock, answers to our questions, pages
_CREATED = re.compile(rb"<CreateTime>(\d{1,11})</CreateTime>")
# spelt out, not bound: a partial index serves only a query that repeats its words
_IS_WAITING = inbox.c.state == literal_column(str(WAITING))
_IS_RETRIED = inbox.c.retry_at > literal_column("0")
TURNS, ENOUGH = 4, 128  # a request needs three turns of the loop from its socket to the intake
RETRY_AFTER = (timedelta(seconds=1), timedelta(seconds=5), timedelta(seconds=30))


class Knock(NamedTuple):
    """One thing that arrived at a door, not yet understood."""

    key: bytes
    door: str
    body: bytes
    lane: str
    received_at: datetime


@dataclass(frozen=True)
class Waiting:
    """A stored knock, waiting to be handled."""

    id: int
    key: bytes
    door: str
    body: bytes
    lane: str
    shard: int
    attempts: int
    received_at: datetime
    error: str = ""

    @property
    def identity(self) -> str:
        """The identity an update made from this carries: the same fact has the same."""
        return self.key.hex()


def key_of(corp: str, door: str, body: bytes) -> bytes:
    """The identity of a fact: what was said, at which door, of which corp; never who and when.

    It begins with the second the body itself names, so that what arrives together lies together in the index.
    """
    created = _CREATED.search(body)
    second = int(created[1]).to_bytes(5, "big") if created else bytes(5)
    return second + hashlib.sha256(b"\0".join((corp.encode(), door.encode(), body))).digest()[:27]


def knock_of(update: Update, *, lane: str, now: datetime, named: bool = False) -> Knock:
    """Our own update as the inbox keeps it; equal updates have equal keys.

    ``named``: its id is the platform's own, and one id is one fact, whatever else we read out of it today.
    """
    body = json.dumps(to_plain(update), ensure_ascii=False, sort_keys=True).encode()
    said = update.id.encode() if named and update.id else body
    return Knock(key=key_of("", SELF, said), door=SELF, body=body, lane=lane, received_at=now)


def knock_at(door: str, body: bytes, now: datetime) -> Knock:
    """Something we fetched and could not read, under the name it will be read by."""
    return Knock(key=key_of("", door, body), door=door, body=body, lane=door, received_at=now)


def shard_of(lane: str) -> int:
    return zlib.crc32(lane.encode()) % SHARDS


def insert(connection: Connection, knocks: Sequence[Knock]) -> None:
    """Store what is new; what is already there stays as it is."""
    if knocks:
        insert_new(connection, inbox, _rows(knocks), "key")


def lay_aside(connection: Connection, knocks: Sequence[tuple[Knock, str]]) -> None:
    """Store what could not be read, with the reason, as parked; what is already there stays as it is."""
    rows = _rows([knock for knock, _ in knocks])
    for row, (_, reason) in zip(rows, knocks, strict=True):
        row |= {"state": PARKED, "error": reason[:2000]}
    if rows:
        insert_new(connection, inbox, rows, "key")


def _rows(knocks: Sequence[Knock]) -> list[dict[str, Any]]:
    return [
        {
            "key": knock.key,
            "door": knock.door,
            "body": knock.body,
            "lane": knock.lane,
            "shard": shard_of(knock.lane),
            "received_at": to_ms(knock.received_at),
        }
        for knock in knocks
    ]


def waiting(connection: Connection, shards: Collection[int], now: datetime, limit: int) -> list[Waiting]:
    """The oldest rows that may be handled now; a lane that must wait for a retry waits whole."""
    rows = connection.execute(
        select(inbox)
        .where(_IS_WAITING, inbox.c.shard.in_(shards), inbox.c.lane.not_in(_held_up(now)))
        .order_by(inbox.c.id)
        .limit(limit)
    )
    return [_waiting(row) for row in rows]


def shards_with_work(connection: Connection, now: datetime) -> set[int]:
    """Where something may be handled now."""
    ready = select(inbox.c.shard).where(_IS_WAITING, inbox.c.lane.not_in(_held_up(now)))
    return set(connection.scalars(ready.distinct()))


def _held_up(now: datetime) -> Select[tuple[str]]:
    return select(inbox.c.lane).where(_IS_WAITING, _IS_RETRIED, inbox.c.retry_at > to_ms(now))


def next_retry(connection: Connection) -> datetime | None:
    """When the next row that failed wants to be tried again, else at once; None when nothing waits."""
    at = connection.scalar(select(func.min(inbox.c.retry_at)).where(_IS_WAITING, _IS_RETRIED))
    if at is None:
        at = connection.scalar(select(inbox.c.retry_at).where(_IS_WAITING).limit(1))
    return None if at is None else from_ms(at)


def done(connection: Connection, ids: Iterable[int]) -> None:
    connection.execute(update(inbox).where(inbox.c.id.in_(list(ids))).values(state=DONE, error=None))


def failed(connection: Connection, row: Waiting, error: str, now: datetime) -> bool:
    """Try again later, or park it; True when parked. A parked row stops nobody behind it."""
    parked = row.attempts >= len(RETRY_AFTER)
    retry_at = 0 if parked else to_ms(now + RETRY_AFTER[row.attempts])
    connection.execute(
        update(inbox)
        .where(inbox.c.id == row.id, inbox.c.state == WAITING)
        .values(
            state=PARKED if parked else WAITING,
            attempts=row.attempts + 1,
            retry_at=retry_at,
            error=error[:2000],
        )
    )
    return parked


def park(connection: Connection, row: Waiting, error: str) -> None:
    """Put aside at once what no retry can mend."""
    connection.execute(
        update(inbox)
        .where(inbox.c.id == row.id, inbox.c.state == WAITING)
        .values(state=PARKED, attempts=row.attempts + 1, error=error[:2000])
    )


def parked(connection: Connection, limit: int = 100) -> list[Waiting]:
    rows = connection.execute(
        select(inbox).where(inbox.c.state == PARKED).order_by(inbox.c.id.desc()).limit(limit)
    )
    return [_waiting(row) for row in rows]


def drop_parked(connection: Connection, door: str) -> int:
    """Forget what was parked at a door, since it is about to come again."""
    result = connection.execute(delete(inbox).where(inbox.c.state == PARKED, inbox.c.door == door))
    return result.rowcount


def replay(connection: Connection, row_id: int) -> bool:
    """Let a parked row be handled again; False when there is none."""
    result = connection.execute(
        update(inbox)
        .where(inbox.c.id == row_id, inbox.c.state == PARKED)
        .values(state=WAITING, attempts=0, retry_at=0)
    )
    return bool(result.rowcount)


def counts(connection: Connection) -> dict[str, int]:
    """How many wait, are done and are parked."""
    names = {WAITING: "waiting", DONE: "done", PARKED: "parked"}
    found = connection.execute(select(inbox.c.state, func.count()).group_by(inbox.c.state))
    return dict.fromkeys(names.values(), 0) | {names[state]: count for state, count in found}


def state_of(connection: Connection, key: bytes) -> tuple[int, datetime] | None:
    """Whether one thing waits, is done or is parked, and when it arrived; None when it never did."""
    row = connection.execute(select(inbox.c.state, inbox.c.received_at).where(inbox.c.key == key)).first()
    return None if row is None else (row.state, from_ms(row.received_at))


def forget(connection: Connection, before: datetime) -> int:
    """Drop handled rows received before an instant; the freshness limit at the door must be shorter than this."""
    result = connection.execute(
        delete(inbox).where(inbox.c.state == DONE, inbox.c.received_at < to_ms(before))
    )
    return result.rowcount


def _waiting(row: Row[Any]) -> Waiting:
    return Waiting(
        id=row.id,
        key=row.key,
        door=row.door,
        body=row.body,
        lane=row.lane,
        shard=row.shard,
        attempts=row.attempts,
        received_at=from_ms(row.received_at),
        error=row.error or "",
    )


class Intake:
    """Group commit for knocks: whoever arrives while a commit runs shares the next one. Nobody waits for a timer."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._pending: list[tuple[Callable[[], Knock], asyncio.Future[None]]] = []
        self._flushing: asyncio.Task[None] | None = None

    async def put(self, make: Callable[[], Knock]) -> None:
        """Return when the knock is on disk; raise when it is not, or what ``make`` raises.

        Knocks that share a commit are made in one go: opening them one after another costs half of opening each by itself.
        """
        stored: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._pending.append((make, stored))
        if self._flushing is None:
            self._flushing = asyncio.create_task(self._flush())
        await stored

    async def _flush(self) -> None:
        try:
            while self._pending:
                await self._gather()
                batch, self._pending = self._pending, []
                await self._store(batch)
        finally:
            self._flushing = None

    async def _gather(self) -> None:
        """Let those come in who stand at the door already: a commit costs the same for one and for a hundred."""
        turns, gathered = 0, len(self._pending)
        while turns < TURNS and gathered < ENOUGH:
            await asyncio.sleep(0)
            turns = 0 if len(self._pending) > gathered else turns + 1
            gathered = len(self._pending)

    async def _store(self, batch: list[tuple[Callable[[], Knock], asyncio.Future[None]]]) -> None:
        knocks, waiting = list[Knock](), list[asyncio.Future[None]]()
        for make, stored in batch:
            try:
                knocks.append(make())
                waiting.append(stored)
            except Exception as error:  # its own caller says what becomes of it
                _settle([stored], error)
        if knocks:
            try:
                await self._db.store_new(inbox, _rows(knocks), "key")
            except Exception as error:  # every caller must learn that nothing was stored
                _settle(waiting, error)
            else:
                _settle(waiting, None)


def _settle(futures: Iterable[asyncio.Future[None]], error: Exception | None) -> None:
    for future in futures:
        if future.done():  # its caller hung up
            continue
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error)
