"""Guests: visitors who are neither members nor staff, known by a pseudonym only, until they become members."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, delete, select

from storage.activity import HOME, ActivityStore
from storage.engine import insert_into
from storage.instant import to_ms
from storage.tables import activity, guest_visit


class GuestStore:
    def __init__(self, connection: Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def visit(self, guest: str, fact: str) -> None:
        """A fact of the activity log that was this guest's doing."""
        self._connection.execute(
            insert_into(self._connection, guest_visit)
            .values(fact=fact, guest=guest, visited_at=to_ms(self._now))
            .on_conflict_do_nothing(index_elements=["fact"])
        )

    def join(self, guest: str, member: str, *, zone: str = HOME) -> int:
        """The guest turns out to be this member: what they did is theirs, and the pseudonym is forgotten. Returns how much."""
        mine = select(guest_visit.c.fact).where(guest_visit.c.guest == guest)
        found = ActivityStore(self._connection).credit(member, activity.c.key.in_(mine), zone=zone)
        self._connection.execute(delete(guest_visit).where(guest_visit.c.guest == guest))
        return found

    def forget(self, before: datetime) -> None:
        """Who has not become a member by now stays nobody."""
        self._connection.execute(delete(guest_visit).where(guest_visit.c.visited_at < to_ms(before)))
