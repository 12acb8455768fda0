"""为什么发给我: which message it was, and what the member did that brought it, in a sentence."""

from __future__ import annotations

from handlers.context import Context
from handlers.filters import Keyword, Via
from handlers.router import Router
from sop.consent import WHY_WORDS
from sop.message import Reply
from sop.timing import spoken
from sop.update import Kind, MessageHeard
from storage.why import WhyStore

router = Router("why")

LONGEST = 20  # characters of the message that are quoted
STOP = "不想再收到，回复「退订」就停。"


@router.reply_to(Kind.MESSAGE, Keyword("为什么", *WHY_WORDS) & Via("kf"))
def why(said: MessageHeard, ctx: Context) -> Reply:
    """Which message it was, what plan it belongs to, and how to stop."""
    return Reply.of(f"{answer(said.member, ctx) or '最近没有给你推送过内容。我们只在你同意时发送。'}{STOP}")


@router.reply_to(Kind.MESSAGE, Keyword("为什么", *WHY_WORDS) & Via("app"))
def why_staff(said: MessageHeard, ctx: Context) -> Reply:
    """An employee asks the app about what the app told them by plan."""
    return Reply.of(
        answer(said.member, ctx) or "最近没有按计划给你发过内容；提醒和任务通知是因为你在运营名单里。"
    )


def answer(member: str, ctx: Context) -> str:
    """About the newest that reached somebody; empty when nothing did."""
    store = WhyStore(ctx.tx.connection, ctx.now, ctx.settings.zone)
    newest = next(iter(store.got(member)), None)
    if newest is None:
        return ""
    where = f"发在「{newest.group}」" if newest.group else "发给你"
    when = spoken(newest.at, ctx.settings.zone)
    quoted = newest.first_line[:LONGEST]
    return f"{when} {where}的「{quoted}……」来自{newest.source}，因为{newest.because}。"
