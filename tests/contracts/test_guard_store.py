"""What a guard measures: people, each once, of those a template reached before they turned away."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from sqlalchemy import text

from sop.guard import Breach, Guard, Measure
from sop.receipt import State
from storage.engine import Connection, Database
from storage.guard import CHECK, turned_away
from storage.outbox import OutboxStore
from storage.tx import Tx
from tests.contracts.world import NOW, after, push

ALL = [f"m{number}" for number in range(20)]
STRICT = Guard(opt_outs=0.2, refusals=0.2, leavers=0.2, minimum=2)
HOUR = timedelta(hours=1)
BY = ("ix_outbox_member", "ix_outbox_group_id", "ix_outbox_settled (template=? AND state=? AND settled_at>?)")


@pytest.fixture
async def reached(db: Database) -> Database:
    """Twenty friends of 王, in one group, all reached an hour ago by one template; another said nothing."""

    def furnish(connection: Connection) -> None:
        tx = Tx(connection, NOW - 3 * HOUR)
        tx.groups.meet("g", name="新手答疑群")
        for member in ALL:
            tx.members.meet(member, seen_at=NOW - 3 * HOUR)
            tx.members.befriend(member, "wang", since=NOW - 3 * HOUR)
            tx.groups.seat("g", member, joined_at=NOW - 3 * HOUR)
        said(connection, NOW - HOUR, *({"to_member": member} for member in ALL))

    await db.write(furnish)
    return db


def said(connection: Connection, at: datetime, *whom: dict[str, str], state: State = State.SENT) -> None:
    store = OutboxStore(connection, at)
    store.add_all(
        [push(f"{at.isoformat()}:{number}", template="plan", **one) for number, one in enumerate(whom)]
    )
    claimed = store.claim(100, channels=["group_send"], fence=1)
    store.settle([entry.id for entry in claimed], state, fence=1, reason="" if state == "sent" else "拒收")


def opt_out(tx: Tx, member: str) -> None:
    tx.consent.decide(member, False, channel="kf")


def lose(tx: Tx, member: str) -> None:
    tx.members.unfriend(member, "wang", "member", tx.now)


def leave(tx: Tx, member: str) -> None:
    tx.groups.unseat("g", [member], tx.now)


async def breach(
    db: Database, *, at: datetime = NOW, template: str = "plan", rule: Guard = STRICT
) -> Breach | None:
    return await db.read(lambda c: Tx(c, at).guards.breach(template, rule))


async def turn_away(
    db: Database, deed: Callable[[Tx, str], object], count: int, *, at: datetime = NOW
) -> None:
    def work(connection: Connection) -> None:
        for member in ALL[:count]:
            deed(Tx(connection, at), member)

    await db.write(work)


DEEDS = {Measure.OPT_OUTS: opt_out, Measure.REFUSALS: lose, Measure.LEAVERS: leave}


@pytest.mark.parametrize("measure", Measure)
async def test_enough_people_of_those_reached_break_a_guard(reached: Database, measure: Measure) -> None:
    await turn_away(reached, DEEDS[measure], 3)
    before = await breach(reached)

    await turn_away(reached, DEEDS[measure], 4)

    assert before is None
    assert await breach(reached) == Breach(measure, 4, 20, 0.2, STRICT.window)


@pytest.mark.parametrize("measure", Measure)
async def test_who_turned_away_before_they_were_reached_does_not_count(
    reached: Database, measure: Measure
) -> None:
    await turn_away(reached, DEEDS[measure], 20, at=NOW - 2 * HOUR)

    assert await breach(reached) is None


@pytest.mark.parametrize("measure", Measure)
async def test_another_template_is_not_to_blame(reached: Database, measure: Measure) -> None:
    await turn_away(reached, DEEDS[measure], 20)

    assert await breach(reached, template="other") is None


async def test_what_is_longer_ago_than_the_window_is_forgotten(reached: Database) -> None:
    await turn_away(reached, opt_out, 20)

    assert await breach(reached, at=after(hours=22)) is not None
    assert await breach(reached, at=after(hours=24)) is None


async def test_who_is_reached_twice_or_turns_away_twice_counts_once(reached: Database) -> None:
    await reached.write(lambda c: said(c, NOW - HOUR / 2, *({"to_member": member} for member in ALL)))
    await turn_away(reached, opt_out, 4)
    await turn_away(reached, lambda tx, member: tx.consent.decide(member, True, channel="kf"), 4)
    await turn_away(reached, opt_out, 4, at=after(minutes=1))

    assert await breach(reached, at=after(minutes=2)) == Breach(Measure.OPT_OUTS, 4, 20, 0.2, STRICT.window)


async def test_what_is_said_in_a_group_reaches_everybody_who_sits_there(reached: Database) -> None:
    await reached.write(lambda c: said(c, NOW - 2 * HOUR, {"to_group": "g", "to_member": ""}))
    await reached.write(lambda c: c.execute(text("DELETE FROM outbox WHERE member <> ''")) and None)
    await reached.write(lambda c: Tx(c, NOW).groups.seat("g", "late", joined_at=NOW))

    await turn_away(reached, leave, 4)

    assert await breach(reached) == Breach(Measure.LEAVERS, 4, 20, 0.2, STRICT.window)


async def test_who_was_put_out_of_the_group_did_not_turn_away(reached: Database) -> None:
    await turn_away(reached, lambda tx, member: tx.groups.unseat("g", [member], NOW, removed=True), 20)

    assert await breach(reached) is None


async def test_what_the_platform_refuses_counts_and_what_a_rule_keeps_back_does_not(db: Database) -> None:
    friends = [{"to_member": member} for member in ALL]
    await db.write(lambda c: said(c, NOW - HOUR, *friends[4:]))
    await db.write(lambda c: said(c, NOW - HOUR / 2, *friends[:4], state=State.REFUSED))
    refused = await breach(db)

    def untry(connection: Connection) -> None:
        connection.execute(text("UPDATE outbox SET attempts = 0 WHERE state = 'refused'"))

    await db.write(untry)

    assert refused == Breach(Measure.REFUSALS, 4, 20, 0.2, STRICT.window)
    assert await breach(db) is None


async def test_letting_a_template_go_on_counts_anew(reached: Database) -> None:
    await turn_away(reached, opt_out, 20)
    await reached.write(lambda c: Tx(c, NOW).pauses.pause("plan", "系统") and None)

    await reached.write(lambda c: Tx(c, NOW).pauses.resume("plan") and None)

    assert await breach(reached, at=after(minutes=5)) is None


async def test_a_thousand_who_turn_away_at_once_are_one_look(reached: Database) -> None:
    def suspect(connection: Connection) -> None:
        for member in ALL * 50:
            Tx(connection, NOW).guards.suspect([member])

    await reached.write(suspect)

    waits = await reached.read(lambda c: Tx(c, NOW).due.of(CHECK, "plan"))
    assert len(waits) == 1


@pytest.mark.parametrize("measure", Measure)
async def test_the_people_are_asked_from_the_few_by_an_index(sqlite: Database, measure: Measure) -> None:
    """A look must cost what turned away, not what was ever sent."""
    plans: list[str] = []

    def ask(connection: Connection) -> None:
        for query in turned_away(measure, "plan", NOW):
            words = str(query.compile(connection, compile_kwargs={"literal_binds": True}))
            plans.extend(row[3] for row in connection.execute(text(f"EXPLAIN QUERY PLAN {words}")))

    await sqlite.read(ask)

    asked = [line for line in plans if line.startswith(("SCAN", "SEARCH"))]
    assert asked
    assert [line for line in asked if line.startswith("SCAN") or "ix_outbox_state" in line] == []
    assert [line for line in asked if "outbox" in line and not any(word in line for word in BY)] == []


async def test_colleagues_who_sit_in_a_group_are_nobody_to_count(reached: Database) -> None:
    def hire(connection: Connection) -> None:
        said(connection, NOW - HOUR / 2, {"to_group": "g", "to_member": ""})
        for number in range(10):
            tx = Tx(connection, NOW - 2 * HOUR)
            tx.members.meet(f"s{number}", staff=True)
            tx.groups.seat("g", f"s{number}", joined_at=NOW - 2 * HOUR)
            tx.groups.unseat("g", [f"s{number}"], NOW)

    await reached.write(hire)
    quiet = await breach(reached)
    await turn_away(reached, leave, 4)

    assert quiet is None
    assert await breach(reached) == Breach(Measure.LEAVERS, 4, 20, 0.2, STRICT.window)
