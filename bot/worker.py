"""The worker: leases shards of lanes, and handles what waits in them, one transaction a batch.

Fact, changes, waiting messages and the done mark commit together, and only if the lease still holds.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial

import structlog

from bot.bell import Bell
from bot.clock import Clock, patience
from handlers.reaction import ContextOf, Reaction, answer, react
from handlers.router import Switchboard
from sop.errors import Malformed
from sop.packed import from_plain
from sop.update import Update
from storage import inbox, lease
from storage.engine import Connection, Database, is_trouble
from storage.inbox import SELF, SHARDS, Waiting
from storage.tx import Tx

log = structlog.get_logger()

TERM = timedelta(seconds=30)
SHARE_S = 0.003  # of the writer's time; callbacks wait for it to be stored
BATCHES_A_LEASE = 20  # then others may have these shards, and we others

Parse = Callable[[str, bytes, str], Update]  # door, body, identity


def understand(parse: Parse) -> Parse:
    """``parse`` for the platform's doors, and our own JSON for the door we knock at ourselves."""

    def understood(door: str, body: bytes, identity: str) -> Update:
        if door != SELF:
            return parse(door, body, identity)
        try:
            plain = json.loads(body)
            return from_plain({**plain, "id": plain.get("id") or identity})
        except (ValueError, KeyError, TypeError) as error:
            raise Malformed(f"our own update cannot be read: {error}") from error

    return understood


@dataclass
class Worked:
    """What one round did."""

    handled: int = 0
    parked: int = 0
    retried: int = 0

    def __bool__(self) -> bool:
        return bool(self.handled or self.parked or self.retried)


