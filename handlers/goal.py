"""Goals: who reaches what a template is for, whether they walk it, have walked it, or are held out for comparison."""

from __future__ import annotations

from handlers.context import Context
from handlers.router import Router
from sop.journey import signal_of
from sop.template import Goal, Signal, Subject
from sop.update import Kind, TagChanged, Update

router = Router("goal")


@router.observe(
    Kind.MESSAGE,
    Kind.LINK_VISITED,
    Kind.ANSWER_GIVEN,
    Kind.CHECKED_IN,
    Kind.ORDER_PAID,
    Kind.TIER_CHANGED,
    Kind.TAG_CHANGED,
)
def note_goals(update: Update, ctx: Context) -> None:
    """What a member just did, or the tag they just got, may be the goal of templates they began in time."""
    tag = update.tag if isinstance(update, TagChanged) and update.added else ""
    reach(getattr(update, "member", ""), signal_of(update), ctx, tag=tag)


def reach(member: str, signal: Signal | None, ctx: Context, *, tag: str = "") -> None:
    """Note a goal once for each journey; nothing is asked of the database when no template has this goal."""
    if not member or (signal is None and not tag):
        return
    for template in ctx.tx.templates.running():
        if template.subject is Subject.MEMBER and template.goal and _is_it(template.goal, signal, tag):
            for journey, version in ctx.tx.experiments.reached(
                template.id, member, template.goal.within_days
            ):
                _finish(ctx, template.id, version, journey)


def _finish(ctx: Context, template: str, version: int, journey: int) -> None:
    """Where the version somebody walks says so, the goal is their end."""
    walked = ctx.tx.templates.read(template, version)
    if walked is not None and walked.finish.on_goal:
        ctx.tx.journeys.finish(walked, [journey], by_goal=True)


def _is_it(goal: Goal, signal: Signal | None, tag: str) -> bool:
    return (signal is not None and goal.signal is signal) or (tag != "" and goal.tag == tag)
