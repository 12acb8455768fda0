"""What happens to who has walked a template to its end."""

from __future__ import annotations

import structlog

from handlers.context import Context
from handlers.filters import Waited
from handlers.router import Router
from handlers.template import begin
from sop.journey import JourneyState
from sop.template import Subject, Template
from sop.update import Kind, WaitEnded
from storage.journey import FINISH

log = structlog.get_logger()
router = Router("finish")


@router.observe(Kind.WAIT_ENDED, where=Waited(FINISH))
def finish(wait: WaitEnded, ctx: Context) -> None:
    """Tags are added, never replaced; then the next template begins, by its own rules."""
    journey = ctx.tx.journeys.get(int(wait.whom))
    template = ctx.tx.templates.read(journey.template, journey.version) if journey else None
    if journey is None or template is None or journey.state is not JourneyState.DONE:
        return
    for tag in template.finish.tags:
        ctx.tx.tags.add(journey.whom, tag, reason=f"走完了「{template.name}」")
    if template.finish.chain:
        _chain(template, journey.whom, ctx)


def _chain(template: Template, whom: str, ctx: Context) -> None:
    saved = ctx.tx.templates.published_version(template.finish.chain)
    following = saved and ctx.tx.templates.read(saved.id, saved.version)
    if not following or following.subject is not template.subject:
        log.warning("nothing to go on with", template=template.id, chain=template.finish.chain)
        return
    if template.subject is Subject.MEMBER:
        begin(following, ctx.tx.members.several([whom]), ctx)
    elif group := ctx.tx.groups.get(whom):
        begin(following, [group], ctx)
