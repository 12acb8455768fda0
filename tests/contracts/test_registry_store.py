"""What we remember of the platform's directory, ways, greetings, statistics and guests, on every database."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import TypeVar

import pytest

from sop.activity import Activity, local_day
from sop.errors import Conflict
from sop.greeting import Greeting
from sop.statistic import Level, Statistic
from sop.update import Friendship, MemberDescribed
from sop.way import Way, WayKind
from storage.engine import Database
from storage.greeting import GreetingStore
from storage.guest import GuestStore
from storage.operator import OperatorStore
from storage.sighting import SightingStore
from storage.tx import Tx
from storage.way import Standing
from tests.contracts.world import NOW, after

T = TypeVar("T")
LIN, XIA = "wm-lin", "wm-xia"
WALK = after(hours=1)
POSTER = Way(state="poster", name="一月海报", kind=WayKind.CONTACT, staff=("linmo",), tags=("海报",))


async def change(db: Database, work: Callable[[Tx], T]) -> T:
    return await db.write(lambda c: work(Tx(c, NOW)))


def told(member: str, remark: str = "") -> MemberDescribed:
    bond = Friendship("linmo", remark=remark, since=int(NOW.timestamp()))
    return MemberDescribed(at=NOW, member=member, name=member, friends=(bond,), whole=False)


async def test_only_what_is_told_otherwise_is_new(db: Database) -> None:
    def see(tx: Tx) -> list[list[str]]:
        store = SightingStore(tx.connection)
        looks: list[list[MemberDescribed]] = [[told(LIN), told(XIA)], [told(LIN), told(XIA, "杭州")], []]
        return [[one.member for one in store.see(look, WALK)] for look in looks]

    assert await change(db, see) == [[LIN, XIA], [XIA], []]


async def test_friends_a_walk_did_not_see_are_named_unless_they_are_younger(db: Database) -> None:
    def work(tx: Tx) -> list[str]:
        for member, since in ((LIN, NOW), (XIA, NOW), ("wm-young", WALK + timedelta(seconds=1))):
            tx.members.meet(member)
            tx.members.befriend(member, "linmo", since=since)
        store = SightingStore(tx.connection)
        store.see([told(LIN)], WALK)
        return store.unseen(["linmo"], WALK)

    assert await change(db, work) == [XIA]


async def test_groups_a_walk_did_not_see_are_named(db: Database) -> None:
    def work(tx: Tx) -> list[str]:
        for group in ("wr-1", "wr-2"):
            tx.groups.meet(group)
            tx.groups.describe(group, owner="linmo")
        tx.groups.meet("inside", kind="internal")
        tx.groups.saw(["wr-1"], WALK)
        return [*tx.groups.unlisted(WALK), *tx.groups.unlisted(WALK, ["suhe"])]

    assert await change(db, work) == ["wr-2"]


async def test_a_mark_is_settled_only_while_it_is_still_wanted(db: Database) -> None:
    def work(tx: Tx) -> list[bool]:
        tx.marks.want(LIN, "linmo", "茶", True)
        tx.marks.want(LIN, "linmo", "茶", False)
        tx.marks.settle(LIN, "linmo", "茶", True)
        before = tx.marks.of(LIN, "linmo")["茶"].settled
        tx.marks.settle(LIN, "linmo", "茶", False)
        return [before, tx.marks.of(LIN, "linmo")["茶"].settled, tx.marks.is_carried(LIN, "茶")]

    assert await change(db, work) == [False, True, False]


async def test_a_refused_mark_leaves_nothing_and_a_settled_one_stays(db: Database) -> None:
    def work(tx: Tx) -> list[str]:
        tx.marks.want(LIN, "linmo", "茶", True)
        tx.marks.learn(LIN, "linmo", "酒", True)
        for tag in ("茶", "酒"):
            tx.marks.give_up(LIN, "linmo", tag, True)
        return list(tx.marks.of(LIN, "linmo"))

    assert await change(db, work) == ["酒"]


async def test_a_tag_renamed_there_is_renamed_here_even_where_both_names_were_carried(db: Database) -> None:
    def work(tx: Tx) -> tuple[list[tuple[str, str]], list[str], list[str]]:
        for member in (LIN, XIA):
            tx.members.meet(member)
            tx.tags.add(member, "爱喝茶", reason="r")
        tx.tags.add(XIA, "茶友", reason="r")
        tx.tags.remember("爱喝茶", "et1", "兴趣")
        renamed = tx.tags.take_list([("et1", "茶友", "兴趣"), ("et2", "酒友", "兴趣")])
        carried = [[one.tag for one in tx.tags.of(member)] for member in (LIN, XIA)]
        return renamed, carried[0], carried[1]

    assert await change(db, work) == ([("爱喝茶", "茶友")], ["茶友"], ["茶友"])


async def test_a_tag_no_longer_listed_loses_its_number_and_keeps_its_members(db: Database) -> None:
    def work(tx: Tx) -> tuple[str, str, list[str]]:
        tx.members.meet(LIN)
        tx.tags.add(LIN, "爱喝茶", reason="r")
        tx.tags.remember("爱喝茶", "et1", "兴趣")
        tx.tags.take_list([])
        return tx.tags.platform_id("爱喝茶"), tx.tags.called("et1"), [one.tag for one in tx.tags.of(LIN)]

    assert await change(db, work) == ("", "", ["爱喝茶"])


async def test_a_way_is_kept_as_it_was_wished(db: Database) -> None:
    await change(db, lambda tx: tx.ways.add(POSTER, "阿宁"))
    with pytest.raises(Conflict):
        await change(db, lambda tx: tx.ways.add(POSTER, "阿宁"))

    await change(db, lambda tx: tx.ways.settle("poster", Standing.READY, number="cw1", image="q"))
    await change(db, lambda tx: tx.ways.settle("poster", Standing.DROPPED))

    kept = await change(db, lambda tx: tx.ways.get("poster"))
    assert kept is not None
    assert (kept.way, kept.standing, kept.number, kept.image) == (POSTER, Standing.DROPPED, "cw1", "q")
    assert await change(db, lambda tx: tx.ways.tags_of("poster") + tx.ways.tags_of("other")) == (
        "海报",
        "来自:other",
    )


async def test_a_greeting_is_kept_and_its_number_with_it(db: Database) -> None:
    def work(tx: Tx) -> list[tuple[str, Standing, str]]:
        store = GreetingStore(tx.connection, NOW)
        store.add(Greeting(name="新手群", text="你好"))
        store.settle("新手群", Standing.READY, number="gw1")
        store.change(Greeting(name="新手群", text="欢迎"))
        return [(one.greeting.text, one.standing, one.number) for one in store.all()]

    assert await change(db, work) == [("欢迎", Standing.MAKING, "gw1")]


async def test_a_day_told_again_replaces_what_it_said(db: Database) -> None:
    day = date(2026, 3, 4)

    def work(tx: Tx) -> tuple[dict[date, dict[str, float | None]], list[date]]:
        for total in (5, 9):
            tx.statistics.put([Statistic(day, Level.DAY, "", {"msg_total": total})])
        tx.statistics.put([Statistic(day - timedelta(days=1), Level.DAY, "", {"msg_total": 4})])
        return tx.statistics.happened(Level.DAY, day, day), tx.statistics.missing(
            day, day + timedelta(days=1)
        )

    assert await change(db, work) == ({day: {"msg_total": 5}}, [day + timedelta(days=1)])


async def test_a_guest_who_joins_takes_what_they_did_along(db: Database) -> None:
    def work(tx: Tx) -> tuple[int, list[str]]:
        tx.activity.log(Activity(key="visit:1", at=NOW, kind="visited", member="", level="page", ref="t"))
        tx.activity.log(Activity(key="visit:2", at=NOW, kind="visited", member="", level="page", ref="t"))
        guests = GuestStore(tx.connection, NOW)
        guests.visit("guest", "visit:1")
        return guests.join("guest", LIN), [fact.key for fact in tx.activity.of_member(LIN)]

    assert await change(db, work) == (1, ["visit:1"])


async def test_what_a_guest_did_makes_the_member_active_on_that_day(db: Database) -> None:
    def work(tx: Tx) -> list[date]:
        tx.activity.log(Activity(key="visit:1", at=NOW, kind="visited", member="", level="page"))
        guests = GuestStore(tx.connection, NOW)
        guests.visit("guest", "visit:1")
        guests.join("guest", LIN)
        return tx.activity.active_days(LIN, NOW.date() - timedelta(days=2), NOW.date() + timedelta(days=2))

    assert await change(db, work) == [local_day(NOW, "Asia/Shanghai")]


async def test_an_employee_has_one_account_and_many_accounts_have_none(db: Database) -> None:
    def work(tx: Tx) -> None:
        store = OperatorStore(tx.connection, NOW)
        for name in ("a", "b", "c"):
            store.add(name, "hash", "operator")
            store.name_staff(name, "")
        store.name_staff("a", "LinMo")

    await change(db, work)

    with pytest.raises(Conflict):
        await change(db, lambda tx: OperatorStore(tx.connection, NOW).name_staff("b", "linmo"))


async def test_a_source_of_any_length_becomes_a_tag_that_can_be_kept(db: Database) -> None:
    def work(tx: Tx) -> list[bool]:
        tx.members.meet(LIN)
        return [tx.tags.add(LIN, name, reason="扫码") for name in tx.ways.tags_of("s" * 64)]

    assert await change(db, work) == [True]
