"""A template as the sheets of a workbook, for operators who live in spreadsheets, and back.

One sheet holds what a template has once, a key a row; each array of tables has a sheet of its own, a table a row, and
names the table it belongs to. Which columns there are, and of what type, is what :data:`sop.guide.KEYS` says: a new key of
the file is a new column here. Comments of a TOML file do not survive.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from functools import cache
from typing import Any

from sop.errors import Problem, TemplateError
from sop.file import read_tables
from sop.guide import KEYS
from sop.place import Path, Place
from sop.plain import to_plain
from sop.template import Template

Cell = str | int | float | bool | date | time | None
Rows = Sequence[Sequence[Cell]]

WHOLE = "模板"
ARRAYS = {
    "arm": "对比",
    "step": "步骤",
    "step.variant": "变体",
    "step.attach": "附件",
    "step.branch": "分支",
    "step.task.options": "选项",
    "step.task.reward": "奖励",
    "item": "题库",
    "item.options": "题库选项",
}  # the arrays of tables, and their sheets
PARENT = "属于"
HEADS = 2  # rows above the first table: keys, and what is expected
MOST_ROWS = 5000
YES, NO = ("是", "true", "TRUE", "True", "1"), ("否", "false", "FALSE", "False", "0")
BETWEEN = re.compile(r"[、,，;；\n]+")


@dataclass(frozen=True)
class Sheet:
    """One sheet: its columns as dotted keys, and under them a row for each table."""

    name: str
    columns: tuple[str, ...]
    rows: Rows


# ---------------------------------------------------------------- the columns


def _array_of(key: str) -> str:
    """The innermost array of tables a key stands in; empty for what a template has once."""
    inside = [array for array in ARRAYS if key.startswith(f"{array}.")]
    return max(inside, key=len, default="")


@cache
def columns(array: str) -> tuple[str, ...]:
    """The keys of one array's tables, or with "" of the template itself: all that hold no other keys."""
    tables = {key.rpartition(".")[0] for key in KEYS}
    return tuple(key for key in KEYS if key not in tables and key not in ARRAYS and _array_of(key) == array)


@cache
def _sample(key: str) -> Any:
    """A value as it may stand under a key, taken from the guide's example."""
    example = KEYS[key].example
    try:
        found = tomllib.loads(f"x = {example}" if example.startswith("{") else example)
    except tomllib.TOMLDecodeError:
        return ""
    return _dug(found, key.rpartition(".")[2])


def _dug(value: Any, name: str) -> Any:
    """The first value of this name in nested tables."""
    if isinstance(value, list):
        return next((found for one in value if (found := _dug(one, name)) is not None), None)
    if not isinstance(value, dict):
        return None
    if name in value:
        return value[name]
    return next((found for one in value.values() if (found := _dug(one, name)) is not None), None)


# ---------------------------------------------------------------- writing


def to_sheets(template: Template) -> list[Sheet]:
    """The sheets of a template; reading them gives an equal template."""
    plain = to_plain(template)
    whole = [(key, _shown(_at(plain, key.split(".")))) for key in columns("")]
    return [Sheet(WHOLE, ("key", "value"), whole)] + [
        Sheet(name, (PARENT, *columns(array)) if "." in array else columns(array), _table(plain, array))
        for array, name in ARRAYS.items()
    ]


def _table(plain: Mapping[str, Any], array: str) -> list[list[Cell]]:
    rows: list[list[Cell]] = []
    for parent, one in _members(plain, array.split(".")):
        table = one if isinstance(one, dict) else {"text": one}
        cells = [_shown(_at(table, key.removeprefix(f"{array}.").split("."))) for key in columns(array)]
        rows.append([parent, *cells] if "." in array else cells)
    return rows


