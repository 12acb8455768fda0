"""Time zones of members and groups: a member's own, else that of the group they joined last and that has one."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from sqlalchemy import Connection, bindparam, exists, literal_column, or_, select, update

from sop.group import GroupKind
from storage.tables import groups, member, seat

# spelt out, not bound: a partial index serves only a query that repeats its words
_OWN = member.c.zone != literal_column("''")
_GROUPS = groups.c.zone != literal_column("''")


class ZoneStore:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def of(self, members: Collection[str] = (), chats: Collection[str] = ()) -> dict[str, str]:
        """The zones of these members and groups; whose is not here lives by the community's clock."""
        if not self._any():
            return {}
        return self._of_members(members) | self._of_groups(chats)

    def _any(self) -> bool:
        """Whether anybody has a zone of their own: mostly nobody has, and that is told by an index."""
        return bool(self._connection.scalar(select(or_(exists().where(_OWN), exists().where(_GROUPS)))))

    def _of_members(self, members: Collection[str]) -> dict[str, str]:
        if not members:
            return {}
        joined = (
            select(seat.c.member, groups.c.zone)
            .join(groups, groups.c.id == seat.c.group_id)
            .where(
                seat.c.member.in_(members),
                seat.c.left_at.is_(None),
                groups.c.zone != "",
                groups.c.kind != GroupKind.IMPORTED,
                groups.c.dismissed_at.is_(None),
            )
            .order_by(seat.c.joined_at, seat.c.group_id)
        )
        own = select(member.c.id, member.c.zone).where(member.c.id.in_(members), member.c.zone != "")
        found = {row.member: row.zone for row in self._connection.execute(joined)}
        return found | {row.id: row.zone for row in self._connection.execute(own)}

    def _of_groups(self, chats: Collection[str]) -> dict[str, str]:
        if not chats:
            return {}
        rows = self._connection.execute(
            select(groups.c.id, groups.c.zone).where(groups.c.id.in_(chats), groups.c.zone != "")
        )
        return {row.id: row.zone for row in rows}

    def keep(self, zones: Mapping[str, str]) -> None:
        """Members live by these zones from now on; what they are on the way through keeps the one it began with."""
        if zones:
            self._connection.execute(
                update(member).where(member.c.id == bindparam("who")).values(zone=bindparam("where")),
                [{"who": who, "where": zone} for who, zone in zones.items()],
            )

    def keep_of_group(self, chat: str, zone: str) -> bool:
        """The group lives by this zone, empty for the community's; False when there is no such group."""
        result = self._connection.execute(update(groups).where(groups.c.id == chat).values(zone=zone))
        return bool(result.rowcount)
