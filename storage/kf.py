"""微信客服 sessions: who looks after a member, when they last wrote, and how often we have answered since."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, and_, case, func, or_, select, update

from sop.kf import Care, Session
from sop.message import Channel
from sop.receipt import State
from storage.among import among
from storage.engine import insert_into
from storage.instant import maybe_from_ms, to_ms
from storage.tables import kf_session, kf_visitor, outbox

ANSWERED = (State.SENDING, State.SENT, State.UNKNOWN)  # what the platform has counted, or may have
Place = tuple[str, str]  # member, account


class KfStore:
    """Sessions as one transaction sees them."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def hear(self, member: str, account: str, at: datetime) -> None:
        """The member wrote: whatever had ended begins anew."""
        new = insert_into(self._connection, kf_session).values(
            member=member, account=account, care=Care.NEW, staff="", wrote_at=to_ms(at), moved_at=0
        )
        later = new.excluded.wrote_at > kf_session.c.wrote_at
        woken = and_(later, kf_session.c.care == Care.ENDED)
        self._connection.execute(
            new.on_conflict_do_update(
                index_elements=["member", "account"],
                set_={
                    "wrote_at": case((later, new.excluded.wrote_at), else_=kf_session.c.wrote_at),
                    "care": case((woken, Care.NEW), else_=kf_session.c.care),
                    "staff": case((woken, ""), else_=kf_session.c.staff),
                },
            )
        )

    def move(self, member: str, account: str, care: Care, at: datetime, *, staff: str = "") -> None:
        """Somebody else looks after the member since an instant; what is older than we know changes nothing."""
        new = insert_into(self._connection, kf_session).values(
            member=member, account=account, care=care, staff=staff, wrote_at=0, moved_at=to_ms(at)
        )
        self._connection.execute(
            new.on_conflict_do_update(
                index_elements=["member", "account"],
                set_={name: new.excluded[name] for name in ("care", "staff", "moved_at")},
                where=new.excluded.moved_at >= kf_session.c.moved_at,
            )
        )

    def session(self, member: str, account: str) -> Session | None:
        return self.sessions([(member, account)]).get((member, account))

    def sessions(self, places: Collection[Place]) -> dict[Place, Session]:
        """What we know of these."""
        if not places:
            return {}
        rows = self._connection.execute(
            select(kf_session).where(among(kf_session.c.member, {member for member, _ in places}))
        )
        found = {(row.member, row.account): _session(row) for row in rows}
        return {place: found[place] for place in places if place in found}

    def attended_by(self, staff: str, account: str) -> list[str]:
        """Members whose session with an account an employee looks after, as far as we know."""
        theirs = (kf_session.c.staff == staff, kf_session.c.account == account)
        return list(
            self._connection.scalars(
                select(kf_session.c.member)
                .where(*theirs, kf_session.c.care == Care.PERSON)
                .order_by(kf_session.c.member)
            )
        )

    def account_of(self, member: str) -> str:
        """The account a member last wrote to, empty when they never did."""
        return self.accounts_of([member]).get(member, "")

    def accounts_of(self, members: Collection[str]) -> dict[str, str]:
        """The same for each of these who ever wrote."""
        rows = self._connection.execute(
            select(kf_session.c.member, kf_session.c.account)
            .where(among(kf_session.c.member, members), kf_session.c.wrote_at > 0)
            .order_by(kf_session.c.wrote_at, kf_session.c.account.desc())
        )
        return {row.member: row.account for row in rows}

    def answered(self, sessions: Mapping[Place, Session], *, but: Collection[int] = ()) -> dict[Place, int]:
        """How many messages of ours each session got since the member last wrote; ``but`` are not counted."""
        open_ones = {place: to_ms(one.wrote_at) for place, one in sessions.items() if one.wrote_at}
        if not open_ones:
            return {}
        left = func.coalesce(outbox.c.sent_at, outbox.c.tried_at)
        since = or_(
            *(
                and_(outbox.c.member == member, outbox.c.sender == account, left >= wrote)
                for (member, account), wrote in open_ones.items()
            )
        )
        rows = self._connection.execute(
            select(outbox.c.member, outbox.c.sender, func.count())
            .where(
                outbox.c.channel == Channel.KF,
                outbox.c.state.in_(ANSWERED),
                outbox.c.welcome_code == "",  # an answer to a code is not counted
                outbox.c.id.not_in(but),
                since,
            )
            .group_by(outbox.c.member, outbox.c.sender)
        )
        return {(row.member, row.sender): row[2] for row in rows}

    # ------------------------------------------------------------ one person, two ids

    def join(self, visitor: str, member: str) -> None:
        """Who writes to us as ``visitor`` is this member: what we know of their sessions is theirs."""
        known = insert_into(self._connection, kf_visitor).values(visitor=visitor, member=member)
        self._connection.execute(
            known.on_conflict_do_update(index_elements=["visitor"], set_={"member": known.excluded.member})
        )
        theirs = select(kf_session.c.account).where(kf_session.c.member == member)
        self._connection.execute(
            update(kf_session)
            .where(kf_session.c.member == visitor, kf_session.c.account.not_in(theirs))
            .values(member=member)
        )

    def members_behind(self, visitors: Collection[str]) -> dict[str, str]:
        """Those of ``visitors`` whom we know as somebody else."""
        rows = self._connection.execute(select(kf_visitor).where(kf_visitor.c.visitor.in_(visitors)))
        return {row.visitor: row.member for row in rows}

    def addresses(self, members: Collection[str]) -> dict[str, str]:
        """The other id under which 微信客服 reaches some of ``members``."""
        rows = self._connection.execute(select(kf_visitor).where(among(kf_visitor.c.member, members)))
        return {row.member: row.visitor for row in rows}

    def address(self, member: str) -> str:
        return self.addresses([member]).get(member, member)

    def has_written(self, members: Collection[str]) -> set[str]:
        """Those of ``members`` who have a session."""
        return set(
            self._connection.scalars(select(kf_session.c.member).where(kf_session.c.member.in_(members)))
        )

    def forget(self, account: str) -> None:
        """An account was taken from us: whoever wrote there cannot be answered."""
        self._connection.execute(
            update(kf_session).where(kf_session.c.account == account).values(care=Care.ENDED)
        )


def _session(row: Any) -> Session:
    return Session(
        member=row.member,
        account=row.account,
        care=Care(row.care),
        staff=row.staff,
        wrote_at=maybe_from_ms(row.wrote_at or None),
        moved_at=maybe_from_ms(row.moved_at or None),
    )
