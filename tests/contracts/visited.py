"""Member pages with a small community behind them, and people with phones."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any, TypeVar, cast
from urllib.parse import parse_qs, urlsplit

from aiohttp import ClientResponse, ClientSession, CookieJar, web
from aiohttp.test_utils import TestServer

from bot.bell import Bell
from bot.chance import SeededChance
from bot.clock import TurnedClock
from bot.desk import Desk
from bot.gateway import Gateway, Identity
from bot.pages.app import add_pages
from handlers import ROUTERS
from handlers.context import Context, Settings
from handlers.router import Switchboard
from sop.coupon import Batch
from sop.errors import Refused
from sop.interaction import options_of
from sop.packed import from_plain
from sop.update import Update
from storage import inbox
from storage.engine import Connection, Database
from storage.inbox import SHARDS
from storage.interaction import Run
from storage.tx import Tx

T = TypeVar("T")
NOW = datetime(2026, 7, 2, 11, 0, tzinfo=UTC)  # a Thursday, 19:00 in Shanghai
MEMBER, GROUP, STAFF, INSIDE = "wm-lin", "wr-new", "su", "wr-inside"
WECHAT = "Mozilla/5.0 (iPhone) MicroMessenger/8.0"
PUBLIC = "http://bot.example.org"
LOGIN = "https://open.weixin.qq.com"


class Platform:
    """What the pages ask of the platform: who brings this code, each code once."""

    def __init__(self) -> None:
        self.codes: dict[str, Identity] = {}

    async def who(self, code: str) -> Identity:
        try:
            return self.codes.pop(code)
        except KeyError:
            raise Refused("不合法的 oauth_code", code=40029) from None


@dataclass
class Phone:
    """Somebody with a browser; ``is_who`` is what WeCom would say of them."""

    pages: Visited
    is_who: Identity
    client: ClientSession

    async def get(self, path: str, **headers: str) -> ClientResponse:
        return await self.client.get(path, headers=headers, allow_redirects=False)

    async def opens(self, path: str) -> ClientResponse:
        """Follow a link as a phone does, through the login and back."""
        answer = await self.get(path)
        for _ in range(5):
            if answer.status not in (302, 303):
                break
            onward = answer.headers["Location"]
            if onward.startswith(f"{LOGIN}/connect/oauth2/authorize"):
                onward = self.logs_in(onward)
            if not onward.startswith((PUBLIC, "/")):
                break
            answer = await self.get(onward.removeprefix(PUBLIC))
        return answer

    def logs_in(self, address: str) -> str:
        """What WeCom answers: back to the page with a code of this person."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        code = f"code{len(self.pages.platform.codes)}-{asked['state'][:6]}"
        self.pages.platform.codes[code] = self.is_who
        return f"{asked['redirect_uri']}&code={code}&state={asked['state']}"

    async def reads(self, path: str) -> str:
        return await (await self.opens(path)).text()

    async def sends(self, path: str, headers: Any = None, **fields: str) -> ClientResponse:
        """Send the form of a page, with the hidden fields it carries."""
        hidden = fields_of(await self.reads(path))
        return await self.posts(path, headers, **{**hidden, **fields})

    async def posts(self, path: str, headers: Any = None, **fields: str) -> ClientResponse:
        return await self.client.post(path, data=fields, headers=headers, allow_redirects=False)

    async def then_reads(self, answer: ClientResponse) -> str:
        return await self.reads(answer.headers["Location"])


def fields_of(html: str) -> dict[str, str]:
    """The hidden fields of a page."""
    found = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', html)
    return {name: unescape(value) for name, value in found}


