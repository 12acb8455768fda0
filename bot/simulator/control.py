"""Doors that WeCom does not have: the journal to read, trouble to order, and whose phone a browser is."""

from __future__ import annotations

import html
from dataclasses import asdict
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from bot.simulator import login
from bot.simulator.callbacks import Callbacks
from bot.simulator.calls import Refusal
from bot.simulator.credentials import Credentials
from bot.simulator.deeds import Deeds
from bot.simulator.faults import Fault, Faults
from bot.simulator.world import World

WHO = "sim_as"
CHOOSER = """<!doctype html><html lang="zh-CN"><meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1"><title>以谁的身份登录</title>
<link rel="stylesheet" href="/sim/static/chat.css"><body class="chooser"><h1>以谁的身份打开？</h1>
<p>模拟的企业微信登录页：选一个人，像在他的手机上打开一样。</p><ul>{people}</ul></body></html>"""


class Control:
    """The simulator's own HTTP doors, for tests and tools."""

    def __init__(
        self, world: World, faults: Faults, credentials: Credentials, callbacks: Callbacks, deeds: Deeds
    ) -> None:
        self._world, self._faults, self._deeds = world, faults, deeds
        self._credentials, self._callbacks = credentials, callbacks

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/sim/journal", self.journal),
            web.get("/sim/faults", self.faults),
            web.post("/sim/faults", self.add_faults),
            web.delete("/sim/faults", self.clear_faults),
            web.get("/sim/deeds", self.deeds),
            web.post("/sim/deeds", self.order),
            web.post("/sim/revoke", self.revoke),
            web.get("/connect/oauth2/authorize", self.authorize),
            web.get("/wwlogin/sso/login", self.authorize),
        ]

    async def journal(self, request: web.Request) -> web.Response:
        """Entries after ``since``; ``idle`` tells whether callbacks are still on their way."""
        since, limit = _number(request, "since", 0), _number(request, "limit", 10_000)
        entries = self._world.journal.since(since, limit=limit)
        return web.json_response({"entries": entries, "idle": self._callbacks.idle})

    async def faults(self, request: web.Request) -> web.Response:
        return web.json_response(self._faults.plain())

    async def add_faults(self, request: web.Request) -> web.Response:
        wanted = await _json(request)
        try:
            faults = [Fault.from_plain(one) for one in (wanted if isinstance(wanted, list) else [wanted])]
        except (TypeError, ValueError) as mistake:
            return web.json_response({"error": str(mistake)}, status=400)
        self._faults.add(*faults)
        return web.json_response([asdict(fault) for fault in faults])

    async def clear_faults(self, request: web.Request) -> web.Response:
        self._faults.clear()
        return web.json_response([])

    async def deeds(self, request: web.Request) -> web.Response:
        """Everything that can be ordered: deeds of people, and what the platform says of its own accord."""
        return web.json_response(self._deeds.listed())

    async def order(self, request: web.Request) -> web.Response:
        """``{"deed": "change_contact/delete_user", "staff": "suhe"}``: do it, and send its callbacks."""
        wanted = await _json(request)
        if not isinstance(wanted, dict):
            return web.json_response({"error": "an object that names a deed is wanted"}, status=400)
        deed = str(wanted.pop("deed", ""))
        try:
            made = self._deeds.order(deed, wanted)
        except ValueError as mistake:
            return web.json_response({"error": str(mistake)}, status=400)
        return web.json_response({"made": made if isinstance(made, str) else ""})

    async def revoke(self, request: web.Request) -> web.Response:
        """End access tokens before their time: ``{"holder": "app/qunxing", "code": 42001}``, both optional."""
        wanted = await _json(request)
        revoked = self._credentials.revoke(str(wanted.get("holder", "")), code=int(wanted.get("code", 42001)))
        return web.json_response({"revoked": revoked})

    async def authorize(self, request: web.Request) -> web.Response:
        """The login page: whose phone this is comes from ``as``, else from the cookie, else one is asked."""
        person = request.query.get("as") or request.cookies.get(WHO, "")
        try:
            login.check(self._world, request.query)
            if not person:
                return web.Response(text=self._chooser(request), content_type="text/html")
            target = login.back(self._world, request.query, person)
        except Refusal as refusal:
            text = f"{refusal.code} {refusal.reason}"
            return web.Response(text=text, status=200, content_type="text/plain")
        return web.Response(status=302, headers={"Location": target, "Cache-Control": "no-store"})

    def _chooser(self, request: web.Request) -> str:
        links = [
            f'<li><a href="?{html.escape(urlencode({**request.query, "as": who}))}">'
            f"{html.escape(self._world.name_of(who))}</a></li>"
            for who in [*self._world.staff, *self._world.members]
        ]
        return CHOOSER.format(people="".join(links))


def _number(request: web.Request, name: str, default: int) -> int:
    value = request.query.get(name, "")
    return int(value) if value.isdecimal() else default


async def _json(request: web.Request) -> Any:
    """The body as JSON; a browser's plain form cannot reach these doors."""
    if request.content_type != "application/json":
        raise web.HTTPUnsupportedMediaType
    try:
        return await request.json()
    except ValueError as mistake:
        raise web.HTTPBadRequest(text="no JSON") from mistake
