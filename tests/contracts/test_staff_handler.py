"""Employees come, go, and change their number; what hung on them is handed on, and operators hear of the rest."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from sop.file import read
from sop.message import Channel, Content, Message
from sop.receipt import State
from sop.staff import StaffChanged, StaffRenamed, TransferFailed
from sop.update import FriendAdded, Friendship, GroupDescribed, MemberDescribed
from storage.engine import Connection, Database
from storage.errand import ErrandStore
from storage.operator import ADMIN, OPERATOR, OperatorStore
from storage.task import Task
from storage.tx import Tx
from tests.contracts.heard import START, after, alarms, hear, told

REASONS: tuple[Literal["refused", "limit"], ...] = ("refused", "limit")
PLAN = """id = "plan"
name = "头三天"
[trigger]
on = "friend.added"
[audience]
everyone = true
[[step]]
id = "hello"
when = { day = 1, time = 19:30:00 }
text = "你好呀"
"""
GONE = StaffChanged(at=after(days=1), id="gone", staff="su", present=False, left=True)


def befriended(member: str, staff: str, hour: int = 0) -> FriendAdded:
    return FriendAdded(at=after(hours=hour), id=f"{member}:{staff}", member=member, staff=staff)


def community(connection: Connection) -> Tx:
    """Lin has two friends among staff, wu only su; both walk a plan; su owns a group."""
    tx = Tx(connection, START)
    saved = tx.templates.save("plan", read(PLAN).name, PLAN, by="test")
    tx.templates.publish("plan", saved.version, zone="Asia/Shanghai")
    hear(connection, befriended("wm-lin", "li"), befriended("wm-lin", "su", 1), befriended("wm-wu", "su"))
    hear(connection, GroupDescribed(at=START, id="g", group="wr1", name="茶友群", owner="su"))
    return tx


def say(tx: Tx, key: str, *, to_member: str = "", to_group: str = "") -> int:
    message = Message(
        key=key,
        channel=Channel.GROUP_SEND,
        content=Content("晚上好"),
        sender="su",
        marketing=True,
        to_member=to_member,
        to_group=to_group,
    )
    tx.outbox.add(message)
    entry = tx.outbox.by_key(key)
    assert entry is not None
    return entry.id


# ---------------------------------------------------------------- leaving the corp


async def test_who_leaves_the_corp_is_signed_out_and_cannot_sign_in(db: Database) -> None:
    def life(connection: Connection) -> tuple[bool, bool, bool]:
        accounts = OperatorStore(connection, START)
        accounts.add("Su", "hash", ADMIN)
        accounts.add("li", "hash", OPERATOR)
        for name in ("Su", "li"):
            accounts.open(name, hashed=name.encode() * 16, csrf="c", until=after(days=30))
        hear(connection, GONE)
        known = accounts.get("Su")
        sessions = [accounts.session(name.encode() * 16) is not None for name in ("Su", "li")]
        return known is not None and known.active, sessions[0], sessions[1]

    assert await db.write(life) == (False, False, True)


async def test_a_suspended_account_can_be_restored(db: Database) -> None:
    def life(connection: Connection) -> list[bool]:
        accounts = OperatorStore(connection, START)
        accounts.add("su", "hash", OPERATOR)
        hear(connection, GONE)
        before = accounts.all()[0].active
        accounts.restore("su")
        return [before, accounts.all()[0].active]

    assert await db.write(life) == [False, True]


async def test_operators_hear_what_waits_to_be_taken_over(db: Database) -> None:
    def life(connection: Connection) -> tuple[list[str], list[str]]:
        community(connection)
        hear(connection, GONE)
        return alarms(connection), told(connection)

    shown, written = await db.write(life)

    assert shown == written
    (text,) = written
    assert "1 位成员没有别的同事可以联系，其中 1 位正在走 SOP" in text
    assert "茶友群" in text
    assert "离职继承" in text


async def test_what_the_leaver_was_to_send_another_friend_sends_or_nobody(db: Database) -> None:
    def life(connection: Connection) -> list[tuple[str, str]]:
        tx = community(connection)
        ids = [
            say(tx, "a", to_member="wm-lin"),
            say(tx, "b", to_member="wm-wu"),
            say(tx, "c", to_group="wr1"),
        ]
        hear(connection, GONE)
        return [(entry.message.sender, str(entry.state)) for entry in tx.outbox.several(ids)]

    assert await db.write(life) == [("li", "waiting"), ("su", "cancelled"), ("su", "cancelled")]


async def test_a_task_the_leaver_never_confirmed_is_taken_back(db: Database) -> None:
    def life(connection: Connection) -> list[tuple[str, str]]:
        tx = community(connection)
        entry = (
            tx.outbox.claim(1, channels=[Channel.GROUP_SEND], fence=1)
            if say(tx, "a", to_member="wm-lin")
            else []
        )
        tx.outbox.settle([entry[0].id], State.CREATED, fence=1, number="msg1")
        tx.tasks.open(Task("msg1", "su", False, State.CREATED, START))
        hear(connection, GONE)
        errands = ErrandStore(connection).waiting(after(days=2), 50)
        return [(errand.what, errand.whom) for errand in errands if errand.what == "recall"]

    assert await db.write(life) == [("recall", "msg1")]


async def test_the_platform_still_listing_the_leaver_makes_nobody_their_friend_again(db: Database) -> None:
    def life(connection: Connection) -> set[tuple[str, str]]:
        tx = community(connection)
        hear(connection, GONE)
        listed = Friendship(staff="su", since=int(START.timestamp()))
        hear(connection, MemberDescribed(at=after(days=2), id="d", member="wm-wu", friends=(listed,)))
        return tx.members.friendships()

    assert await db.write(life) == {("wm-lin", "li")}


async def test_who_takes_over_carries_the_journey_on(db: Database) -> None:
    def life(connection: Connection) -> tuple[dict[str, str], int]:
        tx = community(connection)
        hear(connection, GONE, befriended("wm-wu", "li", 30))
        return tx.members.senders(["wm-wu"]), len(tx.journeys.of("wm-wu"))

    assert await db.write(life) == ({"wm-wu": "li"}, 1)


async def test_who_only_left_the_app_s_sight_is_signed_out_and_may_come_back(db: Database) -> None:
    def life(connection: Connection) -> tuple[bool, list[str], set[tuple[str, str]]]:
        tx = community(connection)
        accounts = OperatorStore(connection, START)
        accounts.add("su", "hash", OPERATOR)
        hear(connection, StaffChanged(at=after(days=1), id="unseen", staff="su", present=False))
        return accounts.all()[0].active, told(connection), tx.members.friendships()

    active, written, friends = await db.write(life)

    assert active
    assert "已退出登录" in written[0]
    assert ("wm-wu", "su") in friends


# ---------------------------------------------------------------- another number


async def test_another_number_takes_everything_along(db: Database) -> None:
    def life(connection: Connection) -> tuple[set[tuple[str, str]], str, str, list[str]]:
        tx = community(connection)
        number = say(tx, "a", to_member="wm-wu")
        OperatorStore(connection, START).add("su", "hash", OPERATOR)
        hear(connection, StaffRenamed(at=after(days=1), id="r", staff="su", now="su.2"))
        entry, group = tx.outbox.get(number), tx.groups.get("wr1")
        assert entry is not None
        assert group is not None
        suspended = OperatorStore(connection, START).suspend_staff("su.2")
        return tx.members.friendships(), entry.message.sender, group.owner, suspended

    friends, sender, owner, suspended = await db.write(life)

    assert friends == {("wm-lin", "li"), ("wm-lin", "su.2"), ("wm-wu", "su.2")}
    assert (sender, owner, suspended) == ("su.2", "su.2", ["su"])


async def test_a_number_that_was_known_already_loses_nothing_and_nothing_is_double(db: Database) -> None:
    def life(connection: Connection) -> tuple[set[tuple[str, str]], bool]:
        tx = community(connection)
        hear(connection, befriended("wm-wu", "su.2", 2))
        hear(connection, StaffRenamed(at=after(days=1), id="r", staff="su", now="su.2"))
        return tx.members.friendships(), tx.members.get("su") is None

    friends, forgotten = await db.write(life)

    assert friends == {("wm-lin", "li"), ("wm-lin", "su.2"), ("wm-wu", "su.2")}
    assert forgotten


async def test_an_operator_with_another_number_is_asked_to_mend_the_configuration(sqlite: Database) -> None:
    def life(connection: Connection) -> list[str]:
        hear(connection, StaffRenamed(at=START, id="r", staff="boss", now="chief"))
        return alarms(connection)

    (text,) = await sqlite.write(life)

    assert "community.operators" in text


# ---------------------------------------------------------------- who could not be handed over


async def test_a_member_nobody_took_over_is_named_with_the_reason(sqlite: Database) -> None:
    def life(connection: Connection) -> tuple[list[str], list[str]]:
        community(connection)
        for number, reason in enumerate(REASONS):
            at = after(days=number) + timedelta(hours=1)
            hear(
                connection, TransferFailed(at=at, id=f"t{number}", member="wm-lin", staff="li", reason=reason)
            )
        return alarms(connection), told(connection)

    shown, written = await sqlite.write(life)

    assert shown == written[::-1]
    assert "拒绝了转接" in written[0]
    assert "上限" in written[1]
