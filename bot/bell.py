"""A bell wakes a role that has work. A rung bell holds the clock until the work is taken up and done."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from bot.clock import Clock, Hold


class Bell:
    """Ring it as often as you like; whoever waits is woken once."""

    def __init__(self, clock: Clock, tell: Callable[[], None] | None = None, *, here: bool = True) -> None:
        """``tell`` lets other processes know. A bell that is not ``here`` wakes nobody in this process."""
        self._clock, self._tell, self._here = clock, tell, here
        self._rung = asyncio.Event()
        self._hold: Hold | None = None
        self.closed = False
        self._waiting = asyncio.Event()

    def ring(self) -> None:
        if self._tell is not None and not self._rung.is_set():
            self._tell()
        self.wake()

    def wake(self) -> None:
        """Ring here only: somebody else rang and told us."""
        if not self._here:
            return
        if self._hold is None:
            self._hold = self._clock.hold()
        self._rung.set()

    async def close(self) -> None:
        """Return when whoever is woken by this bell has finished the batch in hand; nobody is woken any more."""
        self.closed = True
        await self._waiting.wait()

    async def wait(self, seconds: float) -> Hold:
        """Return when the bell rings or ``seconds`` have passed, holding the clock; the caller releases it when done."""
        self._waiting.set()
        if not self._rung.is_set() and seconds > 0:
            await self._first_of(seconds)
        if self.closed:
            await asyncio.Event().wait()  # until we are called away
        self._waiting.clear()
        self._rung.clear()
        hold, self._hold = self._hold, None
        return hold or self._clock.hold()

    async def _first_of(self, seconds: float) -> None:
        tasks = [
            asyncio.ensure_future(self._rung.wait()),
            asyncio.ensure_future(self._clock.sleep(seconds)),
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)  # raises nothing of theirs, and lets our own being called away through
