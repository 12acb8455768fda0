"""The one clock. Nothing else in the product asks what time it is.

:class:`SystemClock` is real time. :class:`TurnedClock` is the simulator's: it can run fast or be turned by hand,
and it stands still while anybody holds it, so that twenty virtual seconds cannot pass while a callback is on its way.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Protocol

LONGEST_BEAT_S = 0.25
SETTLING = 12  # passes of the loop a woken task may need before it takes its hold


class Clock(Protocol):
    """Time as everybody outside ``sop`` sees it; instants are aware, in UTC."""

    def now(self) -> datetime: ...

    async def sleep(self, seconds: float) -> None: ...

    def hold(self) -> Hold: ...


class Hold:
    """Work in flight. A turned clock stands still until every hold is released; releasing twice is harmless."""

    def __init__(self, clock: TurnedClock | None = None) -> None:
        self._clock = clock
        if clock is not None:
            clock._take()

    def release(self) -> None:
        clock, self._clock = self._clock, None
        if clock is not None:
            clock._give()

    def __enter__(self) -> Hold:
        return self

    def __exit__(self, *exc: object) -> None:
        self.release()


class SystemClock:
    """Real time; holding it does nothing."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def hold(self) -> Hold:
        return Hold()


class TurnedClock:
    """A clock that moves only when turned, waking sleepers in order, one instant at a time."""

    def __init__(self, start: datetime) -> None:
        self._now = start
        self._holds = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._sleepers: list[tuple[datetime, int, asyncio.Future[None]]] = []
        self._order = itertools.count()

    def now(self) -> datetime:
        return self._now

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._now + timedelta(seconds=seconds), next(self._order), woken))
        await woken

    def hold(self) -> Hold:
        return Hold(self)

    async def turn(self, step: timedelta) -> None:
        """Move forward by ``step``, stopping at every sleeper on the way until its work is done."""
        await self.turn_to(self._now + step)

    async def turn_to(self, instant: datetime) -> None:
        await self.settle()
        while self._sleepers and self._sleepers[0][0] <= instant:
            due, _, woken = heapq.heappop(self._sleepers)
            self._now = max(self._now, due)
            if not woken.done():  # else whoever slept was called away
                woken.set_result(None)
                await self.settle()
        self._now = max(self._now, instant)
        await self.settle()

    async def leap_to(self, instant: datetime) -> None:
        """Move forward at one go, as a machine does that was asleep: whoever was due meanwhile finds it later already."""
        await self.settle()
        self._now = max(self._now, instant)
        await self.turn_to(instant)

    async def run(self, speed: float, *, beat_s: float = 0.02) -> None:
        """Turn forever at ``speed`` virtual seconds a real second; of a long standstill only a quarter second is made up."""
        loop = asyncio.get_running_loop()
        last = loop.time()
        while True:
            await asyncio.sleep(beat_s)
            now = loop.time()
            await self.turn(timedelta(seconds=speed * min(now - last, LONGEST_BEAT_S)))
            last = now

    async def settle(self) -> None:
        """Wait until nobody holds the clock."""
        quiet = 0
        while quiet < SETTLING:
            await asyncio.sleep(0)
            quiet = quiet + 1 if self._holds == 0 else 0
            await self._idle.wait()

    def _take(self) -> None:
        self._holds += 1
        self._idle.clear()

    def _give(self) -> None:
        self._holds -= 1
        if self._holds == 0:
            self._idle.set()


def patience(seconds: float) -> Callable[[], bool]:
    """Asks whether so many real seconds are over: for those who hold what others wait for."""
    end = time.perf_counter() + seconds
    return lambda: time.perf_counter() > end


@contextmanager
def stopwatch() -> Iterator[list[float]]:
    """Real seconds a block took, for metrics only; the one element is filled at the end."""
    took = [0.0]
    started = time.perf_counter()
    try:
        yield took
    finally:
        took[0] = time.perf_counter() - started
