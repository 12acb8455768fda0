"""The activity log: facts, each kept once, and added up the moment they are written."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, Connection, bindparam, func, select, update

from sop.activity import (
    BROADCAST,
    BROADCAST_GROUPS,
    BROADCAST_WITHIN,
    PARTICIPATION,
    RECALLED,
    TALK,
    Activity,
    hash_of,
    local_day,
)
from sop.group import GroupKind
from storage.among import among
from storage.engine import insert_for, insert_new
from storage.instant import MILLISECOND, from_ms, to_ms
from storage.roll_up import RollUp
from storage.tables import activity, groups, member_day

HOME = "Asia/Shanghai"  # where a group lives that says nothing else
ROWS_AT_ONCE = 1000
FOREVER = 1 << 60
QUOTED_WITHIN = timedelta(days=7)
COPY = (activity.c.id, activity.c.member, activity.c.text_hash, activity.c.group_id, activity.c.happened_at)

_PLACE = select(groups.c.zone, groups.c.kind).where(groups.c.id == bindparam("group"))
_SAME = (  # what a member said to the letter, between two instants
    select(*COPY)
    .where(
        activity.c.member == bindparam("member"),
        activity.c.text_hash == bindparam("text"),
        activity.c.kind.in_((TALK, BROADCAST)),
        activity.c.happened_at.between(bindparam("since"), bindparam("until")),
    )
    .order_by(activity.c.happened_at)
)


@lru_cache
def _adding(dialect: str) -> Any:
    """Add a fact unless its key is known; made once, for it runs once for every fact."""
    return (
        insert_for(dialect, activity).on_conflict_do_nothing(index_elements=["key"]).returning(activity.c.id)
    )


class ActivityStore:
    """The log as one transaction sees it. Order of arrival never changes what it adds up to."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._rolls = RollUp(connection)
        self._zones: dict[str, str] = {}

    # ------------------------------------------------------------ writing

    def log(self, fact: Activity, *, zone: str = HOME) -> bool:
        """Keep a fact and add it up, in constant time; False when it is known already.

        ``zone`` is the community's; a group with a zone of its own has its own days.
        """
        if self._connection.execute(_adding(self._connection.dialect.name), as_row(fact)).first() is None:
            return False
        zone = self._zone_of(fact.group, zone)
        if fact.is_talk and (copies := self._copies_of(fact)):
            self._exclude(copies, zone)
        else:
            self._rolls.hear(fact, zone)
        return True

    def log_all(self, facts: Sequence[Activity], *, zone: str = HOME, unmask: bool = True) -> int:
        """Keep many facts and add them up in sets; returns how many were new.

        ``unmask`` looks for texts sent to many groups at once; who logs a long history asks for it at the end.
        """
        new = self._insert(facts)
        places: dict[str, dict[str, dict[int, Activity]]] = defaultdict(lambda: defaultdict(dict))
        self._find_places({fact.group for fact in new.values()})
        for number, fact in new.items():
            places[self._zone_of(fact.group, zone)][fact.group][number] = fact
        for place in sorted(places):
            self._rolls.hear_all(places[place], place)
        if unmask and (copies := self._copies(new.values())):
            self._exclude(copies, zone)
        return len(new)

    def _insert(self, facts: Sequence[Activity]) -> dict[int, Activity]:
        """The facts that were new, by the ids they got."""
        by_key = {fact.key: fact for fact in facts}
        if not by_key:
            return {}
        before = self._connection.scalar(select(func.max(activity.c.id))) or 0
        insert_new(self._connection, activity, [as_row(fact) for fact in by_key.values()], "key")
        rows = self._connection.execute(
            select(activity.c.id, activity.c.key).where(activity.c.id > before).order_by(activity.c.id)
        )
        return {row.id: by_key[row.key] for row in rows if row.key in by_key}

    def _find_places(self, named: Collection[str]) -> None:
        """Ask at once in which zones groups live."""
        unknown = {group: "" for group in named if group and group not in self._zones}
        rows = self._connection.execute(
            select(groups.c.id, groups.c.zone, groups.c.kind).where(among(groups.c.id, unknown))
        )
        self._zones |= unknown
        for row in rows:
            self._place(row.id, row.zone, row.kind)

    def _place(self, group: str, zone: str, kind: str) -> None:
        self._zones[group] = zone
        if kind == GroupKind.IMPORTED:
            self._rolls.unwatched.add(group)

    def _zone_of(self, group: str, zone: str) -> str:
        if not group:
            return zone
        if group not in self._zones:
            own = self._connection.execute(_PLACE, {"group": group}).first()
            self._zones[group] = ""
            if own:
                self._place(group, own.zone, own.kind)
        return self._zones[group] or zone

    # ------------------------------------------------------------ what must not count

    def _copies_of(self, fact: Activity) -> list[Any]:
        if not fact.text_hash:
            return []
        at, reach = to_ms(fact.at), BROADCAST_WITHIN // MILLISECOND
        what = {"member": fact.member, "text": fact.text_hash, "since": at - reach, "until": at + reach}
        rows = self._connection.execute(_SAME, what).all()
        return copies_among(rows) if len(rows) >= BROADCAST_GROUPS else []

    def _copies(self, facts: Iterable[Activity]) -> list[Any]:
        """Rows of the log that say the same as one of ``facts``, by the same member, in many groups within a day."""
        said = [fact for fact in facts if fact.is_talk and fact.text_hash]
        if not said:
            return []
        since, until = min(fact.at for fact in said), max(fact.at for fact in said)
        rows = self._connection.execute(
            select(*COPY)
            .where(
                activity.c.member.in_({fact.member for fact in said}),
                activity.c.text_hash.in_({fact.text_hash for fact in said}),
                activity.c.kind.in_((TALK, BROADCAST)),
                activity.c.happened_at.between(
                    to_ms(since - BROADCAST_WITHIN), to_ms(until + BROADCAST_WITHIN)
                ),
            )
            .order_by(activity.c.happened_at)
        ).all()
        return copies_among(rows)

    def unmask(self, *, zone: str = HOME) -> int:
        """Look through the whole log for texts one member sent to many groups within a day, and stop counting them."""
        suspects = self._connection.execute(
            select(activity.c.member, activity.c.text_hash)
            .where(activity.c.text_hash != "", activity.c.kind.in_((TALK, BROADCAST)))
            .group_by(activity.c.member, activity.c.text_hash)
            .having(func.count(activity.c.group_id.distinct()) >= BROADCAST_GROUPS)
        ).all()
        found = 0
        for suspect in suspects:
            always = {"member": suspect.member, "text": suspect.text_hash, "since": 0, "until": FOREVER}
            rows = self._connection.execute(_SAME, always).all()
            found += self._exclude(copies_among(rows), zone)
        return found

    def _exclude(self, copies: Collection[Any], zone: str, kind: str = BROADCAST) -> int:
        """These rows are talk no more; the days they stood in are added up again."""
        ids = [row.id for row in copies]
        for start in range(0, len(ids), ROWS_AT_ONCE):
            self._connection.execute(
                update(activity).where(activity.c.id.in_(ids[start : start + ROWS_AT_ONCE])).values(kind=kind)
            )
        days: dict[str, set[date]] = defaultdict(set)
        for row in copies:
            where = self._zone_of(row.group_id, zone)
            days[row.group_id] |= self._rolls.days_around(from_ms(row.happened_at), where)
        for group in sorted(days):
            self._rolls.rebuild(group, days[group], self._zone_of(group, zone))
        return len(ids)

    def recall(self, key: str, *, zone: str = HOME) -> bool:
        """Somebody took back what they said: it counts no more. False when we never heard it."""
        row = self._connection.execute(
            select(activity.c.id, activity.c.member, activity.c.group_id, activity.c.happened_at).where(
                activity.c.key == key, activity.c.kind.in_(PARTICIPATION)
            )
        ).one_or_none()
        if row is None:
            return False
        self._exclude([row], zone, RECALLED)
        if row.member and not row.group_id:
            self._rolls.take_back(row.member, local_day(from_ms(row.happened_at), zone), zone)
        return True

    def credit(self, member: str, deeds: ColumnElement[bool], *, zone: str = HOME) -> int:
        """Deeds of nobody known turn out to be this member's: from now on they count."""
        rows = self._connection.execute(
            update(activity)
            .where(deeds, activity.c.member == "")
            .values(member=member)
            .returning(*activity.c)
        ).all()
        for fact in map(_activity, rows):
            self._rolls.hear(fact, self._zone_of(fact.group, zone))
        return len(rows)

    def quoted(self, group: str, text: str, before: datetime) -> str:
        """The key of what was last said in a group in these words; empty when nobody did lately."""
        found = self._connection.scalar(
            select(activity.c.key)
            .where(
                activity.c.group_id == group,
                activity.c.text_hash == hash_of(text),
                activity.c.happened_at.between(to_ms(before - QUOTED_WITHIN), to_ms(before)),
            )
            .order_by(activity.c.happened_at.desc(), activity.c.id.desc())
            .limit(1)
        )
        return found or ""

    def disown(self, group: str, members: Mapping[str, str], *, zone: str = HOME) -> int:
        """What these members said in a group was not a member's talk (member → the kind it was): add up without it."""
        changed = 0
        for member_id, kind in members.items():
            rows = self._connection.execute(
                select(activity.c.id, activity.c.group_id, activity.c.happened_at).where(
                    activity.c.group_id == group, activity.c.member == member_id, activity.c.kind == TALK
                )
            ).all()
            changed += self._exclude(rows, zone, kind)
        return changed

    # ------------------------------------------------------------ asking

    def of_member(self, member_id: str, limit: int = 50) -> list[Activity]:
        """What somebody did, the newest first."""
        return self._newest(activity.c.member == member_id, limit)

    def of_group(self, group: str, limit: int = 50) -> list[Activity]:
        """What happened in a group, the newest first."""
        return self._newest(activity.c.group_id == group, limit)

    def page(self, after: int, limit: int, *, group: str = "") -> list[tuple[int, Activity]]:
        """The next facts of the log, as they were written, each with its number; of one group where it is named."""
        here = [activity.c.group_id == group] if group else []
        query = select(activity).where(activity.c.id > after, *here).order_by(activity.c.id).limit(limit)
        return [(row.id, _activity(row)) for row in self._connection.execute(query)]

    def did_since(
        self, member_id: str, kinds: Collection[str], since: datetime, until: datetime
    ) -> list[Activity]:
        """What of these kinds somebody did between two instants, the oldest first."""
        rows = self._connection.execute(
            select(activity)
            .where(
                activity.c.member == member_id,
                activity.c.kind.in_(kinds),
                activity.c.happened_at >= to_ms(since),
                activity.c.happened_at < to_ms(until),
            )
            .order_by(activity.c.happened_at, activity.c.key)
        )
        return [_activity(row) for row in rows]

    def daily(self, group: str, since: date, until: date) -> list[tuple[date, int, int]]:
        """For each day on which somebody was active: the day, how many members, how many contributions."""
        rows = self._connection.execute(
            select(member_day.c.day, func.count(), func.sum(member_day.c.n))
            .where(
                member_day.c.group_id == group, member_day.c.day.between(since.isoformat(), until.isoformat())
            )
            .group_by(member_day.c.day)
            .order_by(member_day.c.day)
        )
        return [(date.fromisoformat(day), members, int(n)) for day, members, n in rows]

    def active_days(self, member_id: str, since: date, until: date) -> list[date]:
        """The days on which somebody was active anywhere."""
        rows = self._connection.scalars(
            select(member_day.c.day)
            .where(
                member_day.c.member == member_id,
                member_day.c.day.between(since.isoformat(), until.isoformat()),
            )
            .distinct()
            .order_by(member_day.c.day)
        )
        return [date.fromisoformat(day) for day in rows]

    def _newest(self, where: Any, limit: int) -> list[Activity]:
        query = (
            select(activity)
            .where(where)
            .order_by(activity.c.happened_at.desc(), activity.c.id.desc())
            .limit(limit)
        )
        return [_activity(row) for row in self._connection.execute(query)]


