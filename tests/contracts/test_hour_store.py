"""What followed our messages by hour of the week, and what is made of it."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

from sqlalchemy import Connection, insert, select

from sop.audience import Audience
from sop.hour import PRIOR, Best, Tally
from sop.journey import Journey
from sop.template import AtBest, On, Step, Subject, Template, Trigger
from sop.timing import at_local
from storage.engine import Database
from storage.hour import ALL, HourStore
from storage.instant import to_ms
from storage.tables import activity, groups, hour, hour_choice, member, outbox, seat

ZONE = "Asia/Shanghai"
SENT = at_local(date(2026, 7, 1), time(9, 30), ZONE)  # Wednesday
LATER = SENT + timedelta(hours=4)
NINE = 2 * 24 + 9


def people(connection: Connection, *names: str) -> None:
    connection.execute(insert(groups).values(id="g", kind="customer", name="新手群", created_at=0))
    for name in names:
        connection.execute(insert(member).values(id=name, seen_at=0, tier="new"))
        connection.execute(insert(seat).values(group_id="g", member=name, joined_at=0))


def send(
    connection: Connection, number: int, *, member: str = "", group: str = "", at: datetime = SENT
) -> None:
    connection.execute(
        insert(outbox).values(
            key=f"step:{number}:only", channel="group_send", sender="su", member=member, group_id=group, content={},
            digest="", urgent=False, marketing=True, template="plan", step="only", journey=number, state="sent",
            created_at=0, due_at=0, sent_at=to_ms(at), settled_at=to_ms(at),
        )
    )  # fmt: skip


def act(connection: Connection, who: str, at: datetime, kind: str = "visited") -> None:
    values = {
        "key": f"{who}{at}{kind}",
        "kind": kind,
        "member": who,
        "happened_at": to_ms(at),
        "level": "page",
    }
    connection.execute(insert(activity).values(**values))


def learnt(connection: Connection) -> dict[tuple[str, str, int], tuple[float, float]]:
    rows = connection.execute(select(hour))
    return {(row.group_id, row.tier, row.hour): (row.sends, row.hits) for row in rows}


async def test_a_message_counts_for_its_readers_tier_group_and_everybody(db: Database) -> None:
    def ask(connection: Connection) -> dict[tuple[str, str, int], tuple[float, float]]:
        people(connection, "lin", "zhou", "wu")
        for number, who in enumerate(("lin", "zhou", "wu")):
            send(connection, number, member=who)
        act(connection, "lin", SENT + timedelta(hours=1), "answered")
        act(connection, "zhou", SENT + timedelta(hours=4, minutes=1))  # too late
        act(connection, "wu", SENT - timedelta(minutes=1))  # before
        assert HourStore(connection, LATER).learn("plan", ZONE, 100)
        return learnt(connection)

    assert await db.write(ask) == {
        ("g", "new", NINE): (3, 1),
        ("g", ALL, NINE): (3, 1),
        (ALL, ALL, NINE): (3, 1),
    }


async def test_of_a_message_to_a_group_counts_the_share_that_follows(db: Database) -> None:
    def ask(connection: Connection) -> dict[tuple[str, str, int], tuple[float, float]]:
        people(connection, "lin", "zhou", "wu", "he")
        send(connection, 1, group="g")
        for minute in (5, 6):
            act(connection, "lin", SENT + timedelta(minutes=minute))
        HourStore(connection, LATER).learn("plan", ZONE, 100)
        return learnt(connection)

    assert (await db.write(ask))["g", "", NINE] == (1, 0.25)


async def test_what_was_learnt_is_not_learnt_again_and_what_may_still_be_followed_waits(db: Database) -> None:
    def ask(connection: Connection) -> list[float]:
        people(connection, "lin")
        for number in range(5):
            send(connection, number, member="lin", at=SENT + timedelta(minutes=number // 2))
        seen, store = [], HourStore(connection, LATER + timedelta(minutes=1))
        for _ in range(4):
            store.learn("plan", ZONE, 2)
            seen.append(learnt(connection)[ALL, ALL, NINE][0])
        HourStore(connection, LATER + timedelta(minutes=2)).learn("plan", ZONE, 2)
        return [*seen, learnt(connection)[ALL, ALL, NINE][0]]

    assert await db.write(ask) == [2, 4, 4, 4, 5]


async def test_the_hour_is_the_one_where_the_reader_lives(db: Database) -> None:
    def ask(connection: Connection) -> set[int]:
        people(connection, "lin")
        connection.execute(member.update().values(zone="Europe/Berlin"))
        send(connection, 1, member="lin")
        HourStore(connection, LATER).learn("plan", ZONE, 100)
        return {at for _, _, at in learnt(connection)}

    assert await db.write(ask) == {2 * 24 + 3}


async def test_what_was_learnt_long_ago_weighs_less_and_is_forgotten(db: Database) -> None:
    def ask(connection: Connection) -> list[list[float]]:
        people(connection, "lin")
        send(connection, 1, member="lin")
        store = HourStore(connection, LATER)
        left: list[list[float]] = []
        store.learn("plan", ZONE, 100)
        for days in (60, 60, 240):
            store.age(timedelta(days=days))
            left.append([round(sends, 3) for sends, _ in learnt(connection).values()][:1])
        return left

    assert await db.write(ask) == [[0.5], [0.25], []]


PLAN = Template(
    id="plan",
    name="计划",
    version=1,
    trigger=Trigger(on=On.FRIEND_ADDED),
    audience=Audience(everyone=True),
    steps=(Step(id="only", when=AtBest(day=6), text="晚上好"),),
)


def walking(number: int, whom: str) -> Journey:
    begun = SENT - timedelta(days=6)
    return Journey(
        id=number, template="plan", version=1, subject=Subject.MEMBER, whom=whom, run=1, anchor=begun
    )


async def test_what_was_learnt_is_chosen_and_what_was_chosen_is_kept(db: Database) -> None:
    def ask(connection: Connection) -> tuple[dict[int, datetime], list[tuple[int, int, bool]], bool]:
        people(connection, "lin")
        for number in range(60):
            send(connection, number, member="lin")
        act(connection, "lin", SENT + timedelta(hours=1))
        store = HourStore(connection, LATER)
        store.learn("plan", ZONE, 100)
        chosen = HourStore(connection, LATER).moments([(PLAN, walking(7, "lin"))], ZONE, Best(None, 0.0))
        kept = [(row.journey, row.minute, row.learnt) for row in connection.execute(select(hour_choice))]
        return chosen, kept, HourStore(connection, LATER).rates(("", "core")) == PRIOR

    chosen, kept, untouched = await db.write(ask)

    assert chosen == {7: SENT}
    assert kept == [(7, 570, True)]
    assert not untouched  # what everybody does is known of strangers too


async def test_the_effect_compares_what_followed_at_learnt_hours_and_at_the_usual_one(db: Database) -> None:
    def ask(connection: Connection) -> tuple[Tally, Tally]:
        people(connection, "lin", "zhou")
        for number in range(6):
            send(connection, number, member="lin" if number % 3 else "zhou")
            row = {"journey": number, "step": "only", "minute": 570, "learnt": number < 4, "chosen_at": 0}
            connection.execute(insert(hour_choice).values(**row))
        act(connection, "lin", SENT + timedelta(hours=1))
        found = HourStore(connection, LATER).effect("plan")
        return found.learnt, found.usual

    assert await db.write(ask) == (Tally(4, 2), Tally(2, 2))