@dataclass
class Visited:
    """The pages, and what they remember."""

    db: Database
    clock: TurnedClock
    wall: TurnedClock
    server: TestServer
    platform: Platform
    clients: list[ClientSession] = field(default_factory=list)

    def phone(self, who: Identity | None = None, agent: str = WECHAT) -> Phone:
        client = ClientSession(
            self.server.make_url("/"), cookie_jar=CookieJar(unsafe=True), headers={"User-Agent": agent}
        )
        self.clients.append(client)
        return Phone(self, who or Identity(member=MEMBER), client)

    async def ask(self, question: Callable[[Tx], T]) -> T:
        now = self.clock.now()
        return await self.db.read(lambda c: question(Tx(c, now)))

    async def change(self, work: Callable[[Tx], T]) -> T:
        now = self.clock.now()
        return await self.db.write(lambda c: work(Tx(c, now)))

    async def told(self) -> list[Update]:
        """What waits in the inbox."""
        rows = await self.db.read(lambda c: inbox.waiting(c, range(SHARDS), self.clock.now(), 100))
        return [from_plain(_json(row.body)) for row in rows]


def _json(body: bytes) -> dict[str, Any]:
    return cast(dict[str, Any], json.loads(body))


@asynccontextmanager
async def visited(db: Database, *, oauth_base: str = LOGIN, routers: Any = ROUTERS) -> AsyncIterator[Visited]:
    clock, wall, chance = TurnedClock(NOW), TurnedClock(NOW), SeededChance(3)
    settings = Settings(public_url=PUBLIC)

    def context_of(update: Update, tx: Tx) -> Context:
        return Context(tx, tx.now, settings, chance.token, chance.fraction, update)

    await db.write(lambda c: furnish(c))
    desk = Desk(db, clock, Switchboard(routers), context_of, Bell(clock))
    platform = Platform()
    app = web.Application()
    add_pages(
        app,
        db=db,
        clock=clock,
        desk=desk,
        gateway=cast(Gateway, platform),
        chance=chance,
        settings=settings,
        secret=b"k" * 32,
        oauth_base=oauth_base,
        corp_id="wwCorp",
        agent_id="1000002",
        wall=wall,
    )
    server = TestServer(app)
    await server.start_server()
    pages = Visited(db, clock, wall, server, platform)
    try:
        yield pages
    finally:
        for client in pages.clients:
            await client.close()
        await server.close()


def furnish(connection: Connection) -> None:
    """小林 and 阿宁 in a group of 苏禾's, one open poll, one open question, one batch of two coupons."""
    tx = Tx(connection, NOW)
    for member, name in ((MEMBER, "小林"), ("wm-ning", "阿宁")):
        tx.members.meet(member, name=name, seen_at=NOW)
    tx.members.meet(STAFF, name="苏禾", staff=True, seen_at=NOW)
    tx.groups.meet(GROUP, name="新手答疑群")
    tx.groups.describe(GROUP, owner=STAFF)
    tx.groups.meet(INSIDE, kind="internal", name="运营小组")
    for member in (MEMBER, "wm-ning"):
        tx.groups.seat(GROUP, member, joined_at=NOW)
    drinks = options_of(
        (("美式，越苦越清醒", "美式党"), ("拿铁，要有奶才温柔", "拿铁党"), ("茶，慢慢来", "爱喝茶"))
    )
    for run in (
        a_run("poll", "你一天的第一杯是什么？", drinks, joke="周一早上的咖啡不是饮料，是开机密码。"),
        a_run("question", "这周你最想推进的一件事是什么？"),
        a_run("inside", "下次例会放在哪天？", options_of((("周三", ""), ("周四", ""))), group=INSIDE),
    ):
        tx.interactions.open(run)
    tx.coupons.open(Batch(id="welcome", name="新人咖啡券", ends=NOW + timedelta(days=30), valid_days=14))
    tx.coupons.stock("welcome", ["QX-8K2M-01", "QX-8K2M-02"])


def a_run(name: str, question: str, options: Any = (), *, group: str = GROUP, joke: str = "") -> Run:
    return Run(
        id=name,
        item=name,
        kind="poll" if options else "question",
        group=group,
        question=question,
        options=options,
        joke=joke,
        template="weekly_light",
        step="play",
        opened=NOW,
        closes=NOW + timedelta(hours=24),
        post_result=True,
    )
