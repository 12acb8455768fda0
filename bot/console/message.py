"""发件箱: every message with its true state, and those whose fate a person must judge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from bot.console.page import Page, form, go, live, living, render, room, signed_in, way, whole
from sop.receipt import State
from sop.update import MessageReviewed, MessageWithdrawn
from storage import report
from storage.engine import Connection
from storage.outbox import Entry, OutboxStore
from storage.task import TaskStore
from storage.why import WhyStore

EACH = 50


@dataclass(frozen=True)
class Tab:
    """A list of messages in these states."""

    key: str
    name: str
    states: tuple[State, ...]
    plain: str


TABS = (
    Tab(
        "waiting",
        "等待",
        (State.PLANNED, State.WAITING, State.SENDING),
        "排队中，还没有发出。到点、且规则允许时才会发。",
    ),
    Tab(
        "confirm",
        "待员工确认",
        (State.CREATED, State.CONFIRMED),
        "群发任务已经在企业微信里创建好了，要员工点了确认才会真的发出去。",
    ),
    Tab("sent", "已送达", (State.SENT,), "平台确认已经送到的消息。"),
    Tab("refused", "未送达", (State.REFUSED, State.CANCELLED), "没有发出去的消息，每一条都写着原因。"),
    Tab(
        "review",
        "结果未知",
        (State.UNKNOWN,),
        "发出后没有得到可信的回音，可能送到了，也可能没有。系统不会擅自重发，请你判断。",
    ),
)


def tab_named(key: str) -> Tab:
    return next((tab for tab in TABS if tab.key == key), TABS[0])


def names_in(connection: Connection, entries: Sequence[Entry]) -> dict[str, str]:
    """What the recipients and senders of these messages are called."""
    people = {
        person
        for entry in entries
        for person in (entry.message.to_member, entry.message.to_staff, entry.message.sender)
        if person
    }
    return report.names(
        connection, members=people, chats={entry.message.to_group for entry in entries} - {""}
    )


async def _messages(request: web.Request) -> dict[str, Any]:
    here, query = room(request), request.query
    tab, before = tab_named(query.get("tab", "")), whole(query.get("before"))
    now = here.now

    def ask(c: Connection) -> dict[str, Any]:
        store = OutboxStore(c, now)
        entries = store.recent(states=tab.states, limit=EACH + 1, before=before)
        return {
            "entries": entries[:EACH],
            "more": len(entries) > EACH,
            "counts": store.counts(),
            "names": names_in(c, entries),
            "delivered": report.delivered_of(c, {entry.number for entry in entries if entry.number}),
        }

    return {"tab": tab, "tabs": TABS, **await here.read(ask)}


async def listed(request: web.Request) -> web.Response:
    known = await _messages(request)
    part = living(request, "messages_live.html", way("/messages/live"), **known)
    return render(request, "messages.html", part=part, **known)


async def fresh(request: web.Request) -> web.Response:
    return live(request, "messages_live.html", **await _messages(request))


async def shown(request: web.Request) -> web.Response:
    """One message in full: what it says, why, and what became of it."""
    here, number = room(request), whole(request.match_info["message"])
    now = here.now

    def ask(c: Connection) -> dict[str, Any] | None:
        entry = OutboxStore(c, now).get(number)
        if entry is None:
            return None
        shared = TaskStore(c).size(entry.number) if entry.number else 0
        return {
            "entry": entry,
            "shared": shared,
            "names": names_in(c, [entry]),
            "because": WhyStore(c, now, here.zone).message(number),
        }

    known = await here.read(ask)
    if known is None:
        raise web.HTTPNotFound
    return render(request, "message.html", **known)


async def judge(request: web.Request) -> web.Response:
    """An operator decides about a message whose fate is unknown."""
    here, number = room(request), whole(request.match_info["message"])
    delivered, now = (await form(request)).get("do") != "again", here.now
    if await here.read(lambda c: OutboxStore(c, now).get(number)) is None:
        raise web.HTTPNotFound
    who = signed_in(request).operator.name
    judged = MessageReviewed(
        at=now, id=f"console.{here.chance.token(12)}", message=number, delivered=delivered, by=who
    )
    reply = await here.desk.ask(judged)
    await here.did(request, "marked as delivered" if delivered else "let be sent again", f"message {number}")
    return go("/messages?tab=review", reply.content.text if reply else "")


async def take_back(request: web.Request) -> web.Response:
    """An operator wants an app message taken back."""
    here, number = room(request), whole(request.match_info["message"])
    now, who = here.now, signed_in(request).operator.name
    if await here.read(lambda c: OutboxStore(c, now).get(number)) is None:
        raise web.HTTPNotFound
    await form(request)
    wanted = MessageWithdrawn(at=now, id=f"console.{here.chance.token(12)}", message=number, by=who)
    reply = await here.desk.ask(wanted)
    await here.did(request, "took back", f"message {number}")
    return go(f"/messages/{number}", reply.content.text if reply else "")


PAGES = (
    Page("GET", "/messages", listed),
    Page("GET", "/messages/live", fresh),
    Page("GET", "/messages/{message}", shown),
    Page("POST", "/messages/{message}/judge", judge),
    Page("POST", "/messages/{message}/take-back", take_back),
)
