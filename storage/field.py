"""Date fields: days kept of members under a name."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from sqlalchemy import Connection, select

from sop.field import MemberDate, anniversaries
from storage.among import among
from storage.engine import insert_into
from storage.tables import member, member_field


class FieldStore:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def keep(self, dates: Sequence[MemberDate]) -> None:
        """Keep these days; one that was kept under the same name is replaced."""
        if not dates:
            return
        insertion = insert_into(self._connection, member_field)
        new = insertion.excluded
        rows = [
            {
                "member": one.member,
                "field": one.field,
                "day": one.day.isoformat(),
                "month_day": one.day.isoformat()[5:],
            }
            for one in dates
        ]
        self._connection.execute(
            insertion.on_conflict_do_update(
                index_elements=["member", "field"], set_={"day": new.day, "month_day": new.month_day}
            ),
            rows,
        )

    def of(self, member_id: str) -> list[MemberDate]:
        rows = self._connection.execute(
            select(member_field).where(member_field.c.member == member_id).order_by(member_field.c.field)
        )
        return [MemberDate(row.member, row.field, date.fromisoformat(row.day)) for row in rows]

    def days(self, field: str, members: Sequence[str]) -> dict[str, date]:
        """The day kept under this name of each of these members who has one."""
        rows = self._connection.execute(
            select(member_field.c.member, member_field.c.day).where(
                member_field.c.field == field, among(member_field.c.member, members)
            )
        )
        return {row.member: date.fromisoformat(row.day) for row in rows}

    def whose(self, field: str, on: date, *, after: str = "", limit: int | None = None) -> list[str]:
        """Members whose day it is this year, in the order of their ids; a day yet to come is nobody's."""
        rows = self._connection.scalars(
            select(member_field.c.member)
            .where(
                member_field.c.field == field,
                member_field.c.month_day.in_(anniversaries(on)),
                member_field.c.day <= on.isoformat(),
                member_field.c.member > after,
            )
            .order_by(member_field.c.member)
            .limit(limit)
        )
        return list(rows)

    def unknown(self, members: Sequence[str]) -> set[str]:
        """Those of these members whom we do not know."""
        known = self._connection.scalars(select(member.c.id).where(member.c.id.in_(members)))
        return set(members) - set(known)
