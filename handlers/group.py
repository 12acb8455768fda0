"""Groups and who sits in them. A broken chain of versions means something was lost: then we ask for the whole list."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from handlers.context import Context
from handlers.filters import Ticked
from handlers.router import Router
from sop.group import Group, GroupKind, is_behind
from sop.update import (
    ClockTicked,
    GroupChanged,
    GroupCreated,
    GroupDescribed,
    GroupDismissed,
    Kind,
    MembersJoined,
    MembersLeft,
    Seat,
)
from storage.errand import Errand

router = Router("group")

LAG = timedelta(seconds=3)  # the platform's details may trail its events by some two seconds


def ask_for(group: str, ctx: Context) -> None:
    ctx.tx.errands.add(Errand(what="group", whom=group, at=ctx.now + LAG))


@router.observe(Kind.GROUP_CREATED)
def know(created: GroupCreated, ctx: Context) -> None:
    ctx.tx.groups.meet(created.group)
    ask_for(created.group, ctx)


@router.observe(Kind.GROUP_CHANGED)
def ask_again(changed: GroupChanged, ctx: Context) -> None:
    ctx.tx.groups.meet(changed.group)
    ask_for(changed.group, ctx)


@router.observe(Kind.GROUP_DISMISSED)
def dismiss(dismissed: GroupDismissed, ctx: Context) -> None:
    ctx.tx.groups.meet(dismissed.group)
    ctx.tx.groups.dismiss(dismissed.group)
    ctx.tx.outbox.cancel(group=dismissed.group, reason="群已解散，取消发送")


@router.observe(Kind.MEMBERS_JOINED)
def seat(joined: MembersJoined, ctx: Context) -> None:
    """Seat them at once; ask for the list when the versions do not join up, and for names in any case."""
    _keep_version(joined, ctx)
    for member in joined.members:
        ctx.tx.members.meet(member, seen_at=joined.at)
        ctx.tx.groups.seat(joined.group, member, joined_at=joined.at, scene=joined.scene)
    ask_for(joined.group, ctx)


@router.observe(Kind.MEMBERS_LEFT)
def unseat(left: MembersLeft, ctx: Context) -> None:
    _keep_version(left, ctx)
    ctx.tx.groups.unseat(left.group, left.members, left.at, removed=left.removed)


def _keep_version(changed: MembersJoined | MembersLeft, ctx: Context) -> None:
    """Follow the chain of versions; where a link is missing, ask for everything."""
    ctx.tx.groups.meet(changed.group)
    if changed.after:
        ctx.tx.groups.hear(changed.group, changed.before, changed.after, changed.at)
    group = ctx.tx.groups.get(changed.group)
    if group is not None and group.version and group.version == changed.after:
        return
    if group is not None and group.version and group.version != changed.before:
        ask_for(changed.group, ctx)
        return
    if changed.after:
        ctx.tx.groups.describe(changed.group, version=changed.after)


@router.observe(Kind.GROUP_DESCRIBED)
def describe(told: GroupDescribed, ctx: Context) -> None:
    """The platform's list is the truth: seat who is missing, and take the seat of who is gone."""
    ctx.tx.groups.meet(told.group, kind=GroupKind.CUSTOMER)
    heard, heard_at = ctx.tx.groups.heard(told.group)
    if is_behind(told.version, told.at, heard, heard_at):
        ask_for(told.group, ctx)
        return
    before = ctx.tx.groups.get(told.group)
    ctx.tx.groups.describe(told.group, name=told.name, owner=told.owner, version=told.version)
    if told.owner:
        ctx.tx.members.meet(told.owner, staff=True)
    arrived = [seat.member for seat in told.seats if _sit(told.group, seat, ctx)]
    present = {seat.member for seat in told.seats}
    gone = [sitting.member for sitting in ctx.tx.groups.seated(told.group) if sitting.member not in present]
    _note_what_was_lost(before, told, arrived, gone, ctx)


def _sit(group: str, seat: Seat, ctx: Context) -> bool:
    """Seat one person as described; True when we did not know they sat there."""
    joined_at = datetime.fromtimestamp(seat.joined, UTC) if seat.joined else ctx.now
    ctx.tx.members.meet(seat.member, name=seat.name, source=seat.source, staff=seat.staff, seen_at=joined_at)
    if seat.name or seat.staff:
        known = {"staff": True} if seat.staff else {}
        ctx.tx.members.describe(seat.member, **known, **({"name": seat.name} if seat.name else {}))
    new = ctx.tx.groups.seat(
        group, seat.member, joined_at=joined_at, scene=seat.scene, source=seat.source, described=True
    )
    if seat.source and (new or ctx.tx.groups.learn_source(group, seat.member, seat.source)):
        for tag in ctx.tx.ways.tags_of(seat.source):
            ctx.tx.tags.add(seat.member, tag, reason=f"通过渠道 {seat.source} 入群", kind="basic")
    return new


def _note_what_was_lost(
    before: Group | None, told: GroupDescribed, arrived: list[str], gone: list[str], ctx: Context
) -> None:
    """Joins and leaves no callback told us of set off what they always do; the first sight of a group does not."""
    if gone:
        ctx.tx.note(MembersLeft(at=ctx.now, group=told.group, members=tuple(gone), after=told.version))
    if arrived and before is not None and before.name:
        staff = {seat.member for seat in told.seats if seat.staff}
        members = tuple(member for member in arrived if member not in staff)
        if members:
            ctx.tx.note(MembersJoined(at=ctx.now, group=told.group, members=members, after=told.version))


@router.observe(Kind.CLOCK_TICKED, where=Ticked("reconcile"))
def reconcile(ticked: ClockTicked, ctx: Context) -> None:
    """Ask again for what callbacks may have lost; once a day, in the small hours of China, for everything."""
    ctx.tx.errands.add(Errand(what="directory", whom="all", data={"full": ctx.now.hour == 20}, at=ctx.now))
