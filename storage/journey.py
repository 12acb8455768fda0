"""Journeys: who walks which template, how far they are, and why they stopped. One run of one template is one row."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, select, update

from sop.hour import Best
from sop.journey import Journey, JourneyState, next_due
from sop.template import Finish, Signal, Subject, Template
from storage.due import DECIDING, STEP, Due, DueStore
from storage.engine import insert_into
from storage.hour import HourStore
from storage.instant import from_ms, to_ms
from storage.tables import journey

FINISH = "journey.finish"  # the wait, no longer than a moment, for what follows the end of a journey
BY_GOAL = "by_goal"  # what a wait of :data:`FINISH` says when the goal brought it about
ANY_TIME = Best()
UNDER_WAY = (JourneyState.ACTIVE, JourneyState.HELD_OUT)
_UNDER_WAY = journey.c.state.in_(UNDER_WAY)


class JourneyStore:
    def __init__(self, connection: Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def enrol(self, begun: Sequence[Journey]) -> list[Journey]:
        """Keep journeys that begin; a run that exists already is left alone. Returns the new ones with their ids."""
        if not begun:
            return []
        insertion = insert_into(self._connection, journey).on_conflict_do_nothing(
            index_elements=["template", "whom", "run"]
        )
        rows = self._connection.execute(insertion.returning(journey), [_row(one, self._now) for one in begun])
        return sorted((_journey(row) for row in rows), key=lambda one: one.id)

    def await_steps(
        self,
        template: Template,
        journeys: Sequence[Journey],
        zone: str,
        data: Mapping[str, str] | None = None,
        *,
        best: Best = ANY_TIME,
    ) -> None:
        """Put the next step of each journey on the due table."""
        self.await_steps_of([(template, one) for one in journeys], zone, data, best=best)

    def await_steps_of(
        self,
        journeys: Sequence[tuple[Template, Journey]],
        zone: str,
        data: Mapping[str, str] | None = None,
        *,
        best: Best = ANY_TIME,
    ) -> None:
        chosen = HourStore(self._connection, self._now).moments(journeys, zone, best)
        steps = [
            (journey, next_due(template, journey, zone, chosen=chosen.get(journey.id)))
            for template, journey in journeys
        ]
        DueStore(self._connection).add(
            *(
                Due(
                    what=STEP,
                    whom=str(journey.id),
                    occurrence=f"{step.index}{DECIDING if journey.deciding else ''}",
                    at=step.at,
                    version=journey.version,
                    data=dict(data or {}),
                )
                for journey, step in steps
                if step is not None
            )
        )

    def latest(self, template: str, whom: Collection[str]) -> dict[str, Journey]:
        """The last journey of each through one template, for the re-entry rule."""
        rows = self._connection.execute(
            select(journey)
            .where(journey.c.template == template, journey.c.whom.in_(whom))
            .order_by(journey.c.run)
        )
        return {row.whom: _journey(row) for row in rows}

    def several(self, ids: Collection[int]) -> dict[int, Journey]:
        rows = self._connection.execute(select(journey).where(journey.c.id.in_(ids)))
        return {row.id: _journey(row) for row in rows}

    def get(self, journey_id: int) -> Journey | None:
        return self.several([journey_id]).get(journey_id)

    def active_of(self, whom: str) -> list[Journey]:
        """Journeys somebody is on now."""
        rows = self._connection.execute(
            select(journey).where(journey.c.whom == whom, _UNDER_WAY).order_by(journey.c.id)
        )
        return [_journey(row) for row in rows]

    def of(self, whom: str) -> list[Journey]:
        rows = self._connection.execute(
            select(journey).where(journey.c.whom == whom).order_by(journey.c.id.desc())
        )
        return [_journey(row) for row in rows]

    def advance(self, further: Iterable[Journey]) -> None:
        """Move active journeys on to the step they now name, all that go to the same step in one statement."""
        by_place: dict[tuple[int, bool], list[int]] = {}
        for one in further:
            by_place.setdefault((one.step, one.deciding), []).append(one.id)
        for (step, deciding), ids in by_place.items():
            self._connection.execute(
                update(journey)
                .where(journey.c.id.in_(ids), journey.c.state == JourneyState.ACTIVE)
                .values(step=step, deciding=deciding, changed_at=to_ms(self._now))
            )

    def hear(self, further: Iterable[Journey]) -> None:
        """Keep what these journeys have heard."""
        for one in further:
            heard = {str(signal): to_ms(at) for signal, at in one.heard.items()}
            self._connection.execute(
                update(journey).where(journey.c.id == one.id, _UNDER_WAY).values(heard=heard)
            )

    def finish(self, template: Template, ids: Collection[int], *, by_goal: bool = False) -> None:
        """Let what follows the end of a template happen, where something does; what the goal brought about does not again."""
        if template.finish == Finish():
            return
        if template.finish.on_goal and not by_goal:
            ids = self._without_goal(ids)
        data = {BY_GOAL: "yes"} if by_goal else {}
        waits = [Due(what=FINISH, whom=str(one), occurrence="", at=self._now, data=data) for one in ids]
        DueStore(self._connection).add(*waits)

    def _without_goal(self, ids: Collection[int]) -> list[int]:
        chosen = select(journey.c.id).where(journey.c.id.in_(ids), journey.c.goal_at.is_(None))
        return sorted(self._connection.scalars(chosen))

    def by_version(self, template: str) -> dict[int, dict[int, int]]:
        """Of the journeys under way: version → next step → how many."""
        rows = self._connection.execute(
            select(journey.c.version, journey.c.step, func.count())
            .where(journey.c.template == template, _UNDER_WAY)
            .group_by(journey.c.version, journey.c.step)
            .order_by(journey.c.version, journey.c.step)
        )
        found: dict[int, dict[int, int]] = {}
        for version, step, count in rows:
            found.setdefault(version, {})[step] = count
        return found

    def on_other_versions(self, template: str, version: int, limit: int) -> list[Journey]:
        """Journeys under way on any version but this one, the oldest first."""
        rows = self._connection.execute(
            select(journey)
            .where(journey.c.template == template, journey.c.version != version, _UNDER_WAY)
            .order_by(journey.c.id)
            .limit(limit)
        )
        return [_journey(row) for row in rows]

    def migrate(self, further: Iterable[Journey]) -> None:
        """Journeys go on in the version, and at the step, that they now name."""
        by_place: dict[tuple[int, int], list[int]] = {}
        for one in further:
            by_place.setdefault((one.version, one.step), []).append(one.id)
        for (version, step), ids in by_place.items():
            self._connection.execute(
                update(journey)
                .where(journey.c.id.in_(ids), _UNDER_WAY)
                .values(version=version, step=step, deciding=False, changed_at=to_ms(self._now))
            )

    def end(self, ids: Collection[int], state: JourneyState, reason: str) -> int:
        """Journeys end, done or exited, with the reason; one that has ended stays as it ended."""
        if not ids:
            return 0
        result = self._connection.execute(
            update(journey)
            .where(journey.c.id.in_(ids), _UNDER_WAY)
            .values(state=str(state), reason=reason, changed_at=to_ms(self._now))
        )
        return result.rowcount

    def counts(self) -> dict[tuple[str, int, str], int]:
        """How many journeys of (template, version) are in each state."""
        rows = self._connection.execute(
            select(journey.c.template, journey.c.version, journey.c.state, func.count()).group_by(
                journey.c.template, journey.c.version, journey.c.state
            )
        )
        return {(template, version, state): count for template, version, state, count in rows}

    def recent(self, *, template: str = "", state: str = "", limit: int = 100) -> Sequence[Journey]:
        query = select(journey).order_by(journey.c.id.desc()).limit(limit)
        if template:
            query = query.where(journey.c.template == template)
        if state:
            query = query.where(journey.c.state == state)
        return [_journey(row) for row in self._connection.execute(query)]


def _row(begun: Journey, now: datetime) -> dict[str, Any]:
    return {
        "template": begun.template,
        "version": begun.version,
        "subject": str(begun.subject),
        "whom": begun.whom,
        "run": begun.run,
        "state": str(begun.state),
        "step": begun.step,
        "reason": begun.reason,
        "zone": begun.zone,
        "heard": {str(signal): to_ms(at) for signal, at in begun.heard.items()},
        "arm": begun.arm,
        "anchor_at": to_ms(begun.anchor),
        "changed_at": to_ms(now),
    }


def _journey(row: Any) -> Journey:
    return Journey(
        id=row.id,
        template=row.template,
        version=row.version,
        subject=Subject(row.subject),
        whom=row.whom,
        run=row.run,
        state=JourneyState(row.state),
        step=row.step,
        reason=row.reason,
        arm=row.arm,
        anchor=from_ms(row.anchor_at),
        changed=from_ms(row.changed_at),
        deciding=row.deciding,
        zone=row.zone,
        heard={Signal(signal): from_ms(at) for signal, at in row.heard.items()},
    )
