"""Scores: every hour those groups for which something is new; and an alarm to operators when one falls below its line."""

from __future__ import annotations

from datetime import date, timedelta

from handlers.alarm import tell_operators
from handlers.context import Context
from handlers.filters import Ticked
from handlers.router import Router
from sop.activity import local_day
from sop.engagement import Score, concern, explain
from sop.group import Group, GroupKind
from sop.update import ClockTicked, Kind

router = Router("engagement")

DAY = timedelta(days=1)
WEEK = 7 * DAY


@router.observe(Kind.CLOCK_TICKED, where=Ticked("roll"))
def score_groups(ticked: ClockTicked, ctx: Context) -> None:
    """Yesterday's scores, in each group's own days; where nothing is new nothing is done."""
    for group in ctx.tx.groups.all():
        zone = group.zone or ctx.settings.zone
        last = _last_whole_day(group, zone, ctx)
        if last is None:
            continue
        coverage = "archive" if ctx.settings.archive else "page"
        scores = ctx.tx.engagement.roll(group, last, zone, coverage=coverage, now=ctx.now)
        if scores and scores[-1].as_of == last + DAY and group.kind != GroupKind.IMPORTED:
            _warn(group, scores[-1], ctx)


def _last_whole_day(group: Group, zone: str, ctx: Context) -> date | None:
    """Yesterday; for an imported group the last day its history tells of."""
    yesterday = local_day(ctx.now, zone) - DAY
    if group.kind != GroupKind.IMPORTED:
        return yesterday
    spoke = ctx.tx.engagement.last_talk(group.id)
    return min(yesterday, local_day(spoke, zone)) if spoke else None


def _warn(group: Group, found: Score, ctx: Context) -> None:
    """An alarm for operators, at most one in seven days for the same concern about the same group."""
    if found.coverage != "archive" and group.line is None:
        return  # the usual line is drawn for groups of which everything is heard
    line = ctx.tx.engagement.line(group, ctx.settings.alarm_line)
    before = ctx.tx.engagement.kept(group.id, found.as_of - DAY - WEEK)
    worry = concern(group.called, found, line, explain(found, before))
    if worry is None:
        return
    if ctx.tx.engagement.warned(group.id, worry.key, ctx.now - WEEK):
        return
    key = f"{worry.key}:{group.id}:{found.as_of.isoformat()}"
    tell_operators(key, worry.text, "群活跃度提醒", ctx, group=group.id)
