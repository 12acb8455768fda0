"""The command line from outside: exit codes, and errors in words instead of tracebacks."""

from __future__ import annotations

import json
import logging
import socket
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
import structlog

from bot.cli.main import main
from bot.console import workbook
from sop.file import read
from tests.world import LIBRARY


@dataclass(frozen=True)
class Said:
    code: int
    out: str
    err: str


Run = Callable[..., Said]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Run]:
    """Run one command in a folder of its own; what no one caught shows itself as the exception it is."""
    monkeypatch.chdir(tmp_path)

    def command(*words: str) -> Said:
        monkeypatch.setattr(sys, "argv", ["qunxing", *words])
        code = 0
        try:
            main()
        except SystemExit as stop:
            code = int(stop.code or 0)
        caught = capsys.readouterr()
        return Said(code, caught.out, caught.err)

    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield command
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()


def test_an_internal_group_is_asked_for_and_one_nobody_knows_cannot_be_changed(run: Run) -> None:
    wanted = ("group", "found", "运营群", "--owner", "linmo", "--staff", "suhe")

    said, unknown = run(*wanted), run("group", "change", "没有", "--name", "新")

    assert (said.code, unknown.code) == (0, 1)
    assert "运营群" in said.out
    assert "没有" in unknown.err


def test_a_word_that_is_no_command_is_wrong_use(run: Run) -> None:
    assert run("bogus").code == 2


def test_the_first_words_name_the_section_with_the_password(run: Run) -> None:
    said = run("init")

    assert said.code == 0
    assert "[console]" in said.out


def test_a_check_names_the_sections_it_speaks_of(run: Run) -> None:
    said = run("check")

    assert said.code == 1
    assert "[[wecom.app]]" in said.out


DEAD_PLATFORM = """
[wecom]
corp_id = "wwqx2026demo0001"
api_base = "http://127.0.0.1:9"
[[wecom.app]]
name = "main"
agent_id = 1000002
secret = "made-up-secret"
"""


