"""Which tags the platform carries on each friendship, and which of our own changes it has not taken yet."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ColumnElement, Connection, delete, select, update

from sop.mark import Mark
from storage.engine import insert_into
from storage.instant import from_ms, to_ms
from storage.tables import mark


class MarkStore:
    def __init__(self, connection: Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def of(self, member: str, staff: str) -> dict[str, Mark]:
        """The marks of one friendship by tag."""
        rows = self._connection.execute(select(mark).where(mark.c.member == member, mark.c.staff == staff))
        return {row.tag: Mark(bool(row.present), bool(row.settled), from_ms(row.changed_at)) for row in rows}

    def want(self, member: str, staff: str, tag: str, present: bool) -> None:
        """We are going to set or unset a tag there."""
        self._write(member, staff, tag, present, settled=False)

    def learn(self, member: str, staff: str, tag: str, present: bool) -> None:
        """The platform shows, or does not show, a tag there."""
        self._write(member, staff, tag, present, settled=True)

    def settle(self, member: str, staff: str, tag: str, present: bool) -> None:
        """The platform has taken our change, unless we want the opposite by now."""
        self._connection.execute(
            update(mark)
            .where(*_is(member, staff, tag), mark.c.present.is_(present))
            .values(settled=True, changed_at=to_ms(self._now))
        )

    def give_up(self, member: str, staff: str, tag: str, present: bool) -> None:
        """The platform refused our change: nothing is known of this tag there."""
        self._connection.execute(
            delete(mark).where(
                *_is(member, staff, tag), mark.c.present.is_(present), mark.c.settled.is_(False)
            )
        )

    def is_carried(self, member: str, tag: str) -> bool:
        """Whether any friendship of the member carries the tag."""
        found = select(mark.c.staff).where(
            mark.c.member == member, mark.c.tag == tag, mark.c.present.is_(True)
        )
        return self._connection.execute(found.limit(1)).first() is not None

    def forget_friendship(self, member: str, staff: str) -> None:
        """The friendship is over, and its tags with it."""
        self._connection.execute(delete(mark).where(mark.c.member == member, mark.c.staff == staff))

    def _write(self, member: str, staff: str, tag: str, present: bool, *, settled: bool) -> None:
        insertion = insert_into(self._connection, mark).values(
            member=member, staff=staff, tag=tag, present=present, settled=settled, changed_at=to_ms(self._now)
        )
        new = insertion.excluded
        self._connection.execute(
            insertion.on_conflict_do_update(
                index_elements=["member", "staff", "tag"],
                set_={"present": new.present, "settled": new.settled, "changed_at": new.changed_at},
            )
        )


def _is(member: str, staff: str, tag: str) -> tuple[ColumnElement[bool], ...]:
    return mark.c.member == member, mark.c.staff == staff, mark.c.tag == tag
