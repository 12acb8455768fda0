"""Errands: questions that may be asked again, and are until they are answered."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime, timedelta
from functools import partial

import pytest
from sqlalchemy import Connection
from structlog.testing import capture_logs

from bot.bell import Bell
from bot.clock import TurnedClock
from bot.errands import PIECE, Errands
from sop.errors import Busy, Estranged, NotFound, Refused
from sop.receipt import Outcome
from sop.update import MemberDescribed, TaskReported
from storage import inbox
from storage.engine import Database
from storage.errand import Errand, ErrandStore
from storage.member import MemberStore
from tests.contracts.post import Post
from tests.contracts.world import NOW, after


def errand(whom: str = "lin", *, seconds: float = 0, **data: str) -> Errand:
    return Errand(what="member", whom=whom, at=after(seconds=seconds), data=data)


async def ask(db: Database, wanted: Errand) -> None:
    await db.write(lambda c: ErrandStore(c).add(wanted))


async def due(db: Database, *, seconds: float = 0) -> list[Errand]:
    return await db.read(lambda c: ErrandStore(c).waiting(after(seconds=seconds), 10))


async def test_asking_twice_is_one_question_with_the_newer_data(db: Database) -> None:
    await ask(db, errand(token="old"))
    await ask(db, errand(token="new"))

    assert [one.data for one in await due(db)] == [{"token": "new"}]


async def test_an_answered_question_is_forgotten(db: Database) -> None:
    await ask(db, errand())
    (one,) = await due(db)

    await db.write(lambda c: ErrandStore(c).done(one))

    assert await due(db) == []
    assert await db.read(lambda c: ErrandStore(c).next_at()) is None


@pytest.mark.parametrize("seconds", [0, 0.001, 1])
async def test_a_question_asked_again_while_it_was_being_answered_stays(db: Database, seconds: float) -> None:
    await ask(db, errand())
    (one,) = await due(db)
    for _ in range(3):
        await ask(db, errand(seconds=seconds))

    await db.write(lambda c: ErrandStore(c).done(one))

    assert len(await due(db, seconds=1)) == 1


async def test_a_reminder_changes_nothing_about_a_question_that_waits(db: Database) -> None:
    await ask(db, errand(token="rung"))
    await db.write(lambda c: ErrandStore(c).remind(errand(seconds=-5)))

    assert [one.data for one in await due(db)] == [{"token": "rung"}]


async def test_trouble_means_later_and_ever_later(db: Database) -> None:
    await ask(db, errand())
    waits, instant = [], 0.0
    for _ in range(6):
        (one,) = await due(db, seconds=instant)
        now = after(seconds=instant)
        await db.write(partial(_failed, one, now))
        next_at = await db.read(lambda c: ErrandStore(c).next_at())
        assert next_at is not None
        waits.append((next_at - now).total_seconds())
        instant += waits[-1]

    assert waits == [2, 10, 60, 300, 1800, 1800]


async def test_the_platforms_own_wish_to_wait_is_honoured(db: Database) -> None:
    await ask(db, errand())
    (one,) = await due(db)

    def fail(connection: Connection) -> None:
        ErrandStore(connection).failed(one, "busy", NOW, retry_after=45)

    await db.write(fail)

    assert await db.read(lambda c: ErrandStore(c).next_at()) == after(seconds=45)
    ((troubled, reason),) = await db.read(lambda c: ErrandStore(c).troubled())
    assert (troubled.whom, reason) == ("lin", "busy")


def _failed(one: Errand, now: datetime, connection: Connection) -> None:
    ErrandStore(connection).failed(one, "busy", now)


# ---------------------------------------------------------------- several who ask

TERM = timedelta(seconds=90)


async def taken(db: Database, *, seconds: float = 0) -> list[Errand]:
    return await db.write(lambda c: ErrandStore(c).take(after(seconds=seconds), 10, TERM))


async def test_what_one_is_asking_nobody_else_asks(db: Database) -> None:
    await ask(db, errand("lin"))
    await ask(db, errand("xia"))

    one, other = await asyncio.gather(taken(db), taken(db))

    assert sorted(errand.whom for errand in [*one, *other]) == ["lin", "xia"]
    assert await db.read(lambda c: ErrandStore(c).next_at()) == after(seconds=90)


async def test_whose_term_is_over_loses_it_and_can_no_longer_say_what_became_of_it(db: Database) -> None:
    await ask(db, errand())
    (dead,) = await taken(db)
    (heir,) = await taken(db, seconds=91)

    await db.write(lambda c: ErrandStore(c).done(dead))
    await db.write(partial(_failed, dead, NOW))
    await db.write(lambda c: ErrandStore(c).let_go([dead]))

    assert await taken(db, seconds=92) == []
    await db.write(lambda c: ErrandStore(c).done(heir))
    assert await db.read(lambda c: ErrandStore(c).next_at()) is None


async def test_asked_for_again_while_somebody_is_at_it_it_is_asked_after_that(db: Database) -> None:
    await ask(db, errand(token="old"))
    (one,) = await taken(db)

    await ask(db, errand(token="new"))
    meanwhile = await taken(db)
    await db.write(lambda c: ErrandStore(c).done(one))

    assert meanwhile == []
    assert [again.data for again in await taken(db)] == [{"token": "new"}]


class Slow(Post):
    """A platform that takes its time, and counts who was asked about."""

    def __init__(self) -> None:
        super().__init__()
        self.questions: list[str] = []
        self.asked_one, self.go = asyncio.Event(), asyncio.Event()

    async def member(self, member: str) -> MemberDescribed:
        self.questions.append(member)
        self.asked_one.set()
        await self.go.wait()
        return MemberDescribed(at=NOW, member=member)


def errands_of(db: Database, clock: TurnedClock, post: Post) -> Errands:
    return Errands(db, post, clock, Bell(clock), Bell(clock))  # type: ignore[arg-type]


async def test_two_processes_ask_each_question_once(db: Database, clock: TurnedClock) -> None:
    post = Slow()
    for number in range(20):
        await ask(db, errand(f"m{number}"))

    asking = [asyncio.create_task(errands_of(db, clock, post).run_once()) for _ in range(2)]
    post.go.set()
    counts = await asyncio.gather(*asking)

    assert (sum(counts), len(post.questions), len(set(post.questions))) == (20, 20, 20)


async def test_a_question_that_takes_long_stays_with_who_asks_it(db: Database, clock: TurnedClock) -> None:
    post = Slow()
    await ask(db, errand())

    asking = asyncio.create_task(errands_of(db, clock, post).run_once())
    await post.asked_one.wait()
    for _ in range(10):
        await clock.turn(timedelta(seconds=30))
        assert await errands_of(db, clock, post).run_once() == 0
    post.go.set()

    assert await asking == 1
    assert post.questions == ["lin"]


async def test_who_is_called_away_leaves_it_to_others_at_once(db: Database, clock: TurnedClock) -> None:
    post = Slow()
    await ask(db, errand())
    asking = asyncio.create_task(errands_of(db, clock, post).run_once())
    await post.asked_one.wait()

    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)

    assert [one.whom for one in await taken(db)] == ["lin"]


async def test_who_is_alone_takes_up_what_a_dead_process_held(sqlite: Database, clock: TurnedClock) -> None:
    await ask(sqlite, errand())
    await taken(sqlite)
    post, bell = Slow(), Bell(clock)
    post.go.set()

    running = asyncio.create_task(
        Errands(sqlite, post, clock, bell, Bell(clock), alone=True).run()  # type: ignore[arg-type]
    )
    await post.asked_one.wait()
    await bell.close()
    running.cancel()

    assert post.questions == ["lin"]


class Forgetful(Post):
    """A platform that does not tell of anybody, in one of several ways."""

    def __init__(self, trouble: Exception) -> None:
        super().__init__()
        self.trouble = trouble

    async def member(self, member: str) -> MemberDescribed:
        raise self.trouble


@pytest.mark.parametrize(
    ("trouble", "tracebacks"),
    [(NotFound("member", "lin"), 0), (Busy("busy"), 0), (KeyError("external_contact"), 1)],
)
async def test_only_what_nobody_foresaw_is_told_with_a_traceback(
    db: Database, clock: TurnedClock, trouble: Exception, tracebacks: int
) -> None:
    await ask(db, errand())
    errands = Errands(db, Forgetful(trouble), clock, Bell(clock), Bell(clock))  # type: ignore[arg-type]

    with capture_logs() as told:
        await errands.run_once()

    assert len([line for line in told if line.get("exc_info")]) == tracebacks
    assert len(await db.read(lambda c: ErrandStore(c).troubled())) == 1


class Reporting(Post):
    """A platform on which a large task was confirmed and sent."""

    async def cancel(self, task: str) -> None:
        raise Refused("it has been sent")

    async def task(self, task: str, sender: str, *, to_groups: bool) -> TaskReported:
        results = tuple((f"m{number}", str(Outcome.DELIVERED), 0) for number in range(2 * PIECE + 1))
        return TaskReported(at=NOW, task=task, sender=sender, confirmed=True, results=results)


@pytest.mark.parametrize(("what", "cancelled"), [("task", False), ("recall", True)])
async def test_a_large_task_is_reported_in_pieces_of_which_the_last_takes_it_back(
    db: Database, clock: TurnedClock, what: str, cancelled: bool
) -> None:
    await ask(db, Errand(what=what, whom="msg1", at=NOW, data={"sender": "wang", "to_groups": False}))
    await errands_of(db, clock, Reporting()).run_once()

    rows = await db.read(lambda c: inbox.waiting(c, list(range(inbox.SHARDS)), NOW, 99))
    told = [json.loads(row.body) for row in rows]
    assert [(len(one["results"]), one["cancelled"]) for one in told] == [
        (PIECE, False), (PIECE, False), (1, cancelled),
    ]  # fmt: skip


class Parted(Post):
    """A platform on which this friendship is over."""

    async def remark(self, member: str, staff: str, text: str) -> None:
        raise Estranged("84061 no friends", code=84061)


@pytest.mark.parametrize(("half", "told"), [(False, ["friend_lost"]), (True, [])])
async def test_a_friendship_the_platform_knows_nothing_of_is_over(
    db: Database, clock: TurnedClock, half: bool, told: list[str]
) -> None:
    remark = {"member": "lin", "staff": "wang", "remark": "杭州"}
    await db.write(lambda c: MemberStore(c, NOW).befriend("lin", "wang", since=NOW, half=half))
    await ask(db, Errand(what="remark", whom="lin:wang", at=NOW, data=remark))

    await errands_of(db, clock, Parted()).run_once()

    rows = await db.read(lambda c: inbox.waiting(c, list(range(inbox.SHARDS)), NOW, 9))
    assert [json.loads(row.body)["kind"] for row in rows] == told
    assert await due(db) == []
