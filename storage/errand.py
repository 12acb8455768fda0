"""Errands: questions to the platform that may be asked again; their answers come back through the inbox."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, case, delete, func, select, update

from storage.engine import insert_into
from storage.instant import from_ms, to_ms
from storage.tables import errand

BACKOFF = (2, 10, 60, 300, 1800)  # seconds


@dataclass(frozen=True, kw_only=True)
class Errand:
    """Ask the platform ``what`` about ``whom``: group, member, kf, archive, task, mark."""

    what: str
    whom: str
    data: dict[str, Any] = field(default_factory=dict)
    at: datetime
    id: int = 0
    attempts: int = 0


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
            .where(errand.c.id == errand_.id, errand.c.due_at == to_ms(errand_.at))
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

    def next_at(self) -> datetime | None:
        at = self._connection.scalar(select(func.min(errand.c.due_at)))
        return None if at is None else from_ms(at)

    def done(self, finished: Errand) -> None:
        """Forget it, unless it was asked for again meanwhile."""
        self._connection.execute(
            delete(errand).where(errand.c.id == finished.id, errand.c.due_at == to_ms(finished.at))
        )

    def failed(self, tried: Errand, error: str, now: datetime, *, retry_after: float = 0.0) -> None:
        wait = max(retry_after, BACKOFF[min(tried.attempts, len(BACKOFF) - 1)])
        self._connection.execute(
            update(errand)
            .where(errand.c.id == tried.id)
            .values(
                attempts=tried.attempts + 1, due_at=to_ms(now + timedelta(seconds=wait)), error=error[:500]
            )
        )

    def troubled(self, limit: int = 50) -> list[tuple[Errand, str]]:
        """Errands that failed at least once, for operators."""
        rows = self._connection.execute(
            select(errand).where(errand.c.attempts > 0).order_by(errand.c.id).limit(limit)
        )
        return [(_errand(row), row.error or "") for row in rows]


def _errand(row: Any) -> Errand:
    return Errand(
        id=row.id, what=row.what, whom=row.whom, data=row.data, at=from_ms(row.due_at), attempts=row.attempts
    )
