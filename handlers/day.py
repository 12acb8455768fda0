"""Once a day: what has had its time is forgotten."""

from __future__ import annotations

from datetime import timedelta

from handlers.context import Context
from handlers.filters import Ticked
from handlers.router import Router
from sop.update import ClockTicked, Kind
from storage import inbox, response

router = Router("day")


@router.observe(Kind.CLOCK_TICKED, where=Ticked("day"))
def forget(ticked: ClockTicked, ctx: Context) -> None:
    """Handled callbacks go after their days; the door refuses what is older than a day, so none can come back."""
    inbox.forget(ctx.tx.connection, ctx.now - timedelta(days=ctx.settings.callback_days))
    response.forget(ctx.tx.connection, ctx.now)
