"""What followed our messages by hour of the week, for the best hour of those who are alike; and which hours were chosen.

A message counts for its reader's tier within their group, for the group as a whole, and for everybody.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, and_, case, delete, exists, func, or_, select, tuple_, update

from sop.hour import (
    FOLLOWS,
    HALVED_AFTER,
    WEEK_HOURS,
    Best,
    Choice,
    Counts,
    Effect,
    Rates,
    Tally,
    choice,
    effect,
    hour_of_week,
    learn,
)
from sop.journey import Journey
from sop.member import TIERS
from sop.receipt import State
from sop.template import AtBest, Subject, Template
from sop.timing import local
from storage.engine import insert_into
from storage.instant import from_ms, to_ms
from storage.position import read_position, write_position
from storage.tables import activity, groups, hour, hour_choice, member, outbox, seat, template
from storage.zone import ZoneStore

ALL = "*"  # every group; every tier of a group
DEEDS = ("visited", "answered", "checked_in")
KEPT = timedelta(days=180)  # of a choice
FAINT = 0.05  # messages: what weighs less is forgotten
Segment = tuple[str, str]  # a group and a tier; for a group itself the tier is empty


@dataclass(frozen=True)
class Known:
    """What is known of one segment, in words operators read."""

    group: str
    tier: str
    sends: float
    rates: Rates


class HourStore:
    def __init__(self, connection: Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now
        self._rates: dict[Segment, Rates] = {}

    # ------------------------------------------------------------ choosing

    def moments(
        self, walking: Sequence[tuple[Template, Journey]], zone: str, best: Best
    ) -> dict[int, datetime]:
        """When the next steps of these journeys are said that are said at their best hour; what was chosen is kept."""
        waiting = [(plan, one) for plan, one in walking if _is_at_best(plan, one)]
        segments = self._segments([one for _, one in waiting])
        chosen = {}
        for plan, one in waiting:
            found = choice(plan, one, zone, self.rates(segments[one.id]), best)
            if found is not None:
                chosen[one.id] = found.at
                self._keep(one, plan.steps[one.step].id, found)
        return chosen

    def rates(self, segment: Segment) -> Rates:
        """What can be expected of a segment at each hour of the week."""
        if segment not in self._rates:
            chat, _ = segment
            known = self._counts([(ALL, ALL), (chat, ALL), segment])
            self._rates[segment] = learn(known[ALL, ALL], known[chat, ALL], known[segment])
        return self._rates[segment]

    def _counts(self, segments: Collection[Segment]) -> defaultdict[Segment, Counts]:
        rows = self._connection.execute(
            select(hour).where(tuple_(hour.c.group_id, hour.c.tier).in_(set(segments)))
        )
        sends: dict[Segment, list[float]] = defaultdict(lambda: [0.0] * WEEK_HOURS)
        hits: dict[Segment, list[float]] = defaultdict(lambda: [0.0] * WEEK_HOURS)
        for row in rows:
            sends[row.group_id, row.tier][row.hour] = row.sends
            hits[row.group_id, row.tier][row.hour] = row.hits
        found = {one: Counts(tuple(sends[one]), tuple(hits[one])) for one in sends}
        return defaultdict(Counts, found)

    def _segments(self, journeys: Sequence[Journey]) -> dict[int, Segment]:
        people = {one.whom for one in journeys if one.subject is Subject.MEMBER}
        segments = self.segments_of(people)
        return {one.id: segments.get(one.whom, (one.whom, "")) for one in journeys}

    def segments_of(self, members: Collection[str]) -> dict[str, Segment]:
        """The group each member joined last, and their tier."""
        if not members:
            return {}
        tiers = self._connection.execute(select(member.c.id, member.c.tier).where(member.c.id.in_(members)))
        seats = self._connection.execute(
            select(seat.c.member, seat.c.group_id)
            .join(groups, groups.c.id == seat.c.group_id)
            .where(seat.c.member.in_(members), seat.c.left_at.is_(None), groups.c.dismissed_at.is_(None))
            .order_by(seat.c.joined_at, seat.c.group_id)
        )
        last = {row.member: row.group_id for row in seats}
        return {row.id: (last.get(row.id, ""), row.tier) for row in tiers}

    def _keep(self, one: Journey, step: str, found: Choice) -> None:
        if found.learnt is None:
            return
        insertion = insert_into(self._connection, hour_choice).values(
            journey=one.id,
            step=step,
            minute=found.moment.hour * 60 + found.moment.minute,
            learnt=found.learnt,
            chosen_at=to_ms(self._now),
        )
        new = insertion.excluded
        self._connection.execute(
            insertion.on_conflict_do_update(
                index_elements=["journey", "step"], set_={"minute": new.minute, "learnt": new.learnt}
            )
        )

    # ------------------------------------------------------------ learning

    def templates(self) -> list[str]:
        """Every template that ever was."""
        return list(self._connection.scalars(select(template.c.id).distinct().order_by(template.c.id)))

    def age(self, by: timedelta) -> None:
        """What was learnt weighs less with time; what weighs next to nothing, and old choices, are forgotten."""
        factor = 0.5 ** (by / HALVED_AFTER)
        self._connection.execute(update(hour).values(sends=hour.c.sends * factor, hits=hour.c.hits * factor))
        self._connection.execute(delete(hour).where(hour.c.sends < FAINT))
        old = to_ms(self._now - KEPT)
        self._connection.execute(delete(hour_choice).where(hour_choice.c.chosen_at < old))

    def learn(self, plan: str, zone: str, limit: int) -> bool:
        """Learn from what a template sent since we last looked, and could have been followed; False while more is left."""
        rows = self._unread(plan, limit)
        if not rows:
            return True
        people = {row.member for row in rows if row.member}
        zones = ZoneStore(self._connection).of(people, {row.group_id for row in rows if row.group_id})
        segments, heard = self.segments_of(people), self._heard(rows)
        learnt: dict[tuple[str, str, int], list[float]] = defaultdict(lambda: [0.0, 0.0])
        for row in rows:
            whom = row.member or row.group_id
            at = hour_of_week(local(from_ms(row.sent_at), zones.get(whom) or zone))
            chat, tier = segments.get(row.member, (row.group_id, ""))
            for one in {(chat, tier), (chat, ALL), (ALL, ALL)}:
                learnt[(*one, at)][0] += 1.0
                learnt[(*one, at)][1] += heard[row.id]
        self._add(learnt)
        write_position(self._connection, _place(plan), f"{rows[-1].settled_at}.{rows[-1].id}")
        return len(rows) < limit

    def _unread(self, plan: str, limit: int) -> Sequence[Any]:
        settled, _, number = read_position(self._connection, _place(plan)).partition(".")
        last = to_ms(self._now - FOLLOWS)
        after = or_(
            outbox.c.settled_at > int(settled or 0),
            and_(outbox.c.settled_at == int(settled or 0), outbox.c.id > int(number or 0)),
        )
        return self._connection.execute(
            select(outbox.c.id, outbox.c.member, outbox.c.group_id, outbox.c.sent_at, outbox.c.settled_at)
            .where(
                outbox.c.template == plan,
                outbox.c.settled_at >= int(settled or 0),
                outbox.c.settled_at <= last,
                after,
                outbox.c.state == State.SENT,
                outbox.c.sent_at.is_not(None),
                outbox.c.urgent.is_(False),
                or_(outbox.c.member != "", outbox.c.group_id != ""),
            )
            .order_by(outbox.c.settled_at, outbox.c.id)
            .limit(limit)
        ).all()

    def _heard(self, rows: Sequence[Any]) -> Mapping[int, float]:
        """Of each message, whether its reader did something; of one to a group, the share of its members who did."""
        ids = [row.id for row in rows]
        alone = self._connection.execute(
            select(outbox.c.id).where(outbox.c.id.in_(ids), outbox.c.member != "", _followed()).distinct()
        )
        heard = defaultdict(float, {row.id: 1.0 for row in alone})
        chats = {row.group_id for row in rows if not row.member}
        if chats:
            heard |= self._shares([row.id for row in rows if not row.member], chats)
        return heard

    def _shares(self, ids: Collection[int], chats: Collection[str]) -> dict[int, float]:
        seated = self._connection.execute(
            select(seat.c.group_id, func.count().label("size"))
            .where(seat.c.group_id.in_(chats), seat.c.left_at.is_(None))
            .group_by(seat.c.group_id)
        )
        sizes = {row.group_id: row.size for row in seated}
        rows = self._connection.execute(
            select(outbox.c.id, outbox.c.group_id, func.count(seat.c.member.distinct()).label("who"))
            .join(seat, and_(seat.c.group_id == outbox.c.group_id, seat.c.left_at.is_(None)))
            .join(activity, _deed(seat.c.member))
            .where(outbox.c.id.in_(ids))
            .group_by(outbox.c.id, outbox.c.group_id)
        )
        return {row.id: row.who / sizes[row.group_id] for row in rows}

    def _add(self, learnt: Mapping[tuple[str, str, int], Sequence[float]]) -> None:
        insertion = insert_into(self._connection, hour)
        new = insertion.excluded
        self._connection.execute(
            insertion.on_conflict_do_update(
                index_elements=["group_id", "tier", "hour"],
                set_={"sends": hour.c.sends + new.sends, "hits": hour.c.hits + new.hits},
            ),
            [
                {"group_id": chat, "tier": tier, "hour": at, "sends": sends, "hits": hits}
                for (chat, tier, at), (sends, hits) in learnt.items()
            ],
        )

    # ------------------------------------------------------------ what is known, and whether it helps

    def known(self) -> list[Known]:
        """Every segment something was sent to, everybody first."""
        rows = self._connection.execute(
            select(hour.c.group_id, hour.c.tier, groups.c.name, func.sum(hour.c.sends).label("sends"))
            .outerjoin(groups, groups.c.id == hour.c.group_id)
            .group_by(hour.c.group_id, hour.c.tier, groups.c.name)
            .order_by(hour.c.group_id != ALL, hour.c.group_id, hour.c.tier != ALL, hour.c.tier)
        )
        return [
            Known(
                "全部" if row.group_id == ALL else row.name or row.group_id or "没有进群的",
                "全部" if row.tier == ALL else TIERS.get(row.tier, "群消息"),
                row.sends,
                self.rates((row.group_id, row.tier)),
            )
            for row in rows
        ]

    def effect(self, plan: str = "") -> Effect:
        """What the learnt hours have brought, for one template or all: of what was sent and could have been followed."""
        last = to_ms(self._now - FOLLOWS)
        seated = and_(seat.c.group_id == outbox.c.group_id, seat.c.left_at.is_(None))
        anybody = exists().where(seated, _deed(seat.c.member))
        hit = case((outbox.c.member != "", _followed()), else_=anybody)
        rows = self._connection.execute(
            select(
                hour_choice.c.learnt,
                func.count().label("sends"),
                func.sum(case((hit, 1), else_=0)).label("hits"),
            )
            .join(
                outbox, and_(outbox.c.journey == hour_choice.c.journey, outbox.c.step == hour_choice.c.step)
            )
            .where(outbox.c.state == State.SENT, outbox.c.sent_at <= last)
            .where(*([outbox.c.template == plan] if plan else []))
            .group_by(hour_choice.c.learnt)
        )
        found = {bool(row.learnt): Tally(row.sends, int(row.hits)) for row in rows}
        return effect(found.get(True, Tally()), found.get(False, Tally()))


def _is_at_best(plan: Template, one: Journey) -> bool:
    return not one.deciding and one.step < len(plan.steps) and isinstance(plan.steps[one.step].when, AtBest)


def _place(plan: str) -> str:
    return f"hour:{plan}"


def _deed(who: Any) -> Any:
    """Something that somebody did soon after a message was sent."""
    return and_(
        activity.c.member == who,
        activity.c.kind.in_(DEEDS),
        activity.c.happened_at > outbox.c.sent_at,
        activity.c.happened_at <= outbox.c.sent_at + to_ms(from_ms(0) + FOLLOWS),
    )


def _followed() -> Any:
    return exists().where(_deed(outbox.c.member))
