"""渠道: the QR codes people come in by, and what groups say to newcomers. WeCom makes the codes; a person hangs them up."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from bot.console.page import PICTURES, Page, go, live, living, render, room, signed_in, way
from sop.errors import Conflict
from sop.group import GroupKind
from sop.way import Way, WayKind, objections
from storage.engine import Connection
from storage.errand import Errand, ErrandStore
from storage.greeting import GreetingStore
from storage.group import GroupStore
from storage.member import MemberStore
from storage.way import Standing, WayStore

PARTS = "、，,;； \t"  # what may stand between tags


async def listed(request: web.Request) -> web.Response:
    return await _page(request)


async def refreshed(request: web.Request) -> web.Response:
    return live(request, "ways_live.html", **await _kept(request))


async def add(request: web.Request) -> web.Response:
    """A new way: kept here, and made at WeCom as soon as it answers."""
    here, wanted = room(request), await _wanted(request)
    if problems := objections(wanted):
        return await _page(request, " ".join(problems), wanted, status=422)
    now, by = here.now, signed_in(request).operator.name

    def work(c: Connection) -> None:
        WayStore(c, now).add(wanted, by)
        ErrandStore(c).add(Errand(what="way", whom=wanted.state, data={"do": "make"}, at=now))

    try:
        await here.write(work)
    except Conflict:
        return await _page(request, f"渠道标识 {wanted.state} 已经用过了，换一个。", wanted, status=409)
    here.desk.after()
    await here.did(request, "made a way", wanted.name)
    return go("/ways", f"正在生成「{wanted.name}」的二维码，几秒后出现在下面。")


async def drop(request: web.Request) -> web.Response:
    """The code stops working; who came through it stays tagged."""
    here, state = room(request), request.match_info["state"]
    now = here.now
    kept = await here.read(lambda c: WayStore(c, now).get(state))
    if kept is None:
        raise web.HTTPNotFound
    if kept.standing is not Standing.DROPPED:
        errand = Errand(what="way", whom=state, data={"do": "drop"}, at=now)
        await here.write(lambda c: ErrandStore(c).add(errand))
        here.desk.after()
        await here.did(request, "dropped a way", kept.way.name)
    return go("/ways", f"正在停用「{kept.way.name}」，已经印出去的二维码会失效。")


async def _wanted(request: web.Request) -> Way:
    posted = await request.post()

    def one(name: str) -> str:
        return str(posted.get(name, "")).strip()

    def several(name: str) -> tuple[str, ...]:
        return tuple(dict.fromkeys(str(value) for value in posted.getall(name, [])))

    kind = WayKind.JOIN if one("kind") == WayKind.JOIN else WayKind.CONTACT
    contact = kind is WayKind.CONTACT
    return Way(
        state=one("state") or f"qx{room(request).chance.bytes(6).hex()}",
        name=one("name"),
        kind=kind,
        tags=_tags(one("tags")),
        staff=several("staff") if contact else (),
        needs_no_consent=one("consent") != "asked",
        groups=() if contact else several("groups"),
        opens_rooms=one("opens") == "yes",
        room_name="" if contact else one("room"),
    )


def _tags(text: str) -> tuple[str, ...]:
    for sign in PARTS:
        text = text.replace(sign, "\n")
    return tuple(dict.fromkeys(part.strip() for part in text.split("\n") if part.strip()))


async def _page(
    request: web.Request, problem: str = "", wanted: Way | None = None, status: int = 200
) -> web.Response:
    now = room(request).now

    def ask(c: Connection) -> dict[str, Any]:
        groups = [group for group in GroupStore(c, now).all() if group.kind == GroupKind.CUSTOMER]
        return {"staff": MemberStore(c, now).staff(), "groups": groups}

    known = await room(request).read(ask)
    part = living(request, "ways_live.html", way("/ways/live"), **await _kept(request))
    answer = render(request, "ways.html", status=status, problem=problem, wanted=wanted, part=part, **known)
    answer[PICTURES] = True  # QR codes lie at the platform
    return answer


async def _kept(request: web.Request) -> dict[str, Any]:
    now = room(request).now

    def ask(c: Connection) -> dict[str, Any]:
        ways = WayStore(c, now).all()
        groups = {group.id: group.called for group in GroupStore(c, now).all(dismissed=True)}
        staff = {one.id: one.called for one in MemberStore(c, now).staff()}
        return {"ways": ways, "greetings": GreetingStore(c, now).all(), "names": {**groups, **staff}}

    return await room(request).read(ask)


PAGES = (
    Page("GET", "/ways", listed),
    Page("GET", "/ways/live", refreshed),
    Page("POST", "/ways", add),
    Page("POST", "/ways/{state}/drop", drop),
)
