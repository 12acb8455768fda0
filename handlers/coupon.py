"""Coupons: claimed by a word or on a page, one rule for both; used once."""

from __future__ import annotations

from handlers.context import Context
from handlers.filters import Keyword, Prefix, Via
from handlers.router import Router
from sop.coupon import Batch, Claim, Issued, Redeemed, claim_text
from sop.message import Reply
from sop.update import CouponRedeemed, CouponWanted, Kind, MessageHeard

router = Router("coupon")

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
    ctx.tx.note(CouponWanted(at=said.at, member=said.member, batch=batch.id))
    return Reply.of(claim_text(_issue(batch.id, said.member, ctx), ctx.now, ctx.settings.zone))


def _issue(batch: str, member: str, ctx: Context) -> Claim:
    answer = ctx.tx.coupons.issue(batch, member)
    if isinstance(answer, Issued):
        ctx.tx.tags.add(member, "领过券", reason=f"领了「{answer.batch.name}」")
    return answer


def _newest_open(ctx: Context) -> Batch | None:
    open_now = [
        batch
        for batch in ctx.tx.coupons.batches()
        if (batch.starts is None or batch.starts <= ctx.now) and (batch.ends is None or ctx.now < batch.ends)
    ]
    return open_now[-1] if open_now else None


@router.reply_to(Kind.COUPON_WANTED)
def want(wanted: CouponWanted, ctx: Context) -> Reply:
    """Asked for on a page, or said in words a moment ago: the same code either way."""
    if ctx.tx.coupons.batch(wanted.batch) is None:
        return Reply.of("没有这一批券，可能已经撤下了。")
    return Reply.of(claim_text(_issue(wanted.batch, wanted.member, ctx), ctx.now, ctx.settings.zone))


@router.reply_to(Kind.COUPON_REDEEMED)
def redeem(redeemed: CouponRedeemed, ctx: Context) -> Reply:
    """A shop used a code; the same order hears the same answer."""
    verdict = ctx.tx.coupons.redeem(redeemed.code, redeemed.order)
    if isinstance(verdict, Redeemed):
        ctx.tx.tags.add(verdict.coupon.member, "用过券", reason=f"订单 {redeemed.order} 用了券")
        return Reply.of("已核销")
    return Reply.of(verdict.reason)
