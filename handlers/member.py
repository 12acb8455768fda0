"""Members come and go as friends of staff, and are tagged by where they came from."""

from __future__ import annotations

from datetime import UTC, datetime

from handlers.context import Context
from handlers.router import Router
from sop.mark import LAG
from sop.staff import StaffChanged
from sop.update import FriendAdded, FriendEdited, FriendLost, Friendship, Kind, MemberDescribed
from storage.errand import Errand
from storage.member import LEFT, Friend
from storage.position import read_position
from storage.sighting import FIRST_WALK, SightingStore

router = Router("member")


@router.observe(Kind.FRIEND_ADDED)
def know_friend(added: FriendAdded, ctx: Context) -> None:
    """Remember the friendship and where it came from, and ask the platform for the rest."""
    ctx.tx.members.meet(added.member, source=added.source, seen_at=added.at)
    ctx.tx.members.meet(added.staff, staff=True)
    ctx.tx.members.befriend(added.member, added.staff, source=added.source, half=added.half, since=added.at)
    if added.source:
        for tag in ctx.tx.ways.tags_of(added.source):
            ctx.tx.tags.add(added.member, tag, reason=f"通过渠道 {added.source} 添加", kind="basic")
    if not added.half:
        ctx.tx.errands.add(Errand(what="member", whom=added.member, at=ctx.now))


@router.observe(Kind.FRIEND_EDITED)
def ask_again(edited: FriendEdited, ctx: Context) -> None:
    ctx.tx.errands.add(Errand(what="member", whom=edited.member, at=ctx.now))


@router.observe(Kind.FRIEND_LOST)
def forget_friendship(lost: FriendLost, ctx: Context) -> None:
    """Without a friendship nothing can be sent in that staff member's name."""
    ctx.tx.members.unfriend(lost.member, lost.staff, lost.by, lost.at)
    SightingStore(ctx.tx.connection).forget(lost.member, lost.staff)
    if lost.by == "staff":  # who was deleted by the member still has them, and their tags, in the list
        ctx.tx.marks.forget_friendship(lost.member, lost.staff)
    if not lost.transferred and not ctx.tx.members.friends(lost.member):
        ctx.tx.outbox.cancel(member=lost.member, reason="已不再是好友，取消发送")


@router.observe(Kind.STAFF_CHANGED)
def forget_colleague(changed: StaffChanged, ctx: Context) -> None:
    """Who has left the corp can send nothing; their members are nobody else's friends until somebody takes them over."""
    if changed.left:
        ctx.tx.members.lose_staff(changed.staff, changed.at)


@router.observe(Kind.MEMBER_DESCRIBED)
def describe(told: MemberDescribed, ctx: Context) -> None:
    """Write down what the platform says: name, friendships, remarks; what callbacks lost is made up for."""
    ctx.tx.members.meet(told.member, name=told.name)
    said = {"name": told.name, "avatar": told.avatar, "unionid": told.unionid}
    if known := {column: value for column, value in said.items() if value}:
        ctx.tx.members.describe(told.member, **known)
    for friend in told.friends:
        _befriend(told, friend, ctx)
    if told.whole:
        _miss(told, ctx)


def _befriend(told: MemberDescribed, friend: Friendship, ctx: Context) -> None:
    since = datetime.fromtimestamp(friend.since, UTC) if friend.since else ctx.now
    if _is_over(ctx.tx.members.friendship(told.member, friend.staff), since, told.at):
        return
    ctx.tx.members.meet(friend.staff, staff=True)
    if ctx.tx.members.befriend(told.member, friend.staff, source=friend.source, since=since, described=True):
        _make_up_for(told.member, friend, since, ctx)
    ctx.tx.members.hear_remark(told.member, friend.staff, friend.remark, told.at - LAG)


def _is_over(known: Friend | None, since: datetime, read_at: datetime) -> bool:
    """Who deleted the staff side stays in its list, and so do friends of who left the corp; and a reading may be older than the end it contradicts."""
    if known is None or known.lost_at is None or since > known.lost_at:
        return False
    return known.lost_by in ("member", LEFT) or read_at < known.lost_at + LAG


def _make_up_for(member: str, friend: Friendship, since: datetime, ctx: Context) -> None:
    """A friend no callback told us of sets off what a new friend does, unless they were friends before we came."""
    first = read_position(ctx.tx.connection, FIRST_WALK)
    if first and since > datetime.fromisoformat(first):
        ctx.tx.note(FriendAdded(at=since, member=member, staff=friend.staff, source=friend.source))


def _miss(told: MemberDescribed, ctx: Context) -> None:
    """Friendships we know and the platform does not: a staff member ended them, and the callback was lost."""
    there = {friend.staff for friend in told.friends}
    for known in ctx.tx.members.friends(told.member):
        if known.staff not in there and known.since < told.at - LAG:
            ctx.tx.note(FriendLost(at=told.at, member=told.member, staff=known.staff, by="staff"))
