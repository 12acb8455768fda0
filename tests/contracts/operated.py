"""A console with a small community behind it, and somebody at the keyboard."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

from aiohttp import ClientResponse, ClientSession, CookieJar, web
from aiohttp.test_utils import BaseTestServer, TestServer

from bot.bell import Bell
from bot.chance import SeededChance
from bot.clock import TurnedClock
from bot.console.app import PAGES, add_console, add_operator
from bot.console.page import ANYONE, Page
from bot.desk import Desk
from bot.gateway import Identity
from bot.registry import Registry
from bot.wecom.login import Login
from handlers.context import Context, Settings
from handlers.operator import router
from handlers.router import Switchboard
from sop.errors import Refused
from sop.greeting import Greeting
from sop.journey import Journey
from sop.message import Channel, Content, Message
from sop.receipt import State
from sop.template import Subject
from sop.update import Update
from sop.way import Way, WayKind
from storage import inbox
from storage.alarm import open_alarms
from storage.due import Due
from storage.engine import Connection, Database, database
from storage.greeting import GreetingStore
from storage.inbox import Knock
from storage.instant import to_ms
from storage.outbox import OutboxStore
from storage.tables import alarm, errand, metadata, score
from storage.tables import inbox as inbox_table
from storage.tables import outbox as outbox_table
from storage.template import TemplateStore
from storage.tx import Tx
from storage.way import Standing

NOW = datetime(2026, 7, 2, 11, 0, tzinfo=UTC)  # a Thursday, 19:00 in Shanghai
ADMIN, OPERATOR, PASSWORD = "小陈", "阿宁", "correct horse battery"
MEMBER, GROUP = "wm-lin", "wr-new"
PLAN = """id = "hello"
name = "{name}"

[trigger]
on = "friend.added"

[audience]
everyone = true