def copies_among(rows: Sequence[Any]) -> list[Any]:
    """Rows, ordered by instant, that stand in some 24 hours in which their member said their text in many groups."""
    texts: dict[tuple[str, str], list[Any]] = defaultdict(list)
    for row in rows:
        texts[row.member, row.text_hash].append(row)
    found: dict[int, Any] = {}
    for same in texts.values():
        for index, first in enumerate(same):
            window = _until(same[index:], first.happened_at + BROADCAST_WITHIN // MILLISECOND)
            if len({row.group_id for row in window}) >= BROADCAST_GROUPS:
                found |= {row.id: row for row in window}
    return list(found.values())


def _until(rows: Sequence[Any], end: int) -> list[Any]:
    return [row for row in rows if row.happened_at <= end]


def as_row(fact: Activity) -> dict[str, Any]:
    """What the log keeps of a fact."""
    return {
        "key": fact.key,
        "kind": fact.kind,
        "member": fact.member,
        "group_id": fact.group,
        "happened_at": to_ms(fact.at),
        "level": fact.level,
        "ref": fact.ref[:160],
        "text_hash": fact.text_hash,
        "text_len": fact.text_len,
    }


def _activity(row: Any) -> Activity:
    return Activity(
        key=row.key,
        kind=row.kind,
        member=row.member,
        group=row.group_id,
        at=from_ms(row.happened_at),
        level=row.level,
        ref=row.ref,
        text_hash=row.text_hash,
        text_len=row.text_len,
    )
