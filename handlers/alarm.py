"""Telling operators what they should look at: on the console's first page, and in a message from the app."""

from __future__ import annotations

from collections.abc import Collection

from handlers.context import Context
from sop.message import Channel, Content, Message
from storage.alarm import close_alarms, raise_alarm


def tell_operators(
    key: str, text: str, why: str, ctx: Context, *, group: str = "", ends: Collection[str] = ()
) -> bool:
    """Raise an alarm once for each ``key``, closing those whose keys begin with one of ``ends``; False when it is no news."""
    if not raise_alarm(ctx.tx.connection, key, text, ctx.now, group=group):
        return False
    for beginning in ends:
        close_alarms(ctx.tx.connection, beginning, ctx.now)
    for operator in ctx.settings.operators:
        ctx.tx.outbox.add(
            Message(
                key=f"alarm:{key}:{operator}"[:200],
                channel=Channel.APP,
                content=Content(text),
                to_staff=operator,
                sender=ctx.settings.main_app,
                marketing=False,
                why=why,
            )
        )
    return True


def call_off(beginning: str, ctx: Context) -> None:
    """What open alarms whose keys begin like this said is over."""
    close_alarms(ctx.tx.connection, beginning, ctx.now)
