"""Errands: questions to the platform that may be asked again; their answers come back through the inbox."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    case,
    delete,
    func,
    literal_column,
    select,
    update,
)

from storage.engine import can_skip_locked, insert_into
from storage.instant import from_ms, to_ms
from storage.tables import errand

BACKOFF = (2, 10, 60, 300, 1800)  # seconds
# spelt out, not bound: a partial index serves only a query that repeats its words
_IS_HELD = errand.c.held_until > literal_column("0")


@dataclass(frozen=True, kw_only=True)
class Errand:
    """Ask the platform ``what`` about ``whom``: group, member, kf, archive, task, mark; ``fence`` numbers who is at it."""

    what: str
    whom: str
    data: dict[str, Any] = field(default_factory=dict)
    at: datetime
    id: int = 0
    attempts: int = 0
    fence: int = 0


class ErrandStore:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, wanted: Errand) -> None:
        """Ask for it; an equal errand already waiting is moved to this instant and the newer data.

        Asked for again at once, its instant still differs, so that finishing the first does not forget the second.
        """
        insertion = insert_into(self._connection, errand).values(
            what=wanted.what, whom=wanted.whom, data=wanted.data, due_at=to_ms(wanted.at), attempts=0
        )
        asked = insertion.excluded.due_at
        at_once = errand.c.due_at.between(asked - 1000, asked)
        due_at = case((at_once, errand.c.due_at - 1), else_=asked)
        self._connection.execute(
            insertion.on_conflict_do_update(
                index_elements=["what", "whom"],
                set_={"data": insertion.excluded.data, "due_at": due_at, "attempts": 0},
            )
        )

    def remind(self, wanted: Errand) -> None:
        """Ask for it, unless it is asked for already."""
        insertion = insert_into(self._connection, errand).values(
            what=wanted.what, whom=wanted.whom, data=wanted.data, due_at=to_ms(wanted.at), attempts=0
        )
        self._connection.execute(insertion.on_conflict_do_nothing(index_elements=["what", "whom"]))

    def advance(self, errand_: Errand, data: dict[str, Any], now: datetime) -> None:
        """The errand has got somewhere and goes on from there, behind others that wait; unless somebody else got on with it."""
        at = max(to_ms(now), to_ms(errand_.at) + 1)  # later than it was, so that it is not taken for done
        self._connection.execute(
            update(errand)
            .where(_is_ours(errand_), errand.c.due_at == to_ms(errand_.at))
            .values(data=data, due_at=at, attempts=0, error=None)
        )

    def count(self, whats: Collection[str]) -> int:
        """How many errands of these kinds are waiting or under way."""
        return self._connection.scalar(select(func.count()).where(errand.c.what.in_(whats))) or 0

    def waiting(self, now: datetime, limit: int, only: Collection[str] = ()) -> list[Errand]:
        """What is due, of these kinds where any is named, the longest due first."""
        query = select(errand).where(errand.c.due_at <= to_ms(now)).order_by(errand.c.due_at).limit(limit)
        rows = self._connection.execute(query.where(errand.c.what.in_(only)) if only else query)
        return [_errand(row) for row in rows]

    def any_due(self, now: datetime, only: Collection[str] = ()) -> bool:
        """Is there anything to take? Asked before taking the write lock."""
        return self._connection.execute(_free(now, 1, only)).first() is not None

    def take(self, now: datetime, limit: int, term: timedelta, only: Collection[str] = ()) -> list[Errand]:
        """What is due, the longest due first: for ``term`` it is ours and nobody else's."""
        locked = can_skip_locked(self._connection)
        ids = list(self._connection.scalars(_free(now, limit, only).with_for_update(skip_locked=locked)))
        rows = self._connection.execute(
            update(errand)
            .where(errand.c.id.in_(ids))
            .values(held_until=to_ms(now + term), fence=errand.c.fence + 1)
            .returning(errand)
        )
        return sorted((_errand(row) for row in rows), key=lambda one: one.at)

    def keep(self, ours: Collection[Errand], until: datetime) -> None:
        """Those of ``ours`` that are still ours are so until an instant."""
        for one in ours:
            self._connection.execute(
                update(errand).where(_is_ours(one), _IS_HELD).values(held_until=to_ms(until))
            )

    def let_go(self, ours: Collection[Errand]) -> None:
        """Whoever comes next may ask."""
        for one in ours:
            self._connection.execute(update(errand).where(_is_ours(one)).values(held_until=0))

    def let_all_go(self) -> None:
        """Nobody is asking anything: for who is alone and has just started."""
        self._connection.execute(update(errand).where(_IS_HELD).values(held_until=0))

    def any_held(self, now: datetime) -> bool:
        """Is somebody asking something?"""
        held = select(errand.c.id).where(_IS_HELD, errand.c.held_until > to_ms(now))
        return self._connection.execute(held.limit(1)).first() is not None

    def next_at(self) -> datetime | None:
        """When there will be something to take, as far as is known."""
        free = select(errand.c.due_at).where(errand.c.held_until == 0).order_by(errand.c.due_at).limit(1)
        ends = select(func.min(errand.c.held_until)).where(_IS_HELD)
        waits = [at for query in (free, ends) if (at := self._connection.scalar(query)) is not None]
        return from_ms(min(waits)) if waits else None

    def done(self, finished: Errand) -> None:
        """Forget it, unless it was asked for again meanwhile: then it is anybody's."""
        forgotten = self._connection.execute(
            delete(errand).where(_is_ours(finished), errand.c.due_at == to_ms(finished.at))
        )
        if not forgotten.rowcount:
            self.let_go([finished])

    def failed(self, tried: Errand, error: str, now: datetime, *, retry_after: float = 0.0) -> None:
        wait = max(retry_after, BACKOFF[min(tried.attempts, len(BACKOFF) - 1)])
        self._connection.execute(
            update(errand)
            .where(_is_ours(tried))
            .values(
                attempts=tried.attempts + 1,
                due_at=to_ms(now + timedelta(seconds=wait)),
                error=error[:500],
                held_until=0,
            )
        )

    def troubled(self, limit: int = 50) -> list[tuple[Errand, str]]:
        """Errands that failed at least once, for operators."""
        rows = self._connection.execute(
            select(errand).where(errand.c.attempts > 0).order_by(errand.c.id).limit(limit)
        )
        return [(_errand(row), row.error or "") for row in rows]


def _free(now: datetime, limit: int, only: Collection[str]) -> Select[tuple[int]]:
    """Ids of what is due and nobody is at, the longest due first."""
    query = select(errand.c.id).where(errand.c.due_at <= to_ms(now), errand.c.held_until <= to_ms(now))
    query = query.order_by(errand.c.due_at).limit(limit)
    return query.where(errand.c.what.in_(only)) if only else query


def _is_ours(one: Errand) -> ColumnElement[bool]:
    return and_(errand.c.id == one.id, errand.c.fence == one.fence)


def _errand(row: Any) -> Errand:
    return Errand(
        id=row.id,
        what=row.what,
        whom=row.whom,
        data=row.data,
        at=from_ms(row.due_at),
        attempts=row.attempts,
        fence=row.fence,
    )
