"""群: every group with its score, live, and one group in full."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from aiohttp import web

from bot.console.page import Page, form, go, live, living, render, room, way, whole
from bot.console.words import light
from sop.engagement import NOTES, PARTS, explain
from sop.formula import STANDARD
from sop.zone import is_zone, nearest
from storage import report
from storage.alarm import open_alarms
from storage.engagement import EngagementStore
from storage.engine import Connection
from storage.outbox import OutboxStore
from storage.report import GroupLine
from storage.zone import ZoneStore

SITTERS = 50
ORDER = {"red": 0, "amber": 1, "green": 2, "unknown": 3}
SORTS = {"": "需要关注的在前", "score": "分数高的在前", "size": "人数多的在前", "name": "按群名"}


PLAIN = {
    "breadth": "近期有多少不同的人在说话，越近的越算数。刷屏的人只算一个人。",
    "momentum": "最近 7 天和这 28 天的平均相比，在升温还是降温。持平是 50。",
    "newcomers": "新来的人里，有多少人在不止一天开口。没有新人时取中间值。",
    "depth": "说过话的人平均活跃几天：是来一次就走，还是常来。",
    "rhythm": "有多少天至少有两个人在聊，而不是隔很久热闹一下。",
    "reciprocity": "说完话半小时内有没有人接话。粗略估计，只占很小的比重。",
}


@dataclass(frozen=True, kw_only=True)
class Part:
    """One of the six parts of a score: its weight and value from 0 to 100, and what it tells."""

    name: str
    weight: int
    value: float | None
    plain: str


def parts_of(line: GroupLine) -> list[Part]:
    """The six parts, unknown where the score has none."""
    known = line.latest.parts if line.latest else {}
    return [
        Part(name=PARTS[key], weight=round(100 * weight), value=_hundred(known.get(key)), plain=PLAIN[key])
        for key, weight in STANDARD.weights
    ]


def _hundred(value: object) -> float | None:
    return 100 * float(value) if isinstance(value, (int, float)) else None


def story(connection: Connection, line: GroupLine) -> list[str]:
    """What moved the score in the last week, and what an operator should know about the number."""
    if line.latest is None:
        return []
    week = EngagementStore(connection).trend(line.group.id, date.fromisoformat(line.latest.day), days=8)
    if not week:
        return []
    said = explain(week[-1], week[0] if len(week) > 1 else None)
    return [said, *(NOTES[note] for note in week[-1].notes if note in NOTES)]


def arranged(lines: Sequence[GroupLine], sort: str, kind: str) -> list[GroupLine]:
    """The lines an operator asked for, in the order they asked for."""
    wanted = [line for line in lines if kind in ("", line.group.kind)]
    match sort:
        case "score":
            return sorted(wanted, key=lambda line: -(_known(line) or -1.0))
        case "size":
            return sorted(wanted, key=lambda line: -line.size)
        case "name":
            return sorted(wanted, key=lambda line: line.group.called)
    return sorted(
        wanted, key=lambda line: (ORDER[light(_known(line))], _known(line) or 0.0, line.group.called)
    )


def _known(line: GroupLine) -> float | None:
    return line.latest.shown if line.latest else None


async def _lines(request: web.Request) -> dict[str, Any]:
    here = room(request)
    now = here.now
    lines, alarms = await here.read(lambda c: (report.group_lines(c, now), open_alarms(c)))
    kinds = sorted({str(line.group.kind) for line in lines})
    sort, kind = request.query.get("sort", ""), request.query.get("kind", "")
    return {
        "lines": arranged(lines, sort, kind),
        "alarms": alarms,
        "kinds": kinds,
        "sorts": SORTS,
        "total": len(lines),
    }


async def listed(request: web.Request) -> web.Response:
    known = await _lines(request)
    return render(
        request,
        "groups.html",
        part=living(request, "groups_live.html", way("/groups/live"), **known),
        **known,
    )


async def fresh(request: web.Request) -> web.Response:
    return live(request, "groups_live.html", **await _lines(request))


async def shown(request: web.Request) -> web.Response:
    """One group: its score in parts, who is in it, what happened and what we sent."""
    here, group_id = room(request), request.match_info["group"]
    now, page = here.now, whole(request.query.get("page"), 1) or 1
    lines = await here.read(lambda c: report.group_lines(c, now, only=group_id))
    if not lines:
        raise web.HTTPNotFound
    sitters, facts, sent, names, said = await here.read(
        lambda c: (
            report.sitters(c, group_id, limit=SITTERS + 1, offset=(page - 1) * SITTERS),
            report.facts(c, group_id=group_id, limit=12),
            OutboxStore(c, now).recent(group=group_id, limit=12),
            report.names(c, members=[lines[0].group.owner]),
            story(c, lines[0]),
        )
    )
    return render(
        request,
        "group.html",
        line=lines[0],
        parts=parts_of(lines[0]),
        sitters=sitters[:SITTERS],
        more=len(sitters) > SITTERS,
        page=page,
        facts=facts,
        sent=sent,
        names=names,
        story=said,
    )


async def zone(request: web.Request) -> web.Response:
    """Whose clock the group lives by; empty for the community's."""
    here, group_id = room(request), request.match_info["group"]
    name = (await form(request)).get("zone", "").strip()
    if name and not is_zone(name):
        return go(f"/groups/{group_id}", f"没有「{name[:40]}」这个时区，最像的是 {nearest(name)}。")
    if not await here.write(lambda c: ZoneStore(c).keep_of_group(group_id, name)):
        raise web.HTTPNotFound
    await here.did(request, "set a group's time zone", f"{group_id}: {name}")
    return go(f"/groups/{group_id}", "时区已保存，新开始的旅程按它走。")


PAGES = (
    Page("POST", "/groups/{group}/zone", zone),
    Page("GET", "/groups", listed),
    Page("GET", "/groups/live", fresh),
    Page("GET", "/groups/{group}", shown),
)
