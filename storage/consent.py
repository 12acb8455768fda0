"""What members allowed: append-only, with the wording shown, the channel and the instant; the newest row is in force."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, insert, select

from storage.among import among
from storage.instant import from_ms, to_ms
from storage.tables import consent

MARKETING = "marketing"


@dataclass(frozen=True)
class Decision:
    """One decision a member took."""

    member: str
    purpose: str
    granted: bool
    wording: str
    channel: str
    at: datetime


class ConsentStore:
    def __init__(self, connection: Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def decide(
        self, member: str, granted: bool, *, channel: str, wording: str = "1", purpose: str = MARKETING
    ) -> bool:
        """Record a decision; False when it is the one already in force."""
        current = self.in_force(member, purpose)
        if current is not None and current.granted == granted and current.wording == wording:
            return False
        self._connection.execute(
            insert(consent).values(
                member=member,
                purpose=purpose,
                granted=granted,
                wording=wording,
                channel=channel,
                decided_at=to_ms(self._now),
            )
        )
        return True

    def in_force(self, member: str, purpose: str = MARKETING) -> Decision | None:
        row = self._connection.execute(
            select(consent)
            .where(consent.c.member == member, consent.c.purpose == purpose)
            .order_by(consent.c.id.desc())
            .limit(1)
        ).one_or_none()
        if row is None:
            return None
        return Decision(
            row.member, row.purpose, row.granted, row.wording, row.channel, from_ms(row.decided_at)
        )

    def newest(self, members: Collection[str], purposes: Collection[str]) -> dict[tuple[str, str], Decision]:
        """The decisions in force of these members about these purposes, by (member, purpose)."""
        newest = (
            select(func.max(consent.c.id))
            .where(consent.c.member.in_(members), consent.c.purpose.in_(purposes))
            .group_by(consent.c.member, consent.c.purpose)
        )
        rows = self._connection.execute(select(consent).where(consent.c.id.in_(newest)))
        return {
            (row.member, row.purpose): Decision(
                row.member, row.purpose, row.granted, row.wording, row.channel, from_ms(row.decided_at)
            )
            for row in rows
        }

    def refused(self, members: Collection[str], purpose: str = MARKETING) -> set[str]:
        """Those of ``members`` whose newest decision is no."""
        newest = (
            select(func.max(consent.c.id))
            .where(among(consent.c.member, members), consent.c.purpose == purpose)
            .group_by(consent.c.member)
        )
        rows = self._connection.scalars(
            select(consent.c.member).where(consent.c.id.in_(newest), consent.c.granted.is_(False))
        )
        return set(rows)
