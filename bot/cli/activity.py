"""History in, scores out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from bot import history
from bot.cli.frame import ConfigPath, configured, err, out, quiet_log, run_async
from bot.clock import SystemClock
from sop.errors import Misconfigured
from storage import schema
from storage.engine import database

app = typer.Typer(help="The activity log.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """The activity log."""


@app.command("import")
def import_history(
    file: Annotated[Path, typer.Argument(help="A csv or jsonl file, .gz too.")],
    fmt: Annotated[
        Literal["csv", "jsonl"] | None, typer.Option("--format", help="When the name does not tell.")
    ] = None,
    config: ConfigPath = None,
) -> None:
    """Load history; bad rows are reported by line and skipped, and a second run adds nothing."""
    quiet_log()
    settings = configured(config)
    if not file.exists():
        raise Misconfigured(f"There is no file {file}.", remedy="Check the path.")

    async def work() -> history.ImportResult:
        async with database(settings.storage.database.get_secret_value()) as db:
            await schema.ensure(db)
            with Progress(
                TextColumn("导入 {task.fields[rows]} 行"),
                BarColumn(),
                DownloadColumn(),
                TimeRemainingColumn(),
                console=err,
            ) as shown:
                bar = shown.add_task("", total=None, rows=0)

                def report(progress: history.Progress) -> None:
                    shown.update(bar, completed=progress.bytes, total=progress.of, rows=progress.rows)

                return await history.import_history(
                    db,
                    file,
                    now=SystemClock().now(),
                    fmt=fmt,
                    zone=settings.community.timezone,
                    report=report,
                )

    _say(run_async(work()), file)


def _say(result: history.ImportResult, file: Path) -> None:
    if result.already_done:
        out.print(f"{file} 已经导入过：{result.rows} 行，没有新增。")
        return
    if result.resumed_at:
        out.print(f"接着上次的第 {result.resumed_at} 行继续。")
    out.print(
        f"读了 {result.rows} 行，新增 {result.new} 条，已有 {result.known} 条，跳过坏行 {result.bad} 行。"
    )
    for row in result.bad_rows:
        err.print(f"  第 {row.line} 行：{row.reason}", markup=False)
    if result.bad > len(result.bad_rows):
        err.print(f"  ……还有 {result.bad - len(result.bad_rows)} 行")