def _members(table: Mapping[str, Any], path: Sequence[str], parent: str = "") -> Iterator[tuple[str, Any]]:
    """Every table of an array with the id of the table it belongs to."""
    here = table.get(path[0])
    if len(path) == 1:
        yield from ((parent, one) for one in here or [])
    elif isinstance(here, list):
        for one in here:
            yield from _members(one, path[1:], one.get("id", ""))
    elif isinstance(here, Mapping):
        yield from _members(here, path[1:], parent)


def _at(table: Mapping[str, Any], path: Sequence[str]) -> Any:
    value: Any = table
    for part in path:
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _shown(value: Any) -> Cell:
    if isinstance(value, bool):
        return "是" if value else "否"
    return "、".join(map(str, value)) if isinstance(value, list) else value


# ---------------------------------------------------------------- reading


@dataclass
class _Reading:
    """The nested tables as they grow, where each of their keys stands, and what could not be placed."""

    tables: dict[str, Any] = field(default_factory=dict)
    places: dict[Path, Place] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def put(self, path: Path, value: Any, cell: str, row: int, column: int) -> None:
        holder: Any = self.tables
        for at, part in enumerate(path[:-1]):
            self.places.setdefault(path[: at + 1], Place(row, column, row, column, cell))
            holder = holder[part] if isinstance(part, int) else holder.setdefault(part, {})
        holder[path[-1]] = value
        self.places[path] = Place(row, column, row, column, cell)

    def append(self, path: Path, cell: str, row: int) -> Path:
        """A new table at the end of the array under ``path``."""
        holder: Any = self.tables
        for part in path[:-1]:
            holder = holder[part] if isinstance(part, int) else holder.setdefault(part, {})
        array = holder.setdefault(path[-1], [])
        array.append({})
        place = Place(row, 1, row, 1, cell)
        self.places.setdefault(path, place)
        self.places[*path, len(array) - 1] = place
        return (*path, len(array) - 1)

    def wrong(
        self, cell: str, row: int, key: str, reason: str, expected: str = "", example: str = ""
    ) -> None:
        self.problems.append(Problem(row, 1, key, reason, expected, example, cell))


def from_sheets(sheets: Mapping[str, Rows], *, source: str = "") -> Template:
    """The template in these sheets; a :class:`TemplateError` that names cells when it is not one."""
    reading = _Reading()
    _read_whole(sheets.get(WHOLE, ()), reading)
    for array, name in ARRAYS.items():
        _read_array(array, name, sheets.get(name, ()), reading)
    _unlisted(sheets, reading)
    if reading.problems:
        raise TemplateError(reading.problems, source=source)
    return read_tables(reading.tables, reading.places, source=source)


def _unlisted(sheets: Mapping[str, Rows], reading: _Reading) -> None:
    known = [WHOLE, *ARRAYS.values()]
    if WHOLE not in sheets:
        reading.wrong(WHOLE, 1, "", f"没有「{WHOLE}」这张工作表", "从控制台导出的工作簿改起")
    for name in sheets:
        if name not in known:
            reading.wrong(name, 1, "", f"没有叫「{name}」的工作表", "、".join(known))


def _read_whole(rows: Rows, reading: _Reading) -> None:
    for number, row in enumerate(rows[HEADS:], start=HEADS + 1):
        key, value = _text(row, 0), row[1] if len(row) > 1 else None
        if not key and _blank(value):
            continue
        if key not in columns(""):
            reading.wrong(f"{WHOLE}!A{number}", number, key, f"没有 {key} 这个键", "导出的工作簿里有的键")
        elif not _blank(value):
            cell = f"{WHOLE}!B{number}"
            reading.put(tuple(key.split(".")), _meant(key, value), cell, number, 2)


