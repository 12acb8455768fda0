"""Audiences are kept: who belongs to what the clock starts is known before its slot is reached.

Members who changed are asked again every hour and before a slot; everybody is, in turns, when a version is new.
"""

from __future__ import annotations

from handlers.context import Context
from handlers.filters import Ticked, Waited
from handlers.router import Router
from sop.template import Template
from sop.update import ClockTicked, Kind, WaitEnded
from storage.audience import is_kept
from storage.due import Due

router = Router("audience")

AUDIENCE = "audience"  # the wait for the next turn of members to be asked; whom: the template, or empty for who changed


@router.observe(Kind.CLOCK_TICKED, where=Ticked("roll"))
def keep(ticked: ClockTicked, ctx: Context) -> None:
    """Ask again whom it may concern."""
    templates = _kept(ctx)
    audiences = ctx.tx.audiences(ctx.settings.zone)
    audiences.forget([template.id for template in templates])
    for template in templates:
        if audiences.begins_to_keep(template):
            _again(template.id, ctx)
    _again("", ctx)


@router.observe(Kind.WAIT_ENDED, where=Waited(AUDIENCE))
def go_on(wait: WaitEnded, ctx: Context) -> None:
    """One turn of members, and then the next."""
    templates, audiences = _kept(ctx), ctx.tx.audiences(ctx.settings.zone)
    if not wait.whom:
        more = audiences.absorb(templates)
    else:
        more = any(audiences.walk(template) for template in templates if template.id == wait.whom)
    if more:
        _again(wait.whom, ctx)


def _kept(ctx: Context) -> list[Template]:
    return [template for template in ctx.tx.templates.running() if is_kept(template)]


def _again(whom: str, ctx: Context) -> None:
    ctx.tx.due.add(Due(what=AUDIENCE, whom=whom, occurrence="next", at=ctx.now))
