"""Tiers: a look at every newcomer after three days and after seven, and at everybody else once a day."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from handlers.context import Context
from handlers.filters import Ticked, Waited
from handlers.router import Router
from sop.activity import Activity, local_day
from sop.receipt import State
from sop.template import Ask, CheckIn, GiveCoupon, OpenLink, Task
from sop.tier import (
    FIRST_DAYS,
    LATER_DAYS,
    FirstDays,
    Move,
    Tier,
    Verdict,
    best,
    judge_first_days,
    judge_first_week,
    review,
)
from sop.update import ClockTicked, FriendAdded, Kind, MembersJoined, WaitEnded
from storage.due import Due
from storage.outbox import Entry
from storage.tier import Standing

router = Router("tier")

CHECK = "tier.check"
REVIEW = "tier.review"  # the wait for the rest of the daily look
MOVED_AT_ONCE = 50  # in one transaction, with everything that sets off
BREATH = timedelta(milliseconds=200)  # between, in which callbacks are stored
DAY = timedelta(days=1)
MOST_TASKS = 100
DEEDS = frozenset({"answered", "checked_in", "visited"})


@router.observe(Kind.FRIEND_ADDED)
def await_friend(added: FriendAdded, ctx: Context) -> None:
    if not added.half:
        _await(added.member, added.at, ctx)


@router.observe(Kind.MEMBERS_JOINED)
def await_members(joined: MembersJoined, ctx: Context) -> None:
    for member in joined.members:
        _await(member, joined.at, ctx)


def _await(member_id: str, joined: datetime, ctx: Context) -> None:
    """Look at a newcomer after three whole days and after seven, counted from the hour they came."""
    known = ctx.tx.members.get(member_id)
    if known is not None and (known.staff or known.tier != Tier.NEW):
        return
    ctx.tx.due.add(
        *(
            Due(
                what=CHECK, whom=member_id, occurrence=f"day{days}", at=joined + DAY * days,
                data={"joined": joined.isoformat(), "days": str(days)},
            )
            for days in (FIRST_DAYS, LATER_DAYS)
        )
    )  # fmt: skip


@router.observe(Kind.WAIT_ENDED, where=Waited(CHECK))
def look_at_newcomer(ended: WaitEnded, ctx: Context) -> None:
    """Promote by the 30 % rule; who fails it is looked at again, never moved down."""
    newcomer = ctx.tx.members.get(ended.whom)
    if newcomer is None or newcomer.staff or newcomer.tier != Tier.NEW:
        return
    data = dict(ended.data)
    joined, days = datetime.fromisoformat(data["joined"]), int(data["days"])
    verdict = _judge(ended.whom, joined, days, ctx)
    if isinstance(verdict, Move):
        ctx.tx.members.promote(ended.whom, verdict.to, verdict.reason)


def _judge(member_id: str, joined: datetime, days: int, ctx: Context) -> Verdict:
    first = local_day(joined, ctx.settings.zone)
    returned = len(ctx.tx.activity.active_days(member_id, first + DAY, first + DAY * days))
    until = joined + DAY * days
    tasks = _tasks(member_id, joined, until, ctx)
    done = _done(tasks, _deeds(member_id, joined, until, ctx), ctx)
    seen = FirstDays(delivered=len(tasks), done=done, returned=returned)
    return judge_first_days(seen) if days == FIRST_DAYS else judge_first_week(seen)


# ---------------------------------------------------------------- tasks that reached somebody, and those they did


def _tasks(member_id: str, since: datetime, until: datetime, ctx: Context) -> list[tuple[Entry, Task]]:
    """Tasks the platform says have arrived, the newest first; one not confirmed by staff is no opportunity."""
    entries = ctx.tx.outbox.recent(states=(State.SENT,), member=member_id, limit=MOST_TASKS)
    arrived = [entry for entry in entries if entry.sent_at is not None and since <= entry.sent_at < until]
    arrived.sort(key=lambda entry: (entry.sent_at or since, entry.id), reverse=True)
    found = [(entry, _task(entry, ctx)) for entry in arrived]
    return [(entry, task) for entry, task in found if task is not None]


def _task(entry: Entry, ctx: Context) -> Task | None:
    """What a message asked to do; a link to read is something to do too."""
    template = ctx.tx.templates.read(entry.message.template, entry.message.template_version)
    step = template.step(entry.message.step) if template else None
    if step is None:
        return None
    return step.task or (OpenLink() if step.link else None)


def _deeds(member_id: str, since: datetime, until: datetime, ctx: Context) -> list[Activity]:
    """What they did, with the coupons they really hold in place of those they asked for."""
    logged = ctx.tx.activity.did_since(member_id, DEEDS, since, until)
    held = [
        Activity(key=coupon.code, kind="claimed", at=coupon.claimed, member=member_id, ref=coupon.batch)
        for coupon in ctx.tx.coupons.held_by(member_id)
        if coupon.claimed is not None and since <= coupon.claimed < until
    ]
    return sorted([*logged, *held], key=lambda deed: deed.at)


def _done(tasks: list[tuple[Entry, Task]], deeds: list[Activity], ctx: Context) -> int:
    """How many tasks were done; one deed does one task, the newest it fits."""
    left, done = list(tasks), 0
    for deed in deeds:
        fitting = next((pair for pair in left if _fits(pair[0], pair[1], deed, ctx)), None)
        if fitting is not None:
            left.remove(fitting)
            done += 1
    return done


def _fits(entry: Entry, task: Task, deed: Activity, ctx: Context) -> bool:
    if entry.sent_at is None or deed.at < entry.sent_at:
        return False
    match task:
        case CheckIn():
            return deed.kind == "checked_in"
        case Ask():
            return deed.kind == "answered" and deed.ref.startswith(
                f"{entry.message.template}.{entry.message.step}."
            )
        case GiveCoupon(batch):
            return deed.kind == "claimed" and deed.ref == batch
        case OpenLink():
            link = ctx.tx.links.get(deed.ref) if deed.kind == "visited" else None
            return link is not None and (link.template, link.step) == (
                entry.message.template,
                entry.message.step,
            )


# ---------------------------------------------------------------- everybody else


@router.observe(Kind.CLOCK_TICKED, where=Ticked("day"))
def review_everybody(ticked: ClockTicked, ctx: Context) -> None:
    """Move up who comes often, and down who stays away; nobody in their first week, which has looks of its own."""
    _review(local_day(ctx.now, ctx.settings.zone), "", ctx)


@router.observe(Kind.WAIT_ENDED, where=Waited(REVIEW))
def review_more(ended: WaitEnded, ctx: Context) -> None:
    data = dict(ended.data)
    _review(date.fromisoformat(data["day"]), data["after"], ctx)


def _review(today: date, after: str, ctx: Context) -> None:
    """Everybody behind ``after``, until so many have moved that callbacks should have their turn."""
    moved = 0
    for standing in ctx.tx.tiers.standings(today, ctx.settings.zone, after=after):
        verdict = _reviewed(standing, today, ctx)
        if not isinstance(verdict, Move):
            continue
        moved += ctx.tx.members.promote(standing.member, verdict.to, verdict.reason)
        if moved == MOVED_AT_ONCE:
            data = {"day": today.isoformat(), "after": standing.member}
            wait = Due(what=REVIEW, whom="all", occurrence=standing.member, at=ctx.now + BREATH, data=data)
            ctx.tx.due.add(wait)
            return


def _reviewed(standing: Standing, today: date, ctx: Context) -> Verdict | None:
    habit = best(standing.habits, today)
    is_early = standing.tier is Tier.NEW and ctx.now - standing.first_seen < DAY * (LATER_DAYS + 1)
    if habit is None or is_early:
        return None
    return review(standing.tier, habit, today, ctx.now, standing.since)
