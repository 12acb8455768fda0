"""Where a member finds everything that is theirs."""

from __future__ import annotations

from aiohttp import web

from bot.pages.page import Page, draw, known, place
from bot.pages.visitor import Visitor
from sop.coupon import Coupon
from sop.member import Member
from sop.timing import local_day
from storage.interaction import Run
from storage.tx import Tx


@known
async def show(request: web.Request, visitor: Visitor) -> web.StreamResponse:
    here = place(request)
    now = here.clock.now()
    today = local_day(now, here.settings.zone)

    def look(tx: Tx) -> tuple[Member | None, list[Coupon], list[Run], int]:
        member = tx.members.get(visitor.member) if visitor.member else None
        if member is None:
            return None, [], [], 0
        groups = [group.id for group in tx.groups.of_member(member.id)]
        coupons = [coupon for coupon in tx.coupons.held_by(member.id) if coupon.usable(now)]
        return member, coupons, tx.interactions.open_for(groups), tx.interactions.streak(member.id, today)

    member, coupons, runs, streak = await here.read(look)
    return draw(request, "home.html", visitor, member=member, coupons=coupons, runs=runs, streak=streak)


PAGES = (Page("GET", "/m/", show),)
