"""Copies of the database: whole or refused, and never put under a bot that runs."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from sop.errors import Misconfigured
from storage.copy import copy_sqlite, must_be_idle, restore_sqlite
from storage.engine import PostgresDatabase, SqliteDatabase


def made(path: Path, word: str) -> Path:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE t (word TEXT)")
        connection.execute("INSERT INTO t VALUES (?)", [word])
        connection.commit()
    return path


def word_in(path: Path) -> str:
    with closing(sqlite3.connect(path)) as connection:
        return str(connection.execute("SELECT word FROM t").fetchone()[0])


def test_a_restored_copy_takes_the_place_and_the_old_one_is_kept(tmp_path: Path) -> None:
    copy, path = made(tmp_path / "copy.sqlite", "then"), made(tmp_path / "q.sqlite", "now")

    kept = restore_sqlite(copy, path)

    assert kept is not None
    assert (word_in(path), word_in(kept), word_in(copy)) == ("then", "now", "then")


def test_a_second_restore_keeps_what_the_first_one_kept(tmp_path: Path) -> None:
    copy, path = made(tmp_path / "copy.sqlite", "then"), made(tmp_path / "q.sqlite", "now")

    first, second = restore_sqlite(copy, path), restore_sqlite(copy, path)

    assert first is not None
    assert first != second
    assert word_in(first) == "now"


def test_a_broken_copy_is_refused_and_the_database_stays(tmp_path: Path) -> None:
    path = made(tmp_path / "q.sqlite", "now")
    (tmp_path / "broken").write_bytes(b"no database at all" * 100)

    with pytest.raises(Misconfigured, match="broken is no whole database"):
        restore_sqlite(tmp_path / "broken", path)

    assert word_in(path) == "now"
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["broken", "q.sqlite"]


async def test_nothing_is_restored_under_a_running_bot(tmp_path: Path) -> None:
    copy, path = made(tmp_path / "copy.sqlite", "then"), made(tmp_path / "q.sqlite", "now")

    async with SqliteDatabase(f"sqlite:///{path}"):
        with pytest.raises(Misconfigured, match="Stop the bot"):
            restore_sqlite(copy, path)

    assert word_in(path) == "now"


async def test_nothing_is_restored_under_a_bot_that_runs_on_postgresql(postgres_url: str) -> None:
    async with PostgresDatabase(postgres_url), PostgresDatabase(postgres_url) as ours:
        with pytest.raises(Misconfigured, match="Stop the bot"):
            await ours.read(must_be_idle)

    async with PostgresDatabase(postgres_url) as ours:
        await ours.read(must_be_idle)


def test_a_copy_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    path = made(tmp_path / "q.sqlite", "now")
    (tmp_path / "file").write_text("")

    with pytest.raises(OSError, match="file"):
        copy_sqlite(path, tmp_path / "file" / "copy.sqlite")
