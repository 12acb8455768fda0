"""微信客服: the doorbell rings, somebody comes in, and what did not arrive after all."""

from __future__ import annotations

from handlers.context import Context
from handlers.router import Router
from sop.kf import KfEntered, KfFailed, KfRang
from sop.message import Reply
from sop.receipt import State
from sop.update import Kind
from storage.errand import Errand

router = Router("kf")

GREETING = (
    "你好呀，我是群星小助手～\n"
    "回复「领券」领优惠券，「签到」打卡，「今日任务」答题，「为什么发给我」看推送缘由，「退订」随时停。"
)
FAILURES = {
    1: "客服账号已删除",
    2: "应用已关闭",
    4: "距离对方上次来信超过 48 小时",
    5: "会话已结束",
    6: "对方回复前已连发 5 条",
    8: "企业未认证",
    10: "对方拒收",
    11: "没有成员登录",
    12: "消息类型被禁",
    13: "含敏感内容",
}  # developer.work.weixin.qq.com path 94670


@router.observe(Kind.KF_RANG)
def answer_the_bell(rang: KfRang, ctx: Context) -> None:
    """The bell says nothing but that somebody is there: ask who, and what they said."""
    ctx.tx.errands.add(Errand(what="kf", whom=rang.account, data={"token": rang.token}, at=ctx.now))


@router.observe(Kind.KF_ENTERED)
def know(entered: KfEntered, ctx: Context) -> None:
    ctx.tx.members.meet(entered.member, seen_at=entered.at)


@router.reply_to(Kind.KF_ENTERED)
def greet(entered: KfEntered, ctx: Context) -> Reply | None:
    """Only who has not been greeted lately brings a code."""
    return Reply.of(GREETING) if entered.welcome_code else None


@router.observe(Kind.KF_FAILED)
def note_failure(failed: KfFailed, ctx: Context) -> None:
    """Accepted is not delivered: correct the ledger."""
    entry = ctx.tx.outbox.by_number(failed.message)
    if entry is not None:
        said = FAILURES.get(failed.reason, "平台没有说明原因")
        ctx.tx.outbox.move([entry.id], State.REFUSED, reason=f"微信客服没有送达：{said}")
