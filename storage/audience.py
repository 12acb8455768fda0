"""Audiences in SQL: who belongs now, in one statement; what a rule in memory must know; and membership kept up to date.

An expression means the same here as in ``sop.audience``: what is unknown is NULL, and so is whatever turns on it.

What is kept is one row for each member of each audience the clock starts, unless time alone changes who belongs. Whoever changes a tag, a tier, a seat or a
member says so (``storage.stale``), and these members are asked again; of a new
version everybody is, in turns (:meth:`AudienceStore.walk`).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import reduce
from operator import and_, or_
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Float,
    Select,
    case,
    cast,
    delete,
    distinct,
    exists,
    false,
    func,
    literal,
    not_,
    null,
    select,
    true,
    update,
)

from sop.audience import (
    COMPARE,
    All,
    Ask,
    Audience,
    Compare,
    Expression,
    Is,
    Measure,
    Not,
    Quantity,
    Some,
    atoms,
    is_clocked,
)
from sop.coupon import Held
from sop.group import Group, GroupKind
from sop.member import Member
from sop.template import CLOCKED, On, Subject, Template
from sop.timing import local_day
from storage.coupon import as_coupon
from storage.engine import insert_into
from storage.group import GroupStore
from storage.instant import to_ms
from storage.tables import (
    audience,
    audience_change,
    audience_member,
    coupon,
    groups,
    member,
    member_day,
    member_score,
    member_tag,
    observed_day,
    score,
    seat,
)

Condition = ColumnElement[bool]
HOUR_MS = 3_600_000
KEPT = CLOCKED - {On.SILENCE, On.DATE_FIELD}  # these ask other things first
TURN = 2000  # members asked again in one transaction


def is_kept(template: Template) -> bool:
    """Whether we keep who belongs: for what the clock starts, where only deeds change it, unless that is everybody."""
    asked = template.audience
    if template.subject is not Subject.MEMBER or asked.include is None:
        return False
    return template.trigger.on in KEPT and not any(is_clocked(part) for part in asked.expressions)


class AudienceStore:
    """Audiences at one instant; days are those of ``zone``."""

    def __init__(self, connection: Connection, now: datetime, zone: str) -> None:
        self._connection = connection
        self._now = now
        self._today = local_day(now, zone)

    # ------------------------------------------------------------ all members in one statement

    def count(self, asked: Audience) -> int:
        """How many members belong now."""
        query = select(func.count()).select_from(member).where(self._belongs(asked))
        return self._connection.scalar(query) or 0

    def page(self, asked: Audience, *, after: str = "", limit: int | None = None) -> list[str]:
        """Members who belong now, in the order of their ids."""
        query = select(member.c.id).where(member.c.id > after, self._belongs(asked))
        return list(self._connection.scalars(query.order_by(member.c.id).limit(limit)))

    def _belongs(self, asked: Audience) -> Condition:
        wanted: Condition = true() if asked.everyone else false()
        if not asked.everyone and asked.include is not None:
            wanted = self._holds(asked.include)
        if asked.exclude is not None:
            wanted = wanted & not_(func.coalesce(self._holds(asked.exclude), false()))
        return member.c.staff.is_(False) & member.c.bot.is_(False) & wanted

    def _holds(self, expression: Expression) -> Condition:
        match expression:
            case Is():
                return self._is(expression)
            case Compare(measure, sign, bound):
                compare: Any = COMPARE[sign]
                above_or_below: Condition = compare(self._value(measure), bound)
                return above_or_below
            case Not(part):
                return not_(self._holds(part))
            case All(parts):
                return reduce(and_, (self._holds(part) for part in parts))
            case Some(parts):
                return reduce(or_, (self._holds(part) for part in parts))

    def _is(self, atom: Is) -> Condition:
        match atom.ask:
            case Ask.TAG:
                return member.c.id.in_(select(member_tag.c.member).where(member_tag.c.tag == atom.name))
            case Ask.GROUP:
                return member.c.id.in_(_seated(groups.c.name == atom.name))
            case Ask.KIND:
                return member.c.id.in_(_seated(groups.c.kind == atom.name))
            case Ask.TIER:
                return member.c.tier == atom.name
            case Ask.SOURCE:
                return member.c.source == atom.name
            case Ask.COUPON:
                return member.c.id.in_(self._holding(atom.name))

    def _holding(self, name: str) -> Select[Any]:
        """Members who were given a coupon of this batch, and stand with it as asked."""
        batch, _, state = name.partition("=")
        query = select(coupon.c.member).where(coupon.c.batch == batch, coupon.c.member.is_not(None))
        open_ = coupon.c.expires_at.is_(None) | (coupon.c.expires_at > to_ms(self._now))
        match state:
            case Held.REDEEMED:
                return query.where(coupon.c.redeemed_at.is_not(None))
            case Held.CLAIMED:
                return query.where(coupon.c.redeemed_at.is_(None), open_)
            case Held.EXPIRED:
                return query.where(coupon.c.redeemed_at.is_(None), not_(open_))
        return query

    def _value(self, measure: Measure) -> ColumnElement[Any]:
        """A measure of the member of the row; NULL where it is unknown."""
        match measure.of:
            case Quantity.JOINED:
                return self._hours_since(member.c.seen_at)
            case Quantity.SILENT:
                return self._hours_since(func.nullif(member.c.active_at, 0))
            case Quantity.ACTIVE:
                return self._within(measure.days, func.count(distinct(member_day.c.day)))
            case Quantity.ACTS:
                return self._within(measure.days, func.coalesce(func.sum(member_day.c.n), 0))
            case Quantity.SCORE:
                best = select(func.max(member_score.c.value)).where(member_score.c.member == member.c.id)
                return best.scalar_subquery()

    def _hours_since(self, instant: ColumnElement[Any]) -> ColumnElement[Any]:
        return cast(to_ms(self._now) - instant, Float) / HOUR_MS

    def _within(self, days: int, counted: ColumnElement[Any]) -> ColumnElement[Any]:
        """A count over the last days; unknown when the platform told us nothing on any of them."""
        first, last = (self._today - timedelta(days=days - 1)).isoformat(), self._today.isoformat()
        told = exists().where(observed_day.c.day.between(first, last))
        query = select(counted).where(
            member_day.c.member == member.c.id, member_day.c.day.between(first, last)
        )
        return case((told, query.scalar_subquery()), else_=null())

    # ------------------------------------------------------------ what a rule in memory must know

    def informed(self, people: Sequence[Member], expressions: Collection[Expression]) -> list[Member]:
        """These members with what the expressions measure of them and ask of their coupons."""
        asked = [atom for expression in expressions for atom in atoms(expression)]
        measures = sorted({atom.measure for atom in asked if isinstance(atom, Compare)}, key=str)
        ids = [one.id for one in people]
        if measures and ids:
            people = self._measured(people, ids, measures)
        if ids and any(isinstance(atom, Is) and atom.ask is Ask.COUPON for atom in asked):
            people = self._with_coupons(people, ids)
        return list(people)

    def _measured(self, people: Sequence[Member], ids: list[str], measures: list[Measure]) -> list[Member]:
        values = (self._value(measure).label(f"m{nth}") for nth, measure in enumerate(measures))
        rows = self._connection.execute(select(member.c.id, *values).where(member.c.id.in_(ids)))
        known = {row[0]: row[1:] for row in rows}
        return [
            replace(one, measured=_known(measures, known.get(one.id, (None,) * len(measures))))
            for one in people
        ]

    def _with_coupons(self, people: Sequence[Member], ids: list[str]) -> list[Member]:
        held: dict[str, set[str]] = {}
        for row in self._connection.execute(select(coupon).where(coupon.c.member.in_(ids))):
            state = as_coupon(row).held(self._now)
            held.setdefault(row.member, set()).update((row.batch, f"{row.batch}={state}"))
        return [replace(one, coupons=frozenset(held.get(one.id, ()))) for one in people]

    def informed_groups(self, several: Sequence[Group], expressions: Collection[Expression]) -> list[Group]:
        """These groups with their newest score, when one of the expressions asks for it."""
        asked = (atom for expression in expressions for atom in atoms(expression))
        if not any(isinstance(atom, Compare) for atom in asked):
            return list(several)
        newest = (
            select(score.c.group_id, func.max(score.c.day).label("day"))
            .where(score.c.value.is_not(None))
            .group_by(score.c.group_id)
            .subquery()
        )
        rows = self._connection.execute(
            select(score.c.group_id, score.c.value).join(
                newest, (score.c.group_id == newest.c.group_id) & (score.c.day == newest.c.day)
            )
        )
        known = {row.group_id: row.value for row in rows}
        measures = [Measure(Quantity.SCORE)]
        return [replace(one, measured=_known(measures, (known.get(one.id),))) for one in several]

    def knowing(self, one: Member | Group, expressions: Collection[Expression]) -> Member | Group:
        """One member or group with what the expressions ask of them."""
        if isinstance(one, Member):
            return self.informed([one], expressions)[0]
        return self.informed_groups([one], expressions)[0]

    # ------------------------------------------------------------ membership that is kept

    def begins_to_keep(self, template: Template) -> bool:
        """Note that everybody is to be asked of this version's audience; False when they are or were already."""
        known = self._connection.scalar(select(audience.c.version).where(audience.c.template == template.id))
        if known == template.version:
            return False
        values = {"version": template.version, "after": "", "whole": False}
        insertion = insert_into(self._connection, audience).values(template=template.id, **values)
        self._connection.execute(insertion.on_conflict_do_update(index_elements=["template"], set_=values))
        return True

    def walk(self, template: Template, limit: int = TURN) -> bool:
        """Ask the next members in turn whether they belong, and keep the answer; False after the last."""
        where = audience.c.template == template.id, audience.c.version == template.version
        after = self._connection.scalar(select(audience.c.after).where(*where))
        if after is None:
            return False
        turn = list(
            self._connection.scalars(
                select(member.c.id).where(member.c.id > after).order_by(member.c.id).limit(limit)
            )
        )
        more = len(turn) == limit
        kept = audience_member.c.member > after
        here = member.c.id > after
        if more:
            kept, here = kept & (audience_member.c.member <= turn[-1]), here & (member.c.id <= turn[-1])
        self._ask(template, kept, here)
        moved = {"after": turn[-1]} if more else {"after": "", "whole": True}
        self._connection.execute(update(audience).where(*where).values(moved))
        return more

    def absorb(self, templates: Collection[Template], limit: int = TURN) -> bool:
        """Ask members who have changed again; False when nobody is left."""
        first = select(audience_change.c.id).order_by(audience_change.c.id).limit(limit)
        rows = self._connection.execute(
            delete(audience_change).where(audience_change.c.id.in_(first)).returning(audience_change.c.member)
        )
        told = [row.member for row in rows]
        ids = sorted(set(told))
        for template in templates if ids else ():
            self._ask(template, audience_member.c.member.in_(ids), member.c.id.in_(ids))
        return len(told) == limit

    def _ask(self, template: Template, kept: Condition, here: Condition) -> None:
        mine = audience_member.c.template == template.id
        belong = select(member.c.id).where(here, self._belongs(template.audience))
        self._connection.execute(
            delete(audience_member).where(mine, kept, audience_member.c.member.not_in(belong))
        )
        insertion = insert_into(self._connection, audience_member).from_select(
            ["template", "member"], belong.with_only_columns(literal(template.id), member.c.id)
        )
        self._connection.execute(insertion.on_conflict_do_nothing(index_elements=["template", "member"]))

    def forget(self, kept: Collection[str], limit: int = TURN) -> None:
        """Let go of the audiences of templates that are no longer kept, a turn of members at a time."""
        self._connection.execute(delete(audience).where(audience.c.template.not_in(kept)))
        for template in self._connection.scalars(select(audience_member.c.template).distinct()).all():
            if template not in kept:
                mine = audience_member.c.template == template
                turn = select(audience_member.c.member).where(mine).limit(limit)
                self._connection.execute(
                    delete(audience_member).where(mine, audience_member.c.member.in_(turn))
                )

    def is_current(self, template: Template) -> bool:
        """Whether who belongs is kept for this version, everybody was asked, and nobody has changed since."""
        if not is_kept(template):
            return False
        where = audience.c.template == template.id, audience.c.version == template.version, audience.c.whole
        asked = self._connection.scalar(select(audience.c.template).where(*where)) is not None
        return asked and self._connection.scalar(select(audience_change.c.id).limit(1)) is None

    def members(self, template: Template, *, after: str = "", limit: int | None = None) -> list[str]:
        """Members who belong now, from what is kept where that is certain to be the same."""
        if not self.is_current(template):
            return self.page(template.audience, after=after, limit=limit)
        return self.kept(template.id, after=after, limit=limit)

    def kept(self, template: str, *, after: str = "", limit: int | None = None) -> list[str]:
        """Members of whom we noted that they belong."""
        query = select(audience_member.c.member).where(
            audience_member.c.template == template, audience_member.c.member > after
        )
        return list(self._connection.scalars(query.order_by(audience_member.c.member).limit(limit)))

    def size(self, template: Template) -> int:
        """How many members or groups belong: counted from what is kept where it is, asked of everybody otherwise."""
        if template.subject is Subject.GROUP:
            several = GroupStore(self._connection, self._now).all()
            alive = [group for group in several if group.kind != GroupKind.IMPORTED]
            informed = self.informed_groups(alive, template.audience.expressions)
            return sum(template.audience.has(group.facts()) for group in informed)
        if not self.is_current(template):
            return self.count(template.audience)
        mine = audience_member.c.template == template.id
        return self._connection.scalar(select(func.count()).select_from(audience_member).where(mine)) or 0


def _seated(where: Condition) -> Select[Any]:
    """Members who sit in such groups."""
    here = seat.c.left_at.is_(None) & groups.c.dismissed_at.is_(None)
    return select(seat.c.member).join(groups, groups.c.id == seat.c.group_id).where(here, where)


def _known(measures: Sequence[Measure], values: Sequence[float | None]) -> dict[Measure, float]:
    pairs = zip(measures, values, strict=True)
    return {measure: float(value) for measure, value in pairs if value is not None}
