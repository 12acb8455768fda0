"""``qunxing activity export``: the whole log as a file that another installation, or a spreadsheet, can read.

What is exported carries the key of each fact, so importing it where it came from adds nothing.
"""

from __future__ import annotations

import csv
import gzip
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TextIO, cast

from bot.history import format_of
from bot.parquet import ParquetSheet
from bot.record import Format
from sop.activity import Activity
from storage.activity import ActivityStore
from storage.engine import Connection, Database

COLUMNS = ("key", "kind", "weight", "member", "group", "ts", "level", "ref", "text_hash", "text_len")
PAGE = 5000


class Sheet(Protocol):
    """Where rows go."""

    def write(self, rows: Sequence[dict[str, Any]]) -> None: ...


async def export_log(
    db: Database,
    path: Path,
    *,
    fmt: Format | None = None,
    group: str = "",
    report: Callable[[int], None] = lambda rows: None,
) -> int:
    """Write the log, or one group's, to a file; returns the rows. The file appears when it is whole."""
    fmt = fmt or format_of(path)
    last = rows = 0
    half = path.with_name(f".{path.name}.half")
    try:
        with _sheet(half, fmt, packed=path.suffix.lower() == ".gz") as sheet:
            while page := await db.read(partial(_page, after=last, group=group)):
                sheet.write([cells(fact) for _, fact in page])
                last, rows = page[-1][0], rows + len(page)
                report(rows)
        os.replace(half, path)
    finally:
        half.unlink(missing_ok=True)
    return rows


def _page(connection: Connection, after: int, group: str) -> list[tuple[int, Activity]]:
    return ActivityStore(connection).page(after, PAGE, group=group)


def cells(fact: Activity) -> dict[str, Any]:
    """A fact as a row of the file."""
    told = (
        fact.key, fact.kind, fact.weight, fact.member, fact.group, fact.at.isoformat(),
        fact.level, fact.ref, fact.text_hash, fact.text_len,
    )  # fmt: skip
    return dict(zip(COLUMNS, told, strict=True))


@contextmanager
def _sheet(path: Path, fmt: Format, *, packed: bool) -> Iterator[Sheet]:
    if fmt == "parquet":
        with ParquetSheet(path, COLUMNS) as sheet:
            yield sheet
        return
    with _opened(path, packed=packed) as file:
        yield _Csv(file) if fmt == "csv" else _Lines(file)


def _opened(path: Path, *, packed: bool) -> TextIO:
    if packed:
        return cast(TextIO, gzip.open(path, "wt", encoding="utf-8", newline=""))
    return path.open("w", encoding="utf-8", newline="")


class _Csv:
    def __init__(self, file: TextIO) -> None:
        self._table = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        self._table.writeheader()

    def write(self, rows: Sequence[dict[str, Any]]) -> None:
        self._table.writerows(rows)


class _Lines:
    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, rows: Sequence[dict[str, Any]]) -> None:
        self._file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