[[step]]
id = "day1"
when = {{ day = 1, time = 19:30:00 }}
text = "{text}"
"""

FILLED = {
    "alarm": "1",
    "group": GROUP,
    "member": MEMBER,
    "message": "1",
    "miss": "1",
    "name": OPERATOR,
    "row": "1",
    "stage": "sent",
    "state": "poster",
    "step": "day1",
    "template": "hello",
}
UNPLAYED = "/templates/{template}/rehearsal.csv"  # leads to its page until something was played
READING = [page for page in PAGES if page.method == "GET" and page.role != ANYONE and page.path != UNPLAYED]
FILES = ("/workbook", ".csv")  # to keep, no pages
SHOWN = [page for page in READING if not page.path.endswith(FILES)]


def address(page: Page) -> str:
    """Where this page is about what is there."""
    path = re.sub(r"\{(\w+)\}", lambda found: FILLED[found.group(1)], page.path)
    return path + ("?version=2" if path.endswith("/publish") else "")


def plan(text: str = "晚上好", name: str = "问候") -> str:
    return PLAN.format(text=text, name=name)


@dataclass
class Operated:
    """The console as a browser meets it."""

    db: Database
    clock: TurnedClock
    wall: TurnedClock
    server: BaseTestServer
    client: ClientSession

    async def get(self, path: str, **headers: str) -> ClientResponse:
        return await self.client.get(f"/console{path}", headers=headers, allow_redirects=False)

    async def page(self, path: str) -> str:
        response = await self.get(path)
        assert response.status == 200, f"{path}: {response.status}"
        return await response.text()

    async def post(self, path: str, headers: dict[str, str] | None = None, **fields: str) -> ClientResponse:
        return await self.client.post(f"/console{path}", data=fields, headers=headers, allow_redirects=False)

    async def does(self, path: str, **fields: str) -> ClientResponse:
        """Post as the page would, with its token."""
        return await self.post(path, None, csrf=await self.token(), **fields)

    async def token(self) -> str:
        return field_of(await self.page("/account"), "csrf")

    async def signs_in(self, name: str = ADMIN, password: str = PASSWORD, to: str = "") -> ClientResponse:
        knock = field_of(await self.page("/login"), "knock")
        return await self.post(f"/login{to}", name=name, password=password, knock=knock)

    @asynccontextmanager
    async def another_browser(self) -> AsyncIterator[Operated]:
        async with browser(self.server) as client:
            yield Operated(self.db, self.clock, self.wall, self.server, client)


class Codes:
    """What the console asks of the platform: who brings this code, each code once."""

    def __init__(self, **codes: Identity) -> None:
        self.codes = codes

    async def who(self, code: str) -> Identity:
        try:
            return self.codes.pop(code)
        except KeyError:
            raise Refused("登录授权码无效、用过或已过期", code=40029) from None


def browser(server: BaseTestServer) -> ClientSession:
    """A browser with cookies of its own."""
    return ClientSession(server.make_url("/"), cookie_jar=CookieJar(unsafe=True))


def field_of(page: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', page)
    assert found, f"no field {name}"
    return found.group(1)


@asynccontextmanager
async def operated(path: Path, *, called: str = "小林", platform: object = None) -> AsyncIterator[Operated]:
    """A served console; everything with a name is ``called`` the same, so that a hostile name meets every view."""
    clock, wall, chance = TurnedClock(NOW), TurnedClock(NOW), SeededChance(7)

    def context_of(update: Update, tx: Tx) -> Context:
        return Context(
            tx=tx,
            now=tx.now,
            settings=Settings(),
            token=chance.token,
            fraction=chance.fraction,
            update=update,
        )

    async with database(f"sqlite:///{path / 'console.sqlite'}") as db:
        await db.write(lambda c: settle(c, called))
        await add_operator(db, ADMIN, PASSWORD, "admin", NOW)
        await add_operator(db, OPERATOR, PASSWORD, "operator", NOW)
        app = web.Application()
        desk = Desk(db, clock, Switchboard([router]), context_of, Bell(clock))
        add_console(
            app, db=db, clock=clock, desk=desk, chance=chance, wall=wall, public_url="http://bot.example.org",
            login=Login("wwCorp", "1000002"), registry=cast(Registry, platform or Codes()),
        )  # fmt: skip
        async with TestServer(app) as server, browser(server) as client:
            yield Operated(db, clock, wall, server, client)


def settle(connection: Connection, called: str) -> None:
    """One of everything a page can show."""
    metadata.create_all(connection)
    tx = Tx(connection, NOW)
    tx.members.meet("zhang", name=called, staff=True)
    tx.members.meet(MEMBER, name=called, source=called)
    tx.members.befriend(MEMBER, "zhang", since=NOW)
    tx.members.promote(MEMBER, "potential", called)
    tx.groups.meet(GROUP, name=called)
    tx.groups.describe(GROUP, owner="zhang")
    tx.groups.seat(GROUP, MEMBER, joined_at=NOW)
    tx.tags.add(MEMBER, called, reason=called)
    _ways(tx, called)
    _score(connection)
    _plans(connection, called)
    _missed(tx, called)
    _messages(connection, called)
    connection.execute(alarm.insert().values(key="a", group_id=GROUP, text=called, raised_at=to_ms(NOW)))
    inbox.insert(connection, [Knock(b"k" * 32, "app/main", called.encode(), "m", NOW)])
    connection.execute(inbox_table.update().values(state=inbox.PARKED, error=called, attempts=4))
    connection.execute(
        errand.insert().values(what="group", whom=GROUP, data={}, due_at=to_ms(NOW), attempts=2, error=called)
    )


def _ways(tx: Tx, called: str) -> None:
    tx.ways.add(
        Way(state="seen", name=called[:30], kind=WayKind.CONTACT, staff=("zhang",), tags=(called,)),
        called[:30],
    )
    tx.ways.settle("seen", Standing.READY, number="cw1")
    GreetingStore(tx.connection, NOW).add(Greeting(name=called[:30], text=called))


def _score(connection: Connection) -> None:
    parts = {
        "breadth": 0.6,
        "momentum": 0.5,
        "newcomers": 0.3,
        "depth": 0.4,
        "rhythm": 0.9,
        "reciprocity": 0.7,
    }
    for days in range(30):
        day = (NOW - timedelta(days=days)).date().isoformat()
        connection.execute(
            score.insert().values(
                group_id=GROUP,
                day=day,
                value=62.0,
                label="ok",
                coverage="archive",
                parts=parts,
                formula="1",
                scored_at=to_ms(NOW),
            )
        )


def _plans(connection: Connection, called: str) -> None:
    store = TemplateStore(connection, NOW)
    safe = called.replace("\\", "\\\\").replace('"', '\\"')
    store.save("hello", called, plan(name=safe), by=called, expect=0)
    store.publish("hello", 1, zone="Asia/Shanghai")
    store.save("hello", called, plan("早上好", name=safe), by=called, expect=1)


def _missed(tx: Tx, called: str) -> None:
    (walked,) = tx.journeys.enrol(
        [Journey(template="hello", version=1, subject=Subject.MEMBER, whom=MEMBER, run=1, anchor=NOW)]
    )
    wait = Due(what="step", whom=str(walked.id), occurrence="0", at=NOW)
    tx.due.miss(wait, NOW, "asked", called)


def _messages(connection: Connection, called: str) -> None:
    store = OutboxStore(connection, NOW)
    for state in State:
        message = Message(
            key=str(state),
            channel=Channel.GROUP_SEND,
            content=Content(called),
            to_member=MEMBER,
            sender="zhang",
            why=called,
        )
        store.add(message)
        connection.execute(
            outbox_table.update()
            .where(outbox_table.c.key == str(state))
            .values(state=str(state), reason=called)
        )


async def message_in(db: Database, state: State) -> int:
    """The number of the one message that was seeded in this state."""
    entry = await db.read(lambda c: OutboxStore(c, NOW).by_key(str(state)))
    assert entry is not None
    return entry.id


async def first_alarm(db: Database) -> int:
    alarms = await db.read(open_alarms)
    return alarms[0].id
