"""History from a file: every good row once, every bad row named, whatever happens on the way."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

import bot.history
import bot.record
from bot.engagement import Pair, as_csv, as_json, read_pairs, score_groups, score_pairs, score_points
from bot.history import ImportResult, Progress, import_history
from sop.errors import Misconfigured, NotFound
from storage.engine import Connection, Database
from storage.group import GroupStore
from storage.tables import activity, groups, member, member_day

NOW = datetime(2026, 3, 1, tzinfo=UTC)
START = datetime(2026, 1, 1, 9, tzinfo=UTC)
COLUMNS = ("group", "author", "ts", "text_len", "is_bot", "text_hash")


def rows(days: int = 40, people: int = 4) -> list[dict[str, Any]]:
    return [
        {
            "group": group, "author": f"u{number}", "is_bot": 0, "text_len": 5, "text_hash": f"{day * 10 + number:08x}",
            "ts": (START + timedelta(days=day, minutes=number)).isoformat().replace("+00:00", "Z"),
        }
        for group in ("room/a", "room/b")
        for day in range(days)
        for number in range(people)
    ]  # fmt: skip


def write_csv(path: Path, told: Iterable[Mapping[str, Any]], columns: Iterable[str] = COLUMNS) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, list(columns), extrasaction="ignore")
        table.writeheader()
        table.writerows(told)
    return path


async def load(db: Database, path: Path, **more: Any) -> ImportResult:
    return await import_history(db, path, now=NOW, **more)


def held(connection: Connection) -> tuple[int, list[tuple[Any, ...]]]:
    days = connection.execute(select(member_day).order_by(*member_day.primary_key.columns)).all()
    return connection.scalar(select(func.count()).select_from(activity)) or 0, [tuple(row) for row in days]


async def test_every_row_becomes_a_fact_once(db: Database, tmp_path: Path) -> None:
    path = write_csv(tmp_path / "log.csv", rows())

    first = await load(db, path)
    before = await db.read(held)
    again = await load(db, path)

    assert (first.rows, first.new, first.bad) == (320, 320, 0)
    assert again.already_done
    assert before[0] == 320
    assert await db.read(held) == before


async def test_an_unknown_group_is_imported_with_days_in_utc(sqlite: Database, tmp_path: Path) -> None:
    late = {**rows()[0], "ts": "2026-01-05T23:30:00Z"}

    await load(sqlite, write_csv(tmp_path / "log.csv", [late]))

    group = await sqlite.read(lambda c: c.execute(select(groups)).one())
    assert (group.id, group.name, group.kind, group.zone) == ("room/a", "room/a", "imported", "UTC")
    assert await sqlite.read(lambda c: c.scalar(select(member_day.c.day))) == "2026-01-05"


async def test_packed_and_unpacked_are_the_same_file(sqlite: Database, tmp_path: Path) -> None:
    path = write_csv(tmp_path / "log.csv", rows())
    packed = tmp_path / "log.csv.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))

    first = await load(sqlite, packed)

    assert first.new == 320
    assert (await load(sqlite, path)).already_done


async def test_lines_of_json_are_read_too(sqlite: Database, tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    told = [
        {**row, "ts": START.timestamp() + number, "mentions": ["u1"]} for number, row in enumerate(rows(2))
    ]
    path.write_text("\n".join(json.dumps(row) for row in told) + "\n[1]\n{broken\n", "utf-8")

    result = await load(sqlite, path)

    assert (result.new, result.bad) == (16, 2)
    assert [bad.line for bad in result.bad_rows] == [17, 18]


BAD = [
    ("room/a,u1,2026-01-01T00:00:00Z,5,0", "5 cells where the first line names 6 columns"),
    (",u1,2026-01-01T00:00:00Z,5,0,ff", "group is missing"),
    ("room/a,,2026-01-01T00:00:00Z,5,0,ff", "author is missing"),
    (f"{'g' * 65},u1,2026-01-01T00:00:00Z,5,0,ff", "group is longer than 64 characters"),
    ("room/a,u1,yesterday,5,0,ff", "ts 'yesterday' is no ISO-8601 instant and no unix time"),
    ("room/a,u1,,5,0,ff", "ts is missing"),
    ("room/a,u1,2036-01-01T00:00:00Z,5,0,ff", "lies in the future"),
    ("room/a,u1,1e999,5,0,ff", "is no ISO-8601 instant"),
    ("room/a,u1,0001-01-01T00:00:00+14:00,5,0,ff", "is no ISO-8601 instant"),
    ("room/a,u1,2026-01-01T00:00:00Z,many,0,ff", "text_len 'many' is no whole number"),
    ("room/a,u1,2026-01-01T00:00:00Z,5,maybe,ff", "is_bot is 'maybe', expected 0 or 1"),
    ('room/a,"u1,2026-01-01T00:00:00Z,5,0,ff', "the line is no CSV"),
    ("room/a,u\x001,2026-01-01T00:00:00Z,5,0,ff", "NUL"),
]


@pytest.mark.parametrize(("line", "reason"), BAD)
async def test_a_bad_row_is_named_and_skipped(
    sqlite: Database, tmp_path: Path, line: str, reason: str
) -> None:
    good = "room/a,u1,2026-01-01T00:00:00Z,5,0,ff"
    path = tmp_path / "log.csv"
    path.write_text("\n".join([",".join(COLUMNS), good, line, good]), "utf-8")

    result = await load(sqlite, path)

    assert (result.new, result.bad) == (2, 1)
    assert result.bad_rows[0].line == 3
    assert reason in result.bad_rows[0].reason


async def test_text_that_is_no_utf8_is_named_and_a_mark_of_order_is_passed_over(
    sqlite: Database, tmp_path: Path
) -> None:
    path = tmp_path / "log.csv"
    lines = [",".join(COLUMNS), "群,u1,2026-01-01T00:00:00Z,5,0,ff", ""]
    path.write_bytes(
        b"\xef\xbb\xbf" + "\r\n".join(lines).encode() + "新手答疑,u1,2026-01-01,5,0,ff\n".encode("gbk")
    )

    result = await load(sqlite, path)

    assert (result.new, result.bad_rows[0].reason) == (1, "the line is not UTF-8 text")


async def test_many_bad_rows_are_counted_and_the_first_told(sqlite: Database, tmp_path: Path) -> None:
    path = write_csv(tmp_path / "log.csv", [{**row, "ts": "?"} for row in rows()])

    result = await load(sqlite, path)

    assert (result.bad, len(result.bad_rows), result.new) == (320, 20, 0)


async def test_an_endless_line_harms_only_itself(
    sqlite: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bot.record, "LONGEST_LINE", 200)
    path = tmp_path / "log.csv"
    good = "room/a,u1,2026-01-01T00:00:00Z,5,0,ff"
    path.write_text("\n".join([",".join(COLUMNS), "x" * 1000, good]), "utf-8")

    result = await load(sqlite, path)

    assert (result.new, [bad.line for bad in result.bad_rows]) == (1, [2])


async def test_a_file_without_the_columns_or_no_file_at_all_is_refused(
    sqlite: Database, tmp_path: Path
) -> None:
    path = write_csv(tmp_path / "log.csv", rows(), ["group", "text_len"])

    with pytest.raises(Misconfigured, match=r"no column ts, member \(or author\)"):
        await load(sqlite, path)
    with pytest.raises(Misconfigured, match="cannot be read"):
        await load(sqlite, tmp_path / "none.csv")


async def test_a_damaged_file_is_refused_before_anything_is_written(sqlite: Database, tmp_path: Path) -> None:
    path = tmp_path / "log.csv.gz"
    path.write_bytes(gzip.compress(write_csv(tmp_path / "log.csv", rows()).read_bytes())[:-40])

    with pytest.raises(Misconfigured, match="cannot be read"):
        await load(sqlite, path)

    assert (await sqlite.read(held))[0] == 0


class Killed(Exception):
    pass


async def test_killed_midway_it_goes_on_without_counting_twice(
    db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bot.history, "PIECE", 50)
    path = write_csv(tmp_path / "log.csv", [{**rows()[0], "ts": "?"}, *rows()])
    told: list[Progress] = []

    def die(progress: Progress) -> None:
        told.append(progress)
        if len(told) == 3:
            raise Killed

    with pytest.raises(Killed):
        await load(db, path, report=die)
    result = await load(db, path, report=told.append)

    assert (result.resumed_at, result.rows, result.new, result.bad) == (151, 320, 320, 1)
    assert told[-1].bytes == told[-1].of
    assert (await db.read(held))[0] == 320


async def test_in_pieces_of_any_size_the_sums_are_the_same(
    db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = rows(12)
    whole = write_csv(
        tmp_path / "whole.csv", [{**row, "id": number} for number, row in enumerate(told)], (*COLUMNS, "id")
    )
    turned = [{**row, "id": number} for number, row in enumerate(told)][::-1]
    backwards = write_csv(tmp_path / "backwards.csv", turned, (*COLUMNS, "id"))

    monkeypatch.setattr(bot.history, "PIECE", 7)
    await load(db, whole)
    forwards = await db.read(held)
    again = await load(db, backwards)

    assert (again.rows, again.new, again.known) == (96, 0, 96)
    assert await db.read(held) == forwards


async def test_the_name_of_a_known_group_is_not_taken_for_an_id(sqlite: Database, tmp_path: Path) -> None:
    def meet(connection: Connection) -> None:
        store = GroupStore(connection, NOW)
        for group in ("wr1", "wr2"):
            store.meet(group, kind="customer")
            store.describe(group, name="room/a")

    await sqlite.write(meet)

    result = await load(sqlite, write_csv(tmp_path / "log.csv", rows(1)))

    assert (result.new, result.bad) == (4, 4)
    assert result.bad_rows[0].line == 2
    assert "the name of a group known as wr1 and wr2; write the id" in result.bad_rows[0].reason


async def test_in_earnest_one_bad_row_keeps_everything_out(sqlite: Database, tmp_path: Path) -> None:
    path = write_csv(tmp_path / "log.csv", [*rows(), {**rows()[0], "ts": "?"}])

    refused = await load(sqlite, path, strict=True)
    empty = await sqlite.read(held)
    loaded = await load(sqlite, path)

    assert (refused.refused, refused.bad, refused.bad_rows[0].line) == (True, 1, 322)
    assert empty == (0, [])
    assert (loaded.new, loaded.bad) == (320, 1)


async def test_a_clock_that_runs_ahead_is_told_of_and_one_that_is_days_wrong_is_refused(
    sqlite: Database, tmp_path: Path
) -> None:
    ahead = [
        {**rows()[0], "ts": (NOW + timedelta(hours=hours)).isoformat(), "author": f"u{hours}"}
        for hours in (-1, 3, 30)
    ]

    result = await load(sqlite, write_csv(tmp_path / "log.csv", ahead))

    assert (result.new, result.ahead, result.bad) == (2, 1, 1)


async def test_robots_are_known_as_robots_and_not_scored(sqlite: Database, tmp_path: Path) -> None:
    told = [*rows(2), {**rows()[0], "author": "camperbot", "is_bot": 1}]

    await load(sqlite, write_csv(tmp_path / "log.csv", told))

    robots = await sqlite.read(lambda c: list(c.scalars(select(member.c.id).where(member.c.bot))))
    active = await sqlite.read(lambda c: set(c.scalars(select(member_day.c.member))))
    assert robots == ["camperbot"]
    assert "camperbot" not in active


# ---------------------------------------------------------------- scoring what was imported


async def test_each_point_is_scored_from_what_came_before_it(sqlite: Database, tmp_path: Path) -> None:
    told = rows(50)
    points = tmp_path / "points.csv"
    points.write_text(
        "group,as_of_date,messages\nroom/a,2026-02-05,9\nroom/b,2026-01-20,9\nnowhere,2026-02-05,9\n"
    )
    await load(sqlite, write_csv(tmp_path / "early.csv", [row for row in told if row["ts"] < "2026-02-05"]))
    early = await score_points(sqlite, points, now=NOW, zone="Asia/Shanghai", coverage="archive")
    await load(sqlite, write_csv(tmp_path / "late.csv", [row for row in told if row["ts"] >= "2026-02-05"]))

    late = await score_points(sqlite, points, now=NOW, zone="Asia/Shanghai", coverage="archive")

    assert late == early
    assert [(one.pair.group, one.score.label) for one in late] == [
        ("room/a", "ok"), ("room/b", "observing"), ("nowhere", "observing")
    ]  # fmt: skip


async def test_scores_print_as_a_table_others_can_read(sqlite: Database, tmp_path: Path) -> None:
    await load(sqlite, write_csv(tmp_path / "log.csv", rows(50)))

    found = await score_groups(
        sqlite, now=NOW, zone="Asia/Shanghai", coverage="archive", as_of=date(2026, 2, 5), group="room/a"
    )
    line = next(iter(csv.DictReader(as_csv(found).splitlines())))

    assert as_csv(found).startswith(
        "group,as_of_date,score,breadth,momentum,newcomers,depth,rhythm,reciprocity,label"
    )
    assert (line["group"], line["as_of_date"], line["label"]) == ("room/a", "2026-02-05", "ok")
    assert float(line["score"]) == pytest.approx(found[0].score.value, abs=1e-4)
    assert json.loads(as_json(found))[0]["score"] == float(line["score"])


async def test_wrong_questions_are_refused_with_the_next_step(sqlite: Database, tmp_path: Path) -> None:
    points = tmp_path / "points.csv"
    points.write_text("group,as_of_date\nroom/a,2026-02-05\nroom/a,soon\n")

    with pytest.raises(Misconfigured, match=r"points\.csv:3: as_of_date 'soon' is no date"):
        read_pairs(points)
    with pytest.raises(NotFound):
        await score_groups(sqlite, now=NOW, zone="UTC", coverage="archive", group="nowhere")
    assert await score_pairs(sqlite, [], now=NOW, zone="UTC", coverage="archive") == []
    assert Pair("a", date(2026, 1, 1)) == Pair("a", date(2026, 1, 1))
