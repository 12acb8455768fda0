"""What happens to who has walked a template to its end, or reached its goal where that is the end."""

from __future__ import annotations

from dataclasses import replace

import structlog

from handlers.context import Context
from handlers.filters import Waited
from handlers.planning import recipients_of
from handlers.router import Router
from handlers.step import Scribe
from handlers.template import begin
from sop.finish import NO_WAY, STILL_WELCOME
from sop.journey import DueStep, Journey, JourneyState
from sop.message import Message
from sop.sender import Unsaid
from sop.template import Subject, Template
from sop.update import Kind, WaitEnded
from storage.due import STEP, Due
from storage.journey import BY_GOAL, FINISH
from storage.way import KeptWay

log = structlog.get_logger()
router = Router("finish")


@router.observe(Kind.WAIT_ENDED, where=Waited(FINISH))
def finish(wait: WaitEnded, ctx: Context) -> None:
    """Tags are added, never replaced; then comes the invitation, and the next template begins by its own rules."""
    journey = ctx.tx.journeys.get(int(wait.whom))
    template = ctx.tx.templates.read(journey.template, journey.version) if journey else None
    by_goal = BY_GOAL in dict(wait.data)
    if journey is None or template is None or not (by_goal or journey.state is JourneyState.DONE):
        return
    became = f"达成了「{template.name}」的目标" if by_goal else f"走完了「{template.name}」"
    for tag in template.finish.tags:
        ctx.tx.tags.add(journey.whom, tag, reason=became)
    if template.finish.invite:
        _invite(template, journey, became, ctx, by_goal=by_goal)
    if template.finish.chain:
        _chain(template, journey.whom, ctx)


def _invite(template: Template, journey: Journey, became: str, ctx: Context, *, by_goal: bool) -> None:
    """Ask them into the group in the way a step would; whoever sits there already is not asked.

    What a goal brought about belongs to no journey: what becomes of one that goes on does not take it back.
    """
    way = ctx.tx.ways.into(template.finish.invite)
    if way and any(ctx.tx.groups.is_seated(group, journey.whom) for group in way.way.groups):
        ctx.tx.trail.journeys([(journey.id, f"没有邀请进「{template.finish.invite}」：已经在群里")])
        return
    said = _invitation(template, journey, way, ctx)
    if isinstance(said, Message):
        why = f"{became}，邀请进「{template.finish.invite}」"
        ctx.tx.outbox.add(replace(said, journey=0 if by_goal else said.journey, why=why))
        return
    beyond = str(len(template.steps))
    wait = Due(what=STEP, whom=str(journey.id), occurrence=beyond, at=ctx.now, version=template.version)
    ctx.tx.due.miss(wait, ctx.now, "unsaid", said.reason)


def _invitation(template: Template, journey: Journey, way: KeptWay | None, ctx: Context) -> Message | Unsaid:
    if way is None:
        return Unsaid(NO_WAY.format(template.finish.invite))
    if not way.image:
        return Unsaid(f"「{template.finish.invite}」的入群活码还没有建好：{way.reason or '稍等几分钟'}")
    step, scribe = template.finish.invitation(way.image), Scribe(ctx)
    due = DueStep(index=len(template.steps), step=step, at=ctx.now, deadline=ctx.now + STILL_WELCOME)
    said = scribe.write(template, due, recipients_of([journey], ctx, {})[journey.id])
    ctx.tx.links.keep(scribe.links)
    return said


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
