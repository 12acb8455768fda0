"""What every member page shares: where it is, who looks, how it is drawn and how a form is trusted."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, TypeVar
from urllib.parse import quote, unquote, urlsplit

import aiohttp_jinja2
from aiohttp import web

from bot.chance import Chance
from bot.clock import Clock
from bot.desk import Desk
from bot.pages.visitor import Visitor, Visitors
from handlers.context import Settings
from sop.timing import local_day
from sop.update import Update
from storage.engine import Database
from storage.tx import Tx

T = TypeVar("T")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Shown = Callable[[web.Request, Visitor], Awaitable[web.StreamResponse]]

SAID = "qx_said"  # the cookie with the line the next page shows
LARGEST_FORM = 32 * 1024
STALE = "页面放得有点久了，再点一次就好。"


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

    @property
    def now(self) -> datetime:
        return self.clock.now()

    @property
    def today(self) -> date:
        return local_day(self.now, self.settings.zone)

    async def read(self, question: Callable[[Tx], T]) -> T:
        now = self.now
        return await self.db.read(lambda connection: question(Tx(connection, now)))

    async def ask(self, update: Update) -> str:
        """Put an update to the desk; what comes back, as words."""
        reply = await self.desk.ask(update)
        return reply.content.text if reply else ""


PLACE = web.AppKey("place", Place)


def place(request: web.Request) -> Place:
    return request.app[PLACE]


def known(handler: Shown) -> Handler:
    """The decorated page is told who looks; who might be a member passes WeCom's login first."""

    async def with_visitor(request: web.Request) -> web.StreamResponse:
        visitors = place(request).visitors
        visitor = visitors.of(request)
        if visitors.must_log_in(request, visitor):
            return visitors.to_login(request)
        return await handler(request, visitor)

    return with_visitor


# ---------------------------------------------------------------- forms


def brought_to(path: str) -> Callable[[Callable[..., Awaitable[str]]], Handler]:
    """The decorated function does what a form asks and says a line; the page at ``path`` then shows it.

    Refused from strangers, from other sites, and without the token its page was given.
    """

    def decorate(work: Callable[[web.Request, Visitor, dict[str, str]], Awaitable[str]]) -> Handler:
        async def take(request: web.Request) -> web.StreamResponse:
            visitor = place(request).visitors.of(request)
            if (request.content_length or 0) > LARGEST_FORM:
                raise web.HTTPRequestEntityTooLarge(LARGEST_FORM, request.content_length or 0)
            fields = {key: value for key, value in (await request.post()).items() if isinstance(value, str)}
            back = path.format(**{key: quote(value, safe="") for key, value in request.match_info.items()})
            if not is_from_here(request):
                raise web.HTTPForbidden
            if not place(request).visitors.brought_token(visitor, fields.get("token", "")):
                return _go(back, STALE)
            if not (visitor.member or visitor.staff):
                return _go(back)
            return _go(back, await work(request, visitor, fields))

        return take

    return decorate


def is_from_here(request: web.Request) -> bool:
    """Browsers say where a form came from; who says nothing must still bring the token."""
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        return False
    origin = request.headers.get("Origin")
    ours = {request.host, urlsplit(place(request).settings.public_url).netloc}
    return origin is None or urlsplit(origin).netloc in ours


def _go(path: str, said: str = "") -> web.Response:
    answer = web.Response(status=303, headers={"Location": path})
    if said:
        answer.set_cookie(SAID, quote(said[:200]), path="/m", max_age=30, httponly=True, samesite="Lax")
    return answer


# ---------------------------------------------------------------- drawing


def draw(
    request: web.Request, view: str, visitor: Visitor, *, status: int = 200, **values: Any
) -> web.Response:
    """A page, with what all pages know."""
    shared = {
        "visitor": visitor,
        "token": place(request).visitors.token(visitor) if visitor.asked else "",
        "said": unquote(request.cookies.get(SAID, ""))[:200],
        "here": request.path,
        "now": place(request).now,
    }
    answer = aiohttp_jinja2.render_template(view, request, shared | values, status=status)
    if shared["said"]:
        answer.del_cookie(SAID, path="/m")
    return answer


def lost(
    request: web.Request, visitor: Visitor, title: str, words: str, *, status: int = 404
) -> web.Response:
    """Nothing is here, said kindly."""
    return draw(request, "lost.html", visitor, status=status, title=title, words=words)
