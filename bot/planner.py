"""The planner: whose next step is due, what it says to them, and when their next one comes.

A chunk is decided and written on a consistent view of the database, outside any write transaction; storing it is one
short transaction, so that a callback that arrives meanwhile is stored within milliseconds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

import structlog

from bot.bell import Bell
from bot.clock import Clock
from handlers.context import Context
from handlers.planning import Overtaken, Plan, carry_out, plan
from sop.update import ClockTicked, Update
from storage import lease
from storage.due import DueStore
from storage.engine import Connection, Database
from storage.tx import Tx

log = structlog.get_logger()

TERM = timedelta(seconds=30)
CHUNK = 100  # steps planned together: some milliseconds of the writer
NAME = "planner"

ContextOf = Callable[[Update, Tx], Context]


@dataclass
class Planner:
    """Plans until it is told to stop. Of any number over one database one plans; the lease says which."""

    db: Database
    context_of: ContextOf
    clock: Clock
    bell: Bell
    name: str
    alone: bool = False
    idle_s: float = 60.0
    after_chunk: Callable[[], None] = lambda: None
    _held: Mapping[str, int] = field(default_factory=dict)

    async def run(self) -> None:
        try:
            wait = 0.0
            while True:
                with await self.bell.wait(wait):
                    wait = await self._drain()
        finally:
            await asyncio.shield(self._release())

    async def _drain(self) -> float:
        """Plan what is due; returns how long nothing will be."""
        while await self.plan_once() and not self.bell.closed:
            pass
        next_at = await self.db.read(lambda c: DueStore(c).next_step_at())
        if next_at is None:
            return self.idle_s
        return min(self.idle_s, max(0.25, (next_at - self.clock.now()).total_seconds()))

    async def plan_once(self) -> int:
        """Plan one chunk; how many steps it was, 0 when none is due or somebody else plans."""
        planned = await self.db.read(self._plan)
        if not planned.size or not await self._may_plan():
            return 0
        try:
            await self.db.write(lambda c: self._carry_out(c, planned))
        except lease.Stale:
            log.warning("lease lost", planner=self.name)
            self._held = {}
        except Overtaken as error:
            log.info("planned again", reason=str(error))
        else:
            self.after_chunk()
        return planned.size

    async def _may_plan(self) -> bool:
        if not self._held:
            now = self.clock.now()
            self._held = await self.db.write(
                lambda c: lease.claim(c, [NAME], self.name, now, TERM, anyway=self.alone)
            )
        return bool(self._held)

    async def _release(self) -> None:
        held, self._held = self._held, {}
        if held:
            await self.db.write(lambda c: lease.release(c, held))

    def _plan(self, connection: Connection) -> Plan:
        return plan(self._context(connection), CHUNK)

    def _carry_out(self, connection: Connection, planned: Plan) -> None:
        lease.guard(connection, self._held, self.clock.now(), TERM)
        carry_out(planned, self._context(connection))

    def _context(self, connection: Connection) -> Context:
        now = self.clock.now()
        return self.context_of(ClockTicked(at=now, name=NAME, slot=now), Tx(connection, now))
