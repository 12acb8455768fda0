"""为什么发给我: the reason that was kept with the last message, in a sentence."""

from __future__ import annotations

from handlers.context import Context
from handlers.filters import Keyword, Via
from handlers.router import Router
from sop.consent import WHY_WORDS
from sop.message import Reply
from sop.timing import spoken
from sop.update import Kind, MessageHeard

router = Router("why")


@router.reply_to(Kind.MESSAGE, Keyword("为什么", *WHY_WORDS) & Via("kf"))
def why(said: MessageHeard, ctx: Context) -> Reply:
    """Which message it was, what plan it belongs to, and how to stop."""
    newest = ctx.tx.outbox.last_to(said.member)
    if not newest:
        return Reply.of("最近没有给你推送过内容。我们只在你同意时发送，回复「退订」可以随时停。")
    entry = newest[0]
    when = spoken(entry.sent_at, ctx.settings.zone) if entry.sent_at else ""
    text = entry.message.content.text.strip().splitlines()[0][:20]
    return Reply.of(
        f"{when} 发给你的「{text}……」来自{entry.message.why or '我们的日常内容'}，"
        "因为你在这份内容的适用人群里。不想再收到，回复「退订」就停。"
    )
