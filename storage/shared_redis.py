"""What processes share through Redis. When Redis is away, each process keeps its own."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from types import TracebackType
from typing import Any, Self, TypeVar

import structlog
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from storage.shared import Demand
from storage.shared_memory import ROUNDING, MemoryShared

log = structlog.get_logger()

T = TypeVar("T")

ANSWER_S = 1.0  # a slower Redis counts as away
AWAY_S = 5.0  # how long a Redis that failed is left alone

_TAKE = """
local now, wait, level = tonumber(ARGV[1]), 0, {}
for i = 1, #KEYS / 2 do
  local burst, rate, cost = tonumber(ARGV[3 * i - 1]), tonumber(ARGV[3 * i]), tonumber(ARGV[3 * i + 1])
  local kept = redis.call('HMGET', KEYS[2 * i - 1], 'level', 'since')
  level[i] = tonumber(kept[1] or burst)
  level[i] = math.min(burst, level[i] + math.max(0, now - tonumber(kept[2] or now)) * rate)
  wait = math.max(wait, (math.min(cost, burst) - level[i] - tonumber(ARGV[#ARGV])) / rate)
  wait = math.max(wait, tonumber(redis.call('GET', KEYS[2 * i]) or now) - now)
end
if wait > 0 then return tostring(wait) end
for i = 1, #KEYS / 2 do
  local burst, rate, cost = tonumber(ARGV[3 * i - 1]), tonumber(ARGV[3 * i]), tonumber(ARGV[3 * i + 1])
  local left = level[i] - cost
  local since = math.max(now, tonumber(redis.call('HGET', KEYS[2 * i - 1], 'since') or now))
  redis.call('HSET', KEYS[2 * i - 1], 'level', tostring(left), 'since', string.format('%.6f', since))
  redis.call('PEXPIRE', KEYS[2 * i - 1], math.ceil((burst - left) / rate * 1000) + 1000)
end
return '0'
"""

_BLOCK = """
local before = tonumber(redis.call('GET', KEYS[1]) or 0)
if tonumber(ARGV[1]) > before then redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2]) end
return 1
"""

_LOCK = """
local kept = redis.call('HMGET', KEYS[1], 'owner', 'until')
if kept[1] and kept[1] ~= ARGV[1] and tonumber(kept[2]) > tonumber(ARGV[3]) then return 0 end
redis.call('HSET', KEYS[1], 'owner', ARGV[1], 'until', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return 1
"""

_UNLOCK = """
if redis.call('HGET', KEYS[1], 'owner') == ARGV[1] then redis.call('DEL', KEYS[1]) end
return 1
"""


class RedisShared:
    """The promises of :class:`~storage.shared.Shared` for any number of processes."""

    lasts = True

    def __init__(self, redis: Redis, ears: Redis, *, prefix: str = "qunxing:") -> None:
        """``ears`` waits for bells and so must have no socket timeout."""
        self._redis, self._ears, self._prefix = redis, ears, prefix
        self._take, self._block = redis.register_script(_TAKE), redis.register_script(_BLOCK)
        self._lock, self._unlock = redis.register_script(_LOCK), redis.register_script(_UNLOCK)
        self._own = MemoryShared()
        self._away_until = 0.0
        self._listeners: dict[str, list[Callable[[], None]]] = {}
        self._listening: asyncio.Task[None] | None = None

    @classmethod
    def at(cls, url: str, *, prefix: str = "qunxing:") -> RedisShared:
        return cls(_connect(url, ANSWER_S), _connect(url, None), prefix=prefix)

    async def __aenter__(self) -> Self:
        self._listening = asyncio.create_task(self._listen_forever(), name="redis-bells")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._listening is not None:
            self._listening.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._listening
        await self._redis.aclose()
        await self._ears.aclose()

    async def ping(self) -> None:
        """Raise what keeps Redis from answering; everything else here hides that Redis is away."""
        await self._redis.set(self._key("value", "ping"), "", px=1)

    # ------------------------------------------------------------ limits

    async def take(self, demands: Sequence[Demand], now: datetime) -> float:
        if not demands:
            return 0.0
        keys = [self._key(kind, demand.key) for demand in demands for kind in ("bucket", "block")]
        numbers: list[float] = [n for d in demands for n in (d.limit.burst, d.limit.rate, d.cost)]
        args: Sequence[str | float] = [_seconds(now), *numbers, ROUNDING]
        return float(
            await self._shared(now, lambda: self._take(keys, args), lambda: self._own.take(demands, now))
        )

    async def block(self, key: str, until: datetime, now: datetime) -> None:
        await self._own.block(key, until, now)
        await self._shared(
            now,
            lambda: self._block([self._key("block", key)], [_seconds(until), _life(until, now)]),
            _nothing,
        )

    # ------------------------------------------------------------ locks and values

    async def lock(self, name: str, owner: str, until: datetime, now: datetime) -> bool:
        args: Sequence[str | float] = [owner, _seconds(until), _seconds(now), _life(until, now)]
        return bool(
            await self._shared(
                now,
                lambda: self._lock([self._key("lock", name)], args),
                lambda: self._own.lock(name, owner, until, now),
            )
        )

    async def unlock(self, name: str, owner: str) -> None:
        await self._own.unlock(name, owner)
        await self._shared(None, lambda: self._unlock([self._key("lock", name)], [owner]), _nothing)

    async def get(self, name: str, now: datetime) -> str | None:
        kept: str | None = await self._shared(
            now, lambda: self._redis.get(self._key("value", name)), _nothing
        )
        if kept is None:
            return await self._own.get(name, now)
        until, _, value = kept.partition("|")
        return value if float(until) > now.timestamp() else None

    async def put(self, name: str, value: str, until: datetime, now: datetime) -> None:
        kept = f"{_seconds(until)}|{value}"
        await self._shared(
            now,
            lambda: self._redis.set(self._key("value", name), kept, px=_life(until, now)),
            lambda: self._own.put(name, value, until, now),
        )

    async def forget(self, name: str) -> None:
        await self._own.forget(name)
        await self._shared(None, lambda: self._redis.delete(self._key("value", name)), _nothing)

    # ------------------------------------------------------------ bells

    async def ring(self, bell: str) -> None:
        self._wake(bell)
        await self._shared(None, lambda: self._redis.publish(self._key("bell", bell), ""), _nothing)

    def listen(self, bell: str, wake: Callable[[], None]) -> None:
        self._listeners.setdefault(bell, []).append(wake)

    def _wake(self, bell: str) -> None:
        for wake in self._listeners.get(bell, []):
            wake()

    async def _listen_forever(self) -> None:
        while True:
            with contextlib.suppress(RedisError, OSError):
                await self._listen()
            await asyncio.sleep(ANSWER_S)

    async def _listen(self) -> None:
        start = self._key("bell", "")
        async with self._ears.pubsub(ignore_subscribe_messages=True) as ears:
            await ears.psubscribe(f"{start}*")
            for bell in self._listeners:  # what rang while nobody listened
                self._wake(bell)
            async for message in ears.listen():
                self._wake(_text(message["channel"]).removeprefix(start))

    # ------------------------------------------------------------ when Redis is away

    async def _shared(
        self, now: datetime | None, ask: Callable[[], Awaitable[T]], alone: Callable[[], Awaitable[Any]]
    ) -> Any:
        if now is not None and now.timestamp() < self._away_until:
            return await alone()
        try:
            return await ask()
        except (RedisError, OSError, TimeoutError) as error:
            if now is not None:
                self._away_until = now.timestamp() + AWAY_S
            log.warning("redis is away, limits and locks are this process's own", error=type(error).__name__)
            return await alone()

    def _key(self, kind: str, name: str) -> str:
        return f"{self._prefix}{kind}:{name}"


def _connect(url: str, timeout_s: float | None) -> Redis:
    return Redis.from_url(
        url,
        socket_timeout=timeout_s,
        socket_connect_timeout=ANSWER_S,
        retry=Retry(NoBackoff(), 1),
        decode_responses=True,
    )


async def _nothing() -> None:
    return None


def _seconds(instant: datetime) -> str:
    return f"{instant.timestamp():.6f}"


def _life(until: datetime, now: datetime) -> int:
    """Milliseconds after which Redis may forget; the instant itself is kept beside the value."""
    return max(1, int((until - now).total_seconds() * 1000))


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
