"""``qunxing sop hours``: when people follow what we send, and whether writing to them then helps."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer
from rich.table import Table

from bot.cli.frame import ConfigPath, configured, out, quiet_log, with_database
from bot.clock import SystemClock
from sop.hour import Effect, Rates
from storage.engine import Connection, Database
from storage.hour import HourStore, Known

SHOWN = 3  # hours named of each kind of day
DAYS = {"工作日": range(5), "周末": range(5, 7)}


def command(
    template: Annotated[str, typer.Argument(help="Whether it helped one template; without it, all.")] = "",
    config: ConfigPath = None,
) -> None:
    """Show the hours learnt for each group and tier, and whether steps at the best hour do better than at 19:30."""
    quiet_log()
    configured(config)
    now = SystemClock().now()

    async def work(db: Database) -> tuple[list[Known], Effect]:
        return await db.read(lambda c: _ask(c, now, template))

    known, effect = with_database(config, work)
    table = Table("群", "分层", "发过", *DAYS)
    for one in known:
        table.add_row(
            one.group, one.tier, f"{one.sends:.0f}", *(_tops(one.rates, days) for days in DAYS.values())
        )
    out.print(table)
    out.print(effect.line)


def _ask(connection: Connection, now: datetime, template: str) -> tuple[list[Known], Effect]:
    store = HourStore(connection, now)
    return store.known(), store.effect(template)


def _tops(rates: Rates, days: range) -> str:
    """The hours of such days at which most is expected, the best first."""
    means = {hour: sum(rates[day * 24 + hour] for day in days) / len(days) for hour in range(24)}
    best = sorted(means, key=lambda hour: (-means[hour], hour))[:SHOWN]
    return "、".join(f"{hour}:30" for hour in best)
