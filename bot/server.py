"""The server: WeCom's doors, and the pages that say how we are.

A callback is checked, decrypted, stored and only then acknowledged. When storing fails the connection is closed
without an answer, because the platform repeats what got no answer and takes an error status for one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

import structlog
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, generate_latest

from bot.bell import Bell
from bot.cipher import Cipher
from bot.clock import Clock
from bot.wecom.callback import LARGEST_BODY, Freshness, lane_of, open_post, verify
from sop.errors import Malformed
from storage.engine import Connection, Database
from storage.inbox import Intake, Knock, key_of
from storage.position import write_position

log = structlog.get_logger()

Answer = Callable[[], Awaitable[web.Response]]

STORED_WITHIN_S = 3.0
REFUSAL = "refused"  # one status and one body for everything wrong, so that a prober learns nothing


@dataclass(eq=False)
class Metrics:
    """What Prometheus may ask; a registry of its own, so that several apps can live in one process."""

    registry: CollectorRegistry = field(default_factory=CollectorRegistry)

    def __post_init__(self) -> None:
        self.knocks = Counter(
            "qunxing_callbacks",
            "Callbacks by door and what became of them",
            ["door", "outcome"],
            registry=self.registry,
        )
        self.updates = Counter(
            "qunxing_updates", "Updates handled, by kind", ["kind"], registry=self.registry
        )
        self.messages = Counter(
            "qunxing_messages",
            "Messages by channel and state reached",
            ["channel", "state"],
            registry=self.registry,
        )
        self.inbox = Gauge("qunxing_inbox", "Rows of the inbox by state", ["state"], registry=self.registry)
        self.outbox = Gauge(
            "qunxing_outbox", "Messages of the ledger by state", ["state"], registry=self.registry
        )


@dataclass(eq=False)
class Doors:
    """Every address WeCom knows, with the key that opens it."""

    db: Database
    clock: Clock
    corp: str
    ciphers: Mapping[str, Cipher]
    woken: Bell
    metrics: Metrics
    alarm: Callable[[str], Awaitable[None]]
    freshness: Freshness = field(default_factory=Freshness)
    _suspected: bool = False

    def __post_init__(self) -> None:
        self._intake = Intake(self.db)
        knocks = self.metrics.knocks
        self._stored = {door: knocks.labels(door, "stored") for door in self.ciphers}
        self._refused = {door: knocks.labels(door, "refused") for door in self.ciphers}
        self._failed = {door: knocks.labels(door, "failed") for door in self.ciphers}

    def add_to(self, app: web.Application) -> None:
        for door in self.ciphers:
            app.router.add_get(f"/callback/{door}", self._verifier(door))
            app.router.add_post(f"/callback/{door}", self._receiver(door))

    def _verifier(self, door: str) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        cipher = self.ciphers[door]

        async def verified(request: web.Request) -> web.StreamResponse:
            try:
                return web.Response(body=verify(cipher, request.query), content_type="text/plain")
            except Malformed as error:
                return self._refuse(door, error)

        return verified

    def _receiver(self, door: str) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def received(request: web.Request) -> web.StreamResponse:
            try:
                answer = await self._take(door, request.query, await _posted(request))
            except Malformed as error:
                return self._refuse(door, error)
            except Exception as error:  # it is not on disk: no answer, so that the platform tries again
                return self._hang_up(request, door, error)
            if self.freshness.suspects_clock != self._suspected:
                await self._suspect_clock()
            return await answer()

        return received

    async def _take(self, door: str, query: Mapping[str, str], sealed: bytes) -> Answer:
        """Store what was posted; returns how it is acknowledged."""
        await self._intake.put(partial(self._open, door, self.ciphers[door], query, sealed))
        self._noted(door)
        return _nothing

    def _noted(self, door: str) -> None:
        self._stored[door].inc()
        self.woken.ring()

    def _open(self, door: str, cipher: Cipher, query: Mapping[str, str], sealed: bytes) -> Knock:
        now = self.clock.now()
        body = open_post(cipher, query, sealed, freshness=self.freshness, now=now)
        return Knock(key_of(self.corp, door, body), door, body, lane_of(door, body), now)

    def _refuse(self, door: str, error: Exception) -> web.Response:
        self._refused[door].inc()
        log.info("callback refused", door=door, reason=str(error))
        return web.Response(status=403, text=REFUSAL)

    def _hang_up(self, request: web.Request, door: str, error: Exception) -> web.Response:
        self._failed[door].inc()
        log.error("callback not stored", door=door, reason=f"{type(error).__name__}: {error}")
        if request.transport is not None:
            request.transport.abort()
        return web.Response(status=503)

    async def _suspect_clock(self) -> None:
        self._suspected = self.freshness.suspects_clock
        if self._suspected:
            await self.alarm("很多回调看起来都过期了，请检查这台机器的时钟")


async def _posted(request: web.Request) -> bytes:
    """The body of a callback; one larger than any of the platform's is not read."""
    try:
        if (request.content_length or 0) <= LARGEST_BODY:
            return await request.read()
    except web.HTTPRequestEntityTooLarge:
        pass
    except web.RequestPayloadError as error:  # torn, or not packed as it says
        raise Malformed("body cannot be read") from error
    raise Malformed("body is too large")


async def _nothing() -> web.Response:
    return web.Response()


@dataclass(eq=False)
class Health:
    """Alive, ready, and in numbers. Ready is who can store: reading works long after the disk is full."""

    db: Database
    metrics: Metrics
    count: Callable[[], Awaitable[None]]
    remember_s: float = 3.0  # a good answer serves so long, that nobody can make us write by asking
    _good_until: float = 0.0
    _probe: asyncio.Task[None] | None = None

    def add_to(self, app: web.Application) -> None:
        app.router.add_get("/healthz", self._alive)
        app.router.add_get("/readyz", self._ready)
        app.router.add_get("/metrics", self._numbers)

    async def _alive(self, request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _ready(self, request: web.Request) -> web.Response:
        loop = asyncio.get_running_loop()
        if loop.time() < self._good_until:
            return web.Response(text="ready\n")
        if self._probe is None or self._probe.done():  # whoever asks meanwhile waits for the same answer
            self._probe = loop.create_task(self.db.write(partial(_touch, loop.time())))
        try:
            await asyncio.wait_for(asyncio.shield(self._probe), STORED_WITHIN_S)
        except Exception as error:  # any reason why nothing can be stored is a reason not to send us work
            log.error("not ready", reason=f"{type(error).__name__}: {error}")
            return web.Response(status=503, text="database does not store\n")
        self._good_until = loop.time() + self.remember_s
        return web.Response(text="ready\n")

    async def _numbers(self, request: web.Request) -> web.Response:
        try:
            await self.count()
        except (
            Exception
        ) as error:  # what the process counted by itself is told even when the database is away
            log.error("rows not counted", reason=f"{type(error).__name__}: {error}")
        return web.Response(
            body=generate_latest(self.metrics.registry), headers={"Content-Type": CONTENT_TYPE_LATEST}
        )


def _touch(moment: float, connection: Connection) -> None:
    """Something new each time: what is there already is not written again."""
    write_position(connection, "ready", f"{moment:.6f}")
