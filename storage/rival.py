"""What more important templates have for the same recipients: waiting now, or due soon. It goes first in a scarce week."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, String, cast, or_, select

from sop.journey import JourneyState
from sop.message import Channel
from sop.receipt import State
from sop.template import Template
from sop.timing import AHEAD, Rival
from storage.due import STEP
from storage.instant import from_ms, to_ms
from storage.tables import due, journey, outbox, template

TemplateOf = Callable[[str, int], Template | None]


class RivalStore:
    def __init__(self, connection: Connection, now: datetime, template_of: TemplateOf) -> None:
        self._connection = connection
        self._until = to_ms(now + AHEAD)
        self._template_of = template_of

    def more_important(self, than: int, paused: Collection[str]) -> dict[str, int]:
        """Templates in force of a higher priority that are not paused."""
        rows = self._connection.execute(
            select(template.c.id, template.c.priority).where(
                template.c.state == "published", template.c.priority > than
            )
        )
        return {row.id: row.priority for row in rows if row.id not in paused}

    def of(self, recipients: Collection[str], priorities: Mapping[str, int]) -> dict[str, list[Rival]]:
        """What these templates have for each recipient."""
        found: dict[str, list[Rival]] = defaultdict(list)
        if recipients and priorities:
            for whom, plan, version, step, at in (
                *self._waiting(recipients, priorities),
                *self._due(recipients, priorities),
            ):
                known = self._template_of(plan, version)
                if known is not None and self._counts(known, step):
                    found[whom].append(Rival(at, priorities[plan], f"「{known.name}」"))
        return found

    def _counts(self, known: Template, step: str) -> bool:
        wanted = known.step(step)
        return wanted is not None and wanted.marketing and wanted.channel is not Channel.WELCOME

    def _waiting(self, recipients: Collection[str], templates: Collection[str]) -> list[tuple[Any, ...]]:
        rows = self._connection.execute(
            select(outbox).where(
                or_(outbox.c.member.in_(recipients), outbox.c.group_id.in_(recipients)),
                outbox.c.state.in_((State.WAITING, State.PLANNED)),
                outbox.c.template.in_(templates),
                outbox.c.due_at <= self._until,
            )
        )
        return [
            (row.member or row.group_id, row.template, row.version, row.step, from_ms(row.due_at))
            for row in rows
        ]

    def _due(self, recipients: Collection[str], templates: Collection[str]) -> list[tuple[Any, ...]]:
        rows = self._connection.execute(
            select(journey.c.whom, journey.c.template, journey.c.version, journey.c.step, due.c.due_at)
            .join(due, (due.c.what == STEP) & (due.c.whom == cast(journey.c.id, String)))
            .where(
                journey.c.whom.in_(recipients),
                journey.c.template.in_(templates),
                journey.c.state == JourneyState.ACTIVE,
                journey.c.deciding.is_(False),
                due.c.due_at <= self._until,
            )
        )
        return [(row.whom, row.template, row.version, self._step(row), from_ms(row.due_at)) for row in rows]

    def _step(self, row: Any) -> str:
        known = self._template_of(row.template, row.version)
        return known.steps[row.step].id if known and row.step < len(known.steps) else ""
