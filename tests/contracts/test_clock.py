"""The turned clock stands still while anybody works; a bell wakes whoever has work."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bot.bell import Bell
from bot.clock import Hold, SystemClock, TurnedClock
from tests.contracts.world import NOW, after


@asynccontextmanager
async def running(work: Coroutine[Any, Any, None]) -> AsyncIterator[asyncio.Task[None]]:
    task: asyncio.Task[None] = asyncio.create_task(work)
    try:
        yield task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_time_moves_only_when_it_is_turned(clock: TurnedClock) -> None:
    await asyncio.sleep(0.01)
    assert clock.now() == NOW

    await clock.turn(timedelta(hours=2))

    assert clock.now() == after(hours=2)


async def test_sleepers_wake_in_order_each_at_its_own_instant(clock: TurnedClock) -> None:
    woken = []

    async def sleeper(seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append((seconds, clock.now()))

    tasks = [asyncio.create_task(sleeper(seconds)) for seconds in (30, 10, 20)]
    await clock.turn(timedelta(minutes=1))
    await asyncio.gather(*tasks)

    assert woken == [(seconds, after(seconds=seconds)) for seconds in (10, 20, 30)]


async def test_who_wakes_and_sleeps_again_is_woken_on_the_same_turn(clock: TurnedClock) -> None:
    beats = []

    async def heart() -> None:
        while True:
            await clock.sleep(10)
            beats.append(clock.now())

    async with running(heart()):
        await clock.turn(timedelta(minutes=1))

    assert beats == [after(seconds=10 * beat) for beat in range(1, 7)]


async def test_no_time_passes_while_somebody_holds_the_clock(clock: TurnedClock) -> None:
    hold = clock.hold()
    turning = asyncio.create_task(clock.turn(timedelta(seconds=20)))
    await asyncio.sleep(0.02)
    standing = clock.now()

    hold.release()
    await turning

    assert (standing, clock.now()) == (NOW, after(seconds=20))


async def test_work_that_a_sleeper_begins_is_done_before_time_goes_on(clock: TurnedClock) -> None:
    finished_at = []

    async def role() -> None:
        await clock.sleep(5)
        with clock.hold():
            await asyncio.sleep(0.02)  # real work takes real time
            finished_at.append(clock.now())

    async with running(role()):
        await clock.turn(timedelta(hours=1))

    assert finished_at == [after(seconds=5)]


async def test_every_hold_counts_and_letting_go_twice_is_harmless(clock: TurnedClock) -> None:
    first, second = clock.hold(), clock.hold()
    first.release()
    first.release()
    turning = asyncio.create_task(clock.turn(timedelta(seconds=1)))
    await asyncio.sleep(0.02)
    standing = clock.now()

    second.release()
    await turning

    assert (standing, clock.now()) == (NOW, after(seconds=1))


async def test_a_sleeper_that_was_called_away_stops_nobody(clock: TurnedClock) -> None:
    leaving = asyncio.create_task(clock.sleep(5))
    await asyncio.sleep(0)
    leaving.cancel()

    async with asyncio.timeout(5):
        await clock.turn(timedelta(seconds=10))

    assert clock.now() == after(seconds=10)


async def test_who_sleeps_while_the_clock_leaps_wakes_late(clock: TurnedClock) -> None:
    woke_at: list[datetime] = []

    async def role() -> None:
        await clock.sleep(5)
        woke_at.append(clock.now())

    async with running(role()):
        await clock.leap_to(after(days=2))

    assert woke_at == [after(days=2)]


async def test_turning_to_the_past_changes_nothing(clock: TurnedClock) -> None:
    await clock.turn_to(NOW - timedelta(days=1))

    assert clock.now() == NOW


async def test_a_running_clock_runs_at_its_speed(clock: TurnedClock) -> None:
    async with running(clock.run(3600, beat_s=0.01)):
        await asyncio.sleep(0.15)

    assert timedelta(minutes=1) <= clock.now() - NOW <= timedelta(minutes=30)


def test_the_systems_clock_speaks_utc_and_holding_it_does_nothing() -> None:
    clock = SystemClock()

    with clock.hold() as hold:
        assert isinstance(hold, Hold)
    assert clock.now().tzinfo is UTC


# ---------------------------------------------------------------- bells


async def test_a_bell_rung_before_anybody_waits_is_not_lost(clock: TurnedClock) -> None:
    bell = Bell(clock)
    bell.ring()

    async with asyncio.timeout(5):
        (await bell.wait(3600)).release()

    assert clock.now() == NOW


async def test_ringing_often_wakes_once(clock: TurnedClock) -> None:
    bell = Bell(clock)
    for _ in range(5):
        bell.ring()
    (await bell.wait(3600)).release()

    second = asyncio.create_task(bell.wait(3600))
    turning = asyncio.create_task(clock.turn(timedelta(hours=2)))
    (await second).release()
    woken_at = clock.now()
    await turning

    assert woken_at == after(hours=1)


async def test_without_a_ring_the_wait_ends_by_the_clock(clock: TurnedClock) -> None:
    bell = Bell(clock)
    waiting = asyncio.create_task(bell.wait(30))

    turning = asyncio.create_task(clock.turn(timedelta(minutes=1)))
    hold = await waiting
    woken_at = clock.now()
    hold.release()
    await turning

    assert woken_at == after(seconds=30)


async def test_from_the_ring_until_the_work_is_done_time_stands_still(clock: TurnedClock) -> None:
    bell = Bell(clock)
    done_at = []

    async def role() -> None:
        while True:
            with await bell.wait(3600):
                await asyncio.sleep(0.01)
                done_at.append(clock.now())

    async with running(role()):
        await clock.settle()
        done_at.clear()
        bell.ring()
        await clock.turn(timedelta(minutes=10))

    assert done_at == [NOW]


async def test_a_waiter_that_is_called_away_really_goes(clock: TurnedClock) -> None:
    bell = Bell(clock)
    for _ in range(50):
        waiting = asyncio.create_task(bell.wait(3600))
        await asyncio.sleep(0)
        bell.ring()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        bell = Bell(clock)
