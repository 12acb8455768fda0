"""The pages members open: tracked links, polls, check-ins, coupons, articles, preferences."""

from __future__ import annotations

from datetime import datetime

import aiohttp_jinja2
from aiohttp import web
from jinja2 import PackageLoader, StrictUndefined

from bot.chance import Chance
from bot.clock import Clock, SystemClock
from bot.desk import Desk
from bot.gateway import Gateway
from bot.pages import article, check_in, coupon, home, interaction, link, preference, static
from bot.pages.page import PLACE, Handler, Page, Place, lost, place
from bot.pages.seal import Seal
from bot.pages.visitor import Visitors
from bot.wecom.login import Login
from handlers.context import Settings
from sop.timing import lasting, spoken
from storage.engine import Database
from storage.guest import GuestStore

HEADERS = {
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}
REFUSALS = {
    403: ("没有提交成功", "这个请求不是从我们的页面来的。请回到消息里，重新打开链接再试。"),
    404: ("页面找不到了", "链接可能写错了，或者已经撤下。回到消息里再点一次试试。"),
    413: ("写得太长啦", "请缩短一点再提交。"),
}

PAGES: tuple[Page, ...] = (
    *home.PAGES,
    *link.PAGES,
    *interaction.PAGES,
    *check_in.PAGES,
    *coupon.PAGES,
    *article.PAGES,
    *preference.PAGES,
)


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
    wall: Clock | None = None,
) -> None:
    """Let ``app`` serve ``/l/…`` and ``/m/…``; ``secret`` seals sessions, whose times are those of ``wall``, real time."""

    async def joined(guest: str, member: str) -> None:
        await db.write(lambda c: GuestStore(c, clock.now()).join(guest, member, zone=settings.zone))

    visitors = Visitors(
        gateway=gateway,
        clock=wall or SystemClock(),
        chance=chance,
        seal=Seal(secret),
        public_url=settings.public_url,
        login=Login(corp_id, agent_id, oauth_base),
        joined=joined,
    )
    here = Place(db, clock, desk, chance, settings, visitors)
    for prefix in ("/m", "/l"):
        app.add_subapp(prefix, _wing(prefix, here))
    app.router.add_get("/m", _enter)


async def _enter(request: web.Request) -> web.StreamResponse:
    raise web.HTTPFound("/m/")


def _wing(prefix: str, here: Place) -> web.Application:
    """The pages under one prefix."""
    pages = web.Application(middlewares=[_guard])
    pages[PLACE], pages[static.STATICS], pages[article.SHELF] = here, static.load(), article.load()
    for page in PAGES:
        if page.path.startswith(f"{prefix}/"):
            pages.router.add_route(page.method, page.path.removeprefix(prefix), page.handler)
    if prefix == "/m":
        pages.router.add_get("/login", _login)
        pages.router.add_get("/static/{name}", static.serve)
    _furnish(pages, here.settings.zone)
    return pages


def _furnish(pages: web.Application, zone: str) -> None:
    """What views may use beside their own values."""
    env = aiohttp_jinja2.setup(
        pages,
        loader=PackageLoader("bot.pages", "views"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )

    def when(instant: datetime) -> str:
        return spoken(instant, zone)

    statics = pages[static.STATICS]
    env.filters.update(when=when, lasting=lasting)
    env.globals.update(static=lambda name: static.address_in(statics, name))


async def _login(request: web.Request) -> web.StreamResponse:
    """Back from WeCom; a way that is not ours ends here, so that nobody goes in circles."""
    visitors = place(request).visitors
    return await visitors.returned(request) or lost(
        request,
        visitors.of(request),
        "没有认出你来",
        "登录没有完成。回到消息里再点一次链接就好。",
        status=400,
    )


@web.middleware
async def _guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Every answer is dressed alike, and a refusal is a page too."""
    try:
        answer = await handler(request)
    except web.HTTPException as refusal:
        if refusal.status < 400:
            raise
        title, words = REFUSALS.get(refusal.status, REFUSALS[404])
        answer = lost(request, place(request).visitors.of(request), title, words, status=refusal.status)
    for name, value in HEADERS.items():
        answer.headers.setdefault(name, value)
    return answer
