"""The long connections of 智能机器人: of all processes one holds each, and what comes in is stored like any callback.

A lease in the database says who may connect, because the platform lets the newest connection take over. Taken over by
somebody who is not one of us, we do not fight: an operator is told.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any

import structlog

from bot.bell import Bell
from bot.clock import Clock, Hold
from bot.wecom.aibot_click import clicked_card
from bot.wecom.aibot_parse import event_of, knock_of
from bot.wecom.aibot_socket import BEAT_S, Line, Lost, TakenOver
from sop.errors import Blocked, SendError
from storage import inbox, lease
from storage.engine import Database
from storage.inbox import Knock

log = structlog.get_logger()

TERM = timedelta(seconds=3 * BEAT_S)
LOOK_S = 15.0  # how often one without the lease asks for it
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 30.0
TRIES = 5  # of credentials that are not taken
STORE_AGAIN_S = 1.0  # real time
IDLE_S = 3600.0


@dataclass(eq=False)
class Lines:
    """Keeps every bot's connection; any number may run over one database."""

    db: Database
    lines: Mapping[str, Line]
    corp: str
    clock: Clock
    bell: Bell
    woken: Bell  # the worker's
    ready: Callable[[], None]  # something can leave again
    alarm: Callable[[str], Awaitable[None]]
    name: str
    _works: set[asyncio.Task[None]] = field(default_factory=set)

    async def run(self) -> None:
        keepers = [asyncio.create_task(self._keep(line)) for line in self.lines.values()]
        keepers.append(asyncio.create_task(self._idle()))
        try:
            await asyncio.gather(*keepers)
        finally:
            for task in (*keepers, *self._works):
                task.cancel()
            await asyncio.gather(*keepers, *self._works, return_exceptions=True)

    async def _idle(self) -> None:
        """Nothing is ever half done here, so we may be called away at any time."""
        while True:
            with await self.bell.wait(IDLE_S):
                pass

    # ------------------------------------------------------------ one connection

    async def _keep(self, line: Line) -> None:
        turn = _Turn(f"aibot:{line.bot.name}"[:64])
        try:
            while True:
                await self._hold(line, turn)
                await self.clock.sleep(turn.rest())
        finally:
            await asyncio.shield(self._release(turn))

    async def _hold(self, line: Line, turn: _Turn) -> None:
        """Connect, if it is our turn, and stay connected as long as it lasts."""
        await self._store(turn)
        attempt = self.clock.hold()
        try:
            if not await self._claim(turn):
                turn.waits()
                return
            await line.hold(
                partial(self._hear, line, turn),
                opened=partial(self._opened, line, turn, attempt),
                beat=partial(self._renew, turn),
            )
        except lease.Stale:
            log.warning("aibot lease lost", bot=line.bot.name)
        except (TakenOver, Blocked) as end:
            attempt.release()
            await self._give_up(line, turn, end)
        except (Lost, SendError) as error:
            log.warning("aibot disconnected", bot=line.bot.name, reason=f"{type(error).__name__}: {error}")
        except Exception as error:  # the database, most likely: the connection starts anew
            log.exception("aibot disconnected", bot=line.bot.name, reason=f"{type(error).__name__}: {error}")
        finally:
            with self.clock.hold():
                attempt.release()
                await self._release(turn)

    def _opened(self, line: Line, turn: _Turn, attempt: Hold) -> None:
        log.info("aibot connected", bot=line.bot.name)
        turn.went_well()
        attempt.release()
        self.ready()

    async def _give_up(self, line: Line, turn: _Turn, end: TakenOver | Blocked) -> None:
        """Taken over by one of us is no matter; by a stranger, or refused again and again, is an operator's."""
        if isinstance(end, Blocked):
            turn.refused += 1
            log.error("aibot refused", bot=line.bot.name, reason=end.reason)
            if turn.refused >= TRIES:
                await self._stand_back(turn, f"{end.reason}；已停止重试，改好后请重启群星")
        elif await self._is_ours(turn):
            await self._stand_back(
                turn,
                f"智能机器人 {line.bot.name} 的长连接被另一个程序接管，群星不再重连；请停掉那个程序，再重启群星",
            )

    async def _stand_back(self, turn: _Turn, why: str) -> None:
        """Keep the lease and do nothing with it, so that none of us reconnects; until we are started anew."""
        await self.alarm(why)
        try:
            while True:
                await self.clock.sleep(BEAT_S)
                await self._renew(turn)
        except lease.Stale:
            return

    # ------------------------------------------------------------ the lease

    async def _claim(self, turn: _Turn) -> bool:
        now = self.clock.now()
        turn.held = await self.db.write(lambda c: lease.claim(c, [turn.name], self.name, now, TERM))
        return bool(turn.held)

    async def _renew(self, turn: _Turn) -> None:
        now = self.clock.now()
        await self.db.write(lambda c: lease.guard(c, turn.held, now, TERM))

    async def _is_ours(self, turn: _Turn) -> bool:
        try:
            await self._renew(turn)
        except lease.Stale:
            return False
        return True

    async def _release(self, turn: _Turn) -> None:
        held, turn.held = turn.held, {}
        if held:
            await self.db.write(lambda c: lease.release(c, held))

    # ------------------------------------------------------------ what comes in

    async def _hear(self, line: Line, turn: _Turn, told: dict[str, Any], request: str) -> None:
        """Store it; the platform says it only once, so we keep it until it is stored."""
        said = json.dumps(told).encode()
        turn.unstored.append(knock_of(self.corp, line.bot.door, said, self.clock.now(), request=request))
        await self._store(turn)
        if event_of(told) == "template_card_event":
            self._start(self._show(line, told, request))

    async def _store(self, turn: _Turn) -> None:
        while turn.unstored:
            knocks = list(turn.unstored)
            try:
                await self.db.write(partial(inbox.insert, knocks=knocks), urgent=True)
                del turn.unstored[: len(knocks)]
                self.woken.ring()
            except Exception as error:  # whatever keeps it from disk passes, or an operator sees it here
                log.error("aibot message not stored", reason=f"{type(error).__name__}: {error}")
                await asyncio.sleep(STORE_AGAIN_S)

    async def _show(self, line: Line, told: dict[str, Any], request: str) -> None:
        """The card as its reader left it."""
        now = self.clock.now()
        shown = await self.db.read(lambda c: clicked_card(c, told, now))
        if shown is None:
            return
        card, userids = shown
        try:
            await line.update_card(request, card, userids)
        except SendError as error:
            log.warning("card not updated", bot=line.bot.name, reason=error.reason)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._works.add(task)
        task.add_done_callback(self._works.discard)


@dataclass(eq=False)
class _Turn:
    """One bot's lease as this process has it, what it heard and could not store yet, and how long to wait before the next attempt."""

    name: str
    held: dict[str, int] = field(default_factory=dict)
    refused: int = 0
    unstored: list[Knock] = field(default_factory=list)
    _pause: float = FIRST_PAUSE_S
    _others: bool = False

    def waits(self) -> None:
        """Somebody else has the lease."""
        self._others, self._pause = True, FIRST_PAUSE_S

    def went_well(self) -> None:
        self.refused, self._pause = 0, FIRST_PAUSE_S

    def rest(self) -> float:
        """Seconds until the next attempt, twice as long after each that failed."""
        if self._others:
            self._others = False
            return LOOK_S
        pause, self._pause = self._pause, min(LONGEST_PAUSE_S, 2 * self._pause)
        return pause
