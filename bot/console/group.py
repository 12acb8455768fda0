"""群: every group with its score, live, and one group in full."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aiohttp import web

from bot.console.page import Page, live, living, render, room, way, whole
from bot.console.words import light
from storage import report
from storage.alarm import open_alarms
from storage.outbox import OutboxStore
from storage.report import GroupLine

SITTERS = 50
ORDER = {"red": 0, "amber": 1, "green": 2, "unknown": 3}
SORTS = {"": "需要关注的在前", "score": "分数高的在前", "size": "人数多的在前", "name": "按群名"}


@dataclass(frozen=True)
class Part:
    """One of the six parts of a score: what it is called, what it weighs, and what it tells."""

    key: str
    name: str
    weight: int
    plain: str


PARTS = (
    Part("breadth", "广度", 45, "近期有多少不同的人在说话，越近的越算数。刷屏的人只算一个人。"),
    Part("momentum", "势头", 20, "最近 7 天和这 28 天的平均相比，在升温还是降温。持平是 50。"),
    Part("newcomers", "新人", 15, "新来的人里，有多少人在不止一天开口。没有新人时取中间值。"),
    Part("depth", "深度", 10, "说过话的人平均活跃几天：是来一次就走，还是常来。"),
    Part("rhythm", "节奏", 5, "有多少天至少有两个人在聊，而不是隔很久热闹一下。"),
    Part("reciprocity", "回应", 5, "说完话半小时内有没有人接话。粗略估计，只占很小的比重。"),
)


def parts_of(line: GroupLine) -> list[tuple[Part, float | None]]:
    """The six parts with their values from 0 to 100, unknown where the score has none."""
    known = line.latest.parts if line.latest else {}
    return [(part, _hundred(known.get(part.key, known.get(part.key[0].upper())))) for part in PARTS]


def _hundred(value: object) -> float | None:
    return 100 * float(value) if isinstance(value, (int, float)) else None


def arranged(lines: Sequence[GroupLine], sort: str, kind: str) -> list[GroupLine]:
    """The lines an operator asked for, in the order they asked for."""
    wanted = [line for line in lines if kind in ("", line.group.kind)]
    match sort:
        case "score":
            return sorted(wanted, key=lambda line: -(_shown(line) if _shown(line) is not None else -1.0))
        case "size":
            return sorted(wanted, key=lambda line: -line.size)
        case "name":
            return sorted(wanted, key=lambda line: line.group.called)
    return sorted(wanted, key=lambda line: (ORDER[light(_known(line))], _known(line) or 0.0, line.group.called))


def _known(line: GroupLine) -> float | None:
    return line.latest.shown if line.latest else None


def _shown(line: GroupLine) -> float:
    known = _known(line)
    return -1.0 if known is None else known


async def _lines(request: web.Request) -> dict[str, object]:
    here = room(request)
    now = here.now
    lines, alarms = await here.read(lambda c: (report.group_lines(c, now), open_alarms(c)))
    kinds = sorted({str(line.group.kind) for line in lines})
    sort, kind = request.query.get("sort", ""), request.query.get("kind", "")
    return {"lines": arranged(lines, sort, kind), "alarms": alarms, "kinds": kinds, "sorts": SORTS, "total": len(lines)}


async def listed(request: web.Request) -> web.Response:
    known = await _lines(request)
    return render(request, "groups.html", part=living(request, "groups_live.html", way("/groups/live"), **known), **known)


async def fresh(request: web.Request) -> web.Response:
    return live(request, "groups_live.html", **await _lines(request))


async def shown(request: web.Request) -> web.Response:
    """One group: its score in parts, who is in it, what happened and what we sent."""
    here, group_id = room(request), request.match_info["group"]
    now, page = here.now, whole(request.query.get("page"), 1) or 1
    lines = await here.read(lambda c: report.group_lines(c, now, only=group_id))
    if not lines:
        raise web.HTTPNotFound
    sitters, facts, sent, names = await here.read(
        lambda c: (
            report.sitters(c, group_id, limit=SITTERS + 1, offset=(page - 1) * SITTERS),
            report.facts(c, group_id=group_id, limit=20),
            OutboxStore(c, now).recent(group=group_id, limit=12),
            report.names(c, members=[lines[0].group.owner]),
        )
    )
    return render(
        request, "group.html", line=lines[0], parts=parts_of(lines[0]), sitters=sitters[:SITTERS],
        more=len(sitters) > SITTERS, page=page, facts=facts, sent=sent, names=names,
    )


PAGES = (
    Page("GET", "/groups", listed),
    Page("GET", "/groups/live", fresh),
    Page("GET", "/groups/{group}", shown),
)
