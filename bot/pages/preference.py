"""What a member allows, and why they got what they got."""

from __future__ import annotations

from aiohttp import web

from bot.pages.page import Page, brought, draw, known, place
from bot.pages.visitor import Visitor
from sop.update import ConsentChanged
from storage.outbox import Entry
from storage.tx import Tx

SHOWN = 10


@known
async def show(request: web.Request, visitor: Visitor) -> web.StreamResponse:
    return await _show(request, visitor)


@known
async def decide(request: web.Request, visitor: Visitor) -> web.StreamResponse:
    fields, here = await brought(request, visitor), place(request)
    now, granted = here.clock.now(), fields.get("granted") == "1"
    said = await here.ask(
        ConsentChanged(
            at=now,
            id=f"consent:{visitor.member}:{granted}:{int(now.timestamp())}",
            member=visitor.member,
            granted=granted,
            channel="page",
        )
    )
    return await _show(request, visitor, said=said)


async def _show(request: web.Request, visitor: Visitor, *, said: str = "") -> web.StreamResponse:
    def look(tx: Tx) -> tuple[bool, list[Entry]]:
        if not visitor.member:
            return True, []
        decision = tx.consent.in_force(visitor.member)
        return decision is None or decision.granted, tx.outbox.last_to(visitor.member, SHOWN)

    granted, entries = await place(request).read(look)
    return draw(request, "preference.html", visitor, granted=granted, entries=entries, said=said)


PAGES = (Page("GET", "/m/preference", show), Page("POST", "/m/preference", decide))
