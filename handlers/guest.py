"""Guests: who looks at our pages without being a member or staff is counted, and known again if they become one."""

from __future__ import annotations

from datetime import timedelta

from handlers.context import Context
from handlers.filters import Ticked
from handlers.router import Router
from sop.activity import short_key
from sop.update import ClockTicked, Kind, LinkVisited
from storage.guest import GuestStore

router = Router("guest")


@router.observe(Kind.LINK_VISITED)
def remember(visited: LinkVisited, ctx: Context) -> None:
    if visited.guest and not visited.member:
        GuestStore(ctx.tx.connection, ctx.now).visit(visited.guest, short_key(visited.id))


@router.observe(Kind.CLOCK_TICKED, where=Ticked("day"))
def forget(ticked: ClockTicked, ctx: Context) -> None:
    before = ctx.now - timedelta(days=ctx.settings.callback_days)
    GuestStore(ctx.tx.connection, ctx.now).forget(before)
