"""Journeys go on when a step is due, in sets, and end when their reason is gone. Other waits that ran out are told here."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

import structlog

from handlers.context import Context
from handlers.filters import Ticked
from handlers.router import Router
from handlers.step import Recipient, Scribe
from sop.audience import Expression, Facts
from sop.journey import Fate, Journey, JourneyState, due, exits, fate, fate_reason, signal_of
from sop.message import Message
from sop.sender import Unsaid
from sop.template import On, Signal, Subject, Template
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
from storage.due import DECIDING, Due
from storage.engine import is_trouble
from storage.interaction import Run
from storage.link import Tracked
from storage.member import LEFT

log = structlog.get_logger()
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


# ---------------------------------------------------------------- going on


class Overtaken(Exception):
    """What a plan was made on has changed meanwhile; plan again."""


@dataclass
class Plan:
    """What a chunk of due steps comes to: decided and written on a consistent view, stored in one short transaction."""

    waits: list[Due] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    links: list[Tracked] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)
    walked: dict[int, tuple[Template, Journey]] = field(default_factory=dict)  # journeys one step further
    exited: dict[int, str] = field(default_factory=dict)
    missed: list[tuple[Due, str, str]] = field(default_factory=list)  # with what became of it, and why
    held: list[tuple[Due, str]] = field(default_factory=list)  # of templates that are paused

    @property
    def size(self) -> int:
        """How many due steps it settles."""
        return len(self.waits) + len(self.held)

    def without(self, gone: set[int]) -> Plan:
        """The plan for those whose waits are still there; the journeys of the others ended or went on meanwhile."""
        if not gone:
            return self
        left = {int(wait.whom) for wait in self.waits if wait.id in gone}
        return Plan(
            waits=[wait for wait in self.waits if wait.id not in gone],
            messages=[message for message in self.messages if message.journey not in left],
            links=self.links,
            runs=self.runs,
            walked={id_: further for id_, further in self.walked.items() if id_ not in left},
            exited={id_: reason for id_, reason in self.exited.items() if id_ not in left},
            missed=[miss for miss in self.missed if miss[0].id not in gone],
            held=self.held,
        )


def plan(ctx: Context, limit: int) -> Plan:
    """Say, or miss, the step of each journey whose turn has come. Reads only, so that no writer waits for words."""
    due_steps = ctx.tx.due.steps(ctx.now, limit)
    planned, scribe = Plan(), Scribe(ctx)
    recipients, paused = _recipients(due_steps, ctx), ctx.tx.pauses.paused()
    for wait in due_steps:
        to = recipients.get(int(wait.whom))
        if to and to.journey.template in paused:
            planned.held.append((wait, to.journey.template))
            continue
        planned.waits.append(wait)
        template = to and ctx.tx.templates.read(to.journey.template, to.journey.version)
        if to and template and wait.occurrence == _awaited(to.journey):
            try:
                _plan_one(template, to, wait, scribe, planned)
            except Exception as error:  # one member's trouble must not hold up everybody else's day
                if is_trouble(error):
                    raise
                log.exception(
                    "step failed", template=template.id, journey=to.journey.id, step=wait.occurrence
                )
                _miss(planned, wait, "failed", f"出错了：{type(error).__name__}，详情见日志")
                _go_on(template, to.journey, planned, ctx)
    planned.links, planned.runs = scribe.links, scribe.runs
    return planned


def _recipients(due_steps: Sequence[Due], ctx: Context) -> dict[int, Recipient]:
    """Whom each journey speaks to; of the active ones only."""
    journeys = ctx.tx.journeys.several([int(wait.whom) for wait in due_steps])
    active = [one for one in journeys.values() if one.state is JourneyState.ACTIVE]
    people = [one.whom for one in active if one.subject is Subject.MEMBER]
    asked = _asked(active, ctx)
    audiences = ctx.tx.audiences(ctx.settings.zone)
    members = {member.id: member for member in audiences.informed(ctx.tx.members.several(people), asked)}
    friends = ctx.tx.members.senders(people) if people else {}
    groups = (
        {group.id: group for group in ctx.tx.groups.all(dismissed=True)} if len(people) < len(active) else {}
    )
    arrived = {int(wait.whom): wait.data for wait in due_steps}  # what the moment of joining brought along
    return {
        one.id: Recipient(
            one,
            members.get(one.whom),
            groups.get(one.whom),
            friends.get(one.whom, ""),
            arrived[one.id].get("welcome_code", ""),
            arrived[one.id].get("staff", ""),
        )
        for one in active
    }


def _asked(journeys: Collection[Journey], ctx: Context) -> list[Expression]:
    """What the templates of these journeys ask of whoever walks them."""
    versions = {(one.template, one.version) for one in journeys}
    templates = (ctx.tx.templates.read(*version) for version in versions)
    return [asked for template in templates if template for asked in template.expressions]


def _plan_one(template: Template, to: Recipient, wait: Due, scribe: Scribe, planned: Plan) -> None:
    ctx, journey = scribe.ctx, to.journey
    reason = exits(template, to.facts, left=to.group is not None and not to.group.alive)
    if reason:
        planned.exited[journey.id] = reason
        return
    if journey.deciding:
        planned.walked[journey.id] = (template, journey.decided(template, None, ctx.now))
        return
    step = due(template, journey.step, journey.anchor, ctx.settings.zone, since=journey.changed)
    decided = fate(step, ctx.now)
    spoken = False
    if decided is not Fate.ON_TIME:
        _miss(planned, wait, str(decided), fate_reason(step, decided, ctx.settings.zone))
    if decided in (Fate.ON_TIME, Fate.LATE):
        said = scribe.write(template, step, to)
        if isinstance(said, Unsaid):
            _miss(planned, wait, "unsaid", said.reason)
        else:
            planned.messages.append(said)
            spoken = True
    _go_on(template, journey, planned, ctx, said=spoken)


def _miss(planned: Plan, wait: Due, became: str, reason: str) -> None:
    planned.missed.append((wait, became, reason))


def _go_on(template: Template, journey: Journey, planned: Plan, ctx: Context, *, said: bool = False) -> None:
    planned.walked[journey.id] = (template, journey.advanced(template, ctx.now, said=said))


def _awaited(journey: Journey) -> str:
    """Which wait is a journey's own now."""
    return f"{journey.step}{DECIDING if journey.deciding else ''}"


