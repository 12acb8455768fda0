"""Moving journeys to another version: what would happen, and the wait that makes it happen."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, select

from sop.errors import NotFound
from sop.template import Step
from sop.version import moved
from storage.due import Due, DueStore
from storage.instant import from_ms
from storage.journey import UNDER_WAY, JourneyStore
from storage.tables import groups, journey, member
from storage.template import TemplateStore

MIGRATE = "version.migrate"  # the wait for the next chunk of journeys to move


@dataclass(frozen=True)
class Passage:
    """How many journeys would go from one place to another; no step is the end."""

    version: int
    step: int
    before: Step | None
    after: Step | None
    count: int


@dataclass(frozen=True)
class Traveller:
    """One of those who would move: their journey, who they are, and when it began."""

    journey: int
    whom: str
    name: str
    began: datetime


class VersionStore:
    def __init__(self, connection: Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now
        self._templates = TemplateStore(connection, now)

    def passages(self, template: str, version: int) -> list[Passage]:
        """Who would move where if everybody under way went to this version."""
        target = self._templates.read(template, version)
        if target is None:
            raise NotFound("template", f"{template} v{version}")
        found = []
        for old, steps in JourneyStore(self._connection, self._now).by_version(template).items():
            source = self._templates.read(template, old)
            if source is None or old == version:
                continue
            for step, count in steps.items():
                at = moved(source, target, step)
                before = source.steps[step] if step < len(source.steps) else None
                after = target.steps[at] if at < len(target.steps) else None
                found.append(Passage(old, step, before, after, count))
        return found

    def people(
        self, template: str, version: int, step: int, limit: int, *, after: int = 0
    ) -> list[Traveller]:
        """Who stands at one step of one version, in the order in which they began, behind a journey."""
        name = func.coalesce(member.c.name, groups.c.name, "")
        rows = self._connection.execute(
            select(journey.c.id, journey.c.whom, name.label("name"), journey.c.anchor_at)
            .outerjoin(member, member.c.id == journey.c.whom)
            .outerjoin(groups, groups.c.id == journey.c.whom)
            .where(
                journey.c.template == template,
                journey.c.version == version,
                journey.c.step == step,
                journey.c.state.in_(UNDER_WAY),
                journey.c.id > after,
            )
            .order_by(journey.c.id)
            .limit(limit)
        )
        return [Traveller(row.id, row.whom, row.name, from_ms(row.anchor_at)) for row in rows]

    def migrate(self, template: str, version: int) -> int:
        """Set everybody under way off to this version; how many that is. They move in chunks, soon."""
        count = sum(passage.count for passage in self.passages(template, version))
        if count:
            occurrence = f"{version}@{self._now.isoformat()}"
            wait = Due(
                what=MIGRATE,
                whom=template,
                occurrence=occurrence,
                at=self._now,
                data={"version": str(version)},
            )
            DueStore(self._connection).add(wait)
        return count
