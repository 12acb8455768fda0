"""Errands: questions that may be asked again, and are until they are answered."""

from __future__ import annotations

from datetime import datetime
from functools import partial

import pytest
from sqlalchemy import Connection
from structlog.testing import capture_logs

from bot.bell import Bell
from bot.clock import TurnedClock
from bot.errands import Errands
from sop.errors import Busy, NotFound
from sop.update import MemberDescribed
from storage.engine import Database
from storage.errand import Errand, ErrandStore
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
