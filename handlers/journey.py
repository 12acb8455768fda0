"""Journeys go on when a step is due, and end when their reason is gone. Waits that ran out are taken here, in sets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from handlers.context import Context
from handlers.filters import Ticked
from handlers.router import Router
from handlers.step import Recipient, Scribe, Unsaid
from sop.journey import Fate, Journey, JourneyState, due, exits, fate, fate_reason, signal_of
from sop.message import Message
from sop.tag import Facts
from sop.template import On, Signal, Subject, Template
from sop.update import ClockTicked, FriendLost, GroupDismissed, Kind, MembersLeft, Update, WaitEnded
from storage import inbox
from storage.due import Due

router = Router("journey")

CHUNK = 25  # waits taken in one transaction, so that callbacks meanwhile are stored within milliseconds


@router.observe(Kind.CLOCK_TICKED, where=Ticked("due"))
def take_due(ticked: ClockTicked, ctx: Context) -> None:
    """Take the oldest waits that ran out: steps are walked as a set, the rest is told one by one."""
    taken = ctx.tx.due.take(ctx.now, CHUNK)
    if len(taken) == CHUNK:
        _tick_again(ticked, ctx)
    walk([wait for wait in taken if wait.what == "step"], ctx)
    for wait in taken:
        if wait.what != "step":
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


@dataclass
class Walked:
    """What a chunk of steps comes to; written in one go at the end."""

    messages: list[Message] = field(default_factory=list)
    steps: dict[int, int] = field(default_factory=dict)
    further: list[tuple[Template, Journey]] = field(default_factory=list)
    done: list[int] = field(default_factory=list)
    exited: dict[int, str] = field(default_factory=dict)


def walk(due_steps: Sequence[Due], ctx: Context) -> None:
    """Say, or miss, the due step of each journey, and wait for the next."""
    if not due_steps:
        return
    journeys = ctx.tx.journeys.several([int(wait.whom) for wait in due_steps])
    recipients = _recipients(list(journeys.values()), ctx)
    scribe, walked = Scribe(ctx), Walked()
    for wait in due_steps:
        to = recipients.get(int(wait.whom))
        if to is not None and wait.data:
            to = replace(
                to, friend=wait.data.get("staff", to.friend), welcome_code=wait.data.get("welcome_code", "")
            )
        if to is not None and to.journey.step == int(wait.occurrence):
            template = ctx.tx.templates.read(to.journey.template, to.journey.version)
            if template is not None:
                _walk_one(template, to, wait, scribe, walked, ctx)
    _write(walked, ctx)


def _recipients(journeys: Sequence[Journey], ctx: Context) -> dict[int, Recipient]:
    active = [journey for journey in journeys if journey.state is JourneyState.ACTIVE]
    people = [journey.whom for journey in active if journey.subject is Subject.MEMBER]
    members = {member.id: member for member in ctx.tx.members.several(people)}
    friends = ctx.tx.members.senders(people) if people else {}
    groups = (
        {group.id: group for group in ctx.tx.groups.all(dismissed=True)} if len(people) < len(active) else {}
    )
    return {
        journey.id: Recipient(
            journey, members.get(journey.whom), groups.get(journey.whom), friends.get(journey.whom, "")
        )
        for journey in active
    }


def _walk_one(
    template: Template, to: Recipient, wait: Due, scribe: Scribe, walked: Walked, ctx: Context
) -> None:
    journey, zone = to.journey, ctx.settings.zone
    reason = exits(template, to.facts, left=to.group is not None and not to.group.alive)
    if reason:
        walked.exited[journey.id] = reason
        return
    step = due(template, journey.step, journey.anchor, zone)
    decided = fate(step, ctx.now)
    if decided is not Fate.ON_TIME:
        ctx.tx.due.miss(wait, ctx.now, str(decided), fate_reason(step, decided, zone))
    if decided in (Fate.ON_TIME, Fate.LATE):
        said = scribe.write(template, step, to)
        if isinstance(said, Unsaid):
            ctx.tx.due.miss(wait, ctx.now, "unsaid", said.reason)
        else:
            walked.messages.append(said)
    _go_on(template, journey, walked, ctx)


def _go_on(template: Template, journey: Journey, walked: Walked, ctx: Context) -> None:
    further = journey.advanced(template, ctx.now)
    walked.steps[journey.id] = further.step
    if further.state is JourneyState.DONE:
        walked.done.append(journey.id)
    else:
        walked.further.append((template, further))


def _write(walked: Walked, ctx: Context) -> None:
    ctx.tx.outbox.add_all(walked.messages)
    ctx.tx.journeys.advance(walked.steps)
    ctx.tx.journeys.end(walked.done, JourneyState.DONE, "走完了全部步骤")
    ctx.tx.journeys.await_steps_of(walked.further, ctx.settings.zone)
    for journey, reason in walked.exited.items():
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
    """What a member just did may be what a journey was for."""
    end_for(getattr(update, "member", ""), signal_of(update), ctx)


def end_for(member: str, signal: Signal | None, ctx: Context) -> None:
    """End those of a member's journeys that were for this signal, or that their tags now end."""
    journeys = ctx.tx.journeys.active_of(member) if member else []
    known = ctx.tx.members.get(member) if journeys else None
    if known is None:
        return
    facts = known.facts()
    for journey in journeys:
        template = ctx.tx.templates.read(journey.template, journey.version)
        reason = exits(template, facts, signal=signal) if template else ""
        if reason:
            _end(journey.id, reason, ctx)


@router.observe(Kind.FRIEND_LOST)
def end_without_friends(lost: FriendLost, ctx: Context) -> None:
    """With the last friendship goes the last way to reach a member."""
    if not ctx.tx.members.friends(lost.member):
        _end_all(lost.member, ctx)


@router.observe(Kind.MEMBERS_LEFT)
def end_with_group(left: MembersLeft, ctx: Context) -> None:
    """Leaving a group ends the journeys that joining it began; leaving the last one without a friend ends all."""
    group = ctx.tx.groups.get(left.group)
    for member in left.members:
        alone = not ctx.tx.groups.of_member(member) and not ctx.tx.members.friends(member)
        _end_all(member, ctx, joined="" if alone else (group.name if group else left.group))


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
    ctx.tx.due.drop("step", [str(journey)])
    ctx.tx.outbox.cancel(journey=journey, reason=f"旅程结束：{reason}")
