"""``qunxing sop results``: what became of each step of a template, and what is known of its arms."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Annotated, Literal

import typer
from rich.table import Table

from bot.cli.frame import ConfigPath, out, quiet_log, with_database
from bot.clock import SystemClock
from bot.console.funnel import as_csv
from sop.errors import NotFound
from sop.experiment import verdicts
from sop.funnel import STAGES, StepLine
from storage.engine import Connection, Database
from storage.experiment import ExperimentStore
from storage.funnel import FunnelStore
from storage.template import TemplateStore


def command(
    template: str,
    days: Annotated[int, typer.Option(min=1, max=400, help="How far to look back.")] = 28,
    fmt: Annotated[Literal["table", "csv", "json"], typer.Option("--format")] = "table",
    config: ConfigPath = None,
) -> None:
    """Count for each step for how many it was due, kept back, sent, opened, answered; and whether it helped."""
    quiet_log()
    now = SystemClock().now()

    async def work(db: Database) -> tuple[list[StepLine], list[str]]:
        return await db.read(lambda c: _ask(c, now, template, days))

    lines, known = with_database(config, work)
    if fmt == "csv":
        typer.echo(as_csv(lines), nl=False)
    elif fmt == "json":
        typer.echo(json.dumps(_plain(lines), ensure_ascii=False, indent=2))
    else:
        out.print(_table(lines))
        for line in known:
            out.print(f"{line}。")


def _ask(connection: Connection, now: datetime, template: str, days: int) -> tuple[list[StepLine], list[str]]:
    store = TemplateStore(connection, now)
    saved = store.published_version(template)
    plan = store.read(template, saved.version if saved else store.newest_version(template))
    if plan is None:
        raise NotFound("template", template)
    lines = FunnelStore(connection, plan, now - timedelta(days=days)).lines()
    return lines, verdicts(ExperimentStore(connection, now).tallies(plan))


def _table(lines: list[StepLine]) -> Table:
    table = Table("步骤", *STAGES.values(), "没发出的原因")
    for line in lines:
        reasons = "；".join(f"{reason} {count}" for reason, count in line.kept.items())
        table.add_row(line.step, *(str(line.counts.get(stage, 0)) for stage in STAGES), reasons)
    return table


def _plain(lines: list[StepLine]) -> list[dict[str, object]]:
    return [
        {
            "step": line.step,
            **{str(stage): line.counts.get(stage, 0) for stage in STAGES},
            "reasons": line.kept,
        }
        for line in lines
    ]
