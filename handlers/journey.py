"""Journeys end when their reason is gone, or go on where a member leads. Waits that ran out are told here; steps are planned."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime

from handlers.context import Context
from handlers.filters import Ticked
from handlers.router import Router
from sop.audience import Expression, Facts
from sop.branch import taken
from sop.journey import Journey, JourneyState, exits, signal_of
from sop.template import On, Signal, Template
from sop.update import (
    AnswerGiven,
    ClockTicked,
    FriendAdded,
    FriendLost,
    GroupDismissed,
    Kind,
    LinkVisited,
    MembersJoined,
    MembersLeft,
    Update,
    WaitEnded,
)
from storage import inbox
from storage.member import LEFT

router = Router("journey")

CHUNK = 100  # waits taken in one transaction


@router.observe(Kind.CLOCK_TICKED, where=Ticked("due"))
def tell_due(ticked: ClockTicked, ctx: Context) -> None:
    """Tell the oldest waits that ran out, one by one; steps are not among them, they are planned in sets."""
    taken = ctx.tx.due.take(ctx.now, CHUNK)
    if len(taken) == CHUNK:
        _tick_again(ticked, ctx)
    for wait in taken:
        ctx.tx.note(
            WaitEnded(
                at=ctx.now,
                what=wait.what,
                whom=wait.whom,
                occurrence=wait.occurrence,
                due=wait.at,
                data=tuple(sorted((key, str(value)) for key, value in wait.data.items())),
            )
        )


def _tick_again(ticked: ClockTicked, ctx: Context) -> None:
    """More may be due: another tick, in a transaction of its own behind what came in meanwhile."""
    first, _, number = ticked.id.partition("#")
    again = replace(ticked, id=f"{first}#{int(number or 0) + 1}")
    inbox.insert(ctx.tx.connection, [inbox.knock_of(again, lane="clock:due", now=ctx.now)])


# ---------------------------------------------------------------- ending early


@router.observe(
    Kind.MESSAGE,
    Kind.LINK_VISITED,
    Kind.ANSWER_GIVEN,
    Kind.CHECKED_IN,
    Kind.ORDER_PAID,
    Kind.TIER_CHANGED,
    Kind.TAG_CHANGED,
)
def end_on_signal(update: Update, ctx: Context) -> None:
    """What a member just did may be what a journey was for, or decide where it goes on."""
    end_for(getattr(update, "member", ""), signal_of(update), ctx, step=_step_of(update, ctx), at=update.at)


def _step_of(update: Update, ctx: Context) -> tuple[str, str] | None:
    """The template and step that a visit or an answer belongs to; None where any step may count it."""
    match update:
        case LinkVisited():
            link = ctx.tx.links.get(update.token)
            return (link.template, link.step) if link else ("", "")
        case AnswerGiven():
            run = ctx.tx.interactions.get(update.run)
            return (run.template, run.step) if run else ("", "")
    return None


def end_for(
    member: str,
    signal: Signal | None,
    ctx: Context,
    *,
    step: tuple[str, str] | None = None,
    at: datetime | None = None,
) -> None:
    """End those of a member's journeys that were for this signal, or that their tags now end; let it decide in the others."""
    journeys = ctx.tx.journeys.active_of(member) if member else []
    known = ctx.tx.members.get(member) if journeys else None
    if known is None:
        return
    [informed] = ctx.tx.audiences(ctx.settings.zone).informed([known], asked_of(journeys, ctx))
    facts = informed.facts()
    for journey in journeys:
        template = ctx.tx.templates.read(journey.template, journey.version)
        reason = exits(template, facts, signal=signal) if template else ""
        if reason:
            end(journey.id, reason, ctx)
        elif template and signal:
            if step is None or step[0] == template.id:
                journey = _hear(template, journey, signal, min(at or ctx.now, ctx.now), ctx)
            if journey.deciding:
                _take_branch(template, journey, signal, step, ctx)


def _hear(template: Template, journey: Journey, signal: Signal, at: datetime, ctx: Context) -> Journey:
    """A step may be counted from what the member just did, now or later; when it is the next one, its moment moves."""
    heard = journey.told(template, signal, at)
    if heard is not journey:
        ctx.tx.journeys.hear([heard])
        if heard.counted_from(template) is signal:
            ctx.tx.due.drop_steps([journey.id])
            ctx.tx.journeys.await_steps(template, [heard], ctx.settings.zone, best=ctx.settings.house.best)
    return heard


