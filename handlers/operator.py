"""What operators do by hand: tag a member, and judge a message whose fate is unknown."""

from __future__ import annotations

from handlers.context import Context
from handlers.router import Router
from sop.message import Reply
from sop.receipt import State
from sop.update import Kind, MessageReviewed, MessageSent, TagRequested

router = Router("operator")


@router.reply_to(Kind.TAG_REQUESTED)
def tag(wanted: TagRequested, ctx: Context) -> Reply:
    """The change is noted, so audiences and the platform follow."""
    reason = f"运营 {wanted.by} 在控制台操作"
    if ctx.tx.members.get(wanted.member) is None:
        return Reply.of("没有这位成员。")
    if wanted.added:
        changed = ctx.tx.tags.add(wanted.member, wanted.tag, reason=reason, kind="basic")
        return Reply.of(f"已打上标签「{wanted.tag}」。" if changed else f"已经有标签「{wanted.tag}」了。")
    changed = ctx.tx.tags.remove(wanted.member, wanted.tag, reason=reason)
    return Reply.of(f"已去掉标签「{wanted.tag}」。" if changed else f"没有标签「{wanted.tag}」。")


@router.reply_to(Kind.MESSAGE_REVIEWED)
def review(judged: MessageReviewed, ctx: Context) -> Reply:
    """Only what is unknown can be judged, and only once."""
    entry = ctx.tx.outbox.get(judged.message)
    if entry is None or entry.state is not State.UNKNOWN:
        return Reply.of("这条消息已经不在复核里了。")
    if not judged.delivered:
        ctx.tx.outbox.move([entry.id], State.WAITING, reason=f"运营 {judged.by} 要求重新发送")
        return Reply.of("已放回发件箱，很快会重新发送。")
    ctx.tx.outbox.move([entry.id], State.SENT, reason=f"运营 {judged.by} 确认已送达")
    ctx.tx.note(
        MessageSent(
            at=ctx.now, message=entry.id, member=entry.message.to_member, group=entry.message.to_group
        )
    )
    return Reply.of("已标记为送达。")
