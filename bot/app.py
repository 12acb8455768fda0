"""The one place where everything is put together. Nothing connects, reads a file or starts a task before this.

``App`` runs any of the four roles (web, work, send, tick) over one database; all of them in one process,
or each on its own, any number of times.
"""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from types import TracebackType
from typing import Self

import structlog
from aiohttp import web

from bot.aibot_door import AibotDoors
from bot.aibot_line import Lines
from bot.bell import Bell
from bot.chance import Chance, SystemChance
from bot.cipher import Cipher
from bot.clock import Clock, SystemClock
from bot.config import Config
from bot.console.app import add_console
from bot.desk import Desk
from bot.errands import Errands
from bot.outgoing import Outgoing
from bot.pages.app import add_pages
from bot.planner import Planner
from bot.scheduler import Scheduler
from bot.sender import Sender
from bot.server import Doors, Health, Metrics
from bot.setting import aibot_keys, cipher_keys, house_settings, wecom_settings
from bot.wecom.gateway import WeComGateway
from bot.wecom.login import Login
from bot.wecom.parse import parser_for
from bot.worker import Worker, understand
from handlers import ROUTERS
from handlers.context import Context
from handlers.reaction import Reaction
from handlers.router import Switchboard
from sop.errors import Misconfigured
from sop.message import Channel
from sop.receipt import State
from sop.update import Update
from storage import inbox, schema
from storage.alarm import raise_alarm
from storage.due import DueStore
from storage.engine import Database, database
from storage.errand import ErrandStore
from storage.outbox import Entry, OutboxStore
from storage.position import first_position
from storage.shared import Shared
from storage.shared_memory import MemoryShared
from storage.tx import Tx

log = structlog.get_logger()

ALONE_IDLE_S = 5.0  # in one process bells ring; what a command line wrote meanwhile is found by looking
FLEET_IDLE_S = 1.0  # between processes a ring may be lost
RESTART_AFTER_S = 1.0
DRAIN_S = 15.0
LARGEST_REQUEST = 1024 * 1024


class Role(StrEnum):
    """What a process can do; all of them together are the whole bot."""

    WEB = "web"
    WORK = "work"
    SEND = "send"
    TICK = "tick"


EVERYTHING = tuple(Role)
HOMES = {
    "worker": Role.WORK,
    "planner": Role.WORK,
    "sender": Role.SEND,
    "errands": Role.SEND,
    "aibot": Role.SEND,
    "scheduler": Role.TICK,
}  # which role does what


def answer_swiftly() -> None:
    """For a process that has everything loaded and now runs for long.

    The collector need not walk what was loaded again and again (for 100 ms, in which no callback is answered), and the
    thread that writes lets the one that answers have its turn every millisecond.
    """
    gc.collect()
    gc.freeze()
    sys.setswitchinterval(0.001)


