"""Once a day: the platform's statistics of the days that are over."""

from __future__ import annotations

from datetime import timedelta

from handlers.context import Context
from handlers.filters import Ticked
from handlers.router import Router
from sop.quota import PLATFORM
from sop.timing import local_day
from sop.update import ClockTicked, Kind
from storage.errand import Errand

router = Router("statistic")

LOOK_BACK = timedelta(days=7)


@router.observe(Kind.CLOCK_TICKED, where=Ticked("day"))
def ask(ticked: ClockTicked, ctx: Context) -> None:
    """Ask for yesterday, and for days of the last week that nobody has told us of."""
    yesterday = local_day(ctx.now, PLATFORM) - timedelta(days=1)
    wanted = {yesterday, *ctx.tx.statistics.missing(yesterday - LOOK_BACK, yesterday)}
    for day in sorted(wanted):
        ctx.tx.errands.add(Errand(what="statistics", whom=day.isoformat(), at=ctx.now))
