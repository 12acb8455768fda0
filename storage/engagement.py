"""Scores of groups and members: what they are made from, and what was scored before.

A score *of a day* is the one whose window ends with that day; it is known as soon as the day is over.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from statistics import median
from typing import Any

from sqlalchemy import Connection, func, or_, select, update

from sop.activity import ANSWER_WITHIN, PARTICIPATION, Activity, day_start, local_day, roll_up
from sop.engagement import OK, ActiveDay, Energy, Excluded, Score, floods, return_chance, score
from sop.formula import STANDARD, Formula
from sop.group import Group, GroupKind
from storage.activity import ActivityStore
from storage.alarm import raise_alarm
from storage.engine import insert_into
from storage.instant import from_ms, to_ms
from storage.tables import (
    activity,
    alarm,
    group_turn,
    groups,
    member,
    member_day,
    member_first,
    member_score,
    observed_day,
    seat,
)
from storage.tables import score as score_table

DAY = timedelta(days=1)
WINDOW = STANDARD.window
USUAL = 56  # days a group is compared with: its own last eight weeks


@dataclass(frozen=True)
class Window:
    """What a score is made from."""

    rows: Sequence[ActiveDay]
    firsts: Mapping[str, date]
    began: date | None
    observed: frozenset[date] | None


class EngagementStore:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    # ------------------------------------------------------------ what a score is made from

    def window(self, group: Group, as_of: date, zone: str, *, formula: Formula = STANDARD) -> Window:
        """The days before ``as_of`` of everybody who counts; nothing that happened later is looked at."""
        since, until = as_of - DAY * formula.window, as_of - DAY
        rows = [
            ActiveDay(row.member, date.fromisoformat(row.day), row.n, row.turns, row.different, row.answered)
            for row in self._connection.execute(
                select(member_day)
                .outerjoin(member, member.c.id == member_day.c.member)
                .where(
                    member_day.c.group_id == group.id,
                    member_day.c.day.between(since.isoformat(), until.isoformat()),
                    or_(member.c.id.is_(None), member.c.staff.is_(False) & member.c.bot.is_(False)),
                )
            )
        ]
        return Window(
            rows=self._without_answers_of_floods(group.id, rows, zone, formula),
            firsts=self._firsts(group.id, {row.member for row in rows}, zone),
            began=self._began(group.id),
            observed=None if group.kind == GroupKind.IMPORTED else self._observed(since, until),
        )

    def score(
        self, group: Group, as_of: date, zone: str, *, coverage: str, formula: Formula = STANDARD
    ) -> Score:
        """A group's score on the morning of ``as_of``, computed afresh."""
        found = self.window(group, as_of, zone, formula=formula)
        return score(
            found.rows,
            found.firsts,
            as_of,
            began=found.began,
            observed=found.observed,
            coverage="import" if group.kind == GroupKind.IMPORTED else coverage,
            formula=formula,
        )

    def _firsts(self, group: str, members: Collection[str], zone: str) -> dict[str, date]:
        """Since when each has been here: the join the platform tells of, or the first thing they did."""
        if not members:
            return {}
        did = self._connection.execute(
            select(member_first.c.member, member_first.c.day).where(
                member_first.c.group_id == group, member_first.c.member.in_(members)
            )
        )
        firsts = {row.member: date.fromisoformat(row.day) for row in did}
        sat = self._connection.execute(
            select(seat.c.member, seat.c.joined_at).where(
                seat.c.group_id == group, seat.c.member.in_(members)
            )
        )
        for row in sat:
            joined = local_day(from_ms(row.joined_at), zone)
            firsts[row.member] = min(joined, firsts.get(row.member, joined))
        return firsts

    def _began(self, group: str) -> date | None:
        day = self._connection.scalar(
            select(func.min(member_first.c.day)).where(member_first.c.group_id == group)
        )
        return date.fromisoformat(day) if day else None

    def _observed(self, since: date, until: date) -> frozenset[date]:
        days = self._connection.scalars(
            select(observed_day.c.day).where(observed_day.c.day.between(since.isoformat(), until.isoformat()))
        )
        return frozenset(date.fromisoformat(day) for day in days)

    def _without_answers_of_floods(
        self, group: str, rows: list[ActiveDay], zone: str, formula: Formula
    ) -> Sequence[ActiveDay]:
        """Who drowned the group answered nobody; floods are rare, so these days are read again from the log."""
        drowned = floods(rows, formula)
        days = {day - DAY * back for _, day in drowned for back in (0, 1)}
        if not days:
            return rows
        true: dict[tuple[str, date], int] = {}
        for day in days:
            facts = [
                fact
                for fact in self._facts(
                    group, day_start(day, zone), day_start(day + DAY, zone) + ANSWER_WITHIN
                )
                if (fact.member, local_day(fact.at, zone)) not in drowned
            ]
            true |= {(row.member, row.day): row.answered for row in roll_up(facts, zone) if row.day == day}
        return [
            _answered(row, true[row.member, row.day]) if (row.member, row.day) in true else row
            for row in rows
        ]

    def _facts(self, group: str, since: datetime, until: datetime) -> list[Activity]:
        rows = self._connection.execute(
            select(activity.c.key, activity.c.kind, activity.c.member, activity.c.happened_at)
            .outerjoin(member, member.c.id == activity.c.member)
            .where(
                activity.c.group_id == group,
                activity.c.happened_at >= to_ms(since),
                activity.c.happened_at < to_ms(until),
                activity.c.kind.in_(PARTICIPATION),
                or_(member.c.id.is_(None), member.c.staff.is_(False) & member.c.bot.is_(False)),
            )
        )
        return [
            Activity(key=key, kind=kind, member=who, group=group, at=from_ms(at))
            for key, kind, who, at in rows
        ]

    # ------------------------------------------------------------ scores that are kept

    def roll(self, group: Group, last: date, zone: str, *, coverage: str, now: datetime) -> list[Score]:
        """Score what is new: the day ``last``, and kept days that late facts have changed; at most 28 back.

        Nothing when nothing is new. The oldest score comes first.
        """
        days = self._days_to_score(group.id, last)
        if not days:
            return []
        self._disown_staff(group.id, zone)
        scores = [self.score(group, day + DAY, zone, coverage=coverage) for day in sorted(days)]
        self.save(group.id, scores, now)
        self._score_members(group.id, last + DAY, zone)
        self._connection.execute(
            update(group_turn)
            .where(group_turn.c.group_id == group.id, group_turn.c.stale_day <= last.isoformat())
            .values(stale_day="")
        )
        return scores

    def _days_to_score(self, group: str, last: date) -> set[date]:
        """Days without a score or with one that late facts changed; a group never scored gets its last eight weeks."""
        began = self._began(group)
        if began is None:
            return set()
        stale = self._stale(group)
        kept = self._kept(group, last - DAY * (USUAL - 1), last)
        reach = last - DAY * ((WINDOW if kept else USUAL) - 1)
        missing = {last - DAY * back for back in range((last - max(reach, began)).days + 1)} - kept
        return missing | {day for day in kept if stale is not None and day >= max(stale, reach)}

    def save(self, group: str, scores: Sequence[Score], now: datetime) -> None:
        insertion = insert_into(self._connection, score_table)
        columns = ("value", "label", "coverage", "parts", "formula", "scored_at")
        self._connection.execute(
            insertion.on_conflict_do_update(
                index_elements=["group_id", "day"],
                set_={column: insertion.excluded[column] for column in columns},
            ),
            [_plain(group, found, now) for found in scores],
        )

    def kept(self, group: str, day: date) -> Score | None:
        """The score of a day, as it was kept."""
        found = self.trend(group, day, days=1)
        return found[0] if found else None

    def trend(self, group: str, last: date, *, days: int = WINDOW) -> list[Score]:
        """The kept scores of the ``days`` that end with ``last``, the oldest first."""
        rows = self._connection.execute(
            select(score_table)
            .where(
                score_table.c.group_id == group,
                score_table.c.day.between((last - DAY * (days - 1)).isoformat(), last.isoformat()),
            )
            .order_by(score_table.c.day)
        )
        return [_score(row) for row in rows]

    def usual(self, group: str, last: date, *, coverage: str) -> float | None:
        """The median of the group's own eight weeks before ``last``, at equal coverage; None before there are two weeks."""
        values = [
            found.value
            for found in self.trend(group, last - DAY, days=USUAL)
            if found.label == OK and found.coverage == coverage
        ]
        return median(values) if len(values) >= 14 else None

    def last_talk(self, group: str) -> datetime | None:
        """When somebody last spoke in a group."""
        at = self._connection.scalar(select(group_turn.c.spoke_at).where(group_turn.c.group_id == group))
        return from_ms(at) if at else None

    def _kept(self, group: str, since: date, until: date) -> set[date]:
        days = self._connection.scalars(
            select(score_table.c.day).where(
                score_table.c.group_id == group,
                score_table.c.day.between(since.isoformat(), until.isoformat()),
            )
        )
        return {date.fromisoformat(day) for day in days}

    def _stale(self, group: str) -> date | None:
        day = self._connection.scalar(select(group_turn.c.stale_day).where(group_turn.c.group_id == group))
        return date.fromisoformat(day) if day else None

    def _disown_staff(self, group: str, zone: str) -> None:
        """Members we meanwhile know as staff or robots never talked as members."""
        rows = self._connection.execute(
            select(member.c.id, member.c.bot)
            .join(member_day, member_day.c.member == member.c.id)
            .where(member_day.c.group_id == group, or_(member.c.staff, member.c.bot))
            .distinct()
        )
        kinds = {row.id: "bot_spoke" if row.bot else "staff_spoke" for row in rows}
        if kinds:
            ActivityStore(self._connection).disown(group, kinds, zone=zone)

    # ------------------------------------------------------------ members

    def _score_members(self, group: str, as_of: date, zone: str) -> None:
        """Everybody's chance to come back; who was last here eight weeks ago or more has next to none."""
        before = as_of - DAY * 2 * WINDOW
        self._connection.execute(
            update(member_score)
            .where(member_score.c.group_id == group, member_score.c.energy_day < before.isoformat())
            .values(value=100 * return_chance(0.0, was_active_before=False, is_new=False))
        )
        rows = self._connection.execute(
            select(member_score.c.member, member_score.c.energy, member_score.c.energy_day).where(
                member_score.c.group_id == group, member_score.c.energy_day >= before.isoformat()
            )
        ).all()
        if not rows:
            return
        ids = [row.member for row in rows]
        firsts = self._firsts(group, ids, zone)
        earlier = self._active_between(group, before, as_of - DAY * (WINDOW + 1))
        new_since = as_of - DAY * WINDOW
        values = [
            {
                "group_id": group,
                "member": row.member,
                "energy": row.energy,
                "energy_day": row.energy_day,
                "value": 100
                * return_chance(
                    Energy(row.energy, date.fromisoformat(row.energy_day)).at(as_of - DAY),
                    was_active_before=row.member in earlier,
                    is_new=firsts.get(row.member, new_since) >= new_since,
                ),
            }
            for row in rows
        ]
        insertion = insert_into(self._connection, member_score)
        self._connection.execute(
            insertion.on_conflict_do_update(
                index_elements=["group_id", "member"], set_={"value": insertion.excluded.value}
            ),
            values,
        )

    def _active_between(self, group: str, since: date, until: date) -> set[str]:
        return set(
            self._connection.scalars(
                select(member_day.c.member)
                .where(
                    member_day.c.group_id == group,
                    member_day.c.day.between(since.isoformat(), until.isoformat()),
                )
                .distinct()
            )
        )

    def member_scores(self, group: str) -> dict[str, float]:
        """The chance, in percent, that each member of a group is active in the next 28 days."""
        rows = self._connection.execute(
            select(member_score.c.member, member_score.c.value).where(
                member_score.c.group_id == group, member_score.c.value.is_not(None)
            )
        )
        return {row.member: row.value for row in rows}

    # ------------------------------------------------------------ alarms

    def line(self, group: Group, standard: float) -> float:
        """Below which score operators hear of this group."""
        return standard if group.line is None else group.line

    def set_line(self, group: str, line: float | None) -> None:
        self._connection.execute(update(groups).where(groups.c.id == group).values(line=line))

    def warned(self, group: str, concern: str, since: datetime) -> bool:
        """Have operators heard of this concern about the group after ``since``?"""
        found = self._connection.execute(
            select(alarm.c.id).where(
                alarm.c.group_id == group,
                alarm.c.key.startswith(f"{concern}:"),
                alarm.c.raised_at > to_ms(since),
            )
        )
        return found.first() is not None

    def raise_alarm(self, key: str, text: str, now: datetime, *, group: str = "") -> bool:
        """Let operators know, once for each ``key``."""
        return raise_alarm(self._connection, key, text, now, group=group)


