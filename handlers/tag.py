"""Tags go both ways: ours are written to the platform on every friendship, those staff set there come back to us.

What we write makes no callback. What we read may be older than what we wrote, so the last word on each friendship's tags
is kept as a mark (``sop.mark``): neither does a fetched tag go back, nor a tag just removed come back.
"""

from __future__ import annotations

from handlers.context import Context
from handlers.router import Router
from sop.mark import LAG, difference
from sop.update import FriendAdded, Friendship, Kind, MemberDescribed, TagChanged, TagEdited
from storage.errand import Errand

router = Router("tag")

SET_THERE, UNSET_THERE = "在企业微信里打的标签", "在企业微信里取消的标签"
THEIRS = (SET_THERE, UNSET_THERE)  # came from the platform: nothing to write back


@router.observe(Kind.TAG_CHANGED)
def mark(changed: TagChanged, ctx: Context) -> None:
    """Our own marks make no callback, so there is no echo to break."""
    if changed.reason.endswith(THEIRS):
        return
    for friend in ctx.tx.members.friends(changed.member):
        _mark(changed.member, friend.staff, changed.tag, changed.added, ctx)


@router.observe(Kind.FRIEND_ADDED)
def mark_on_new_friendship(added: FriendAdded, ctx: Context) -> None:
    """Tags of ours that are older than the friendship are written there too."""
    if added.half:
        return
    for carried in ctx.tx.tags.of(added.member):
        if not carried.reason.endswith(THEIRS):
            _mark(added.member, added.staff, carried.tag, True, ctx)


def _mark(member: str, staff: str, tag: str, added: bool, ctx: Context) -> None:
    ctx.tx.marks.want(member, staff, tag, added)
    data = {"member": member, "staff": staff, "tag": tag, "added": added}
    ctx.tx.errands.add(Errand(what="mark", whom=f"{member}:{staff}:{tag}"[:160], data=data, at=ctx.now))


@router.observe(Kind.MEMBER_DESCRIBED)
def learn(told: MemberDescribed, ctx: Context) -> None:
    """What staff tagged or untagged in their client since we last looked."""
    for friend in told.friends:
        friendship = ctx.tx.members.friendship(told.member, friend.staff)
        if friendship is not None and friendship.lost_at is None:
            _learn(told, friend, ctx)


def _learn(told: MemberDescribed, friend: Friendship, ctx: Context) -> None:
    names = {number: ctx.tx.tags.called(number) or name for number, name in friend.tags}
    if not all(names.values()):  # tags nobody told us of: learn them, and read again
        ctx.tx.errands.add(Errand(what="tags", whom="all", at=ctx.now))
        ctx.tx.errands.add(Errand(what="member", whom=told.member, at=ctx.now + LAG))
        return
    for number, name in names.items():
        if not ctx.tx.tags.called(number):
            ctx.tx.tags.remember(name, number, "")
    changes = difference(ctx.tx.marks.of(told.member, friend.staff), tuple(names.values()), told.at)
    for tag in changes.gained:
        ctx.tx.marks.learn(told.member, friend.staff, tag, True)
        ctx.tx.tags.add(told.member, tag, reason=f"{friend.staff} {SET_THERE}", kind="basic")
    for tag in changes.lost:
        ctx.tx.marks.learn(told.member, friend.staff, tag, False)
        if not ctx.tx.marks.is_carried(told.member, tag):
            ctx.tx.tags.remove(told.member, tag, reason=f"{friend.staff} {UNSET_THERE}")
    if changes.doubtful:
        ctx.tx.errands.add(Errand(what="member", whom=told.member, at=ctx.now + LAG))


@router.observe(Kind.TAG_EDITED)
def edited(told: TagEdited, ctx: Context) -> None:
    """A deleted corporate tag loses its number; what members are stays what it was."""
    if told.change == "delete" and told.what == "tag":
        ctx.tx.tags.forget_platform_id(told.tag)
    else:
        ctx.tx.errands.add(Errand(what="tags", whom="all", at=ctx.now))
