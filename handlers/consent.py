"""退订 and 订阅: a word is enough, it acts at once, and the way back is told."""

from __future__ import annotations

from handlers.context import Context
from handlers.filters import Keyword, Via
from handlers.router import Router
from sop.consent import START_WORDS, STOP_WORDS, WORDING
from sop.message import Reply
from sop.update import ConsentChanged, Kind, MessageHeard

router = Router("consent")

STOPPED = "好的，以后不再给你推送。想恢复时回复「订阅」就行；你主动找我，我还是会回的。"
STARTED = "欢迎回来，之后有好内容再发给你。随时回复「退订」就停。"


@router.reply_to(Kind.MESSAGE, Keyword(*STOP_WORDS) & Via("kf"))
def stop(said: MessageHeard, ctx: Context) -> Reply:
    ctx.tx.note(ConsentChanged(at=said.at, member=said.member, granted=False, channel="kf"))
    return Reply.of(STOPPED)


@router.reply_to(Kind.MESSAGE, Keyword(*START_WORDS) & Via("kf"))
def start(said: MessageHeard, ctx: Context) -> Reply:
    ctx.tx.note(ConsentChanged(at=said.at, member=said.member, granted=True, channel="kf"))
    return Reply.of(STARTED)


@router.reply_to(Kind.CONSENT_CHANGED)
def decide(changed: ConsentChanged, ctx: Context) -> Reply:
    """Keep the decision; a no cancels what still waits for this member."""
    ctx.tx.consent.decide(changed.member, changed.granted, channel=changed.channel, wording=WORDING)
    if not changed.granted:
        ctx.tx.outbox.cancel(member=changed.member, reason="对方已退订，取消发送")
    return Reply.of(STARTED if changed.granted else STOPPED)
