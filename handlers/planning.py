"""Steps whose turn has come: those that are alike are planned by set, without words; the others are decided one by one.

What is decided one by one is decided and written on a consistent view, and stored in one short transaction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import structlog

from handlers.context import Context
from handlers.journey import asked_of, end
from handlers.step import Recipient, Scribe
from sop.branch import taken
from sop.journey import Fate, Journey, JourneyState, exits, fate, fate_reason, next_due
from sop.message import Message
from sop.sender import Unsaid
from sop.stride import Stride, strides
from sop.template import Subject, Template
from storage.due import DECIDING, Due
from storage.engine import is_trouble
from storage.interaction import Run
from storage.link import Tracked
from storage.stride import Place

log = structlog.get_logger()


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


def stride(ctx: Context, places: Sequence[Place], ids: Sequence[int]) -> int:
    """Plan by set what those at these places do alike whose waits these are; returns how many. Who is paused waits."""
    paused, found = ctx.tx.pauses.paused(), list[Stride]()
    for place in places:
        template = ctx.tx.templates.read(place.template, place.version)
        if template is not None and template.id not in paused:
            found += strides(
                template,
                place.step,
                ctx.now,
                ctx.settings.zone,
                first=place.first,
                last=place.last,
                own_zone=place.zone,
            )
    return ctx.tx.strides.take(found, ids) if found else 0


def plan(ctx: Context, ids: Sequence[int]) -> Plan:
    """Say, or miss, each of these steps that is due still. Reads only, so that no writer waits for words.

    Who has something to hear from the step before, whose words are still to be found, hears that first.
    """
    due_steps = ctx.tx.due.steps(ids, ctx.now)
    first = ctx.tx.planned.awaited([int(wait.whom) for wait in due_steps])
    due_steps = [wait for wait in due_steps if int(wait.whom) not in first]
    planned, scribe = Plan(), Scribe(ctx)
    journeys = ctx.tx.journeys.several([int(wait.whom) for wait in due_steps])
    active = [one for one in journeys.values() if one.state is JourneyState.ACTIVE]
    recipients = recipients_of(active, ctx, {int(wait.whom): wait.data for wait in due_steps})
    paused = ctx.tx.pauses.paused()
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


def recipients_of(
    journeys: Sequence[Journey], ctx: Context, arrived: Mapping[int, Mapping[str, str]]
) -> dict[int, Recipient]:
    """Whom each journey speaks to; ``arrived`` is what the moment of joining brought along."""
    people = [one.whom for one in journeys if one.subject is Subject.MEMBER]
    asked = asked_of(journeys, ctx)
    audiences = ctx.tx.audiences(ctx.settings.zone)
    members = {member.id: member for member in audiences.informed(ctx.tx.members.several(people), asked)}
    friends = ctx.tx.members.senders(people) if people else {}
    accounts = ctx.tx.kf.accounts_of(people) if people else {}
    chats = [one.whom for one in journeys if one.subject is Subject.GROUP]
    groups = {group.id: group for group in ctx.tx.groups.all(dismissed=True)} if chats else {}
    return {
        one.id: Recipient(
            one,
            members.get(one.whom),
            groups.get(one.whom),
            friends.get(one.whom, ""),
            arrived.get(one.id, {}).get("welcome_code", ""),
            arrived.get(one.id, {}).get("staff", ""),
            accounts.get(one.whom, ""),
        )
        for one in journeys
    }


def _plan_one(template: Template, to: Recipient, wait: Due, scribe: Scribe, planned: Plan) -> None:
    ctx, journey = scribe.ctx, to.journey
    reason = exits(template, to.facts, left=to.group is not None and not to.group.alive)
    if reason:
        planned.exited[journey.id] = reason
        return
    if journey.deciding:
        planned.walked[journey.id] = (template, journey.decided(template, None, ctx.now))
        return
    step = next_due(template, journey, ctx.settings.zone, chosen=wait.at)
    if step is None:
        return
    decided = fate(step, ctx.now)
    said = scribe.write(template, step, to) if decided in (Fate.ON_TIME, Fate.LATE) else None
    if isinstance(said, Unsaid):  # which tells more than that it would have been late
        _miss(planned, wait, "unsaid", said.reason)
    elif decided is not Fate.ON_TIME:
        _miss(planned, wait, str(decided), fate_reason(step, decided, journey.zone or ctx.settings.zone))
    if isinstance(said, Message):
        planned.messages.append(said)
    _go_on(template, journey, planned, ctx, said=isinstance(said, Message))


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
    ctx.tx.journeys.await_steps_of(further, ctx.settings.zone, best=ctx.settings.house.best)
    ctx.tx.trail.journeys(_ways_taken(planned))
    for journey, reason in planned.exited.items():
        end(journey, reason, ctx)


def _ways_taken(planned: Plan) -> list[tuple[int, str]]:
    """Where journeys went on whose member did nothing in time."""
    ways = []
    for wait in planned.waits:
        place, deciding, _ = wait.occurrence.partition(DECIDING)
        further = planned.walked.get(int(wait.whom)) if deciding else None
        if further is not None:
            template, journey = further
            ways.append((journey.id, taken(template, int(place), None, journey.step)))
    return ways
