"""Once a day: what followed our messages is learnt, so that the next ones come at a better hour."""

from __future__ import annotations

from datetime import timedelta

from handlers.context import Context
from handlers.filters import Ticked, Waited
from handlers.router import Router
from sop.update import ClockTicked, Kind, WaitEnded
from storage.due import Due

router = Router("hour")

LEARN = "hour.learn"  # the wait to learn from a template, a chunk at a time
CHUNK = 500
DAY = timedelta(days=1)
BREATH = timedelta(milliseconds=200)  # between chunks, in which callbacks are stored


@router.observe(Kind.CLOCK_TICKED, where=Ticked("day"))
def begin(ticked: ClockTicked, ctx: Context) -> None:
    """What was learnt is a day older; then every template is learnt from, one after the other."""
    ctx.tx.hours.age(DAY)
    ctx.tx.due.add(
        *(Due(what=LEARN, whom=one, occurrence="", at=ctx.now) for one in ctx.tx.hours.templates())
    )


@router.observe(Kind.WAIT_ENDED, where=Waited(LEARN))
def go_on(wait: WaitEnded, ctx: Context) -> None:
    if not ctx.tx.hours.learn(wait.whom, ctx.settings.zone, CHUNK):
        ctx.tx.due.add(Due(what=LEARN, whom=wait.whom, occurrence="", at=ctx.now + BREATH))
