"""The platform's statistics by day, each row with its data level."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timedelta

from sqlalchemy import Connection, select

from sop.statistic import Level, Statistic, happened
from storage.engine import insert_into
from storage.instant import to_ms
from storage.tables import statistic


class StatisticStore:
    def __init__(self, connection: Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def put(self, told: Iterable[Statistic]) -> None:
        """Write down what was told; a day told again replaces what it said before."""
        for one in told:
            insertion = insert_into(self._connection, statistic).values(
                day=one.day.isoformat(),
                level=str(one.level),
                whom=one.whom,
                figures=dict(one.figures),
                read_at=to_ms(self._now),
            )
            new = insertion.excluded
            self._connection.execute(
                insertion.on_conflict_do_update(
                    index_elements=["day", "level", "whom"],
                    set_={"figures": new.figures, "read_at": new.read_at},
                )
            )

    def days(self, level: Level, first: date, last: date, whom: str = "") -> list[Statistic]:
        """The days told, the oldest first; days that were not told are missing, not zero."""
        rows = self._connection.execute(
            select(statistic)
            .where(
                statistic.c.level == str(level),
                statistic.c.whom == whom,
                statistic.c.day >= first.isoformat(),
                statistic.c.day <= last.isoformat(),
            )
            .order_by(statistic.c.day)
        )
        return [Statistic(date.fromisoformat(row.day), level, row.whom, row.figures) for row in rows]

    def happened(
        self, level: Level, first: date, last: date, whom: str = ""
    ) -> dict[date, dict[str, float | None]]:
        """What happened on each day told: running totals as differences, None where the day before is not known."""
        told = self.days(level, first - timedelta(days=1), last, whom)
        before = {one.day: one for one in told}
        return {
            one.day: happened(before.get(one.day - timedelta(days=1)), one)
            for one in told
            if one.day >= first
        }

    def missing(self, first: date, last: date) -> list[date]:
        """Days of which nothing was told about the corp as a whole."""
        told = {one.day for one in self.days(Level.DAY, first, last)}
        days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
        return [day for day in days if day not in told]
