"""The database's one door for writing and one for reading."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, insert, make_url, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from sop.errors import Misconfigured
from storage.copy import copy_sqlite
from storage.engine import (
    Database,
    SqliteDatabase,
    TransactionLost,
    database,
    is_trouble,
    sqlite_path,
)
from storage.tables import position
from tests.contracts.world import counted_commits

Write = Callable[[Connection], None]


def writes(name: str, value: str = "x") -> Write:
    def write(connection: Connection) -> None:
        connection.execute(insert(position).values(name=name, value=value))

    return write


def pragma(words: str) -> Callable[[Connection], Any]:
    return lambda connection: connection.exec_driver_sql(f"PRAGMA {words}").scalar() or 0


def names(connection: Connection) -> set[str]:
    return set(connection.scalars(select(position.c.name)))


def fails(connection: Connection) -> None:
    connection.execute(insert(position).values(name="half done", value="x"))
    raise RuntimeError("broken")


@asynccontextmanager
async def held_writer(db: SqliteDatabase) -> AsyncIterator[None]:
    """While open, the writer is busy, so that what is written meanwhile waits together."""
    go, entered = threading.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def block(connection: Connection) -> None:
        loop.call_soon_threadsafe(entered.set)
        go.wait(10)

    blocking = asyncio.create_task(db.write(block))
    await entered.wait()
    try:
        yield
    finally:
        go.set()
        await blocking


async def together(db: SqliteDatabase, *works: Write) -> list[BaseException | None]:
    """Run works in one transaction; returns what each caller was told."""
    async with held_writer(db):
        tasks = [asyncio.ensure_future(db.write(work)) for work in works]
        await asyncio.sleep(0)
    return await asyncio.gather(*tasks, return_exceptions=True)


def path_of(db: SqliteDatabase) -> str:
    return make_url(db.url).database or ""


# ---------------------------------------------------------------- both databases


async def test_what_was_written_is_there_for_the_next_process(db: Database, database_url: str) -> None:
    await db.write(writes("a"))

    async with database(database_url) as another:
        assert await another.read(names) == {"a"}


async def test_a_failing_work_leaves_nothing_and_its_caller_hears_why(db: Database) -> None:
    with pytest.raises(RuntimeError, match="broken"):
        await db.write(fails)

    assert await db.read(names) == set()


async def test_works_at_once_are_all_stored(db: Database) -> None:
    await asyncio.gather(*(db.write(writes(f"n{number}")) for number in range(200)))

    assert len(await db.read(names)) == 200


async def test_a_failing_work_takes_nobody_with_it(db: Database) -> None:
    works = [writes("a"), fails, writes("b"), writes("a"), writes("c")]

    told = await asyncio.gather(*(db.write(work) for work in works), return_exceptions=True)

    assert await db.read(names) == {"a", "b", "c"}
    assert [type(answer) for answer in told if answer is not None] == [RuntimeError, IntegrityError]


async def test_a_read_sees_one_instant(db: Database) -> None:
    loop = asyncio.get_running_loop()

    def twice(connection: Connection) -> tuple[set[str], set[str]]:
        first = names(connection)
        if db.dialect == "sqlite":  # on PostgreSQL a work holds the loop, so the write is begun from outside
            asyncio.run_coroutine_threadsafe(db.write(writes("late")), loop).result(10)
        else:
            connection.execute(text("SELECT pg_sleep(0.3)"))
        return first, names(connection)

    reading = asyncio.ensure_future(db.read(twice))
    if db.dialect != "sqlite":
        await asyncio.sleep(0.1)
        await db.write(writes("late"))

    assert await reading == (set(), set())


async def test_a_read_cannot_write(db: Database) -> None:
    with pytest.raises(DBAPIError):
        await db.read(writes("a"))

    assert await db.read(names) == set()


async def test_a_caller_who_was_called_away_disturbs_nobody(db: Database) -> None:
    leaving = asyncio.ensure_future(db.write(writes("a")))
    await asyncio.sleep(0)
    leaving.cancel()

    await asyncio.gather(*(db.write(writes(f"n{number}")) for number in range(5)))

    assert {f"n{number}" for number in range(5)} <= await db.read(names)


# ---------------------------------------------------------------- SQLite


async def test_works_that_wait_together_share_one_sync_to_disk(sqlite: SqliteDatabase) -> None:
    with counted_commits() as commits:
        await together(sqlite, *(writes(f"n{number}") for number in range(30)))

    assert len(commits) == 2  # the one that held the writer, and the thirty
    assert len(await sqlite.read(names)) == 30


async def test_an_urgent_work_goes_before_the_others(sqlite: SqliteDatabase) -> None:
    order: list[str] = []
    async with held_writer(sqlite):
        plain = asyncio.ensure_future(sqlite.write(lambda c: order.append("plain")))
        urgent = asyncio.ensure_future(sqlite.write(lambda c: order.append("urgent"), urgent=True))
        await asyncio.sleep(0)
    await asyncio.gather(plain, urgent)

    assert order == ["urgent", "plain"]


async def test_every_commit_reaches_the_disk(sqlite: SqliteDatabase) -> None:
    level = await sqlite.write(pragma("synchronous"))
    mode = await sqlite.write(pragma("journal_mode"))

    assert (level, mode) == (2, "wal")


async def test_a_full_disk_is_admitted_to_everyone_whose_work_was_lost(sqlite: SqliteDatabase) -> None:
    """A single insert that finds no page ends the whole transaction, also for those before it who seemed done."""
    pages = await sqlite.write(pragma("page_count"))
    await sqlite.write(pragma(f"max_page_count = {pages}"))

    told = await together(sqlite, writes("a"), writes("large", "x" * 200_000), writes("b"))

    assert await sqlite.read(names) == {
        name for name, answer in zip("a?b", told, strict=True) if answer is None
    }
    assert is_trouble(told[1])


async def test_room_on_the_disk_is_used_again_by_itself(sqlite: SqliteDatabase) -> None:
    await sqlite.write(pragma("max_page_count = 1"))
    with pytest.raises(DBAPIError):
        await sqlite.write(writes("large", "x" * 200_000))

    await sqlite.write(pragma("max_page_count = 100000"))
    await sqlite.write(writes("large", "x" * 200_000))

    assert await sqlite.read(names) == {"large"}


async def test_nothing_goes_on_after_the_transaction_was_lost(sqlite: SqliteDatabase) -> None:
    def swallows(connection: Connection) -> None:
        connection.connection.dbapi_connection.rollback()  # type: ignore[union-attr]
        with connection.begin_nested():
            writes("alone")(connection)

    with pytest.raises(TransactionLost):
        await sqlite.write(swallows)

    assert await sqlite.read(names) == set()


async def test_a_locked_database_fails_honestly_and_is_used_again_when_free(sqlite: SqliteDatabase) -> None:
    await sqlite.write(pragma("busy_timeout = 50"))
    other = sqlite3.connect(path_of(sqlite), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    told = await asyncio.gather(*(sqlite.write(writes(f"n{n}")) for n in range(20)), return_exceptions=True)
    other.execute("ROLLBACK")
    other.close()
    await sqlite.write(writes("after"))

    assert all(is_trouble(answer) for answer in told)
    assert await sqlite.read(names) == {"after"}


async def test_a_closed_database_takes_no_work(tmp_path: Path) -> None:
    async with SqliteDatabase(f"sqlite:///{tmp_path / 'new' / 'q.sqlite'}") as db:
        pass

    with pytest.raises(RuntimeError, match="closed"):
        await db.write(names)


async def test_what_was_asked_before_closing_is_still_done(sqlite: SqliteDatabase, tmp_path: Path) -> None:
    copy_sqlite(Path(path_of(sqlite)), tmp_path / "copy.sqlite")
    async with SqliteDatabase(f"sqlite:///{tmp_path / 'copy.sqlite'}") as db:
        tasks = [asyncio.ensure_future(db.write(writes(f"n{number}"))) for number in range(50)]
        await asyncio.sleep(0)
    await asyncio.gather(*tasks)

    async with db:
        assert len(await db.read(names)) == 50


# ---------------------------------------------------------------- addresses


@pytest.mark.parametrize("wrong", ["", "no url", "mysql://root@host/db"])
def test_an_address_we_cannot_use_names_the_key_and_the_form(wrong: str) -> None:
    with pytest.raises(Misconfigured) as refused:
        database(wrong)

    assert refused.value.field == "storage.database"
    assert "sqlite:///" in refused.value.remedy


async def test_a_file_that_cannot_be_opened_says_which(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()

    with pytest.raises(Misconfigured, match="folder"):
        async with database(f"sqlite:///{tmp_path / 'folder'}"):
            pass


async def test_a_server_that_does_not_answer_says_which() -> None:
    with pytest.raises(Misconfigured, match=r"127\.0\.0\.1:1 "):
        async with database("postgresql://nobody@127.0.0.1:1/none"):
            pass


def test_the_file_of_a_database_is_known_for_copies() -> None:
    assert sqlite_path("sqlite:///data/q.sqlite") == Path("data/q.sqlite")
    assert sqlite_path("postgresql://host/name") is None


async def test_a_copy_of_a_database_in_use_is_whole(sqlite: SqliteDatabase, tmp_path: Path) -> None:
    await sqlite.write(writes("a"))

    copy_sqlite(Path(path_of(sqlite)), tmp_path / "copies" / "c.sqlite")

    async with SqliteDatabase(f"sqlite:///{tmp_path / 'copies' / 'c.sqlite'}") as copy:
        assert await copy.read(names) == {"a"}
