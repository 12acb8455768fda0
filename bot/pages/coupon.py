"""A batch of coupons: one button, one code, big enough to show at the counter."""

from __future__ import annotations

from aiohttp import web

from bot.pages.page import Page, brought, draw, known, lost, place
from bot.pages.visitor import Visitor
from sop.coupon import Batch, Coupon
from sop.update import CouponWanted
from storage.tx import Tx


@known
async def show(request: web.Request, visitor: Visitor) -> web.StreamResponse:
    return await _show(request, visitor)


@known
async def claim(request: web.Request, visitor: Visitor) -> web.StreamResponse:
    await brought(request, visitor)
    here, batch = place(request), request.match_info["batch"]
    said = await here.ask(
        CouponWanted(
            at=here.clock.now(), id=f"coupon:{batch}:{visitor.member}", member=visitor.member, batch=batch
        )
    )
    return await _show(request, visitor, said=said)


async def _show(request: web.Request, visitor: Visitor, *, said: str = "") -> web.StreamResponse:
    here, batch_id = place(request), request.match_info["batch"]

    def look(tx: Tx) -> tuple[Batch | None, list[Coupon]]:
        held = tx.coupons.held_by(visitor.member) if visitor.member else []
        return tx.coupons.batch(batch_id), [coupon for coupon in held if coupon.batch == batch_id]

    batch, held = await here.read(look)
    if batch is None:
        return lost(request, visitor, "券找不到了", "这一批券可能已经撤下，留意群里的下一次。")
    now = here.clock.now()
    ended = batch.ends is not None and now >= batch.ends
    early = batch.starts is not None and now < batch.starts
    return draw(
        request, "coupon.html", visitor, batch=batch, held=held, now=now, ended=ended, early=early, said=said
    )


PAGES = (Page("GET", "/m/coupon/{batch}", show), Page("POST", "/m/coupon/{batch}", claim))
