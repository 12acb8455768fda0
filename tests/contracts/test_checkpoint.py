"""The log is carried over beside the writer: no commit does it, and nothing depends on it."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Connection, insert

from storage import schema
from storage.checkpoint import Checkpointer
from storage.engine import SqliteDatabase
from storage.tables import position


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "qunxing.sqlite"


@pytest.fixture
async def quiet(path: Path) -> AsyncIterator[SqliteDatabase]:
    """A database whose own checkpointer has nothing to do yet."""
    async with SqliteDatabase(f"sqlite:///{path}") as db:
        await schema.ensure(db)
        db._checkpointer.stop()
        yield db


def fill(connection: Connection) -> None:
    """More than SQLite would leave in its log by itself."""
    rows = [{"name": f"n{number}", "value": "x" * 400} for number in range(20_000)]
    connection.execute(insert(position), rows)


def kept(path: Path, folder: Path) -> int:
    """How many rows the file holds without its log."""
    alone = Path(shutil.copy(path, folder / "alone.sqlite"))
    with closing(sqlite3.connect(alone)) as copy:
        return int(copy.execute("SELECT count(*) FROM position").fetchone()[0])


async def test_no_commit_carries_the_log_over(quiet: SqliteDatabase, path: Path, tmp_path: Path) -> None:
    Checkpointer(str(path)).carry_over()

    await quiet.write(fill)

    assert kept(path, tmp_path) == 0


async def test_a_pass_brings_what_was_committed_into_the_file(
    quiet: SqliteDatabase, path: Path, tmp_path: Path
) -> None:
    await quiet.write(fill)

    Checkpointer(str(path)).carry_over()

    assert kept(path, tmp_path) == 20_000


async def test_the_database_carries_over_by_itself(path: Path, tmp_path: Path) -> None:
    async with SqliteDatabase(f"sqlite:///{path}") as db:
        await schema.ensure(db)
        await db.write(fill)
        db._checkpointer.stop()  # which ends the pass that the write began

        assert await db.read(lambda c: c.exec_driver_sql("SELECT count(*) FROM position").scalar()) == 20_000
    assert kept(path, tmp_path) == 20_000


def test_a_pass_that_fails_is_no_trouble(tmp_path: Path) -> None:
    broken = tmp_path / "broken.sqlite"
    broken.write_bytes(b"no database" * 1000)

    Checkpointer(str(broken)).carry_over()
    Checkpointer(str(tmp_path / "no" / "folder.sqlite")).carry_over()

    assert broken.read_bytes() == b"no database" * 1000
