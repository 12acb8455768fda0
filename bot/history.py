"""``qunxing activity import``: history from a file, read line by line, in pieces that are written whole or not at all.

A row's identity is its ``id``, or else the file's content and the line: reading a file again, or on after a kill, adds nothing twice.
"""

from __future__ import annotations

import asyncio
import csv
import gzip
import hashlib
import json
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, Literal, cast

from sop.activity import HASH_LENGTH, KINDS, TALK, Activity, hash_of, short_key
from sop.errors import Malformed, Misconfigured
from storage.activity import HOME
from storage.engine import Connection, Database
from storage.history import HistoryStore, Person, Reading

Format = Literal["csv", "jsonl"]

PIECE = 5000  # lines written in one transaction: long enough to be quick, short enough to let others write
LONGEST_LINE = 1024 * 1024
LONGEST_NAME = 64
SHOWN = 20  # bad rows told one by one; the others are counted
SKEW = timedelta(days=1)  # a clock may be wrong by so much
EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)
MILLISECONDS_FROM = 1e11  # unix times this large are not seconds

YES, NO = frozenset({"1", "true", "yes"}), frozenset({"", "0", "false", "no"})
SYNONYMS = {"": TALK, "message": TALK, "text": TALK, "join": "joined", "leave": "left"}


@dataclass(frozen=True)
class BadRow:
    """A line that was skipped, and why."""

    line: int
    reason: str


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
    resumed_at: int = 0  # the line after which this run went on
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
    report: Callable[[Progress], None] = lambda progress: None,
) -> ImportResult:
    """Log what a file tells; bad rows are skipped and reported, a damaged file is refused before anything is written."""
    fmt = fmt or _format_of(path)
    name = await asyncio.to_thread(fingerprint, path)
    reading = await db.read(lambda c: HistoryStore(c, name).reading())
    result = ImportResult(rows=reading.rows, new=reading.new, bad=reading.bad, resumed_at=reading.line)
    if reading.done:
        result.already_done = True
        return result
    size = await asyncio.to_thread(_size, path)
    with _opened(path) as (raw, text):
        rows = _Rows(text, fmt, name, now).after(reading.line)
        while piece := await asyncio.to_thread(_piece, rows):
            reading = await db.write(partial(_write, name=name, piece=piece, since=reading, zone=zone))
            result.bad_rows.extend(piece.bad[: SHOWN - len(result.bad_rows)])
            report(Progress(bytes=min(raw.tell(), size), of=size, rows=reading.rows, bad=reading.bad))
    result.rows, result.new, result.bad = reading.rows, reading.new, reading.bad
    done = replace(reading, done=True)
    await db.write(lambda c: HistoryStore(c, name).finish(done, zone=zone))
    return result


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


def _format_of(path: Path) -> Format:
    suffixes = [suffix.lower() for suffix in path.suffixes if suffix.lower() != ".gz"]
    last = suffixes[-1] if suffixes else ""
    if last in (".jsonl", ".ndjson", ".json"):
        return "jsonl"
    if last in (".csv", ".txt", ""):
        return "csv"
    raise Misconfigured(f"{path.name} does not say what it is.", remedy="Add --format csv or --format jsonl.")


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
        self.began[fact.group] = min(fact.at, self.began.get(fact.group, fact.at))
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


