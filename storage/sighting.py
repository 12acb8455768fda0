"""What the last walk through the platform's directory saw: each friendship with a digest of what was told of it.

What is told as before need not be handled again; what was not seen at all is asked for once more.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime

from sqlalchemy import Connection, and_, select

from sop.update import MemberDescribed
from storage.engine import insert_into
from storage.instant import to_ms
from storage.tables import friend, sighting

FIRST_WALK = (
    "directory.since"  # position: when we first looked; younger friendships should have rung our door
)


class SightingStore:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def see(self, told: Sequence[MemberDescribed], walk: datetime) -> list[MemberDescribed]:
        """Note that this walk saw these (each with one friendship); returns those told otherwise than last time."""
        digests = {(one.friends[0].staff, one.member): (_digest(one), one) for one in told}
        known = self._known(list(digests))
        for (staff, member), (digest, _) in digests.items():
            insertion = insert_into(self._connection, sighting).values(
                staff=staff, member=member, digest=digest, seen_at=to_ms(walk)
            )
            new = insertion.excluded
            self._connection.execute(
                insertion.on_conflict_do_update(
                    index_elements=["staff", "member"], set_={"digest": new.digest, "seen_at": new.seen_at}
                )
            )
        return [one for pair, (digest, one) in digests.items() if known.get(pair) != digest]

    def _known(self, pairs: Sequence[tuple[str, str]]) -> dict[tuple[str, str], str]:
        staff, members = {one for one, _ in pairs}, {one for _, one in pairs}
        rows = self._connection.execute(
            select(sighting).where(sighting.c.staff.in_(staff), sighting.c.member.in_(members))
        )
        return {(row.staff, row.member): row.digest for row in rows}

    def unseen(self, staff: Sequence[str], walk: datetime) -> list[str]:
        """Members we take for friends of these employees and this walk did not see, though they were before it began."""
        seen = and_(
            sighting.c.staff == friend.c.staff,
            sighting.c.member == friend.c.member,
            sighting.c.seen_at >= to_ms(walk),
        )
        rows = self._connection.scalars(
            select(friend.c.member)
            .outerjoin(sighting, seen)
            .where(
                friend.c.staff.in_(staff),
                friend.c.half.is_(False),
                friend.c.lost_at.is_(None),
                friend.c.since_at < to_ms(walk),
                sighting.c.member.is_(None),
            )
            .distinct()
        )
        return list(rows)

    def forget(self, member: str, staff: str) -> None:
        """The friendship changed under our hands: the next walk tells of it whatever it was told before."""
        self._connection.execute(
            sighting.delete().where(sighting.c.member == member, sighting.c.staff == staff)
        )


def _digest(told: MemberDescribed) -> str:
    said = {**asdict(told.friends[0]), "name": told.name, "avatar": told.avatar, "unionid": told.unionid}
    said["tags"] = sorted(said["tags"])
    return hashlib.sha1(json.dumps(said, sort_keys=True).encode(), usedforsecurity=False).hexdigest()
