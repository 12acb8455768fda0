"""``qunxing sop rehearse``: a draft played against the members there are, without sending anything."""

from __future__ import annotations

import csv
import sys
from collections.abc import Sequence
from datetime import datetime, time
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from bot.cli.frame import ConfigPath, configured, err, out, quiet_log, with_database
from bot.clock import SystemClock
from bot.rehearsal import HEAD, OUTCOMES, Seen, rehearse, row
from bot.setting import house_settings
from sop.errors import Misconfigured
from sop.file import read
from sop.rehearsed import Summary
from sop.stage import Absence, Scene, Walker, assumed
from sop.template import Template
from sop.timing import at_local, spoken
from storage.engine import Database

Format = Literal["table", "calendar", "csv"]


def command(
    file: Path,
    days: Annotated[int, typer.Option(min=1, max=366, help="How many days are played.")] = 14,
    fmt: Annotated[
        Format, typer.Option("--format", help="csv has a line for each member and step.")
    ] = "table",
    begin: Annotated[
        datetime | None,
        typer.Option("--from", formats=["%Y-%m-%d"], help="The first day; today, from now on, without it."),
    ] = None,
    answer_rate: Annotated[
        float,
        typer.Option(
            min=0, max=1, help="The share of members who do what a step with branches asks; 0.3 is 30%."
        ),
    ] = 0.0,
    config: ConfigPath = None,
) -> None:
    """Play a template against the real members in virtual time: who gets what, when, in whose name, and what is refused."""
    quiet_log()
    settings = house_settings(configured(config))
    template = read(_text(file), source=str(file))
    now = SystemClock().now()
    start = at_local(begin.date(), time(), settings.zone) if begin else now

    async def work(db: Database) -> Summary:
        with Progress(
            TextColumn("彩排"), BarColumn(), TextColumn("{task.completed:,.0f}/{task.total:,.0f} 人"),
            TimeRemainingColumn(), console=err, transient=True,
        ) as bar:  # fmt: skip
            task = bar.add_task("", total=0)

            def progress(done: int, size: int) -> None:
                bar.update(task, completed=done, total=max(size, done))

            seen = _writer(template, settings.zone) if fmt == "csv" else _nobody
            return await rehearse(
                db,
                template,
                settings,
                now=now,
                start=start,
                days=days,
                answer_rate=answer_rate,
                seen=seen,
                progress=progress,
            )

    summary = with_database(config, work)
    _assumptions(err if fmt == "csv" else out, answer_rate)
    if fmt == "table":
        _show(summary)
    elif fmt == "calendar":
        out.print(_calendar(summary))


def _nobody(walker: Walker, scenes: Sequence[Scene | Absence]) -> None:
    return None


def _writer(template: Template, zone: str) -> Seen:
    """Writes each scene to standard output as it is played, so that memory stays flat."""
    writer = csv.writer(sys.stdout)
    writer.writerow(HEAD)

    def seen(walker: Walker, scenes: Sequence[Scene | Absence]) -> None:
        writer.writerows(row(template, one, zone) for one in scenes if isinstance(one, Scene))

    return seen


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(f"{path} cannot be read.", remedy="Name a TOML file in UTF-8.") from error


def _assumptions(console: Console, answer_rate: float) -> None:
    console.print("彩排什么也没有发。它这样假设：")
    for one in assumed(answer_rate):
        console.print(f"· {one}")


def _show(summary: Summary) -> None:
    stage = summary.stage
    out.print(
        f"\n「{stage.template.name}」{spoken(stage.start, stage.zone)} 到 {spoken(stage.end, stage.zone)}："
        f"看了 {summary.looked_at} 个，{summary.begun} 个会有动作"
    )
    for outcome, number in summary.outcomes.most_common():
        out.print(f"  {OUTCOMES[outcome]} {number}")
    out.print(_calendar(summary))
    if summary.reasons or summary.absent:
        out.print(_reasons(summary))
    if summary.tasks:
        table = Table("日期", "员工", "要点确认的任务")
        for staff, day, number in summary.confirmations():
            table.add_row(day, staff, str(number))
        out.print(table)
    for line in stage.limits:
        out.print(f"· {line}")


def _calendar(summary: Summary) -> Table:
    steps = summary.stage.template.sayings
    table = Table("日期", *(step.name or step.id for step in steps))
    for day in sorted({day for day, _ in summary.calendar}):
        counts = [summary.calendar.get((day, index)) for index in range(len(steps))]
        table.add_row(day, *(str(count.number) if count else "" for count in counts))
    return table


def _reasons(summary: Summary) -> Table:
    table = Table("没有发出的原因", "结果", "次数", "例如")
    for (reason, outcome), count in sorted(summary.reasons.items(), key=lambda item: -item[1].number):
        table.add_row(reason, OUTCOMES[outcome], str(count.number), "、".join(count.people[:3]))
    for reason, count in summary.absent.items():
        table.add_row(reason, "没有开始", str(count.number), "、".join(count.people[:3]))
    return table
