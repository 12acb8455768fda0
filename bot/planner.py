"""The planner: whose next step is due, what it says to them, and when their next one comes.

Steps that are alike go on by set, thousands in one short statement, and find their words afterwards; the others are
decided one by one. Whatever takes thinking happens on a consistent view, outside any write transaction, so that a
callback that arrives meanwhile is stored within milliseconds.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar

import structlog

from bot.bell import Bell
from bot.clock import Clock
from handlers.context import Context
from handlers.planning import Overtaken, carry_out, plan, stride
from handlers.wording import store, word
from sop.update import ClockTicked, Update
from storage import lease
from storage.due import DueStore
from storage.engine import Connection, Database
from storage.planned import PlannedStore
from storage.stride import Place, StrideStore
from storage.tx import Tx

log = structlog.get_logger()

TERM = timedelta(seconds=30)
SET = {"sqlite": 400, "postgresql": 800}  # steps that go on by set: some milliseconds of the writer
CHUNK = 100  # steps decided, or messages worded, together: some milliseconds of the writer
NAME = "planner"

T = TypeVar("T")
ContextOf = Callable[[Update, Tx], Context]


@dataclass
class _Turns:
    """Whose turn has come and who has not been dealt with: who came last is dealt with first, for a welcome cannot wait."""

    until: datetime | None = None  # whatever was due by then, and
    newest: int = 0  # was noted by then, was looked at
    sets: deque[list[int]] = field(default_factory=deque)
    singles: list[int] = field(default_factory=list)
    places: list[Place] = field(default_factory=list)  # where those stood who were looked at last

    def __bool__(self) -> bool:
        return bool(self.sets or self.singles)

    def add(self, ids: list[int], until: datetime, size: int) -> None:
        self.sets.extendleft(ids[start : start + size] for start in range(0, len(ids), size))
        self.until, self.newest = until, max([self.newest, *ids[-1:]])

    def next_singles(self) -> list[int]:
        chunk = self.singles[-CHUNK:]
        del self.singles[-CHUNK:]
        return chunk


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
    _turns: _Turns = field(default_factory=_Turns)

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
        """A set of what is alike, a chunk of what is not, and the words of a chunk; 0 when there is nothing to do."""
        if not await self._look() or not await self._may_plan():
            self._turns = _Turns()
            return 0
        try:
            return await self._take_set() + await self._take_singles() + await self._find_words()
        except lease.Stale:
            log.warning("lease lost", planner=self.name)
            self._held, self._turns = {}, _Turns()
        except Overtaken as error:
            log.info("planned again", reason=str(error))
        return 1

    async def _look(self) -> bool:
        """Whose turn has come since we looked last, and with nobody left at all; is there anything to do?"""
        now, turns = self.clock.now(), self._turns
        since = (turns.until, turns.newest) if turns and turns.until else None
        turns.add(await self.db.read(lambda c: DueStore(c).turns(now, since)), now, SET[self.db.dialect])
        return bool(turns) or await self.db.read(lambda c: bool(PlannedStore(c, now).first(1)))

    async def _take_set(self) -> int:
        if not self._turns.sets:
            return 0
        ids = self._turns.sets.popleft()
        left = await self._stride(ids)
        if left:  # who is kept beside each other often stands where the last ones stood, but not always
            self._turns.places = await self.db.read(lambda c: StrideStore(c, self.clock.now()).places(left))
            left = await self._stride(left)
        self._turns.singles += left
        return len(ids)

    async def _stride(self, ids: list[int]) -> list[int]:
        """Plan by set whoever does alike at the places we know; returns the others."""
        places = self._turns.places
        if not places:
            return ids
        taken = await self._write(lambda ctx: stride(ctx, places, ids))
        now = self.clock.now()
        return [] if taken == len(ids) else await self.db.read(lambda c: StrideStore(c, now).left(ids))

    async def _take_singles(self) -> int:
        if not (ids := self._turns.next_singles()):
            return 0
        planned = await self.db.read(lambda c: plan(self._context(c), ids))
        if planned.size:
            await self._write(lambda ctx: carry_out(planned, ctx))
        return len(ids)

    async def _find_words(self) -> int:
        found = await self.db.read(lambda c: word(self._context(c), CHUNK))
        if found.size:
            await self._write(lambda ctx: store(found, ctx))
        return found.size

    async def _write(self, work: Callable[[Context], T]) -> T:
        """Store what was decided, while it is ours to decide."""

        def guarded(connection: Connection) -> T:
            lease.guard(connection, self._held, self.clock.now(), TERM)
            return work(self._context(connection))

        done = await self.db.write(guarded)
        self.after_chunk()
        return done

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

    def _context(self, connection: Connection) -> Context:
        now = self.clock.now()
        return self.context_of(ClockTicked(at=now, name=NAME, slot=now), Tx(connection, now))
