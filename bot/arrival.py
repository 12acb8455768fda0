"""Arrivals: what the platform took is written down together with whatever else it took meanwhile, in one commit."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from bot.clock import Clock
from bot.parcel import receipt_of
from storage import inbox
from storage.engine import Connection, Database
from storage.outbox import Entry, OutboxStore


@dataclass
class Arrivals:
    """Group commit for messages that were sent: whoever comes while a commit runs shares the next one."""

    db: Database
    clock: Clock
    _pending: list[tuple[Entry, str, asyncio.Future[None]]] = field(default_factory=list)
    _storing: asyncio.Task[None] | None = None

    async def note(self, entry: Entry, number: str) -> None:
        """Return when it is on disk that the platform took ``entry`` as ``number``; raise when it is not."""
        stored = asyncio.get_running_loop().create_future()
        self._pending.append((entry, number, stored))
        if self._storing is None:
            self._storing = asyncio.create_task(self._store())
        await stored

    async def _store(self) -> None:
        try:
            while self._pending:
                batch, self._pending = self._pending, []
                taken = [(entry, number) for entry, number, _ in batch]
                try:
                    await self.db.write(partial(_write, taken=taken, now=self.clock.now()))
                except Exception as error:  # each of them must learn that nothing was stored
                    _settle([stored for *_, stored in batch], error)
                else:
                    _settle([stored for *_, stored in batch], None)
        finally:
            self._storing = None


def _write(connection: Connection, taken: list[tuple[Entry, str]], now: datetime) -> None:
    OutboxStore(connection, now).accepted({entry.id: (number, entry.fence) for entry, number in taken})
    inbox.insert(connection, [receipt_of(entry, now) for entry, _ in taken])


def _settle(waiting: list[asyncio.Future[None]], error: Exception | None) -> None:
    for stored in waiting:
        if stored.done():  # whoever waited was called away
            continue
        if error is None:
            stored.set_result(None)
        else:
            stored.set_exception(error)