def test_a_check_with_nobody_on_the_other_side_goes_on_to_its_end(run: Run, tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(DEAD_PLATFORM)

    said = run("check")

    assert (said.code, said.err) == (1, "")
    assert "✗ 企业微信：连不上" in said.out
    assert "✓ 数据库" in said.out
    assert "处要处理" in said.out
    assert "made-up-secret" not in said.out


def test_a_key_of_42_characters_is_a_finding_of_the_check(run: Run, tmp_path: Path) -> None:
    keys = f'token = "t"\naes_key = "{"A" * 42}"\n'
    (tmp_path / "config.toml").write_text(f"{DEAD_PLATFORM}[wecom.contact]\n{keys}")

    said = run("check")

    assert (said.code, said.err) == (1, "")
    assert "wecom.contact.aes_key" in said.out
    assert "43" in said.out


def test_a_check_tells_programs_the_same(run: Run, tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(DEAD_PLATFORM)

    said = run("check", "--json")

    told = {one["what"]: one for one in json.loads(said.out)}
    assert said.code == 1
    assert told["数据库"]["good"] is True
    assert (told["企业微信"]["good"], bool(told["企业微信"]["remedy"])) == (False, True)


def test_names_with_brackets_are_shown_as_they_are(run: Run, tmp_path: Path) -> None:
    (tmp_path / "codes.txt").write_text("A1\nA2\n")

    run("coupon", "import", "spring", "codes.txt", "--name", "[/bold]春天[x]")

    assert "[/bold]春天[x]" in run("coupon", "report").out


def test_more_codes_leave_the_rules_of_a_batch_alone(run: Run, tmp_path: Path) -> None:
    (tmp_path / "codes.txt").write_text("A1\n")
    (tmp_path / "more.txt").write_text("A2\n")

    run("coupon", "import", "spring", "codes.txt", "--name", "春天的券")
    run("coupon", "import", "spring", "more.txt")

    assert "春天的券" in run("coupon", "report").out


@pytest.mark.parametrize("words", [("spring", "none.txt"), ("spring", "empty.txt")])
def test_a_file_without_codes_is_refused(run: Run, tmp_path: Path, words: tuple[str, ...]) -> None:
    (tmp_path / "empty.txt").write_text("\n\n")

    said = run("coupon", "import", *words)

    assert said.code == 1
    assert words[1] in said.err


def test_a_batch_without_an_id_is_wrong_use(run: Run, tmp_path: Path) -> None:
    (tmp_path / "codes.txt").write_text("A1\n")

    assert run("coupon", "import", "", "codes.txt").code == 2


@pytest.mark.parametrize("place", ["blocked/q.sqlite", "blocked"])
def test_a_database_that_cannot_be_opened_is_named(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    (tmp_path / "blocked").write_bytes(b"a file in the way, and no database " * 50)
    monkeypatch.setenv("QUNXING_STORAGE__DATABASE", f"sqlite:///{tmp_path}/{place}")

    said = run("score")

    assert said.code == 1
    assert "blocked" in said.err
    assert "storage.database" in said.err


def test_a_copy_that_cannot_be_written_is_said_in_words(run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    run("db", "upgrade")

    said = run("db", "backup", "file/copy.sqlite")

    assert said.code == 1
    assert "file" in said.err


@pytest.mark.parametrize("words", [("demo", "--port", "99999"), ("simulator", "--bot", "nonsense")])
def test_an_address_that_cannot_be_is_wrong_use(run: Run, words: tuple[str, ...]) -> None:
    assert run(*words).code == 2


def test_a_simulator_whose_port_is_taken_says_what_to_do(run: Run) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])

        said = run("simulator", "--port", port)

    assert said.code == 1
    assert f"Port {port} cannot be used" in said.err
    assert "--port" in said.err


def test_a_workbook_is_checked_and_refused_like_a_text(run: Run, tmp_path: Path) -> None:
    data = workbook.write(read((LIBRARY / "seven_day_growth.toml").read_text("utf-8")))
    (tmp_path / "good.xlsx").write_bytes(data)
    (tmp_path / "bad.xlsx").write_bytes(data[:200])

    good, bad = run("sop", "validate", "good.xlsx"), run("sop", "validate", "bad.xlsx")

    assert (good.code, bad.code) == (0, 1)
    assert "「7天成长计划」，7 步" in good.out
    assert "bad.xlsx:1:1 打不开这个工作簿" in bad.err


def test_templates_are_exported_as_workbooks_that_import_again(run: Run) -> None:
    run("init")
    run("sop", "import", "library")

    exported = run("sop", "export", "--format", "xlsx", "--dir", "books")
    again = run("sop", "import", "books/welcome.xlsx")

    assert (exported.code, again.code) == (0, 0)
    assert "「欢迎新朋友」存为第 2 版草稿" in again.out


def test_days_of_members_nobody_knows_are_refused_whole(run: Run) -> None:
    Path("days.csv").write_text("member,birthday\nlin,1990-02-28\nzhou,1991-03-01\n", encoding="utf-8")

    said, broken = run("member", "import", "days.csv"), run("member", "import", "none.csv")

    assert (said.code, broken.code) == (1, 1)
    assert "days.csv:2:1" in said.err
    assert "没有成员 zhou" in said.err


def test_a_zone_that_is_none_is_refused_with_the_nearest(run: Run) -> None:
    Path("zones.csv").write_text("member,时区\nlin,Asia/Shanghia\n", encoding="utf-8")

    said = run("member", "import", "zones.csv")

    assert said.code == 1
    assert "zones.csv:2:2" in said.err
    assert "Asia/Shanghai" in said.err


def test_while_nothing_was_sent_nobody_knows_whether_the_best_hour_helps(run: Run) -> None:
    run("init")

    said = run("sop", "hours")

    assert said.code == 0
    assert "还不知道有没有用" in said.out


def test_a_difference_is_told_to_people_and_programs_with_the_same_exit_code(
    run: Run, tmp_path: Path
) -> None:
    run("init")
    text = (LIBRARY / "welcome.toml").read_text("utf-8")
    (tmp_path / "same.toml").write_text(text, "utf-8")
    (tmp_path / "remark.toml").write_text(f"# 只加一行说明\n{text}", "utf-8")
    run("sop", "import", "same.toml", "--publish")

    files = ("same.toml", "remark.toml")
    said = [run("sop", "diff", file, "--format", fmt) for file in files for fmt in ("text", "json")]

    assert [one.code for one in said] == [0, 0, 1, 1]
    told = json.loads(said[3].out)
    assert (told["template"], told["changes"]) == ("welcome", [])
    assert "+# 只加一行说明" in told["lines"]


def test_what_the_command_line_saves_and_publishes_is_in_the_audit_trail(run: Run, tmp_path: Path) -> None:
    run("init")
    text = (LIBRARY / "welcome.toml").read_text("utf-8")
    (tmp_path / "plan.toml").write_text(text, "utf-8")

    done = [
        run("sop", "import", "plan.toml"),
        run("sop", "import", "plan.toml"),
        run("sop", "publish", "welcome"),
    ]

    assert [one.code for one in done] == [0, 0, 0]
    (path,) = tmp_path.rglob("*.sqlite")
    with closing(sqlite3.connect(path)) as database:
        deeds = database.execute("SELECT what, detail FROM audit ORDER BY id").fetchall()
    assert deeds == [("saved a template", "welcome v1"), ("published a template", "welcome v1")]


def test_a_rehearsal_needs_no_community_and_says_what_it_assumes(run: Run) -> None:
    file = str(LIBRARY / "welcome.toml")

    table, lines = run("sop", "rehearse", file), run("sop", "rehearse", file, "--format", "csv")

    assert (table.code, lines.code) == (0, 0)
    assert "彩排什么也没有发" in table.out
    assert lines.out.startswith("member,name,step,planned,at,outcome")


def test_why_names_a_member_nobody_knows(run: Run) -> None:
    said = run("why", "wm_nobody", "--template", "welcome")

    assert said.code == 1
    assert "wm_nobody" in said.err


def test_a_template_that_stands_still_is_listed_with_the_reason(run: Run) -> None:
    run("sop", "import", "library")
    run("sop", "pause", "welcome")
    during = run("sop", "list")
    run("sop", "resume", "welcome")

    (line,) = [one for one in during.out.splitlines() if " welcome " in one]
    assert "运营" in line
    assert "运营" not in run("sop", "list").out


# ---------------------------------------------------------------- files that steps attach


def test_files_are_kept_by_name_and_what_the_platform_would_not_take_is_refused(
    run: Run, tmp_path: Path
) -> None:
    poster = b"\x89PNG\r\n\x1a\n" + bytes(64)
    for name, body in (("a.png", poster), ("b.png", poster), ("bad.png", b"GIF89a......")):
        (tmp_path / name).write_bytes(body)

    added, twin, refused = (run("media", "add", name) for name in ("a.png", "b.png", "bad.png"))
    listed = run("media", "list")

    assert (added.code, twin.code, refused.code) == (0, 0, 1)
    assert "图片「a.png」已放进素材库" in added.out
    assert "叫「a.png」" in twin.out
    assert "图片只能是 JPG 或 PNG" in refused.err
    assert "a.png" in listed.out
    assert "b" not in listed.out.replace("KB", "")
