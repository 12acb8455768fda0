"""Strides: journeys that take their next step alike, so that a set of them goes on in one statement.

Whoever stands at the same step of the same version, and began within the same stretch of time, is due again at the same
moment, or at the same distance from their beginning. What needs a look at each member (a branch, a welcome, a tag that
may end the journey) belongs to no stride and is planned one by one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta

from sop.journey import due
from sop.message import Channel
from sop.template import (
    After,
    AfterEvent,
    Finish,
    OnDate,
    OnDay,
    OnWeekday,
    Step,
    Subject,
    Template,
    Wait,
    When,
)
from sop.timing import at_local, local_day, next_weekday

MOMENT = timedelta(milliseconds=1)  # the finest difference between two instants that are kept
MOST = 64  # stretches of one step; whoever began outside of them is planned one by one
NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Stride:
    """One step of one version, for those who began from ``since`` on and before ``until``.

    They stand at step ``at`` and go on to step ``to``, which is due at ``moment``, or ``delay`` after their beginning, or
    is the end. Whether a step comes too late to be said is decided with its words.
    """

    template: str
    version: int
    at: int
    step: str
    channel: Channel
    marketing: bool
    why: str
    to_group: bool
    to: int
    since: datetime
    zone: str = ""  # of these journeys; empty: the community's
    until: datetime = NEVER
    ends: bool = False
    moment: datetime | None = None
    delay: timedelta = timedelta()


def strides(
    template: Template,
    at: int,
    now: datetime,
    zone: str,
    *,
    first: datetime,
    last: datetime,
    own_zone: str = "",
) -> list[Stride]:
    """How those who began between ``first`` and ``last`` take step ``at`` now; empty when each is a case of their own.

    ``zone`` is the community's, ``own_zone`` that of these journeys, where they have one.
    """
    if not 0 <= at < len(template.steps) or not _alike(template, template.steps[at]):
        return []
    step, to = template.steps[at], template.following(at)
    found = Stride(
        template=template.id,
        version=template.version,
        at=at,
        step=step.id,
        channel=step.channel or Channel.GROUP_SEND,
        marketing=step.marketing,
        why=said_of(template, step),
        to_group=template.subject is Subject.GROUP,
        to=to,
        since=first,
        zone=own_zone,
    )
    if to >= len(template.steps):
        return [replace(found, ends=True)] if template.finish == Finish() else []
    return list(_onwards(found, template, now, own_zone or zone, last))


def said_of(template: Template, step: Step) -> str:
    """What a message is, as operators know it."""
    return f"「{template.name}」的「{step.name or step.id}」"


def _alike(template: Template, step: Step) -> bool:
    if template.exit.tags is not None or step.branches or isinstance(step.when, AfterEvent):
        return False
    return step.channel is not Channel.WELCOME


def _onwards(found: Stride, template: Template, now: datetime, zone: str, last: datetime) -> Iterator[Stride]:
    """A stride for each stretch of beginnings whose next step falls together."""
    when, since = template.steps[found.to].when, found.since
    for _ in range(MOST):
        until = _until(when, since, zone)
        if until is None:
            return
        if isinstance(when, After):
            yield replace(found, since=since, until=until, delay=when.delay)
        else:
            moment = due(template, found.to, since, zone, since=now).at
            yield replace(found, since=since, until=until, moment=moment)
        if until > last:
            return
        since = until


def _until(when: When, since: datetime, zone: str) -> datetime | None:
    """Whoever begins from ``since`` on and before this instant has the step together; None when nobody can say."""
    match when:
        case After() | Wait() | OnDate():
            return NEVER
        case OnDay():
            return at_local(local_day(since, zone) + timedelta(days=1), time(), zone)
        case OnWeekday(weekday=weekday, time=moment):
            return next_weekday(since, weekday, moment, zone) + MOMENT
    return None
