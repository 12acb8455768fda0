"""Tracked links: the visit is remembered, and the way leads only where the link was made to lead."""

from __future__ import annotations

from aiohttp import web

from bot.pages.page import Page, known, lost, place
from bot.pages.visitor import Visitor
from sop.link import allowed, is_token
from sop.update import LinkVisited


@known
async def follow(request: web.Request, visitor: Visitor) -> web.StreamResponse:
    here, token = place(request), request.match_info["token"]
    found = await here.read(lambda tx: tx.links.get(token)) if is_token(token) else None
    if found is None or not allowed(found.target):
        return lost(
            request, visitor, "链接找不到了", "这个链接可能写错了，或者已经撤下。回到消息里再点一次试试。"
        )
    if request.method == "GET":
        now = here.clock.now()
        who = visitor.member or here.chance.token(6)
        visited = LinkVisited(
            at=now, id=f"visit:{token}:{who}:{int(now.timestamp()) // 60}", token=token, member=visitor.member
        )
        await here.desk.tell(visited, lane=visitor.member or f"link:{token}")
    return web.Response(status=302, headers={"Location": found.target})


PAGES = (Page("GET", "/l/{token}", follow), Page("HEAD", "/l/{token}", follow))
