"""Tracked links: the visit is remembered, and the way leads only where the link was made to lead."""

from __future__ import annotations

from aiohttp import web

from bot.pages.page import Page, known, lost, place
from bot.pages.visitor import Visitor, is_machine
from sop.link import absolute, allowed, is_token
from sop.update import LinkVisited


@known
async def follow(request: web.Request, visitor: Visitor) -> web.StreamResponse:
    """Members and strangers are visits; staff who try a link, previews and crawlers are not."""
    here, token = place(request), request.match_info["token"]
    found = await here.read(lambda tx: tx.links.get(token)) if is_token(token) else None
    if found is None or not allowed(found.target):
        return lost(
            request, visitor, "链接找不到了", "链接可能写错了，或者已经撤下。回到消息里再点一次试试。"
        )
    if request.method == "GET" and not is_machine(request) and not visitor.staff:
        await _tell(request, token, visitor)
    return web.Response(status=302, headers={"Location": absolute(found.target, here.settings.public_url)})


async def _tell(request: web.Request, token: str, visitor: Visitor) -> None:
    """Somebody who taps twice within a minute came once."""
    here, member = place(request), visitor.member
    who, minute = member or visitor.guest or here.chance.token(6), int(here.now.timestamp()) // 60
    visited = LinkVisited(
        at=here.now, id=f"visit:{token}:{who}:{minute}", token=token, member=member, guest=visitor.guest
    )
    await here.desk.tell(visited, lane=member or f"link:{token}")


PAGES = (Page("GET", "/l/{token}", follow), Page("HEAD", "/l/{token}", follow))
