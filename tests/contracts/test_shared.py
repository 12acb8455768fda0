"""What processes share keeps the same promises in memory and in Redis."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from fakeredis import FakeAsyncRedis, FakeServer

from storage.shared import Demand, Limit, Shared
from storage.shared_memory import MemoryShared
from storage.shared_redis import RedisShared

NOW = datetime(2026, 1, 1, tzinfo=UTC)
MINUTE = Limit(20, 60.0)


def later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def _redis(server: FakeServer) -> RedisShared:
    fakes = (FakeAsyncRedis(server=server, decode_responses=True) for _ in range(2))
    return RedisShared(*fakes)


@pytest.fixture(params=["memory", "fake redis", pytest.param("redis", marks=pytest.mark.services)])
async def two(request: pytest.FixtureRequest) -> AsyncIterator[tuple[Shared, Shared]]:
    """Two processes' view of the same shared state; in memory there is only one process."""
    first: Shared
    second: Shared
    if request.param == "memory":
        first = second = MemoryShared()
    elif request.param == "fake redis":
        server = FakeServer()
        first, second = _redis(server), _redis(server)
    else:
        url, prefix = request.getfixturevalue("redis_url"), f"qunxing-test-{os.urandom(6).hex()}:"
        first, second = RedisShared.at(url, prefix=prefix), RedisShared.at(url, prefix=prefix)
    async with first, second:
        yield first, second


@pytest.fixture
def shared(two: tuple[Shared, Shared]) -> Shared:
    return two[0]


async def test_a_limit_lets_half_go_at_once_and_then_says_how_long_to_wait(shared: Shared) -> None:
    waits = [await shared.take([Demand("hook", MINUTE)], NOW) for _ in range(11)]

    assert waits[:10] == [0.0] * 10
    assert waits[10] == pytest.approx(6.0, abs=0.01)


async def test_after_the_wait_it_is_our_turn(shared: Shared) -> None:
    await shared.take([Demand("hook", MINUTE, 10)], NOW)

    wait = await shared.take([Demand("hook", MINUTE)], NOW)

    assert await shared.take([Demand("hook", MINUTE)], later(wait)) == 0.0


async def test_no_window_ever_holds_more_than_the_limit(shared: Shared) -> None:
    taken = [
        second / 2
        for second in range(400)
        if await shared.take([Demand("hook", MINUTE)], later(second / 2)) == 0.0
    ]

    assert max(sum(start <= at < start + 60 for at in taken) for start in taken) <= 20


async def test_several_buckets_are_taken_together_or_not_at_all(shared: Shared) -> None:
    small, large = Demand("small", Limit(2, 60.0)), Demand("large", MINUTE, 5)
    await shared.take([small], NOW)

    wait = await shared.take([large, small], NOW)

    assert wait > 0
    assert await shared.take([Demand("large", MINUTE, 10)], NOW) == 0.0


async def test_two_processes_share_one_bucket(two: tuple[Shared, Shared]) -> None:
    await two[0].take([Demand("hook", MINUTE, 10)], NOW)

    assert await two[1].take([Demand("hook", MINUTE)], NOW) > 0


async def test_more_than_the_burst_at_once_leaves_a_debt(shared: Shared) -> None:
    assert await shared.take([Demand("hook", MINUTE, 15)], NOW) == 0.0
    assert await shared.take([Demand("hook", MINUTE)], NOW) == pytest.approx(36.0, abs=0.01)


async def test_a_blocked_bucket_gives_nothing_until_the_window_ends(shared: Shared) -> None:
    await shared.block("hook", later(60), NOW)
    await shared.block("hook", later(30), NOW)

    assert await shared.take([Demand("hook", MINUTE)], later(1)) == pytest.approx(59.0, abs=0.01)
    assert await shared.take([Demand("hook", MINUTE)], later(60)) == 0.0


async def test_a_clock_that_turns_back_gives_nothing_away(shared: Shared) -> None:
    await shared.take([Demand("hook", MINUTE, 10)], NOW)
    await shared.take([Demand("hook", MINUTE)], later(-600))

    assert await shared.take([Demand("hook", MINUTE)], NOW) > 0


async def test_a_lock_has_one_holder(two: tuple[Shared, Shared]) -> None:
    got = [
        await two[0].lock("token", "a", later(10), NOW),
        await two[1].lock("token", "b", later(10), NOW),
        await two[0].lock("token", "a", later(20), NOW),
    ]

    assert got == [True, False, True]


async def test_a_lock_given_back_is_free_but_only_its_holder_gives_it_back(
    two: tuple[Shared, Shared],
) -> None:
    await two[0].lock("token", "a", later(10), NOW)

    await two[1].unlock("token", "b")
    assert not await two[1].lock("token", "b", later(10), NOW)
    await two[0].unlock("token", "a")
    assert await two[1].lock("token", "b", later(10), NOW)


async def test_a_lock_nobody_gave_back_ends_by_itself(two: tuple[Shared, Shared]) -> None:
    await two[0].lock("token", "a", later(10), NOW)

    assert await two[1].lock("token", "b", later(20), later(10))


async def test_a_value_is_seen_by_all_until_its_time(two: tuple[Shared, Shared]) -> None:
    await two[0].put("token", "值|1", later(10), NOW)

    assert await two[1].get("token", later(9)) == "值|1"
    assert await two[1].get("token", later(10)) is None


async def test_a_forgotten_value_is_gone_for_all(two: tuple[Shared, Shared]) -> None:
    await two[0].put("token", "x", later(10), NOW)

    await two[1].forget("token")

    assert await two[0].get("token", NOW) is None


async def test_a_bell_wakes_every_listener(two: tuple[Shared, Shared]) -> None:
    rung = [asyncio.Event(), asyncio.Event()]
    for shared, event in zip(two, rung, strict=True):
        shared.listen("outbox", event.set)

    await two[0].ring("outbox")

    await asyncio.wait_for(asyncio.gather(*(event.wait() for event in rung)), 5)


async def test_without_redis_a_process_keeps_its_own_limits_locks_and_values() -> None:
    server = FakeServer()
    async with _redis(server) as shared:
        server.connected = False

        assert await shared.take([Demand("hook", MINUTE, 10)], NOW) == 0.0
        assert await shared.take([Demand("hook", MINUTE)], NOW) > 0
        assert await shared.lock("token", "a", later(10), NOW)
        assert not await shared.lock("token", "b", later(10), NOW)
        await shared.put("token", "x", later(10), NOW)
        assert await shared.get("token", NOW) == "x"
        await shared.ring("outbox")


async def test_when_redis_comes_back_it_is_asked_again() -> None:
    server = FakeServer()
    async with _redis(server) as first, _redis(server) as second:
        server.connected = False
        await first.take([Demand("hook", MINUTE)], NOW)
        server.connected = True

        await first.take([Demand("hook", MINUTE, 10)], later(60))

        assert await second.take([Demand("hook", MINUTE)], later(60)) > 0
