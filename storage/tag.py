"""Tags and who carries them; every change is noted, so audiences are read again."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, exists, func, select, update

from sop.update import TagChanged, Update
from storage.engine import insert_into
from storage.instant import from_ms, to_ms
from storage.stale import changed
from storage.tables import corp_tag, mark, member_tag, tag


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
        changed(self._connection, [member_id])
        self._note(TagChanged(at=self._now, member=member_id, tag=name, added=True, reason=reason))
        return True

    def remove(self, member_id: str, name: str, *, reason: str) -> bool:
        result = self._connection.execute(
            delete(member_tag).where(member_tag.c.member == member_id, member_tag.c.tag == name)
        )
        if not result.rowcount:
            return False
        changed(self._connection, [member_id])
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

    # ------------------------------------------------------------ the platform's corporate tags

    def platform_id(self, name: str) -> str:
        """The platform's id of a tag, empty when it has none yet."""
        return self._connection.scalar(select(tag.c.platform_id).where(tag.c.name == name)) or ""

    def called(self, platform_id: str) -> str:
        """What we call a corporate tag, empty when we have not heard of it."""
        return self._connection.scalar(select(corp_tag.c.tag).where(corp_tag.c.id == platform_id)) or ""

    def remember(self, name: str, platform_id: str, platform_group: str, *, told: str = "") -> None:
        """Keep the platform's id of a tag, and its name there (``told``) where it differs from ours."""
        self.know(name)
        self._connection.execute(
            update(tag)
            .where(tag.c.name == name)
            .values(platform_id=platform_id, platform_group=platform_group)
        )
        insertion = insert_into(self._connection, corp_tag).values(
            id=platform_id, name=told or name, group_name=platform_group, tag=name
        )
        new = insertion.excluded
        self._connection.execute(
            insertion.on_conflict_do_update(
                index_elements=["id"], set_={"name": new.name, "group_name": new.group_name, "tag": new.tag}
            )
        )

    def take_list(self, listed: Iterable[tuple[str, str, str]]) -> list[tuple[str, str]]:
        """Take over the platform's whole list of (id, name, group); returns (old, new) names of what was renamed."""
        told = {number: (name, group) for number, name, group in listed}
        known = {row.id: row for row in self._connection.execute(select(corp_tag))}
        for number in known.keys() - told.keys():
            self.forget_platform_id(number)
        renamed = []
        for number, (name, group) in told.items():
            before = known.get(number)
            if before is None:
                self.remember(name, number, group)
            elif before.name != name:
                self._rename(before.tag, name)
                self.remember(name, number, group)
                renamed.append((before.tag, name))
        return renamed

    def forget_platform_id(self, platform_id: str) -> None:
        """The tag was deleted on the platform; members keep ours, without a number."""
        name = self.called(platform_id)
        self._connection.execute(update(tag).where(tag.c.platform_id == platform_id).values(platform_id=""))
        self._connection.execute(delete(corp_tag).where(corp_tag.c.id == platform_id))
        if name:
            self._connection.execute(delete(mark).where(mark.c.tag == name))

    def _rename(self, old: str, new: str) -> None:
        """Everybody who carries the old name carries the new one; nobody gained or lost a tag by that."""
        self.know(new)
        changed(self._connection, select(member_tag.c.member).where(member_tag.c.tag.in_((old, new))))
        for table in (member_tag, mark):
            others = [column for column in table.primary_key.columns if column.name != "tag"]
            taken = table.alias()
            doubled = exists().where(
                taken.c.tag == new, *(taken.c[column.name] == column for column in others)
            )
            self._connection.execute(delete(table).where(table.c.tag == old, doubled))
            self._connection.execute(update(table).where(table.c.tag == old).values(tag=new))
        self._connection.execute(delete(tag).where(tag.c.name == old))