@dataclass
class App:
    """Open it as an async context manager; it serves until it is closed."""

    config: Config
    clock: Clock = field(default_factory=SystemClock)
    chance: Chance = field(default_factory=SystemChance)
    roles: Sequence[Role] = EVERYTHING
    store: Database | None = None  # instead of the configured one
    idle_s: float = 0.0  # how long roles sleep when no bell rings; 0 leaves it to us
    front: Callable[[web.Request], Awaitable[web.StreamResponse]] | None = None  # what stands at /
    metrics: Metrics = field(default_factory=Metrics)
    handled: dict[str, int] = field(default_factory=dict)

    async def __aenter__(self) -> Self:
        self._stack = AsyncExitStack()
        try:
            await self._open()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    # ------------------------------------------------------------ putting together

    async def _open(self) -> None:
        store = self.store or database(self.config.storage.database.get_secret_value())
        self.db = await self._stack.enter_async_context(store)
        await schema.ensure(self.db)
        self.shared = await self._stack.enter_async_context(self._shared())
        outgoing = await self._stack.enter_async_context(Outgoing(self.clock))
        self.settings = house_settings(self.config)
        wecom = wecom_settings(self.config)
        self.parse = parser_for(wecom.aibots)
        self.gateway = WeComGateway(wecom, outgoing, self.clock, self.chance, self.shared, self.db)
        self.switchboard = Switchboard(ROUTERS)
        self._ringing: dict[str, asyncio.Task[None]] = {}
        self.bells = {name: self._bell(name, role) for name, role in HOMES.items()}
        self.desk = Desk(
            self.db, self.clock, self.switchboard, self.context_of, self.bells["worker"], self._ring_others
        )
        self._tasks: list[asyncio.Task[None]] = []
        self._stack.push_async_callback(self._stop_roles)
        if Role.WEB in self.roles:
            await self._serve()
        for name, run in self._runs():
            self.bells[name].wake()  # time stands still until a role has begun
            self._tasks.append(asyncio.create_task(self._supervise(name, run), name=name))

    def _bell(self, name: str, role: Role) -> Bell:
        """A bell for a part of us; other processes hear it too, unless we are the whole bot."""
        tell = None if self._alone else partial(self._ring_fleet, name)
        idle = name == "aibot" and not self.gateway.aibots.lines  # then nobody would ever hear it
        bell = Bell(self.clock, tell, here=role in self.roles and not idle)
        self.shared.listen(name, bell.wake)
        return bell

    def _shared(self) -> Shared:
        url = self.config.storage.redis.get_secret_value()
        if not url:
            return MemoryShared()
        from storage.shared_redis import RedisShared  # only a fleet needs the client

        return RedisShared.at(url)

    def context_of(self, update: Update, tx: Tx) -> Context:
        return Context(
            tx=tx,
            now=tx.now,
            settings=self.settings,
            token=self.chance.token,
            fraction=self.chance.fraction,
            update=update,
        )

    @property
    def _alone(self) -> bool:
        return set(self.roles) == set(Role) and not self.config.storage.redis.get_secret_value()

    def _runs(self) -> list[tuple[str, Callable[[], Awaitable[None]]]]:
        idle = self.idle_s or (ALONE_IDLE_S if self._alone else FLEET_IDLE_S)
        name = f"{socket.gethostname()}:{os.getpid()}"[:48]
        runs: list[tuple[str, Callable[[], Awaitable[None]]]] = []
        if Role.WORK in self.roles:
            worker = Worker(
                self.db,
                self.switchboard,
                self.context_of,
                understand(self.parse),
                self.clock,
                self.bells["worker"],
                name,
                alone=self._alone,
                idle_s=idle,
                after_batch=self._ring_others,
                on_reaction=self._count,
            )
            planner = Planner(
                self.db,
                self.context_of,
                self.clock,
                self.bells["planner"],
                name,
                alone=self._alone,
                idle_s=idle,
                after_chunk=self._ring_others,
            )
            runs += [("worker", worker.run), ("planner", planner.run)]
        if Role.SEND in self.roles:
            sender = Sender(
                self.db,
                self.gateway,
                self.clock,
                self.bells["sender"],
                self.bells["worker"],
                self.settings.house,
                name,
                alone=self._alone,
                idle_s=idle,
                on_settled=self._count_message,
            )
            runs += [("sender", sender.run), ("errands", self._errands(idle).run)]
            if self.gateway.aibots.lines:
                runs.append(("aibot", self._lines(name).run))
        if Role.TICK in self.roles:
            scheduler = Scheduler(
                self.db,
                self.clock,
                self.bells["scheduler"],
                self.settings.zone,
                self.bells["worker"],
                idle_s=idle,
            )
            runs.append(("scheduler", scheduler.run))
        return runs

    def _errands(self, idle: float) -> Errands:
        bells = self.bells["errands"], self.bells["worker"]
        return Errands(self.db, self.gateway, self.clock, *bells, alone=self._alone, idle_s=idle)

    def _lines(self, name: str) -> Lines:
        """The long connections of 智能机器人; of several processes each needs a name of its own to share them."""
        return Lines(
            self.db,
            self.gateway.aibots.lines,
            self.config.wecom.corp_id,
            self.clock,
            self.bells["aibot"],
            self.bells["worker"],
            self.bells["sender"].ring,
            self.alarm,
            f"{name}:{self.chance.token(6)}",
        )

    async def _supervise(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        """A role that fails says why and starts again: a database that was away comes back."""
        while True:
            try:
                await run()
            except Exception as error:  # the edge of a task: nothing may end it but being told to stop
                log.exception("role failed", role=name, reason=f"{type(error).__name__}: {error}")
                await asyncio.sleep(RESTART_AFTER_S)

    async def _stop_roles(self) -> None:
        """Let every role finish the batch in hand, so that nothing is left half sent; then call it away."""
        if not self._tasks:
            return
        closing = [asyncio.ensure_future(self.bells[task.get_name()].close()) for task in self._tasks]
        await asyncio.wait(closing, timeout=DRAIN_S)
        for task in (*closing, *self._tasks):
            task.cancel()
        await asyncio.wait([*closing, *self._tasks], timeout=DRAIN_S)

    # ------------------------------------------------------------ web

    async def _serve(self) -> None:
        self.web = self._web(await self._page_secret())
        runner = web.AppRunner(
            self.web,
            access_log=None,
            handle_signals=False,
            shutdown_timeout=DRAIN_S,
            auto_decompress=False,  # nobody who may knock packs what they say
        )
        await runner.setup()
        self._stack.push_async_callback(runner.cleanup)
        server = self.config.server
        try:
            await web.TCPSite(runner, server.host, server.port).start()
        except OSError as error:
            raise Misconfigured(
                f"Port {server.port} on {server.host} cannot be used: {error.strerror or error}.",
                remedy="Stop what runs there, or choose another server.port.",
                field="server.port",
            ) from error
        self.port = runner.addresses[0][1]

    def _web(self, secret: bytes) -> web.Application:
        app = web.Application(client_max_size=LARGEST_REQUEST)
        corp = self.config.wecom.corp_id
        ciphers = {
            door: Cipher(token, aes_key, corp) for door, (token, aes_key) in cipher_keys(self.config).items()
        }
        doors = (self.db, self.clock, corp)
        told = (self.bells["worker"], self.metrics, self.alarm)
        Doors(*doors, ciphers, *told).add_to(app)
        bots = {
            door: Cipher(token, aes_key, "") for door, (token, aes_key) in aibot_keys(self.config).items()
        }
        AibotDoors(*doors, bots, *told, aibots=self.gateway.aibots, chance=self.chance).add_to(app)
        Health(self.db, self.metrics, self._measure).add_to(app)
        add_pages(
            app,
            db=self.db,
            clock=self.clock,
            desk=self.desk,
            gateway=self.gateway,
            chance=self.chance,
            settings=self.settings,
            secret=secret,
            oauth_base=self.config.wecom.oauth_base,
            corp_id=corp,
            agent_id=str(self.config.wecom.app[0].agent_id) if self.config.wecom.app else "",
        )
        app.router.add_get("/", self.front or _to_console)
        add_console(
            app,
            db=self.db,
            clock=self.clock,
            desk=self.desk,
            chance=self.chance,
            zone=self.settings.zone,
            public_url=self.settings.public_url,
            login=self._login(),
            registry=self.gateway,
            settings=self.settings,
        )
        return app

    def _login(self) -> Login | None:
        """Operators scan to sign in where there is an app to sign in to."""
        wecom = self.config.wecom
        if not wecom.corp_id or not wecom.app:
            return None
        return Login(wecom.corp_id, str(wecom.app[0].agent_id), wecom.oauth_base)

    async def _page_secret(self) -> bytes:
        """The key of members' sessions: made once and kept with the data, so that every host has the same."""
        made = self.chance.bytes(32).hex()
        return bytes.fromhex(await self.db.write(lambda c: first_position(c, "pages.key", made)))

    async def quiet(self) -> None:
        """Wait until nothing waits to be handled, asked or sent now; for those who own the clock."""
        while await self._busy():
            self.bells["worker"].ring()
            self._ring_others()
            await asyncio.sleep(0.02)

    async def _busy(self) -> bool:
        now = self.clock.now()
        if await self.db.read(lambda c: inbox.shards_with_work(c, now) or ErrandStore(c).any_held(now)):
            return True
        silent = {str(Channel.AIBOT): self.gateway.silent(Channel.AIBOT)}
        waits = await self.db.read(
            lambda c: [
                OutboxStore(c, now, silent).next_at(),
                ErrandStore(c).next_at(),
                DueStore(c).next_at(),
                DueStore(c).next_step_at(),
            ]
        )
        return any(at is not None and at <= now for at in waits)

    # ------------------------------------------------------------ telling

    def _ring_others(self) -> None:
        for name in ("planner", "sender", "errands", "scheduler"):
            self.bells[name].ring()

    def _ring_fleet(self, name: str) -> None:
        """Whoever has this role in another process is woken too; a lost ring costs a second."""
        if name not in self._ringing:
            ringing = asyncio.get_running_loop().create_task(self.shared.ring(name))
            self._ringing[name] = ringing
            ringing.add_done_callback(lambda _: self._ringing.pop(name, None))

    def _count(self, update: Update, reaction: Reaction) -> None:
        self.metrics.updates.labels(str(update.kind)).inc()
        self.handled[str(update.kind)] = self.handled.get(str(update.kind), 0) + 1

    def _count_message(self, entry: Entry, state: State) -> None:
        self.metrics.messages.labels(str(entry.message.channel), str(state)).inc()

    async def _measure(self) -> None:
        now = self.clock.now()
        waiting = await self.db.read(inbox.counts)
        messages = await self.db.read(lambda c: OutboxStore(c, now).counts())
        for state, count in waiting.items():
            self.metrics.inbox.labels(state).set(count)
        for state, count in messages.items():
            self.metrics.outbox.labels(state).set(count)

    async def alarm(self, text: str) -> None:
        """Raise an alarm operators see; the same text on the same day is one alarm."""
        now = self.clock.now()
        key = f"{text[:100]}:{now.date().isoformat()}"
        await self.db.write(lambda c: raise_alarm(c, key, text, now))


async def _to_console(request: web.Request) -> web.StreamResponse:
    raise web.HTTPFound("/console/")
