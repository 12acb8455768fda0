"""The simulator as one thing to embed: a world, its HTTP side, its callbacks, its people and its clock."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Self

import aiohttp
import structlog
from aiohttp import web

from bot.chance import Chance, SystemChance
from bot.clock import Clock, TurnedClock
from bot.outgoing import bare_session
from bot.simulator import control, corp, page
from bot.simulator.acts import Acts
from bot.simulator.aibot import Aibots
from bot.simulator.callbacks import Callbacks
from bot.simulator.credentials import Credentials
from bot.simulator.deeds import Deeds
from bot.simulator.faults import Faults
from bot.simulator.journal import Journal
from bot.simulator.limits import Limits
from bot.simulator.server import LARGEST_REQUEST, Platform
from bot.simulator.visit import Browsers
from bot.simulator.world import World

log = structlog.get_logger()


class Simulator:
    """Open it as an async context manager, ``serve`` it, then ``connect`` it to a bot.

    ``visitor_cookies`` are names of the bot's cookies to forget when the chat page opens a link as somebody else.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        chance: Chance | None = None,
        world: World | None = None,
        bot_url: str = "",
        resend_wait_s: float = 1.0,
        visitor_cookies: tuple[str, ...] = (),
    ) -> None:
        chance = chance or SystemChance()
        self.clock, self.chance = clock, chance
        self.world = world or corp.open_corp(clock, chance)
        self.faults = Faults(chance)
        self.limits = Limits()
        self.credentials = Credentials(self.world, self.limits)
        self.visitor_cookies = visitor_cookies
        self.speed = 0.0
        self.api_base = ""
        self._bot_url, self._resend_wait_s = bot_url, resend_wait_s
        self._session: aiohttp.ClientSession | None = None
        self._runner: web.AppRunner | None = None
        self._clockwork: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.callbacks: Callbacks
        self.acts: Acts
        self.bots: Aibots
        self.browsers: Browsers
        self.app: web.Application

    async def __aenter__(self) -> Self:
        self._session = bare_session()
        self.callbacks = Callbacks(self.world, self.faults, self._session, resend_wait_s=self._resend_wait_s)
        self.callbacks.bot_url = self._bot_url
        self.acts = Acts(self.world, self.callbacks)
        self.bots = Aibots(
            self.world, self.limits, self.faults, self._session, resend_wait_s=self._resend_wait_s
        )
        self.bots.bot_url = self._bot_url
        self.browsers = Browsers(self.world, self._session)
        self.app = self._application()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.pace(0)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.bots.aclose()
        await self.callbacks.aclose()
        if self._runner is not None:
            await self._runner.cleanup()
        if self._session is not None:
            await self._session.close()

    @property
    def journal(self) -> Journal:
        return self.world.journal

    @property
    def oauth_base(self) -> str:
        """Where the login page is: ``/connect/oauth2/authorize`` below it."""
        return self.api_base

    @property
    def chat_url(self) -> str:
        return f"{self.api_base}/sim/"

    def settings(self) -> dict[str, Any]:
        """The part of the bot's configuration that concerns this corp, as a plain dict shaped like its TOML."""
        return corp.settings(self.world, self.api_base)

    async def serve(self, host: str = "127.0.0.1", port: int = 0) -> str:
        """Listen; the address it is reached at."""
        self._runner = web.AppRunner(self.app, access_log=None, handle_signals=False)
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port)
        await site.start()
        port = self._runner.addresses[0][1]
        shown = "127.0.0.1" if host in ("0.0.0.0", "::", "") else host
        self.api_base = self.browsers.login_base = self.bots.api_base = f"http://{shown}:{port}"
        return self.api_base

    async def hang_up(self) -> int:
        """Be gone for everybody who asks, until ``serve`` is called with the port this returns."""
        if self._runner is None:
            return 0
        port: int = self._runner.addresses[0][1]
        await self._runner.cleanup()
        self._runner = None
        return port

    async def connect(self, bot_url: str, *, tries: int = 1, wait_s: float = 1.0) -> dict[str, bool]:
        """Send callbacks to this bot from now on; which doors proved their keys."""
        self.callbacks.bot_url = self.bots.bot_url = bot_url
        proved: dict[str, bool] = {}
        for attempt in range(tries):
            if attempt:
                await asyncio.sleep(wait_s)
            proved = await self.callbacks.verify()
            if all(proved.values()):
                break
        return proved

    def pace(self, speed: float) -> None:
        """Run the turned clock at ``speed`` world seconds a second; 0 stops it. Real time has a pace of its own."""
        if self._clockwork is not None:
            self._clockwork.cancel()
            self._tasks.discard(self._clockwork)
            self._clockwork = None
        self.speed = speed if isinstance(self.clock, TurnedClock) else 1.0
        if speed > 0 and isinstance(self.clock, TurnedClock):
            self._clockwork = self.start(self.clock.run(speed))

    def start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Own a task until the simulator closes; its failure is logged, not lost."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)
        return task

    async def quiet(self) -> None:
        """Wait until no callback is on its way."""
        await self.callbacks.quiet()
        await self.bots.quiet()

    def summary(self) -> dict[str, int]:
        """What really happened, in numbers, for whoever checks the bot's own."""
        counts = self.journal.counts
        acked = {entry["id"] for entry in self.journal.of("callback", outcome="acked")}
        tasks = self.world.tasks.values()
        return {
            "callbacks": len({entry["id"] for entry in self.journal.of("callback") if "id" in entry}),
            "callbacks_acked": len(acked),
            "calls_ok": counts["call ok"],
            "calls_refused": counts["call refused"],
            "app_messages": counts["delivery app"],
            "welcomes": counts["delivery welcome"],
            "kf_messages": counts["delivery kf"],
            "appchat_messages": counts["delivery appchat"],
            "moments_created": len(self.world.moments),
            "webhook_posts": counts["delivery webhook"],
            "bot_answers": counts["delivery aibot"],
            "tasks_created": len(tasks),
            "tasks_confirmed": sum(len(task.confirmed) for task in tasks),
            "group_send_deliveries": counts["delivery group_send"],
            "archive_records": len(self.world.archive),
            "visits": counts["visit"],
        }

    def _application(self) -> web.Application:
        app = web.Application(client_max_size=LARGEST_REQUEST)
        platform = Platform(
            self.world, self.faults, self.limits, self.credentials, self._ring_waiting, self.bots.respond
        )
        app.add_routes(platform.routes())
        app.router.add_get(corp.SOCKET, self.bots.sockets.serve)
        app.router.add_get("/aibot/file/{code}", self._file)
        deeds = Deeds(self.world, self.acts, self.callbacks)
        app.add_routes(
            control.Control(self.world, self.faults, self.credentials, self.callbacks, deeds).routes()
        )
        page.Page(self).attach(app)
        return app

    async def _file(self, request: web.Request) -> web.Response:
        """A file somebody showed a bot."""
        sealed = self.bots.file(request.match_info["code"])
        if sealed is None:
            raise web.HTTPForbidden
        return web.Response(body=sealed, content_type="application/octet-stream")

    def _ring_waiting(self) -> None:
        while self.world.rung:
            self.acts.ring_kf(self.world.rung.pop(0))

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("simulator task failed", exc_info=error)
