"""Words for messages that are planned: found on a consistent view, outside any write transaction, and then stored at once."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

import structlog

from handlers.context import Context
from handlers.journey import end
from handlers.planning import Overtaken, recipients_of
from handlers.step import Recipient, Scribe
from sop.journey import DueStep, Fate, JourneyState, due, exits, fate, fate_reason
from sop.message import Message
from sop.sender import Unsaid
from sop.template import Template, Wait
from storage.due import STEP, Due
from storage.engine import is_trouble
from storage.interaction import Run
from storage.link import Tracked
from storage.planned import Planned

log = structlog.get_logger()

WALKING = (JourneyState.ACTIVE, JourneyState.DONE)  # with its last step planned a journey is done


@dataclass
class Wording:
    """The words of some planned messages, and which of them turn out to say nothing."""

    messages: dict[int, Message] = field(default_factory=dict)
    links: list[Tracked] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)
    unsaid: list[int] = field(default_factory=list)
    missed: list[tuple[int, Due, str, str]] = field(default_factory=list)  # with what became of it, and why
    exited: dict[int, str] = field(default_factory=dict)

    @property
    def size(self) -> int:
        return len(self.messages) + len(self.unsaid)


def word(ctx: Context, limit: int) -> Wording:
    """Find the words of what was planned first. Reads only."""
    planned = ctx.tx.planned.first(limit)
    journeys = ctx.tx.journeys.several([one.journey for one in planned])
    walking = [journey for journey in journeys.values() if journey.state in WALKING]
    recipients = recipients_of(walking, ctx, {})
    found, scribe = Wording(), Scribe(ctx)
    for one in planned:
        template, to = ctx.tx.templates.read(one.template, one.version), recipients.get(one.journey)
        if template is None or to is None or template.step(one.step) is None:
            found.unsaid.append(one.id)
            continue
        try:
            _word_one(template, to, one, scribe, found)
        except Exception as error:  # one member's trouble must not hold up everybody else's day
            if is_trouble(error):
                raise
            log.exception("step failed", template=template.id, journey=to.journey.id, step=one.step)
            _drop(found, one, template, "failed", f"出错了：{type(error).__name__}，详情见日志")
    found.links, found.runs = scribe.links, scribe.runs
    return found


def _word_one(template: Template, to: Recipient, planned: Planned, scribe: Scribe, found: Wording) -> None:
    ctx = scribe.ctx
    reason = exits(template, to.facts, left=to.group is not None and not to.group.alive)
    if reason:
        found.exited[to.journey.id] = reason
        found.unsaid.append(planned.id)
        return
    step = _due_step(template, to, planned, ctx)
    decided = fate(step, ctx.now)
    said = scribe.write(template, step, to) if decided in (Fate.ON_TIME, Fate.LATE) else None
    if isinstance(said, Unsaid):  # which tells more than that it would have been late
        _drop(found, planned, template, "unsaid", said.reason)
        return
    if decided is not Fate.ON_TIME:
        reason = fate_reason(step, decided, to.journey.zone or ctx.settings.zone)
        _miss(found, planned, template, str(decided), reason)
    if said is None:
        found.unsaid.append(planned.id)
    else:
        found.messages[planned.id] = said


def _due_step(template: Template, to: Recipient, planned: Planned, ctx: Context) -> DueStep:
    index = template.place(planned.step)
    when = template.steps[index].when
    since = planned.due - (when.delay if isinstance(when, Wait) else timedelta())
    zone = to.journey.zone or ctx.settings.zone
    return due(template, index, to.journey.anchor, zone, since=since, chosen=planned.due)


def _drop(found: Wording, planned: Planned, template: Template, became: str, reason: str) -> None:
    found.unsaid.append(planned.id)
    _miss(found, planned, template, became, reason)


def _miss(found: Wording, planned: Planned, template: Template, became: str, reason: str) -> None:
    wait = Due(
        what=STEP,
        whom=str(planned.journey),
        occurrence=str(template.place(planned.step)),
        at=planned.due,
        version=planned.version,
    )
    found.missed.append((planned.id, wait, became, reason))


def store(found: Wording, ctx: Context) -> None:
    """Let what has its words wait to be sent; :class:`Overtaken` when somebody else made what it needs meanwhile."""
    wanted = ctx.tx.planned.still([*found.messages, *found.unsaid])
    if not ctx.tx.links.keep(found.links):
        raise Overtaken("somebody else made one of the links")
    for run in found.runs:
        ctx.tx.interactions.open(run)
    ctx.tx.planned.word({id_: message for id_, message in found.messages.items() if id_ in wanted})
    for id_, wait, became, reason in found.missed:
        if id_ in wanted:
            ctx.tx.due.miss(wait, ctx.now, became, reason)
    ctx.tx.planned.drop(found.unsaid)
    for journey, reason in found.exited.items():
        end(journey, reason, ctx)
