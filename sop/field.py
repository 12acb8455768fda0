"""Date fields 日期字段: days we keep of members, like their birthday, and the file they come in, time zones beside them."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date, timedelta

from sop.errors import Problem, TemplateError
from sop.zone import is_zone, nearest

LONGEST_NAME = 32
LONGEST_ID = 64
EXAMPLE = "member,birthday,zone\nwmABC,1990-02-28,Asia/Shanghai"
ZONE_HEADS = ("zone", "时区")


@dataclass(frozen=True)
class MemberDate:
    """A day of one member under the name of a field."""

    member: str
    field: str
    day: date
    line: int = 0  # of the file it came in


@dataclass
class Brought:
    """What a file says of members: days, zones (member → zone), and in which line each member stood first."""

    dates: list[MemberDate] = field(default_factory=list)
    zones: dict[str, str] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)


def anniversaries(on: date) -> tuple[str, ...]:
    """The month-days (MM-DD) that are kept on this day: 29 February on the 28th, in years without one."""
    own = on.isoformat()[5:]
    follows = on + timedelta(days=1)
    return (own, "02-29") if own == "02-28" and follows.month == 3 else (own,)


def is_kept(kept: date, on: date) -> bool:
    """Whether a kept day comes round on this day; one that is yet to come does not."""
    return kept <= on and kept.isoformat()[5:] in anniversaries(on)


def read_members(text: str, *, source: str = "") -> Brought:
    """What a CSV file says: a column ``member``, one for each date field, one for the zone; an empty cell says nothing.

    A :class:`TemplateError` with every mistake, by line and column of the sheet; nothing is taken then.
    """
    rows = csv.reader(io.StringIO(text.removeprefix("\ufeff")))
    heads = ["zone" if head.strip() in ZONE_HEADS else head.strip() for head in next(rows, [])]
    problems = list(_wrong_heads(heads))
    found: dict[tuple[str, str], MemberDate] = {}
    brought = Brought()
    for row in rows if not problems else ():
        if any(cell.strip() for cell in row):
            _read_row(heads, [cell.strip() for cell in row], rows.line_num, found, brought, problems)
    if problems:
        raise TemplateError(problems, source=source)
    brought.dates += found.values()
    return brought


def _wrong_heads(heads: list[str]) -> Iterator[Problem]:
    if not heads or heads[0] != "member":
        yield Problem(1, 1, "", "第一列要叫 member", "member，后面每列一个日期字段", EXAMPLE)
    if len(heads) < 2:
        yield Problem(1, 2, "", "除了编号什么也没有", "日期字段如 birthday，或 zone", EXAMPLE)
    for at, head in enumerate(heads):
        if not head or len(head) > LONGEST_NAME or head in heads[:at]:
            expected = f"1 到 {LONGEST_NAME} 个字，不重复"
            yield Problem(1, at + 1, "", f"“{head[:40]}” 不能做字段名", expected, EXAMPLE)


def _read_row(
    heads: list[str],
    row: list[str],
    line: int,
    found: dict[tuple[str, str], MemberDate],
    brought: Brought,
    problems: list[Problem],
) -> None:
    who = row[0]
    brought.lines.setdefault(who, line)
    if not who or len(who) > LONGEST_ID:
        problems.append(Problem(line, 1, "member", "没有成员编号，或太长", "external_userid", EXAMPLE))
    if len(row) > len(heads):
        problems.append(
            Problem(line, len(heads) + 1, "", f"有 {len(row)} 列，标题只有 {len(heads)} 列", "每列一个标题")
        )
    for at, (name, written) in enumerate(zip(heads[1:], row[1:], strict=False), start=2):
        if written:
            problem = (
                _take_zone(who, written, brought)
                if name == "zone"
                else _take_day(MemberDate(who, name, date.min, line), written, found)
            )
            problems += [replace(problem, line=line, column=at, key=name)] if problem else []


def _take_zone(who: str, written: str, brought: Brought) -> Problem | None:
    if not is_zone(written):
        reason, expected = f"没有 “{written[:40]}” 这个时区", f"IANA 时区名，最像的是 {nearest(written)}"
        return Problem(0, 0, "", reason, expected, nearest(written))
    if brought.zones.setdefault(who, written) != written:
        return Problem(0, 0, "", f"{who} 的时区写了两个", "每人一个")
    return None


def _take_day(blank: MemberDate, written: str, found: dict[tuple[str, str], MemberDate]) -> Problem | None:
    day, place = _day(written), (blank.member, blank.field)
    if day is None:
        return Problem(0, 0, "", f"“{written[:40]}” 不是日期", "年-月-日", "1990-02-28")
    if place in found:
        return Problem(0, 0, "", f"{blank.member} 的 {blank.field} 写了两次", "每人每个字段一行")
    found[place] = replace(blank, day=day)
    return None


def _day(written: str) -> date | None:
    try:
        return date.fromisoformat(written) if len(written) == 10 else None
    except ValueError:
        return None
