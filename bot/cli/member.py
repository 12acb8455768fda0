"""What operators know of members, brought in from a file."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from rich.progress import track

from bot.cli.frame import ConfigPath, err, out, quiet_log, with_database
from sop.errors import Misconfigured, Problem, TemplateError
from sop.field import Brought, read_members
from storage.engine import Connection
from storage.field import FieldStore
from storage.zone import ZoneStore

app = typer.Typer(help="Members.", no_args_is_help=True)
LARGEST = 64 * 1024 * 1024  # bytes
CHUNK = 2000
T = TypeVar("T")


@app.callback()
def _group() -> None:
    """Members."""


@app.command("import")
def import_members(
    file: Annotated[Path, typer.Argument(help="A csv file: member, a column for each date field, and zone.")],
    config: ConfigPath = None,
) -> None:
    """Keep members' birthdays, other days and time zones; a file with any mistake is refused whole, each by its line."""
    quiet_log()
    brought = read_members(_text(file), source=str(file))
    with_database(config, lambda db: db.write(partial(_keep, brought, str(file))))
    members = {one.member for one in brought.dates} | set(brought.zones)
    out.print(f"记下了 {len(members)} 位成员的 {len(brought.dates)} 个日期和 {len(brought.zones)} 个时区。")


def _text(file: Path) -> str:
    if not file.is_file():
        raise Misconfigured(f"There is no file {file}.", remedy="Check the path.")
    if file.stat().st_size > LARGEST:
        raise Misconfigured(f"{file} is larger than {LARGEST >> 20} MiB.", remedy="Split it.")
    try:
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise Misconfigured(f"{file} is not UTF-8.", remedy="Save it as UTF-8 CSV.") from error


def _keep(brought: Brought, source: str, connection: Connection) -> None:
    """All or nothing: the one transaction ends without a trace when a member is unknown."""
    store, unknown = FieldStore(connection), set[str]()
    for people in _chunks(list(brought.lines)):
        unknown |= store.unknown(people)
    for chunk in track(_chunks(brought.dates), "导入日期", console=err, transient=True):
        store.keep(chunk)
    for pairs in _chunks(list(brought.zones.items())):
        ZoneStore(connection).keep(dict(pairs))
    if unknown:
        raise TemplateError(
            [
                Problem(line, 1, "member", f"没有成员 {who}", "已经认识的成员")
                for who, line in brought.lines.items()
                if who in unknown
            ],
            source=source,
        )


def _chunks(many: Sequence[T]) -> list[Sequence[T]]:
    return [many[at : at + CHUNK] for at in range(0, len(many), CHUNK)]


def add_to(parent: typer.Typer) -> None:
    parent.add_typer(app, name="member")