def _take_branch(
    template: Template, journey: Journey, signal: Signal, step: tuple[str, str] | None, ctx: Context
) -> None:
    """What the member did leads on, when it was about the step that asks for it."""
    if step is not None and step != (template.id, template.steps[journey.step].id):
        return
    further = journey.decided(template, signal, ctx.now)
    if further == journey:
        return
    ctx.tx.due.drop_steps([journey.id])
    ctx.tx.journeys.advance([further])
    ctx.tx.trail.journeys([(journey.id, taken(template, journey.step, signal, further.step))])
    if further.over:
        ctx.tx.journeys.end([journey.id], further.state, further.reason)
        ctx.tx.journeys.finish(template, [journey.id])
    else:
        ctx.tx.journeys.await_steps(template, [further], ctx.settings.zone, best=ctx.settings.house.best)


def asked_of(journeys: Collection[Journey], ctx: Context) -> list[Expression]:
    """What the templates of these journeys ask of whoever walks them."""
    versions = {(one.template, one.version) for one in journeys}
    templates = (ctx.tx.templates.read(*version) for version in versions)
    return [asked for template in templates if template for asked in template.expressions]


@router.observe(Kind.FRIEND_LOST, Kind.FRIEND_ADDED)
def end_without_friends(told: FriendLost | FriendAdded, ctx: Context) -> None:
    """With the last friendship goes the last way to reach a member, also when we hear of its end before its beginning.

    Who lost their friend because the employee left, or hands them over, waits for somebody to take them over.
    """
    if not (isinstance(told, FriendLost) and told.transferred) and lost_the_last(
        told.member, told.staff, ctx
    ):
        _end_all(told.member, ctx)


def lost_the_last(member: str, staff: str, ctx: Context) -> bool:
    """Whether this friendship is over and was the last."""
    friendship = ctx.tx.members.friendship(member, staff)
    is_over = friendship is not None and friendship.lost_at is not None and friendship.lost_by != LEFT
    return is_over and not ctx.tx.members.friends(member)


@router.observe(Kind.MEMBERS_LEFT, Kind.MEMBERS_JOINED)
def end_with_group(moved: MembersLeft | MembersJoined, ctx: Context) -> None:
    """Leaving a group ends the journeys that joining it began; leaving the last one without a friend ends all.

    So it does when we hear of the leaving first.
    """
    group = ctx.tx.groups.get(moved.group)
    gone = [member for member in moved.members if not ctx.tx.groups.is_seated(moved.group, member)]
    for member in gone:
        alone = not ctx.tx.groups.of_member(member) and not ctx.tx.members.friends(member)
        _end_all(member, ctx, joined="" if alone else (group.name if group else moved.group))


@router.observe(Kind.GROUP_DISMISSED)
def end_with_dismissal(dismissed: GroupDismissed, ctx: Context) -> None:
    _end_all(dismissed.group, ctx)


def _end_all(whom: str, ctx: Context, *, joined: str = "") -> None:
    """End somebody's journeys; with ``joined`` only those that began by joining a group, this one or any."""
    for journey in ctx.tx.journeys.active_of(whom):
        template = ctx.tx.templates.read(journey.template, journey.version)
        if template is None or (joined and not began_by_joining(template, joined)):
            continue
        reason = exits(template, Facts(), left=True)
        if reason:
            end(journey.id, reason, ctx)


def began_by_joining(template: Template, group: str) -> bool:
    """Whether a template follows up on joining a group of this name."""
    return template.trigger.on is On.GROUP_JOINED and template.trigger.group in ("", group)


def end(journey: int, reason: str, ctx: Context) -> None:
    """A journey ends: nothing more is planned, and what waits to be sent for it is cancelled."""
    ctx.tx.journeys.end([journey], JourneyState.EXITED, reason)
    ctx.tx.due.drop_steps([journey])
    ctx.tx.outbox.cancel(journey=journey, reason=f"旅程结束：{reason}")
