"""Check-ins: one tap a day, a month of stars, and what a streak earns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from aiohttp import web

from bot.pages.page import Page, brought_to, draw, known, place
from bot.pages.visitor import Visitor
from sop.template import CheckIn
from sop.update import CheckedIn
from storage.tx import Tx

ADDRESS = "/m/checkin"
LONGEST_STREAK = timedelta(days=400)


@dataclass(frozen=True)
class Stage:
    """A reward on the way; ``left`` days are still missing, 0 when it is reached."""

    days: int
    prize: str
    left: int


@dataclass(frozen=True)
class Track:
    """A member's footprints."""

    done: frozenset[date]
    streak: int
    stages: tuple[Stage, ...]


NOTHING = Track(frozenset(), 0, ())


def track_of(tx: Tx, member: str, today: date) -> Track:
    streak = tx.interactions.streak(member, today) if member else 0
    done = tx.interactions.days(member, today - LONGEST_STREAK) if member else ()
    return Track(frozenset(done), streak, tuple(_stages(tx, streak)))


def _stages(tx: Tx, streak: int) -> list[Stage]:
    """What published plans promise, each streak once."""
    prizes: dict[int, str] = {}
    for step in (step for template in tx.templates.running() for step in template.steps):
        for reward in step.task.rewards if isinstance(step.task, CheckIn) else ():
            batch = tx.coupons.batch(reward.coupon) if reward.coupon else None
            prizes.setdefault(
                reward.days, batch.name if batch else f"点亮「{reward.tag}」" if reward.tag else ""
            )
    return [Stage(days, prize, max(0, days - streak)) for days, prize in sorted(prizes.items()) if prize]


def month_of(today: date) -> Sequence[date | None]:
    """The days of this month in weeks that begin on Monday; None before its first."""
    first = today.replace(day=1)
    length = ((first + timedelta(days=31)).replace(day=1) - first).days
    return [*[None] * first.weekday(), *(first + timedelta(days=n) for n in range(length))]


@known
async def show(request: web.Request, visitor: Visitor) -> web.StreamResponse:
    today = place(request).today
    track = await place(request).read(lambda tx: track_of(tx, visitor.member, today))
    this_month = sum(day.replace(day=1) == today.replace(day=1) for day in track.done)
    return draw(
        request,
        "checkin.html",
        visitor,
        track=track,
        today=today,
        month=month_of(today),
        this_month=this_month,
    )


@brought_to(ADDRESS)
async def check_in(request: web.Request, visitor: Visitor, fields: dict[str, str]) -> str:
    """Once a local day, however often it is tapped; it counts for the group of who sits in one only."""
    here, member = place(request), visitor.member
    if not member:
        return ""
    groups = await here.read(lambda tx: tx.groups.of_member(member))
    return await here.ask(
        CheckedIn(
            at=here.now,
            id=f"page:checkin:{member}:{here.today.isoformat()}",
            member=member,
            group=groups[0].id if len(groups) == 1 else "",
        )
    )


PAGES = (Page("GET", ADDRESS, show), Page("POST", ADDRESS, check_in))
