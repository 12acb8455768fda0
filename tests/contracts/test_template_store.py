"""Templates in storage: every version to the letter, one of them published, its next slot on the due table."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from zoneinfo import ZoneInfo

import pytest

from sop.errors import Conflict, NotFound, TemplateError
from sop.way import Way, WayKind
from storage.due import DueStore
from storage.engine import Connection, Database
from storage.group import GroupStore
from storage.template import DRAFT, PUBLISHED, RETIRED, SLOT, TemplateStore
from storage.way import Standing, WayStore
from tests.contracts.world import NOW

ZONE = "Asia/Shanghai"
HELLO = """# 先问好
id = "hello"
name = "问好"
[trigger]
on = "friend.added"
[audience]
everyone = true
[[step]]
id = "first"
when = { day = 1, time = 19:30:00 }
text = "你好"
"""
WEEKLY = HELLO.replace('on = "friend.added"', 'on = "weekly"\nweekday = "sat"\ntime = 19:30:00')
BEFORE_SATURDAY = datetime(2026, 7, 2, 11, 0, tzinfo=UTC)
SATURDAY = datetime(2026, 7, 4, 11, 30, tzinfo=UTC)


async def save(db: Database, *texts: str, publish: int = 0, now: datetime = NOW, zone: str = ZONE) -> None:
    """Save these texts as versions 1, 2, … and publish one of them."""

    def work(connection: Connection) -> None:
        store = TemplateStore(connection, now)
        for text in texts:
            store.save("hello", "问好", text, by="阿宁")
        if publish:
            store.publish("hello", publish, zone=zone)

    await db.write(work)


async def states(db: Database) -> list[tuple[int, str]]:
    found = await db.read(lambda c: TemplateStore(c, NOW).versions("hello"))
    return [(saved.version, saved.state) for saved in found]


async def slots(db: Database) -> list[datetime]:
    return [wait.at for wait in await db.read(lambda c: DueStore(c).of(SLOT, "hello"))]


async def test_a_version_comes_back_to_the_letter_with_who_saved_it_and_when(db: Database) -> None:
    await save(db, HELLO)

    saved = await db.read(lambda c: TemplateStore(c, NOW).get("hello", 1))

    assert saved is not None
    assert (saved.text, saved.state, saved.saved_by, saved.saved_at) == (HELLO, DRAFT, "阿宁", NOW)


async def test_every_save_is_a_version_and_none_is_lost(db: Database) -> None:
    await save(db, HELLO, HELLO.replace("你好", "晚上好"))

    assert await states(db) == [(2, DRAFT), (1, DRAFT)]
    assert await db.read(lambda c: TemplateStore(c, NOW).newest_version("hello")) == 2


async def test_who_saves_over_someone_else_s_change_is_refused(db: Database) -> None:
    await save(db, HELLO, HELLO)

    with pytest.raises(Conflict, match="version 2"):
        await db.write(lambda c: TemplateStore(c, NOW).save("hello", "问好", HELLO, by="小陈", expect=1))

    assert len(await states(db)) == 2


async def test_one_version_is_published_and_the_one_before_retires(db: Database) -> None:
    await save(db, HELLO, HELLO, publish=1)

    await db.write(lambda c: TemplateStore(c, NOW).publish("hello", 2, zone=ZONE))

    assert await states(db) == [(2, PUBLISHED), (1, RETIRED)]
    (running,) = await db.read(lambda c: TemplateStore(c, NOW).running())
    assert (running.id, running.version) == ("hello", 2)


async def test_a_draft_runs_nothing(db: Database) -> None:
    await save(db, HELLO)

    assert await db.read(lambda c: TemplateStore(c, NOW).running()) == []
    assert await db.read(lambda c: TemplateStore(c, NOW).published_version("hello")) is None


async def test_a_version_that_does_not_exist_cannot_be_published(db: Database) -> None:
    await save(db, HELLO, publish=1)

    with pytest.raises(NotFound):
        await db.write(lambda c: TemplateStore(c, NOW).publish("hello", 7, zone=ZONE))

    assert await states(db) == [(1, PUBLISHED)]


async def test_an_old_version_can_still_be_read_as_the_rules_see_it(db: Database) -> None:
    await save(db, HELLO, HELLO.replace("19:30:00", "20:00:00"), publish=2)

    old = await db.read(lambda c: TemplateStore(c, NOW).read("hello", 1))

    assert old is not None
    assert old.version == 1
    assert old.steps[0].when.time.hour == 19  # type: ignore[union-attr]
    assert await db.read(lambda c: TemplateStore(c, NOW).read("hello", 3)) is None


async def test_what_the_clock_starts_waits_for_its_next_slot(db: Database) -> None:
    await save(db, WEEKLY, publish=1, now=BEFORE_SATURDAY)

    assert await slots(db) == [SATURDAY]


@pytest.mark.parametrize(
    ("zone", "weekday", "moment"),
    [
        ("America/New_York", "sat", "20:00:00"),  # Sunday in UTC
        ("Asia/Shanghai", "mon", "07:00:00"),  # Sunday in UTC
        ("Pacific/Auckland", "sun", "23:30:00"),
        ("America/Los_Angeles", "sun", "09:00:00"),
    ],
)
async def test_publishing_counts_in_the_community_s_zone(
    db: Database, zone: str, weekday: str, moment: str
) -> None:
    text = WEEKLY.replace('"sat"', f'"{weekday}"').replace("time = 19:30:00", f"time = {moment}", 1)
    await save(db, text, publish=1, now=BEFORE_SATURDAY, zone=zone)

    [slot] = await slots(db)

    assert f"{slot.astimezone(ZoneInfo(zone)):%a %H:%M:%S}".lower() == f"{weekday} {moment}"


async def test_what_somebody_starts_waits_for_no_slot(db: Database) -> None:
    await save(db, HELLO, publish=1)

    assert await slots(db) == []


async def test_a_new_version_at_another_time_leaves_no_slot_of_the_old_one(db: Database) -> None:
    await save(db, WEEKLY, publish=1, now=BEFORE_SATURDAY)

    await save(db, WEEKLY.replace('"sat"', '"sun"'), publish=2, now=BEFORE_SATURDAY)

    assert [slot.astimezone(UTC).weekday() for slot in await slots(db)] == [6]


async def test_a_retired_template_starts_nobody(db: Database) -> None:
    await save(db, WEEKLY, publish=1, now=BEFORE_SATURDAY)

    await db.write(lambda c: TemplateStore(c, NOW).retire("hello"))

    assert await states(db) == [(1, RETIRED)]
    assert await slots(db) == []


async def test_the_newest_of_each_is_what_a_list_shows(db: Database) -> None:
    def work(connection: Connection) -> None:
        store = TemplateStore(connection, NOW)
        for template in ("b", "a", "b"):
            store.save(template, template, HELLO, by="阿宁")

    await db.write(work)

    found = await db.read(lambda c: TemplateStore(c, NOW).newest_of_each())

    assert [(saved.id, saved.version) for saved in found] == [("a", 1), ("b", 2)]


# ---------------------------------------------------------------- groups that are invited to

INVITING = HELLO.replace("[audience]", '[finish]\ninvite = "老友群"\n[audience]')


async def way_into(db: Database, state: str, *groups: str, standing: Standing = Standing.READY) -> None:
    wanted = Way(state=state, name=state, kind=WayKind.JOIN, groups=groups)

    def work(connection: Connection) -> None:
        store = WayStore(connection, NOW)
        store.add(wanted, by="阿宁")
        store.settle(state, standing, image=f"https://q.example/{state}")

    await db.write(work)


async def test_a_group_that_is_invited_to_must_be_there_alone_and_have_a_way_in(db: Database) -> None:
    await save(db, INVITING)
    publish = partial(save, db, publish=1)
    with pytest.raises(TemplateError, match="没有叫「老友群」的群或入群活码"):
        await publish()
    await db.write(lambda c: GroupStore(c, NOW).meet("g1", name="老友群"))
    with pytest.raises(TemplateError, match=r"hello:7:1 finish\.invite: 「老友群」还没有入群活码"):
        await publish()
    await way_into(db, "dropped", "g1", standing=Standing.DROPPED)
    with pytest.raises(TemplateError, match="还没有入群活码"):
        await publish()
    await way_into(db, "ready", "g1")

    await publish()

    assert await states(db) == [(1, PUBLISHED)]


async def test_of_two_groups_of_one_name_neither_can_be_invited_to(db: Database) -> None:
    await db.write(lambda c: [GroupStore(c, NOW).meet(one, name="老友群") for one in ("g1", "g2")])
    await way_into(db, "ready", "g1")

    with pytest.raises(TemplateError, match="有 2 个群都叫「老友群」"):
        await save(db, INVITING, publish=1)