@dataclass
class Worker:
    """Handles updates until it is told to stop; any number may run over one database."""

    db: Database
    switchboard: Switchboard
    context_of: ContextOf
    parse: Parse
    clock: Clock
    bell: Bell
    name: str
    batch: int = 50
    alone: bool = False  # nobody else works: every shard's lease is kept, and costs no transaction of its own
    shards_at_once: int = 4
    idle_s: float = 60.0
    after_batch: Callable[[], None] = lambda: None
    on_reaction: Callable[[Update, Reaction], None] = lambda update, reaction: None
    _held: dict[str, int] = field(default_factory=dict)
    _turn: int = 0  # the shard to begin with next, so that none is left for last for ever
    _batches: int = 0  # under the present lease

    async def run(self) -> None:
        try:
            wait = 0.0
            while True:
                with await self.bell.wait(wait):
                    wait = await self._drain()
        finally:
            await asyncio.shield(self._release())

    async def _drain(self) -> float:
        """Work until nothing is ready; returns how long nothing is expected."""
        while await self.work_once() and not self.bell.closed:
            pass
        retry = await self.db.read(inbox.next_retry)
        if retry is None:
            return self.idle_s
        return min(self.idle_s, max(0.25, (retry - self.clock.now()).total_seconds()))

    async def work_once(self) -> Worked:
        """Lease, handle one batch, mark it done; falsy when there was nothing to do."""
        try:
            rows = await self._ready()
            worked = await self._handle(rows) if rows else Worked()
            self._batches += 1
            if not self.alone and self._batches >= BATCHES_A_LEASE:
                await self._release()
            return worked
        except lease.Stale as error:
            log.warning("lease lost", shards=str(error), worker=self.name)
            self._held.clear()
            return Worked()

    async def _ready(self) -> list[Waiting]:
        """What may be handled now, in the shards we hold or in others we can get."""
        while self._held or await self._lease():
            shards, now = [int(name.removeprefix("shard-")) for name in self._held], self.clock.now()
            rows = await self.db.read(partial(inbox.waiting, shards=shards, now=now, limit=self.batch))
            if rows or self.alone:
                return rows
            await self._release()
        return []

    async def _lease(self) -> bool:
        """Take some of the shards with work, beginning behind those we had; False when there are none to take."""
        now, self._batches = self.clock.now(), 0
        busy = set(range(SHARDS))
        if not self.alone:
            busy = await self.db.read(lambda c: inbox.shards_with_work(c, now))
        by_turn = sorted(busy, key=lambda shard: (shard - self._turn) % SHARDS)
        size = SHARDS if self.alone else self.shards_at_once
        for start in range(0, len(by_turn), size):
            names = [f"shard-{shard}" for shard in by_turn[start : start + size]]
            self._turn = by_turn[start] + size
            self._held = await self.db.write(
                partial(lease.claim, names=names, holder=self.name, now=now, term=TERM, anyway=self.alone)
            )
            if self._held:
                return True
        return False

    async def _release(self) -> None:
        held, self._held = self._held, {}
        if held:
            await self.db.write(lambda c: lease.release(c, held))

    async def _handle(self, rows: Sequence[Waiting]) -> Worked:
        worked = Worked()
        read: list[tuple[Waiting, Update]] = []
        for row in rows:
            try:
                read.append((row, self.parse(row.door, row.body, row.identity)))
            except Exception as error:  # whatever is wrong with it, it stops nobody behind it
                await self._park(row, error)
                worked.parked += 1
        while read:
            try:
                reactions = await self.db.write(partial(self._together, read=read))
            except lease.Stale:
                raise
            except Exception as error:  # one of them failed: each alone, so that it stops nobody else
                if is_trouble(error):
                    raise
                log.info("batch falls apart", size=len(read))
                await self._one_by_one(read, worked)
                break
            worked.handled += len(reactions)
            for (_, update), reaction in zip(read, reactions, strict=False):
                self.on_reaction(update, reaction)
            read = read[len(reactions) :]
        self.after_batch()
        return worked

    def _together(self, connection: Connection, read: Sequence[tuple[Waiting, Update]]) -> list[Reaction]:
        """Handle as many as fit into our share of the writer's time; the rest comes in the next transaction."""
        lease.guard(connection, self._held, self.clock.now(), TERM)
        reactions, over = list[Reaction](), patience(SHARE_S)
        for _, update in read:
            reactions.append(self._react(connection, update, careful=False))
            if over():
                break
        inbox.done(connection, [row.id for row, _ in read[: len(reactions)]])
        return reactions

    async def _one_by_one(self, read: Sequence[tuple[Waiting, Update]], worked: Worked) -> None:
        blocked: set[str] = set()
        for row, update in read:
            if row.lane in blocked:
                continue
            try:
                settled, reaction = await self.db.write(partial(self._alone, row, update))
            except lease.Stale:
                raise
            except Exception as error:  # an observer or the depth limit failed: only the error is kept
                if is_trouble(error):
                    raise
                log.exception("update failed", update=str(update.kind), id=update.id)
                settled, reaction = await self._failed(row, f"{type(error).__name__}: {error}"), Reaction()
            if settled == "done":
                worked.handled += 1
                self.on_reaction(update, reaction)
            elif settled == "parked":
                worked.parked += 1
            else:
                worked.retried += 1
                blocked.add(row.lane)

    def _alone(self, row: Waiting, update: Update, connection: Connection) -> tuple[str, Reaction]:
        lease.guard(connection, self._held, self.clock.now(), TERM)
        reaction = self._react(connection, update, careful=True)
        if not reaction.failures:
            inbox.done(connection, [row.id])
            return "done", reaction
        parked = inbox.failed(connection, row, "; ".join(reaction.failures), self.clock.now())
        return "parked" if parked else "retry", reaction

    def _react(self, connection: Connection, update: Update, *, careful: bool) -> Reaction:
        tx = Tx(connection, self.clock.now())
        reaction = react(update, tx, self.switchboard, self.context_of, careful=careful)
        if reaction.reply is not None:
            answer(update, reaction.reply, self.context_of(update, tx))
        return reaction

    async def _failed(self, row: Waiting, error: str) -> str:
        def mark(connection: Connection) -> bool:
            lease.guard(connection, self._held, self.clock.now(), TERM)
            return inbox.failed(connection, row, error, self.clock.now())

        return "parked" if await self.db.write(mark) else "retry"

    async def _park(self, row: Waiting, error: Exception) -> None:
        log.warning("parked", door=row.door, id=row.id, reason=f"{type(error).__name__}: {error}")

        def mark(connection: Connection) -> None:
            lease.guard(connection, self._held, self.clock.now(), TERM)
            inbox.park(connection, row, f"{type(error).__name__}: {error}")

        await self.db.write(mark)