@dataclass
class _Rows:
    """The rows of a file with their line numbers; one bad line never hides the next."""

    text: BinaryIO
    fmt: Format
    file: str
    now: datetime

    def after(self, line: int) -> Iterator[tuple[int, Activity | BadRow]]:
        lines = self._lines()
        columns = self._header(lines) if self.fmt == "csv" else []
        for number, raw in lines:
            if number <= line or (raw is not None and not raw.strip()):
                continue
            try:
                yield number, self._fact(number, self._cells(raw, columns))
            except Malformed as error:
                yield number, BadRow(number, str(error))

    def _lines(self) -> Iterator[tuple[int, bytes | None]]:
        """Each line with its number, None for one that is too long."""
        number = 0
        while raw := self.text.readline(LONGEST_LINE):
            number += 1
            whole = raw.endswith(b"\n") or len(raw) < LONGEST_LINE
            while not whole:
                rest = self.text.readline(LONGEST_LINE)
                whole = rest.endswith(b"\n") or len(rest) < LONGEST_LINE
                raw = b""
            yield number, raw or None

    def _header(self, lines: Iterator[tuple[int, bytes | None]]) -> list[str]:
        _, first = next(lines, (0, b""))
        text = (first or b"").decode("utf-8-sig", "replace")
        columns = [name.strip().lower() for name in next(csv.reader([text]), [])]
        missing = [name for name in ("group", "ts") if name not in columns]
        if not {"member", "author"} & set(columns):
            missing.append("member (or author)")
        if missing:
            raise Misconfigured(
                f"The first line names no column {', '.join(missing)}.",
                remedy="It should read like: group,member,ts,id,kind,text_len,text_hash,is_bot",
            )
        return columns

    def _cells(self, raw: bytes | None, columns: list[str]) -> Mapping[str, Any]:
        if raw is None:
            raise Malformed(f"the line is longer than {LONGEST_LINE} bytes")
        try:
            text = raw.decode("utf-8-sig").rstrip("\r\n")
        except UnicodeDecodeError as error:
            raise Malformed("the line is not UTF-8 text") from error
        if "\x00" in text:
            raise Malformed("the line holds a NUL character")
        return _csv_cells(text, columns) if self.fmt == "csv" else _json_cells(text)

    def _fact(self, line: int, cells: Mapping[str, Any]) -> Activity:
        group = _name(cells, "group")
        member = _name(cells, "member" if cells.get("member") else "author")
        kind = _kind(cells)
        identity = str(cells.get("id") or "").strip()
        text = cells.get("text")
        told = str(text) if isinstance(text, str) else ""
        return Activity(
            key=short_key(f"import:{group}:{identity}" if identity else f"import:{self.file}:{line}"),
            kind="bot_spoke" if kind == TALK and _yes(cells, "is_bot") else kind,
            at=_instant(cells.get("ts"), self.now),
            member=member,
            group=group,
            level="import",
            ref=str(cells.get("reply_to") or "")[:160],
            text_hash=_hash(cells) or hash_of(told),
            text_len=_length(cells) or len(told),
        )


def _csv_cells(text: str, columns: list[str]) -> Mapping[str, Any]:
    try:
        cells = next(csv.reader([text], strict=True), [])
    except csv.Error as error:
        raise Malformed(f"the line is no CSV ({error})") from error
    if len(cells) != len(columns):
        raise Malformed(f"{len(cells)} cells where the first line names {len(columns)} columns")
    return dict(zip(columns, cells, strict=True))


def _json_cells(text: str) -> Mapping[str, Any]:
    try:
        cells = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Malformed(f"the line is no JSON ({error})") from error
    if not isinstance(cells, dict):
        raise Malformed("the line is no JSON object")
    return cells


def _name(cells: Mapping[str, Any], column: str) -> str:
    value = cells.get(column)
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise Malformed(f"{column} is missing")
    name = str(value).strip()
    if not name:
        raise Malformed(f"{column} is missing")
    if len(name) > LONGEST_NAME:
        raise Malformed(f"{column} is longer than {LONGEST_NAME} characters")
    return name


def _kind(cells: Mapping[str, Any]) -> str:
    told = str(cells.get("kind") or "").strip().lower()
    kind = SYNONYMS.get(told, told)
    if kind not in KINDS:
        raise Malformed(f"kind {told[:24]!r} is not known; leave it empty for a message")
    return kind


def _yes(cells: Mapping[str, Any], column: str) -> bool:
    told = str(cells.get(column) if cells.get(column) is not None else "").strip().lower()
    if told not in YES | NO:
        raise Malformed(f"{column} is {told[:24]!r}, expected 0 or 1")
    return told in YES


def _instant(told: Any, now: datetime) -> datetime:
    """An instant from ISO-8601 (UTC where it names no zone) or unix seconds or milliseconds."""
    text = "" if told is None or isinstance(told, bool) else str(told).strip()
    if not text:
        raise Malformed("ts is missing")
    try:
        at = _unix(float(text)) if _is_number(text) else datetime.fromisoformat(text)
        at = (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise Malformed(f"ts {text[:40]!r} is no ISO-8601 instant and no unix time") from error
    if not at >= EARLIEST:
        raise Malformed(f"ts {text[:40]!r} lies before 1990")
    if at > now + SKEW:
        raise Malformed(f"ts {text[:40]!r} lies in the future")
    return at


def _is_number(text: str) -> bool:
    whole = text.lstrip("+-").replace(".", "", 1)
    return whole.isascii() and whole.isdigit() and "-" not in text[1:]


def _unix(number: float) -> datetime:
    seconds = number / 1000 if abs(number) >= MILLISECONDS_FROM else number
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)


def _hash(cells: Mapping[str, Any]) -> str:
    told = "".join(str(cells.get("text_hash") or "").split())
    return told if len(told) <= HASH_LENGTH else hash_of(told)


def _length(cells: Mapping[str, Any]) -> int:
    told = str(cells.get("text_len") or "0").strip()
    if not (told.isascii() and told.isdigit() and len(told) <= 9):
        raise Malformed(f"text_len {told[:24]!r} is no whole number")
    return int(told)
