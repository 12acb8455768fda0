"""停放: updates that could not be handled and questions the platform would not answer."""

from __future__ import annotations

from aiohttp import web

from bot.console.page import Page, go, render, room, whole
from storage import inbox
from storage.errand import ErrandStore
from storage.inbox import Waiting
from storage.operator import ADMIN

LONGEST_BODY = 4000


async def listed(request: web.Request) -> web.Response:
    parked, troubled, counts = await room(request).read(
        lambda c: (inbox.parked(c), ErrandStore(c).troubled(), inbox.counts(c))
    )
    return render(request, "review.html", parked=parked, troubled=troubled, counts=counts, body=body_of)


def body_of(row: Waiting) -> str:
    """What arrived, as far as it can be read."""
    return row.body[:LONGEST_BODY].decode("utf-8", "replace")


async def replay(request: web.Request) -> web.Response:
    """Let a parked update be handled once more."""
    here, number = room(request), whole(request.match_info["row"])
    if not await here.write(lambda c: inbox.replay(c, number)):
        return go("/review", "这条已经不在停放里了。")
    here.desk.woken.ring()
    await here.did(request, "replayed", f"update {number}")
    return go("/review", "已放回队列，马上重新处理。")


PAGES = (
    Page("GET", "/review", listed),
    Page("POST", "/review/{row}/replay", replay, ADMIN),
)
