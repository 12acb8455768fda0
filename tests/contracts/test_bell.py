"""A bell that is closed lets the batch in hand finish, and wakes nobody any more."""

from __future__ import annotations

import asyncio

from bot.bell import Bell
from bot.clock import SystemClock


async def test_closing_waits_for_the_batch_in_hand() -> None:
    bell, finished = Bell(SystemClock()), []

    async def role() -> None:
        while True:
            with await bell.wait(60):
                await asyncio.sleep(0.01)
                finished.append("batch")

    bell.ring()
    working = asyncio.create_task(role())
    await asyncio.sleep(0)
    await bell.close()

    assert finished == ["batch"]
    working.cancel()


async def test_a_closed_bell_wakes_nobody() -> None:
    bell, woken = Bell(SystemClock()), []

    async def role() -> None:
        with await bell.wait(60):
            woken.append("role")

    waiting = asyncio.create_task(role())
    await asyncio.sleep(0)
    await bell.close()
    bell.ring()
    await asyncio.sleep(0.01)

    assert woken == []
    waiting.cancel()
