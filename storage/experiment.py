"""What came of templates: who reached their goal, by arm, and what became of each step for how many."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection, case, func, select, update

from sop.experiment import HELD_OUT, Tally
from sop.journey import JourneyState
from sop.template import Template
from storage.instant import to_ms
from storage.tables import journey


class ExperimentStore:
    def __init__(self, connection: Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def reached(self, template: str, member: str, within_days: int) -> list[tuple[int, int]]:
        """A member did what a template is for; each journey that began in time has reached its goal, the first time counts.

        Returns those that have now, and whose end has not been reached: journey and version.
        """
        rows = self._connection.execute(
            update(journey)
            .where(
                journey.c.whom == member,
                journey.c.template == template,
                journey.c.goal_at.is_(None),
                journey.c.anchor_at > to_ms(self._now - timedelta(days=within_days)),
                journey.c.anchor_at <= to_ms(self._now),
            )
            .values(goal_at=to_ms(self._now))
            .returning(journey.c.id, journey.c.version, journey.c.state)
        )
        unended = (JourneyState.ACTIVE, JourneyState.EXITED)
        return [(row.id, row.version) for row in rows if row.state in unended]

    def tallies(self, template: Template) -> dict[str, Tally]:
        """By arm, the hold-out among them: those whose time for the goal is over, and who of them reached it."""
        if template.goal is None:
            return {}
        over = to_ms(self._now - timedelta(days=template.goal.within_days))
        arm = case((journey.c.state == JourneyState.HELD_OUT, HELD_OUT), else_=journey.c.arm)
        rows = self._connection.execute(
            select(arm, func.count(), func.count(journey.c.goal_at))
            .where(journey.c.template == template.id, journey.c.anchor_at <= over)
            .group_by(arm)
            .order_by(arm)
        )
        return {name: Tally(began, reached) for name, began, reached in rows}

    def young(self, template: Template) -> int:
        """How many began whose time is not over yet; they do not count so far."""
        if template.goal is None:
            return 0
        over = to_ms(self._now - timedelta(days=template.goal.within_days))
        query = select(func.count()).where(journey.c.template == template.id, journey.c.anchor_at > over)
        return self._connection.scalar(query) or 0
