"""Rows of a file of history, each read into a fact or into the reason why it is none."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, BinaryIO, Literal

from bot.parquet import parquet_rows
from sop.activity import (
    HASH_LENGTH,
    KINDS,
    LEVELS,
    LONGEST_KEY,
    NO_GROUP,
    TALK,
    Activity,
    hash_of,
    short_key,
)
from sop.errors import Malformed, Misconfigured

Format = Literal["csv", "jsonl", "parquet"]

LONGEST_LINE = 1024 * 1024
LONGEST_NAME = 64
LONGEST_REF = 160
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


@dataclass
class Records:
    """The rows of a file with their line numbers; one bad line never hides the next."""

    text: BinaryIO
    fmt: Format
    file: str
    now: datetime
    names: Mapping[str, Sequence[str]]  # of groups that are known by another id

    def after(self, line: int) -> Iterator[tuple[int, Activity | BadRow]]:
        for number, cells in self._told():
            if number <= line:
                continue
            try:
                yield number, self._fact(number, cells())
            except Malformed as error:
                yield number, BadRow(number, str(error))

    def _told(self) -> Iterator[tuple[int, Callable[[], Mapping[str, Any]]]]:
        """Each row with its number, and what reads its cells."""
        if self.fmt == "parquet":
            for number, row in parquet_rows(self.text):
                yield number, partial(dict, row)
            return
        lines = self._lines()
        columns = self._header(lines) if self.fmt == "csv" else []
        for number, raw in lines:
            if raw is None or raw.strip():
                yield number, partial(self._cells, raw, columns)

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
        if cells.get("key"):
            return _exported(cells, self.now)
        group = self._group(cells)
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
            ref=str(cells.get("reply_to") or "")[:LONGEST_REF],
            text_hash=_hash(cells) or hash_of(told),
            text_len=_length(cells) or len(told),
        )

    def _group(self, cells: Mapping[str, Any]) -> str:
        group = _name(cells, "group")
        if known := self.names.get(group):
            raise Malformed(
                f"group {group!r} is the name of a group known as {' and '.join(known)}; write the id instead"
            )
        return group


def _exported(cells: Mapping[str, Any], now: datetime) -> Activity:
    """A row of our own export: the key makes it the same fact, wherever it is read."""
    key, level = str(cells["key"]).strip(), str(cells.get("level") or "import")
    if len(key) > LONGEST_KEY:
        raise Malformed(f"key is longer than {LONGEST_KEY} characters")
    if level not in LEVELS:
        raise Malformed(f"level {level[:24]!r} is not one of {', '.join(LEVELS)}")
    return Activity(
        key=key,
        kind=_kind(cells),
        at=_instant(cells.get("ts"), now),
        member=_name(cells, "member") if cells.get("member") else "",
        group=_name(cells, "group") if cells.get("group") else NO_GROUP,
        level=level,
        ref=str(cells.get("ref") or "")[:LONGEST_REF],
        text_hash=_hash(cells),
        text_len=_length(cells),
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
