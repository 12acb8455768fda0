"""The activity log added up: a row for each member, group and local day, kept true while facts arrive in any order.

A fact that follows all others costs a handful of statements. One that comes late, or stops counting, has the days it
touches added up again from the log, so nothing depends on the order of arrival.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, String, bindparam, case, delete, func, insert, select, update

from sop.activity import (
    ANSWER_WITHIN,
    ANSWERED,
    ANSWERED_LATE,
    KEPT_HASHES,
    NO_GROUP,
    OURS,
    PARTICIPATION,
    TALK,
    UNANSWERED,
    Activity,
    day_start,
    local_day,
)
from sop.engagement import Energy
from storage.among import among
from storage.engine import insert_for, insert_into
from storage.instant import from_ms, to_ms
from storage.recount import Recount
from storage.tables import activity, group_turn, member_day, member_first, member_score, observed_day

DAY = timedelta(days=1)
NEAR = timedelta(days=31)  # days this close are read from the log in one go


class RollUp:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.unwatched: set[str] = set()  # imported groups: what they tell says nothing of what we could hear

    # ------------------------------------------------------------ one fact

    def hear(self, fact: Activity, zone: str) -> None:
        """Add up a fact that was just logged."""
        day = local_day(fact.at, zone)
        if not fact.counts:
            if fact.kind not in OURS:
                self.observe(fact.group, [day])
            if fact.kind == "joined" and fact.group and fact.member:
                self.arrived(fact.group, [fact], zone)
        elif fact.is_talk:
            self._hear_talk(fact, day, zone)
        else:
            self._hear_deed(fact, day)

    def _hear_talk(self, fact: Activity, day: date, zone: str) -> None:
        turn = self._lock(fact.group)
        if turn.member and to_ms(fact.at) <= turn.spoke_at:
            self.observe(fact.group, [day])
            self.rebuild(fact.group, self.days_touched(fact, zone), zone)
            return
        before = local_day(from_ms(turn.spoke_at), zone) if turn.member else None
        self._count_talk(fact, day, zone, new_turn=turn.member != fact.member or before != day)
        if before and turn.member != fact.member and fact.at - from_ms(turn.spoke_at) <= ANSWER_WITHIN:
            self._answer(fact.group, turn.member, before, same_day=before == day)
        self._connection.execute(
            _SPEAKS,
            {
                "in_group": fact.group,
                "by_member": fact.member,
                "now_at": to_ms(fact.at),
                "on_day": day.isoformat(),
            },
        )

    def _count_talk(self, fact: Activity, day: date, zone: str, *, new_turn: bool) -> None:
        whose = {"in_group": fact.group, "on_day": day.isoformat(), "by_member": fact.member}
        row = self._connection.execute(_SO_FAR, whose).one_or_none()
        if row is None:
            first = {"n": 1, "turns": 1, "different": 1, "answered": UNANSWERED}
            self._connection.execute(
                insert(member_day),
                {"group_id": fact.group, "day": day.isoformat(), "member": fact.member, **first},
            )
            self._new_days(fact.group, [(fact.member, day)])
            return
        is_new = row.different < KEPT_HASHES and not self._said_before(fact, day, zone)
        more = {"turns_now": row.turns + new_turn, "different_now": row.different + is_new}
        self._connection.execute(_ONE_MORE, {**whose, **more, "n_now": row.n + 1})

    def _said_before(self, fact: Activity, day: date, zone: str) -> bool:
        """Did the member say the same there on that day already?"""
        if not fact.text_hash:
            return False
        since, until = to_ms(day_start(day, zone)), to_ms(fact.at)
        same = {"in_group": fact.group, "by_member": fact.member, "told": fact.text_hash, "not_key": fact.key}
        return (
            self._connection.scalar(_SAID_BEFORE, {**same, "since_at": since, "until_at": until}) is not None
        )

    def _answer(self, group: str, member_id: str, day: date, *, same_day: bool) -> None:
        whose = {"in_group": group, "on_day": day.isoformat(), "by_member": member_id}
        self._connection.execute(_ANSWERED if same_day else _ANSWERED_LATE, whose)

    def _hear_deed(self, fact: Activity, day: date) -> None:
        """Something done, not said: it is no turn in a conversation and answers nobody."""
        if fact.group:
            self._lock(fact.group)
        first = {"group_id": fact.group, "day": day.isoformat(), "member": fact.member}
        if self._connection.scalar(_deed(self._connection.dialect.name), first) == 1:
            self._new_days(fact.group, [(fact.member, day)])
        if fact.group:
            self._connection.execute(_STALE, {"in_group": fact.group, "on_day": day.isoformat()})

    def take_back(self, member: str, day: date, zone: str) -> None:
        """Something done outside every group counts no more."""
        here = (
            member_day.c.group_id == NO_GROUP,
            member_day.c.day == day.isoformat(),
            member_day.c.member == member,
        )
        left = member_day.c.n - 1
        fewer = {"n": left, "turns": left, "different": case((left < KEPT_HASHES, left), else_=KEPT_HASHES)}
        if (
            self._connection.scalar(update(member_day).where(*here).values(fewer).returning(member_day.c.n))
            == 0
        ):
            self._connection.execute(delete(member_day).where(*here))
            self._lost_days(NO_GROUP, [(member, day)], zone)

    # ------------------------------------------------------------ many facts

    def hear_all(self, groups: Mapping[str, Mapping[int, Activity]], zone: str) -> None:
        """Add up facts that were just logged, by group and id; where they follow all others, in sets."""
        for fact in groups.get(NO_GROUP, {}).values():
            self.hear(fact, zone)
        told = {group: facts for group, facts in groups.items() if group}
        recount, everything = Recount(self._connection, zone), _ids(told.values())
        turns = recount.lock(told)
        watched = (facts for group, facts in told.items() if group not in self.unwatched)
        self._observe(
            {local_day(f.at, zone) for facts in watched for f in facts.values() if f.kind not in OURS}
        )
        late = {group for group, facts in told.items() if _is_late(facts.values(), turns[group])}
        recount.arrive(everything)
        recount.follow(_ids(facts for group, facts in told.items() if group not in late))
        for group in sorted(late):
            days = (self.days_touched(fact, zone) for fact in told[group].values())
            self.rebuild(group, set().union(*days), zone)

    # ------------------------------------------------------------ whole days

    def days_touched(self, fact: Activity, zone: str) -> set[date]:
        """The days whose sums a fact can change: its own, and the one it may answer across midnight."""
        return self.days_around(fact.at, zone) if fact.counts else set()

    def days_around(self, at: datetime, zone: str) -> set[date]:
        return {local_day(at, zone), local_day(at - ANSWER_WITHIN, zone)}

    def rebuild(self, group: str, days: Collection[date], zone: str) -> None:
        """Add up these days of a group again from the log."""
        if not group or not days:
            return
        self._lock(group)
        here = member_day.c.group_id == group, among(member_day.c.day, [day.isoformat() for day in days])
        active = member_day.c.member, member_day.c.day
        before = self._connection.execute(delete(member_day).where(*here).returning(*active)).all()
        recount = Recount(self._connection, zone)
        for since, until in _stretches(days):
            recount.rebuild(group, since, until, [day for day in days if since <= day <= until])
        after = self._connection.execute(select(*active).where(*here)).all()
        self._new_days(group, _missing(after, before))
        self._lost_days(group, _missing(before, after), zone)
        recount.find_last_turns([group], min(days).isoformat())

    # ------------------------------------------------------------ what hangs on active days

    def observe(self, group: str, days: Collection[date]) -> None:
        """The platform told us something on these days: silence on them is silence."""
        if group not in self.unwatched:
            self._observe(days)

    def _observe(self, days: Collection[date]) -> None:
        if rows := [{"day": day.isoformat()} for day in sorted(set(days))]:
            self._connection.execute(
                insert_into(self._connection, observed_day).on_conflict_do_nothing(index_elements=["day"]),
                rows,
            )

    def arrived(self, group: str, joins: Sequence[Activity], zone: str) -> None:
        """Members joined; a member's first day in a group is the earliest we know of."""
        self._first(group, [(fact.member, local_day(fact.at, zone)) for fact in joins if fact.member])

    def _first(self, group: str, days: Sequence[tuple[str, date]]) -> None:
        if not days:
            return
        insertion = insert_into(self._connection, member_first)
        day = insertion.excluded.day
        rows = [{"group_id": group, "member": who, "day": when.isoformat()} for who, when in days]
        self._connection.execute(
            insertion.on_conflict_do_update(
                index_elements=["group_id", "member"],
                set_={"day": day},
                where=day < member_first.c.day,
            ),
            rows,
        )

    def _new_days(self, group: str, days: Sequence[tuple[str, date]]) -> None:
        """Members were active on days on which they had not been."""
        if not days:
            return
        self.observe(group, [day for _, day in days])
        firsts: dict[str, date] = {}
        for who, day in days:
            firsts[who] = min(day, firsts.get(who, day))
        self._first(group, sorted(firsts.items()))
        self._charge(group, days, +1)

    def _lost_days(self, group: str, days: Sequence[tuple[str, date]], zone: str) -> None:
        """What made members active on these days counts no more."""
        if not days:
            return
        self._charge(group, days, -1)
        members = {who for who, _ in days}
        self._connection.execute(
            delete(member_first).where(member_first.c.group_id == group, member_first.c.member.in_(members))
        )
        rows = self._connection.execute(
            select(activity.c.member, func.min(activity.c.happened_at))
            .where(
                activity.c.group_id == group,
                activity.c.member.in_(members),
                activity.c.kind.in_({*PARTICIPATION, "joined"}),
            )
            .group_by(activity.c.member)
        )
        self._first(group, [(who, local_day(from_ms(at), zone)) for who, at in rows])

    def _charge(self, group: str, days: Sequence[tuple[str, date]], sign: int) -> None:
        """Add active days to members' energy, or take them back; the order does not matter."""
        members = sorted({who for who, _ in days})
        rows = self._connection.execute(
            select(member_score.c.member, member_score.c.energy, member_score.c.energy_day).where(
                member_score.c.group_id == group, member_score.c.member.in_(members)
            )
        )
        energies = {row.member: Energy(row.energy, date.fromisoformat(row.energy_day)) for row in rows}
        for who, day in days:
            energies[who] = energies.get(who, Energy(0.0, day)).plus(day, sign)
        insertion = insert_into(self._connection, member_score)
        self._connection.execute(
            insertion.on_conflict_do_update(
                index_elements=["group_id", "member"],
                set_={"energy": insertion.excluded.energy, "energy_day": insertion.excluded.energy_day},
            ),
            [
                {
                    "group_id": group,
                    "member": who,
                    "energy": energy.value,
                    "energy_day": energy.day.isoformat(),
                }
                for who, energy in energies.items()
            ],
        )

    # ------------------------------------------------------------ the group's own row

    def _lock(self, group: str) -> Any:
        """Who spoke last; until the commit nobody else adds up this group."""
        return self._connection.execute(_locking(self._connection.dialect.name), {"group_id": group}).one()

    def _touch(self, group: str, day: date) -> None:
        """Scores of this day and later are stale."""
        self._lock(group)
        self._connection.execute(_STALE, {"in_group": group, "on_day": day.isoformat()})


