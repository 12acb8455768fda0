"""The console as a whole: every page with its role, behind one gate, under /console/."""

from __future__ import annotations

from datetime import datetime

import aiohttp_jinja2
from aiohttp import web
from jinja2 import PackageLoader, StrictUndefined

from bot.chance import Chance
from bot.clock import Clock, SystemClock
from bot.console import (
    auth,
    editor,
    funnel,
    greeting,
    group,
    journey,
    member,
    message,
    operator,
    rehearsal,
    review,
    scan,
    static,
    template,
    today,
    version,
    way,
    words,
)
from bot.console.page import PREFIX, ROOM, Page, Room
from bot.console.password import Passwords, objection
from bot.console.throttle import Throttle
from bot.desk import Desk
from bot.registry import Registry
from bot.wecom.login import Login
from handlers.context import Settings
from sop.errors import Misconfigured
from storage.engine import Connection, Database
from storage.operator import ROLES, OperatorStore

LARGEST_FORM = 1024 * 1024

PAGES: tuple[Page, ...] = (
    *auth.PAGES,
    *scan.PAGES,
    *today.PAGES,
    *group.PAGES,
    *member.PAGES,
    *journey.PAGES,
    *message.PAGES,
    *template.PAGES,
    *version.PAGES,
    *funnel.PAGES,
    *rehearsal.PAGES,
    *editor.PAGES,
    *review.PAGES,
    *way.PAGES,
    *greeting.PAGES,
    *operator.PAGES,
    *static.PAGES,
)


def add_console(
    app: web.Application,
    *,
    db: Database,
    clock: Clock,
    desk: Desk,
    chance: Chance,
    zone: str = "Asia/Shanghai",
    community: str = "",
    public_url: str = "",
    wall: Clock | None = None,
    login: Login | None = None,
    registry: Registry | None = None,
    settings: Settings | None = None,
) -> None:
    """Let ``app`` serve the console; ``wall`` is the clock of sessions, real time unless a test says otherwise."""
    room = Room(
        db=db,
        clock=clock,
        wall=wall or SystemClock(),
        chance=chance,
        desk=desk,
        passwords=Passwords(),
        throttle=Throttle(),
        zone=zone,
        community=community,
        secure=public_url.startswith("https://"),
        public_url=public_url,
        login=login,
        registry=registry,
        settings=settings or Settings(),
    )
    gate = auth.Gate({page.handler: page.role for page in PAGES})
    console = web.Application(middlewares=[gate.guard], client_max_size=LARGEST_FORM)
    console[ROOM], console[static.STATICS] = room, static.load()
    for page in PAGES:
        console.router.add_route(page.method, page.path, page.handler)
    _furnish(console, zone)
    app.router.add_get(PREFIX, _enter)
    app.add_subapp(PREFIX, console)


async def _enter(request: web.Request) -> web.Response:
    return web.Response(status=308, headers={"Location": f"{PREFIX}/"})


def _furnish(console: web.Application, zone: str) -> None:
    """What views may use beside their own values."""
    env = aiohttp_jinja2.setup(
        console,
        loader=PackageLoader("bot.console", "views"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    statics = console[static.STATICS]

    def when(instant: datetime | None) -> str:
        return words.clock_words(instant, zone)

    def stamp(instant: datetime | None) -> str:
        return words.stamp(instant, zone)

    env.filters.update(
        word=words.word,
        tone=words.tone,
        light=words.light,
        when=when,
        stamp=stamp,
        ago=words.ago,
        hue=words.hue,
        initial=words.initial,
        excerpt=words.excerpt,
    )
    env.globals.update(
        static=lambda name: static.address_in(statics, name),
        sparkline=words.sparkline,
        roles=ROLES,
        states=words.STATES,
    )


async def add_operator(
    db: Database, name: str, password: str, role: str, now: datetime, *, staff: str = ""
) -> None:
    """A new account, of the employee ``staff`` if given; refused when the name is taken, the role unknown or the password too short."""
    if role not in ROLES:
        raise Misconfigured(f"没有 {role!r} 这种角色。", remedy=f"用 {'、'.join(ROLES)} 之一。", field="role")
    if why_not := objection(password):
        raise Misconfigured(why_not, remedy="换一个再试。", field="password")
    hashed = await Passwords().hash(password)

    def add(connection: Connection) -> None:
        store = OperatorStore(connection, now)
        store.add(name, hashed, role)
        if staff:
            store.name_staff(name, staff)

    await db.write(add)
