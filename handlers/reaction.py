"""One update's way through the house: observed, answered, and what it changed heard in turn.

All of it happens inside one transaction of the caller. In *careful* mode each observer and the answer run
under a savepoint: a failing answer takes back its own work, never the recorded fact.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import structlog

from handlers.context import Context
from handlers.router import Route, Switchboard
from sop.errors import QunxingError
from sop.kf import CODE_LIFE, LONG_CODE_LIFE, Care, KfEntered, KfMoved, KfSessionChanged
from sop.message import Channel, Content, Message, Reply
from sop.update import AppOpened, CardClicked, MessageHeard, Ticket, Update
from storage.engine import is_trouble
from storage.tx import Tx

log = structlog.get_logger()

DEPTH = 8  # how long a chain of noted updates may grow

ContextOf = Callable[[Update, Tx], Context]


class TooDeep(QunxingError):
    """Noted updates set off each other without end; the last few kinds are in the text."""


@dataclass
class Reaction:
    """What came of an update: the reply, who answered, and what failed on the way."""

    reply: Reply | None = None
    answered_by: str = ""
    failures: list[str] = field(default_factory=list)


def react(
    update: Update, tx: Tx, switchboard: Switchboard, context_of: ContextOf, *, careful: bool = False
) -> Reaction:
    """Handle ``update`` and everything it sets off, within the transaction behind ``tx``."""
    reaction = Reaction()
    _handle(update, tx, switchboard, context_of, careful, reaction)
    level: list[Update] = tx.take_noted(update)
    trail = [str(update.kind)]
    while level:
        trail.append(str(level[0].kind))
        if len(trail) > DEPTH:
            raise TooDeep(f"updates set off each other without end: {' → '.join(trail[-4:])}")
        for noted in level:
            _handle(noted, tx, switchboard, context_of, careful, Reaction(failures=reaction.failures))
        level = tx.take_noted(update)
    return reaction


def _handle(
    update: Update,
    tx: Tx,
    switchboard: Switchboard,
    context_of: ContextOf,
    careful: bool,
    reaction: Reaction,
) -> None:
    ctx = context_of(update, tx)
    for route in switchboard.observers(update, ctx):
        _call(route, update, ctx, careful, reaction)
    answering = None if ctx.hushed else switchboard.answering(update, ctx)
    if answering is not None:
        reaction.reply = _call(answering, update, ctx, careful, reaction)
        reaction.answered_by = answering.name


def _call(route: Route, update: Update, ctx: Context, careful: bool, reaction: Reaction) -> Any:
    if not careful:
        return route.handler(update, ctx)
    noted = ctx.tx.noted_so_far()
    try:
        with ctx.tx.savepoint():
            return route.handler(update, ctx)
    except Exception as error:  # one handler's fault must not take the fact or its neighbours with it
        if is_trouble(error):
            raise
        ctx.tx.forget_noted_since(noted)
        log.exception("handler failed", handler=route.name, update=str(update.kind), id=update.id)
        reaction.failures.append(f"{route.name}: {type(error).__name__}: {error}")
        return None


def answer(update: Update, reply: Reply, ctx: Context) -> None:
    """Let a reply wait in the outbox, on the channel the update came by; where nobody can answer it is dropped."""
    message = reply_message(update, reply, ctx)
    if message is not None:
        ctx.tx.outbox.add(message)


def reply_message(update: Update, reply: Reply, ctx: Context) -> Message | None:
    plain = Message(
        key=f"reply:{update.id}",
        channel=Channel.APP,
        content=reply.content if isinstance(reply.content, Content) else Content(str(reply.content)),
        urgent=True,
        marketing=False,
        why="回复对方刚发来的消息",
    )
    match update:
        case MessageHeard(via="kf"):
            return replace(plain, channel=Channel.KF, to_member=update.member, sender=update.account)
        case KfEntered():
            return replace(
                plain,
                channel=Channel.KF,
                to_member=update.member,
                sender=update.account,
                welcome_code=update.welcome_code,
                deadline=update.at + CODE_LIFE,
            )
        case KfMoved() | KfSessionChanged():
            life = CODE_LIFE if update.code and _is_over(update) else LONG_CODE_LIFE
            return replace(
                plain,
                channel=Channel.KF,
                to_member=update.member,
                sender=update.account,
                welcome_code=update.code,
                deadline=update.at + life,
                why="客服会话换了人接待",
            )
        case MessageHeard(via="aibot", ticket=Ticket() as ticket):
            return _by_bot(plain, ticket, update.account, update.member, update.group)
        case AppOpened(via="aibot", ticket=Ticket() as ticket):
            return _by_bot(plain, ticket, update.app, update.staff)
        case CardClicked(via="aibot", ticket=Ticket() as ticket, group=""):  # a group sees it on the card
            return _by_bot(plain, ticket, update.app, update.staff)
        case MessageHeard(via="app"):
            return replace(plain, to_staff=update.member, sender=ctx.settings.main_app)
        case AppOpened(via="app") | CardClicked(via="app"):
            return replace(plain, to_staff=update.staff, sender=ctx.settings.main_app)
        case _:
            return None


def _by_bot(plain: Message, ticket: Ticket, bot: str, staff: str, group: str = "") -> Message:
    """Where the platform comes asking, the answer waits for it; what it did not fetch leaves by itself."""
    return replace(
        plain,
        channel=Channel.AIBOT,
        to_staff="" if group else staff,
        to_group=group,
        sender=bot,
        ticket=ticket.code,
        not_before=ticket.asked_until,
        deadline=ticket.valid_until,
    )


def _is_over(moved: KfMoved | KfSessionChanged) -> bool:
    """The code of a session's end lives seconds only."""
    return moved.change == "ended" if isinstance(moved, KfSessionChanged) else moved.care is Care.ENDED
