"""What operators do by hand: tag a member, judge a message whose fate is unknown; and who of them may still sign in."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from handlers.alarm import tell_operators
from handlers.context import Context
from handlers.planning import recipients_of
from handlers.router import Router
from handlers.step import Scribe
from sop.journey import Journey, JourneyState, MissDecided, due
from sop.message import Channel, Message, Reply
from sop.receipt import State
from sop.sender import Unsaid
from sop.staff import StaffChanged
from sop.timing import local_day
from sop.update import Kind, MessageReviewed, MessageSent, MessageWithdrawn, TagRequested
from storage.errand import Errand
from storage.operator import OperatorStore

router = Router("operator")

TAKEN_BACK_WITHIN = timedelta(hours=24)
UNSEEN = (
    "{staff} 不再在应用的可见范围内（可能是离职、被停用，或调整了可见范围），控制台账号 {accounts} 已退出登录。"
    "如果人已离职，请到控制台「账号」里删除这个账号。"
)


@router.observe(Kind.STAFF_CHANGED)
def close_the_door(changed: StaffChanged, ctx: Context) -> None:
    """Who left the corp signs in no more; who only left the app's sight is signed out, and operators judge."""
    operators = OperatorStore(ctx.tx.connection, ctx.now)
    if changed.left:
        for name in operators.suspend_staff(changed.staff):
            operators.record("系统", "account: left", name)
    elif not changed.present and (names := operators.sign_out_staff(changed.staff)):
        key = f"unseen:{changed.staff}:{local_day(changed.at, ctx.settings.zone)}"
        tell_operators(key, UNSEEN.format(staff=changed.staff, accounts="、".join(names)), "员工变动", ctx)


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


@router.reply_to(Kind.MESSAGE_WITHDRAWN)
def take_back(wanted: MessageWithdrawn, ctx: Context) -> Reply:
    """Only what an app said to staff can be taken back, and only for a day."""
    entry = ctx.tx.outbox.get(wanted.message)
    if entry is None or entry.message.channel is not Channel.APP or entry.state is not State.SENT:
        return Reply.of("只有已送达的应用消息能撤回。")
    if entry.sent_at is None or ctx.now - entry.sent_at >= TAKEN_BACK_WITHIN:
        return Reply.of("发出已超过 24 小时，企业微信不再允许撤回。")
    data = {"number": entry.number, "app": entry.message.sender, "by": wanted.by}
    ctx.tx.errands.add(Errand(what="unsay", whom=str(entry.id), at=ctx.now, data=data))
    return Reply.of("正在撤回，稍后看结果。")


@router.reply_to(Kind.MESSAGE_REVIEWED)
def review(judged: MessageReviewed, ctx: Context) -> Reply:
    """Only what is unknown can be judged, and only once."""
    entry = ctx.tx.outbox.get(judged.message)
    if entry is None or entry.state is not State.UNKNOWN:
        return Reply.of("这条消息已经不在复核里了。")
    if not judged.delivered:
        again = f"运营 {judged.by} 要求重新发送"
        ctx.tx.outbox.move([entry.id], State.WAITING, reason=again)
        ctx.tx.trail.messages([entry.id], again)
        return Reply.of("已放回发件箱，很快会重新发送。")
    ctx.tx.outbox.move([entry.id], State.SENT, reason=f"运营 {judged.by} 确认已送达")
    ctx.tx.note(
        MessageSent(
            at=ctx.now, message=entry.id, member=entry.message.to_member, group=entry.message.to_group
        )
    )
    return Reply.of("已标记为送达。")


@router.reply_to(Kind.MISS_DECIDED)
def decide(decided: MissDecided, ctx: Context) -> Reply:
    """A missed step that waits for a word is said now, in a window of its own length, or never; decided once."""
    miss = ctx.tx.due.asked(decided.miss)
    if miss is None:
        return Reply.of("这一步已经有人处理过了。")
    if not decided.send:
        ctx.tx.due.decide(miss.id, "skipped", f"运营 {decided.by} 决定不发了", ctx.now)
        return Reply.of("好，这一步不发了。")
    journey = ctx.tx.journeys.several([int(miss.whom)]).get(int(miss.whom))
    said = _said_late(journey, int(miss.occurrence), ctx) if journey else Unsaid("旅程已经不在了")
    if isinstance(said, Unsaid):
        return Reply.of(f"没有补发：{said.reason}。")
    ctx.tx.outbox.add(said)
    ctx.tx.due.decide(miss.id, "late", f"运营 {decided.by} 决定现在补发", ctx.now)
    return Reply.of("已放进发件箱，规则允许时就会发出。")


def _said_late(journey: Journey, index: int, ctx: Context) -> Message | Unsaid:
    """The message of a step whose own window is over."""
    if journey.state is JourneyState.EXITED:
        return Unsaid(f"旅程已经结束（{journey.reason}）")
    template = ctx.tx.templates.read(journey.template, journey.version)
    to = recipients_of([journey], ctx, {})[journey.id]
    if template is None or index >= len(template.steps) or not (to.member or to.group):
        return Unsaid("模板、成员或群已经不在了")
    zone = journey.zone or ctx.settings.zone
    step = due(template, index, journey.anchor, zone, since=journey.changed, heard=journey.heard)
    late = replace(step, at=ctx.now, deadline=ctx.now + (step.deadline - step.at))
    scribe = Scribe(ctx)
    said = scribe.write(template, late, to)
    if isinstance(said, Message):
        ctx.tx.links.keep(scribe.links)
        for run in scribe.runs:
            ctx.tx.interactions.open(run)
    return said