# ---------------------------------------------------------------- statements that run once for every fact, made once

_WHOSE = (
    member_day.c.group_id == bindparam("in_group"),
    member_day.c.day == bindparam("on_day"),
    member_day.c.member == bindparam("by_member"),
)
_SO_FAR = select(member_day.c.n, member_day.c.turns, member_day.c.different).where(*_WHOSE)
_SAID_BEFORE = (  # the latest first: who repeats themselves does so at once
    select(activity.c.id)
    .where(
        activity.c.member == bindparam("by_member"),
        activity.c.happened_at.between(bindparam("since_at"), bindparam("until_at")),
        activity.c.group_id == bindparam("in_group"),
        activity.c.kind == TALK,
        activity.c.text_hash == bindparam("told"),
        activity.c.key != bindparam("not_key"),
    )
    .order_by(activity.c.happened_at.desc())
    .limit(1)
)
_ONE_MORE = (
    update(member_day)
    .where(*_WHOSE)
    .values(
        n=bindparam("n_now"),
        turns=bindparam("turns_now"),
        different=bindparam("different_now"),
    )
)
_ANSWERED = update(member_day).where(*_WHOSE).values(answered=ANSWERED)
_ANSWERED_LATE = (
    update(member_day).where(*_WHOSE, member_day.c.answered == UNANSWERED).values(answered=ANSWERED_LATE)
)

