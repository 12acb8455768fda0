"""Members, staff and who is whose friend; tiers with the reason of every change."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, and_, case, insert, select, update

from sop.member import Member
from sop.update import TierChanged, Update
from storage.engine import insert_into
from storage.instant import from_ms, maybe_from_ms, to_ms
from storage.stale import changed
from storage.tables import friend, groups, journey, member, member_tag, seat, tier_change


@dataclass(frozen=True)
class Friend:
    """A staff member who has a member as a friend."""

    member: str
    staff: str
    source: str
    half: bool
    since: datetime
    lost_at: datetime | None
    lost_by: str
    remark: str = ""


@dataclass(frozen=True)
class Climb:
    """One change of tier, with its reason."""

    before: str
    after: str
    reason: str
    at: datetime


LEFT = "left"  # a friendship lost because the employee left the corp


class MemberStore:
    def __init__(
        self, connection: Connection, now: datetime, note: Callable[[Update], None] = lambda update: None
    ) -> None:
        self._connection = connection
        self._now = now
        self._note = note

    # ------------------------------------------------------------ knowing

    def get(self, member_id: str) -> Member | None:
        found = self.several([member_id])
        return found[0] if found else None

    def several(self, ids: Collection[str]) -> list[Member]:
        """Members with their tags and groups, in three questions however many they are."""
        rows = self._connection.execute(
            select(member).where(member.c.id.in_(ids)).order_by(member.c.id)
        ).all()
        known = [row.id for row in rows]
        tags = _gather(
            self._connection.execute(
                select(member_tag.c.member, member_tag.c.tag).where(member_tag.c.member.in_(known))
            )
        )
        seats = self._connection.execute(
            select(seat.c.member, groups.c.name, groups.c.kind)
            .join(groups, groups.c.id == seat.c.group_id)
            .where(seat.c.member.in_(known), seat.c.left_at.is_(None), groups.c.dismissed_at.is_(None))
        ).all()
        named = _gather((row.member, row.name) for row in seats)
        kinds = _gather((row.member, row.kind) for row in seats)
        none: frozenset[str] = frozenset()
        return [
            _member(row, tags.get(row.id, none), named.get(row.id, none), kinds.get(row.id, none))
            for row in rows
        ]

    def of_union(self, unionid: str) -> list[str]:
        """Ids under which we know the same WeChat person."""
        return list(
            self._connection.scalars(
                select(member.c.id)
                .where(member.c.unionid == unionid, member.c.unionid != "")
                .order_by(member.c.id)
            )
        )

    def search(self, text: str = "", *, tier: str = "", limit: int = 50, offset: int = 0) -> list[Member]:
        """Members (not staff) whose name or id holds ``text``, newest first."""
        query = select(member.c.id).where(member.c.staff.is_(False), member.c.bot.is_(False))
        if text:
            query = query.where(member.c.name.contains(text, autoescape=True) | (member.c.id == text))
        if tier:
            query = query.where(member.c.tier == tier)
        ids = list(
            self._connection.scalars(
                query.order_by(member.c.seen_at.desc(), member.c.id).limit(limit).offset(offset)
            )
        )
        by_id = {found.id: found for found in self.several(ids)}
        return [by_id[member_id] for member_id in ids]

    def page(self, *, after: str = "", limit: int = 500) -> list[Member]:
        """Members (not staff, not bots) in the order of their ids, for walking through all of them."""
        ids = self._connection.scalars(
            select(member.c.id)
            .where(member.c.staff.is_(False), member.c.bot.is_(False), member.c.id > after)
            .order_by(member.c.id)
            .limit(limit)
        )
        return self.several(list(ids))

    def staff(self) -> list[Member]:
        """Every employee we know."""
        ids = self._connection.scalars(select(member.c.id).where(member.c.staff.is_(True)))
        return self.several(list(ids))

    def quiet_since(self, instant: datetime, template: str) -> list[Member]:
        """Friends of whom nothing was heard since an instant (nothing ever: since they came), not on ``template`` now."""
        heard = case((member.c.active_at > 0, member.c.active_at), else_=member.c.seen_at)
        walking = select(journey.c.whom).where(journey.c.template == template, journey.c.state == "active")
        ids = self._connection.scalars(
            select(member.c.id)
            .where(
                member.c.staff.is_(False),
                member.c.bot.is_(False),
                heard <= to_ms(instant),
                member.c.id.in_(select(friend.c.member).where(friend.c.lost_at.is_(None))),
                member.c.id.not_in(walking),
            )
            .order_by(member.c.id)
        )
        return self.several(list(ids))

    def friendships(self) -> set[tuple[str, str]]:
        """Every (member, staff) who are friends now."""
        rows = self._connection.execute(
            select(friend.c.member, friend.c.staff).where(
                friend.c.lost_at.is_(None), friend.c.half.is_(False)
            )
        )
        return {(row.member, row.staff) for row in rows}

    def senders(self, ids: Collection[str]) -> dict[str, str]:
        """For each member the staff member in whose name we write: the newest friendship."""
        rows = self._connection.execute(
            select(friend.c.member, friend.c.staff)
            .where(friend.c.member.in_(ids), friend.c.lost_at.is_(None), friend.c.half.is_(False))
            .order_by(friend.c.since_at, friend.c.staff.desc())
        )
        return {row.member: row.staff for row in rows}

    def befriended_by(self, staff: str, ids: Collection[str]) -> set[str]:
        """Those of these members whom a staff member can write to."""
        whole = friend.c.lost_at.is_(None) & friend.c.half.is_(False)
        rows = self._connection.scalars(
            select(friend.c.member).where(friend.c.staff == staff, friend.c.member.in_(ids), whole)
        )
        return set(rows)

    def meet(
        self,
        member_id: str,
        *,
        name: str = "",
        source: str = "",
        staff: bool = False,
        seen_at: datetime | None = None,
    ) -> bool:
        """Know someone from now on; False when we already do (what was empty is filled in)."""
        row = self._connection.execute(
            insert_into(self._connection, member)
            .values(
                id=member_id,
                name=name,
                source=source,
                staff=staff,
                tier="new",
                seen_at=to_ms(seen_at or self._now),
                tier_at=to_ms(seen_at or self._now),
            )
            .on_conflict_do_nothing(index_elements=["id"])
            .returning(member.c.id)
        ).first()
        if row is not None:
            changed(self._connection, [member_id])
            return True
        for column, value in (("name", name), ("source", source)):
            if value and self._fill(member_id, column, value) and column == "source":
                changed(self._connection, [member_id])
        return False

    def _fill(self, member_id: str, column: str, value: str) -> bool:
        """Write what was empty; False when it was not."""
        empty = member.c.id == member_id, member.c[column] == ""
        result = self._connection.execute(update(member).where(*empty).values({column: value}))
        return bool(result.rowcount)

    def describe(self, member_id: str, **values: Any) -> None:
        """Write what the platform says of someone: name, avatar, unionid, staff."""
        self._connection.execute(update(member).where(member.c.id == member_id).values(**values))
        if "staff" in values:
            changed(self._connection, [member_id])

    def touch(self, member_id: str, at: datetime) -> None:
        """Someone did something at an instant."""
        self._connection.execute(
            update(member)
            .where(member.c.id == member_id, member.c.active_at < to_ms(at))
            .values(active_at=to_ms(at))
        )

    # ------------------------------------------------------------ friends

    def befriend(
        self,
        member_id: str,
        staff: str,
        *,
        source: str = "",
        half: bool = False,
        since: datetime,
        described: bool = False,
    ) -> bool:
        """True when the friendship is new, or whole where it was half or lost; one that ended since then stays ended.

        With ``described`` the platform lists it now, whatever we heard of its end.
        """
        before = self.friendship(member_id, staff)
        if before is not None and _is_later(before, since, half=half, described=described):
            return False
        if before is not None and before.lost_at is None and before.half == half:
            self._was_renewed(before, since)
            return False
        insertion = insert_into(self._connection, friend).values(
            member=member_id,
            staff=staff,
            source=source,
            half=half,
            since_at=to_ms(since),
            lost_at=None,
            lost_by="",
        )
        self._connection.execute(
            insertion.on_conflict_do_update(
                index_elements=["member", "staff"],
                set_={"half": half, "since_at": to_ms(since), "lost_at": None, "lost_by": ""},
            )
        )
        return not self._ended_with_staff(member_id, staff, since)

    def _ended_with_staff(self, member_id: str, staff: str, since: datetime) -> bool:
        """Whether we hear of a friendship only after the employee has left the corp."""
        left_at = self._connection.scalar(select(member.c.left_at).where(member.c.id == staff))
        if left_at is None or left_at < to_ms(since):
            return False
        these = and_(friend.c.member == member_id, friend.c.staff == staff)
        self._connection.execute(update(friend).where(these).values(lost_at=left_at, lost_by=LEFT))
        return True

    def _was_renewed(self, known: Friend, since: datetime) -> None:
        """They became friends again, and we have yet to hear that they were none in between."""
        self._connection.execute(
            update(friend)
            .where(
                friend.c.member == known.member,
                friend.c.staff == known.staff,
                friend.c.since_at < to_ms(since),
            )
            .values(since_at=to_ms(since))
        )

    def unfriend(self, member_id: str, staff: str, by: str, at: datetime) -> bool:
        """A friendship ends, unless it was renewed since; of one we have not heard of yet it is remembered."""
        these = and_(friend.c.member == member_id, friend.c.staff == staff)
        result = self._connection.execute(
            update(friend)
            .where(these, friend.c.lost_at.is_(None), friend.c.since_at <= to_ms(at))
            .values(lost_at=to_ms(at), lost_by=by)
        )
        new = insert_into(self._connection, friend).values(
            member=member_id, staff=staff, since_at=to_ms(at), lost_at=to_ms(at), lost_by=by
        )
        later = (
            update(friend).where(these, friend.c.lost_at < to_ms(at)).values(lost_at=to_ms(at), lost_by=by)
        )
        self._connection.execute(later)
        self._connection.execute(new.on_conflict_do_nothing(index_elements=["member", "staff"]))
        return bool(result.rowcount)

    def lose_staff(self, staff: str, at: datetime) -> None:
        """Every friendship of an employee is over: they have left the corp."""
        self.meet(staff, staff=True)
        self._connection.execute(update(member).where(member.c.id == staff).values(left_at=to_ms(at)))
        self._connection.execute(
            update(friend)
            .where(friend.c.staff == staff, friend.c.lost_at.is_(None), friend.c.since_at <= to_ms(at))
            .values(lost_at=to_ms(at), lost_by=LEFT)
        )

    def remark(self, member_id: str, staff: str, text: str) -> None:
        """What a staff member shall call the member: written by us, the platform is to follow."""
        self._connection.execute(
            update(friend)
            .where(friend.c.member == member_id, friend.c.staff == staff)
            .values(remark=text, remark_at=to_ms(self._now))
        )

    def hear_remark(self, member_id: str, staff: str, text: str, written_before: datetime) -> None:
        """What the platform shows as remark, unless we have written another since."""
        self._connection.execute(
            update(friend)
            .where(
                friend.c.member == member_id,
                friend.c.staff == staff,
                friend.c.remark != text,
                friend.c.remark_at <= to_ms(written_before),
            )
            .values(remark=text)
        )

    def friendship(self, member_id: str, staff: str) -> Friend | None:
        row = self._connection.execute(
            select(friend).where(friend.c.member == member_id, friend.c.staff == staff)
        ).one_or_none()
        return None if row is None else _friend(row)

    def friends(self, member_id: str) -> list[Friend]:
        """Staff who have this member as a friend now, the newest friendship first."""
        rows = self._connection.execute(
            select(friend)
            .where(friend.c.member == member_id, friend.c.lost_at.is_(None), friend.c.half.is_(False))
            .order_by(friend.c.since_at.desc(), friend.c.staff)
        )
        return [_friend(row) for row in rows]

    # ------------------------------------------------------------ tiers

    def promote(self, member_id: str, tier: str, reason: str) -> bool:
        """Move someone to another tier, with the reason; False when they are there already."""
        before = self._connection.scalar(
            select(member.c.tier).where(member.c.id == member_id).with_for_update()
        )
        if before is None or before == tier:
            return False
        self._connection.execute(
            update(member).where(member.c.id == member_id).values(tier=str(tier), tier_at=to_ms(self._now))
        )
        self._connection.execute(
            insert(tier_change).values(
                member=member_id, before=before, after=str(tier), reason=reason, changed_at=to_ms(self._now)
            )
        )
        changed(self._connection, [member_id])
        self._note(TierChanged(at=self._now, member=member_id, before=before, after=str(tier), reason=reason))
        return True

    def climbs(self, member_id: str) -> list[Climb]:
        rows = self._connection.execute(
            select(tier_change).where(tier_change.c.member == member_id).order_by(tier_change.c.id.desc())
        )
        return [Climb(row.before, row.after, row.reason, from_ms(row.changed_at)) for row in rows]


def _gather(rows: Any) -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for key, value in rows:
        found.setdefault(key, set()).add(value)
    return {key: frozenset(values) for key, values in found.items()}


def _member(row: Any, tags: frozenset[str], seats: frozenset[str], kinds: frozenset[str]) -> Member:
    return Member(
        id=row.id,
        name=row.name,
        tier=row.tier,
        tags=tags,
        groups=seats,
        kinds=kinds,
        source=row.source,
        staff=bool(row.staff),
        bot=bool(row.bot),
        avatar=row.avatar,
        zone=row.zone,
        tier_since=from_ms(row.tier_at),
        first_seen=from_ms(row.seen_at),
        last_active=from_ms(row.active_at) if row.active_at else None,
    )


def _is_later(known: Friend, since: datetime, *, half: bool, described: bool) -> bool:
    """Whether what we know of a friendship came after what we are told now: the later word holds, a whole one in doubt."""
    if known.lost_at is not None:
        return since <= known.lost_at and not described
    if described and known.half:
        return False
    return since < known.since or (since == known.since and half and not known.half)


def _friend(row: Any) -> Friend:
    return Friend(
        row.member,
        row.staff,
        row.source,
        bool(row.half),
        from_ms(row.since_at),
        maybe_from_ms(row.lost_at),
        row.lost_by,
        row.remark,
    )
