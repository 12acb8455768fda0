"""The desk: an update that wants its answer at once, from a page or a shop, handled exactly as the worker would."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bot.bell import Bell
from bot.clock import Clock
from handlers.reaction import ContextOf, react
from handlers.router import Switchboard
from sop.message import Reply
from sop.update import Update
from storage import inbox
from storage.engine import Connection, Database
from storage.tx import Tx


@dataclass
class Desk:
    """Ask and be answered in one transaction.

    Asked twice, an update has one effect: the log knows its ``id``, and answers, check-ins and codes have keys of their own.
    """

    db: Database
    clock: Clock
    switchboard: Switchboard
    context_of: ContextOf
    woken: Bell  # the worker's: what we set off may have more to do
    after: Callable[[], None] = lambda: None  # lets the other roles look at what we left them

    async def ask(self, update: Update) -> Reply | None:
        """The reply of whoever answers ``update``; None when nobody does."""
        if not update.id:
            raise ValueError("an update without an identity cannot be recognised when it is repeated")
        with self.clock.hold():
            reply = await self.db.write(lambda c: self._react(c, update), urgent=True)
            self.woken.ring()
            self.after()
            return reply

    async def tell(self, update: Update, *, lane: str) -> None:
        """Put an update into the inbox, for the worker, when nobody waits for an answer."""
        knock = inbox.knock_of(update, lane=lane, now=self.clock.now())
        await self.db.write(lambda c: inbox.insert(c, [knock]), urgent=True)
        self.woken.ring()

    def _react(self, connection: Connection, update: Update) -> Reply | None:
        tx = Tx(connection, self.clock.now())
        return react(update, tx, self.switchboard, self.context_of).reply
