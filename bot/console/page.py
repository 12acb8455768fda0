"""What every page is made of: the room it stands in, the route that leads to it, and how it is rendered."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, TypeVar
from urllib.parse import quote, unquote, urlencode

import aiohttp_jinja2
from aiohttp import web
from markupsafe import Markup

from bot.chance import Chance
from bot.clock import Clock
from bot.console.password import Passwords
from bot.console.throttle import Throttle
from bot.desk import Desk
from bot.gateway import Identity
from bot.registry import Registry
from bot.rehearsal import Rehearsals
from bot.wecom.login import Login
from handlers.context import Settings
from storage.engine import Connection, Database
from storage.operator import OPERATOR, OperatorStore, Session

T = TypeVar("T")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

PREFIX = "/console"
SAID = "qunxing_said"  # the cookie with the line the next page shows
PICTURES = web.ResponseKey("pictures", bool)  # the answer may show pictures from elsewhere
ANYONE = ""  # the role of pages that ask for no sign-in


@dataclass(frozen=True)
class Page:
    """One route and whom it serves; ``role`` is the least somebody must be."""

    method: str
    path: str
    handler: Handler
    role: str = OPERATOR


@dataclass(eq=False)
class Room:
    """What the pages share. ``clock`` is the community's, ``wall`` is real time, for sessions and throttling."""

    db: Database
    clock: Clock
    wall: Clock
    chance: Chance
    desk: Desk
    passwords: Passwords
    throttle: Throttle
    zone: str
    community: str
    secure: bool  # whether browsers reach us through HTTPS
    public_url: str = ""
    login: Login | None = None  # WeCom's login page, where there is an app to log in to
    registry: Registry | None = None
    settings: Settings = field(default_factory=Settings)
    rehearsals: Rehearsals = field(default_factory=Rehearsals)

    async def who(self, code: str) -> Identity:
        """Who came back from the login page."""
        return await self.registry.who(code) if self.registry else Identity()

    @property
    def now(self) -> datetime:
        return self.clock.now()

    async def read(self, ask: Callable[[Connection], T]) -> T:
        return await self.db.read(ask)

    async def write(self, work: Callable[[Connection], T]) -> T:
        with self.clock.hold():
            return await self.db.write(work)

    async def accounts(self, work: Callable[[OperatorStore], T]) -> T:
        """Change something about operators, at real time."""
        now = self.wall.now()
        return await self.db.write(lambda c: work(OperatorStore(c, now)))

    async def did(self, request: web.Request, what: str, detail: str = "") -> None:
        """Write into the audit log what the signed-in operator did."""
        who = signed_in(request).operator.name
        await self.accounts(lambda store: store.record(who, what, detail))


ROOM = web.AppKey("room", Room)
SESSION = web.RequestKey("session", Session)


def room(request: web.Request) -> Room:
    return request.app[ROOM]


def signed_in(request: web.Request) -> Session:
    session: Session = request[SESSION]
    return session


def way(path: str = "/") -> str:
    """An address of the console."""
    return PREFIX + path


# ---------------------------------------------------------------- answering


def render(request: web.Request, view: str, status: int = 200, **context: Any) -> web.Response:
    """A page or a part of one, with what all pages know."""
    response = aiohttp_jinja2.render_template(view, request, _shared(request) | context, status=status)
    if SAID in request.cookies and not is_part(request):
        response.del_cookie(SAID, path=PREFIX)
    return response


def live(request: web.Request, view: str, **context: Any) -> web.Response:
    """A part that asks for itself again every few seconds; what has not changed since is not sent again."""
    part = living(request, view, **context)
    if request.query.get("seen") == part.seen:
        return web.Response(status=204)
    return render(request, "live.html", part=part)


@dataclass(frozen=True)
class Living:
    """A rendered part that keeps itself fresh from ``address``."""

    inner: Markup
    seen: str
    address: str


def living(request: web.Request, view: str, address: str = "", **context: Any) -> Living:
    """The same part for standing inside a whole page."""
    inner = aiohttp_jinja2.render_string(view, request, _shared(request) | context)
    seen = hashlib.sha1(inner.encode(), usedforsecurity=False).hexdigest()[:12]
    asked = {key: value for key, value in request.query.items() if key != "seen"} | {"seen": seen}
    return Living(
        Markup(inner), seen, f"{address or request.path}?{urlencode(asked)}"
    )  # Jinja escaped it already


def is_part(request: web.Request) -> bool:
    """Whether a script asks for a part of a page."""
    return "HX-Request" in request.headers


def _shared(request: web.Request) -> dict[str, Any]:
    session: Session | None = request.get(SESSION)
    return {
        "here": request.path,
        "query": request.query,
        "session": session,
        "operator": session.operator if session else None,
        "csrf": session.csrf if session else "",
        "token": partial(_token, session.csrf if session else ""),
        "community": room(request).community,
        "now": room(request).now,
        "said": unquote(request.cookies.get(SAID, ""))[:200],
    }


def _token(csrf: str) -> Markup:
    """The field every form carries."""
    return Markup('<input type="hidden" name="csrf" value="{}">').format(csrf)


def go(path: str, said: str = "") -> web.Response:
    """On to another page of the console, which shows one line about what was done."""
    response = web.Response(status=303, headers={"Location": way(path)})
    if said:
        response.set_cookie(SAID, quote(said), path=PREFIX, max_age=30, httponly=True, samesite="Lax")
    return response


async def form(request: web.Request) -> dict[str, str]:
    """The text fields of a form."""
    posted = await request.post()
    return {key: value for key, value in posted.items() if isinstance(value, str)}


def whole(text: str | None, otherwise: int = 0) -> int:
    """A number out of an address; nonsense counts as ``otherwise``."""
    return int(text) if text and text.isascii() and text.isdigit() and len(text) <= 15 else otherwise
