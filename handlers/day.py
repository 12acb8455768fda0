"""Once a day: what has had its time is forgotten."""

from __future__ import annotations

from datetime import timedelta

from handlers.context import Context
from handlers.filters import Ticked, Waited
from handlers.router import Router
from sop.update import ClockTicked, Kind, WaitEnded
from storage import inbox, response
from storage.due import Due

router = Router("day")

TRAIL = "trail.forget"  # the wait for the next piece
BREATH = timedelta(seconds=1)


@router.observe(Kind.CLOCK_TICKED, where=Ticked("day"))
def forget(ticked: ClockTicked, ctx: Context) -> None:
    """Handled callbacks go after their days; the door refuses what is older than a day, so none can come back."""
    inbox.forget(ctx.tx.connection, ctx.now - timedelta(days=ctx.settings.callback_days))
    response.forget(ctx.tx.connection, ctx.now)
    _forget_trail(ctx)


@router.observe(Kind.WAIT_ENDED, where=Waited(TRAIL))
def forget_more(wait: WaitEnded, ctx: Context) -> None:
    _forget_trail(ctx)


def _forget_trail(ctx: Context) -> None:
    """What was decided long ago goes in pieces, so that callbacks are stored in between."""
    if not ctx.tx.trail.forget(ctx.now - timedelta(days=ctx.settings.trail_days)):
        ctx.tx.due.add(Due(what=TRAIL, whom="all", occurrence="", at=ctx.now + BREATH))
