"""What operators know of members, brought in from a file."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import track

from bot.cli.frame import ConfigPath, err, out, quiet_log, with_database
from sop.errors import Misconfigured, Problem, TemplateError
from sop.field import MemberDate, read_dates
from storage.engine import Connection
from storage.field import FieldStore

app = typer.Typer(help="Members.", no_args_is_help=True)
LARGEST = 64 * 1024 * 1024  # bytes
CHUNK = 2000


@app.callback()
def _group() -> None:
    """Members."""


@app.command("import")
def import_dates(
    file: Annotated[Path, typer.Argument(help="A csv file: member, and a column for each date field.")],
    config: ConfigPath = None,
) -> None:
    """Keep members' birthdays and other days; a file with any mistake is refused whole, each by its line."""
    quiet_log()
    dates = read_dates(_text(file), source=str(file))
    with_database(config, lambda db: db.write(partial(_keep, dates, str(file))))
    members = len({one.member for one in dates})
    out.print(f"记下了 {members} 位成员的 {len(dates)} 个日期。")


def _text(file: Path) -> str:
    if not file.is_file():
        raise Misconfigured(f"There is no file {file}.", remedy="Check the path.")
    if file.stat().st_size > LARGEST:
        raise Misconfigured(f"{file} is larger than {LARGEST >> 20} MiB.", remedy="Split it.")
    try:
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise Misconfigured(f"{file} is not UTF-8.", remedy="Save it as UTF-8 CSV.") from error


def _keep(dates: Sequence[MemberDate], source: str, connection: Connection) -> None:
    """All or nothing: the one transaction ends without a trace when a member is unknown."""
    store, unknown = FieldStore(connection), set[str]()
    chunks = [dates[at : at + CHUNK] for at in range(0, len(dates), CHUNK)]
    for chunk in track(chunks, "导入日期", console=err, transient=True):
        unknown |= store.unknown([one.member for one in chunk])
        store.keep(chunk)
    if unknown:
        lines = {one.member: one.line for one in reversed(dates) if one.member in unknown}
        raise TemplateError(
            [
                Problem(line, 1, "member", f"没有成员 {who}", "已经认识的成员")
                for who, line in reversed(lines.items())
            ],
            source=source,
        )


def add_to(parent: typer.Typer) -> None:
    parent.add_typer(app, name="member")
