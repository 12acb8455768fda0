"""A simulated corp with one 智能机器人, and a gateway or its doors set up for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bot.chance import SeededChance
from bot.clock import TurnedClock
from bot.gateway import Parcel
from bot.outgoing import Outgoing
from bot.simulator.corp import BOT, add_bot
from bot.simulator.simulator import Simulator
from bot.wecom.aibot_socket import Line
from bot.wecom.gateway import WeComGateway
from bot.wecom.settings import Aibot, WeComSettings
from sop.message import Channel, Content
from storage import schema
from storage.engine import Database, database
from storage.shared_memory import MemoryShared

START = datetime(2026, 1, 5, 2, tzinfo=UTC)


@dataclass
class Bench:
    """The platform, a gateway to it, and everything its bot was told over the long connection."""

    sim: Simulator
    gateway: WeComGateway
    clock: TurnedClock
    heard: list[tuple[dict[str, Any], str]] = field(default_factory=list)

    @property
    def line(self) -> Line:
        return self.gateway.aibots.lines[BOT]

    @property
    def frames(self) -> list[str]:
        """The commands the platform got, in order."""
        return [entry["cmd"] for entry in self.sim.journal.of("frame")]

    async def hear(self, told: dict[str, Any], request: str) -> None:
        self.heard.append((told, request))

    async def beat(self) -> None: ...

    async def told(self) -> tuple[dict[str, Any], str]:
        """The newest thing the bot was told."""
        await self.sim.quiet()
        await self.clock.settle()
        return self.heard[-1]

    def said(self, talk: str) -> list[str]:
        return [line.text for line in self.sim.world.talks[talk] if line.speaker == f"aibot/{BOT}"]


def parcel(
    content: Content | str, *, ticket: str = "", to: str = "linmo", group: bool = False, key: str = "k:1"
) -> Parcel:
    return Parcel(
        channel=Channel.AIBOT,
        content=content if isinstance(content, Content) else Content(content),
        recipients=(to,),
        audience="group" if group else "staff",
        sender=BOT,
        key=key,
        ticket=ticket,
    )


@asynccontextmanager
async def bench_of(mode: str, folder: Path | None = None) -> AsyncIterator[Bench]:
    """``folder`` is where the gateway's database is; without it only what needs none can be done."""
    clock = TurnedClock(START)
    async with Simulator(clock=clock, chance=SeededChance(7), resend_wait_s=0.01) as sim:
        await sim.serve()
        sim.acts.hire("linmo", "林墨")
        sim.acts.hire("suhe", "苏禾")
        add_bot(sim.world, mode)
        settings = settings_of(sim)
        async with AsyncExitStack() as stack:
            outgoing = await stack.enter_async_context(Outgoing(clock))
            db = await stack.enter_async_context(opened(folder)) if folder else None
            yield Bench(
                sim, WeComGateway(settings, outgoing, clock, SeededChance(8), MemoryShared(), db), clock
            )


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[Database]:
    async with database(f"sqlite:///{folder / 'bench.sqlite'}") as db:
        await schema.ensure(db)
        yield db


@asynccontextmanager
async def restarted(bench: Bench, folder: Path) -> AsyncIterator[Bench]:
    """The same corp, and a gateway that has just started over the same database."""
    settings = settings_of(bench.sim)
    async with Outgoing(bench.clock) as outgoing, opened(folder) as db:
        gateway = WeComGateway(settings, outgoing, bench.clock, SeededChance(9), MemoryShared(), db)
        yield Bench(bench.sim, gateway, bench.clock)


async def held(bench: Bench, line: Line | None = None) -> asyncio.Task[None]:
    """Somebody who holds the long connection, from when it is open or has failed."""
    opened = asyncio.Event()
    holding = asyncio.create_task((line or bench.line).hold(bench.hear, opened=opened.set, beat=bench.beat))
    waiting = asyncio.create_task(opened.wait())
    await asyncio.wait({holding, waiting}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    return holding


@asynccontextmanager
async def connected(bench: Bench) -> AsyncIterator[Bench]:
    """The same with the long connection held."""
    holding = await held(bench)
    try:
        yield bench
    finally:
        holding.cancel()
        await asyncio.gather(holding, return_exceptions=True)


def settings_of(sim: Simulator) -> WeComSettings:
    wecom = sim.settings()["wecom"]
    return WeComSettings(
        corp_id=wecom["corp_id"],
        api_base=wecom["api_base"],
        aibots=tuple(
            Aibot(
                name=one["name"],
                mode=one["mode"],
                display_name=one["display_name"],
                plain_ids=one["userids"] == "plain",
                bot_id=one.get("bot_id", ""),
                secret=one.get("secret", ""),
            )
            for one in wecom["aibot"]
        ),
        socket_base=wecom["socket_base"],
    )
