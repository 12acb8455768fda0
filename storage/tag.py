"""Tags and who carries them; every change is noted, so audiences are read again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, func, select, update

from sop.update import TagChanged, Update
from storage.engine import insert_into
from storage.instant import from_ms, to_ms
from storage.tables import member_tag, tag


@dataclass(frozen=True)
class Carried:
    """A tag on a member, since when and why."""

    tag: str
    since: datetime
    reason: str


class TagStore:
    def __init__(
        self, connection: Connection, now: datetime, note: Callable[[Update], None] = lambda update: None
    ) -> None:
        self._connection = connection
        self._now = now
        self._note = note

    def add(self, member_id: str, name: str, *, reason: str, kind: str = "behaviour") -> bool:
        """Tag a member; False when the tag was there already."""
        self.know(name, kind)
        row = self._connection.execute(
            insert_into(self._connection, member_tag)
            .values(member=member_id, tag=name, since_at=to_ms(self._now), reason=reason)
            .on_conflict_do_nothing(index_elements=["member", "tag"])
            .returning(member_tag.c.tag)
        ).first()
        if row is None:
            return False
        self._note(TagChanged(at=self._now, member=member_id, tag=name, added=True, reason=reason))
        return True

    def remove(self, member_id: str, name: str, *, reason: str) -> bool:
        result = self._connection.execute(
            delete(member_tag).where(member_tag.c.member == member_id, member_tag.c.tag == name)
        )
        if not result.rowcount:
            return False
        self._note(TagChanged(at=self._now, member=member_id, tag=name, added=False, reason=reason))
        return True

    def of(self, member_id: str) -> list[Carried]:
        rows = self._connection.execute(
            select(member_tag)
            .where(member_tag.c.member == member_id)
            .order_by(member_tag.c.since_at, member_tag.c.tag)
        )
        return [Carried(row.tag, from_ms(row.since_at), row.reason) for row in rows]

    def know(self, name: str, kind: str = "basic") -> None:
        """Let a tag exist, carried by nobody yet."""
        self._connection.execute(
            insert_into(self._connection, tag)
            .values(name=name, kind=kind)
            .on_conflict_do_nothing(index_elements=["name"])
        )

    def counts(self) -> dict[str, int]:
        """Every known tag and how many carry it."""
        rows = self._connection.execute(
            select(tag.c.name, func.count(member_tag.c.member))
            .outerjoin(member_tag, member_tag.c.tag == tag.c.name)
            .group_by(tag.c.name)
            .order_by(tag.c.name)
        )
        return dict(rows.all())

    def platform_id(self, name: str) -> str:
        """The platform's id of a tag, empty when it has none yet."""
        return self._connection.scalar(select(tag.c.platform_id).where(tag.c.name == name)) or ""

    def remember(self, name: str, platform_id: str, platform_group: str) -> None:
        """Keep the platform's id of a tag."""
        self.know(name)
        self._connection.execute(
            update(tag)
            .where(tag.c.name == name)
            .values(platform_id=platform_id, platform_group=platform_group)
        )

    def forget_platform_id(self, platform_id: str) -> None:
        """The tag was deleted on the platform; ours stays, without a number."""
        self._connection.execute(update(tag).where(tag.c.platform_id == platform_id).values(platform_id=""))
