"""Members come and go as friends of staff, and are tagged by where they came from."""

from __future__ import annotations

from handlers.context import Context
from handlers.router import Router
from sop.update import FriendAdded, FriendEdited, FriendLost, Kind, MemberDescribed
from storage.errand import Errand

router = Router("member")

SOURCE_TAG = "来自:"


@router.observe(Kind.FRIEND_ADDED)
def know_friend(added: FriendAdded, ctx: Context) -> None:
    """Remember the friendship and where it came from, and ask the platform for the rest."""
    ctx.tx.members.meet(added.member, source=added.source, seen_at=added.at)
    ctx.tx.members.meet(added.staff, staff=True)
    ctx.tx.members.befriend(added.member, added.staff, source=added.source, half=added.half, since=added.at)
    if added.source:
        ctx.tx.tags.add(
            added.member, SOURCE_TAG + added.source, reason=f"通过渠道 {added.source} 添加", kind="basic"
        )
    if not added.half:
        ctx.tx.errands.add(Errand(what="member", whom=added.member, at=ctx.now))


@router.observe(Kind.FRIEND_EDITED)
def ask_again(edited: FriendEdited, ctx: Context) -> None:
    ctx.tx.errands.add(Errand(what="member", whom=edited.member, at=ctx.now))


@router.observe(Kind.FRIEND_LOST)
def forget_friendship(lost: FriendLost, ctx: Context) -> None:
    """Without a friendship nothing can be sent in that staff member's name."""
    ctx.tx.members.unfriend(lost.member, lost.staff, lost.by, lost.at)
    if not ctx.tx.members.friends(lost.member):
        ctx.tx.outbox.cancel(member=lost.member, reason="已不再是好友，取消发送")


@router.observe(Kind.MEMBER_DESCRIBED)
def describe(told: MemberDescribed, ctx: Context) -> None:
    """Write down what the platform says: name, friendships, corporate tags."""
    ctx.tx.members.meet(told.member, name=told.name)
    ctx.tx.members.describe(told.member, name=told.name, avatar=told.avatar, unionid=told.unionid)
    for friend in told.friends:
        ctx.tx.members.meet(friend.staff, staff=True)
        ctx.tx.members.befriend(told.member, friend.staff, source=friend.source, since=ctx.now)
        for number, name in friend.tags:
            ctx.tx.tags.remember(name, number, "")
            ctx.tx.tags.add(told.member, name, reason=f"{friend.staff} 在企业微信里打的标签", kind="basic")