def _answered(row: ActiveDay, answered: int) -> ActiveDay:
    return ActiveDay(row.member, row.day, row.n, row.turns, row.different, answered)


def _plain(group: str, found: Score, now: datetime) -> dict[str, Any]:
    facts = {
        "members": found.members,
        "messages": found.messages,
        "observed": found.observed,
        "flood_days": found.excluded.flood_days,
        "one_person": list(found.excluded.one_person),
        "notes": list(found.notes),
    }
    return {
        "group_id": group,
        "day": (found.as_of - DAY).isoformat(),
        "value": found.value,
        "label": found.label,
        "coverage": found.coverage,
        "parts": {**found.parts, "facts": facts},
        "formula": found.formula,
        "scored_at": to_ms(now),
    }


def _score(row: Any) -> Score:
    parts = dict(row.parts)
    facts: dict[str, Any] = defaultdict(int, parts.pop("facts", {}))
    return Score(
        as_of=date.fromisoformat(row.day) + DAY,
        value=row.value or 0.0,
        label=row.label,
        parts=parts,
        coverage=row.coverage,
        members=facts["members"],
        messages=facts["messages"],
        observed=facts["observed"],
        excluded=Excluded(flood_days=facts["flood_days"], one_person=tuple(facts["one_person"] or ())),
        notes=tuple(facts["notes"] or ()),
        formula=row.formula,
    )
