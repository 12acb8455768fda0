"""Moving journeys to another version: what would happen, and the wait that makes it happen."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from sop.errors import NotFound
from sop.template import Step
from sop.version import moved
from storage.due import Due, DueStore
from storage.journey import JourneyStore
from storage.template import TemplateStore

MIGRATE = "version.migrate"  # the wait for the next chunk of journeys to move


@dataclass(frozen=True)
class Passage:
    """How many journeys would go from one place to another; no step is the end."""

    version: int
    before: Step | None
    after: Step | None
    count: int


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
                found.append(Passage(old, before, after, count))
        return found

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
