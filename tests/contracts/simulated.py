"""A simulator with a small receiver in the bot's place, for holding the simulator to what WeCom does."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
from aiohttp import web

from bot.chance import SeededChance
from bot.cipher import Cipher
from bot.clock import TurnedClock
from bot.simulator.acts import Acts
from bot.simulator.simulator import Simulator
from bot.simulator.world import World

START = datetime(2026, 3, 5, 2, 0, tzinfo=UTC)
STAFF = "linmo"


@dataclass
class Heard:
    """One request as it came to the receiver."""

    door: str
    plain: str
    sealed: str
    query: dict[str, str]
    body: str

    def field(self, name: str) -> str:
        found = re.search(rf"<{name}>(?:<!\[CDATA\[)?(.*?)(?:\]\]>)?</{name}>", self.plain, re.S)
        return found[1] if found else ""


@dataclass
class Receiver:
    """Stands where the bot will be; ``answers`` decides what happens to each callback."""

    world: World
    heard: list[Heard] = field(default_factory=list)
    answers: Callable[[web.Request], Awaitable[web.StreamResponse]] | None = None

    def of(self, event: str) -> list[Heard]:
        return [one for one in self.heard if event in (one.field("ChangeType"), one.field("Event"))]

    async def listen(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["door"]
        door = self.world.doors[name]
        cipher = Cipher(door.token, door.aes_key, self.world.corp_id)
        query = dict(request.query)
        if request.method == "GET":
            return web.Response(body=cipher.open(query["echostr"]))
        body = await request.text()
        sealed = re.search(r"<Encrypt><!\[CDATA\[(.*?)\]\]>", body)
        assert sealed is not None
        assert query["msg_signature"] == cipher.sign(query["timestamp"], query["nonce"], sealed[1])
        self.heard.append(Heard(name, cipher.open(sealed[1]).decode(), sealed[1], query, body))
        return await self.answers(request) if self.answers else web.Response()


@dataclass
class Stage:
    """Everything a test needs: the simulator, its clock and hands, the receiver, and a way to call the API."""

    sim: Simulator
    clock: TurnedClock
    receiver: Receiver
    session: aiohttp.ClientSession
    bot_url: str
    tokens: dict[str, str] = field(default_factory=dict)

    @property
    def acts(self) -> Acts:
        return self.sim.acts

    async def later(self, **time: float) -> None:
        """Turn the clock; tokens are fetched anew afterwards."""
        await self.clock.turn(timedelta(**time))
        self.tokens.clear()

    async def token(self, holder: str) -> str:
        if holder not in self.tokens:
            secret = self.sim.world.holders[holder].secret
            answer = await self.get("gettoken", corpid=self.sim.world.corp_id, corpsecret=secret)
            self.tokens[holder] = answer["access_token"]
        return self.tokens[holder]

    async def get(self, api: str, **query: str) -> dict[str, Any]:
        async with self.session.get(f"{self.sim.api_base}/cgi-bin/{api}", params=query) as reply:
            assert reply.status == 200
            answer: dict[str, Any] = await reply.json()
            return answer

    async def call(
        self, api: str, body: dict[str, Any] | None = None, *, by: str = "contact", **query: str
    ) -> dict[str, Any]:
        """An API call with a token of ``by``: GET without a body, POST with one."""
        query["access_token"] = await self.token(by)
        if body is None:
            return await self.get(api, **query)
        url = f"{self.sim.api_base}/cgi-bin/{api}"
        data = json.dumps(body, ensure_ascii=False)
        async with self.session.post(url, params=query, data=data.encode()) as reply:
            assert reply.status == 200
            answer: dict[str, Any] = await reply.json()
            return answer

    async def code(
        self, api: str, body: dict[str, Any] | None = None, *, by: str = "contact", **query: str
    ) -> int:
        """Only the errcode."""
        return int((await self.call(api, body, by=by, **query))["errcode"])

    def friend(self, name: str = "小林", **how: Any) -> tuple[str, str]:
        """A new member who has added the staff member; their id and the welcome code."""
        member = self.acts.meet(name)
        return member.id, self.acts.add_friend(member.id, STAFF, **how)


@asynccontextmanager
async def on_stage() -> AsyncIterator[Stage]:
    clock = TurnedClock(START)
    async with Simulator(clock=clock, chance=SeededChance(7), resend_wait_s=0.01) as sim:
        await sim.serve()
        receiver = Receiver(sim.world)
        app = web.Application()
        app.router.add_route("*", "/callback/{door:.+}", receiver.listen)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        assert all((await sim.connect(url)).values())
        sim.acts.hire(STAFF, "林墨")
        async with aiohttp.ClientSession() as session:
            yield Stage(sim, clock, receiver, session, url)
        await runner.cleanup()


async def never(request: web.Request) -> web.StreamResponse:
    """An answer that does not come in time."""
    await asyncio.sleep(30)
    return web.Response()


def hang_up(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()
