"""Guards: when too many of those a template reached turn away, it pauses itself and operators hear why.

Whoever turns away sets off a look at what reached them, some seconds later, so that a thousand at once are one look and
nobody waits for the hour: by then a push would have gone out whole.
"""

from __future__ import annotations

from handlers.alarm import tell_operators
from handlers.context import Context
from handlers.filters import Waited
from handlers.router import Router
from sop.guard import NEXT
from sop.update import ConsentChanged, FriendLost, Kind, MembersLeft, WaitEnded
from storage.guard import CHECK, alarm_of
from storage.operator import OperatorStore

router = Router("guard")

BY = "系统"


@router.observe(Kind.CONSENT_CHANGED)
def look_after_opt_out(changed: ConsentChanged, ctx: Context) -> None:
    if not changed.granted:
        ctx.tx.guards.suspect([changed.member])


@router.observe(Kind.FRIEND_LOST)
def look_after_loss(lost: FriendLost, ctx: Context) -> None:
    if lost.by == "member":
        ctx.tx.guards.suspect([lost.member])


@router.observe(Kind.MEMBERS_LEFT)
def look_after_leaving(left: MembersLeft, ctx: Context) -> None:
    if not left.removed:
        ctx.tx.guards.suspect(left.members)


@router.observe(Kind.WAIT_ENDED, where=Waited(CHECK))
def check(wait: WaitEnded, ctx: Context) -> None:
    """Stop what does harm; by the rule that is in force now, whichever version reached them."""
    saved = ctx.tx.templates.in_force(wait.whom)
    template = saved and ctx.tx.templates.read(saved.id, saved.version)
    if not template or template.id in ctx.tx.pauses.paused():
        return
    found = ctx.tx.guards.breach(template.id, template.guard)
    if found is None or not ctx.tx.pauses.pause(template.id, BY, f"自动暂停：{found.reason}"):
        return
    OperatorStore(ctx.tx.connection, ctx.now).record(BY, "paused a template", f"{template.id} {found.reason}")
    text = f"「{template.name}」已自动暂停：{found.reason}。{NEXT}。"
    tell_operators(f"{alarm_of(template.id)}{ctx.now.isoformat()}", text, "模板护栏", ctx)
