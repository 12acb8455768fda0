"""What every member page shares: where it is, who looks, how it is drawn and how a form is trusted."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import aiohttp_jinja2
from aiohttp import web

from bot.chance import Chance
from bot.clock import Clock
from bot.desk import Desk
from bot.pages.visitor import Visitor, Visitors
from handlers.context import Settings
from sop.message import Reply
from sop.update import Update
from storage.engine import Database
from storage.tx import Tx

T = TypeVar("T")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Page:
    """One address and what answers it."""

    method: str
    path: str
    handler: Handler


@dataclass(eq=False)
class Place:
    """What pages may use."""

    db: Database
    clock: Clock
    desk: Desk
    chance: Chance
    settings: Settings
    visitors: Visitors

    async def read(self, question: Callable[[Tx], T]) -> T:
        now = self.clock.now()
        return await self.db.read(lambda connection: question(Tx(connection, now)))

    async def ask(self, update: Update) -> str:
        """Put an update to the desk; what comes back, as words."""
        reply: Reply | None = await self.desk.ask(update)
        return reply.content.text if reply else ""


PLACE = web.AppKey("place", Place)


def place(request: web.Request) -> Place:
    return request.app[PLACE]


def known(handler: Callable[[web.Request, Visitor], Awaitable[web.StreamResponse]]) -> Handler:
    """The decorated page is told who looks; who might be a member passes WeCom's login first."""

    async def with_visitor(request: web.Request) -> web.StreamResponse:
        visitors = place(request).visitors
        visitor = visitors.of(request)
        if visitors.must_log_in(request, visitor):
            return visitors.to_login(request)
        return await handler(request, visitor)

    return with_visitor


async def brought(request: web.Request, visitor: Visitor) -> dict[str, str]:
    """What a form brought; refused from strangers, and without the token its page was given."""
    fields = {name: str(value) for name, value in (await request.post()).items() if isinstance(value, str)}
    if not visitor.member or not place(request).visitors.brought_token(visitor, fields.get("token", "")):
        raise web.HTTPForbidden(text="请从消息里的链接重新打开这个页面。")
    return fields


def draw(
    request: web.Request, view: str, visitor: Visitor, *, status: int = 200, **values: Any
) -> web.Response:
    token = place(request).visitors.token(visitor) if visitor.member else ""
    shared = {"visitor": visitor, "token": token, "said": ""}
    return aiohttp_jinja2.render_template(view, request, {**shared, **values}, status=status)


def lost(request: web.Request, visitor: Visitor, title: str, said: str) -> web.Response:
    """Nothing is here, said kindly."""
    return draw(request, "lost.html", visitor, status=404, title=title, said=said)