_NEW_DAY: Any = bindparam("on_day", type_=String)
_KEEPS = (group_turn.c.stale_day != "") & (group_turn.c.stale_day <= _NEW_DAY)
_MARKED = {"stale_day": case((_KEEPS, group_turn.c.stale_day), else_=_NEW_DAY)}
_HERE = group_turn.c.group_id == bindparam("in_group")
_STALE = update(group_turn).where(_HERE).values(_MARKED)
_SPEAKS = (
    update(group_turn)
    .where(_HERE)
    .values(member=bindparam("by_member"), spoke_at=bindparam("now_at"), **_MARKED)
)


@lru_cache
def _locking(dialect: str) -> Any:
    """The group's own row, made where it is missing, and nobody else's until the commit."""
    insertion = insert_for(dialect, group_turn)
    return insertion.on_conflict_do_update(
        index_elements=["group_id"], set_={"group_id": insertion.excluded.group_id}
    ).returning(group_turn.c.member, group_turn.c.spoke_at)


@lru_cache
def _deed(dialect: str) -> Any:
    """One more deed on a member's day; tells how many there are now."""
    one_more = case((member_day.c.different < KEPT_HASHES, member_day.c.different + 1), else_=KEPT_HASHES)
    return (
        insert_for(dialect, member_day)
        .values(n=1, turns=1, different=1, answered=UNANSWERED)
        .on_conflict_do_update(
            index_elements=["group_id", "day", "member"],
            set_={"n": member_day.c.n + 1, "turns": member_day.c.turns + 1, "different": one_more},
        )
        .returning(member_day.c.n)
    )


def _missing(rows: Sequence[Any], others: Sequence[Any]) -> list[tuple[str, date]]:
    """Who was active when by the ones, and not by the others."""
    left = {(row.member, row.day) for row in rows} - {(row.member, row.day) for row in others}
    return [(who, date.fromisoformat(day)) for who, day in sorted(left)]


def _ids(heaps: Iterable[Mapping[int, Activity]]) -> list[int]:
    return [number for heap in heaps for number in heap]


def _is_late(facts: Collection[Activity], turn: tuple[str, int]) -> bool:
    """Did somebody speak before, or at the instant, another had already been heard?"""
    first = min((fact.at for fact in facts if fact.is_talk), default=None)
    return bool(turn[0]) and first is not None and to_ms(first) <= turn[1]


def _stretches(days: Collection[date]) -> Iterator[tuple[date, date]]:
    """Days that lie close together, as stretches from first to last."""
    ordered = sorted(days)
    since = until = ordered[0]
    for day in ordered[1:]:
        if day - until > NEAR:
            yield since, until
            since = day
        until = day
    yield since, until
