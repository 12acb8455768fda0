"""The log goes out as a file and comes back as the same facts, here or in another installation."""

from __future__ import annotations

import csv
import io
import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import bot.export
from bot.export import COLUMNS, export_log
from bot.history import import_history
from sop.activity import Activity, hash_of
from sop.errors import Misconfigured
from storage import schema
from storage.activity import ActivityStore
from storage.engine import Connection, Database, database
from storage.group import GroupStore
from tests.contracts.test_activity_store import sums

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def facts() -> list[Activity]:
    talk = [
        Activity(
            key=f"archive:{number}", kind="spoke", at=NOW - timedelta(hours=number), member=f"m{number % 3}",
            group="新手群", level="archive", text_hash=hash_of(f'他说："{number}"'), text_len=9,
        )
        for number in range(1, 40)
    ]  # fmt: skip
    alone = Activity(
        key="p:1", kind="visited", at=NOW - timedelta(days=1), member="m1", level="page", ref="t"
    )
    return [*talk, alone, Activity(key="f", kind="founded", at=NOW - timedelta(days=9), group="新手群")]


async def keep(db: Database, told: Sequence[Activity]) -> None:
    def work(connection: Connection) -> None:
        GroupStore(connection, NOW).meet("新手群", kind="customer")
        ActivityStore(connection).log_all(told)

    await db.write(work)


def page(connection: Connection) -> list[tuple[int, Activity]]:
    return ActivityStore(connection).page(0, 1000)


@pytest.mark.parametrize("name", ["log.csv", "log.jsonl", "log.csv.gz", "log.jsonl.gz", "log.parquet"])
async def test_what_was_exported_comes_back_as_the_same_facts(
    sqlite: Database, tmp_path: Path, name: str
) -> None:
    if name.endswith("parquet"):
        pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    await keep(sqlite, facts())
    async with database(f"sqlite:///{tmp_path / 'other.sqlite'}") as other:
        await schema.ensure(other)
        await keep(other, [])

        rows = await export_log(sqlite, tmp_path / name)
        result = await import_history(other, tmp_path / name, now=NOW)

        assert (rows, result.new, result.bad) == (41, 41, 0)
        assert [fact for _, fact in await other.read(page)] == facts()
        assert await other.read(sums) == await sqlite.read(sums)


async def test_an_export_imported_where_it_came_from_adds_nothing(db: Database, tmp_path: Path) -> None:
    await keep(db, facts())
    before = await db.read(sums)

    await export_log(db, tmp_path / "log.csv")
    result = await import_history(db, tmp_path / "log.csv", now=NOW)

    assert (result.new, result.known) == (0, 41)
    assert await db.read(sums) == before


async def test_one_group_is_exported_alone_page_by_page(
    sqlite: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bot.export, "PAGE", 7)
    await keep(sqlite, facts())
    told: list[int] = []

    rows = await export_log(sqlite, tmp_path / "log.csv", group="新手群", report=told.append)

    written = list(csv.DictReader(io.StringIO((tmp_path / "log.csv").read_text("utf-8"))))
    assert (rows, told[-1], len(written)) == (40, 40, 40)
    assert tuple(written[0]) == COLUMNS
    assert (written[0]["weight"], written[-1]["weight"]) == ("1", "0")


async def test_a_file_that_cannot_be_finished_does_not_appear(
    sqlite: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await keep(sqlite, facts())
    (tmp_path / "log.jsonl").write_text("old", "utf-8")

    def fail(*_: object) -> dict[str, Any]:
        raise OSError("disk full")

    monkeypatch.setattr(bot.export, "cells", fail)
    with pytest.raises(OSError, match="disk full"):
        await export_log(sqlite, tmp_path / "log.jsonl")

    assert [name for name in os.listdir(tmp_path) if "log" in name] == ["log.jsonl"]
    assert (tmp_path / "log.jsonl").read_text("utf-8") == "old"


@contextmanager
def without_pyarrow(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    yield


async def test_without_pyarrow_parquet_is_refused_with_what_to_install(
    sqlite: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await keep(sqlite, facts())
    (tmp_path / "in.parquet").write_bytes(b"PAR1")

    with without_pyarrow(monkeypatch):
        for work in (
            export_log(sqlite, tmp_path / "out.parquet"),
            import_history(sqlite, tmp_path / "in.parquet", now=NOW),
        ):
            with pytest.raises(Misconfigured, match="pip install pyarrow"):
                await work


@pytest.mark.parametrize(
    ("change", "reason"),
    [({"key": "k" * 97}, "key is longer than 96"), ({"level": "rumour"}, "level 'rumour' is not one of")],
)
async def test_an_exported_row_that_was_tampered_with_is_named(
    sqlite: Database, tmp_path: Path, change: dict[str, str], reason: str
) -> None:
    good = {"key": "k", "kind": "spoke", "member": "m", "group": "g", "ts": "2026-02-01T00:00:00Z"}
    path = tmp_path / "log.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in (good, good | change)), "utf-8")

    result = await import_history(sqlite, path, now=NOW)

    assert (result.new, result.bad_rows[0].line) == (1, 2)
    assert reason in result.bad_rows[0].reason
