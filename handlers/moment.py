"""Moments: what became of those we asked staff to publish, and who liked or commented; asked again and again."""

from __future__ import annotations

from datetime import timedelta

from handlers.context import Context
from handlers.filters import Ticked
from handlers.router import Router
from sop.moment import MomentReported
from sop.receipt import State
from sop.update import ClockTicked, Kind
from storage.errand import Errand

router = Router("moment")

WATCHED = timedelta(days=7)  # reactions come mostly in the first days


@router.observe(Kind.CLOCK_TICKED, where=Ticked("tasks"))
def ask_about_moments(ticked: ClockTicked, ctx: Context) -> None:
    """No callback tells of a moment's confirmation, likes and comments."""
    for entry in ctx.tx.outbox.moments(ctx.now - WATCHED):
        data = {"sender": entry.message.sender}
        ctx.tx.errands.add(Errand(what="moment", whom=entry.number, at=ctx.now, data=data))


@router.observe(Kind.MOMENT_REPORTED)
def settle(told: MomentReported, ctx: Context) -> None:
    """Published is said; who reacted is in the activity log already."""
    if not told.published:
        return
    waiting = [entry.id for entry in ctx.tx.outbox.of_task(told.job) if entry.state is State.CREATED]
    ctx.tx.outbox.move(waiting, State.SENT, reason=f"「{told.sender}」已发表")
