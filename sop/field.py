"""Date fields 日期字段: days we keep of members, like their birthday, and the file they come in."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from sop.errors import Problem, TemplateError

LONGEST_NAME = 32
LONGEST_ID = 64
EXAMPLE = "member,birthday\nwmABC,1990-02-28"


@dataclass(frozen=True)
class MemberDate:
    """A day of one member under the name of a field."""

    member: str
    field: str
    day: date
    line: int = 0  # of the file it came in


def anniversaries(on: date) -> tuple[str, ...]:
    """The month-days (MM-DD) that are kept on this day: 29 February on the 28th, in years without one."""
    own = on.isoformat()[5:]
    follows = on + timedelta(days=1)
    return (own, "02-29") if own == "02-28" and follows.month == 3 else (own,)


def read_dates(text: str, *, source: str = "") -> list[MemberDate]:
    """The days in a CSV file: a column ``member``, and one for each field; an empty cell says nothing.

    A :class:`TemplateError` with every mistake, by line and column of the sheet; nothing is taken then.
    """
    rows = csv.reader(io.StringIO(text.removeprefix("\ufeff")))
    heads = [head.strip() for head in next(rows, [])]
    problems = list(_wrong_heads(heads))
    found: dict[tuple[str, str], MemberDate] = {}
    for row in rows if not problems else ():
        if any(cell.strip() for cell in row):
            _read_row(heads, [cell.strip() for cell in row], rows.line_num, found, problems)
    if problems:
        raise TemplateError(problems, source=source)
    return list(found.values())


def _wrong_heads(heads: list[str]) -> Iterator[Problem]:
    if not heads or heads[0] != "member":
        yield Problem(1, 1, "", "第一列要叫 member", "member，后面每列一个日期字段", EXAMPLE)
    if len(heads) < 2:
        yield Problem(1, 2, "", "没有日期字段", "如 birthday", EXAMPLE)
    for at, head in enumerate(heads):
        if not head or len(head) > LONGEST_NAME or head in heads[:at]:
            expected = f"1 到 {LONGEST_NAME} 个字，不重复"
            yield Problem(1, at + 1, "", f"“{head[:40]}” 不能做字段名", expected, EXAMPLE)


def _read_row(
    heads: list[str],
    row: list[str],
    line: int,
    found: dict[tuple[str, str], MemberDate],
    problems: list[Problem],
) -> None:
    who = row[0]
    if not who or len(who) > LONGEST_ID:
        problems.append(Problem(line, 1, "member", "没有成员编号，或太长", "external_userid", EXAMPLE))
    if len(row) > len(heads):
        problems.append(
            Problem(line, len(heads) + 1, "", f"有 {len(row)} 列，标题只有 {len(heads)} 列", "每列一个标题")
        )
    for at, (name, written) in enumerate(zip(heads[1:], row[1:], strict=False), start=2):
        if not written:
            continue
        day = _day(written)
        if day is None:
            problems.append(Problem(line, at, name, f"“{written[:40]}” 不是日期", "年-月-日", "1990-02-28"))
        elif (who, name) in found:
            problems.append(Problem(line, at, name, f"{who} 的 {name} 写了两次", "每人每个字段一行"))
        else:
            found[who, name] = MemberDate(who, name, day, line)


def _day(written: str) -> date | None:
    try:
        return date.fromisoformat(written) if len(written) == 10 else None
    except ValueError:
        return None