def carry_out(planned: Plan, ctx: Context) -> None:
    """Store a plan; :class:`Overtaken` when somebody else made what it needs meanwhile."""
    ctx.tx.pauses.lay_aside(planned.held)
    taken = ctx.tx.due.take_steps([wait.id for wait in planned.waits])
    planned = planned.without({wait.id for wait in planned.waits} - taken)
    if not ctx.tx.links.keep(planned.links):
        raise Overtaken("somebody else made one of the links")
    for run in planned.runs:
        ctx.tx.interactions.open(run)
    ctx.tx.outbox.add_all(planned.messages)
    for wait, became, reason in planned.missed:
        ctx.tx.due.miss(wait, ctx.now, became, reason)
    further = list(planned.walked.values())
    ctx.tx.journeys.advance([journey for _, journey in further])
    done = [journey.id for _, journey in further if journey.state is JourneyState.DONE]
    ctx.tx.journeys.end(done, JourneyState.DONE, "走完了全部步骤")
    for template, walked in further:
        if walked.state is JourneyState.DONE:
            ctx.tx.journeys.finish(template, [walked.id])
    ctx.tx.journeys.await_steps_of(further, ctx.settings.zone)
    for journey, reason in planned.exited.items():
        _end(journey, reason, ctx)


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
    end_for(getattr(update, "member", ""), signal_of(update), ctx, step=_step_of(update, ctx))


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


def end_for(member: str, signal: Signal | None, ctx: Context, *, step: tuple[str, str] | None = None) -> None:
    """End those of a member's journeys that were for this signal, or that their tags now end; let it decide in the others."""
    journeys = ctx.tx.journeys.active_of(member) if member else []
    known = ctx.tx.members.get(member) if journeys else None
    if known is None:
        return
    [informed] = ctx.tx.audiences(ctx.settings.zone).informed([known], _asked(journeys, ctx))
    facts = informed.facts()
    for journey in journeys:
        template = ctx.tx.templates.read(journey.template, journey.version)
        reason = exits(template, facts, signal=signal) if template else ""
        if reason:
            _end(journey.id, reason, ctx)
        elif template and signal and journey.deciding:
            _take_branch(template, journey, signal, step, ctx)


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
    if further.over:
        ctx.tx.journeys.end([journey.id], further.state, further.reason)
        ctx.tx.journeys.finish(template, [journey.id])
    else:
        ctx.tx.journeys.await_steps(template, [further], ctx.settings.zone)


@router.observe(Kind.FRIEND_LOST, Kind.FRIEND_ADDED)
def end_without_friends(told: FriendLost | FriendAdded, ctx: Context) -> None:
    """With the last friendship goes the last way to reach a member, also when we hear of its end before its beginning.

    Who lost their friend because the employee left, or hands them over, waits for somebody to take them over.
    """
    friendship = ctx.tx.members.friendship(told.member, told.staff)
    is_over = friendship is not None and friendship.lost_at is not None and friendship.lost_by != LEFT
    if isinstance(told, FriendLost) and told.transferred:
        return
    if is_over and not ctx.tx.members.friends(told.member):
        _end_all(told.member, ctx)


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
            _end(journey.id, reason, ctx)


def began_by_joining(template: Template, group: str) -> bool:
    """Whether a template follows up on joining a group of this name."""
    return template.trigger.on is On.GROUP_JOINED and template.trigger.group in ("", group)


def _end(journey: int, reason: str, ctx: Context) -> None:
    """A journey ends: nothing more is planned, and what waits to be sent for it is cancelled."""
    ctx.tx.journeys.end([journey], JourneyState.EXITED, reason)
    ctx.tx.due.drop_steps([journey])
    ctx.tx.outbox.cancel(journey=journey, reason=f"旅程结束：{reason}")
