"""Sessions of 微信客服 as they are remembered."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

from sop.kf import Care, Session
from sop.message import Channel, Message
from sop.receipt import State
from storage.engine import Connection, Database
from storage.kf import KfStore
from storage.outbox import OutboxStore
from tests.contracts.world import NOW, after, message

T = TypeVar("T")
PLACE = ("lin", "wk1")


async def write(db: Database, work: Callable[[KfStore], T]) -> T:
    return await db.write(lambda c: work(KfStore(c)))


async def known(db: Database) -> Session | None:
    return await db.read(lambda c: KfStore(c).session(*PLACE))


async def test_who_writes_opens_a_session_and_the_newest_words_count(db: Database) -> None:
    await write(db, lambda kf: kf.hear(*PLACE, after(seconds=9)))
    await write(db, lambda kf: kf.hear(*PLACE, NOW))

    session = await known(db)
    assert session == Session(member="lin", account="wk1", wrote_at=after(seconds=9))


async def test_new_words_wake_what_had_ended_and_nothing_else(db: Database) -> None:
    await write(db, lambda kf: kf.hear(*PLACE, NOW))
    await write(db, lambda kf: kf.move(*PLACE, Care.ENDED, after(seconds=5)))
    await write(db, lambda kf: kf.hear(*PLACE, NOW))
    old = await known(db)
    await write(db, lambda kf: kf.hear(*PLACE, after(seconds=6)))
    woken = await known(db)
    await write(db, lambda kf: kf.move(*PLACE, Care.PERSON, after(seconds=7), staff="suhe"))
    await write(db, lambda kf: kf.hear(*PLACE, after(seconds=8)))
    attended = await known(db)

    assert old is not None
    assert woken is not None
    assert attended is not None
    assert (old.care, woken.care, attended.care, attended.staff) == (
        Care.ENDED,
        Care.NEW,
        Care.PERSON,
        "suhe",
    )


async def test_what_is_older_than_we_know_moves_nothing(db: Database) -> None:
    await write(db, lambda kf: kf.move(*PLACE, Care.PERSON, after(seconds=5), staff="suhe"))
    await write(db, lambda kf: kf.move(*PLACE, Care.ENDED, NOW))

    session = await known(db)
    assert session is not None
    assert session.care is Care.PERSON


async def test_the_account_last_written_to_is_where_to_answer(db: Database) -> None:
    await write(db, lambda kf: kf.hear("lin", "wk1", NOW))
    await write(db, lambda kf: kf.hear("lin", "wk2", after(seconds=1)))
    await write(db, lambda kf: kf.move("lin", "wk3", Care.PERSON, after(seconds=9)))

    found = await db.read(lambda c: (KfStore(c).account_of("lin"), KfStore(c).account_of("zhou")))
    assert found == ("wk2", "")


async def test_only_what_left_since_the_last_words_is_counted(db: Database) -> None:
    rows = [
        message("a", sender="wk1"),
        message("b", sender="wk1"),
        message("code", sender="wk1", welcome_code="C"),
        message("other", sender="wk2"),
        message("app", channel=Channel.APP, sender="wk1"),
    ]
    await sent(db, *rows)
    await write(db, lambda kf: kf.hear(*PLACE, NOW))
    await write(db, lambda kf: kf.hear("lin", "wk2", after(seconds=2)))

    counted = await db.read(lambda c: KfStore(c).answered(KfStore(c).sessions([PLACE, ("lin", "wk2")])))
    assert counted == {PLACE: 2}


async def sent(db: Database, *messages: Message) -> None:
    """Messages that left a second after NOW."""

    def send(connection: Connection) -> None:
        store = OutboxStore(connection, NOW + timedelta(seconds=1))
        store.add_all(messages)
        ids = [entry.id for entry in store.claim(9, channels=[str(one) for one in Channel], fence=1)]
        store.settle(ids, State.SENT, fence=1)

    await db.write(send)
