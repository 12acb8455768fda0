"""What processes share, when there is only one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from types import TracebackType
from typing import Self

from storage.shared import Demand

CROWDED = 10_000  # names kept before the idle ones are swept out
ROUNDING = 1e-6


class MemoryShared:
    """The promises of :class:`~storage.shared.Shared` within one process."""

    lasts = False

    def __init__(self) -> None:
        self._levels: dict[str, tuple[float, float, float]] = {}  # key → level, as of, full again at
        self._blocked: dict[str, float] = {}
        self._values: dict[str, tuple[str, float]] = {}
        self._listeners: dict[str, list[Callable[[], None]]] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listeners.clear()

    async def take(self, demands: Sequence[Demand], now: datetime) -> float:
        instant = now.timestamp()
        self._sweep(instant)
        wait = max((self._wait(demand, instant) for demand in demands), default=0.0)
        if wait > 0:
            return wait
        for demand in demands:
            self._spend(demand, instant)
        return 0.0

    async def block(self, key: str, until: datetime, now: datetime) -> None:
        self._blocked[key] = max(until.timestamp(), self._blocked.get(key, 0.0))

    async def lock(self, name: str, owner: str, until: datetime, now: datetime) -> bool:
        holder = await self.get(f"lock:{name}", now)
        if holder in (None, owner):
            await self.put(f"lock:{name}", owner, until, now)
            return True
        return False

    async def unlock(self, name: str, owner: str) -> None:
        if self._values.get(f"lock:{name}", ("", 0.0))[0] == owner:
            await self.forget(f"lock:{name}")

    async def get(self, name: str, now: datetime) -> str | None:
        value, until = self._values.get(name, ("", 0.0))
        return value if until > now.timestamp() else None

    async def put(self, name: str, value: str, until: datetime, now: datetime) -> None:
        self._values[name] = (value, until.timestamp())

    async def forget(self, name: str) -> None:
        self._values.pop(name, None)

    async def ring(self, bell: str) -> None:
        for wake in self._listeners.get(bell, []):
            wake()

    def listen(self, bell: str, wake: Callable[[], None]) -> None:
        self._listeners.setdefault(bell, []).append(wake)

    def _wait(self, demand: Demand, instant: float) -> float:
        missing = min(demand.cost, demand.limit.burst) - self._level(demand, instant) - ROUNDING
        return max(missing / demand.limit.rate, self._blocked.get(demand.key, 0.0) - instant)

    def _level(self, demand: Demand, instant: float) -> float:
        level, since, _ = self._levels.get(demand.key, (float(demand.limit.burst), instant, 0.0))
        return min(demand.limit.burst, level + max(0.0, instant - since) * demand.limit.rate)

    def _spend(self, demand: Demand, instant: float) -> None:
        level = self._level(demand, instant) - demand.cost  # a demand beyond the burst leaves a debt
        full_at = instant + (demand.limit.burst - level) / demand.limit.rate
        since = max(
            instant, self._levels.get(demand.key, (0.0, instant, 0.0))[1]
        )  # clocks differ, and turn back
        self._levels[demand.key] = (level, since, full_at)

    def _sweep(self, instant: float) -> None:
        """Forget what says nothing any more: full buckets, past blocks, dead values."""
        if len(self._levels) + len(self._blocked) + len(self._values) < CROWDED:
            return
        self._levels = {key: kept for key, kept in self._levels.items() if kept[2] > instant}
        self._blocked = {key: until for key, until in self._blocked.items() if until > instant}
        self._values = {key: kept for key, kept in self._values.items() if kept[1] > instant}
