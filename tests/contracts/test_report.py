"""What pages ask of the database, on both databases."""

from __future__ import annotations

from datetime import timedelta

import pytest

from sop.template import Subject
from storage import report
from storage.due import Due, DueStore
from storage.engine import Connection, Database
from storage.instant import to_ms
from storage.report import GroupLine
from storage.tables import journey, outbox, score
from storage.task import Task, TaskStore
from tests.contracts.operated import GROUP, MEMBER, NOW, settle


@pytest.fixture
async def house(db: Database) -> Database:
    """One of everything a page can show."""
    await db.write(lambda c: settle(c, "小林"))
    return db


async def line(house: Database) -> GroupLine:
    return (await house.read(lambda c: report.group_lines(c, NOW)))[0]


async def test_a_group_comes_with_its_last_scores_oldest_first(house: Database) -> None:
    found = await line(house)

    assert (found.group.id, found.size, len(found.points)) == (GROUP, 1, 30)
    assert found.latest is not None
    assert found.latest.day == NOW.date().isoformat()


async def test_a_change_is_against_the_groups_own_usual_score(house: Database) -> None:
    today = NOW.date().isoformat()
    await house.write(
        lambda c: c.execute(score.update().where(score.c.day == today).values(value=70.0)) and None
    )

    assert (await line(house)).change == 8.0


async def test_days_seen_through_another_source_are_not_compared(house: Database) -> None:
    today = NOW.date().isoformat()
    await house.write(
        lambda c: c.execute(score.update().where(score.c.day == today).values(coverage="bot")) and None
    )

    assert (await line(house)).change is None


async def test_a_confirmation_says_how_many_wait_for_whom(house: Database) -> None:
    def create(c: Connection) -> None:
        TaskStore(c).open(Task("t1", "zhang", False, "created", NOW))
        c.execute(outbox.update().where(outbox.c.state == "created").values(number="t1"))

    await house.write(create)

    found = await house.read(report.confirmations)
    assert [(one.sender_name, one.recipients, one.text) for one in found] == [("小林", 1, "小林")]
    assert await house.read(lambda c: report.delivered_of(c, {"t1"})) == {"t1": (0, 1)}


async def test_journeys_are_counted_with_their_next_instant(house: Database) -> None:
    def walk(c: Connection) -> None:
        row = {"template": "hello", "version": 1, "subject": str(Subject.MEMBER), "whom": MEMBER, "run": 2}
        instants = {"anchor_at": to_ms(NOW), "changed_at": to_ms(NOW)}
        number = c.scalar(journey.insert().values(**row, **instants, state="active").returning(journey.c.id))
        DueStore(c).add(Due(what="step", whom=str(number), occurrence="0", at=NOW + timedelta(hours=1)))

    await house.write(walk)

    found = (await house.read(report.journeys_by_template))["hello"]
    assert (found.counts, found.next_at) == ({"active": 2}, NOW + timedelta(hours=1))


async def test_who_sits_in_a_group_and_what_they_are_called(house: Database) -> None:
    sitters = await house.read(lambda c: report.sitters(c, GROUP, limit=10))
    names = await house.read(lambda c: report.names(c, members=[MEMBER], chats=[GROUP]))

    assert ([one.id for one in sitters], names) == ([MEMBER], {MEMBER: "小林", GROUP: "小林"})


async def test_members_are_counted_by_tier(house: Database) -> None:
    assert await house.read(report.count_members) == {"potential": 1}
    assert await house.read(lambda c: report.count_members(c, "没有这个人")) == {}


async def test_templates_are_called_by_their_newest_name(house: Database) -> None:
    assert await house.read(report.template_names) == {"hello": "小林"}


async def test_today_is_counted_from_midnight(house: Database) -> None:
    assert await house.read(lambda c: report.received_since(c, NOW)) == 1
    assert await house.read(lambda c: report.received_since(c, NOW + timedelta(hours=1))) == 0
