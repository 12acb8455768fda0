"""``qunxing activity import``: history from a file, read line by line, in pieces that are written whole or not at all.

A row's identity is its ``id``, or else the file's content and the line: reading a file again, or on after a kill, adds nothing twice.
"""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from itertools import islice
from pathlib import Path
from typing import BinaryIO, cast

from bot.record import BadRow, Format, Records
from sop.activity import (
    Activity,
)
from sop.errors import Misconfigured
from storage.activity import HOME
from storage.engine import Connection, Database
from storage.history import HistoryStore, Person, Reading

PIECE = 5000  # lines written in one transaction: long enough to be quick, short enough to let others write
SHOWN = 20  # bad rows told one by one; the others are counted


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far the reading is, in bytes of the file as it lies on disk."""

    bytes: int
    of: int
    rows: int
    bad: int


@dataclass(kw_only=True)
class ImportResult:
    """What came of an import; ``bad_rows`` lists the first of ``bad`` skipped lines of this run."""

    rows: int = 0
    new: int = 0
    bad: int = 0
    bad_rows: list[BadRow] = field(default_factory=list)
    ahead: int = 0  # rows of this run that lie a little in the future: their clock was wrong, or ours is
    resumed_at: int = 0  # the line after which this run went on
    refused: bool = False  # there are bad rows, and none were allowed
    already_done: bool = False

    @property
    def known(self) -> int:
        return self.rows - self.new


async def import_history(
    db: Database,
    path: Path,
    *,
    now: datetime,
    fmt: Format | None = None,
    zone: str = HOME,
    strict: bool = False,
    report: Callable[[Progress], None] = lambda progress: None,
) -> ImportResult:
    """Log what a file tells; bad rows are skipped and reported, a damaged file is refused before anything is written.

    ``strict``: one bad row, and nothing is written.
    """
    fmt = fmt or format_of(path)
    name = await asyncio.to_thread(fingerprint, path)
    reading = await db.read(lambda c: HistoryStore(c, name).reading())
    result = ImportResult(rows=reading.rows, new=reading.new, bad=reading.bad, resumed_at=reading.line)
    if reading.done:
        result.already_done = True
        return result
    size = await asyncio.to_thread(_size, path)
    names = await db.read(lambda c: HistoryStore(c, name).names())
    if strict and await asyncio.to_thread(_find_bad, path, fmt, now, names, result):
        return result
    with _opened(path) as (raw, text):
        rows = Records(text, fmt, name, now, names).after(reading.line)
        while piece := await asyncio.to_thread(_piece, rows):
            reading = await db.write(partial(_write, name=name, piece=piece, since=reading, zone=zone))
            result.bad_rows.extend(piece.bad[: SHOWN - len(result.bad_rows)])
            result.ahead += sum(fact.at > now for fact in piece.facts)
            report(Progress(bytes=min(raw.tell(), size), of=size, rows=reading.rows, bad=reading.bad))
    result.rows, result.new, result.bad = reading.rows, reading.new, reading.bad
    done = replace(reading, done=True)
    await db.write(lambda c: HistoryStore(c, name).finish(done, zone=zone))
    return result


def _find_bad(
    path: Path, fmt: Format, now: datetime, names: Mapping[str, Sequence[str]], result: ImportResult
) -> bool:
    """Read the whole file for its bad rows alone."""
    with _opened(path) as (_, text):
        rows = Records(text, fmt, "", now, names).after(0)
        bad = [row for _, row in rows if isinstance(row, BadRow)]
    result.bad, result.bad_rows, result.refused = len(bad), bad[:SHOWN], bool(bad)
    return result.refused


# ---------------------------------------------------------------- files


def _size(path: Path) -> int:
    return path.stat().st_size


def fingerprint(path: Path) -> str:
    """What tells this file's content from another's, packed or not; reading it all shows early whether it is whole."""
    digest = hashlib.sha256()
    try:
        with _opened(path) as (_, text):
            while block := text.read(1 << 20):
                digest.update(block)
    except (OSError, EOFError, zlib.error) as error:
        raise Misconfigured(
            f"{path} cannot be read: {getattr(error, 'strerror', None) or error}.",
            remedy="Check the path and the file.",
        ) from error
    return digest.hexdigest()[:32]


@contextmanager
def _opened(path: Path) -> Iterator[tuple[BinaryIO, BinaryIO]]:
    """A file and its unpacked content; packed files are known by their first bytes, not by their name."""
    with path.open("rb") as raw:
        packed = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        if not packed:
            yield raw, raw
            return
        with gzip.GzipFile(fileobj=raw) as text:
            yield raw, cast(BinaryIO, text)


def format_of(path: Path) -> Format:
    """What a file's name says it is."""
    suffixes = [suffix.lower() for suffix in path.suffixes if suffix.lower() != ".gz"]
    last = suffixes[-1] if suffixes else ""
    if last in (".jsonl", ".ndjson", ".json"):
        return "jsonl"
    if last in (".csv", ".txt", ""):
        return "csv"
    if last == ".parquet":
        return "parquet"
    raise Misconfigured(
        f"{path.name} does not say what it is.",
        remedy="Add --format csv, --format jsonl or --format parquet.",
    )


# ---------------------------------------------------------------- rows


@dataclass
class _Piece:
    """Some lines of the file, read."""

    last: int
    facts: list[Activity] = field(default_factory=list)
    bad: list[BadRow] = field(default_factory=list)
    people: dict[str, Person] = field(default_factory=dict)
    began: dict[str, datetime] = field(default_factory=dict)

    def add(self, fact: Activity) -> None:
        self.facts.append(fact)
        if fact.group:
            self.began[fact.group] = min(fact.at, self.began.get(fact.group, fact.at))
        if not fact.member:
            return
        known = self.people.get(fact.member)
        self.people[fact.member] = Person(
            min(fact.at, known.first_seen) if known else fact.at,
            fact.kind == "bot_spoke" or (known is not None and known.bot),
        )


def _piece(rows: Iterator[tuple[int, Activity | BadRow]]) -> _Piece | None:
    read = list(islice(rows, PIECE))
    if not read:
        return None
    piece = _Piece(last=read[-1][0])
    for _, row in read:
        if isinstance(row, BadRow):
            piece.bad.append(row)
        else:
            piece.add(row)
    return piece


def _write(connection: Connection, name: str, piece: _Piece, since: Reading, zone: str) -> Reading:
    store = HistoryStore(connection, name)
    if store.reading().line != since.line:
        raise Misconfigured("Somebody else is importing this file.", remedy="Wait until they are done.")
    reading = Reading(
        line=piece.last,
        rows=since.rows + len(piece.facts),
        new=since.new + store.write(piece.facts, piece.people, piece.began, zone=zone),
        bad=since.bad + len(piece.bad),
    )
    store.keep(reading)
    return reading
