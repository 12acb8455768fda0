"""What a member allows, and why they got what they got."""

from __future__ import annotations

from aiohttp import web

from bot.pages.page import Page, brought_to, draw, known, place
from bot.pages.visitor import Visitor
from sop.consent import NOTICE
from sop.update import ConsentChanged
from sop.why import Got
from storage.tx import Tx
from storage.why import WhyStore

ADDRESS = "/m/preferences"
SHOWN = 10


@known
async def show(request: web.Request, visitor: Visitor) -> web.StreamResponse:
    here = place(request)

    def look(tx: Tx) -> tuple[bool, list[Got]]:
        decision = tx.consent.in_force(visitor.member)
        got = WhyStore(tx.connection, here.now, here.settings.zone).got(visitor.member, SHOWN)
        return decision is None or decision.granted, got

    granted, got = await here.read(look) if visitor.member else (True, [])
    return draw(request, "preferences.html", visitor, granted=granted, got=got, notice=NOTICE)


@brought_to(ADDRESS)
async def decide(request: web.Request, visitor: Visitor, fields: dict[str, str]) -> str:
    here, granted = place(request), fields.get("granted")
    if not visitor.member or granted not in ("yes", "no"):
        return ""
    return await here.ask(
        ConsentChanged(
            at=here.now,
            id=f"page:consent:{visitor.member}:{granted}:{int(here.now.timestamp() * 1000)}",
            member=visitor.member,
            granted=granted == "yes",
            channel="page",
        )
    )


PAGES = (Page("GET", ADDRESS, show), Page("POST", ADDRESS, decide))
