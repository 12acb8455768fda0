"""Where a member finds everything that is theirs."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web

from bot.pages.article import SHELF
from bot.pages.check_in import NOTHING, Track, track_of
from bot.pages.page import Page, draw, known, place
from bot.pages.visitor import Visitor
from sop.coupon import Batch, Coupon
from sop.member import Member
from storage.interaction import Run
from storage.tx import Tx

READS = 3


@dataclass(frozen=True)
class Mine:
    """What is a member's: coupons that still count, questions that are open with their own answer, footprints."""

    member: Member | None = None
    coupons: tuple[tuple[Coupon, Batch], ...] = ()
    questions: tuple[tuple[Run, str | None], ...] = ()
    track: Track = NOTHING


@known
async def show(request: web.Request, visitor: Visitor) -> web.StreamResponse:
    here = place(request)

    def look(tx: Tx) -> Mine:
        if not visitor.member:
            return Mine()
        batches = {batch.id: batch for batch in tx.coupons.batches()}
        held = [coupon for coupon in tx.coupons.held_by(visitor.member) if coupon.usable(here.now)]
        groups = [group.id for group in tx.groups.of_member(visitor.member)]
        open_now = tx.interactions.open_for(groups)
        return Mine(
            tx.members.get(visitor.member),
            tuple((coupon, batches[coupon.batch]) for coupon in held if coupon.batch in batches),
            tuple((run, tx.interactions.answer_of(run.id, visitor.member)) for run in open_now),
            track_of(tx, visitor.member, here.today),
        )

    mine = await here.read(look)
    articles = list(request.app[SHELF].values())[:READS]
    return draw(request, "home.html", visitor, mine=mine, today=here.today, articles=articles)


PAGES = (Page("GET", "/m/", show),)
