"""What was decided on the way, where the row it is about says something else by now: append-only, forgotten after its days.

A row is written when a verdict changes, never when the same one is found again. What a message or a journey is in the end,
and since when, its own row says.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, delete, insert, literal, literal_column, select

from sop.why import Mark
from storage.instant import from_ms, to_ms
from storage.tables import outbox, trail

FORGOTTEN_AT_ONCE = 5000  # rows in one transaction
# spelt out, not bound: a partial index serves only a query that repeats its words
_OF_MESSAGE = trail.c.message > literal_column("0")
_OF_JOURNEY = trail.c.message == literal_column("0")


class TrailStore:
    def __init__(self, connection: Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    # ------------------------------------------------------------ writing

    def messages(self, ids: Iterable[int], what: str) -> None:
        """The same was decided about each of these messages."""
        self._write([{"message": id_, "journey": 0, "what": what} for id_ in ids], self._now)

    def messages_of(self, *where: ColumnElement[bool], what: str) -> None:
        """The same, of all messages of the ledger of whom this holds now."""
        rows = select(outbox.c.id, literal(what), literal(to_ms(self._now))).where(*where)
        self._connection.execute(insert(trail).from_select(["message", "what", "decided_at"], rows))

    def journeys(self, decided: Iterable[tuple[int, str]], *, at: datetime | None = None) -> None:
        """What was decided about each of these journeys."""
        rows = [{"message": 0, "journey": id_, "what": what} for id_, what in decided]
        self._write(rows, at or self._now)

    def _write(self, rows: list[dict[str, Any]], at: datetime) -> None:
        if rows:
            self._connection.execute(insert(trail), [row | {"decided_at": to_ms(at)} for row in rows])

    # ------------------------------------------------------------ reading

    def of_messages(self, ids: Collection[int]) -> Mapping[int, list[Mark]]:
        """What was decided about each of these, in the order of time."""
        rows = self._connection.execute(
            select(trail).where(_OF_MESSAGE, trail.c.message.in_(ids)).order_by(trail.c.id)
        )
        found: dict[int, list[Mark]] = {}
        for row in rows:
            found.setdefault(row.message, []).append(Mark(from_ms(row.decided_at), row.what))
        return found

    def of_journey(self, journey: int) -> list[Mark]:
        rows = self._connection.execute(
            select(trail).where(_OF_JOURNEY, trail.c.journey == journey).order_by(trail.c.id)
        )
        return [Mark(from_ms(row.decided_at), row.what) for row in rows]

    # ------------------------------------------------------------ forgetting

    def drop(self, messages: Collection[int]) -> None:
        """These messages are taken out of the ledger, as if they had never been."""
        self._connection.execute(delete(trail).where(_OF_MESSAGE, trail.c.message.in_(messages)))

    def forget(self, before: datetime) -> bool:
        """Drop what was decided before an instant; False while more is left."""
        old = select(trail.c.id).where(trail.c.decided_at < to_ms(before)).limit(FORGOTTEN_AT_ONCE)
        gone = self._connection.execute(delete(trail).where(trail.c.id.in_(old))).rowcount
        return gone < FORGOTTEN_AT_ONCE
