"""今日: what came in, what went out, what wants a person."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time
from itertools import groupby

from aiohttp import web

from bot.console.page import Page, form, go, live, living, render, room, signed_in, way, whole
from sop.timing import at_local, local_day
from storage import inbox, report
from storage.alarm import Alarm, acknowledge, open_alarms
from storage.engine import Connection
from storage.errand import ErrandStore
from storage.outbox import OutboxStore


@dataclass(frozen=True, kw_only=True)
class Today:
    """The numbers and lists of the start page; ``tasks`` are open confirmations by staff."""

    inbox: dict[str, int]
    outbox: dict[str, int]
    received: int
    sent: int
    troubled: int
    alarms: list[Alarm]
    tasks: list[tuple[str, list[report.Confirmation]]]
    groups: list[report.GroupLine]


def gather(connection: Connection, now: datetime, midnight: datetime) -> Today:
    waiting = sorted(report.confirmations(connection), key=lambda task: task.sender)
    return Today(
        inbox=inbox.counts(connection),
        outbox=OutboxStore(connection, now).counts(),
        received=report.received_since(connection, midnight),
        sent=report.sent_since(connection, midnight),
        troubled=len(ErrandStore(connection).troubled()),
        alarms=open_alarms(connection),
        tasks=[(sender, list(tasks)) for sender, tasks in groupby(waiting, key=lambda task: task.sender)],
        groups=report.group_lines(connection, now)[:8],
    )


async def _today(request: web.Request) -> Today:
    here = room(request)
    now = here.now
    midnight = at_local(local_day(now, here.zone), time(), here.zone)
    return await here.read(lambda c: gather(c, now, midnight))


async def start(request: web.Request) -> web.Response:
    part = living(request, "today_live.html", way("/live"), today=await _today(request))
    return render(request, "today.html", part=part)


async def fresh(request: web.Request) -> web.Response:
    return live(request, "today_live.html", today=await _today(request))


async def seen(request: web.Request) -> web.Response:
    """知道了: the alarm is not shown again."""
    here, number = room(request), whole(request.match_info["alarm"])
    now, who = here.now, signed_in(request).operator.name
    if not await here.write(lambda c: acknowledge(c, number, now)):
        raise web.HTTPNotFound
    await here.accounts(lambda store: store.record(who, "acknowledged alarm", str(number)))
    return go(_back((await form(request)).get("back", "")), "好的，这条提醒收起来了。")


def _back(asked: str) -> str:
    return asked if asked in ("/", "/groups") else "/"


PAGES = (
    Page("GET", "/", start),
    Page("GET", "/live", fresh),
    Page("POST", "/alarms/{alarm}/seen", seen),
)
