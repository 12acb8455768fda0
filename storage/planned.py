"""Messages that are planned and have no words yet: whom a step is said to is settled by set, what it says is found afterwards."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, and_, bindparam, delete, literal_column, select, update

from sop.message import Message
from sop.receipt import State
from storage.among import among
from storage.instant import from_ms
from storage.outbox import row_of
from storage.tables import outbox


@dataclass(frozen=True)
class Planned:
    """A message whose words are still to be found: the step it is, and when that was due."""

    id: int
    journey: int
    template: str
    version: int
    step: str
    due: datetime


_IS_PLANNED = outbox.c.state == literal_column(f"'{State.PLANNED}'")
_FIRST = (
    select(*(outbox.c[name] for name in ("id", "journey", "template", "version", "step", "due_at")))
    .where(_IS_PLANNED)
    .order_by(outbox.c.id)
)
# what is known only together with the words
WORDED = (
    "channel", "sender", "member", "staff", "group_id", "content", "digest", "urgent", "marketing", "welcome_code",
    "why", "due_at", "deadline_at",
)  # fmt: skip
_WORD = (
    update(outbox)
    .where(outbox.c.id == bindparam("id_"), _IS_PLANNED)
    .values(state=str(State.WAITING), **{name: bindparam(f"{name}_") for name in WORDED})
)


class PlannedStore:
    def __init__(self, connection: Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def first(self, limit: int) -> list[Planned]:
        """What still wants its words, in the order in which it was planned."""
        rows = self._connection.execute(_FIRST.limit(limit))
        return [
            Planned(row.id, row.journey, row.template, row.version, row.step, from_ms(row.due_at))
            for row in rows
        ]

    def awaited(self, journeys: Collection[int]) -> set[int]:
        """Which of these journeys have something to say whose words are still to be found."""
        rows = self._connection.execute(
            select(outbox.c.journey, outbox.c.state).where(among(outbox.c.journey, journeys))
        )
        return {row.journey for row in rows if row.state == State.PLANNED}

    def word(self, messages: Mapping[int, Message]) -> None:
        """These have their words now and wait to be sent; one that is no longer planned stays as it is."""
        if messages:
            rows = [self._words(id_, message) for id_, message in messages.items()]
            self._connection.execute(_WORD, rows)

    def drop(self, ids: Collection[int]) -> None:
        """Take out what turned out to say nothing."""
        if ids:
            self._connection.execute(delete(outbox).where(and_(outbox.c.id.in_(ids), _IS_PLANNED)))

    def still(self, ids: Collection[int]) -> set[int]:
        """Which of these are planned still; the others were cancelled, or have their words."""
        rows = self._connection.execute(select(outbox.c.id, outbox.c.state).where(among(outbox.c.id, ids)))
        return {row.id for row in rows if row.state == State.PLANNED}

    def _words(self, id_: int, message: Message) -> dict[str, Any]:
        row = row_of(message, self._now)
        return {"id_": id_} | {f"{name}_": row[name] for name in WORDED}
