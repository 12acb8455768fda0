"""Groups and who sits in them. Members who left keep their row, so history keeps its names."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, and_, func, or_, select, update

from sop.group import Group, GroupKind
from storage.engine import insert_into
from storage.instant import from_ms, maybe_from_ms, to_ms
from storage.stale import changed
from storage.tables import groups, member, seat


@dataclass(frozen=True)
class Sitting:
    """A member's place in a group."""

    group: str
    member: str
    name: str
    staff: bool
    joined_at: datetime
    left_at: datetime | None


class GroupStore:
    def __init__(self, connection: Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def get(self, group_id: str) -> Group | None:
        row = self._connection.execute(select(groups).where(groups.c.id == group_id)).one_or_none()
        return None if row is None else _group(row)

    def all(self, *, dismissed: bool = False) -> list[Group]:
        query = select(groups).order_by(groups.c.created_at, groups.c.id)
        if not dismissed:
            query = query.where(groups.c.dismissed_at.is_(None))
        return [_group(row) for row in self._connection.execute(query)]

    def named(self, name: str) -> Group | None:
        row = self._connection.execute(
            select(groups).where(groups.c.name == name, groups.c.dismissed_at.is_(None)).limit(1)
        ).one_or_none()
        return None if row is None else _group(row)

    def meet(self, group_id: str, *, kind: str = "customer", name: str = "") -> bool:
        """Know a group from now on; False when we already do."""
        result = self._connection.execute(
            insert_into(self._connection, groups)
            .values(id=group_id, kind=kind, name=name, created_at=to_ms(self._now))
            .on_conflict_do_nothing(index_elements=["id"])
            .returning(groups.c.id)
        )
        is_new = result.first() is not None
        if is_new:
            self._changed(group_id)
        return is_new

    def describe(self, group_id: str, **values: Any) -> None:
        """Write what the platform says of a group: name, owner, version, line, zone."""
        known = self.get(group_id)
        self._connection.execute(update(groups).where(groups.c.id == group_id).values(**values))
        if known is not None and values.get("name", known.name) != known.name:
            self._changed(group_id)

    def _changed(self, group_id: str) -> None:
        """Who sits here sits in another group, as audiences see it."""
        changed(
            self._connection,
            select(seat.c.member).where(seat.c.group_id == group_id, seat.c.left_at.is_(None)),
        )

    def saw(self, ids: Iterable[str], walk: datetime) -> None:
        """A walk through the directory, begun then, saw these groups."""
        self._connection.execute(
            update(groups).where(groups.c.id.in_(tuple(ids))).values(listed_at=to_ms(walk))
        )

    def unlisted(self, walk: datetime, owners: Sequence[str] = ()) -> Sequence[str]:
        """Customer groups, of these owners where named, that we knew before the walk and that it did not see."""
        query = select(groups.c.id).where(
            groups.c.kind == GroupKind.CUSTOMER,
            groups.c.dismissed_at.is_(None),
            groups.c.listed_at < to_ms(walk),
            groups.c.created_at < to_ms(walk),
        )
        if owners:
            query = query.where(groups.c.owner.in_(owners))
        return self._connection.scalars(query).all()

    def dismiss(self, group_id: str) -> None:
        self._connection.execute(
            update(groups)
            .where(groups.c.id == group_id, groups.c.dismissed_at.is_(None))
            .values(dismissed_at=to_ms(self._now))
        )
        self._changed(group_id)

    def hear(self, group_id: str, before: str, after: str, at: datetime) -> None:
        """A callback told of a change from one version to the next; told late, it is not the last one."""
        newer = or_(groups.c.heard == before, groups.c.heard_at < to_ms(at))
        self._connection.execute(
            update(groups).where(groups.c.id == group_id, newer).values(heard=after, heard_at=to_ms(at))
        )

    def heard(self, group_id: str) -> tuple[str, datetime]:
        """The last version a callback told of, and when that was."""
        row = self._connection.execute(
            select(groups.c.heard, groups.c.heard_at).where(groups.c.id == group_id)
        ).one()
        return row.heard, from_ms(row.heard_at)

    def seat(
        self,
        group_id: str,
        member_id: str,
        *,
        joined_at: datetime,
        scene: int = 0,
        source: str = "",
        described: bool = False,
    ) -> bool:
        """Seat a member; False when they sit there already, or have left since then.

        With ``described`` the platform lists them now, whatever we heard of their leaving.
        """
        here = and_(seat.c.group_id == group_id, seat.c.member == member_id)
        row = self._connection.execute(select(seat.c.joined_at, seat.c.left_at).where(here)).one_or_none()
        if row is not None and row.left_at is None:
            if row.joined_at < to_ms(joined_at):  # they came back, and we have yet to hear that they left
                self._connection.execute(update(seat).where(here).values(joined_at=to_ms(joined_at)))
            return False
        if row is not None and row.left_at >= to_ms(joined_at) and not described:
            return False
        insertion = insert_into(self._connection, seat).values(
            group_id=group_id,
            member=member_id,
            scene=scene,
            source=source,
            joined_at=to_ms(joined_at),
            left_at=None,
        )
        new = insertion.excluded
        self._connection.execute(
            insertion.on_conflict_do_update(
                index_elements=["group_id", "member"],
                set_={"scene": new.scene, "source": new.source, "joined_at": new.joined_at, "left_at": None},
            )
        )
        changed(self._connection, [member_id])
        return True

    def learn_source(self, group_id: str, member_id: str, source: str) -> bool:
        """Where a seated member came from, which only the group's details tell; False when it is known."""
        result = self._connection.execute(
            update(seat)
            .where(seat.c.group_id == group_id, seat.c.member == member_id, seat.c.source == "")
            .values(source=source)
        )
        return bool(result.rowcount)

    def unseat(
        self, group_id: str, members: Iterable[str], left_at: datetime, *, removed: bool = False
    ) -> list[str]:
        """Members leave, unless they have come back since; returns those who were there.

        Of whom we have not heard yet, it is remembered that they left.
        """
        leaving, at = list(members), to_ms(left_at)
        theirs = and_(seat.c.group_id == group_id, seat.c.member.in_(leaving))
        rows = self._connection.scalars(
            update(seat)
            .where(theirs, seat.c.left_at.is_(None), seat.c.joined_at <= at)
            .values(left_at=at, removed=removed)
            .returning(seat.c.member)
        )
        gone = list(rows)
        changed(self._connection, gone)
        self._connection.execute(
            update(seat).where(theirs, seat.c.left_at < at).values(left_at=at, removed=removed)
        )
        new = insert_into(self._connection, seat).on_conflict_do_nothing(
            index_elements=["group_id", "member"]
        )
        for member_id in leaving:
            self._connection.execute(
                new.values(group_id=group_id, member=member_id, joined_at=at, left_at=at, removed=removed)
            )
        return gone

    def seated(self, group_id: str) -> list[Sitting]:
        rows = self._connection.execute(
            select(seat, member.c.name, member.c.staff)
            .join(member, member.c.id == seat.c.member)
            .where(seat.c.group_id == group_id, seat.c.left_at.is_(None))
            .order_by(seat.c.joined_at)
        )
        return [
            Sitting(
                row.group_id,
                row.member,
                row.name,
                bool(row.staff),
                from_ms(row.joined_at),
                maybe_from_ms(row.left_at),
            )
            for row in rows
        ]

    def is_seated(self, group_id: str, member_id: str) -> bool:
        row = self._connection.execute(
            select(seat.c.member).where(
                seat.c.group_id == group_id, seat.c.member == member_id, seat.c.left_at.is_(None)
            )
        ).first()
        return row is not None

    def of_member(self, member_id: str) -> list[Group]:
        rows = self._connection.execute(
            select(groups)
            .join(seat, seat.c.group_id == groups.c.id)
            .where(seat.c.member == member_id, seat.c.left_at.is_(None), groups.c.dismissed_at.is_(None))
            .order_by(seat.c.joined_at)
        )
        return [_group(row) for row in rows]

    def sizes(self) -> dict[str, int]:
        """How many members, staff not counted, sit in each group."""
        rows = self._connection.execute(
            select(seat.c.group_id, func.count())
            .join(member, member.c.id == seat.c.member)
            .where(seat.c.left_at.is_(None), member.c.staff.is_(False))
            .group_by(seat.c.group_id)
        )
        return dict(rows.all())


def _group(row: Any) -> Group:
    return Group(
        id=row.id,
        name=row.name,
        kind=row.kind,
        owner=row.owner,
        zone=row.zone,
        version=row.version,
        line=row.line,
        created=from_ms(row.created_at),
        dismissed=maybe_from_ms(row.dismissed_at),
    )
