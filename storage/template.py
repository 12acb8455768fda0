"""Templates as operators wrote them: every version kept to the letter, one of them published."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from sop.errors import Conflict, NotFound, TemplateError, Unapproved
from sop.file import read
from sop.finish import problem_of
from sop.journey import next_slot
from sop.passed import Passed, read_passed
from sop.template import Template
from sop.version import VersionState, own_review, unapproved
from storage.audience import AudienceStore
from storage.due import Due, DueStore
from storage.group import GroupStore
from storage.instant import from_ms, maybe_from_ms, to_ms
from storage.position import read_position, write_position
from storage.tables import template
from storage.way import WayStore

DRAFT, REVIEWED, PUBLISHED, RETIRED = VersionState
SLOT = "slot"  # the wait for the instant at which the clock starts a template


@dataclass(frozen=True)
class Saved:
    """One version of one template."""

    id: str
    version: int
    name: str
    text: str
    state: str
    saved_by: str
    saved_at: datetime
    reviewed_by: str = ""
    published_by: str = ""
    published_at: datetime | None = None


class TemplateStore:
    def __init__(self, connection: Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now
        self._read: dict[tuple[str, int], Template] = {}

    def save(self, template_id: str, name: str, text: str, *, by: str, expect: int | None = None) -> Saved:
        """Keep ``text`` as the newest version, a draft; refuse when ``expect`` is no longer the newest."""
        newest = self.newest_version(template_id)
        if expect is not None and expect != newest:
            raise Conflict(
                "template", template_id, f"was changed by someone else meanwhile (version {newest})"
            )
        saved = Saved(template_id, newest + 1, name, text, DRAFT, by, self._now)
        self._connection.execute(
            insert(template).values(
                id=saved.id,
                version=saved.version,
                name=name,
                text=text,
                state=DRAFT,
                saved_by=by,
                saved_at=to_ms(self._now),
            )
        )
        return saved

    def review(self, template_id: str, version: int, *, by: str) -> Saved:
        """Somebody other than its writer approves a draft; :class:`Unapproved` when it is their own."""
        saved = self.get(template_id, version)
        if saved is None:
            raise NotFound("template", f"{template_id} v{version}")
        compiled(saved.text, version)
        if objection := own_review(saved.saved_by, by):
            raise Unapproved(objection)
        if saved.state != DRAFT:
            raise Conflict("template", f"{template_id} v{version}", f"is {saved.state}, not a draft")
        self._connection.execute(
            update(template)
            .where(template.c.id == template_id, template.c.version == version, template.c.state == DRAFT)
            .values(state=REVIEWED, reviewed_by=by)
        )
        return replace(saved, state=REVIEWED, reviewed_by=by)

    def _approved(self, saved: Saved, zone: str) -> None:
        plan = compiled(saved.text, saved.version)
        if plan.approval_above is None:
            return
        size = AudienceStore(self._connection, self._now, zone).size(plan)
        why = unapproved(plan, size=size, saved_by=saved.saved_by, reviewed_by=saved.reviewed_by)
        if why:
            raise Unapproved(why)

    def _inviting(self, saved: Saved) -> None:
        """Refuse a version that would invite to a group nobody can be invited to."""
        name = compiled(saved.text, saved.version).finish.invite
        groups, ways = GroupStore(self._connection, self._now), WayStore(self._connection, self._now)
        if name and (problem := problem_of(saved.text, name, groups.all(), ways.into_groups())):
            raise TemplateError([problem], source=saved.id)

    def publish(self, template_id: str, version: int, *, zone: str, by: str = "") -> Saved:
        """Make one version the published one and put its next slot on the due table; journeys under way keep theirs.

        :class:`Unapproved` when its audience is so large that a second person has to agree first, :class:`TemplateError`
        when it invites to a group that is not there, that is not the only one of its name, or that has no way in.
        """
        wanted = self.get(template_id, version)
        if wanted is None:
            raise NotFound("template", f"{template_id} v{version}")
        self._approved(wanted, zone)
        self._inviting(wanted)
        priority, mine = compiled(wanted.text, version).priority, template.c.id == template_id
        self._connection.execute(
            update(template).where(mine, template.c.state == PUBLISHED).values(state=RETIRED)
        )
        self._connection.execute(
            update(template)
            .where(mine, template.c.version == version)
            .values(state=PUBLISHED, priority=priority, published_by=by, published_at=to_ms(self._now))
        )
        DueStore(self._connection).drop(SLOT, [template_id])
        published = self.get(template_id, version)
        assert published is not None
        self.schedule(compiled(published.text, version), zone, after=self._now)
        return published

    def before(self, template_id: str) -> int:
        """The version that was in force before the published one; :class:`NotFound` when there was none."""
        version = self._connection.scalar(
            select(template.c.version)
            .where(template.c.id == template_id, template.c.state == RETIRED)
            .order_by(template.c.published_at.desc(), template.c.version.desc())
            .limit(1)
        )
        if version is None:
            raise NotFound("earlier published version of template", template_id)
        return int(version)

    def schedule(self, planned: Template, zone: str, *, after: datetime) -> None:
        """Wait for the next instant at which the clock starts this template and has not done so yet, when it does."""
        passed, slot = self._passed(planned.id), next_slot(planned.trigger, after, zone)
        while slot is not None and (last := passed.until(slot)) is not None:
            slot = next_slot(planned.trigger, last, zone)
        if slot is not None:
            DueStore(self._connection).add(
                Due(what=SLOT, whom=planned.id, occurrence=slot.isoformat(), at=slot, version=planned.version)
            )

    def pass_slot(self, planned: Template, zone: str, slot: datetime) -> None:
        """The clock has started this template at a slot; it does not again, even if it is put back."""
        passed = self._passed(planned.id).with_slot(
            slot, lambda last, following: next_slot(planned.trigger, last, zone) == following
        )
        write_position(self._connection, _slots(planned.id), passed.written())

    def _passed(self, template_id: str) -> Passed:
        return read_passed(read_position(self._connection, _slots(template_id)))

    def retire(self, template_id: str) -> None:
        """No new journeys; those under way go on."""
        self._connection.execute(
            update(template)
            .where(template.c.id == template_id, template.c.state == PUBLISHED)
            .values(state=RETIRED)
        )
        DueStore(self._connection).drop(SLOT, [template_id])

    def get(self, template_id: str, version: int) -> Saved | None:
        row = self._connection.execute(
            select(template).where(template.c.id == template_id, template.c.version == version)
        ).one_or_none()
        return None if row is None else _saved(row)

    def read(self, template_id: str, version: int) -> Template | None:
        """One version as the rules see it; None when there is none."""
        key = template_id, version
        if key not in self._read:  # a saved version never changes, so a transaction asks once
            saved = self.get(template_id, version)
            if saved is None:
                return None
            self._read[key] = compiled(saved.text, version)
        return self._read[key]

    def running(self) -> list[Template]:
        """Every published template as the rules see it."""
        return [compiled(saved.text, saved.version) for saved in self.published()]

    def published(self) -> list[Saved]:
        rows = self._connection.execute(
            select(template).where(template.c.state == PUBLISHED).order_by(template.c.id)
        )
        return [_saved(row) for row in rows]

    def published_version(self, template_id: str) -> Saved | None:
        row = self._connection.execute(
            select(template).where(template.c.id == template_id, template.c.state == PUBLISHED)
        ).one_or_none()
        return None if row is None else _saved(row)

    def in_force(self, template_id: str) -> Saved | None:
        """The version that was published last, be it retired by now."""
        row = self._connection.execute(
            select(template)
            .where(template.c.id == template_id, template.c.published_at.is_not(None))
            .order_by(template.c.published_at.desc(), template.c.version.desc())
            .limit(1)
        ).one_or_none()
        return None if row is None else _saved(row)

    def versions(self, template_id: str) -> list[Saved]:
        rows = self._connection.execute(
            select(template).where(template.c.id == template_id).order_by(template.c.version.desc())
        )
        return [_saved(row) for row in rows]

    def newest_of_each(self) -> list[Saved]:
        newest = (
            select(template.c.id, func.max(template.c.version).label("version"))
            .group_by(template.c.id)
            .subquery()
        )
        rows = self._connection.execute(
            select(template)
            .join(newest, (template.c.id == newest.c.id) & (template.c.version == newest.c.version))
            .order_by(template.c.id)
        )
        return [_saved(row) for row in rows]

    def newest_version(self, template_id: str) -> int:
        return (
            self._connection.scalar(select(func.max(template.c.version)).where(template.c.id == template_id))
            or 0
        )


def _slots(template_id: str) -> str:
    return f"slots:{template_id}"


@lru_cache(maxsize=512)
def compiled(text: str, version: int) -> Template:
    """A template's text as values, read once per version."""
    return replace(read(text), version=version)


def _saved(row: Any) -> Saved:
    return Saved(
        row.id,
        row.version,
        row.name,
        row.text,
        row.state,
        row.saved_by,
        from_ms(row.saved_at),
        row.reviewed_by,
        row.published_by,
        maybe_from_ms(row.published_at),
    )