def _read_array(array: str, name: str, rows: Rows, reading: _Reading) -> None:
    heads = [_text(rows[0], at) for at in range(len(rows[0]))] if rows else []
    known = {PARENT, *columns(array)} if "." in array else set(columns(array))
    for at, head in enumerate(heads):
        if head and head not in known:
            reading.wrong(f"{name}!{letter(at)}1", 1, head, f"没有 {head} 这一列", "、".join(sorted(known)))
    if len(rows) > MOST_ROWS:
        reading.wrong(
            f"{name}!A{MOST_ROWS}", MOST_ROWS, "", f"有 {len(rows)} 行，太多了", f"不超过 {MOST_ROWS} 行"
        )
    for number, row in enumerate(rows[HEADS:MOST_ROWS], start=HEADS + 1):
        cells = {head: (at, row[at]) for at, head in enumerate(heads) if head in known and at < len(row)}
        if not all(_blank(value) for _, value in cells.values()):
            _read_row(array, name, number, cells, reading)


def _read_row(
    array: str, name: str, number: int, cells: Mapping[str, tuple[int, Cell]], reading: _Reading
) -> None:
    holder = _holder(array, name, number, cells, reading)
    if holder is None:
        return
    path = reading.append((*holder, array.rpartition(".")[2]), f"{name}!A{number}", number)
    for key, (at, value) in cells.items():
        if key != PARENT and not _blank(value):
            inner = key.removeprefix(f"{array}.").split(".")
            reading.put((*path, *inner), _meant(key, value), f"{name}!{letter(at)}{number}", number, at + 1)


def _holder(
    array: str, name: str, number: int, cells: Mapping[str, tuple[int, Cell]], reading: _Reading
) -> Path | None:
    """Where the table that a row belongs to is; None, and a mistake, when there is no such table."""
    outer, *between = array.split(".")[:-1] or [""]
    if not outer:
        return ()
    parent = str(cells.get(PARENT, (0, ""))[1] or "").strip()
    for at, one in enumerate(reading.tables.get(outer, [])):
        if one.get("id") == parent:
            return (outer, at, *between)
    reading.wrong(
        f"{name}!A{number}",
        number,
        PARENT,
        f"没有编号是 “{parent}” 的{ARRAYS[outer]}",
        f"「{ARRAYS[outer]}」里的 id",
    )
    return None


# ---------------------------------------------------------------- cells


def letter(at: int) -> str:
    """The name of a column, A for 0 and AA for 26."""
    name = ""
    at += 1
    while at:
        at, rest = divmod(at - 1, 26)
        name = chr(ord("A") + rest) + name
    return name


def _blank(value: Cell) -> bool:
    return value is None or value == ""


def _text(row: Sequence[Cell], at: int) -> str:
    return str(row[at] if at < len(row) and row[at] is not None else "").strip()


def _meant(key: str, value: Cell) -> Any:
    """A cell as the type its key asks for; what cannot be meant stays as it is, to be refused with its cell."""
    match _sample(key):
        case bool():
            return _flag(value)
        case list():
            return [part for part in BETWEEN.split(str(value)) if part]
        case int() | float():
            return _number(value)
        case time():
            return _moment(value)
        case date():
            return _day(value)
    return _said(value)


def _flag(value: Cell) -> Any:
    word = str(value).strip()
    return True if word in YES else False if word in NO else value


def _number(value: Cell) -> Any:
    if isinstance(value, str):
        share = value.strip().removesuffix("%")
        try:
            value = float(share) / (100 if share != value.strip() else 1)
        except ValueError:
            return value
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _moment(value: Cell) -> Any:
    if isinstance(value, datetime):
        return value.time()
    clock = re.fullmatch(r"(\d{1,2})[:：](\d{2})(?:[:：](\d{2}))?", str(value).strip())
    if not clock or isinstance(value, time):
        return value
    try:
        return time(int(clock[1]), int(clock[2]), int(clock[3] or 0))
    except ValueError:
        return value


def _day(value: Cell) -> Any:
    if isinstance(value, datetime):
        return value.date()
    try:
        return date.fromisoformat(str(value).strip().replace("/", "-"))
    except ValueError:
        return value


def _said(value: Cell) -> Any:
    """Text; a number that a spreadsheet made of it is written as it was."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return value.replace("\r\n", "\n") if isinstance(value, str) else value
