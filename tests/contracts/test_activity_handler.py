"""What the handlers of activity, engagement and tiers make of updates, on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import pytest

from handlers import activity, engagement, tier
from handlers.context import Context, Settings
from handlers.reaction import react
from handlers.router import Switchboard
from sop.activity import KINDS, Activity
from sop.coupon import Batch
from sop.message import Channel, Content, Message
from sop.receipt import State
from sop.update import (
    AnswerGiven,
    CheckedIn,
    ClockTicked,
    ConsentChanged,
    FriendAdded,
    Kind,
    LinkVisited,
    MembersJoined,
    MembersLeft,
    MessageHeard,
    Unknown,
    Update,
    WaitEnded,
)
from storage.engine import Connection, Database
from storage.outbox import OutboxStore
from storage.tx import Tx

JOINED = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)  # noon in Shanghai
DAY = timedelta(days=1)
SETTINGS = Settings(main_app="bot", operators=("boss",), archive=True)
HOUSE = Switchboard([activity.router, tier.router, engagement.router])
TEMPLATE = """
id = "first"
name = "头三天"
[trigger]
on = "friend.added"
[audience]
everyone = true
[[step]]
id = "hello"
when = { day = 0, time = 19:30:00 }
text = "来打个卡吧 {{ task }}"
task = { kind = "check_in" }
[[step]]
id = "ask"
when = { day = 1, time = 19:30:00 }
text = "选一个 {{ task }}"
task = { kind = "poll", question = "喝什么", options = ["咖啡", "茶"] }
[[step]]
id = "coupon"
when = { day = 2, time = 19:30:00 }
text = "送你一张券 {{ task }}"
task = { kind = "coupon", batch = "welcome" }
[[step]]
id = "read"
when = { day = 2, time = 20:30:00 }
link = { url = "https://example.com/1", title = "三分钟短文" }
text = "读一读 {{ link }}"
"""


def hears(connection: Connection, *updates: Update, now: datetime | None = None) -> None:
    for update in updates:
        tx = Tx(connection, now or update.at)
        react(
            update, tx, HOUSE, lambda one, with_tx: Context(with_tx, with_tx.now, SETTINGS, str, float, one)
        )


def log_of(connection: Connection, member: str) -> list[tuple[str, str, str]]:
    facts = Tx(connection, JOINED).activity.of_member(member)
    return [(fact.kind, fact.group, fact.level) for fact in reversed(facts)]


def after(days: float = 0, hours: float = 0) -> datetime:
    return JOINED + timedelta(days=days, hours=hours)


# ---------------------------------------------------------------- the log


def test_every_kind_of_update_is_either_logged_or_known_to_be_nobodys_deed() -> None:
    assert set(activity.READERS) | activity.UNLOGGED == set(Kind)
    assert not set(activity.READERS) & activity.UNLOGGED


async def test_what_somebody_does_is_logged_where_it_happened(db: Database) -> None:
    def life(connection: Connection) -> list[tuple[str, str, str]]:
        hears(
            connection,
            FriendAdded(at=after(), id="1", member="lin", staff="su"),
            MembersJoined(at=after(hours=1), id="2", group="g", members=("lin", "wu")),
            MessageHeard(at=after(hours=2), id="3", member="lin", text="大家好", via="archive", group="g"),
            MessageHeard(at=after(hours=3), id="4", member="lin", text="领券", via="kf", account="kf"),
            AnswerGiven(at=after(hours=4), id="5", member="lin", run="r", option="a", group="g"),
            LinkVisited(at=after(hours=5), id="6", token="t", member="lin"),
            ConsentChanged(at=after(hours=6), id="7", member="lin", granted=False),
            MembersLeft(at=after(hours=7), id="8", group="g", members=("lin",)),
            MembersLeft(at=after(hours=7), id="8", group="g", members=("lin",)),
        )
        return log_of(connection, "lin")

    assert await db.write(life) == [
        ("befriended", "", "official"),
        ("joined", "g", "official"),
        ("spoke", "g", "archive"),
        ("asked", "", "bot"),
        ("answered", "g", "page"),
        ("visited", "", "page"),
        ("withdrew", "", "official"),
        ("left", "g", "official"),
    ]


async def test_staff_and_strangers_are_logged_without_harm(db: Database) -> None:
    def life(connection: Connection) -> tuple[list[str], bool]:
        hears(
            connection,
            MessageHeard(
                at=after(), id="1", member="su", text="欢迎", via="archive", group="g", from_staff=True
            ),
            MessageHeard(at=after(), id="2", member="su", text="菜单", via="app"),
            LinkVisited(at=after(), id="3", token="t"),
            Unknown(at=after(), id="", name="brand_new_event"),
        )
        tx = Tx(connection, JOINED)
        su = tx.members.get("su")
        return [fact.kind for fact in tx.activity.of_member("su")], su is not None and su.staff

    assert await db.write(life) == (["staff_spoke", "staff_spoke"], True)


def test_the_readers_use_only_kinds_that_have_a_name() -> None:
    asked = FriendAdded(at=JOINED, member="a", staff="s")

    assert {fact["kind"] for fact in activity.READERS[Kind.FRIEND_ADDED](asked, None)} <= KINDS.keys()  # type: ignore[arg-type]


# ---------------------------------------------------------------- scores and alarms


def talk(days: int, people: int) -> Iterator[Activity]:
    for age in range(days):
        for number in range(people):
            at = after(-age, number / 60)
            key = f"{at.isoformat()}{number}"
            yield Activity(key=key, kind="spoke", at=at, member=f"m{number}", group="g", level="archive")


async def test_the_clock_scores_groups_and_tells_operators_once_of_a_low_one(db: Database) -> None:
    def life(connection: Connection) -> tuple[int, list[str]]:
        tx = Tx(connection, JOINED)
        tx.groups.meet("g", name="进阶交流群")
        tx.groups.describe("g", line=95.0)
        tx.activity.log_all(list(talk(60, 4)))
        for hour in (1, 2, 25):
            tick = ClockTicked(at=after(hours=hour), id=f"t{hour}", name="roll", slot=after(hours=hour))
            hears(connection, tick)
        kept = tx.engagement.trend("g", date(2026, 3, 2), days=60)
        return len(kept), [entry.message.content.text for entry in tx.outbox.recent()]

    scored, told = await db.write(life)

    assert scored == 57
    assert len(told) == 1
    assert told[0].startswith("「进阶交流群」活跃度")


# ---------------------------------------------------------------- tiers


def deliver(connection: Connection, step: str, at: datetime) -> None:
    """A message of the template reached lin."""
    store = OutboxStore(connection, at)
    store.add(
        Message(
            key=f"step:{step}", channel=Channel.GROUP_SEND, content=Content(step), to_member="lin", sender="su",
            template="first", template_version=1, step=step,
        )
    )  # fmt: skip
    claimed = store.claim(1, channels=[Channel.GROUP_SEND], fence=1)
    store.settle([claimed[0].id], State.SENT, fence=1)


def begin(connection: Connection) -> Tx:
    tx = Tx(connection, JOINED)
    tx.members.meet("lin", seen_at=JOINED)
    tx.templates.save("first", "头三天", TEMPLATE, by="test")
    hears(connection, FriendAdded(at=JOINED, id="added", member="lin", staff="su"))
    return tx


def look(connection: Connection, days: int) -> tuple[str, list[str]]:
    """Let the wait for this day end; tells the tier and the reasons of its changes."""
    for wait in Tx(connection, after(days)).due.of("tier.check", "lin"):
        if wait.occurrence == f"day{days}":
            data = tuple((name, str(value)) for name, value in wait.data.items())
            ended = WaitEnded(
                at=wait.at, id=wait.occurrence, what=wait.what, whom=wait.whom, occurrence=wait.occurrence,
                due=wait.at, data=data,
            )  # fmt: skip
            hears(connection, ended)
    tx = Tx(connection, after(days))
    lin = tx.members.get("lin")
    assert lin is not None
    return lin.tier, [climb.reason for climb in tx.members.climbs("lin")]


async def test_one_of_three_delivered_tasks_promotes(db: Database) -> None:
    def life(connection: Connection) -> tuple[str, list[str]]:
        begin(connection)
        for number, step in enumerate(("hello", "ask", "coupon")):
            deliver(connection, step, after(number, 7))
        hears(
            connection,
            AnswerGiven(at=after(1, 8), id="a", member="lin", run="first.ask.all.2026-03-03", option="茶"),
        )
        return look(connection, 3)

    assert await db.write(life) == ("potential", ["前 3 天 3 个任务完成了 1 个，互动率 33%，达到 30%"])


async def test_a_claimed_coupon_and_a_check_in_are_tasks_done(db: Database) -> None:
    def life(connection: Connection) -> tuple[str, list[str]]:
        tx = begin(connection)
        for number, step in enumerate(("hello", "ask", "coupon")):
            deliver(connection, step, after(number, 7))
        hears(connection, CheckedIn(at=after(0, 8), id="c", member="lin"))
        tx.coupons.open(Batch(id="welcome", name="新人券"))
        tx.coupons.stock("welcome", ["A1"])
        Tx(connection, after(2, 9)).coupons.issue("welcome", "lin")
        return look(connection, 3)

    assert await db.write(life) == ("potential", ["前 3 天 3 个任务完成了 2 个，互动率 67%，达到 30%"])


async def test_what_was_done_before_the_task_arrived_does_not_count(db: Database) -> None:
    def life(connection: Connection) -> tuple[str, list[str]]:
        begin(connection)
        hears(connection, CheckedIn(at=after(0, 1), id="c", member="lin"))
        for number, step in enumerate(("hello", "ask", "coupon")):
            deliver(connection, step, after(number, 7))
        return look(connection, 3)

    assert await db.write(life) == ("new", [])


async def test_two_tasks_are_too_few_and_the_week_decides(db: Database) -> None:
    def life(connection: Connection) -> list[tuple[str, list[str]]]:
        begin(connection)
        deliver(connection, "hello", after(0, 7))
        deliver(connection, "ask", after(1, 7))
        for day in (2, 5):
            hears(connection, MessageHeard(at=after(day), id=f"{day}", member="lin", text="在吗", via="kf"))
        return [look(connection, 3), look(connection, 7)]

    early, late = await db.write(life)

    assert early == ("new", [])
    assert late == ("potential", ["入群第一周有 2 天参与，第 7 天复核通过"])


async def test_without_tasks_coming_back_on_one_day_is_enough(db: Database) -> None:
    def life(connection: Connection) -> list[str]:
        begin(connection)
        hears(connection, LinkVisited(at=after(1), id="v", token="t", member="lin"))
        return [look(connection, 3)[0], look(connection, 7)[0]]

    assert await db.write(life) == ["potential", "potential"]


@pytest.mark.parametrize(("days", "tier_now"), [(4, "core"), (3, "potential"), (1, "new")])
async def test_the_daily_look_moves_people_by_their_habit(db: Database, days: int, tier_now: str) -> None:
    def life(connection: Connection) -> list[str]:
        Tx(connection, after(-60)).members.meet("lin", seen_at=after(-60))
        hears(
            connection,
            *(
                MessageHeard(at=after(-age), id=f"m{age}", member="lin", text="早", via="archive", group="g")
                for age in range(1, days + 1)
            ),
        )
        tiers = []
        for later in (0, 20, 80):
            tick = ClockTicked(at=after(later), id=f"d{later}", name="day", slot=after(later))
            hears(connection, tick)
            lin = Tx(connection, after(later)).members.get("lin")
            tiers.append(lin.tier if lin else "")
        return tiers

    found = await db.write(life)

    assert found[0] == tier_now
    assert found[1] == tier_now
    assert found[2] == ("potential" if tier_now == "core" else "new")
