"""Who belongs is one answer, whether one member is asked in memory, all in SQL, or only those who changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from random import Random

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, update

from sop.activity import TALK, Activity
from sop.audience import (
    Ask,
    Audience,
    Compare,
    Expression,
    Is,
    Measure,
    Not,
    Quantity,
    Sign,
    is_clocked,
)
from sop.coupon import Batch
from sop.expression import parse
from sop.file import read
from sop.template import Template
from storage.activity import ActivityStore
from storage.audience import AudienceStore, is_kept
from storage.engine import Database
from storage.tables import member_score
from storage.tx import Tx
from tests.contracts.world import NOW
from tests.rules.test_audience import joined

ZONE = "Asia/Shanghai"
WEEKLY = read(
    """
id = "weekly"
name = "每周"
[trigger]
on = "weekly"
weekday = "sat"
time = 19:30:00
[audience]
include = '甲'
[[step]]
id = "one"
when = { day = 0, time = 19:30:00 }
text = "周末好"
"""
)


def template(include: Expression, exclude: Expression | None = None, *, named: str = "weekly") -> Template:
    return replace(WEEKLY, id=named, audience=Audience(include=include, exclude=exclude))


# ---------------------------------------------------------------- three ways, one answer

PEOPLE = ["ann", "bo", "chen"]
TAGS = ["甲", "乙"]
GROUPS = ["g1", "g2"]


def coupon(tx: Tx, who: str) -> None:
    tx.coupons.open(Batch(id="growth", name="成长券", valid_days=2))
    tx.coupons.stock("growth", [f"{who}-{tx.now.timestamp()}"])
    tx.coupons.issue("growth", who)


def redeem(tx: Tx, who: str) -> None:
    for held in tx.coupons.held_by(who):
        tx.coupons.redeem(held.code, "order")


def speak(tx: Tx, who: str, group: str) -> None:
    key = f"{who}{group}{tx.now.timestamp()}"
    fact = Activity(key=key, kind=TALK, at=tx.now, member=who, group=group, text_hash="h")
    ActivityStore(tx.connection).log(fact, zone=ZONE)
    tx.members.touch(who, tx.now)


def rename(tx: Tx) -> None:
    tx.tags.take_list([("t1", "甲", "")])
    tx.tags.take_list([("t1", "乙", "")])


def found(tx: Tx, group: str) -> None:
    tx.groups.meet(group, kind="internal" if group == "g2" else "customer", name=group)


DEEDS: list[Callable[[Tx, str, str, str], object]] = [
    lambda tx, who, group, tag: tx.tags.add(who, tag, reason="试"),
    lambda tx, who, group, tag: tx.tags.add(who, tag, reason="试"),
    lambda tx, who, group, tag: tx.tags.remove(who, tag, reason="试"),
    lambda tx, who, group, tag: rename(tx),
    lambda tx, who, group, tag: tx.members.promote(who, "core", "试"),
    lambda tx, who, group, tag: tx.members.promote(who, "new", "试"),
    lambda tx, who, group, tag: tx.members.meet(who, source="poster"),
    lambda tx, who, group, tag: tx.members.describe(who, staff=tag == "甲"),
    lambda tx, who, group, tag: tx.groups.seat(group, who, joined_at=tx.now),
    lambda tx, who, group, tag: tx.groups.seat(group, who, joined_at=tx.now),
    lambda tx, who, group, tag: tx.groups.unseat(group, [who], tx.now),
    lambda tx, who, group, tag: found(tx, group),
    lambda tx, who, group, tag: tx.groups.describe(group, name=GROUPS[len(tag + who) % 2]),
    lambda tx, who, group, tag: speak(tx, who, group),
    lambda tx, who, group, tag: coupon(tx, who),
    lambda tx, who, group, tag: redeem(tx, who),
]

ATOMS = st.one_of(
    st.builds(Is, st.sampled_from(TAGS)),
    st.builds(Is, st.sampled_from(GROUPS), st.just(Ask.GROUP)),
    st.builds(Is, st.sampled_from(["core", "new"]), st.just(Ask.TIER)),
    st.just(Is("poster", Ask.SOURCE)),
    st.just(Is("internal", Ask.KIND)),
    st.builds(
        Is,
        st.sampled_from(["growth", "growth=claimed", "growth=redeemed", "growth=expired"]),
        st.just(Ask.COUPON),
    ),
    st.builds(
        Compare,
        st.sampled_from([Measure(Quantity.JOINED), Measure(Quantity.SILENT), Measure(Quantity.ACTIVE, 2)]),
        st.sampled_from(list(Sign)),
        st.sampled_from([0.0, 1.0, 2.0, 30.0, 50.0]),
    ),
)
EXPRESSIONS = st.recursive(ATOMS, joined, max_leaves=6)


PLAIN = ["甲", "乙", "group:g1", "group:g2", "tier:core", "source:poster", "kind:internal", "tier:new"]


def check(tx: Tx, plans: list[Template]) -> None:
    audiences = tx.audiences(ZONE)
    asked = [expression for plan in plans for expression in plan.audience.expressions]
    known = audiences.informed(tx.members.page(limit=100), asked)
    while audiences.absorb([plan for plan in plans if is_kept(plan)], limit=2):
        pass
    for plan in plans:
        more = is_kept(plan) and audiences.begins_to_keep(plan)
        while more:
            more = audiences.walk(plan, limit=2)

        answer = [one.id for one in known if plan.audience.has(one.facts())]

        assert audiences.page(plan.audience) == answer, plan.audience
        assert audiences.members(plan) == answer, plan.audience
        assert audiences.kept(plan.id) == answer or not is_kept(plan), plan.audience
        assert audiences.size(plan) == len(answer)


def live(connection: Connection, plans: list[Template], lot: Random) -> None:
    """A community in which something happens to somebody, again and again; a group is dismissed at the end."""
    now = NOW
    for who in PEOPLE:
        Tx(connection, now).members.meet(who)
    for at in range(48):
        now += timedelta(hours=lot.choice([0, 0, 0, 1, 30]))
        tx = Tx(connection, now)
        lot.choice(DEEDS)(tx, lot.choice(PEOPLE), lot.choice(GROUPS), lot.choice(TAGS))
        if at % 6 == 0:
            check(tx, plans)
    Tx(connection, now).groups.dismiss("g1")
    check(Tx(connection, now), plans)


async def test_memory_sql_and_what_is_kept_give_one_answer_whatever_happens(db: Database) -> None:
    plain = [template(parse(text), named=text) for text in PLAIN]

    def run(connection: Connection) -> None:
        @settings(
            max_examples=20,
            phases=[Phase.generate],
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(EXPRESSIONS, EXPRESSIONS, st.integers(0, 2**32))
        def one_answer(first: Expression, second: Expression, seed: int) -> None:
            point = connection.begin_nested()
            try:
                live(connection, [template(first, second), *plain], Random(seed))
            finally:
                point.rollback()

        one_answer()

    await db.write(run)


# ---------------------------------------------------------------- what is measured


def scored(tx: Tx, who: str, group: str, value: float) -> None:
    here = member_score.c.group_id == group, member_score.c.member == who
    tx.connection.execute(update(member_score).where(*here).values(value=value))


def known_community(connection: Connection) -> AudienceStore:
    """Ann came ten days ago and spoke twice, on two days; Bo came yesterday; nothing was heard of Chen."""
    for days, deed in (
        (20, lambda tx: tx.members.meet("chen")),
        (10, lambda tx: tx.members.meet("ann")),
        (2, lambda tx: speak(tx, "ann", "g1")),
        (1, lambda tx: tx.members.meet("bo")),
        (0, lambda tx: speak(tx, "ann", "g2")),
    ):
        deed(Tx(connection, NOW - timedelta(days=days)))
    scored(Tx(connection, NOW), "ann", "g1", 20)
    scored(Tx(connection, NOW), "ann", "g2", 60)
    return AudienceStore(connection, NOW, ZONE)


@pytest.mark.parametrize(
    ("text", "who"),
    [
        ("joined >= 10d", ["ann", "chen"]),
        ("joined > 10d", ["chen"]),
        ("joined < 48h", ["bo"]),
        ("silent < 1h", ["ann"]),
        ("silent >= 0h | silent < 1h", ["ann"]),
        ("!(silent < 1h)", []),
        ("active(3d) >= 2", ["ann"]),
        ("active(2d) >= 2", []),
        ("active(3d) < 1", ["bo", "chen"]),
        ("acts(3d) > 1", ["ann"]),
        ("score >= 60", ["ann"]),
        ("score < 60 | !(score < 60)", ["ann"]),
    ],
)
async def test_what_is_measured_is_measured_right(db: Database, text: str, who: list[str]) -> None:
    found = await db.write(lambda c: known_community(c).page(Audience(include=parse(text))))

    assert found == who


async def test_days_of_which_the_platform_told_nothing_are_unknown_and_not_zero(db: Database) -> None:
    unheard = Audience(include=Not(parse("active(7d) >= 1")))

    def ask(connection: Connection) -> int:
        Tx(connection, NOW).members.meet("ann")
        return AudienceStore(connection, NOW, ZONE).count(unheard)

    assert await db.write(ask) == 0


async def test_a_score_not_yet_made_is_unknown_and_not_zero(db: Database) -> None:
    def ask(connection: Connection) -> int:
        tx = Tx(connection, NOW)
        tx.members.meet("ann")
        speak(tx, "ann", "g1")
        return tx.audiences(ZONE).count(Audience(include=parse("score < 50")))

    assert await db.write(ask) == 0


async def test_an_excluded_unknown_stays(db: Database) -> None:
    audience = Audience(everyone=True, exclude=parse("score < 50"))

    found = await db.write(lambda c: known_community(c).page(audience))

    assert found == ["ann", "bo", "chen"]


# ---------------------------------------------------------------- what is kept


def keep(audiences: AudienceStore, plan: Template) -> None:
    audiences.absorb([plan])
    audiences.begins_to_keep(plan)
    audiences.walk(plan)


async def test_only_who_changed_is_asked_again(db: Database) -> None:
    plan = template(parse("甲"))

    def turn(connection: Connection) -> tuple[bool, list[str]]:
        tx = Tx(connection, NOW)
        for who in PEOPLE:
            tx.members.meet(who)
        audiences = tx.audiences(ZONE)
        keep(audiences, plan)
        tx.tags.add("bo", "甲", reason="试")
        before = audiences.is_current(plan)
        audiences.absorb([plan])
        return before, audiences.kept(plan.id)

    assert await db.write(turn) == (False, ["bo"])


async def test_a_template_that_runs_no_more_is_forgotten(db: Database) -> None:
    plan = template(parse("tier:new"))

    def turn(connection: Connection) -> list[str]:
        tx = Tx(connection, NOW)
        tx.members.meet("ann")
        audiences = tx.audiences(ZONE)
        keep(audiences, plan)
        audiences.forget([])
        return audiences.kept(plan.id)

    assert await db.write(turn) == []


def test_what_time_alone_changes_is_known() -> None:
    assert is_clocked(parse("甲 & (乙 | joined >= 1d)"))
    assert is_clocked(parse("!coupon:growth"))
    assert not is_clocked(parse("甲 & !tier:core"))
