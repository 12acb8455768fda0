"""What processes share: the platform's limits, locks that are hints, short-lived values, and bells.

It makes things shared or faster, never correct: whoever loses it loses a hint. ``shared_memory`` serves one
process, ``shared_redis`` a fleet; both keep the same promises (``tests/contracts/test_shared.py``).
Instants are arguments, because a turned clock counts too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Protocol, Self


@dataclass(frozen=True)
class Limit:
    """At most ``size`` within any ``seconds``: half may go at once, the rest evenly."""

    size: int
    seconds: float

    @property
    def burst(self) -> int:
        return max(1, self.size // 2)

    @property
    def rate(self) -> float:
        """Units that come back each second."""
        return max(1, self.size - self.burst) / self.seconds


@dataclass(frozen=True)
class Demand:
    """``cost`` units wanted from the bucket ``key``."""

    key: str
    limit: Limit
    cost: int = 1


class Shared(Protocol):
    """Open it as an async context manager."""

    lasts: bool  # whether it remembers what was taken when the process ends

    async def take(self, demands: Sequence[Demand], now: datetime) -> float:
        """Take every demand and return 0, or take none and return the seconds to wait."""
        ...

    async def block(self, key: str, until: datetime, now: datetime) -> None:
        """Let nobody take from the bucket ``key`` before ``until``: the platform said so."""
        ...

    async def lock(self, name: str, owner: str, until: datetime, now: datetime) -> bool:
        """Whether ``owner`` now holds the lock, at most ``until`` then. A hint: never the only protection."""
        ...

    async def unlock(self, name: str, owner: str) -> None:
        """Give the lock back, if ``owner`` still holds it."""
        ...

    async def get(self, name: str, now: datetime) -> str | None: ...

    async def put(self, name: str, value: str, until: datetime, now: datetime) -> None: ...

    async def forget(self, name: str) -> None: ...

    async def ring(self, bell: str) -> None:
        """Wake whoever listens to ``bell``, in any process."""
        ...

    def listen(self, bell: str, wake: Callable[[], None]) -> None:
        """Call ``wake`` whenever ``bell`` rings; it may ring for nothing, and a ring may be lost."""
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
