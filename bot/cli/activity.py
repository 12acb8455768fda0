"""History in, scores out."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from bot import engagement, export, history
from bot.cli.frame import ConfigPath, configured, err, out, quiet_log, run_async
from bot.clock import SystemClock
from bot.record import Format
from bot.setting import archive_feed
from sop.engagement import CONFIDENCES, LABELS, PARTS
from sop.errors import Misconfigured
from sop.formula import FORMULAS, STANDARD, Formula, reweighed
from storage import schema
from storage.engine import database

app = typer.Typer(help="The activity log.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """The activity log."""


@app.command("import")
def import_history(
    file: Annotated[Path, typer.Argument(help="A csv, jsonl (.gz too) or parquet file.")],
    fmt: Annotated[Format | None, typer.Option("--format", help="When the name does not tell.")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="One bad row, and nothing is loaded.")] = False,
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
                    strict=strict,
                    report=report,
                )

    _say(run_async(work()), file)


def _say(result: history.ImportResult, file: Path) -> None:
    if result.already_done:
        out.print(f"{file} 已经导入过：{result.rows} 行，没有新增。")
        return
    if result.refused:
        err.print(f"{file} 里有 {result.bad} 行坏行，什么都没有导入。改好再来，或去掉 --strict 跳过它们：")
        _say_bad(result)
        raise typer.Exit(1)
    if result.resumed_at:
        out.print(f"接着上次的第 {result.resumed_at} 行继续。")
    out.print(
        f"读了 {result.rows} 行，新增 {result.new} 条，已有 {result.known} 条，跳过坏行 {result.bad} 行。"
    )
    if result.ahead:
        out.print(f"其中 {result.ahead} 条的时间比现在晚（不到一天），按原样记下了：请核对那边的时钟和时区。")
    _say_bad(result)


def _say_bad(result: history.ImportResult) -> None:
    for row in result.bad_rows:
        err.print(f"  第 {row.line} 行：{row.reason}")
    if result.bad > len(result.bad_rows):
        err.print(f"  ……还有 {result.bad - len(result.bad_rows)} 行")


@app.command("export")
def export_log(
    file: Annotated[Path, typer.Argument(help="Where to: .csv, .jsonl (.gz too) or .parquet.")],
    fmt: Annotated[Format | None, typer.Option("--format", help="When the name does not tell.")] = None,
    group: Annotated[str, typer.Option(help="Only this group, by id.")] = "",
    config: ConfigPath = None,
) -> None:
    """Write the log to a file; importing it where it came from adds nothing."""
    quiet_log()
    settings = configured(config)

    async def work() -> int:
        async with database(settings.storage.database.get_secret_value()) as db:
            await schema.ensure(db)
            with Progress(TextColumn("导出 {task.completed} 行"), console=err) as shown:
                bar = shown.add_task("", total=None)
                return await export.export_log(
                    db, file, fmt=fmt, group=group, report=lambda rows: shown.update(bar, completed=rows)
                )

    out.print(f"{run_async(work())} 行写进了 {file}。")


@app.command("rebuild")
def rebuild(config: ConfigPath = None) -> None:
    """Add up the whole log again: roll-ups that no longer match it are put right; scores follow within the hour."""
    quiet_log()
    settings = configured(config)

    async def work() -> int:
        async with database(settings.storage.database.get_secret_value()) as db:
            await schema.ensure(db)
            with Progress(
                TextColumn("重新汇总 {task.completed}/{task.total} 条"), BarColumn(), console=err
            ) as shown:
                bar = shown.add_task("", total=None)
                return await engagement.replay(
                    db,
                    zone=settings.community.timezone,
                    report=lambda done, of: shown.update(bar, completed=done, total=of),
                )

    out.print(f"{run_async(work())} 条行为重新汇总完毕。")


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
    version: Annotated[
        str, typer.Option("--formula", help="Another version of the formula.")
    ] = STANDARD.version,
    weight: Annotated[
        list[str] | None,
        typer.Option(help="Replay with another weight of a part, like breadth=0.6; repeatable."),
    ] = None,
    config: ConfigPath = None,
) -> None:
    """Engagement scores, each from what happened before its day only."""
    quiet_log()
    settings = configured(config)
    coverage = "archive" if archive_feed(settings) else "bot"
    zone = settings.community.timezone
    formula = _formula(version, weight or [])

    async def work() -> list[engagement.Scored]:
        now = SystemClock().now()
        async with database(settings.storage.database.get_secret_value()) as db:
            await schema.ensure(db)
            if points is not None:
                return await engagement.score_points(
                    db, points, now=now, zone=zone, coverage=coverage, formula=formula
                )
            day = as_of.date() if as_of else None
            return await engagement.score_groups(
                db, now=now, zone=zone, coverage=coverage, as_of=day, group=group, formula=formula
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


def _formula(version: str, weights: list[str]) -> Formula:
    if version not in FORMULAS:
        raise Misconfigured(f"There is no formula {version!r}.", remedy=f"Use one of {', '.join(FORMULAS)}.")
    told = [weight.partition("=") for weight in weights]
    try:
        return reweighed(FORMULAS[version], {part: float(number) for part, _, number in told})
    except ValueError as error:
        raise Misconfigured(
            f"--weight {' '.join(weights)} holds no number.", remedy="Write it like breadth=0.6."
        ) from error


def _table(scored: list[engagement.Scored]) -> Table:
    table = Table("群", "日期", "活跃度", *PARTS.values(), "状态", "把握")
    table.add_column("说明", overflow="fold", ratio=1)
    for one in sorted(scored, key=lambda one: -one.score.value):
        found = one.score
        parts = [f"{found.parts[part]:.2f}" for part in PARTS]
        shown = f"{found.value:.1f}"
        table.add_row(
            one.pair.group,
            one.pair.as_of.isoformat(),
            shown,
            *parts,
            LABELS[found.label],
            CONFIDENCES[found.confidence],
            one.why,
        )
    return table
