"""The pages members open: tracked links, polls, check-ins, coupons, preferences."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from importlib.resources import files

import aiohttp_jinja2
from aiohttp import web
from jinja2 import PackageLoader, StrictUndefined

from bot.chance import Chance
from bot.clock import Clock
from bot.desk import Desk
from bot.gateway import Gateway
from bot.pages import coupon, home, interaction, link, preference
from bot.pages.page import PLACE, Page, Place
from bot.pages.visitor import Visitors
from handlers.context import Settings
from sop.timing import spoken
from storage.engine import Database

HEADERS = {
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}
STATICS = {"pages.css": "text/css", "pages.js": "text/javascript"}

PAGES: tuple[Page, ...] = (*home.PAGES, *link.PAGES, *interaction.PAGES, *coupon.PAGES, *preference.PAGES)


def add_pages(
    app: web.Application,
    *,
    db: Database,
    clock: Clock,
    desk: Desk,
    gateway: Gateway,
    chance: Chance,
    settings: Settings,
    secret: bytes,
    oauth_base: str,
    corp_id: str,
    agent_id: str,
) -> None:
    """Let ``app`` serve ``/l/…`` and ``/m/…``; ``secret`` signs visitors' sessions."""
    visitors = Visitors(gateway, clock, chance, secret, settings.public_url, oauth_base, corp_id, agent_id)
    place = Place(db, clock, desk, chance, settings, visitors)
    for prefix in ("/m", "/l"):
        pages = web.Application(middlewares=[_dressed])
        pages[PLACE] = place
        env = aiohttp_jinja2.setup(
            pages, loader=PackageLoader("bot.pages", "views"), autoescape=True, undefined=StrictUndefined,
            trim_blocks=True, lstrip_blocks=True,
        )  # fmt: skip
        env.filters["when"] = lambda instant: spoken(instant, settings.zone) if instant else ""
        for page in PAGES:
            if page.path.startswith(f"{prefix}/"):
                pages.router.add_route(page.method, page.path.removeprefix(prefix), page.handler)
        if prefix == "/m":
            pages.router.add_get("/login", visitors.login)
            for name, kind in STATICS.items():
                pages.router.add_get(f"/static/{name}", _static(name, kind))
        app.add_subapp(prefix, pages)


@web.middleware
async def _dressed(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    answer = await handler(request)
    for name, value in HEADERS.items():
        answer.headers.setdefault(name, value)
    return answer


def _static(name: str, kind: str) -> Callable[[web.Request], Awaitable[web.Response]]:
    body = (files("bot.pages") / "static" / name).read_bytes()

    async def serve(request: web.Request) -> web.Response:
        return web.Response(
            body=body, content_type=kind, charset="utf-8", headers={"Cache-Control": "max-age=3600"}
        )

    return serve
