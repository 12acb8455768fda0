"""The stand-in WeCom on its own, for developing against: ``qunxing simulator``."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from bot.chance import SeededChance
from bot.clock import Clock, SystemClock
from bot.simulator.sample import SEED, sample_world
from bot.simulator.script import Script
from bot.simulator.simulator import Simulator

PATIENCE_TRIES = 1_000_000


async def serve(
    host: str = "127.0.0.1",
    port: int = 9600,
    *,
    bot_url: str = "",
    clock: Clock | None = None,
    seed: int = SEED,
    speed: float = 0.0,
    play: bool = True,
    ready: Callable[[Simulator], None] = lambda simulator: None,
) -> None:
    """Serve until cancelled. The same ``seed`` gives the same people and the same secrets.

    ``ready`` is called once the address is known; with a ``bot_url`` its doors are asked until they answer, and only
    then do people begin to act.
    """
    clock = clock or SystemClock()
    chance = SeededChance(seed)
    sample = sample_world(clock, chance, seed=seed)
    async with Simulator(clock=clock, chance=chance, world=sample.world) as simulator:
        await simulator.serve(host, port)
        ready(simulator)
        if bot_url:
            await simulator.connect(bot_url, tries=PATIENCE_TRIES, wait_s=2.0)
        simulator.pace(speed)
        if play:
            simulator.start(Script(simulator, sample).run())
        await asyncio.Event().wait()
