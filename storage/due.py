"""The one due table: every wait of the product is a row, unique by what, whom and occurrence."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, literal_column, select, union, update

from storage.engine import can_skip_locked, insert_into, insert_new
from storage.instant import from_ms, to_ms
from storage.tables import due, missed

STEP = (
    "step"  # the wait for a journey's next step; steps are planned in sets, other waits are told one by one
)
DECIDING = "?"  # behind the number of a step: the wait for what the member does after it
HELD = "held"  # a step of a template that is paused: it is due again when the template goes on
# spelt out, not bound: a partial index serves only a query that repeats its words
_IS_STEP = due.c.what == literal_column(f"'{STEP}'")
_IS_OTHER = due.c.what.not_in([literal_column(f"'{STEP}'"), literal_column(f"'{HELD}'")])


@dataclass(frozen=True, kw_only=True)
class Due:
    """Something to do at an instant, for somebody, once for each occurrence."""

    what: str
    whom: str
    occurrence: str
    at: datetime
    version: int = 0
    data: dict[str, Any] = field(default_factory=dict)
    id: int = 0


class DueStore:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, *waits: Due) -> None:
        """Note waits; one already noted stays as it is."""
        if waits:
            insert_new(self._connection, due, [_row(wait) for wait in waits], "what", "whom", "occurrence")

    # ------------------------------------------------------------ steps

    def turns(self, now: datetime, since: tuple[datetime, int] | None = None) -> list[int]:
        """The steps whose turn has come, in the order in which they are kept.

        With ``since``, only what was due after that instant, or was noted after that row.
        """
        turns = select(due.c.id).where(_IS_STEP, due.c.due_at <= to_ms(now))
        if since is None:
            return sorted(self._connection.scalars(turns))
        moment, row = since
        later, newer = turns.where(due.c.due_at > to_ms(moment)), turns.where(due.c.id > row)
        return sorted(self._connection.scalars(union(later, newer)))

    def steps(self, ids: Collection[int], now: datetime) -> list[Due]:
        """Of these, the steps that are due; they stay until they are taken."""
        rows = self._connection.execute(
            select(due).where(due.c.id.in_(ids), due.c.what == STEP, due.c.due_at <= to_ms(now))
        )
        return [_due(row) for row in rows]

    def take_steps(self, ids: Collection[int]) -> set[int]:
        """Take these; returns which were still there. A wait that is gone was taken, or its journey has ended."""
        return set(self._connection.scalars(delete(due).where(due.c.id.in_(ids)).returning(due.c.id)))

    def drop_steps(self, journeys: Iterable[int]) -> None:
        """Forget what these journeys wait for."""
        whom = [str(journey) for journey in journeys]
        self._connection.execute(delete(due).where(due.c.what.in_((STEP, HELD)), due.c.whom.in_(whom)))

    def next_step_at(self) -> datetime | None:
        return self._first(_IS_STEP)

    # ------------------------------------------------------------ other waits

    def take(self, now: datetime, limit: int) -> list[Due]:
        """What else is due, oldest first; taken rows are gone when the transaction commits."""
        rows = self._connection.execute(
            select(due)
            .where(_IS_OTHER, due.c.due_at <= to_ms(now))
            .order_by(due.c.due_at, due.c.id)
            .limit(limit)
            .with_for_update(skip_locked=can_skip_locked(self._connection))
        ).all()
        if rows:
            self._connection.execute(delete(due).where(due.c.id.in_([row.id for row in rows])))
        return [_due(row) for row in rows]

    def next_at(self) -> datetime | None:
        return self._first(_IS_OTHER)

    def _first(self, kind: Any) -> datetime | None:
        at = self._connection.scalar(
            select(due.c.due_at).where(kind).order_by(due.c.due_at, due.c.id).limit(1)
        )
        return None if at is None else from_ms(at)

    def drop(self, what: str, whom: Iterable[str]) -> int:
        """Forget waits that are no longer wanted."""
        result = self._connection.execute(delete(due).where(due.c.what == what, due.c.whom.in_(list(whom))))
        return result.rowcount

    def of(self, what: str, whom: str) -> list[Due]:
        rows = self._connection.execute(
            select(due).where(due.c.what == what, due.c.whom == whom).order_by(due.c.due_at)
        )
        return [_due(row) for row in rows]

    def miss(self, wait: Due, now: datetime, fate: str, reason: str) -> None:
        """List a wait that did not end as planned, with what became of it (late, skipped, asked, unsaid) and why."""
        insertion = insert_into(self._connection, missed).on_conflict_do_nothing(
            index_elements=["what", "whom", "occurrence"]
        )
        row = _row(wait)
        self._connection.execute(
            insertion,
            {key: row[key] for key in ("what", "whom", "occurrence", "due_at")}
            | {"noticed_at": to_ms(now), "fate": fate, "reason": reason},
        )

    def asked(self, miss: int) -> Any | None:
        """A missed wait that an operator has still to decide about."""
        return self._connection.execute(
            select(missed).where(missed.c.id == miss, missed.c.fate == "asked").with_for_update()
        ).one_or_none()

    def decide(self, miss: int, fate: str, reason: str, now: datetime) -> None:
        """Write down what an operator decided about a missed wait, behind why it was missed."""
        decided = {"fate": fate, "reason": missed.c.reason + f"；{reason}", "noticed_at": to_ms(now)}
        self._connection.execute(update(missed).where(missed.c.id == miss).values(**decided))

    def missed(self, limit: int = 100) -> Sequence[Any]:
        return self._connection.execute(select(missed).order_by(missed.c.id.desc()).limit(limit)).all()


def _row(wait: Due) -> dict[str, Any]:
    return {
        "what": wait.what,
        "whom": wait.whom,
        "occurrence": wait.occurrence,
        "due_at": to_ms(wait.at),
        "version": wait.version,
        "data": wait.data,
    }


def _due(row: Any) -> Due:
    return Due(
        id=row.id,
        what=row.what,
        whom=row.whom,
        occurrence=row.occurrence,
        at=from_ms(row.due_at),
        version=row.version,
        data=row.data,
    )
