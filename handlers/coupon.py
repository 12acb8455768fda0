"""Coupons: claimed by a word or on a page, one rule for both; used once; remembered before they end."""

from __future__ import annotations

from datetime import datetime, time, timedelta

from handlers.context import Context
from handlers.filters import Keyword, Prefix, Via, Waited
from handlers.goal import reach
from handlers.journey import end_for
from handlers.router import Router
from sop.coupon import Batch, Claim, Issued, Redeemed, claim_text, remind_text
from sop.link import absolute, short
from sop.message import Channel, Content, Link, Message, Reply
from sop.template import Signal
from sop.timing import at_local, local_day
from sop.update import CouponRedeemed, CouponWanted, Kind, MessageHeard, WaitEnded
from storage.coupon import REMIND

router = Router("coupon")

REMIND_TIME = time(10, 30)  # local; all reminders of a day leave together, so that they share a task
WORDS = ("领券", "优惠券", "领优惠券", "领取优惠券")


@router.reply_to(Kind.MESSAGE, Keyword(*WORDS) & Via("kf"))
def claim_newest(said: MessageHeard, ctx: Context) -> Reply:
    """The newest batch that is open now."""
    batch = _newest_open(ctx)
    return _answer(said, batch, ctx)


@router.reply_to(Kind.MESSAGE, Prefix("领券 ") & Via("kf"))
def claim_named(said: MessageHeard, ctx: Context) -> Reply:
    """The batch that was named."""
    name = said.text.strip().removeprefix("领券").strip()
    batch = next((one for one in ctx.tx.coupons.batches() if name in (one.id, one.name)), None)
    return _answer(said, batch, ctx)


def _answer(said: MessageHeard, batch: Batch | None, ctx: Context) -> Reply:
    if batch is None:
        return Reply.of("现在没有可以领的券，有新券会在群里说一声～")
    ctx.tx.note(CouponWanted(at=said.at, member=said.member, batch=batch.id, answered=True))
    return Reply.of(claim_text(_issue(batch.id, said.member, ctx), ctx.now, ctx.settings.zone))


def _issue(batch: str, member: str, ctx: Context) -> Claim:
    answer = ctx.tx.coupons.issue(batch, member)
    if isinstance(answer, Issued):
        ctx.tx.tags.add(member, "领过券", reason=f"领了「{answer.batch.name}」")
        reach(member, Signal.COUPON_CLAIMED, ctx)
        end_for(member, Signal.COUPON_CLAIMED, ctx)
    return answer


def _newest_open(ctx: Context) -> Batch | None:
    open_now = [
        batch
        for batch in ctx.tx.coupons.batches()
        if (batch.starts is None or batch.starts <= ctx.now) and (batch.ends is None or ctx.now < batch.ends)
    ]
    return open_now[-1] if open_now else None


@router.reply_to(Kind.COUPON_WANTED)
def want(wanted: CouponWanted, ctx: Context) -> Reply | None:
    """Asked for on a page; who asked in words has been answered there."""
    if wanted.answered:
        return None
    if ctx.tx.coupons.batch(wanted.batch) is None:
        return Reply.of("没有这一批券，可能已经撤下了。")
    return Reply.of(claim_text(_issue(wanted.batch, wanted.member, ctx), ctx.now, ctx.settings.zone))


@router.reply_to(Kind.COUPON_REDEEMED)
def redeem(redeemed: CouponRedeemed, ctx: Context) -> Reply:
    """A shop used a code; the same order hears the same answer."""
    verdict = ctx.tx.coupons.redeem(redeemed.code, redeemed.order)
    if isinstance(verdict, Redeemed):
        ctx.tx.tags.add(verdict.coupon.member, "用过券", reason=f"订单 {redeemed.order} 用了券")
        reach(verdict.coupon.member, Signal.COUPON_REDEEMED, ctx)
        end_for(verdict.coupon.member, Signal.COUPON_REDEEMED, ctx)
        return Reply.of("已核销")
    return Reply.of(verdict.reason)


# ---------------------------------------------------------------- before it ends


@router.observe(Kind.WAIT_ENDED, where=Waited(REMIND))
def remind(ended: WaitEnded, ctx: Context) -> None:
    """Whose code is still unused is reminded in the name of a friend, by a text that is the same for all."""
    coupon = ctx.tx.coupons.get(ended.whom)
    batch = ctx.tx.coupons.batch(coupon.batch) if coupon else None
    if coupon is None or batch is None or not coupon.usable(ctx.now):
        return
    sender = ctx.tx.members.senders([coupon.member]).get(coupon.member)
    if sender is None:
        return
    ctx.tx.outbox.add(
        Message(
            key=f"coupon.remind:{coupon.code}",
            channel=Channel.GROUP_SEND,
            content=Content(remind_text(batch), link=Link(batch.name, _page(batch, sender, ctx), "查看券码")),
            to_member=coupon.member,
            sender=sender,
            not_before=_morning(ctx),
            deadline=coupon.expires,
            why=f"「{batch.name}」的到期提醒",
        )
    )


def _page(batch: Batch, sender: str, ctx: Context) -> str:
    public = ctx.settings.public_url
    target = absolute(f"/m/coupon/{batch.id}", public)
    owner = f"coupon.remind.{batch.id}.{sender}"
    return short(ctx.tx.links.make(target, ctx.token, owner=owner, title=batch.name).token, public)


def _morning(ctx: Context) -> datetime:
    """The next half past ten in the morning."""
    today = local_day(ctx.now, ctx.settings.zone)
    at = at_local(today, REMIND_TIME, ctx.settings.zone)
    return at if at > ctx.now else at_local(today + timedelta(days=1), REMIND_TIME, ctx.settings.zone)
