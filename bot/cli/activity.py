"""History in, scores out."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from bot import engagement, history
from bot.cli.frame import ConfigPath, configured, err, out, quiet_log, run_async
from bot.clock import SystemClock
from bot.setting import archive_feed
from sop.engagement import LABELS, PARTS
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
        err.print(f"  第 {row.line} 行：{row.reason}")
    if result.bad > len(result.bad_rows):
        err.print(f"  ……还有 {result.bad - len(result.bad_rows)} 行")


def add_to(parent: typer.Typer) -> None:
    parent.add_typer(app, name="activity")
    parent.command("score")(score)


def score(
    as_of: Annotated[
        datetime | None, typer.Option(help="Score as on the morning of this day.", formats=["%Y-%m-%d"])
    ] = None,
    group: Annotated[str, typer.Option(help="Only this group, by id or name.")] = "",
    points: Annotated[
        Path | None, typer.Option(help="A csv of group,as_of_date: each pair is scored.")
    ] = None,
    fmt: Annotated[Literal["table", "csv", "json"], typer.Option("--format")] = "table",
    config: ConfigPath = None,
) -> None:
    """Engagement scores, each from what happened before its day only."""
    quiet_log()
    settings = configured(config)
    coverage = "archive" if archive_feed(settings) else "bot"
    zone = settings.community.timezone

    async def work() -> list[engagement.Scored]:
        now = SystemClock().now()
        async with database(settings.storage.database.get_secret_value()) as db:
            await schema.ensure(db)
            if points is not None:
                return await engagement.score_points(db, points, now=now, zone=zone, coverage=coverage)
            day = as_of.date() if as_of else None
            return await engagement.score_groups(
                db, now=now, zone=zone, coverage=coverage, as_of=day, group=group
            )

    scored = run_async(work())
    if fmt == "csv":
        typer.echo(engagement.as_csv(scored), nl=False)
    elif fmt == "json":
        typer.echo(engagement.as_json(scored))
    elif scored:
        out.print(_table(scored))
    else:
        out.print("还没有群，也就没有分数。qunxing activity import FILE 可以导入历史。")


def _table(scored: list[engagement.Scored]) -> Table:
    table = Table("群", "日期", "活跃度", *PARTS.values(), "说明")
    for one in sorted(scored, key=lambda one: -one.score.value):
        found = one.score
        parts = [f"{found.parts[part]:.2f}" for part in PARTS]
        shown = f"{found.value:.1f}"
        table.add_row(one.pair.group, one.pair.as_of.isoformat(), shown, *parts, LABELS[found.label])
    return table
