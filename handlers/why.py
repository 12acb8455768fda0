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
    groups = {group.id: group.called for group in ctx.tx.groups.of_member(said.member)}
    newest = ctx.tx.outbox.last_to(said.member, groups=groups.keys())
    if not newest:
        return Reply.of("最近没有给你推送过内容。我们只在你同意时发送，回复「退订」可以随时停。")
    entry = newest[0]
    when = spoken(entry.sent_at, ctx.settings.zone) if entry.sent_at else ""
    text = entry.message.content.text.strip().splitlines()[0][:20]
    group = groups.get(entry.message.to_group, "")
    where = f"发在「{group}」" if group else "发给你"
    because = "你在这个群里" if group else "你在这份内容的适用人群里"
    return Reply.of(
        f"{when} {where}的「{text}……」来自{entry.message.why or '我们的日常内容'}，"
        f"因为{because}。不想再收到，回复「退订」就停。"
    )
