"""What nobody else answered: a hint of what can be said; never silence, never a guess."""

from __future__ import annotations

from handlers.context import Context
from handlers.filters import FROM_STAFF, Via
from handlers.router import Router
from handlers.staff import HELP
from sop.message import Reply
from sop.update import Kind, MessageHeard

router = Router("fallback")

HINT = "我还不太会聊天～回复「领券」「签到」「今日任务」「退订」或「为什么发给我」，我都听得懂；其他问题会有同事来回你。"


@router.reply_to(Kind.MESSAGE, Via("kf"))
def hint(heard: MessageHeard, ctx: Context) -> Reply | None:
    """Only to words: a picture wants a person, not a menu."""
    return Reply.of(HINT) if heard.media == "text" and not heard.from_staff else None


@router.reply_to(Kind.MESSAGE, FROM_STAFF)
def help_staff(heard: MessageHeard, ctx: Context) -> Reply:
    return Reply.of(HELP)
